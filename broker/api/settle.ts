// settle: what became of leased records. Handles are all it takes; any client that holds one can settle it.

import {
  ERROR, type SettleAnswer as AnswerName, type SettleAnswerRun, type SettleItem, type SettlePartition,
  type SettleRequest, type SettleResponse, type SettleResult,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler } from '../net/call.js'
import { SETTLE_ANSWER, SETTLE_KIND, type SettleItem as GroupItem } from '../queue/queue-types.js'
import { DurableAnswers } from './durable-answers.js'
import { findQueueGroup } from './find-queue-group.js'
import type { BrokerServices } from './services.js'

const ANSWER_NAMES = namesOf(SETTLE_ANSWER, {
  OK: 'ok',
  LATE_OK: 'lateOk',
  ALREADY_SETTLED: 'alreadySettled',
  STALE_LEASE: 'staleLease',
  UNKNOWN: 'unknown',
  OUT_OF_ORDER: 'outOfOrder',
  BUSY: 'busy',
})
const TIMED_OUT = 'it is not durable yet and may still become so; settle again, which changes nothing where it was done'
const NACK_DELAY_MS_MAX = 365 * 24 * 3_600_000
const EXTEND_MS_MAX = 24 * 3_600_000

export function settleHandler (services: BrokerServices): ApiHandler<SettleRequest, SettleResponse> {
  return {
    api: 'settle',
    handle (request, call) {
      const fault = requestFault(request)
      if (fault !== null) return call.fail(ERROR.INVALID_REQUEST, fault)
      const { partitions, timeoutMs } = request
      const results = partitions.map(({ partition }): SettleResult =>
        ({ partition, error: ERROR.REQUEST_TIMED_OUT, message: TIMED_OUT, answers: [] }))
      const wantsAnswer = request.acks !== 'none'
      const answers = new DurableAnswers(services, timeoutMs, () => call.respond({ results }))
      partitions.forEach((item, index) => settle(services, item, results[index]!, wantsAnswer ? answers : null))
      if (wantsAnswer) answers.start()
      else call.finishSilently()
    },
  }
}

function requestFault ({ partitions, timeoutMs }: SettleRequest): string | null {
  if (partitions.length === 0) return 'partitions is empty; settle something'
  if (timeoutMs < 1 || timeoutMs > LIMITS.requestTimeoutMs) {
    return `timeoutMs is ${timeoutMs}; it must be 1 to ${LIMITS.requestTimeoutMs}`
  }
  let records = 0
  for (const { items } of partitions) {
    for (const item of items) {
      const fault = itemFault(item)
      if (fault !== null) return fault
      records += item.count
    }
  }
  if (records <= LIMITS.recordsPerSettle) return null
  return `the request settles ${records} records; at most ${LIMITS.recordsPerSettle} go into one`
}

function itemFault ({ kind, offset, count, leaseSequence, delayMs }: SettleItem): string | null {
  if (count < 1 || count > LIMITS.recordsPerSettle) return `count is ${count}; it must be 1 to ${LIMITS.recordsPerSettle}`
  if (!isRun(offset, count)) return `offset ${offset} with count ${count} is no range of offsets`
  if (!isRun(leaseSequence, count)) return `leaseSequence ${leaseSequence} with count ${count} is no range of sequences`
  const maxMs = kind === 'nack' ? NACK_DELAY_MS_MAX : kind === 'extend' ? EXTEND_MS_MAX : -1
  if (delayMs >= -1 && delayMs <= maxMs) return null
  return maxMs < 0 ? `delayMs is ${delayMs} in an item of kind ${kind}; it must be -1` : `delayMs is ${delayMs}; it must be -1 or 0 to ${maxMs}`
}

function isRun (first: number, count: number): boolean {
  return first >= 0 && Number.isSafeInteger(first + count)
}

function settle (
  services: BrokerServices, item: SettlePartition, result: SettleResult, answers: DurableAnswers | null,
): void {
  const found = findQueueGroup(services, item)
  if (found.group === null) {
    Object.assign(result, { error: found.error, message: found.message })
    return
  }
  const { label } = found.partition
  const items = item.items.map(groupItemOf)
  if (answers === null) return found.group.turn().settle(items, null)
  const done = answers.expect()
  found.group.turn().settle(items, given => {
    result.error = given === null ? ERROR.STORAGE_UNAVAILABLE : 0
    result.message = given === null ? `nobody can tell whether ${label} has kept this; settle again` : ''
    if (given !== null) result.answers = runsOf(given)
    done()
  })
}

function groupItemOf ({ kind, offset, count, leaseEpoch, leaseSequence, delayMs, reason }: SettleItem): GroupItem {
  return {
    kind: SETTLE_KIND[kind], offset, count, leaseEpoch, leaseSequence, ...(delayMs >= 0 ? { delayMs } : {}), reason,
  }
}

function runsOf (answers: Uint8Array): SettleAnswerRun[] {
  const runs: SettleAnswerRun[] = []
  let start = 0
  for (let index = 1; index <= answers.length; index++) {
    if (index < answers.length && answers[index] === answers[start]) continue
    runs.push({ count: index - start, answer: ANSWER_NAMES[answers[start]!]! })
    start = index
  }
  return runs
}

function namesOf<K extends string> (
  numbers: Readonly<Record<K, number>>, names: Readonly<Record<K, AnswerName>>,
): AnswerName[] {
  const list: AnswerName[] = []
  for (const key of Object.keys(numbers) as K[]) list[numbers[key]] = names[key]
  return list
}
