// Bytes that all connections may hold together. Who finds the budget used up pauses its socket and is called back when
// there is room; nothing is refused and nothing is buffered beyond.

export class ByteBudget {
  readonly maxBytes: number
  private used = 0
  private readonly waiting = new Set<() => void>()

  constructor (maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get usedBytes (): number { return this.used }

  get exhausted (): boolean { return this.used >= this.maxBytes }

  add (bytes: number): void { this.used += bytes }

  release (bytes: number): void {
    this.used -= bytes
    if (this.exhausted) return
    for (const resume of this.waiting) {
      this.waiting.delete(resume)
      resume()
      if (this.exhausted) return
    }
  }

  /** Calls `resume` once, when there is room; first come, first served. */
  whenRoom (resume: () => void): void { this.waiting.add(resume) }

  forget (resume: () => void): void { this.waiting.delete(resume) }
}
