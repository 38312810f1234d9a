// Virtual time: what is to happen, in the order of its time, and of being asked for where the times are equal.

/** What right clocks show at the start: 2026-01-01 UTC. */
export const WALL_START_MS = 1_767_225_600_000

interface SimEvent { readonly atMs: number, readonly sequence: number, run: (() => void) | null }

export class EventQueue {
  nowMs = 0
  /** Events run so far. */
  count = 0
  private sequence = 0
  /** A binary heap. */
  private readonly heap: SimEvent[] = []

  /** Runs something `delayMs` from now; the answer calls it off. */
  after (delayMs: number, run: () => void): () => void {
    const event: SimEvent = { atMs: this.nowMs + delayMs, sequence: this.sequence++, run }
    this.push(event)
    return () => { event.run = null }
  }

  /** Runs the next event; false where there is none up to `limitMs`. */
  step (limitMs: number): boolean {
    for (;;) {
      const next = this.heap[0]
      if (next === undefined || next.atMs > limitMs) return false
      this.pop()
      if (next.run === null) continue
      this.nowMs = next.atMs
      this.count++
      next.run()
      return true
    }
  }

  private push (event: SimEvent): void {
    const heap = this.heap
    let index = heap.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >>> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = event
  }

  private pop (): void {
    const heap = this.heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = index * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
  }
}

function isBefore (a: SimEvent, b: SimEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}
