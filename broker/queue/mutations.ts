// Every way in which the replicated state of a group changes: the vocabulary of the deltas.
//
// The leader decides, and says what becomes of the state in these words; `DeltaWriter` writes them down, `QueueState`
// carries them out. A follower or a restart reads them back with `readDelta` and carries out the same, so that the
// state is what the deltas add up to. They say what happened, not why: nothing here is decided again.
//
// Times are queue time unless a clock is named; durations count from the time in the delta's header.

import type { DelayClock, EndCause, Reason } from './queue-types.js'

/** Opens every delta. */
export interface DeltaHeader {
  /** Leader epoch. */
  readonly epoch: number
  /** 1, 2, 3 …, through all epochs. */
  readonly sequence: number
  /** Queue time in whole milliseconds, rounded up; never lower than in an earlier delta. */
  readonly timeMs: number
  /** Queue time minus wall clock, whole milliseconds. */
  readonly skewMs: number
}

export interface Mutations {
  /** A new leader begins: leases that it takes over get all the time that they had left. */
  lead (): void
  session (number: number, sessionId: number, flags: number): void
  sessionEnd (number: number): void
  /** Everything below `offset` has been examined. */
  next (offset: number): void
  /** An entry for a record, with the facts that matter later; keeps what is known of it. */
  place (offset: number, lane: number, expiresMs: number): void
  /** Leases records; lease sequences are counted on. `durationMs` is the time of started records. */
  lease (offset: number, count: number, session: number, durationMs: number): void
  start (offset: number, count: number, durationMs: number): void
  extend (offset: number, count: number, durationMs: number): void
  /** Ready again, uncounted. */
  release (offset: number, count: number): void
  /** A failed attempt: ready again at `dueMs`, or at once where that is 0. */
  retry (offset: number, reason: Reason, dueMs: number, text: string): void
  /** Not before `dueMs`; uncounted. */
  defer (offset: number, clock: DelayClock, dueMs: number): void
  /** Given up: to be dead-lettered. */
  die (offset: number, reason: Reason, text: string): void
  /** Terminal. */
  end (offset: number, count: number, cause: EndCause): void
  /** Terminal before it was examined; remembered until then. */
  endAhead (offset: number, cause: EndCause): void
  /** The group has come by a record that had ended ahead. */
  forget (offset: number): void
  /** A busy lane: where it is, and `LANE_FLAG` bits. */
  lane (lane: number, position: number, flags: number): void
  laneEnd (lane: number): void
  /** Everything below `endOffset` is gone, of which `fresh` records without an entry. */
  trim (endOffset: number, fresh: number, cause: EndCause): void
  pause (paused: boolean): void
  cancelRequest (offset: number): void
  /** An operator gives a record its attempts back. */
  clearFailures (offset: number): void
}
