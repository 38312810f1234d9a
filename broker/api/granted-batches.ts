// Reads the batches that hold certain records of a partition: as slices of what is in memory, or pieces from the disk.
// Batches without any of the records are left out, and large ones with few of them thinned; no other byte is copied.
//
// Records that are damaged on disk are passed over, and said to be: one bad sector must not hold up the records behind
// it. So are records that have gone from the log since they were granted.

import { BATCH_POSITION, readInt64, thinBatch } from '@sluice/protocol'
import type { LogReadError, LogSlice, OffsetRange } from '@sluice/storage'
import type { Partition } from '../partition/partition.js'
import type { RecentReads } from '../queue-host/recent-reads.js'

/** What was read. */
export interface BatchesRead {
  /** What to tell people of records that were not dealt with; null where all were that there was room for. */
  readonly error: string | null
  /** Batches, rising by offset. */
  readonly buffers: readonly Buffer[]
  readonly sizeBytes: number
  /** How many of the records were dealt with, the lowest first: they are in the batches, damaged, or gone. */
  readonly count: number
  /** What of them cannot be read; rising. */
  readonly damaged: readonly OffsetRange[]
  /** Everything below has gone from the log. */
  readonly startOffset: number
}

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
  private readonly damaged: OffsetRange[] = []
  private startOffset = 0

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

  read (done: (read: BatchesRead) => void): void {
    const { log, highWatermark } = this.partition
    while (this.row < this.offsets.length && !this.isFull) {
      const offset = this.offsets[this.row]!
      const maxBytes = this.hasNeighbour ? READ_BYTES : 1
      const cached = log.readCached(offset, maxBytes, highWatermark) ?? this.recent?.find(offset) ?? null
      if (cached === null) {
        return log.read(offset, maxBytes, highWatermark, (error, slice) => {
          if (error !== null && !this.canPass(error, offset)) return done(this.outcome(this.textOf(error, offset)))
          if (slice !== null && !this.take(slice)) return done(this.outcome(this.missing(offset)))
          this.read(done)
        })
      }
      if (!this.take(cached)) return done(this.outcome(this.missing(offset)))
    }
    done(this.outcome(null))
  }

  private outcome (error: string | null): BatchesRead {
    const { buffers, sizeBytes, row: count, damaged, startOffset } = this
    return { error, buffers, sizeBytes, count, damaged, startOffset }
  }

  /** Goes on behind records that are damaged or gone; false where something else is wrong. */
  private canPass (error: LogReadError, offset: number): boolean {
    switch (error.kind) {
      case 'corrupt': {
        const to = Math.max(error.to, offset + 1)
        this.damaged.push({ from: offset, to })
        this.row = this.rowFrom(to)
        return true
      }
      case 'out-of-range': {
        if (offset >= error.logStartOffset) return false
        this.startOffset = error.logStartOffset
        this.row = this.rowFrom(error.logStartOffset)
        return true
      }
      default: return false
    }
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
    const thin = isThin ? thinBatch(bytes, position, this.offsets, this.row, end, this.recent?.thinCursor) : null
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
      case 'io': return `reading ${label} failed: ${error.message}`
      case 'truncated': return `${label} was cut while it was read; receive again`
      default: return this.missing(offset)
    }
  }
}
