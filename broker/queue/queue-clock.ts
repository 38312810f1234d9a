// The two clocks of a group.
//
// Queue time: milliseconds that look like wall-clock time and run by the monotonic clock. It begins where the wall
// clock is, corrected by the skew that was recorded before, and never goes back, not even over a restart. All durations
// run on it: a wall clock that is set, either way, changes no lease and no back-off.
// Wall clock: for dates that somebody has named.

export class QueueClock {
  /** Queue time of this turn in whole milliseconds, rounded up: what durations begin from. */
  nowMs = 0
  /** The same, rounded down: what has certainly passed. */
  passedMs = 0
  /** Wall clock of this turn in whole milliseconds, rounded down. */
  wallMs = 0
  private baseMs = 0

  /** Queue time minus wall clock. */
  get skewMs (): number { return this.passedMs - this.wallMs }

  /** A leader begins: queue time goes on from `timeMs` at least. */
  start (monotonicMs: number, wallMs: number, timeMs: number, skewMs: number): void {
    const startMs = Math.max(wallMs + skewMs, timeMs)
    this.baseMs = startMs - monotonicMs
    this.nowMs = Math.ceil(startMs)
    this.passedMs = Math.floor(startMs)
    this.wallMs = Math.floor(wallMs)
  }

  advance (monotonicMs: number, wallMs: number): void {
    const queueMs = this.baseMs + monotonicMs
    this.nowMs = Math.max(this.nowMs, Math.ceil(queueMs))
    this.passedMs = Math.max(this.passedMs, Math.floor(queueMs))
    this.wallMs = Math.floor(wallMs)
  }

  /** What the monotonic clock shows at a queue time. */
  monotonicOf (queueMs: number): number { return queueMs - this.baseMs }
}
