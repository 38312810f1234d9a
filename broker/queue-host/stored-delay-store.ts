// The delay store of a group on the meta store: millions of records that are due much later cost disk, not memory.
//
//   recent ── changed since the checkpoint that is being written ──┐
//   frozen ── changed since the last one, before this one ─────────┼─▶ what there is: the first that knows the offset
//   stored ── rows of the last checkpoint, in the meta store ──────┘
//
// The rows change in checkpoints only, together with the group's snapshot: a restart begins with both as of one moment.
// A checkpoint is written when the state log is durable up to it: what has changed by then waits in `frozen`, what
// changes meanwhile is in `recent`. What changes faster than the meta store writes makes the store full, and the group
// puts nothing off meanwhile.
//
// The lowest offset and what is due first are read a page of rows at a time; rows that a layer above knows better are
// passed over.
//
// All at once (a purge) is removed by a new generation: rows of the old one do not count from the checkpoint on, and
// are swept away in the background.

import type { MetaStore, MetaWrite } from '@sluice/storage'
import { OffsetHeap } from '../queue/offset-heap.js'
import type { DelayClock, DelayStore } from '../queue/queue-types.js'
import { DelayImage } from './delay-image.js'
import { DelayLayer } from './delay-layer.js'
import { DueHeap } from './due-heap.js'
import { heldOfRow, rowOfHeld, type HeldRecord } from './held-record.js'
import {
  DELAYED_TABLE, DUE_TABLE, GENERATION_TABLE, generationKey, offsetKey, dueKey, keyAfter, offsetOfKey, rowsOf,
} from './queue-keys.js'
import { StoredRows } from './stored-rows.js'

const ROWS_PER_LOOK = 1_000
/** Changes that are worth a checkpoint of their own, some 300 bytes each. */
const CHANGES_DUE = 8_000
/** So many times those that are due make the store full. */
const FULL_FACTOR = 2.5
/** Bytes of a checkpoint that cost as much as a change, about. */
const BYTES_PER_CHANGE = 128

export class StoredDelayStore implements DelayStore {
  private readonly meta: MetaStore
  private readonly prefix: Buffer
  private generation: number
  /** What the rows begin with: those of the last checkpoint. */
  private rowPrefix!: Buffer
  private recent = new DelayLayer()
  private frozen: DelayLayer | null = null
  private count = 0
  /** Every row lies below. */
  private storedEnd = 0
  /** Every offset that was ever put lies below. */
  private putEnd = 0
  private offsets = new OffsetHeap()
  private due = [new DueHeap(), new DueHeap()]
  private storedOffsets!: StoredRows
  private storedDue!: readonly StoredRows[]
  private image: DelayImage | null = null
  private changesDue = CHANGES_DUE
  /** Rows of old generations may be left. */
  private isUnswept = false

  constructor (meta: MetaStore, prefix: Buffer) {
    this.meta = meta
    this.prefix = prefix
    const row = meta.get(GENERATION_TABLE, prefix)
    this.generation = row === null ? 0 : row.readUInt32BE(0)
    this.openRows()
  }

  get size (): number { return this.count }

  /** Takes over the rows of a checkpoint, of which there are `count`, before anything else. */
  restore (count: number): void {
    const [last] = this.meta.range(DELAYED_TABLE, { ...rowsOf(this.rowPrefix), reverse: true, limit: 1 })
    this.count = count
    this.storedEnd = this.putEnd = last === undefined ? 0 : offsetOfKey(last.key) + 1
    this.isUnswept = this.generation > 0
    this.sweep()
  }

  /** There is no checkpoint: rows that are left of one do not count. Before anything else. */
  forget (): void {
    this.meta.write([this.nextGeneration()])
    this.isUnswept = true
    this.sweep()
  }

  /** Changes that wait for a checkpoint. */
  get changes (): number { return this.recent.size + (this.frozen?.size ?? 0) }

  /** A checkpoint should be written because of them. */
  get isDue (): boolean { return this.changes > this.changesDue || this.hidesRows }

  get isFull (): boolean { return this.changes > this.changesDue * FULL_FACTOR }

  /** A checkpoint of so many bytes besides is being taken: with many of them the next has to be worth it. */
  onCheckpointTaken (bytes: number): void { this.changesDue = Math.max(CHANGES_DUE, bytes / BYTES_PER_CHANGE) }

  put (offset: number, clock: DelayClock, dueMs: number, record: Uint8Array): void {
    const before = this.lookUp(offset)
    this.image?.note(offset, before)
    if (before === null) this.count++
    this.recent.records.set(offset, { clock, dueMs, record })
    this.putEnd = Math.max(this.putEnd, offset + 1)
    this.offsets.push(offset)
    this.due[clock]!.push(dueMs, offset)
  }

  get (offset: number): Uint8Array | null { return this.lookUp(offset)?.record ?? null }

  remove (offset: number): void { this.take(offset) }

  take (offset: number): Uint8Array | null {
    const before = this.lookUp(offset)
    if (before === null) return null
    this.image?.note(offset, before)
    this.count--
    this.recent.records.set(offset, null)
    return before.record
  }

  removeBelow (endOffset: number): number {
    const { count } = this
    if (endOffset < this.putEnd) {
      for (let offset = this.minOffset(); offset < endOffset; offset = this.minOffset()) this.remove(offset)
    } else if (count > 0) {
      this.image?.seal()
      this.recent.clear()
      this.count = 0
      this.offsets = new OffsetHeap()
      this.due = [new DueHeap(), new DueHeap()]
    }
    return count - this.count
  }

