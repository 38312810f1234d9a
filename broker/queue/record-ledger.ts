// The records that are neither fresh nor terminal, column by column: about 90 bytes each, whatever lies between them.
//
//   offset ─▶ SlotIndex ─▶ slot ─▶ offsets │ states │ times │ leaseSequences │ …      min() by a heap of offsets
//                                                     └ links: one due list (TimingWheel), one list per session
//
// A slot is valid until it is removed. Whoever changes `times` of a record in a wheel takes it out of the wheel first.

import assert from 'node:assert'
import { grownCapacity, moved } from './columns.js'
import { OffsetHeap } from './offset-heap.js'
import { NO_LANE } from './queue-types.js'
import { SlotIndex } from './slot-index.js'

export const NO_SLOT = -1
/** `sessions` of a record that nobody has leased. */
export const NO_SESSION = 0

/** Bits of `flags`. */
export const RECORD_FLAG = {
  /** A handler has it: its time counts, and a disconnect is a failure. */
  started: 1 << 0,
  /** Cancelled while leased: ends when the lease does. */
  cancelRequested: 1 << 1,
  /** `times` is of the wall clock, not of queue time. */
  wallClock: 1 << 2,
} as const

const CAPACITY_MIN = 16
/** Up to here columns stay when the last record has left: who fills and empties them all day must not pay for that. */
const CAPACITY_KEPT = 32_768

export class RecordLedger {
  offsets = new Float64Array(CAPACITY_MIN)
  /** LEASED: when the lease ends, 0 for not timed. READY, DELAYED: not before. Milliseconds. */
  times = new Float64Array(CAPACITY_MIN)
  /** Of the latest lease; 0 for none so far. */
  leaseSequences = new Float64Array(CAPACITY_MIN)
  lanes = new Float64Array(CAPACITY_MIN)
  /** Wall-clock milliseconds; 0 for never. */
  expires = new Float64Array(CAPACITY_MIN)
  /** When the lease began: queue time, milliseconds. */
  leasedAt = new Float64Array(CAPACITY_MIN)
  leaseEpochs = new Uint32Array(CAPACITY_MIN)
  /** Number of the session that has the lease. */
  sessions = new Uint32Array(CAPACITY_MIN)
  failures = new Uint16Array(CAPACITY_MIN)
  deliveries = new Uint16Array(CAPACITY_MIN)
  states = new Uint8Array(CAPACITY_MIN)
  flags = new Uint8Array(CAPACITY_MIN)
  /** List of a wheel's bucket; the free list goes through `dueNext` too. */
  dueNext = new Int32Array(CAPACITY_MIN)
  duePrevious = new Int32Array(CAPACITY_MIN)
  /** Bucket + 1; 0 where the record is in no wheel. */
  buckets = new Uint16Array(CAPACITY_MIN)
  /** List of the session's leases. */
  mateNext = new Int32Array(CAPACITY_MIN)
  matePrevious = new Int32Array(CAPACITY_MIN)

  private readonly index = new SlotIndex(this.offsets)
  private readonly order = new OffsetHeap()
  private capacity = CAPACITY_MIN
  private used = 0
  private free = NO_SLOT

  get size (): number { return this.index.size }

  /** The slot of a record, or `NO_SLOT`. */
  find (offset: number): number { return this.index.find(offset) }

  /** A new record, all zero; it must not be there. */
  insert (offset: number): number {
    const slot = this.takeSlot()
    this.offsets[slot] = offset
    this.times[slot] = 0
    this.leaseSequences[slot] = 0
    this.lanes[slot] = NO_LANE
    this.expires[slot] = 0
    this.leasedAt[slot] = 0
    this.leaseEpochs[slot] = 0
    this.sessions[slot] = NO_SESSION
    this.failures[slot] = 0
    this.deliveries[slot] = 0
    this.states[slot] = 0
    this.flags[slot] = 0
    this.buckets[slot] = 0
    this.index.add(slot)
    this.order.push(offset)
    if (this.order.size > 1024 && this.order.size > 2 * this.index.size) this.tidyOrder()
    return slot
  }

  remove (slot: number): void {
    assert(this.buckets[slot] === 0 && this.sessions[slot] === NO_SESSION, 'a record leaves its lists first')
    this.index.remove(slot)
    this.offsets[slot] = -1
    this.dueNext[slot] = this.free
    this.free = slot
    if (this.index.size === 0) this.onEmpty()
  }

  /** Lets go of the memory of records that have left, where there are none now. */
  trim (): void {
    if (this.index.size === 0 && this.capacity > CAPACITY_MIN) this.resize(CAPACITY_MIN)
  }

  /** Lowest offset held, or Infinity. */
  min (): number {
    while (this.order.size > 0 && this.index.find(this.order.first) === NO_SLOT) this.order.pop()
    return this.order.first
  }

  /** Visits all records, in no order; nothing may be inserted or removed meanwhile. */
  visit (visit: (slot: number, offset: number) => void): void {
    for (let slot = 0; slot < this.used; slot++) if (this.offsets[slot]! >= 0) visit(slot, this.offsets[slot]!)
  }

  /** All offsets, ascending. Costs a sort: for checkpoints, not for serving. */
  sortedOffsets (): Float64Array {
    const offsets = new Float64Array(this.size)
    let count = 0
    for (let slot = 0; slot < this.used; slot++) if (this.offsets[slot]! >= 0) offsets[count++] = this.offsets[slot]!
    return offsets.sort()
  }

  private tidyOrder (): void {
    // A record that came, went and came again has two places.
    let latest = -1
    const offsets = this.sortedOffsets()
    this.order.clear()
    for (const offset of offsets) {
      if (offset !== latest) this.order.push(offset)
      latest = offset
    }
  }

  private takeSlot (): number {
    if (this.free !== NO_SLOT) {
      const slot = this.free
      this.free = this.dueNext[slot]!
      return slot
    }
    if (this.used === this.capacity) this.resize(grownCapacity(this.capacity))
    return this.used++
  }

  private onEmpty (): void {
    this.used = 0
    this.free = NO_SLOT
    this.order.clear()
    if (this.capacity > CAPACITY_KEPT) this.trim()
  }

  private resize (capacity: number): void {
    const { used } = this
    this.capacity = capacity
    this.offsets = moved(this.offsets, new Float64Array(capacity), used)
    this.times = moved(this.times, new Float64Array(capacity), used)
    this.leaseSequences = moved(this.leaseSequences, new Float64Array(capacity), used)
    this.lanes = moved(this.lanes, new Float64Array(capacity), used)
    this.expires = moved(this.expires, new Float64Array(capacity), used)
    this.leasedAt = moved(this.leasedAt, new Float64Array(capacity), used)
    this.leaseEpochs = moved(this.leaseEpochs, new Uint32Array(capacity), used)
    this.sessions = moved(this.sessions, new Uint32Array(capacity), used)
    this.failures = moved(this.failures, new Uint16Array(capacity), used)
    this.deliveries = moved(this.deliveries, new Uint16Array(capacity), used)
    this.states = moved(this.states, new Uint8Array(capacity), used)
    this.flags = moved(this.flags, new Uint8Array(capacity), used)
    this.dueNext = moved(this.dueNext, new Int32Array(capacity), used)
    this.duePrevious = moved(this.duePrevious, new Int32Array(capacity), used)
    this.buckets = moved(this.buckets, new Uint16Array(capacity), used)
    this.mateNext = moved(this.mateNext, new Int32Array(capacity), used)
    this.matePrevious = moved(this.matePrevious, new Int32Array(capacity), used)
    this.index.setKeys(this.offsets)
  }
}
