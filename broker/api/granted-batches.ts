// Reads the batches that hold certain records of a partition: as slices of what is in memory, or pieces from the disk.
// Batches without any of the records are left out, and large ones with few of them thinned; no other byte is copied.

import { BATCH_POSITION, readInt64, thinBatch } from '@sluice/protocol'
import type { LogReadError, LogSlice } from '@sluice/storage'
import type { Partition } from '../partition/partition.js'
import type { RecentReads } from '../queue-host/recent-reads.js'

/** `error` is what to tell people; where it is null, the batches rise by offset, and hold the first `count` records. */
export type BatchesRead = (error: string | null, buffers: readonly Buffer[], sizeBytes: number, count: number) => void

/** Read at once where many records lie close together, in bytes. */
const READ_BYTES = 256 * 1024
/** Batches up to this size are sent whole, in bytes, and larger ones of which one of so many records is wanted. */
const WHOLE_BYTES = 4 * 1024
const WHOLE_SHARE = 4

export class GrantedBatches {
  private readonly partition: Partition
  private readonly recent: RecentReads | null
  private readonly offsets: Float64Array
  private row = 0
  private readonly buffers: Buffer[] = []
  private sizeBytes = 0
  private readonly maxBytes: number
  private isFull = false

  /**
   * @param recent what is at hand of the log beside its tail, or null
   * @param offsets ascending, below the high watermark
   * @param maxBytes of batches; what goes beyond is left out, also where it is the first batch
   */
  constructor (partition: Partition, recent: RecentReads | null, offsets: Float64Array, maxBytes: number) {
    this.partition = partition
    this.recent = recent
    this.offsets = offsets
    this.maxBytes = maxBytes
  }

  read (done: BatchesRead): void {
    const { log, highWatermark } = this.partition
    while (this.row < this.offsets.length && !this.isFull) {
      const offset = this.offsets[this.row]!
      const maxBytes = this.hasNeighbour ? READ_BYTES : 1
      const cached = log.readCached(offset, maxBytes, highWatermark) ?? this.recent?.find(offset) ?? null
      if (cached === null) {
        return log.read(offset, maxBytes, highWatermark, (error, slice) => {
          if (error !== null) return done(this.textOf(error, offset), [], 0, 0)
          if (!this.take(slice!)) return done(this.missing(offset), [], 0, 0)
          this.read(done)
        })
      }
      if (!this.take(cached)) return done(this.missing(offset), [], 0, 0)
    }
    done(null, this.buffers, this.sizeBytes, this.row)
  }

  /** True where the next record may well be in the next batch. */
  private get hasNeighbour (): boolean {
    return this.row + 1 < this.offsets.length && this.offsets[this.row + 1]! === this.offsets[this.row]! + 1
  }

  /** Keeps the batches of a slice that hold records. False where the first one wanted is not in it. */
  private take (slice: LogSlice): boolean {
    const before = this.row
    for (const bytes of slice.buffers) {
      for (let at = 0; at < bytes.length && this.row < this.offsets.length && !this.isFull;) {
        const size = bytes.readUInt32BE(at + BATCH_POSITION.size)
        const end = this.rowFrom(readInt64(bytes, at) + bytes.readUInt32BE(at + BATCH_POSITION.lastOffsetDelta) + 1)
        if (end > this.row) this.takeBatch(bytes, at, size, end)
        at += size
      }
    }
    return this.row > before || this.isFull
  }

  /** The first row that is not below `offset`. */
  private rowFrom (offset: number): number {
    let { row } = this
    while (row < this.offsets.length && this.offsets[row]! < offset) row++
    return row
  }

  /** Takes the records of the rows up to `end` out of a batch that holds them, if there is room. */
  private takeBatch (bytes: Buffer, position: number, size: number, end: number): void {
    const recordCount = bytes.readUInt32BE(position + BATCH_POSITION.recordCount)
    const isThin = size > WHOLE_BYTES && (end - this.row) * WHOLE_SHARE < recordCount
    const thin = isThin ? thinBatch(bytes, position, this.offsets, this.row, end) : null
    const batch = thin ?? bytes.subarray(position, position + size)
    if (this.sizeBytes + batch.length > this.maxBytes) {
      this.isFull = true
      return
    }
    this.keep(batch)
    this.row = end
  }

  /** Keeps bytes, as one with those before where they lie side by side. */
  private keep (bytes: Buffer): void {
    const last = this.buffers.at(-1)
    const isNext = last?.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset
    if (isNext) {
      this.buffers[this.buffers.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + bytes.length)
    } else {
      this.buffers.push(bytes)
    }
    this.sizeBytes += bytes.length
  }

  private missing (offset: number): string {
    return `the record at offset ${offset} of ${this.partition.label} is not there any more`
  }

  private textOf (error: LogReadError, offset: number): string {
    const { label } = this.partition
    switch (error.kind) {
      case 'corrupt': return `offsets ${error.from} to ${error.to - 1} of ${label} are damaged on disk; run sluice segment verify on the data folder`
      case 'io': return `reading ${label} failed: ${error.message}`
      case 'out-of-range': return this.missing(offset)
      case 'truncated': return `${label} was cut while it was read; receive again`
    }
  }
}
