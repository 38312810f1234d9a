// The busy lanes: a cursor for each lane that has something outstanding, and none for the others.
//
//   lane's records in the log:   o1   o2 │ o3   o4   o5 …        position = o3: everything of the lane before it is
//                                 terminal   └ position            terminal or has an entry in the ledger; everything
//                                                                  from it on, without an entry, is still to come
//
// The lowest position bounds the floor: a heap with one node per slot, raised when it comes to the top.

import { grownCapacity, moved } from './columns.js'
import { SlotIndex } from './slot-index.js'

/** Bits of `flags`: what keeps a lane from being handed out. Part of the encoding. */
export const LANE_FLAG = {
  /** Everything of the lane goes to the dead letters until it is resumed. */
  quarantined: 1 << 0,
  /** The lane is stopped at a record that was given up, until it is resumed. */
  held: 1 << 1,
} as const

const CAPACITY_MIN = 16

export class LaneTable {
  lanes = new Float64Array(CAPACITY_MIN)
  /** Rises only, while the lane is busy. */
  positions = new Float64Array(CAPACITY_MIN)
  flags = new Uint8Array(CAPACITY_MIN)
  /** Records leased. */
  leased = new Int32Array(CAPACITY_MIN)

  // What follows is the leader's own: how far it is in picking. Not part of the replicated state.
  /** In a queue of lanes to be picked. */
  queued = new Uint8Array(CAPACITY_MIN)
  /** The receive that began the run being handed out, and how many records the run has. */
  runMarks = new Float64Array(CAPACITY_MIN)
  runCounts = new Uint16Array(CAPACITY_MIN)
  /** Weighted turns: what the lane may still take in this round. */
  credits = new Float32Array(CAPACITY_MIN)

  private readonly index = new SlotIndex(this.lanes)
  private capacity = CAPACITY_MIN
  private used = 0
  private readonly freeSlots: number[] = []
  /** Heap of slots by `heapKeys[slot]` <= `positions[slot]`. */
  private heap = new Int32Array(CAPACITY_MIN)
  private heapKeys = new Float64Array(CAPACITY_MIN)
  private inHeap = new Uint8Array(CAPACITY_MIN)
  private heapSize = 0

  get size (): number { return this.index.size }

  /** The slot of a busy lane, or -1. */
  find (lane: number): number { return this.index.find(lane) }

  insert (lane: number, position: number): number {
    const slot = this.freeSlots.pop() ?? this.newSlot()
    this.lanes[slot] = lane
    this.positions[slot] = position
    this.flags[slot] = 0
    this.leased[slot] = 0
    this.queued[slot] = 0
    this.runMarks[slot] = 0
    this.runCounts[slot] = 0
    this.credits[slot] = 0
    this.index.add(slot)
    // A slot that was used before may still have its node, with a lower key: it is raised when it comes to the top.
    if (this.inHeap[slot] === 0) this.pushNode(slot)
    return slot
  }

  remove (slot: number): void {
    this.index.remove(slot)
    this.lanes[slot] = -1
    this.positions[slot] = Infinity
    this.freeSlots.push(slot)
    if (this.index.size === 0) this.reset()
  }

  /** Lowest position of all busy lanes, or Infinity. */
  minPosition (): number {
    while (this.heapSize > 0) {
      const slot = this.heap[0]!
      const position = this.positions[slot]!
      if (this.heapKeys[slot] === position) return position
      if (position === Infinity) this.dropFirst()
      else {
        this.heapKeys[slot] = position
        this.sink(slot)
      }
    }
    return Infinity
  }

  /** Visits the slots in use, in no order; nothing may be inserted or removed meanwhile. */
  visit (visit: (slot: number) => void): void {
    for (let slot = 0; slot < this.used; slot++) if (this.lanes[slot]! >= 0) visit(slot)
  }

  /** Slots in use, in order of their positions. Costs a sort. */
  sortedSlots (): number[] {
    const slots: number[] = []
    for (let slot = 0; slot < this.used; slot++) if (this.lanes[slot]! >= 0) slots.push(slot)
    return slots.sort((a, b) => this.positions[a]! - this.positions[b]!)
  }

  private newSlot (): number {
    if (this.used === this.capacity) this.resize(grownCapacity(this.capacity))
    return this.used++
  }

  private pushNode (slot: number): void {
    const key = this.positions[slot]!
    this.inHeap[slot] = 1
    this.heapKeys[slot] = key
    let index = this.heapSize++
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (this.heapKeys[this.heap[parent]!]! <= key) break
      this.heap[index] = this.heap[parent]!
      index = parent
    }
    this.heap[index] = slot
  }

  private dropFirst (): void {
    this.inHeap[this.heap[0]!] = 0
    this.heapSize--
    if (this.heapSize > 0) this.sink(this.heap[this.heapSize]!)
  }

  /** Puts `slot` at the top, then where it belongs. */
  private sink (slot: number): void {
    const { heap, heapKeys, heapSize } = this
    const key = heapKeys[slot]!
    let index = 0
    for (;;) {
      let child = index * 2 + 1
      if (child >= heapSize) break
      if (child + 1 < heapSize && heapKeys[heap[child + 1]!]! < heapKeys[heap[child]!]!) child++
      if (heapKeys[heap[child]!]! >= key) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = slot
  }

  private reset (): void {
    this.used = 0
    this.freeSlots.length = 0
    this.heapSize = 0
    this.inHeap.fill(0)
    if (this.capacity > 1024) this.resize(CAPACITY_MIN)
  }

  private resize (capacity: number): void {
    const { used } = this
    this.capacity = capacity
    this.lanes = moved(this.lanes, new Float64Array(capacity), used)
    this.positions = moved(this.positions, new Float64Array(capacity), used)
    this.credits = moved(this.credits, new Float32Array(capacity), used)
    this.runMarks = moved(this.runMarks, new Float64Array(capacity), used)
    this.heapKeys = moved(this.heapKeys, new Float64Array(capacity), used)
    this.flags = moved(this.flags, new Uint8Array(capacity), used)
    this.queued = moved(this.queued, new Uint8Array(capacity), used)
    this.inHeap = moved(this.inHeap, new Uint8Array(capacity), used)
    this.leased = moved(this.leased, new Int32Array(capacity), used)
    this.heap = moved(this.heap, new Int32Array(capacity), used)
    this.runCounts = moved(this.runCounts, new Uint16Array(capacity), used)
    this.index.setKeys(this.lanes)
  }
}
