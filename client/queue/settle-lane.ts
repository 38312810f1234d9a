// What is to be said to one partition about its leases, in the order in which it was said here.
//
//   returned: [ run, run ]  ◀── a request failed ──  outstanding: 0 to 4 requests
//   pending:  [ run, run, run … ]  ── end of turn ──▶
//
// When a request fails in a way that a retry may cure, nothing more is sent until the answers to the others are in;
// then what came back goes first, in its old order: of one key, the order of the settles matters. Settling is
// idempotent, so that what the broker has done already does no harm a second time.

import type { SettleKind } from '@sluice/protocol'
import type { BrokerError } from '../broker-error.js'
import type { SettleWaiter } from './settle-waiter.js'

/** A lease, as the broker knows it. */
export interface LeaseName {
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly leaseEpoch: number
  readonly leaseSequence: number
}

/** The same thing about records [offset, offset + count), whose lease sequences are consecutive too. */
export interface SettleRun {
  readonly kind: SettleKind
  readonly offset: number
  count: number
  readonly leaseEpoch: number
  readonly leaseSequence: number
  /** Milliseconds; -1 for none. */
  readonly delayMs: number
  readonly reason: string
  /** One for each record; null where nobody waits. */
  readonly waiters: (SettleWaiter | null)[]
  /** Rises from run to run. */
  readonly order: number
  /** When it fails, on the monotonic clock, in milliseconds. */
  readonly deadlineMs: number
  attempts: number
  /** Some attempt may have reached the broker. */
  maybeApplied: boolean
}

/** See the head of this file. */
export class SettleLane {
  readonly topicId: string
  readonly partition: number
  /** Requests under way with something of this partition. */
  outstanding = 0
  /** Nothing is sent before, on the monotonic clock. */
  retryAtMs = 0
  failures = 0
  /** Why the latest request has failed. */
  lastError: BrokerError | null = null
  /** It is on the list that the end of the turn looks at. */
  dirty = false
  /** It has nothing but what may wait for company. */
  held = false
  private pending: SettleRun[] = []
  private head = 0
  private returned: SettleRun[] = []

  constructor (topicId: string, partition: number) {
    this.topicId = topicId
    this.partition = partition
  }

  /** True where there is nothing to be sent and nothing to be answered. */
  get isIdle (): boolean {
    return this.outstanding === 0 && this.head === this.pending.length && this.returned.length === 0
  }

  /** True where something has not been sent, or is to be sent again. */
  get hasWaiting (): boolean { return this.head < this.pending.length || this.returned.length > 0 }

  /** True where something is to be said again. */
  get hasReturned (): boolean { return this.returned.length > 0 }

  /** True where something could go now. */
  isReady (nowMs: number): boolean {
    if (this.returned.length > 0) {
      if (this.outstanding > 0 || nowMs < this.retryAtMs) return false
      this.recover()
    }
    return this.head < this.pending.length && nowMs >= this.retryAtMs
  }

  /** The run that a record may be added to, or null. */
  get last (): SettleRun | null {
    return this.head < this.pending.length ? this.pending[this.pending.length - 1]! : null
  }

  push (run: SettleRun): void {
    this.pending.push(run)
  }

  /** Takes runs out, to be sent: of at most `recordsMax` records together, at most `runsMax`. */
  take (recordsMax: number, runsMax: number): SettleRun[] {
    const taken: SettleRun[] = []
    let left = recordsMax
    while (this.head < this.pending.length && this.pending[this.head]!.count <= left && taken.length < runsMax) {
      const run = this.pending[this.head++]!
      left -= run.count
      taken.push(run)
    }
    if (this.head === this.pending.length || this.head > 1_024) this.clearTaken()
    return taken
  }

  /** A request has failed with these: they go again. */
  giveBack (run: SettleRun): void {
    this.returned.push(run)
  }

  /** Takes out what `isOver` says, wherever it waits. */
  remove (isOver: (run: SettleRun) => boolean): SettleRun[] {
    this.clearTaken()
    const over = [...this.returned, ...this.pending].filter(isOver)
    if (over.length > 0) {
      this.pending = this.pending.filter(run => !isOver(run))
      this.returned = this.returned.filter(run => !isOver(run))
    }
    return over
  }

  /** Earliest deadline of what waits, or Infinity. */
  get firstDeadlineMs (): number {
    let firstMs = this.head < this.pending.length ? this.pending[this.head]!.deadlineMs : Infinity
    for (const run of this.returned) firstMs = Math.min(firstMs, run.deadlineMs)
    return firstMs
  }

  private recover (): void {
    this.clearTaken()
    this.returned.sort((a, b) => a.order - b.order || a.offset - b.offset)
    this.pending = this.returned.concat(this.pending)
    this.returned = []
  }

  private clearTaken (): void {
    if (this.head > 0) this.pending = this.pending.slice(this.head)
    this.head = 0
  }
}
