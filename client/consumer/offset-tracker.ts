// Which records of one partition are done, and what may be committed.
//
//   offsets handed out:   40   41   42   43   44        next to hand out: 45
//   done:                 yes  yes  no   yes  no
//                                   ▲
//                                   committable = 42: everything below is done
//
// Invariants: offsets rise; `committable` never passes an offset that was handed out and is not done.

/** See the head of this file. */
export class OffsetTracker {
  private offsets: number[] = []
  private done: boolean[] = []
  private head = 0
  private doneCount = 0
  private next: number

  /** @param position offset of the next record to hand out. */
  constructor (position: number) {
    this.next = position
  }

  /** Records handed out that are not done. */
  get outstanding (): number { return this.offsets.length - this.head - this.doneCount }

  /** Offset below which everything is done. */
  get committable (): number { return this.head < this.offsets.length ? this.offsets[this.head]! : this.next }

  /** The record at `offset` is handed out. */
  deliver (offset: number): void {
    this.offsets.push(offset)
    this.done.push(false)
    this.next = offset + 1
  }

  /** Where nothing is handed out: everything below `position` is done, or holds no records. */
  passTo (position: number): void {
    if (position > this.next) this.next = position
  }

  /** Marks a record as done; false where it is not handed out, or no longer. */
  ack (offset: number): boolean {
    if (this.offsets[this.head] === offset && !this.done[this.head]) {
      this.head++
      this.passDone()
      return true
    }
    const index = this.find(offset)
    if (index < 0 || this.done[index]) return false
    this.done[index] = true
    this.doneCount++
    return true
  }

  /** Forgets that the records from `offset` on were handed out: they will be again. */
  rewind (offset: number): void {
    while (this.offsets.length > this.head && this.offsets[this.offsets.length - 1]! >= offset) {
      this.offsets.pop()
      if (this.done.pop()) this.doneCount--
    }
    this.next = Math.min(this.next, offset)
    if (this.head === this.offsets.length) this.reset()
  }

  /** Starts anew at `position`. */
  seek (position: number): void {
    this.reset()
    this.next = position
  }

  /** True where the record is handed out and not done. */
  isOutstanding (offset: number): boolean {
    const index = this.find(offset)
    return index >= 0 && !this.done[index]
  }

  private passDone (): void {
    while (this.head < this.offsets.length && this.done[this.head]) {
      this.head++
      this.doneCount--
    }
    if (this.head === this.offsets.length) {
      this.reset()
    } else if (this.head >= 1024 && this.head * 2 >= this.offsets.length) {
      this.offsets = this.offsets.slice(this.head)
      this.done = this.done.slice(this.head)
      this.head = 0
    }
  }

  private reset (): void {
    this.offsets.length = 0
    this.done.length = 0
    this.head = 0
    this.doneCount = 0
  }

  private find (offset: number): number {
    let low = this.head
    let high = this.offsets.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const value = this.offsets[middle]!
      if (value === offset) return middle
      if (value < offset) low = middle + 1
      else high = middle - 1
    }
    return -1
  }
}
