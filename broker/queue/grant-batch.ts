// What one receive hands out: bounded by the consumer's credits and by the group's records in flight.
//
// At least one record is handed out whatever its size, so that a record above the byte credit does not stop a consumer.

import type { Journal } from './journal.js'
import type { QueueState } from './queue-state.js'
import { RECORD_STATE, type Grants } from './queue-types.js'
import { NO_SLOT } from './record-ledger.js'
import type { Session } from './session-table.js'

export class GrantBatch implements Grants {
  count = 0
  readonly session: Session
  readonly offsets: Float64Array
  readonly leaseSequences: Float64Array
  readonly deliveries: Uint16Array
  private readonly state: QueueState
  private readonly journal: Journal
  private readonly visibilityMs: number
  private readonly maxBytes: number
  private bytesLeft: number

  constructor (
    state: QueueState, journal: Journal, session: Session,
    bounds: { maxRecords: number, maxBytes: number, visibilityMs: number },
  ) {
    this.state = state
    this.journal = journal
    this.session = session
    this.visibilityMs = bounds.visibilityMs
    this.maxBytes = this.bytesLeft = bounds.maxBytes
    this.offsets = new Float64Array(bounds.maxRecords)
    this.leaseSequences = new Float64Array(bounds.maxRecords)
    this.deliveries = new Uint16Array(bounds.maxRecords)
  }

  get sessionId (): number { return this.session.sessionId }

  get leaseEpoch (): number { return this.state.epoch }

  get sizeBytes (): number { return this.maxBytes - this.bytesLeft }

  /** Records that still fit. */
  get room (): number { return this.offsets.length - this.count }

  fits (bytes: number): boolean { return this.fitsRun(1, bytes) }

  /** Whether `count` more records of `bytes` together fit. */
  fitsRun (count: number, bytes: number): boolean {
    return this.room >= count && (this.count + count === 1 || bytes <= this.bytesLeft)
  }

  /** Leases a record to the batch's session; it must fit. */
  lease (offset: number, bytes: number): void {
    const { state, count } = this
    this.journal.lease(offset, 1, this.session.number, this.visibilityMs)
    this.offsets[count] = offset
    this.leaseSequences[count] = state.leaseCounter
    this.deliveries[count] = state.ledger.deliveries[state.ledger.find(offset)]!
    this.bytesLeft -= bytes
    this.count++
  }

  /** Leases `count` records that were never handed out, from `offset` on; together they must fit. */
  leaseFresh (offset: number, count: number, bytes: number): void {
    const { state } = this
    this.journal.lease(offset, count, this.session.number, this.visibilityMs)
    const firstSequence = state.leaseCounter - count + 1
    for (let index = 0; index < count; index++) {
      const row = this.count + index
      this.offsets[row] = offset + index
      this.leaseSequences[row] = firstSequence + index
      this.deliveries[row] = 1
    }
    this.bytesLeft -= bytes
    this.count += count
  }

  /** Leaves out what is leased no more: nobody is to begin with it. */
  dropEnded (): void {
    const { ledger } = this.state
    let kept = 0
    for (let row = 0; row < this.count; row++) {
      const slot = ledger.find(this.offsets[row]!)
      const isHeld = slot !== NO_SLOT && ledger.states[slot] === RECORD_STATE.LEASED &&
        ledger.leaseEpochs[slot] === this.leaseEpoch && ledger.leaseSequences[slot] === this.leaseSequences[row]
      if (!isHeld) continue
      this.offsets[kept] = this.offsets[row]!
      this.leaseSequences[kept] = this.leaseSequences[row]!
      this.deliveries[kept++] = this.deliveries[row]!
    }
    this.count = kept
  }
}

/** Records that one more receive may be given, by the group's bound of records in flight. */
export function roomInFlight (state: QueueState, maxInFlight: number): number {
  return Math.max(0, maxInFlight - state.counts[RECORD_STATE.LEASED]!)
}
