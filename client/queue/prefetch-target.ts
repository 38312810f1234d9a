// How many records a worker should hold that no handler has started: what its handlers finish in a quarter of a second.
// Fast handlers never wait for the next receive; slow ones leave the records to other workers.

const HORIZON_MS = 250
const WINDOW_MS = 50
const RECORDS_MAX = 5_000
/** Time after which what was measured before weighs half. */
const HALF_LIFE_MS = 50

/** See the head of this file. */
export class PrefetchTarget {
  private readonly fixed: number | null
  private ratePerMs = 0
  private finished = 0
  private windowStartMs: number

  /** @param fixed a number of records to hold instead, or null. */
  constructor (fixed: number | null, nowMs: number) {
    this.fixed = fixed
    this.windowStartMs = nowMs
  }

  /** A handler has finished. */
  onFinished (nowMs: number): void {
    this.finished++
    if (nowMs - this.windowStartMs >= WINDOW_MS) this.closeWindow(nowMs)
  }

  /** Records to hold. */
  records (nowMs: number): number {
    if (this.fixed !== null) return this.fixed
    if (nowMs - this.windowStartMs >= WINDOW_MS) this.closeWindow(nowMs)
    return Math.min(RECORDS_MAX, Math.floor(this.ratePerMs * HORIZON_MS))
  }

  private closeWindow (nowMs: number): void {
    const elapsedMs = nowMs - this.windowStartMs
    const share = 1 - 0.5 ** (elapsedMs / HALF_LIFE_MS)
    this.ratePerMs += (this.finished / elapsedMs - this.ratePerMs) * share
    this.finished = 0
    this.windowStartMs = nowMs
  }
}
