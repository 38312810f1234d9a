// Dead letters on their way: each is asked for when its death is durable, and again until its append is committed.
//
//   die ─▶ waiting for the delta ─▶ asked for ─┬─ appended ─▶ terminal
//                                     ▲         └─ failed ─▶ waits (doubling, at most 30 s) ─┐
//                                     └──────────────────────────────────────────────────────┘
//
// Exactly once: the append is idempotent by source offset, so that asking again, also after a restart or under another
// leader, makes no second letter; and the record stays DEAD_LETTER_PENDING until the letter is committed, so that none
// is dropped. Asked for only once the death is durable: a record whose death was forgotten may still be acknowledged.

import type { QueueClock } from './queue-clock.js'
import type { QueueState } from './queue-state.js'
import { QUEUE_LIMITS, RECORD_STATE, REASON, type QueueHost } from './queue-types.js'
import { NO_SLOT } from './record-ledger.js'

interface Waiting {
  readonly offset: number
  /** The delta with the death. */
  readonly sequence: number
  readonly notBeforeMs: number
}

export class DeadLetters {
  private readonly state: QueueState
  private readonly clock: QueueClock
  private readonly host: QueueHost
  private waiting: Waiting[] = []
  private head = 0
  private later: Waiting[] = []
  private readonly inFlight = new Set<number>()
  private readonly failures = new Map<number, { readonly count: number, readonly waitsFor: string }>()
  private durableSequence = 0
  /** The latest delta with a death. */
  latestSequence = 0

  constructor (state: QueueState, clock: QueueClock, host: QueueHost) {
    this.state = state
    this.clock = clock
    this.host = host
  }

  /** When the next failed letter is to be tried again: queue time, or Infinity. */
  get nextDueMs (): number {
    return this.later.reduce((earliestMs, { notBeforeMs }) => Math.min(earliestMs, notBeforeMs), Infinity)
  }

  /** A record has died in delta `sequence`. */
  add (offset: number, sequence: number): void {
    this.waiting.push({ offset, sequence, notBeforeMs: 0 })
    this.latestSequence = sequence
  }

  /** A leader begins: asks again for all letters that are not known to be committed. */
  rebuild (): void {
    const { ledger } = this.state
    for (const offset of ledger.sortedOffsets()) {
      if (ledger.states[ledger.find(offset)] === RECORD_STATE.DEAD_LETTER_PENDING) this.add(offset, this.state.sequence)
    }
  }

  onDurable (sequence: number): void {
    this.durableSequence = sequence
    this.send()
  }

  /** Tries again what has waited long enough. */
  tick (): void {
    if (this.later.length === 0) return
    const due = this.later.filter(({ notBeforeMs }) => notBeforeMs <= this.clock.passedMs)
    if (due.length === 0) return
    this.later = this.later.filter(({ notBeforeMs }) => notBeforeMs > this.clock.passedMs)
    this.waiting.push(...due)
    this.send()
  }

  /** True where the letter of the record was asked for; it no longer is. */
  onAppended (offset: number): boolean {
    this.failures.delete(offset)
    const asked = this.inFlight.delete(offset)
    this.send()
    return asked
  }

  /** What the letter of a record waits for, for people; empty where nothing has failed. */
  waitsFor (offset: number): string { return this.failures.get(offset)?.waitsFor ?? '' }

  onFailed (offset: number, waitsFor: string): void {
    if (!this.inFlight.delete(offset)) return
    const failures = this.failures.get(offset)?.count ?? 0
    this.failures.set(offset, { count: failures + 1, waitsFor })
    const { deadLetterRetryMs, deadLetterRetryMsMax } = QUEUE_LIMITS
    const waitMs = Math.min(deadLetterRetryMsMax, deadLetterRetryMs * 2 ** Math.min(failures, 20))
    this.later.push({ offset, sequence: 0, notBeforeMs: this.clock.nowMs + waitMs })
    this.send()
  }

  private send (): void {
    while (this.head < this.waiting.length && this.inFlight.size < QUEUE_LIMITS.deadLettersInFlight) {
      const { offset, sequence } = this.waiting[this.head]!
      if (sequence > this.durableSequence) break
      this.head++
      this.ask(offset)
    }
    if (this.head === this.waiting.length || this.head > 1024) {
      this.waiting = this.waiting.slice(this.head)
      this.head = 0
    }
  }

  private ask (offset: number): void {
    const { ledger, notes } = this.state
    const slot = this.state.find(offset)
    // Gone meanwhile: the log was cut off below, or purged.
    if (slot === NO_SLOT || ledger.states[slot] !== RECORD_STATE.DEAD_LETTER_PENDING) {
      this.failures.delete(offset)
      return
    }
    const note = notes.get(offset)
    this.inFlight.add(offset)
    this.host.appendDeadLetter({
      offset,
      reason: note?.death?.reason ?? REASON.exhausted,
      text: note?.death?.text ?? '',
      diedMs: note?.death?.diedMs ?? 0,
      failures: ledger.failures[slot]!,
      deliveries: ledger.deliveries[slot]!,
      attempts: note?.attempts ?? [],
    })
  }
}
