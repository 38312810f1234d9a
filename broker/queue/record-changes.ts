// Cancelling and rescheduling single records, wherever they stand: examined or not, in memory or on disk.

import type { FreshScan } from './fresh-scan.js'
import type { Journal } from './journal.js'
import { NOTICE_KIND, type LeaseNotices } from './lease-notices.js'
import type { Lifecycle } from './lifecycle.js'
import type { QueueState } from './queue-state.js'
import { DELAY_CLOCK, END_CAUSE, QUEUE_LIMITS, RECORD_STATE } from './queue-types.js'
import { NO_SLOT, RECORD_FLAG } from './record-ledger.js'
import type { RecordPlaces } from './record-places.js'

/** What became of a cancel or a reschedule. */
export const CHANGE_ANSWER = {
  OK: 0,
  /** Leased: its holder is told by its next heartbeat, and the record ends when the lease does. */
  REQUESTED: 1,
  /** Leased: a record in work cannot be rescheduled. */
  LEASED: 2,
  ALREADY_TERMINAL: 3,
  UNKNOWN: 4,
  /** Cannot be told or stored at the moment: try again. */
  BUSY: 5,
} as const
export type ChangeAnswer = typeof CHANGE_ANSWER[keyof typeof CHANGE_ANSWER]

export class RecordChanges {
  private readonly state: QueueState
  private readonly journal: Journal
  private readonly scan: FreshScan
  private readonly lifecycle: Lifecycle
  private readonly places: RecordPlaces
  private readonly notices: LeaseNotices

  constructor (parts: {
    state: QueueState,
    journal: Journal,
    scan: FreshScan,
    lifecycle: Lifecycle,
    places: RecordPlaces,
    notices: LeaseNotices,
  }) {
    this.state = parts.state
    this.journal = parts.journal
    this.scan = parts.scan
    this.lifecycle = parts.lifecycle
    this.places = parts.places
    this.notices = parts.notices
  }

  /** A leader begins: what was cancelled while leased is to be told again. */
  rebuild (): void {
    const { ledger } = this.state
    for (const offset of ledger.sortedOffsets()) {
      const slot = ledger.find(offset)
      if ((ledger.flags[slot]! & RECORD_FLAG.cancelRequested) !== 0) this.tell(slot)
    }
  }

  /** The record is not handed out any more. */
  cancel (offset: number): ChangeAnswer {
    const slot = this.state.find(offset)
    if (slot === NO_SLOT) {
      const refusal = this.refusalOf(offset)
      if (refusal !== null) return refusal
      this.lifecycle.finish(this.places.list(offset), END_CAUSE.cancelled)
      return CHANGE_ANSWER.OK
    }
    const state = this.state.ledger.states[slot]!
    if (isOver(state)) return CHANGE_ANSWER.ALREADY_TERMINAL
    if (state !== RECORD_STATE.LEASED) {
      this.lifecycle.finish(slot, END_CAUSE.cancelled)
      return CHANGE_ANSWER.OK
    }
    if ((this.state.ledger.flags[slot]! & RECORD_FLAG.cancelRequested) === 0) {
      this.journal.cancelRequest(offset)
      this.tell(slot)
    }
    return CHANGE_ANSWER.REQUESTED
  }

  /** Not before a date, in whole milliseconds of the wall clock; also earlier than planned. */
  reschedule (offset: number, notBeforeMs: number): ChangeAnswer {
    const slot = this.state.find(offset)
    if (slot === NO_SLOT) {
      const refusal = this.refusalOf(offset)
      if (refusal !== null) return refusal
      this.places.list(offset)
    } else {
      const state = this.state.ledger.states[slot]!
      if (isOver(state)) return CHANGE_ANSWER.ALREADY_TERMINAL
      if (state === RECORD_STATE.LEASED) return CHANGE_ANSWER.LEASED
    }
    this.journal.defer(offset, DELAY_CLOCK.wall, notBeforeMs)
    return CHANGE_ANSWER.OK
  }

  private tell (slot: number): void {
    const { ledger } = this.state
    this.notices.add(ledger.sessions[slot]!, {
      kind: NOTICE_KIND.cancelRequested,
      offset: ledger.offsets[slot]!,
      leaseEpoch: ledger.leaseEpochs[slot]!,
      leaseSequence: ledger.leaseSequences[slot]!,
    }, this.journal.sequence)
  }

  /** Why a record without an entry cannot be changed, or null. */
  private refusalOf (offset: number): ChangeAnswer | null {
    const place = this.places.placeOf(offset)
    if (place === 'terminal') return CHANGE_ANSWER.ALREADY_TERMINAL
    if (place === 'unknown') return offset < this.scan.highWatermark ? CHANGE_ANSWER.BUSY : CHANGE_ANSWER.UNKNOWN
    // It is passed over when its turn comes; an entry that does not know its key would go its own way.
    if (this.places.isDamaged(offset)) return CHANGE_ANSWER.UNKNOWN
    return this.state.counts[RECORD_STATE.ENDED]! >= QUEUE_LIMITS.endedAheadMax ? CHANGE_ANSWER.BUSY : null
  }
}

/** No consumer will see the record again. */
function isOver (state: number): boolean {
  return state === RECORD_STATE.ENDED || state === RECORD_STATE.DEAD_LETTER_PENDING
}
