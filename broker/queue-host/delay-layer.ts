// What has changed in a delay store since a moment: records put, removed, and whether everything before it is gone.

import type { HeldRecord } from './held-record.js'

export class DelayLayer {
  /** By offset; null for removed. */
  readonly records = new Map<number, HeldRecord | null>()
  /** Nothing that was there before counts any more. */
  isClear = false

  get size (): number { return this.records.size }

  /** What it says of a record: there, gone (null), or nothing (undefined): then ask what was before. */
  get (offset: number): HeldRecord | null | undefined {
    const held = this.records.get(offset)
    return held === undefined && this.isClear ? null : held
  }

  /** Everything is gone. */
  clear (): void {
    this.records.clear()
    this.isClear = true
  }

  /** Takes what has changed after it. */
  take (later: DelayLayer): void {
    if (later.isClear) this.clear()
    for (const [offset, held] of later.records) this.records.set(offset, held)
  }
}
