// A lane index in memory: for the newest part of a log, for tests, and as the reference of what an index must do.

import type { LaneIndex } from './queue-types.js'

export class MemoryLaneIndex implements LaneIndex {
  readonly partCount = 1
  /** Offsets of each lane, ascending. */
  private readonly lanes = new Map<number, number[]>()
  private trimmed: number
  private end: number
  private held = 0

  /** @param begin offset of the first record that may be added. */
  constructor (begin = 0) {
    this.trimmed = begin
    this.end = begin
  }

  get indexedEnd (): number { return this.end }

  /** Nothing is held below. */
  get begin (): number { return this.trimmed }

  /** Lanes held: for stating bounds. */
  get laneCount (): number { return this.lanes.size }

  /** Records held. */
  get recordCount (): number { return this.held }

  /** Every lane with its offsets, ascending; in no order of lanes. */
  entries (): IterableIterator<[number, readonly number[]]> { return this.lanes.entries() }

  add (lane: number, offset: number): void {
    if (offset < this.end) return
    this.end = offset + 1
    this.held++
    const offsets = this.lanes.get(lane)
    if (offsets === undefined) this.lanes.set(lane, [offset])
    else offsets.push(offset)
  }

  advanceTo (offset: number): void {
    this.end = Math.max(this.end, offset)
  }

  nextOffsetOf (lane: number, after: number): number {
    const offsets = this.lanes.get(lane)
    if (offsets === undefined) return -1
    const index = indexAbove(offsets, after)
    return index === offsets.length ? -1 : offsets[index]!
  }

  countOf (lane: number, fromOffset: number, endOffset: number): number {
    const offsets = this.lanes.get(lane)
    if (offsets === undefined || endOffset <= fromOffset) return 0
    return indexAbove(offsets, endOffset - 1) - indexAbove(offsets, fromOffset - 1)
  }

  trimBelow (offset: number): void {
    // Trimming costs a walk over all lanes, so it waits until much has gathered.
    if (offset === this.trimmed || (offset - this.trimmed < 1024 && offset < this.end)) return
    this.trimmed = offset
    for (const [lane, offsets] of this.lanes) {
      if (offsets[0]! >= offset) continue
      const start = indexAbove(offsets, offset - 1)
      this.held -= start
      if (start === offsets.length) this.lanes.delete(lane)
      else this.lanes.set(lane, offsets.slice(start))
    }
  }
}

/** Index of the first element above `after`. */
function indexAbove (offsets: number[], after: number): number {
  let low = 0
  let high = offsets.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (offsets[middle]! > after) high = middle
    else low = middle + 1
  }
  return low
}
