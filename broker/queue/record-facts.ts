// A page of facts: what a `RecordFeed` fills and the scan walks through.

import { NO_LANE, type RecordFacts } from './queue-types.js'

export class FactsPage implements RecordFacts {
  count = 0
  endOffset = 0
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
