// Explanations of the queue core in the words of the protocol.

import type { QueueEndCause, QueueRecordState, RecordExplanation } from '@sluice/protocol'
import type { Ending } from '../queue/endings.js'
import type { Explanation } from '../queue/queue-explain.js'
import { END_CAUSE, type EndCause } from '../queue/queue-types.js'
import { reasonName } from '../queue-host/reason-names.js'

const STATE_NAMES: Readonly<Record<Explanation['state'], QueueRecordState>> = {
  unknown: 'unknown',
  'above-high-watermark': 'aboveHighWatermark',
  fresh: 'fresh',
  ready: 'ready',
  leased: 'leased',
  delayed: 'delayed',
  blocked: 'blocked',
  'rate-limited': 'rateLimited',
  held: 'held',
  quarantined: 'quarantined',
  'dead-letter-pending': 'deadLetterPending',
  terminal: 'terminal',
}

const CAUSE_NAMES: Readonly<Record<EndCause, QueueEndCause>> = {
  [END_CAUSE.acknowledged]: 'acknowledged',
  [END_CAUSE.cancelled]: 'cancelled',
  [END_CAUSE.expired]: 'expired',
  [END_CAUSE.dead]: 'dead',
  [END_CAUSE.archived]: 'archived',
  [END_CAUSE.purged]: 'purged',
  [END_CAUSE.duplicate]: 'duplicate',
  [END_CAUSE.damaged]: 'damaged',
}

export function stateName (explanation: Explanation): QueueRecordState { return STATE_NAMES[explanation.state] }

export const NO_EXPLANATION: RecordExplanation = {
  error: 0,
  message: '',
  offset: -1,
  state: 'unknown',
  cause: 'unknown',
  failures: 0,
  maxAttempts: 0,
  deliveries: 0,
  timeLeftMs: -1,
  sessionId: 0,
  clientName: '',
  clientAddress: '',
  cancelRequested: false,
  lane: -1,
  behindOffset: -1,
  recordsBefore: -1,
  paused: false,
  atMaxInFlight: false,
  reason: 'none',
  reasonText: '',
  deadLetter: null,
  damaged: false,
}

/** The time that runs on a record, in milliseconds; -1 where none does. */
export function timeLeftOf (explanation: Explanation): number {
  switch (explanation.state) {
    case 'leased': return explanation.timeLeftMs === null ? -1 : Math.ceil(explanation.timeLeftMs)
    case 'delayed': return Math.ceil(explanation.waitMs)
    case 'rate-limited': return Math.ceil(explanation.waitMs)
    default: return -1
  }
}

/** The core's explanation, without what only the broker knows: names, settings, places. */
export function explanationOf (offset: number, given: Explanation): RecordExplanation {
  const all = { ...NO_EXPLANATION, offset, state: stateName(given), timeLeftMs: timeLeftOf(given) }
  if ('failures' in given) all.failures = given.failures
  if ('deliveries' in given) all.deliveries = given.deliveries
  if ('lane' in given) all.lane = given.lane
  if ('paused' in given) all.paused = given.paused
  if ('atMaxInFlight' in given) all.atMaxInFlight = given.atMaxInFlight
  switch (given.state) {
    case 'fresh': return { ...all, recordsBefore: given.recordsBefore }
    case 'blocked': return { ...all, behindOffset: given.behindOffset }
    case 'held':
    case 'quarantined': return { ...all, behindOffset: given.atOffset }
    case 'dead-letter-pending': return {
      ...all, message: given.waitsFor, reason: reasonName(given.reason), reasonText: given.text,
    }
    case 'leased': return {
      ...all, failures: given.attempt - 1, sessionId: given.sessionId, cancelRequested: given.cancelRequested,
    }
    case 'terminal': return { ...all, ...endingOf(given.ending) }
    default: return all
  }
}

function endingOf (ending: Ending | null): Partial<RecordExplanation> {
  if (ending === null) return {}
  const { cause, death } = ending
  if (death === null) return { cause: CAUSE_NAMES[cause] }
  const { reason, text, failures, deliveries, letter } = death
  return {
    cause: CAUSE_NAMES[cause], reason: reasonName(reason), reasonText: text, failures, deliveries, deadLetter: letter,
  }
}
