// Dedup ids that do not fit into memory, in the meta store. An id goes there only when its record is there for good: a
// row that outlived its record would pass a new record off as a duplicate.

import { readInt64, writeInt64 } from '@sluice/protocol'
import type { MetaStore, MetaWrite } from '@sluice/storage'
import type { DedupId, DedupStore } from '../queue/queue-types.js'
import { DEDUP_ORDER_TABLE, DEDUP_TABLE } from './queue-keys.js'

/** Records below `settledOffset` are there for good. */
export interface SettledPartition { readonly settledOffset: number }

interface StoredId { readonly id: DedupId, readonly offset: number, readonly expiresMs: number }

/** What the rows of `DEDUP_ORDER_TABLE` are sorted by. */
const BY_EXPIRY = 0
const BY_OFFSET = 1
const NEVER = Number.MAX_SAFE_INTEGER
const ROWS_PER_DROP = 1_000

export class StoredDedupStore implements DedupStore {
  private readonly meta: MetaStore
  private readonly prefix: Buffer
  private readonly partition: SettledPartition
  /** Their records may still be taken back. */
  private waiting = new Map<string, StoredId>()

  /** @param partition the one that holds the records */
  constructor (meta: MetaStore, prefix: Buffer, partition: SettledPartition) {
    this.meta = meta
    this.prefix = prefix
    this.partition = partition
  }

  put (id: DedupId, offset: number, expiresMs: number): void {
    const stored = { id, offset, expiresMs }
    if (offset >= this.partition.settledOffset) this.waiting.set(id.join(), stored)
    else this.write(stored)
  }

  get (id: DedupId): { offset: number, expiresMs: number } | null {
    const waiting = this.waiting.size === 0 ? undefined : this.waiting.get(id.join())
    if (waiting !== undefined) return waiting
    const row = this.meta.get(DEDUP_TABLE, this.keyOf(id))
    return row === null ? null : { offset: readInt64(row, 0), expiresMs: readInt64(row, 8) }
  }

  remove (id: DedupId): void {
    if (this.waiting.delete(id.join())) return
    const stored = this.get(id)
    if (stored !== null) this.meta.write(this.removalOf({ id, ...stored }))
  }

  drop (nowMs: number, floor: number): void {
    for (const [key, stored] of this.waiting) {
      if (stored.offset >= this.partition.settledOffset) continue
      this.waiting.delete(key)
      this.write(stored)
    }
    this.dropBelow(BY_EXPIRY, nowMs + 1)
    if (floor > 0) this.dropBelow(BY_OFFSET, floor)
  }

  private dropBelow (order: number, value: number): void {
    const range = { from: this.orderKey(order, 0), to: this.orderKey(order, value), limit: ROWS_PER_DROP }
    const writes: MetaWrite[] = []
    for (const { key } of this.meta.range(DEDUP_ORDER_TABLE, range)) {
      writes.push({ table: DEDUP_ORDER_TABLE, key, value: null })
      const id = Buffer.concat([this.prefix, key.subarray(key.length - 16)])
      writes.push({ table: DEDUP_TABLE, key: id, value: null })
    }
    if (writes.length > 0) this.meta.write(writes)
  }

  private write (stored: StoredId): void {
    const value = Buffer.alloc(16)
    writeInt64(value, stored.offset, 0)
    writeInt64(value, stored.expiresMs, 8)
    this.meta.write([
      { table: DEDUP_TABLE, key: this.keyOf(stored.id), value },
      { table: DEDUP_ORDER_TABLE, key: this.orderKeyOf(stored), value: Buffer.alloc(0) },
    ])
  }

  private removalOf (stored: StoredId): MetaWrite[] {
    return [
      { table: DEDUP_TABLE, key: this.keyOf(stored.id), value: null },
      { table: DEDUP_ORDER_TABLE, key: this.orderKeyOf(stored), value: null },
    ]
  }

  private keyOf (id: DedupId): Buffer { return Buffer.concat([this.prefix, bytesOf(id)]) }

  private orderKeyOf ({ id, offset, expiresMs }: StoredId): Buffer {
    const key = expiresMs === NEVER ? this.orderKey(BY_OFFSET, offset) : this.orderKey(BY_EXPIRY, expiresMs)
    return Buffer.concat([key, bytesOf(id)])
  }

  private orderKey (order: number, value: number): Buffer {
    const key = Buffer.alloc(this.prefix.length + 9)
    this.prefix.copy(key)
    key[this.prefix.length] = order
    writeInt64(key, value, this.prefix.length + 1)
    return key
  }
}

function bytesOf (id: DedupId): Buffer {
  const bytes = Buffer.alloc(16)
  id.forEach((word, index) => bytes.writeUInt32BE(word, index * 4))
  return bytes
}
