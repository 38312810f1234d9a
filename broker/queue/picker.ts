// What a picker must do: choose what is handed out next, in one of the orders a queue can have, and know what waits
// for what. One per order: `PlainPicker`, `KeyedPicker`, `WeightedPicker`.

import type { GrantBatch } from './grant-batch.js'
import type { Reason } from './queue-types.js'

export interface Picker {
  /** Hands out what there is until the batch is full. */
  fill (batch: GrantBatch): void
  /** True where `fill` may find something. */
  readonly hasWork: boolean
  /** A record became READY because its time has come. */
  onReady (offset: number, lane: number): void
  /** A lease ended, and the record is not terminal. */
  afterLeaseEnd (offset: number, lane: number): void
  /** A record became terminal. */
  afterEnd (offset: number, lane: number): void
  /** A record was given up and waits for its dead letter. */
  afterDeath (offset: number, lane: number, reason: Reason): void
  /** True where the order allows a record to become terminal now, by its consumer's word. */
  mayEnd (offset: number, lane: number): boolean
  /** True where the order allows a record to be given up now; otherwise it is when its turn comes. */
  mayGiveUp (offset: number, lane: number): boolean
  /** True where the queue stops the record's lane instead of giving the record up; does so. */
  holdsAtDeath (offset: number, lane: number, reason: Reason): boolean
  /** True where the group has not come by the record yet, though it may have an entry. */
  isAhead (offset: number, lane: number): boolean
  /** Whether a late settle of a READY or DELAYED record is still in order. */
  mayEndLate (offset: number, lane: number): boolean
  /** Records below were cut off: lanes go on behind them. */
  trimLanes (endOffset: number): void
  /** Begins anew from the state: a leader has begun, or records were cut off below. */
  rebuild (): void
  /** True where a restart must look at the log again before anything can be handed out; goes on with that. */
  catchUp (): boolean
  onFactsLoaded (): void
  /** A lane that was held back by its rate may go on. */
  onRateDue (lane: number): void
  /** An operator lets a stopped lane go on; false where it is not stopped. */
  resumeLane (lane: number, skip: boolean): boolean
}
