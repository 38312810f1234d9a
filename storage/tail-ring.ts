// The newest batches of one log that are still in memory: runs in offset order, without a gap, up to the log end.
//
// Old ones fall out at the front when the cache lets go of their slab; a truncation takes from the back.

import { BATCH_POSITION } from '@sluice/protocol'
import type { LogSlice } from './log-types.js'
import type { AppendSlab } from './append-slab.js'
import type { TailRun } from './tail-run.js'

export class TailRing {
  private runs: TailRun[] = []
  /** Runs before this index are gone. */
  private head = 0

  /** The newest run, or null. */
  get last (): TailRun | null {
    return this.runs.length > this.head ? this.runs[this.runs.length - 1]! : null
  }

  /** The lowest offset in memory; -1 where there is none. */
  get firstOffset (): number {
    return this.runs.length > this.head ? this.runs[this.head]!.baseOffset : -1
  }

  push (run: TailRun): void {
    const rings = run.slab.rings
    if (rings[rings.length - 1] !== this) rings.push(this)
    this.runs.push(run)
  }

  /** Drops what stands in slabs that are gone. Everything before a run in a gone slab goes too: no gaps. */
  onSlabGone (): void {
    for (let index = this.runs.length - 1; index >= this.head; index--) {
      if (this.runs[index]!.slab.bytes !== null) continue
      this.head = index + 1
      break
    }
    this.compact()
  }

  /** Lets go of the places of runs that are gone, when there are many. */
  private compact (): void {
    if (this.head === this.runs.length) {
      this.runs = []
      this.head = 0
    } else if (this.head > 32 && this.head * 2 > this.runs.length) {
      this.runs.splice(0, this.head)
      this.head = 0
    }
  }

  /** Drops the runs below `offset`. */
  dropBelow (offset: number): void {
    while (this.head < this.runs.length && this.runs[this.head]!.nextOffset <= offset) this.head++
    this.compact()
  }

  /** Drops everything. */
  clear (): void {
    this.runs = []
    this.head = 0
  }

  /**
   * Whole batches from the one that holds `from`, up to `maxBytes` (but at least one) and none that ends above
   * `limitOffset`. Null where `from` is not in memory.
   */
  read (from: number, maxBytes: number, limitOffset: number): LogSlice | null {
    let index = this.find(from)
    if (index < 0) return null
    const buffers: Buffer[] = []
    const slabs: AppendSlab[] = []
    const first = skipTo(this.runs[index]!, from)
    const baseOffset = first.offset
    let { at, offset } = first
    let sizeBytes = 0
    for (; index < this.runs.length; index++) {
      const run = this.runs[index]!
      if (sizeBytes > 0) {
        at = run.start
        offset = run.baseOffset
      }
      const end = endWithin(run, at, offset, maxBytes - sizeBytes, limitOffset, sizeBytes === 0)
      if (end.at === at) break
      pushSlice(buffers, run, at, end.at)
      if (slabs[slabs.length - 1] !== run.slab) {
        run.slab.readers++
        slabs.push(run.slab)
      }
      sizeBytes += end.at - at
      offset = end.offset
      if (end.at < run.end) break
    }
    if (sizeBytes === 0) return { buffers, sizeBytes, baseOffset: from, nextOffset: from }
    const release = (): void => { for (const slab of slabs) slab.readers-- }
    return { buffers, sizeBytes, baseOffset, nextOffset: offset, release }
  }

  private find (offset: number): number {
    const runs = this.runs
    if (runs.length === this.head || offset < runs[this.head]!.baseOffset) return -1
    if (offset >= runs[runs.length - 1]!.nextOffset) return -1
    let low = this.head
    let high = runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (runs[middle]!.baseOffset <= offset) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

/** Adds a slice of a run, joined to the one before where they touch. */
function pushSlice (buffers: Buffer[], run: TailRun, start: number, end: number): void {
  const bytes = run.slab.bytes!
  const last = buffers[buffers.length - 1]
  const lastStart = last?.buffer === bytes.buffer ? last.byteOffset - bytes.byteOffset : -1
  if (lastStart >= 0 && lastStart + last!.length === start) {
    buffers[buffers.length - 1] = bytes.subarray(lastStart, end)
  } else {
    buffers.push(bytes.subarray(start, end))
  }
}

/** Where in the slab the batch begins that holds `from`. */
function skipTo (run: TailRun, from: number): { at: number, offset: number } {
  const bytes = run.slab.bytes!
  let at = run.start
  let offset = run.baseOffset
  for (;;) {
    const next = offset + bytes.readUInt32BE(at + BATCH_POSITION.lastOffsetDelta) + 1
    if (next > from) return { at, offset }
    at += bytes.readUInt32BE(at + BATCH_POSITION.size)
    offset = next
  }
}

/** The end of the whole batches of a run that fit. */
function endWithin (
  run: TailRun, at: number, offset: number, maxBytes: number, limitOffset: number, atLeastOne: boolean
): { at: number, offset: number } {
  if (run.nextOffset <= limitOffset && run.end - at <= maxBytes) return { at: run.end, offset: run.nextOffset }
  const bytes = run.slab.bytes!
  const start = at
  while (at < run.end) {
    const size = bytes.readUInt32BE(at + BATCH_POSITION.size)
    const next = offset + bytes.readUInt32BE(at + BATCH_POSITION.lastOffsetDelta) + 1
    if (next > limitOffset) break
    if (at + size - start > maxBytes && !(atLeastOne && at === start)) break
    at += size
    offset = next
  }
  return { at, offset }
}
