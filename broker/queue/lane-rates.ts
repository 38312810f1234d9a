// How fast records of a key are handed out: at most `limit` in a row, and one more for every `period / limit` since.
//
//   one number a lane, the time at which its allowance would be whole again:
//
//      now ─────────────────────────▶ whole            hand one out: whole = max(whole, now) + interval
//       │<── at most limit × interval ──>│             allowed while whole - now <= (limit - 1) × interval
//
// Nothing of this is in the deltas. Instead a new leader takes every allowance for used up when it begins: no key goes
// faster than promised over a failover, and all that it costs is one interval's wait. Times are queue time, so that a
// wall clock that is set changes nothing. A lane whose allowance is whole is forgotten: state is for the keys that were
// served within the last period.

import { OffsetHeap } from './offset-heap.js'
import type { QueueClock } from './queue-clock.js'
import type { QueueConfig } from './queue-settings.js'

const SWEEP_MIN = 1024

export class LaneRates {
  private readonly clock: QueueClock
  private limit = 0
  private intervalMs = 0
  /** Queue time at which a lane's allowance is whole again. */
  private readonly wholeMs = new Map<number, number>()
  private sweepAt = SWEEP_MIN
  /** What a lane has that is not listed: its allowance was used up when this leader began. */
  private unlistedMs = 0
  private startedMs = 0
  /** Lanes that have something to hand out and wait for their rate, by the time at which to look at them again. */
  private readonly waiting = new Set<number>()
  private readonly lanesDue = new Map<number, number[]>()
  private readonly dueTimes = new OffsetHeap()

  constructor (clock: QueueClock, config: QueueConfig) {
    this.clock = clock
    this.configure(config)
  }

  /** True where there is a limit at all. */
  get isLimited (): boolean { return this.limit > 0 }

  /** Lanes held: for stating bounds. */
  get size (): number { return this.wholeMs.size }

  /** Queue time at which `takeDue` has something, or Infinity. */
  get nextDueMs (): number { return this.dueTimes.first }

  /** A leader begins. */
  start (): void {
    this.startedMs = this.clock.nowMs
    this.unlistedMs = this.startedMs + this.limit * this.intervalMs
    this.wholeMs.clear()
    this.clearWaiting()
  }

  /** New settings; whoever waits is looked at again at once. */
  configure ({ keyRate, keyRatePeriodMs }: QueueConfig): void {
    this.limit = keyRate
    this.intervalMs = keyRate === 0 ? 0 : keyRatePeriodMs / keyRate
    this.unlistedMs = this.startedMs + keyRatePeriodMs
    if (this.waiting.size === 0) return
    const lanes = [...this.waiting]
    this.clearWaiting()
    for (const lane of lanes) this.waitUntil(lane, this.clock.passedMs)
  }

  /** Milliseconds until the lane may be handed a record, rounded up; 0 for now. */
  waitMs (lane: number): number {
    if (this.limit === 0) return 0
    const { passedMs } = this.clock
    // After a change of the settings no allowance is further away than a new one.
    const wholeMs = Math.min(this.wholeMs.get(lane) ?? this.unlistedMs, passedMs + this.limit * this.intervalMs)
    return Math.max(0, Math.ceil(wholeMs - (this.limit - 1) * this.intervalMs - passedMs))
  }

  /** A record of the lane was handed out. */
  take (lane: number): void {
    if (this.limit === 0) return
    const { nowMs } = this.clock
    const wholeMs = Math.min(this.wholeMs.get(lane) ?? this.unlistedMs, nowMs + this.limit * this.intervalMs)
    this.wholeMs.set(lane, Math.max(wholeMs, nowMs) + this.intervalMs)
    if (this.wholeMs.size >= this.sweepAt) this.sweep()
  }

  /** True where the lane, which has something to hand out, must wait: `takeDue` will name it. */
  holdsBack (lane: number): boolean {
    if (this.limit === 0) return false
    if (this.waiting.has(lane)) return true
    const waitMs = this.waitMs(lane)
    if (waitMs === 0) return false
    this.waitUntil(lane, this.clock.passedMs + waitMs)
    return true
  }

  /** The lanes that may go on now. */
  takeDue (): number[] {
    const due: number[] = []
    while (this.dueTimes.first <= this.clock.passedMs) {
      const dueMs = this.dueTimes.pop()
      due.push(...this.lanesDue.get(dueMs)!)
      this.lanesDue.delete(dueMs)
    }
    for (const lane of due) this.waiting.delete(lane)
    return due
  }

  private waitUntil (lane: number, dueMs: number): void {
    this.waiting.add(lane)
    const lanes = this.lanesDue.get(dueMs)
    if (lanes !== undefined) {
      lanes.push(lane)
      return
    }
    this.lanesDue.set(dueMs, [lane])
    this.dueTimes.push(dueMs)
  }

  private clearWaiting (): void {
    this.waiting.clear()
    this.lanesDue.clear()
    this.dueTimes.clear()
  }

  /** Forgets the lanes whose allowance is whole. */
  private sweep (): void {
    // While it would be taken for used up, a lane that has its allowance must stay listed.
    if (this.unlistedMs <= this.clock.passedMs) {
      for (const [lane, wholeMs] of this.wholeMs) if (wholeMs <= this.clock.passedMs) this.wholeMs.delete(lane)
    }
    this.sweepAt = Math.max(SWEEP_MIN, 2 * this.wholeMs.size)
  }
}