  minOffset (): number {
    if (this.count === 0) return Infinity
    while (this.offsets.size > 0 && !this.isLayered(this.offsets.first)) this.offsets.pop()
    if (this.hidesRows) return this.offsets.first
    const stored = this.storedOffsets.first(row => !this.isOverlaid(row.offset))
    return Math.min(this.offsets.first, stored?.offset ?? Infinity)
  }

  offsetsIn (fromOffset: number, endOffset: number, max: number): number[] {
    const found = new Set<number>()
    for (const layer of [this.recent, this.frozen]) {
      for (const offset of layer?.records.keys() ?? []) {
        if (offset >= fromOffset && offset < endOffset && this.isLayered(offset)) found.add(offset)
      }
    }
    const to = offsetKey(this.rowPrefix, endOffset)
    for (let from = offsetKey(this.rowPrefix, fromOffset); !this.hidesRows;) {
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
    else this.frozen.take(this.recent)
    this.recent = new DelayLayer()
  }

  /** The rows of the checkpoint, to be written with the snapshot, at once. */
  writesOfFrozen (): MetaWrite[] {
    const writes: MetaWrite[] = []
    if (this.frozen === null) return writes
    if (this.frozen.isClear) writes.push(this.nextGeneration())
    const { rowPrefix: prefix } = this
    for (const [offset, held] of this.frozen.records) {
      const key = offsetKey(prefix, offset)
      const row = offset < this.storedEnd ? this.meta.get(DELAYED_TABLE, key) : null
      if (row !== null) {
        const { clock, dueMs } = heldOfRow(row)
        writes.push({ table: DUE_TABLE, key: dueKey(prefix, clock, dueMs, offset), value: null })
      }
      if (held !== null) {
        const { clock, dueMs } = held
        writes.push({ table: DUE_TABLE, key: dueKey(prefix, clock, dueMs, offset), value: Buffer.alloc(0) })
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
    if (this.frozen?.isClear === true) this.isUnswept = true
    this.frozen = null
    this.offsets = new OffsetHeap()
    this.due = [new DueHeap(), new DueHeap()]
    for (const [offset, held] of this.recent.records) {
      if (held === null) continue
      this.offsets.push(offset)
      this.due[held.clock]!.push(held.dueMs, offset)
    }
    this.storedOffsets.reset()
    for (const rows of this.storedDue) rows.reset()
    this.sweep()
  }

  /** Begins an image of what there is now; one at a time. */
  beginImage (): DelayImage {
    const image = this.image = new DelayImage(this.meta, this.rowPrefix, this.putEnd, this.hidesRows)
    for (const layer of [this.recent, this.frozen]) {
      for (const [offset, held] of layer?.records ?? []) image.note(offset, this.lookUp(offset) === held ? held : null)
    }
    return image
  }

  endImage (): void {
    this.image = null
    this.sweep()
  }

  private firstDue (clock: DelayClock): { dueMs: number, offset: number } | undefined {
    if (this.count === 0) return undefined
    const heap = this.due[clock]!
    while (heap.first !== undefined && !this.isLayered(heap.first.offset, clock, heap.first.dueMs)) heap.drop()
    const layered = heap.first
    if (this.hidesRows) return layered
    const stored = this.storedDue[clock]!.first(row => !this.isOverlaid(row.offset))
    if (stored === undefined || (layered !== undefined && layered.dueMs <= stored.dueMs)) return layered
    return stored
  }

  /** No row counts any more. */
  private get hidesRows (): boolean { return this.recent.isClear || this.frozen?.isClear === true }

  private isOverlaid (offset: number): boolean { return this.layered(offset) !== undefined }

  private isLayered (offset: number, clock?: DelayClock, dueMs?: number): boolean {
    const held = this.layered(offset) ?? null
    return held !== null && (clock === undefined || (held.clock === clock && held.dueMs === dueMs))
  }

  /** What the layers say: undefined where they leave it to the rows. */
  private layered (offset: number): HeldRecord | null | undefined {
    const held = this.recent.get(offset)
    return held === undefined ? this.frozen?.get(offset) : held
  }

  private lookUp (offset: number): HeldRecord | null {
    const layered = this.layered(offset)
    if (layered !== undefined) return layered
    if (offset >= this.storedEnd) return null
    const row = this.meta.get(DELAYED_TABLE, offsetKey(this.rowPrefix, offset))
    return row === null ? null : heldOfRow(row)
  }

  private openRows (): void {
    const { meta, generation } = this
    const prefix = this.rowPrefix = generationKey(this.prefix, generation)
    this.storedOffsets = new StoredRows(meta, DELAYED_TABLE, prefix)
    this.storedDue = [0, 1].map(clock => new StoredRows(meta, DUE_TABLE, Buffer.concat([prefix, Buffer.from([clock])])))
  }

  /** From now on rows are of another generation; none of it is there. */
  private nextGeneration (): MetaWrite {
    this.generation++
    this.storedEnd = 0
    this.openRows()
    const value = Buffer.alloc(4)
    value.writeUInt32BE(this.generation, 0)
    return { table: GENERATION_TABLE, key: this.prefix, value }
  }

  /** Removes the rows of old generations. An image may still walk them: then later. */
  private sweep (): void {
    if (!this.isUnswept || this.image !== null) return
    this.isUnswept = false
    const old = { from: this.prefix, to: this.rowPrefix }
    // Where the store closes or fails meanwhile, the next start sweeps on.
    for (const table of [DELAYED_TABLE, DUE_TABLE]) this.meta.deleteRange(table, old).catch(() => {})
  }
}
