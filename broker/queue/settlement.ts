// Settling: what consumers say about their leases, and what they are answered.
//
// A handle is (offset, lease epoch, lease sequence). It counts while the record's lease is that very one. A handle that
// counts no longer is told why, and never touches anybody else's lease:
//
//   READY or DELAYED, not leased since ─▶ an ack or reject is accepted late: it saves a duplicate
//   the lease was lost with the deposed leader that gave it, before it was replicated ─▶ the same, for that record only
//   leased again ─▶ STALE_LEASE          terminal ─▶ ALREADY_SETTLED          never given out ─▶ UNKNOWN

import type { Journal } from './journal.js'
import { NOTICE_KIND, type LeaseNotices } from './lease-notices.js'
import type { Lifecycle } from './lifecycle.js'
import type { Picker } from './picker.js'
import type { QueueClock } from './queue-clock.js'
import type { QueueState } from './queue-state.js'
import {
  END_CAUSE, ORDER, QUEUE_LIMITS, REASON, RECORD_STATE, SETTLE_ANSWER, SETTLE_KIND, type SettleAnswer, type SettleItem,
} from './queue-types.js'
import { NO_SLOT, RECORD_FLAG } from './record-ledger.js'
import type { RecordPlaces } from './record-places.js'

const { OK, LATE_OK, ALREADY_SETTLED, STALE_LEASE, UNKNOWN, OUT_OF_ORDER, BUSY } = SETTLE_ANSWER

export class Settlement {
  private readonly state: QueueState
  private readonly journal: Journal
  private readonly clock: QueueClock
  private readonly lifecycle: Lifecycle
  private readonly picker: Picker
  private readonly places: RecordPlaces
  private readonly notices: LeaseNotices
  /** The record that is being settled: its lease ends by its holder's word. */
  private settlingOffset = -1

  constructor (parts: {
    state: QueueState,
    journal: Journal,
    clock: QueueClock,
    lifecycle: Lifecycle,
    picker: Picker,
    places: RecordPlaces,
    notices: LeaseNotices,
  }) {
    this.state = parts.state
    this.journal = parts.journal
    this.clock = parts.clock
    this.lifecycle = parts.lifecycle
    this.picker = parts.picker
    this.places = parts.places
    this.notices = parts.notices
  }

  /** Settles one record of an item. */
  settle (item: SettleItem, index: number): SettleAnswer {
    const offset = item.offset + index
    const sequence = item.leaseSequence + index
    const slot = this.state.find(offset)
    if (slot === NO_SLOT) return this.settleUnlisted(item, offset, sequence)
    const { ledger } = this.state
    const state = ledger.states[slot]!
    if (state === RECORD_STATE.ENDED || state === RECORD_STATE.DEAD_LETTER_PENDING) return ALREADY_SETTLED
    const isLatest = ledger.leaseEpochs[slot] === item.leaseEpoch && ledger.leaseSequences[slot] === sequence
    if (state === RECORD_STATE.LEASED) {
      if (isLatest) {
        this.settlingOffset = offset
        const answer = this.settleLive(item, slot)
        this.settlingOffset = -1
        return answer
      }
      return this.wasGiven(item.leaseEpoch, sequence) ? STALE_LEASE : UNKNOWN
    }
    if (isLatest || this.wasLost(item.leaseEpoch, sequence, slot)) return this.settleLate(item, slot)
    return this.wasGiven(item.leaseEpoch, sequence) ? STALE_LEASE : UNKNOWN
  }

  /** A lease is about to end. Where its holder has not said so, it is to be told. */
  onLeaseEnd (slot: number): void {
    const { ledger } = this.state
    const offset = ledger.offsets[slot]!
    if (offset === this.settlingOffset) return
    this.notices.add(ledger.sessions[slot]!, {
      kind: NOTICE_KIND.lost,
      offset,
      leaseEpoch: ledger.leaseEpochs[slot]!,
      leaseSequence: ledger.leaseSequences[slot]!,
    }, this.journal.sequence)
  }

