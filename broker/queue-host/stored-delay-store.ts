// The delay store of a group on the meta store: millions of records that are due much later cost disk, not memory.
//
//   recent ── changed since the checkpoint that is being written ──┐
//   frozen ── changed since the last one, before this one ─────────┼─▶ what there is: the first that knows the offset
//   stored ── rows of the last checkpoint, in the meta store ──────┘
//
// The rows change in checkpoints only, together with the group's snapshot: a restart begins with both as of one moment.
// A checkpoint is written when the state log is durable up to it: what has changed by then waits in `frozen`, what
// changes meanwhile is in `recent`.
//
// The lowest offset and what is due first are read a page of rows at a time; rows that a layer above knows better are
// passed over.

import type { MetaStore, MetaWrite } from '@sluice/storage'
import { OffsetHeap } from '../queue/offset-heap.js'
import type { DelayClock, DelayStore } from '../queue/queue-types.js'
import { DelayImage } from './delay-image.js'
import { DueHeap } from './due-heap.js'
import { heldOfRow, rowOfHeld, type HeldRecord } from './held-record.js'
import { DELAYED_TABLE, DUE_TABLE, offsetKey, dueKey, keyAfter, offsetOfKey, rowsOf } from './queue-keys.js'
import { StoredRows } from './stored-rows.js'

type Layer = Map<number, HeldRecord | null>

const ROWS_PER_LOOK = 1_000

export class StoredDelayStore implements DelayStore {
  private readonly meta: MetaStore
  private readonly prefix: Buffer
  private recent: Layer = new Map()
  private frozen: Layer | null = null
  private count = 0
  /** Every row lies below. */
  private storedEnd = 0
  private offsets = new OffsetHeap()
  private due = [new DueHeap(), new DueHeap()]
  private readonly storedOffsets: StoredRows
  private readonly storedDue: readonly StoredRows[]
  private image: DelayImage | null = null

  constructor (meta: MetaStore, prefix: Buffer) {
    this.meta = meta
    this.prefix = prefix
    this.storedOffsets = new StoredRows(meta, DELAYED_TABLE, prefix)
    this.storedDue = [0, 1].map(clock => new StoredRows(meta, DUE_TABLE, Buffer.concat([prefix, Buffer.from([clock])])))
  }

  get size (): number { return this.count }

  /** Takes over the rows of a checkpoint, of which there are `count`, before anything else. */
  restore (count: number): void {
    const [last] = this.meta.range(DELAYED_TABLE, { ...rowsOf(this.prefix), reverse: true, limit: 1 })
    this.count = count
    this.storedEnd = last === undefined ? 0 : offsetOfKey(last.key) + 1
  }

  /** Changes that wait for a checkpoint. */
  get changes (): number { return this.recent.size + (this.frozen?.size ?? 0) }

  put (offset: number, clock: DelayClock, dueMs: number, record: Uint8Array): void {
    const before = this.lookUp(offset)
    this.image?.note(offset, before)
    if (before === null) this.count++
    this.recent.set(offset, { clock, dueMs, record })
    this.offsets.push(offset)
    this.due[clock]!.push(dueMs, offset)
  }

  get (offset: number): Uint8Array | null { return this.lookUp(offset)?.record ?? null }

  remove (offset: number): void {
    const before = this.lookUp(offset)
    if (before === null) return
    this.image?.note(offset, before)
    this.count--
    this.recent.set(offset, null)
  }

  minOffset (): number {
    if (this.count === 0) return Infinity
    while (this.offsets.size > 0 && !this.isLayered(this.offsets.first)) this.offsets.pop()
    const stored = this.storedOffsets.first(row => !this.isOverlaid(row.offset))
    return Math.min(this.offsets.first, stored?.offset ?? Infinity)
  }

