// Why a record is not delivered: the answer to the question that every other queue leaves to guessing.

import type { Ending } from './endings.js'
import { LANE_FLAG } from './lane-table.js'
import type { QueueState } from './queue-state.js'
import { REASON, RECORD_STATE, type Reason } from './queue-types.js'
import { NO_SLOT, RECORD_FLAG } from './record-ledger.js'

/** Times in milliseconds. */
export type Explanation =
  /** Not committed yet, or no such record. */
  | { state: 'above-high-watermark' }
  | { state: 'fresh', recordsBefore: number, paused: boolean, atMaxInFlight: boolean }
  /** How it ended is null where nobody can tell any more. */
  | { state: 'terminal', ending: Ending | null }
  /** `timeLeftMs` is null while no handler has started. */
  | { state: 'leased', sessionId: number, attempt: number, deliveries: number, maxAttempts: number, timeLeftMs: number | null, cancelRequested: boolean }
  | { state: 'delayed', waitMs: number, failures: number, deliveries: number }
  | { state: 'ready', failures: number, deliveries: number, paused: boolean, atMaxInFlight: boolean }
  /** Behind an earlier record of the same key. */
  | { state: 'blocked', behindOffset: number, lane: number }
  /** Its key has been handed out as often as its rate allows: it may go on in `waitMs`. */
  | { state: 'rate-limited', waitMs: number, lane: number, failures: number, deliveries: number }
  | { state: 'held' | 'quarantined', atOffset: number, lane: number }
  /** `waitsFor` says why the letter could not be stored; empty where it was not tried yet. */
  | { state: 'dead-letter-pending', reason: Reason, text: string, failures: number, deliveries: number, waitsFor: string }
  /** Its facts are being read from disk: ask again. */
  | { state: 'unknown' }

export interface ExplainPlace {
  readonly place: 'above' | 'fresh' | 'terminal' | 'unknown'
  /** Of the record, as far as known; -1 for none. */
  readonly lane: number
  /** How it ended, if it has; null where nobody can tell. */
  readonly ending: Ending | null
  /** Wall-clock time before which a record that the group has not come to is not to be handed out; 0 for none. */
  readonly notBeforeMs: number
}

export interface ExplainContext {
  readonly passedMs: number
  readonly wallMs: number
  readonly maxAttempts: number
  readonly atMaxInFlight: boolean
  readonly blocksLane: boolean
  /** Until a record of a lane may be handed out by the lane's rate, in milliseconds; 0 for now. */
  readonly rateWaitMs: (lane: number) => number
  /** What the dead letter of the record waits for, for people. */
  readonly letterWaitsFor: string
}

export function explainRecord (
  state: QueueState, offset: number, where: ExplainPlace, context: ExplainContext,
): Explanation {
  const { paused } = state
  const { atMaxInFlight } = context
  const slot = state.find(offset)
  if (slot !== NO_SLOT) return explainEntry(state, offset, slot, where, context)
  if (where.place === 'above') return { state: 'above-high-watermark' }
  if (where.place === 'terminal') return { state: 'terminal', ending: where.ending }
  if (where.place === 'unknown') return { state: 'unknown' }
  const stopped = where.lane < 0 || !context.blocksLane ? null : explainLane(state, offset, where.lane)
  if (stopped !== null) return stopped
  if (where.notBeforeMs > context.wallMs) {
    return { state: 'delayed', waitMs: where.notBeforeMs - context.wallMs, failures: 0, deliveries: 0 }
  }
  const waitMs = where.lane < 0 ? 0 : context.rateWaitMs(where.lane)
  if (waitMs > 0) return { state: 'rate-limited', waitMs, lane: where.lane, failures: 0, deliveries: 0 }
  if (offset < state.nextOffset) return { state: 'ready', failures: 0, deliveries: 0, paused, atMaxInFlight }
  return { state: 'fresh', recordsBefore: offset - state.nextOffset, paused, atMaxInFlight }
}

function explainEntry (
  state: QueueState, offset: number, slot: number, { ending }: ExplainPlace, context: ExplainContext,
): Explanation {
  const { ledger, paused } = state
  const failures = ledger.failures[slot]!
  const deliveries = ledger.deliveries[slot]!
  switch (ledger.states[slot]) {
    case RECORD_STATE.ENDED: return { state: 'terminal', ending }
    case RECORD_STATE.LEASED: return {
      state: 'leased',
      sessionId: state.sessions.numbered(ledger.sessions[slot]!)!.sessionId,
      attempt: failures + 1,
      deliveries,
      maxAttempts: context.maxAttempts,
      timeLeftMs: ledger.times[slot] === 0 ? null : Math.max(0, ledger.times[slot]! - context.passedMs),
      cancelRequested: (ledger.flags[slot]! & RECORD_FLAG.cancelRequested) !== 0,
    }
    case RECORD_STATE.DEAD_LETTER_PENDING: {
      const { letterWaitsFor: waitsFor } = context
      return { state: 'dead-letter-pending', ...deathOf(state, offset), failures, deliveries, waitsFor }
    }
  }
  const lane = ledger.lanes[slot]!
  const stopped = lane < 0 || !context.blocksLane ? null : explainLane(state, offset, lane)
  if (stopped !== null) return stopped
  if (ledger.states[slot] === RECORD_STATE.READY) {
    const waitMs = lane < 0 ? 0 : context.rateWaitMs(lane)
    if (waitMs > 0) return { state: 'rate-limited', waitMs, lane, failures, deliveries }
    return { state: 'ready', failures, deliveries, paused, atMaxInFlight: context.atMaxInFlight }
  }
  const nowMs = (ledger.flags[slot]! & RECORD_FLAG.wallClock) === 0 ? context.passedMs : context.wallMs
  return { state: 'delayed', waitMs: Math.max(0, ledger.times[slot]! - nowMs), failures, deliveries }
}

/** Why a record was given up, with the consumer's words: those of the last attempt, where the death has none. */
export function deathOf ({ notes }: QueueState, offset: number): { reason: Reason, text: string } {
  const note = notes.get(offset)
  const text = note?.death?.text ?? ''
  return { reason: note?.death?.reason ?? REASON.exhausted, text: text === '' ? note?.attempts.at(-1)?.text ?? '' : text }
}

function explainLane (state: QueueState, offset: number, lane: number): Explanation | null {
  const slot = state.lanes.find(lane)
  if (slot === NO_SLOT) return null
  const position = state.lanes.positions[slot]!
  const flags = state.lanes.flags[slot]!
  if ((flags & LANE_FLAG.held) !== 0) return { state: 'held', atOffset: position, lane }
  if ((flags & LANE_FLAG.quarantined) !== 0) return { state: 'quarantined', atOffset: position, lane }
  return position < offset ? { state: 'blocked', behindOffset: position, lane } : null
}
