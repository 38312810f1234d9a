// A binary heap of offsets, lowest first, 8 bytes each. Offsets mostly come in ascending order, which costs nothing.

import { grownCapacity } from './columns.js'

const LENGTH_MIN = 16
/** Up to here the array is kept: who fills and empties it all day must not pay for that. */
const LENGTH_KEPT = 2_048

export class OffsetHeap {
  private items = new Float64Array(LENGTH_MIN)
  private count = 0

  get size (): number { return this.count }

  /** The lowest, or Infinity. */
  get first (): number { return this.count === 0 ? Infinity : this.items[0]! }

  push (offset: number): void {
    if (this.count === this.items.length) this.resize(grownCapacity(this.count))
    const { items } = this
    let index = this.count++
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (items[parent]! <= offset) break
      items[index] = items[parent]!
      index = parent
    }
    items[index] = offset
  }

  /** Takes the lowest out; Infinity where there is none. */
  pop (): number {
    if (this.count === 0) return Infinity
    const first = this.items[0]!
    const last = this.items[--this.count]!
    if (this.count > 0) this.sink(0, last)
    if (this.items.length > LENGTH_KEPT && this.count * 4 < this.items.length) this.resize(this.items.length >> 1)
    return first
  }

  /** Keeps only what `keep` says. */
  filter (keep: (offset: number) => boolean): void {
    const { items } = this
    let kept = 0
    for (let index = 0; index < this.count; index++) {
      if (keep(items[index]!)) items[kept++] = items[index]!
    }
    this.count = kept
    for (let index = (kept >> 1) - 1; index >= 0; index--) this.sink(index, items[index]!)
    if (kept * 2 < items.length) this.resize(kept + (kept >> 1))
  }

  clear (): void {
    this.count = 0
    if (this.items.length > LENGTH_KEPT) this.items = new Float64Array(LENGTH_MIN)
  }

  private sink (start: number, offset: number): void {
    const { items, count } = this
    let index = start
    for (;;) {
      let child = index * 2 + 1
      if (child >= count) break
      if (child + 1 < count && items[child + 1]! < items[child]!) child++
      if (items[child]! >= offset) break
      items[index] = items[child]!
      index = child
    }
    items[index] = offset
  }

  private resize (length: number): void {
    const items = new Float64Array(Math.max(LENGTH_MIN, length))
    items.set(this.items.subarray(0, this.count))
    this.items = items
  }
}