  offsetsIn (fromOffset: number, endOffset: number, max: number): number[] {
    const found = new Set<number>()
    for (const layer of [this.recent, this.frozen ?? new Map() as Layer]) {
      for (const offset of layer.keys()) {
        if (offset >= fromOffset && offset < endOffset && this.isLayered(offset)) found.add(offset)
      }
    }
    const to = offsetKey(this.prefix, endOffset)
    for (let from = offsetKey(this.prefix, fromOffset); ;) {
      const rows = this.meta.range(DELAYED_TABLE, { from, to, limit: ROWS_PER_LOOK })
      for (const { key } of rows) if (!this.isOverlaid(offsetOfKey(key))) found.add(offsetOfKey(key))
      if (rows.length < ROWS_PER_LOOK || found.size >= max + this.changes) break
      from = keyAfter(rows.at(-1)!.key)
    }
    return [...found].sort((a, b) => a - b).slice(0, max)
  }

  firstDueMs (clock: DelayClock): number { return this.firstDue(clock)?.dueMs ?? Infinity }

  firstDueOffset (clock: DelayClock): number { return this.firstDue(clock)?.offset ?? -1 }

  /** What has changed so far is part of the checkpoint that is being taken. */
  freeze (): void {
    if (this.frozen === null) this.frozen = this.recent
    else for (const [offset, held] of this.recent) this.frozen.set(offset, held)
    this.recent = new Map()
  }

  /** The rows of the checkpoint, to be written with the snapshot, at once. */
  writesOfFrozen (): MetaWrite[] {
    const writes: MetaWrite[] = []
    for (const [offset, held] of this.frozen ?? []) {
      const key = offsetKey(this.prefix, offset)
      const row = offset < this.storedEnd ? this.meta.get(DELAYED_TABLE, key) : null
      if (row !== null) {
        const { clock, dueMs } = heldOfRow(row)
        writes.push({ table: DUE_TABLE, key: dueKey(this.prefix, clock, dueMs, offset), value: null })
      }
      if (held !== null) {
        const { clock, dueMs } = held
        writes.push({ table: DUE_TABLE, key: dueKey(this.prefix, clock, dueMs, offset), value: Buffer.alloc(0) })
        this.storedEnd = Math.max(this.storedEnd, offset + 1)
      }
      if (row !== null || held !== null) {
        writes.push({ table: DELAYED_TABLE, key, value: held === null ? null : rowOfHeld(held) })
      }
    }
    return writes
  }

  /** The writes are made: the rows know all that was frozen. */
  onCheckpointed (): void {
    this.frozen = null
    this.offsets = new OffsetHeap()
    this.due = [new DueHeap(), new DueHeap()]
    for (const [offset, held] of this.recent) {
      if (held === null) continue
      this.offsets.push(offset)
      this.due[held.clock]!.push(held.dueMs, offset)
    }
    this.storedOffsets.reset()
    for (const rows of this.storedDue) rows.reset()
  }

  /** Begins an image of what there is now; one at a time. */
  beginImage (): DelayImage {
    const image = this.image = new DelayImage(this.meta, this.prefix)
    for (const layer of [this.recent, this.frozen ?? []]) for (const [offset, held] of layer) image.note(offset, held)
    return image
  }

  endImage (): void { this.image = null }

  private firstDue (clock: DelayClock): { dueMs: number, offset: number } | undefined {
    if (this.count === 0) return undefined
    const heap = this.due[clock]!
    while (heap.first !== undefined && !this.isLayered(heap.first.offset, clock, heap.first.dueMs)) heap.drop()
    const stored = this.storedDue[clock]!.first(row => !this.isOverlaid(row.offset))
    const layered = heap.first
    if (stored === undefined || (layered !== undefined && layered.dueMs <= stored.dueMs)) return layered
    return stored
  }

  private isOverlaid (offset: number): boolean {
    return this.recent.has(offset) || (this.frozen?.has(offset) ?? false)
  }

  private isLayered (offset: number, clock?: DelayClock, dueMs?: number): boolean {
    const held = this.recent.get(offset) ?? (this.recent.has(offset) ? null : this.frozen?.get(offset) ?? null)
    return held !== null && (clock === undefined || (held.clock === clock && held.dueMs === dueMs))
  }

  private lookUp (offset: number): HeldRecord | null {
    const recent = this.recent.get(offset)
    if (recent !== undefined) return recent
    const frozen = this.frozen?.get(offset)
    if (frozen !== undefined) return frozen
    if (offset >= this.storedEnd) return null
    const row = this.meta.get(DELAYED_TABLE, offsetKey(this.prefix, offset))
    return row === null ? null : heldOfRow(row)
  }
}
