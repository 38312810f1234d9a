// Who waits for the log to get how far. First in, first out: the offsets of what is appended only rise. A duplicate
// that waits for its original may come behind batches of higher offsets; then it waits for those too, and harms nobody.

/** Called once: with 0 when the offset is acknowledged, or with an error number and its text. */
export type Acknowledge = (error: number, message: string) => void

const COMPACT_AT = 1024

export class AckQueue {
  private endOffsets: number[] = []
  private callbacks: Acknowledge[] = []
  private head = 0

  get length (): number { return this.endOffsets.length - this.head }

  /** `acknowledge` runs when everything below `endOffset` is acknowledged. */
  push (endOffset: number, acknowledge: Acknowledge): void {
    this.endOffsets.push(endOffset)
    this.callbacks.push(acknowledge)
  }

  /** Answers all that wait for `offset` or less. */
  completeUpTo (offset: number): void {
    while (this.head < this.endOffsets.length && this.endOffsets[this.head]! <= offset) {
      this.callbacks[this.head++]!(0, '')
    }
    this.dropAnswered()
  }

  /** Answers all with an error. What they wait for may still be stored later. */
  failAll (error: number, message: string): void {
    const callbacks = this.callbacks.slice(this.head)
    this.endOffsets = []
    this.callbacks = []
    this.head = 0
    for (const callback of callbacks) callback(error, message)
  }

  private dropAnswered (): void {
    if (this.head === this.endOffsets.length) {
      this.endOffsets.length = 0
      this.callbacks.length = 0
      this.head = 0
    } else if (this.head > COMPACT_AT && this.head * 2 > this.endOffsets.length) {
      this.endOffsets = this.endOffsets.slice(this.head)
      this.callbacks = this.callbacks.slice(this.head)
      this.head = 0
    }
  }
}
