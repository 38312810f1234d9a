// Which records of one partition are done, and what may be committed.
//
//   offsets handed out:   40   41   42   43   44        next to hand out: 45
//   done:                 yes  yes  no   yes  no
//                                   ▲
//                                   committable = 42: everything below is done
//
// Invariants: offsets rise; `committable` never passes an offset that was handed out and is not done.

/** Room for offsets that is kept when all are done. */
const ROOM_KEPT = 16_384

/** See the head of this file. */
export class OffsetTracker {
  /** Offsets handed out, from `head` up to `tail`; the first of them is not done. */
  private offsets: number[] = []
  private head = 0
  private tail = 0
  /** Those of them that are done before one that was handed out earlier. */
  private readonly early = new Set<number>()
  private next: number

  /** @param position offset of the next record to hand out. */
  constructor (position: number) {
    this.next = position
  }

  /** Records handed out that are not done. */
  get outstanding (): number { return this.tail - this.head - this.early.size }

  /** Offset below which everything is done. */
  get committable (): number { return this.head < this.tail ? this.offsets[this.head]! : this.next }

  /** The record at `offset` is handed out. */
  deliver (offset: number): void {
    this.offsets[this.tail++] = offset
    this.next = offset + 1
  }

  /** Where nothing is handed out: everything below `position` is done, or holds no records. */
  passTo (position: number): void {
    if (position > this.next) this.next = position
  }

  /** Marks a record as done; false where it is not handed out, or no longer. */
  ack (offset: number): boolean {
    if (this.head < this.tail && this.offsets[this.head] === offset) {
      this.head++
      this.passDone()
      return true
    }
    if (this.find(offset) < 0 || this.early.has(offset)) return false
    this.early.add(offset)
    return true
  }

  /** Forgets that the records from `offset` on were handed out: they will be again. */
  rewind (offset: number): void {
    while (this.tail > this.head && this.offsets[this.tail - 1]! >= offset) {
      this.early.delete(this.offsets[--this.tail]!)
    }
    this.next = Math.min(this.next, offset)
    if (this.head === this.tail) this.reset()
  }

  /** Starts anew at `position`. */
  seek (position: number): void {
    this.reset()
    this.next = position
  }

  /** True where the record is handed out and not done. */
  isOutstanding (offset: number): boolean {
    return this.find(offset) >= 0 && !this.early.has(offset)
  }

  private passDone (): void {
    if (this.early.size > 0) while (this.head < this.tail && this.early.delete(this.offsets[this.head]!)) this.head++
    if (this.head === this.tail) {
      this.reset()
    } else if (this.head >= ROOM_KEPT && this.head * 2 >= this.tail) {
      this.offsets = this.offsets.slice(this.head, this.tail)
      this.tail -= this.head
      this.head = 0
    }
  }

  private reset (): void {
    if (this.offsets.length > ROOM_KEPT) this.offsets = []
    this.early.clear()
    this.head = this.tail = 0
  }

  private find (offset: number): number {
    let low = this.head
    let high = this.tail - 1
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
