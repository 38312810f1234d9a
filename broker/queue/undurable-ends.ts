// Records that have ended in deltas that are not durable yet: a restart may bring them back. In the order of the
// deltas; runs of offsets, so that an ack of a range is one entry.

const COMPACT_LENGTH = 3 * 1024

export class UndurableEnds {
  /** Sequence of the delta, first offset, end offset; and so on. */
  private runs: number[] = []
  private head = 0

  /** The records [offset, endOffset) have ended in delta `sequence`; sequences never fall. */
  add (sequence: number, offset: number, endOffset: number): void {
    this.runs.push(sequence, offset, endOffset)
  }

  /** Everything up to this delta is durable. */
  onDurable (sequence: number): void {
    const { runs } = this
    while (this.head < runs.length && runs[this.head]! <= sequence) this.head += 3
    if (this.head === runs.length) this.clear()
    else if (this.head >= COMPACT_LENGTH) {
      this.runs = runs.slice(this.head)
      this.head = 0
    }
  }

  has (offset: number): boolean {
    const { runs } = this
    for (let at = this.head; at < runs.length; at += 3) {
      if (offset >= runs[at + 1]! && offset < runs[at + 2]!) return true
    }
    return false
  }

  clear (): void {
    this.runs = []
    this.head = 0
  }
}