  private settleLive (item: SettleItem, slot: number): SettleAnswer {
    const { ledger } = this.state
    const offset = ledger.offsets[slot]!
    const text = cut(item.reason)
    switch (item.kind) {
      case SETTLE_KIND.ack:
        if (!this.picker.mayEnd(offset, ledger.lanes[slot]!)) return OUT_OF_ORDER
        this.lifecycle.finish(slot, END_CAUSE.acknowledged)
        return OK
      case SETTLE_KIND.reject:
        if (!this.picker.mayEnd(offset, ledger.lanes[slot]!)) return OUT_OF_ORDER
        this.reject(slot, text)
        return OK
      case SETTLE_KIND.nack:
        this.lifecycle.fail(slot, REASON.nack, item.delayMs ?? -1, text)
        return OK
      case SETTLE_KIND.release:
        this.lifecycle.giveBack(slot)
        return OK
      case SETTLE_KIND.extend:
        return this.extend(slot, item.delayMs ?? this.lifecycle.config.visibilityMs)
      case SETTLE_KIND.start:
        return this.start(slot)
    }
  }

  /** The lease is over, but nobody has had the record since. */
  private settleLate (item: SettleItem, slot: number): SettleAnswer {
    const { kind } = item
    const { ledger } = this.state
    const offset = ledger.offsets[slot]!
    if (kind === SETTLE_KIND.nack || kind === SETTLE_KIND.release) return ALREADY_SETTLED
    if (kind !== SETTLE_KIND.ack && kind !== SETTLE_KIND.reject) return STALE_LEASE
    if (!this.picker.mayEndLate(offset, ledger.lanes[slot]!)) return STALE_LEASE
    if (kind === SETTLE_KIND.reject) this.reject(slot, cut(item.reason))
    else this.lifecycle.finish(slot, END_CAUSE.acknowledged)
    return LATE_OK
  }

  /** No entry: terminal, or not examined under this leader. */
  private settleUnlisted (item: SettleItem, offset: number, sequence: number): SettleAnswer {
    const place = this.places.placeOf(offset)
    if (place === 'terminal') return ALREADY_SETTLED
    if (place === 'unknown') return UNKNOWN
    // Fresh, or still to come in its lane. Only a leader before this one can have given it out, softly.
    if (item.leaseEpoch >= this.state.epoch || this.lifecycle.config.order === ORDER.key) return UNKNOWN
    if (item.kind !== SETTLE_KIND.ack) return STALE_LEASE
    if (sequence < 1 || item.leaseEpoch < 1) return UNKNOWN
    if (this.state.counts[RECORD_STATE.ENDED]! >= QUEUE_LIMITS.endedAheadMax) return BUSY
    // Only this record, never those before it: nobody has settled them.
    this.lifecycle.finish(this.places.list(offset), END_CAUSE.acknowledged)
    return LATE_OK
  }

  private reject (slot: number, text: string): void {
    const { ledger } = this.state
    const offset = ledger.offsets[slot]!
    const lane = ledger.lanes[slot]!
    const isLeased = ledger.states[slot] === RECORD_STATE.LEASED
    const isHeld = this.picker.holdsAtDeath(offset, lane, REASON.reject)
    if (!isHeld) return this.lifecycle.giveUp(offset, REASON.reject, text)
    if (isLeased) this.journal.retry(offset, REASON.reject, 0, text)
    this.picker.afterLeaseEnd(offset, lane)
  }

  private start (slot: number): SettleAnswer {
    const { ledger } = this.state
    const hasStarted = (ledger.flags[slot]! & RECORD_FLAG.started) !== 0
    if (!hasStarted) this.journal.start(ledger.offsets[slot]!, 1, this.lifecycle.config.visibilityMs)
    return OK
  }

  private extend (slot: number, extensionMs: number): SettleAnswer {
    const { ledger } = this.state
    const lastMs = ledger.leasedAt[slot]! + this.lifecycle.config.leaseTotalMs
    const endMs = Math.min(this.clock.nowMs + Math.max(0, extensionMs), lastMs)
    this.journal.extend(ledger.offsets[slot]!, 1, Math.max(0, endMs - this.journal.timeMs))
    return OK
  }

  /** Whether this or an earlier leader can have given out such a handle. */
  private wasGiven (epoch: number, sequence: number): boolean {
    if (sequence < 1 || epoch < 1) return false
    return epoch < this.state.epoch || (epoch === this.state.epoch && sequence <= this.state.leaseCounter)
  }

  /** Given out by a deposed leader after what this leader knows of the record. */
  private wasLost (epoch: number, sequence: number, slot: number): boolean {
    const { ledger } = this.state
    if (epoch >= this.state.epoch || this.lifecycle.config.order === ORDER.key) return false
    return epoch >= ledger.leaseEpochs[slot]! && sequence > ledger.leaseSequences[slot]! && sequence >= 1 && epoch >= 1
  }
}

function cut (reason: string | undefined): string {
  return reason === undefined ? '' : reason.slice(0, QUEUE_LIMITS.reasonLengthMax)
}
