// A lane index whose newest part is in memory and whose older parts are in the meta store, so that a key that is stuck,
// with millions of records behind it, costs disk instead of memory.
//
//   chunk [0, 40 000) │ chunk [40 000, 91 000) │ … │ newest part: MemoryLaneIndex
//   └ 64 rows, one per bucket of lanes             └ becomes a chunk when it holds many records
//
//   row:  lanes u32 │ lane i64, end u32 │ lane i64, end u32 │ …  │ offset u32 │ offset u32 │ …
//                     lanes ascend; `end` is the place in the offsets behind the lane's last │ relative to the chunk
//
// What it says follows from the data log alone, so it outlives restarts, and what is lost of it is fed again.
//
// Invariant: chunks are in order and without gaps, and the newest part begins where the last one ends.

import { readInt64, writeInt64 } from '@sluice/protocol'
import type { MetaStore, MetaWrite } from '@sluice/storage'
import { MemoryLaneIndex } from '../queue/memory-lane-index.js'
import type { LaneIndex } from '../queue/queue-types.js'
import { LANE_CHUNK_TABLE, LANE_TABLE, offsetKey, offsetOfKey, rowsOf } from './queue-keys.js'

interface Chunk {
  readonly begin: number
  readonly end: number
  /** Until its rows are committed. */
  memory: MemoryLaneIndex | null
  isBeingWritten: boolean
}

const BUCKETS = 64
const LANE_BYTES = 12
const HEAD_BYTES = 4
/** Offsets in a row are u32. */
const SPAN_MAX = 2 ** 31
/** Rows kept at hand, in bytes: what is looked for next is most often close by. */
const CACHE_BYTES_MAX = 512 * 1024
const NO_ROW = Buffer.alloc(0)

export class StoredLaneIndex implements LaneIndex {
  private readonly meta: MetaStore
  private readonly prefix: Buffer
  private readonly recordsMax: number
  private chunks: Chunk[] = []
  private newest = new MemoryLaneIndex()
  private readonly cache = new Map<string, Buffer>()
  private cachedBytes = 0

  /**
   * @param prefix what its rows begin with
   * @param recordsMax records of the newest part, above which it becomes a chunk
   */
  constructor (meta: MetaStore, prefix: Buffer, recordsMax = 32_768) {
    this.meta = meta
    this.prefix = prefix
    this.recordsMax = recordsMax
  }

  get partCount (): number { return this.chunks.length + 1 }

  get indexedEnd (): number { return Math.max(this.newest.indexedEnd, this.storedEnd) }

  /** Records in memory, chunks, and bytes kept at hand: for stating bounds. */
  get footprint (): { records: number, chunks: number, bytes: number } {
    const waiting = this.chunks.reduce((sum, { memory }) => sum + (memory?.recordCount ?? 0), 0)
    return { records: this.newest.recordCount + waiting, chunks: this.chunks.length, bytes: this.cachedBytes }
  }

  /**
   * Takes up what an earlier life has stored, as far as it is of use.
   *
   * @param floor lowest offset that will be asked for
   * @param logEnd end of the data log: chunks beyond it are of another log
   */
  restore (floor: number, logEnd: number): void {
    const found = this.meta.range(LANE_CHUNK_TABLE, rowsOf(this.prefix))
      .map(({ key, value }): Chunk =>
        ({ begin: offsetOfKey(key), end: readInt64(value, 0), memory: null, isBeingWritten: false }))
    const chunks: Chunk[] = []
    for (const chunk of found) {
      const expected = chunks.at(-1)?.end ?? Math.min(chunk.begin, floor)
      if (chunk.end > floor && chunk.begin === expected && chunk.end <= logEnd) chunks.push(chunk)
      else this.dropChunk(chunk)
    }
    this.chunks = chunks
    this.newest = new MemoryLaneIndex(Math.max(this.storedEnd, floor))
  }

  add (lane: number, offset: number): void {
    this.newest.add(lane, offset)
    if (this.newest.recordCount >= this.recordsMax || offset - this.newest.begin >= SPAN_MAX) this.store()
  }

  advanceTo (offset: number): void { this.newest.advanceTo(offset) }

  nextOffsetOf (lane: number, after: number): number {
    for (let index = this.firstChunkAbove(after); index < this.chunks.length; index++) {
      const chunk = this.chunks[index]!
      const found = chunk.memory?.nextOffsetOf(lane, after) ?? this.nextStored(chunk, lane, after)
      if (found >= 0) return found
    }
    return this.newest.nextOffsetOf(lane, after)
  }

  countOf (lane: number, fromOffset: number, endOffset: number): number {
    let count = 0
    for (let index = this.firstChunkAbove(fromOffset - 1); index < this.chunks.length; index++) {
      const chunk = this.chunks[index]!
      if (chunk.begin >= endOffset) return count
      count += chunk.memory?.countOf(lane, fromOffset, endOffset) ??
        countIn(this.rowOf(chunk, lane), lane, fromOffset - chunk.begin, endOffset - chunk.begin)
    }
    return count + this.newest.countOf(lane, fromOffset, endOffset)
  }

  trimBelow (offset: number): void {
    while (this.chunks.length > 0 && this.chunks[0]!.end <= offset) this.dropChunk(this.chunks.shift()!)
    this.newest.trimBelow(offset)
  }

  private get storedEnd (): number { return this.chunks.at(-1)?.end ?? 0 }

  /** The newest part becomes a chunk. */
  private store (): void {
    const { newest } = this
    const chunk: Chunk = { begin: newest.begin, end: newest.indexedEnd, memory: newest, isBeingWritten: false }
    this.chunks.push(chunk)
    this.newest = new MemoryLaneIndex(chunk.end)
    // What a full disk has refused before is tried again with each new chunk.
    for (const waiting of this.chunks) {
      if (waiting.memory !== null && !waiting.isBeingWritten) this.write(waiting, waiting.memory)
    }
  }

