// A delay store in memory, for tests and as the reference of what one must do. It can be copied, as a checkpoint
// copies the real one.

import { type DelayClock, type DelayStore } from './queue-types.js'

interface Held { readonly clock: DelayClock, readonly dueMs: number, readonly record: Uint8Array }

export class MemoryDelayStore implements DelayStore {
  private readonly records = new Map<number, Held>()
  /** Offsets by due time, per clock; sorted when asked. */
  private readonly byDue: { offset: number, dueMs: number }[][] = [[], []]
  private sorted = true
  private lowest = Infinity

  readonly isFull = false

  get size (): number { return this.records.size }

  put (offset: number, clock: DelayClock, dueMs: number, record: Uint8Array): void {
    this.records.set(offset, { clock, dueMs, record })
    this.byDue[clock]!.push({ offset, dueMs })
    this.sorted = false
    this.lowest = Math.min(this.lowest, offset)
  }

  get (offset: number): Uint8Array | null { return this.records.get(offset)?.record ?? null }

  remove (offset: number): void {
    this.records.delete(offset)
    if (offset === this.lowest) this.lowest = -1
  }

  take (offset: number): Uint8Array | null {
    const record = this.get(offset)
    this.remove(offset)
    return record
  }

  removeBelow (endOffset: number): number {
    const { size } = this
    for (const offset of [...this.records.keys()]) if (offset < endOffset) this.remove(offset)
    return size - this.size
  }

  minOffset (): number {
    if (this.lowest === -1) {
      this.lowest = Infinity
      for (const offset of this.records.keys()) this.lowest = Math.min(this.lowest, offset)
    }
    return this.lowest
  }

  offsetsIn (fromOffset: number, endOffset: number, max: number): number[] {
    const offsets = [...this.records.keys()].filter(offset => offset >= fromOffset && offset < endOffset)
    return offsets.sort((a, b) => a - b).slice(0, max)
  }

  firstDueMs (clock: DelayClock): number { return this.first(clock)?.dueMs ?? Infinity }

  firstDueOffset (clock: DelayClock): number { return this.first(clock)?.offset ?? -1 }

  /** The same content, on its own from now on. */
  copy (): MemoryDelayStore {
    const copy = new MemoryDelayStore()
    for (const [offset, { clock, dueMs, record }] of this.records) copy.put(offset, clock, dueMs, record)
    return copy
  }

  private first (clock: DelayClock): { offset: number, dueMs: number } | undefined {
    if (!this.sorted) {
      // Latest first, so that the first due is taken from the end.
      for (const entries of this.byDue) entries.sort((a, b) => b.dueMs - a.dueMs || b.offset - a.offset)
      this.sorted = true
    }
    const entries = this.byDue[clock]!
    for (;;) {
      const last = entries.at(-1)
      if (last === undefined) return undefined
      const held = this.records.get(last.offset)
      if (held !== undefined && held.clock === clock && held.dueMs === last.dueMs) return last
      entries.pop()
    }
  }
}
