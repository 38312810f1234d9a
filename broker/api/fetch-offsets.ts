// fetchOffsets: how far a group has read.

import {
  ERROR, groupNameFault, type CommittedOffset, type FetchOffsetsRequest, type FetchOffsetsResponse,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { LogRefusal } from '../log/led-log.js'
import type { ApiHandler } from '../net/call.js'
import type { Partition } from '../partition/partition.js'
import { findPartition } from './find-partition.js'
import type { BrokerServices } from './services.js'
import { whenLeading } from './when-leading.js'

export function fetchOffsetsHandler (services: BrokerServices): ApiHandler<FetchOffsetsRequest, FetchOffsetsResponse> {
  return {
    api: 'fetchOffsets',
    handle ({ group, partitions }, call) {
      const fault = groupNameFault(group)
      if (fault !== null) return call.fail(ERROR.INVALID_REQUEST, fault)
      if (partitions === null) return allOffsets(services, group, offsets => call.respond({ offsets }))
      if (partitions.length > LIMITS.partitionsPerRequest) {
        return call.fail(ERROR.INVALID_REQUEST,
          `the request names ${partitions.length} partitions; at most ${LIMITS.partitionsPerRequest} go into one`)
      }
      const offsets: CommittedOffset[] = []
      let waiting = partitions.length + 1
      const settle = (): void => { if (--waiting === 0) call.respond({ offsets }) }
      partitions.forEach(({ topicId, partition: index }, i) => {
        const topic = services.topics.byId(topicId)?.name ?? ''
        const refuse = ({ error, message }: LogRefusal): void => {
          offsets[i] = answer({ topic, topicId, partition: index, error, message })
          settle()
        }
        const found = findPartition(services, topicId, index)
        if (found.partition === null) return refuse(found)
        const { partition } = found
        whenLeading(services, partition, LIMITS.confirmMs, refusal => {
          if (refusal !== null) return refuse(refusal)
          offsets[i] = offsetIn(partition, group)
          settle()
        })
      })
      settle()
    },
  }
}

/** By topic and partition. What another broker leads by now is left out: that one tells it. */
function allOffsets (services: BrokerServices, group: string, done: (offsets: CommittedOffset[]) => void): void {
  const offsets: (CommittedOffset | null)[] = []
  let waiting = 1
  const settle = (): void => { if (--waiting === 0) done(offsets.filter(offset => offset !== null)) }
  for (const { topicId } of services.topics.all()) {
    for (const partition of services.partitions.partitionsOf(topicId)) {
      if (partition.committedOffset(group) === undefined) continue
      waiting++
      const at = offsets.push(null) - 1
      whenLeading(services, partition, LIMITS.confirmMs, refusal => {
        const { topicName: topic, index } = partition
        if (refusal === null) {
          offsets[at] = offsetIn(partition, group)
        } else if (refusal.error !== ERROR.NOT_LEADER) {
          offsets[at] = answer({ topic, topicId, partition: index, ...refusal })
        }
        settle()
      })
    }
  }
  settle()
}

function offsetIn (partition: Partition, group: string): CommittedOffset {
  const stored = partition.committedOffset(group)
  return answer({
    topic: partition.topicName,
    topicId: partition.topicId,
    partition: partition.index,
    offset: stored?.offset ?? -1,
    leaderEpoch: stored?.leaderEpoch ?? -1,
    metadata: stored?.metadata ?? null,
    committedAt: stored?.committedAt ?? -1,
  })
}

function answer (
  fields: Pick<CommittedOffset, 'topic' | 'topicId' | 'partition'> & Partial<CommittedOffset>,
): CommittedOffset {
  return { error: 0, message: '', offset: -1, leaderEpoch: -1, metadata: null, committedAt: -1, ...fields }
}
