// Where the last batches of one producer went: a ring that grows as it is used, up to a bound.
//
//   slot:  first sequence │ record count │ base offset        three numbers in one flat array
//
// Most producers have few batches under way, and a partition may know thousands of them: a ring begins small, and a
// full one takes 24 bytes a batch.

const SLOT_NUMBERS = 3
const FIRST_CAPACITY = 4

/** See the head of this file. */
export class RememberedBatches {
  private readonly max: number
  private slots: Float64Array
  private oldest = 0
  private count = 0

  /** @param max most batches that are remembered, 1 or more. */
  constructor (max: number) {
    this.max = max
    this.slots = new Float64Array(Math.min(max, FIRST_CAPACITY) * SLOT_NUMBERS)
  }

  get size (): number { return this.count }

  /** Adds the newest batch; where `max` are remembered the oldest is forgotten. */
  add (firstSequence: number, recordCount: number, baseOffset: number): void {
    if (this.count === this.max) {
      this.oldest = (this.oldest + 1) % this.max
      this.count--
    } else if (this.count === this.capacity) {
      this.grow()
    }
    const at = this.slotOf(this.count++)
    this.slots[at] = firstSequence
    this.slots[at + 1] = recordCount
    this.slots[at + 2] = baseOffset
  }

  /** Base offset of the batch with exactly these sequences; -1 where none is remembered. */
  find (firstSequence: number, recordCount: number): number {
    // A retry is most likely of something recent.
    for (let index = this.count - 1; index >= 0; index--) {
      const at = this.slotOf(index)
      if (this.slots[at] === firstSequence && this.slots[at + 1] === recordCount) return this.slots[at + 2]!
    }
    return -1
  }

  /** Calls `visit` for each batch, oldest first. */
  forEach (visit: (firstSequence: number, recordCount: number, baseOffset: number) => void): void {
    for (let index = 0; index < this.count; index++) {
      const at = this.slotOf(index)
      visit(this.slots[at]!, this.slots[at + 1]!, this.slots[at + 2]!)
    }
  }

  private get capacity (): number { return this.slots.length / SLOT_NUMBERS }

  private slotOf (index: number): number { return (this.oldest + index) % this.capacity * SLOT_NUMBERS }

  /** Only a ring that never forgot anything grows: its oldest batch is in the first slot. */
  private grow (): void {
    const grown = new Float64Array(Math.min(this.max, this.capacity * 2) * SLOT_NUMBERS)
    grown.set(this.slots)
    this.slots = grown
  }
}
