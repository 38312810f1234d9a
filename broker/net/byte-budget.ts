// Bytes that all connections may hold together. Who finds the budget used up waits and is called back when there is
// room; nothing is refused and nothing is buffered beyond.
//
// So that not all wait for each other, one at a time may go over the bound: the overdraft.

export class ByteBudget {
  readonly maxBytes: number
  private used = 0
  private readonly waiting = new Set<() => void>()
  private overdrawnBy: (() => void) | null = null
  private waking = false

  constructor (maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get usedBytes (): number { return this.used }

  get exhausted (): boolean { return this.used >= this.maxBytes }

  /** Those who wait for room. */
  get waitingCount (): number { return this.waiting.size }

  add (bytes: number): void { this.used += bytes }

  release (bytes: number): void {
    this.used -= bytes
    // Whoever is woken may release in turn: the loop below goes on then, instead of going deeper.
    if (this.waking) return
    this.waking = true
    for (const resume of this.waiting) {
      if (this.exhausted) break
      this.waiting.delete(resume)
      resume()
    }
    this.waking = false
  }

  /** Calls `resume` once, when there is room; first come, first served. */
  whenRoom (resume: () => void): void { this.waiting.add(resume) }

  forget (resume: () => void): void { this.waiting.delete(resume) }

  /** True where `resume` may go on beyond the bound, until `endOverdraft`; false while another does. */
  overdraw (resume: () => void): boolean {
    if (this.overdrawnBy !== null && this.overdrawnBy !== resume) return false
    this.overdrawnBy = resume
    return true
  }

  /** Passes the overdraft on to whoever has waited longest. No effect for others than its holder. */
  endOverdraft (resume: () => void): void {
    if (this.overdrawnBy !== resume) return
    this.overdrawnBy = null
    for (const next of this.waiting) {
      if (this.overdrawnBy !== null) return
      this.waiting.delete(next)
      next()
    }
  }
}
