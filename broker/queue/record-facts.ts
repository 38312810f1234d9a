// A page of facts: what a `RecordFeed` fills and the scan walks through.

import { NO_LANE, type RecordFacts, type RecordFeed } from './queue-types.js'

export class FactsPage implements RecordFacts {
  count = 0
  endOffset = 0
  isDamaged = false
  readonly capacity: number
  readonly offsets: Float64Array
  readonly lanes: Float64Array
  readonly notBeforeMs: Float64Array
  readonly expiresMs: Float64Array
  readonly priorities: Uint8Array
  readonly sizes: Uint32Array

  constructor (capacity: number) {
    this.capacity = capacity
    this.offsets = new Float64Array(capacity)
    this.lanes = new Float64Array(capacity)
    this.notBeforeMs = new Float64Array(capacity)
    this.expiresMs = new Float64Array(capacity)
    this.priorities = new Uint8Array(capacity)
    this.sizes = new Uint32Array(capacity)
  }

  clear (fromOffset: number): void {
    this.count = 0
    this.endOffset = fromOffset
    this.isDamaged = false
  }

  /** A record without any special facts; `lanes[row]` and the others may be set after. Returns its row. */
  add (offset: number, size: number): number {
    const row = this.count++
    this.offsets[row] = offset
    this.sizes[row] = size
    this.lanes[row] = NO_LANE
    this.notBeforeMs[row] = 0
    this.expiresMs[row] = 0
    this.priorities[row] = 0
    this.endOffset = offset + 1
    return row
  }
}

/**
 * Reads the facts of one record that is known to be there. Where it is damaged, nothing is special about it: it is
 * handed out, cannot be read, and fails as often as it may.
 *
 * @returns false where they are not at hand yet
 */
export function readFactsOf (feed: RecordFeed, facts: FactsPage, offset: number): boolean {
  facts.clear(offset)
  if (!feed.read(offset, offset + 1, facts)) return false
  if (facts.isDamaged) facts.add(offset, feed.sizeOf(offset))
  return true
}