  private write (chunk: Chunk, memory: MemoryLaneIndex): void {
    const { begin } = chunk
    const writes: MetaWrite[] = []
    lanesByBucket(memory).forEach((lanes, bucket) => {
      if (lanes.length === 0) return
      writes.push({ table: LANE_TABLE, key: this.rowKey(begin, bucket), value: packed(lanes, begin) })
    })
    const end = Buffer.alloc(8)
    writeInt64(end, chunk.end, 0)
    writes.push({ table: LANE_CHUNK_TABLE, key: offsetKey(this.prefix, begin), value: end })
    chunk.isBeingWritten = true
    this.meta.write(writes, {
      done: error => {
        chunk.isBeingWritten = false
        if (error === null) chunk.memory = null
      },
    })
  }

  private nextStored (chunk: Chunk, lane: number, after: number): number {
    const found = nextIn(this.rowOf(chunk, lane), lane, after - chunk.begin)
    return found < 0 ? -1 : chunk.begin + found
  }

  private dropChunk ({ begin }: Pick<Chunk, 'begin'>): void {
    const key = offsetKey(this.prefix, begin)
    const writes: MetaWrite[] = [{ table: LANE_CHUNK_TABLE, key, value: null }]
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      writes.push({ table: LANE_TABLE, key: this.rowKey(begin, bucket), value: null })
      const name = `${begin}/${bucket}`
      this.cachedBytes -= this.cache.get(name)?.length ?? 0
      this.cache.delete(name)
    }
    this.meta.write(writes)
  }

  /** Index of the first chunk that may hold an offset above `after`. */
  private firstChunkAbove (after: number): number {
    const { chunks } = this
    let low = 0
    let high = chunks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (chunks[middle]!.end > after + 1) high = middle
      else low = middle + 1
    }
    return low
  }

  private rowOf ({ begin }: Chunk, lane: number): Buffer {
    const bucket = lane % BUCKETS
    const name = `${begin}/${bucket}`
    const cached = this.cache.get(name)
    if (cached !== undefined) return cached
    const row = this.meta.get(LANE_TABLE, this.rowKey(begin, bucket)) ?? NO_ROW
    this.cache.set(name, row)
    this.cachedBytes += row.length
    for (const [oldest, { length }] of this.cache) {
      if (this.cachedBytes <= CACHE_BYTES_MAX || oldest === name) break
      this.cache.delete(oldest)
      this.cachedBytes -= length
    }
    return row
  }

  private rowKey (begin: number, bucket: number): Buffer {
    return Buffer.concat([offsetKey(this.prefix, begin), Buffer.from([bucket])])
  }
}

function lanesByBucket (index: MemoryLaneIndex): [number, readonly number[]][][] {
  const buckets = Array.from({ length: BUCKETS }, () => [] as [number, readonly number[]][])
  for (const entry of index.entries()) buckets[entry[0] % BUCKETS]!.push(entry)
  for (const lanes of buckets) lanes.sort((a, b) => a[0] - b[0])
  return buckets
}

function packed (lanes: readonly [number, readonly number[]][], begin: number): Buffer {
  const count = lanes.reduce((sum, [, offsets]) => sum + offsets.length, 0)
  const row = Buffer.allocUnsafe(HEAD_BYTES + lanes.length * LANE_BYTES + count * 4)
  row.writeUInt32BE(lanes.length, 0)
  let head = HEAD_BYTES
  let place = 0
  const body = HEAD_BYTES + lanes.length * LANE_BYTES
  for (const [lane, offsets] of lanes) {
    for (const offset of offsets) row.writeUInt32BE(offset - begin, body + place++ * 4)
    writeInt64(row, lane, head)
    row.writeUInt32BE(place, head + 8)
    head += LANE_BYTES
  }
  return row
}

/** Lowest offset of the lane in a row above `after`, relative to the chunk like that; -1 where there is none. */
function nextIn (row: Buffer, lane: number, after: number): number {
  const at = laneAt(row, lane)
  if (at < 0) return -1
  const end = endOf(row, at)
  const place = placeAbove(row, at === 0 ? 0 : endOf(row, at - 1), end, after)
  return place === end ? -1 : offsetAt(row, place)
}

function countIn (row: Buffer, lane: number, from: number, end: number): number {
  const at = laneAt(row, lane)
  if (at < 0 || end <= from) return 0
  const low = at === 0 ? 0 : endOf(row, at - 1)
  const high = endOf(row, at)
  return placeAbove(row, low, high, end - 1) - placeAbove(row, low, high, from - 1)
}

/** Which of the row's lanes it is, or -1. */
function laneAt (row: Buffer, lane: number): number {
  let low = 0
  let high = row.length === 0 ? 0 : row.readUInt32BE(0)
  while (low < high) {
    const middle = (low + high) >> 1
    const found = readInt64(row, HEAD_BYTES + middle * LANE_BYTES)
    if (found === lane) return middle
    if (found > lane) high = middle
    else low = middle + 1
  }
  return -1
}

/** Place of the first offset above `after` in [low, high), or `high`. */
function placeAbove (row: Buffer, low: number, high: number, after: number): number {
  while (low < high) {
    const middle = (low + high) >> 1
    if (offsetAt(row, middle) > after) high = middle
    else low = middle + 1
  }
  return low
}

function endOf (row: Buffer, at: number): number { return row.readUInt32BE(HEAD_BYTES + at * LANE_BYTES + 8) }

function offsetAt (row: Buffer, place: number): number {
  return row.readUInt32BE(HEAD_BYTES + row.readUInt32BE(0) * LANE_BYTES + place * 4)
}
