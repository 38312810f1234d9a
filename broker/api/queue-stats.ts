// queueStats: the figures of queue groups, with the ages of the oldest records.
//
// Ages come from timestamps, which are in the records: the batches that hold the oldest ones are read, where they have
// to be from the disk, and the answer waits for that.

import { ERROR, type QueueStats, type QueueStatsPartition, type QueueStatsRequest, type QueueStatsResponse } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler } from '../net/call.js'
import type { Partition } from '../partition/partition.js'
import { END_CAUSE } from '../queue/queue-types.js'
import { agesOf, type QueueStats as GroupStats } from '../queue/queue-stats.js'
import { findQueueGroup } from './find-queue-group.js'
import { timestampsOf } from './record-timestamps.js'
import type { BrokerServices } from './services.js'

export function queueStatsHandler (services: BrokerServices): ApiHandler<QueueStatsRequest, QueueStatsResponse> {
  return {
    api: 'queueStats',
    handle ({ partitions }, call) {
      if (partitions.length === 0 || partitions.length > LIMITS.itemsPerQueueRequest) {
        return call.fail(ERROR.INVALID_REQUEST, `the request names ${partitions.length} partitions; it must be 1 to ${LIMITS.itemsPerQueueRequest}`)
      }
      void Promise.all(partitions.map(async item => await statsOf(services, item)))
        .then(answers => call.respond({ partitions: answers }))
    },
  }
}

async function statsOf (services: BrokerServices, item: QueueStatsPartition): Promise<QueueStats> {
  const found = findQueueGroup(services, item)
  if (found.group === null) return { ...item, ...NO_STATS, error: found.error, message: found.message }
  const stats = found.group.turn().stats()
  const timestamps = await timestampsOf(found.partition, [
    stats.oldestFreshOffset, stats.oldestReadyOffset, stats.oldestLeasedOffset, stats.oldestDelayedOffset,
    stats.oldestBlockedOffset,
  ])
  return { ...item, ...figuresOf(services, found.partition, stats, timestamps) }
}

function figuresOf (
  { clock }: BrokerServices, partition: Partition, stats: GroupStats, timestamps: ReadonlyMap<number, number>,
): Omit<QueueStats, keyof QueueStatsPartition> {
  const ages = agesOf(stats, Math.floor(clock.wallMs()), offset => timestamps.get(offset) ?? -1)
  const { ended } = stats
  return {
    error: 0,
    message: '',
    floor: stats.floor,
    nextOffset: stats.next,
    highWatermark: partition.highWatermark,
    ready: stats.ready,
    leased: stats.leased,
    delayed: stats.delayed,
    blocked: stats.blocked,
    deadLetterPending: stats.deadLetterPending,
    fresh: stats.fresh,
    acknowledged: ended[END_CAUSE.acknowledged]!,
    cancelled: ended[END_CAUSE.cancelled]!,
    expired: ended[END_CAUSE.expired]!,
    dead: ended[END_CAUSE.dead]!,
    archived: ended[END_CAUSE.archived]!,
    purged: ended[END_CAUSE.purged]!,
    duplicates: ended[END_CAUSE.duplicate]!,
    damaged: ended[END_CAUSE.damaged]!,
    oldestFreshAgeMs: ages.freshMs,
    oldestReadyAgeMs: ages.readyMs,
    oldestLeasedAgeMs: ages.leasedMs,
    oldestDelayedAgeMs: ages.delayedMs,
    oldestBlockedAgeMs: ages.blockedMs,
    oldestDeadLetterPendingAgeMs: ages.deadLetterPendingMs,
    oldestOutstandingOffset: stats.oldestOutstandingOffset,
    busyLanes: stats.busyLanes,
    stoppedLanes: stats.stoppedLanes,
    stopped: stats.stopped.map(lane => ({ ...lane })),
    sessions: stats.sessions,
    paused: stats.paused,
  }
}

export const NO_STATS: Omit<QueueStats, keyof QueueStatsPartition> = {
  error: 0,
  message: '',
  floor: -1,
  nextOffset: -1,
  highWatermark: -1,
  ready: 0,
  leased: 0,
  delayed: 0,
  blocked: 0,
  deadLetterPending: 0,
  fresh: 0,
  acknowledged: 0,
  cancelled: 0,
  expired: 0,
  dead: 0,
  archived: 0,
  purged: 0,
  duplicates: 0,
  damaged: 0,
  oldestFreshAgeMs: -1,
  oldestReadyAgeMs: -1,
  oldestLeasedAgeMs: -1,
  oldestDelayedAgeMs: -1,
  oldestBlockedAgeMs: -1,
  oldestDeadLetterPendingAgeMs: -1,
  oldestOutstandingOffset: -1,
  busyLanes: 0,
  stoppedLanes: 0,
  stopped: [],
  sessions: 0,
  paused: false,
}
