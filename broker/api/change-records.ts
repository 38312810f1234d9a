// cancelRecords and rescheduleRecords: changes to single records, named by offset or by dedup id.

import {
  ERROR, type CancelRecordsRequest, type CancelRecordsResponse, type CancelResult, type ChangeAnswer as AnswerName,
  type RescheduleRecordsRequest, type RescheduleRecordsResponse, type RescheduleResult, type RescheduleTarget,
} from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import { CHANGE_ANSWER, type ChangeAnswer } from '../queue/record-changes.js'
import { DurableAnswers } from './durable-answers.js'
import { findQueueRecord, targetsFault } from './find-queue-record.js'
import type { BrokerServices } from './services.js'

const ANSWER_NAMES: Readonly<Record<ChangeAnswer, AnswerName>> = {
  [CHANGE_ANSWER.OK]: 'ok',
  [CHANGE_ANSWER.REQUESTED]: 'requested',
  [CHANGE_ANSWER.LEASED]: 'leased',
  [CHANGE_ANSWER.ALREADY_TERMINAL]: 'alreadyTerminal',
  [CHANGE_ANSWER.UNKNOWN]: 'unknown',
  [CHANGE_ANSWER.BUSY]: 'busy',
}
const DELAY_MS_MAX = 365 * 24 * 3_600_000
const TIMED_OUT = {
  error: ERROR.REQUEST_TIMED_OUT,
  message: 'the change is not durable yet and may still become so; ask again, which changes nothing where it was done',
}

export function cancelRecordsHandler (
  services: BrokerServices,
): ApiHandler<CancelRecordsRequest, CancelRecordsResponse> {
  return {
    api: 'cancelRecords',
    handle ({ targets, timeoutMs }, call) {
      const fault = targetsFault(targets, timeoutMs)
      if (fault !== null) return call.fail(ERROR.INVALID_REQUEST, fault)
      const results = targets.map((): CancelResult => ({ ...TIMED_OUT, answer: 'unknown', offset: -1 }))
      const answers = new DurableAnswers(services, timeoutMs, () => call.respond({ results }))
      targets.forEach((target, index) => {
        const result = results[index]!
        const found = findQueueRecord(services, target)
        if (found.group === null) return Object.assign(result, { error: found.error, message: found.message })
        result.offset = found.offset
        if (found.offset < 0) return Object.assign(result, { error: 0, message: '', answer: 'unknown' })
        const done = answers.expect()
        found.group.turn().cancel(found.offset, answer => {
          settleResult(result, answer)
          done()
        })
      })
      answers.start()
    },
  }
}

export function rescheduleRecordsHandler (
  services: BrokerServices,
): ApiHandler<RescheduleRecordsRequest, RescheduleRecordsResponse> {
  return {
    api: 'rescheduleRecords',
    handle ({ targets, timeoutMs }, call) {
      const nowMs = Math.floor(services.clock.wallMs())
      const fault = targetsFault(targets, timeoutMs) ?? timesFault(targets, nowMs)
      if (fault !== null) return call.fail(ERROR.INVALID_REQUEST, fault)
      const results = targets.map((): RescheduleResult => ({ ...TIMED_OUT, answer: 'unknown', offset: -1, notBefore: -1 }))
      const answers = new DurableAnswers(services, timeoutMs, () => call.respond({ results }))
      targets.forEach((target, index) => {
        const result = results[index]!
        const found = findQueueRecord(services, target)
        if (found.group === null) return Object.assign(result, { error: found.error, message: found.message })
        result.offset = found.offset
        if (found.offset < 0) return Object.assign(result, { error: 0, message: '', answer: 'unknown' })
        const notBefore = target.delayMs >= 0 ? nowMs + target.delayMs : target.notBefore
        const done = answers.expect()
        found.group.turn().reschedule(found.offset, notBefore, answer => {
          settleResult(result, answer)
          if (answer === CHANGE_ANSWER.OK) result.notBefore = notBefore
          done()
        })
      })
      answers.start()
    },
  }
}

function timesFault (targets: readonly RescheduleTarget[], nowMs: number): string | null {
  for (const { delayMs, notBefore } of targets) {
    if ((delayMs < 0) === (notBefore < 0)) return 'a target has both delayMs and notBefore, or neither; give one and set the other to -1'
    if (delayMs > DELAY_MS_MAX) return `delayMs is ${delayMs}; it must be 0 to ${DELAY_MS_MAX} (365 days)`
    if (notBefore > nowMs + DELAY_MS_MAX) return `notBefore is ${notBefore}; it must be at most 365 days from now, ${nowMs + DELAY_MS_MAX}`
  }
  return null
}

function settleResult (result: CancelResult | RescheduleResult, answer: ChangeAnswer | null): void {
  if (answer === null) {
    result.error = ERROR.STORAGE_UNAVAILABLE
    result.message = 'nobody can tell whether the change was kept; send it again'
    return
  }
  result.error = 0
  result.message = ''
  result.answer = ANSWER_NAMES[answer]
}
