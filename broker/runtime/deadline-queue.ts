// Deadlines of many requests on one timer.
//
// A binary heap by due time. Whoever is done early calls `cancel`, which only marks: the entry leaves the heap when it
// comes to the top, or when the cancelled ones have become the majority.

/** Something to be called when its time has come. */
export interface Deadline {
  readonly dueMs: number
  /** Null once run or cancelled. */
  run: (() => void) | null
}

const REBUILD_MIN = 1024

/** Deadlines on the monotonic clock, in milliseconds. */
export class DeadlineQueue {
  private heap: Deadline[] = []
  private cancelled = 0

  /** Deadlines that are neither run nor cancelled. */
  get size (): number { return this.heap.length - this.cancelled }

  /** Entries held, cancelled ones included. */
  get heldEntries (): number { return this.heap.length }

  /** Due time of the next entry in milliseconds, or Infinity. */
  get nextDueMs (): number { return this.heap[0]?.dueMs ?? Infinity }

  add (dueMs: number, run: () => void): Deadline {
    const deadline: Deadline = { dueMs, run }
    this.heap.push(deadline)
    this.rise(this.heap.length - 1)
    return deadline
  }

  /** No effect on one that has run. */
  cancel (deadline: Deadline): void {
    if (deadline.run === null) return
    deadline.run = null
    this.cancelled++
    if (this.cancelled > REBUILD_MIN && this.cancelled * 2 > this.heap.length) this.rebuild()
  }

  /** Runs all that is due at `nowMs`, earliest first. */
  tick (nowMs: number): void {
    while (this.heap.length > 0 && this.heap[0]!.dueMs <= nowMs) {
      const { run } = this.takeFirst()
      if (run === null) this.cancelled--
      else run()
    }
  }

  private takeFirst (): Deadline {
    const first = this.heap[0]!
    const last = this.heap.pop()!
    if (this.heap.length > 0) {
      this.heap[0] = last
      this.sink(0)
    }
    // Marked, so that a cancel from inside `run` counts nothing.
    return { dueMs: first.dueMs, run: takeRun(first) }
  }

  private rebuild (): void {
    this.heap = this.heap.filter(deadline => deadline.run !== null)
    this.cancelled = 0
    for (let index = (this.heap.length >> 1) - 1; index >= 0; index--) this.sink(index)
  }

  private rise (index: number): void {
    const { heap } = this
    const deadline = heap[index]!
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (heap[parent]!.dueMs <= deadline.dueMs) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = deadline
  }

  private sink (index: number): void {
    const { heap } = this
    const deadline = heap[index]!
    for (;;) {
      let child = index * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.dueMs < heap[child]!.dueMs) child++
      if (heap[child]!.dueMs >= deadline.dueMs) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = deadline
  }
}

function takeRun (deadline: Deadline): (() => void) | null {
  const { run } = deadline
  deadline.run = null
  return run
}
