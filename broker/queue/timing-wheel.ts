// What is due when: records of the ledger, hashed by time into buckets that come round every 65 seconds.
//
//   bucket = ceil(time / 64 ms) mod 1024      a later round's record stays in its bucket and is looked at again
//
// Adding and removing take constant time. A record is never early, and late by at most one bucket and the time to the
// next tick. The clock may step either way (the wall clock does): nothing is early, and nothing is forgotten.

import { NO_SLOT, type RecordLedger } from './record-ledger.js'

const BUCKET_MS = 64
const BUCKETS = 1024
const MASK = BUCKETS - 1

export class TimingWheel {
  private readonly ledger: RecordLedger
  /** First slot of each bucket, made when first needed: an idle group has none. */
  private heads: Int32Array | null = null
  private count = 0
  /** Everything up to this bucket number was looked at. */
  private passed = 0

  constructor (ledger: RecordLedger) {
    this.ledger = ledger
  }

  get size (): number { return this.count }

  /** By `ledger.times[slot]`. */
  add (slot: number): void {
    const { ledger } = this
    this.heads ??= new Int32Array(BUCKETS).fill(NO_SLOT)
    const bucket = Math.max(Math.ceil(ledger.times[slot]! / BUCKET_MS), this.passed + 1) % BUCKETS
    const head = this.heads[bucket]!
    ledger.buckets[slot] = bucket + 1
    ledger.dueNext[slot] = head
    ledger.duePrevious[slot] = NO_SLOT
    if (head !== NO_SLOT) ledger.duePrevious[head] = slot
    this.heads[bucket] = slot
    this.count++
  }

  remove (slot: number): void {
    const { ledger } = this
    const next = ledger.dueNext[slot]!
    const previous = ledger.duePrevious[slot]!
    if (previous === NO_SLOT) this.heads![ledger.buckets[slot]! - 1] = next
    else ledger.dueNext[previous] = next
    if (next !== NO_SLOT) ledger.duePrevious[next] = previous
    ledger.buckets[slot] = 0
    this.count--
  }

  /** Takes out what is due at `nowMs`, at most `max` records, and adds their offsets to `due`. */
  takeDue (nowMs: number, max: number, due: number[]): void {
    const now = Math.floor(nowMs / BUCKET_MS)
    if (now < this.passed) this.passed = now // stepped back
    if (this.count === 0) {
      this.passed = now
      return
    }
    if (this.passed < now - BUCKETS) this.passed = now - BUCKETS
    while (this.passed < now) {
      if (!this.takeBucket((this.passed + 1) & MASK, nowMs, max, due)) return
      this.passed++
    }
  }

  /** A time before which nothing is due: the next bucket in use. Infinity where nothing is held. */
  nextDueMs (): number {
    if (this.count === 0) return Infinity
    let bucket = this.passed + 1
    while (this.heads![bucket & MASK] === NO_SLOT) bucket++
    return bucket * BUCKET_MS
  }

  private takeBucket (bucket: number, nowMs: number, max: number, due: number[]): boolean {
    const { ledger } = this
    let slot = this.heads![bucket]!
    while (slot !== NO_SLOT) {
      const next = ledger.dueNext[slot]!
      if (ledger.times[slot]! <= nowMs) {
        if (due.length >= max) return false
        this.remove(slot)
        due.push(ledger.offsets[slot]!)
      }
      slot = next
    }
    return true
  }
}
