// Which records of one partition are done, and what may be committed.
//
//   offsets handed out:   40   41   42   43   44        next to hand out: 45
//   done:                 yes  yes  no   yes  no
//                                   ▲
//                                   committable = 42: everything below is done
//
// Records are handed out and done in runs of offsets without a gap: what is kept are the runs, and of the records that
// are done before one that was handed out earlier each by itself. So a batch costs as much as a record.
//
// Invariants: offsets rise; `committable` never passes an offset that was handed out and is not done.

/** Offsets [from, to), all handed out. */
interface Run { from: number, to: number }

/** Runs that have been passed stay in front of the others until they are so many, and half of all. */
const PASSED_MIN = 1_024

/** See the head of this file. */
export class OffsetTracker {
  /** What is handed out, from `head` on; the first offset of it is not done. */
  private runs: Run[] = []
  private head = 0
  /** Offsets in these runs. */
  private handedOut = 0
  /** Those of them that are done. */
  private readonly early = new Set<number>()
  private next: number

  /** @param position offset of the next record to hand out. */
  constructor (position: number) {
    this.next = position
  }

  /** Records handed out that are not done. */
  get outstanding (): number { return this.handedOut - this.early.size }

  /** Offset below which everything is done. */
  get committable (): number { return this.head < this.runs.length ? this.runs[this.head]!.from : this.next }

  /** The records at [from, to) are handed out; there is one at each of these offsets. */
  deliver (from: number, to: number): void {
    const last = this.head < this.runs.length ? this.runs[this.runs.length - 1]! : null
    if (last !== null && last.to === from) last.to = to
    else this.runs.push({ from, to })
    this.handedOut += to - from
    this.next = to
  }

  /** Where nothing is handed out: everything below `position` is done, or holds no records. */
  passTo (position: number): void {
    if (position > this.next) this.next = position
  }

  /** Marks the records at [from, to) as done; returns how many of them were handed out and not done. */
  ack (from: number, to: number): number {
    const first = this.head < this.runs.length ? this.runs[this.head]! : null
    // What was handed out first is done first, mostly.
    if (first !== null && first.from === from && to <= first.to && this.early.size === 0) {
      this.advance(first, to)
      return to - from
    }
    let count = 0
    for (let offset = from; offset < to; offset++) if (this.ackOne(offset)) count++
    return count
  }

  /** Forgets that the records from `offset` on were handed out: they will be again. */
  rewind (offset: number): void {
    while (this.runs.length > this.head) {
      const last = this.runs[this.runs.length - 1]!
      if (last.to <= offset) break
      const from = Math.max(last.from, offset)
      this.handedOut -= last.to - from
      if (from > last.from) {
        last.to = from
        break
      }
      this.runs.pop()
    }
    for (const done of this.early) if (done >= offset) this.early.delete(done)
    this.next = Math.min(this.next, offset)
    if (this.handedOut === 0) this.reset()
  }

  /** Starts anew at `position`. */
  seek (position: number): void {
    this.reset()
    this.next = position
  }

  /** True where the record is handed out and not done. */
  isOutstanding (offset: number): boolean {
    return this.isHandedOut(offset) && !this.early.has(offset)
  }

  private ackOne (offset: number): boolean {
    if (!this.isOutstanding(offset)) return false
    const first = this.runs[this.head]!
    if (first.from === offset) this.advance(first, offset + 1)
    else this.early.add(offset)
    return true
  }

  /** The first run is done up to `to`, and behind it whatever was done early. */
  private advance (first: Run, to: number): void {
    this.handedOut -= to - first.from
    first.from = to
    for (let run = first; ;) {
      while (run.from < run.to && this.early.size > 0 && this.early.delete(run.from)) {
        run.from++
        this.handedOut--
      }
      if (run.from < run.to) break
      if (++this.head === this.runs.length) return this.reset()
      run = this.runs[this.head]!
    }
    if (this.head < PASSED_MIN || this.head * 2 < this.runs.length) return
    this.runs = this.runs.slice(this.head)
    this.head = 0
  }

  private reset (): void {
    this.runs = []
    this.early.clear()
    this.head = this.handedOut = 0
  }

  private isHandedOut (offset: number): boolean {
    let low = this.head
    let high = this.runs.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const run = this.runs[middle]!
      if (offset < run.from) high = middle - 1
      else if (offset >= run.to) low = middle + 1
      else return true
    }
    return false
  }
}
