// Work that may come in a thousandfold at once, such as waking everybody who waits for a record: it is done in order, a
// few milliseconds a turn of the event loop, so that what else comes in meanwhile is answered in between.
//
//   add add add ──▶ queue ──▶ slice │ slice │ … one a turn
//
// What is added while a slice runs joins the end of the queue.

import type { EndOfTurn } from './turn.js'

/** Longest time that a slice goes on taking work, in milliseconds. */
const SLICE_MS = 4

export class SlicedQueue {
  private readonly endOfTurn: EndOfTurn
  private readonly monotonicMs: () => number
  private queue: (() => void)[] = []
  private next = 0
  private scheduled = false
  private readonly runSlice = (): void => this.slice()

  constructor (endOfTurn: EndOfTurn, monotonicMs: () => number) {
    this.endOfTurn = endOfTurn
    this.monotonicMs = monotonicMs
  }

  /** Work that waits for its turn. */
  get size (): number { return this.queue.length - this.next }

  /** Has `run` called at the end of this turn, or of a later one. */
  add (run: () => void): void {
    this.queue.push(run)
    if (this.scheduled) return
    this.scheduled = true
    this.endOfTurn(this.runSlice)
  }

  private slice (): void {
    const endMs = this.monotonicMs() + SLICE_MS
    const end = this.queue.length
    while (this.next < end) {
      this.queue[this.next++]!()
      if (this.monotonicMs() >= endMs) break
    }
    this.scheduled = this.next < this.queue.length
    if (this.scheduled) return this.endOfTurn(this.runSlice)
    this.queue = []
    this.next = 0
  }
}
