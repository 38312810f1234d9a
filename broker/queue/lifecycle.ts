// How a record's lease, and its life, come to an end: the transitions that settles, timeouts, disconnects, cancels and
// times to live share.
//
//   lease ends ─┬─ finish ──▶ terminal
//               ├─ fail ────▶ DELAYED, or given up after the last attempt ──▶ DEAD_LETTER_PENDING ──▶ terminal
//               └─ giveBack ▶ READY
//
// After each of them the picker is told, since it knows what was waiting for that record.

import type { DeadLetters } from './dead-letters.js'
import type { Endings } from './endings.js'
import type { Journal } from './journal.js'
import type { Picker } from './picker.js'
import type { QueueClock } from './queue-clock.js'
import type { QueueConfig } from './queue-settings.js'
import type { QueueState } from './queue-state.js'
import { END_CAUSE, REASON, RECORD_STATE, type EndCause, type Random, type Reason } from './queue-types.js'
import { RECORD_FLAG } from './record-ledger.js'
import { backoffMs } from './retry-policy.js'

export class Lifecycle {
  /** Set once, right after construction: the picker needs the lifecycle as well. */
  picker!: Picker
  config: QueueConfig
  private readonly state: QueueState
  private readonly journal: Journal
  private readonly clock: QueueClock
  private readonly deadLetters: DeadLetters
  private readonly random: Random
  private readonly endings: Endings

  constructor (parts: {
    state: QueueState,
    journal: Journal,
    clock: QueueClock,
    deadLetters: DeadLetters,
    random: Random,
    endings: Endings,
    config: QueueConfig,
  }) {
    this.state = parts.state
    this.journal = parts.journal
    this.clock = parts.clock
    this.deadLetters = parts.deadLetters
    this.random = parts.random
    this.endings = parts.endings
    this.config = parts.config
  }

  /** A record that has an entry becomes terminal. */
  finish (slot: number, cause: EndCause): void {
    const { ledger } = this.state
    const offset = ledger.offsets[slot]!
    const lane = ledger.lanes[slot]!
    if (this.picker.isAhead(offset, lane)) this.journal.endAhead(offset, cause)
    else this.journal.end(offset, 1, cause)
    this.picker.afterEnd(offset, lane)
  }

  /** An attempt has failed. `delayMs` until the next, or -1 for the back-off. */
  fail (slot: number, reason: Reason, delayMs: number, text: string): void {
    const { ledger } = this.state
    if ((ledger.flags[slot]! & RECORD_FLAG.cancelRequested) !== 0) return this.finish(slot, END_CAUSE.cancelled)
    const offset = ledger.offsets[slot]!
    const lane = ledger.lanes[slot]!
    const failures = ledger.failures[slot]! + 1
    const exhausted = failures >= this.config.maxAttempts
    const waitMs = delayMs >= 0 ? delayMs : backoffMs(failures, this.config, this.random)
    const dueMs = exhausted || waitMs === 0 ? 0 : this.clock.nowMs + waitMs
    this.journal.retry(offset, reason, dueMs, text)
    if (exhausted && this.picker.mayGiveUp(offset, lane)) this.giveUp(offset, REASON.exhausted, '')
    this.picker.afterLeaseEnd(offset, lane)
  }

  /** A lease ends without counting. */
  giveBack (slot: number): void {
    const { ledger } = this.state
    if ((ledger.flags[slot]! & RECORD_FLAG.cancelRequested) !== 0) return this.finish(slot, END_CAUSE.cancelled)
    const offset = ledger.offsets[slot]!
    const lane = ledger.lanes[slot]!
    this.journal.release(offset, 1)
    this.picker.afterLeaseEnd(offset, lane)
  }

  /** No more attempts: to the dead letters, or dropped where the queue has none. */
  giveUp (offset: number, reason: Reason, text: string): void {
    const slot = this.state.find(offset)
    const lane = this.state.ledger.lanes[slot]!
    if (this.picker.holdsAtDeath(offset, lane, reason)) return
    if (!this.config.hasDeadLetters) {
      if (reason === REASON.ttl) return this.finish(slot, END_CAUSE.expired)
      const { ledger, notes } = this.state
      const words = text === '' ? notes.get(offset)?.attempts.at(-1)?.text ?? '' : text
      this.endings.addDeath(offset, END_CAUSE.archived, {
        reason, text: words, failures: ledger.failures[slot]!, deliveries: ledger.deliveries[slot]!, letter: null,
      })
      return this.finish(slot, END_CAUSE.archived)
    }
    this.die(offset, reason, text)
    this.picker.afterDeath(offset, lane, reason)
  }

  /** A record has outlived its time to live before it was handed out; it may have no entry yet. */
  expire (offset: number, lane: number): void {
    const slot = this.state.find(offset)
    if (this.config.deadLetterExpired) {
      if (slot < 0) this.journal.place(offset, lane, 0)
      this.die(offset, REASON.ttl, '')
      this.picker.afterDeath(offset, lane, REASON.ttl)
    } else if (slot >= 0) this.finish(slot, END_CAUSE.expired)
    else {
      this.journal.end(offset, 1, END_CAUSE.expired)
      this.picker.afterEnd(offset, lane)
    }
  }

  /** To be dead-lettered, with nothing else changed. */
  die (offset: number, reason: Reason, text: string): void {
    this.journal.die(offset, reason, text)
    this.deadLetters.add(offset, this.journal.sequence)
  }

  /** True where an entry's time to live is over. */
  isExpired (slot: number): boolean {
    const expiresMs = this.state.ledger.expires[slot]!
    return expiresMs !== 0 && expiresMs <= this.clock.wallMs
  }

  /** True where a record that is READY must not be handed out again. */
  isExhausted (slot: number): boolean {
    return this.state.ledger.failures[slot]! >= this.config.maxAttempts
  }

  /** True for a date that has not come. */
  isLater (notBeforeMs: number): boolean { return notBeforeMs > this.clock.wallMs }

  /** True for a READY record, by its slot. */
  isReady (slot: number): boolean { return this.state.ledger.states[slot] === RECORD_STATE.READY }
}
