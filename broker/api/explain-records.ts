// explainRecords: why a record is not delivered.
//
// The facts of a record may have to be read from disk first: then the explanation is asked for again, a few times.

import {
  ERROR, type ExplainRecordsRequest, type ExplainRecordsResponse, type ExplainTarget, type RecordExplanation,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler, Call } from '../net/call.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import { NO_EXPLANATION, explanationOf } from './explanations.js'
import { findQueueRecord, targetsFault } from './find-queue-record.js'
import type { BrokerServices } from './services.js'

const TRIES_MAX = 50

export function explainRecordsHandler (
  services: BrokerServices,
): ApiHandler<ExplainRecordsRequest, ExplainRecordsResponse> {
  return {
    api: 'explainRecords',
    handle ({ targets }, call) {
      const fault = targetsFault(targets)
      if (fault !== null) return call.fail(ERROR.INVALID_REQUEST, fault)
      explainAll(services, targets, call, TRIES_MAX)
    },
  }
}

function explainAll (
  services: BrokerServices, targets: readonly ExplainTarget[], call: Call<ExplainRecordsResponse>, triesLeft: number,
): void {
  let isLoading = false
  const results = targets.map(target => {
    const found = findQueueRecord(services, target)
    if (found.group === null) return { ...NO_EXPLANATION, error: found.error, message: found.message }
    const { group, partition } = found
    const queue = group.turn()
    const offset = target.lane >= 0 ? queue.oldestOffsetOf(target.lane) : found.offset
    if (offset < 0 || offset >= partition.log.nextOffset) return NO_EXPLANATION
    const explanation = queue.explain(offset)
    if (explanation.state === 'unknown' && group.isLoading) isLoading = true
    return complete(services, group, explanationOf(offset, explanation))
  })
  if (!isLoading || triesLeft === 0) return call.respond({ results })
  const { deadlines, clock } = services
  deadlines.add(clock.monotonicMs() + LIMITS.tickMs, () => explainAll(services, targets, call, triesLeft - 1))
}

/** Adds what only the broker knows. */
function complete (
  { sessions }: BrokerServices, group: HostedQueueGroup, explanation: RecordExplanation,
): RecordExplanation {
  const { config: { maxAttempts }, partition: { log } } = group
  const damaged = log.quarantined.some(({ from, to }) => explanation.offset >= from && explanation.offset < to)
  const withSettings = { ...explanation, maxAttempts, damaged }
  return explanation.state === 'leased' ? { ...withSettings, ...sessions.holderOf(explanation.sessionId) } : withSettings
}
