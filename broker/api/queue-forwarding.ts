// The handlers of a cluster's broker for what is asked of queues item by item: each item goes to the leader of its
// partition.

import type {
  CancelResult, CancelTarget, ControlPartition, ControlResult, ExplainTarget, QueueStats, QueueStatsPartition,
  RecordExplanation, RescheduleResult, RescheduleTarget, SettlePartition, SettleRequest, SettleResponse, SettleResult,
} from '@sluice/protocol'
import type { Forwarder } from '../forward/forwarder.js'
import type { ApiHandler } from '../net/call.js'
import { cancelRecordsHandler, rescheduleRecordsHandler } from './change-records.js'
import { controlQueueHandler } from './control-queue.js'
import { explainRecordsHandler } from './explain-records.js'
import { NO_EXPLANATION } from './explanations.js'
import { byLeader } from './forwarding.js'
import { PartCall } from './part-call.js'
import { NO_STATS, queueStatsHandler } from './queue-stats.js'
import type { BrokerServices } from './services.js'
import { settleHandler } from './settle.js'

export function queueHandlers (services: BrokerServices, forwarder: Forwarder): ApiHandler<never, never>[] {
  return [
    settleByLeader(services, forwarder),
    byLeader<'cancelRecords', CancelTarget, CancelResult>(forwarder, cancelRecordsHandler(services), {
      itemsOf: request => request.targets,
      withItems: (request, targets) => ({ ...request, targets: [...targets] }),
      resultsOf: response => response.results,
      responseOf: results => ({ results }),
      failed: (_target, error, message) => ({ error, message, answer: 'unknown', offset: -1 }),
    }),
    byLeader<'rescheduleRecords', RescheduleTarget, RescheduleResult>(forwarder, rescheduleRecordsHandler(services), {
      itemsOf: request => request.targets,
      withItems: (request, targets) => ({ ...request, targets: [...targets] }),
      resultsOf: response => response.results,
      responseOf: results => ({ results }),
      failed: (_target, error, message) => ({ error, message, answer: 'unknown', offset: -1, notBefore: -1 }),
    }),
    byLeader<'explainRecords', ExplainTarget, RecordExplanation>(forwarder, explainRecordsHandler(services), {
      itemsOf: request => request.targets,
      withItems: (request, targets) => ({ ...request, targets: [...targets] }),
      resultsOf: response => response.results,
      responseOf: results => ({ results }),
      failed: (_target, error, message) => ({ ...NO_EXPLANATION, error, message }),
    }),
    byLeader<'queueStats', QueueStatsPartition, QueueStats>(forwarder, queueStatsHandler(services), {
      itemsOf: request => request.partitions,
      withItems: (request, partitions) => ({ ...request, partitions: [...partitions] }),
      resultsOf: response => response.partitions,
      responseOf: partitions => ({ partitions }),
      failed: (item, error, message) => ({ ...item, ...NO_STATS, error, message }),
    }),
    byLeader<'controlQueue', ControlPartition, ControlResult>(forwarder, controlQueueHandler(services), {
      itemsOf: request => request.partitions,
      withItems: (request, partitions) => ({ ...request, partitions: [...partitions] }),
      resultsOf: response => response.results,
      responseOf: results => ({ results }),
      failed: ({ partition }, error, message) => ({ partition, error, message, changed: false, records: 0 }),
    }),
  ] as ApiHandler<never, never>[]
}

/** Where the client wants no answer, the parts have one all the same: only the client hears nothing. */
function settleByLeader (
  services: BrokerServices, forwarder: Forwarder,
): ApiHandler<SettleRequest, SettleResponse> {
  const handler = settleHandler(services)
  const parted = byLeader<'settle', SettlePartition, SettleResult>(forwarder, handler, {
    itemsOf: request => request.partitions,
    withItems: (request, partitions) =>
      ({ ...request, acks: request.acks === 'none' ? 'leader' : request.acks, partitions: [...partitions] }),
    resultsOf: response => response.results,
    responseOf: results => ({ results }),
    failed: ({ partition }, error, message) => ({ partition, error, message, answers: [] }),
  })
  return {
    api: 'settle',
    handle (request, call, frame) {
      const isHere = ({ topicId, partition }: SettlePartition): boolean =>
        forwarder.leaderOf(topicId, partition) === forwarder.brokerId
      if (request.acks !== 'none' || request.partitions.every(isHere)) return parted.handle(request, call, frame)
      parted.handle(request, new PartCall(call, frame, () => call.finishSilently()), frame)
    },
  }
}
