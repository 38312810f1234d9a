// Writes the compacted form of a segment beside it and puts it in its place.
//
//   1. <base>.log.compacting   written, its header last, synced
//   2. renamed to <base>.log, the directory synced        the file says itself that it is compacted and where it ends
//   3. the manifest says so, durably; then its index
//
// A crash before 2 leaves the segment as it was and a left-over that recovery removes; one after 2 leaves the compacted
// one, which recovery takes for what its header says. Readers that hold the old file go on reading it.

import { type BatchHeader, nextOffsetOf, readBatchHeader, stampBatch } from '@sluice/protocol'
import { canMerge, emptyBatch } from './batch-compactor.js'
import type { DiskFile } from './disk.js'
import { syncFile, writeFile } from './file-io.js'
import type { LogCore } from './log-core.js'
import { COMPACTING_SUFFIX } from './recovery.js'
import { Segment } from './segment.js'
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from './segment-header.js'
import { SegmentIndexer } from './segment-indexer.js'

const WRITE_BYTES = 256 * 1024

export class CompactedSegmentWriter {
  private readonly core: LogCore
  private readonly before: Segment
  private readonly after: Segment
  private readonly indexer: SegmentIndexer
  private readonly path: string
  private file: DiskFile | null = null
  private chunks: Buffer[] = []
  private chunkBytes = 0
  /** Where the chunks will go. */
  private writePosition = SEGMENT_HEADER_BYTES
  private prevCrc: number
  /** An empty batch that may still grow. */
  private pendingEmpty: { header: BatchHeader, nextOffset: number } | null = null

  constructor (core: LogCore, segment: Segment, cleanedMs: number) {
    this.core = core
    this.before = segment
    const after = new Segment(
      segment.baseOffset, segment.prevCrc, segment.prevEpoch, segment.generation + 1, segment.lastAppendMs)
    after.endOffset = segment.endOffset
    after.endCrc = segment.endCrc
    after.cleanedMs = cleanedMs
    this.after = after
    this.indexer = new SegmentIndexer(core.meta, after, core.config.indexIntervalBytes)
    this.prevCrc = segment.prevCrc
    this.path = core.segmentPath(segment) + COMPACTING_SUFFIX
  }

  async open (): Promise<void> {
    await this.core.context.disk.remove(this.path)
    this.file = await this.core.context.disk.open(this.path, { create: 'new' })
  }

  /** Adds a batch with the offsets and the epoch of `header`; `bytes` are the writer's to stamp. */
  add (bytes: Buffer, header: BatchHeader, mergeable: boolean): void {
    if (mergeable) {
      const pending = this.pendingEmpty
      if (pending !== null && canMerge(pending.header, header)) {
        pending.nextOffset = nextOffsetOf(header)
        return
      }
      this.putPending()
      this.pendingEmpty = { header, nextOffset: nextOffsetOf(header) }
      return
    }
    this.putPending()
    this.put(bytes, header)
  }

  get bufferedBytes (): number {
    return this.chunkBytes
  }

  /** Writes what is buffered; to be called when `bufferedBytes` has grown to a write's worth. */
  async write (): Promise<void> {
    if (this.chunkBytes === 0) return
    const bytes = Buffer.concat(this.chunks)
    this.chunks = []
    this.chunkBytes = 0
    await writeFile(this.file!, bytes, this.writePosition)
    this.writePosition += bytes.length
  }

  static readonly writeBytes = WRITE_BYTES

  /** Takes the place of the segment; the answer is its new form. */
  async finish (): Promise<Segment> {
    this.putPending()
    await this.write()
    const core = this.core
    const { disk, files } = core.context
    const after = this.after
    await writeFile(this.file!, this.header(), 0)
    await syncFile(this.file!)
    await this.file!.close()
    this.file = null
    after.endPosition = after.preparedPosition = this.writePosition
    after.maxTimestamp = this.indexer.maxTimestamp
    after.indexedPosition = this.indexer.indexedPosition
    after.sealed = after.created = true
    const path = core.segmentPath(after)
    // Held so that no reader opens the new file under the old segment's name before they are swapped here.
    const held = await files.acquireFile(path)
    try {
      await disk.rename(this.path, path)
      files.forget(path)
      core.replaceSegment(this.before, after)
      await disk.syncDirectory(core.directory)
    } finally {
      files.release(held)
    }
    await core.meta.writeDurable([core.meta.segmentChange(after), core.stateChange()])
    await core.meta.dropIndex(after.baseOffset, after.endOffset)
    this.indexer.write()
    return after
  }

  /** Leaves the segment as it is. */
  async abandon (): Promise<void> {
    await this.file?.close().catch(() => {})
    this.file = null
    await this.core.context.disk.remove(this.path).catch(() => {})
  }

  private putPending (): void {
    const pending = this.pendingEmpty
    if (pending === null) return
    this.pendingEmpty = null
    const lastOffsetDelta = pending.nextOffset - pending.header.baseOffset - 1
    const header = { ...pending.header, lastOffsetDelta }
    this.put(emptyBatch(header, false), header)
  }

  private put (bytes: Buffer, header: BatchHeader): void {
    const { baseOffset, leaderEpoch, committedOffset } = header
    stampBatch(bytes, { baseOffset, leaderEpoch, committedOffset, prevCrc: this.prevCrc })
    const stamped = readBatchHeader(bytes)
    this.prevCrc = stamped.crc
    this.indexer.onBatch(stamped, this.writePosition + this.chunkBytes)
    this.chunks.push(bytes)
    this.chunkBytes += bytes.length
  }

  private header (): Buffer {
    const { baseOffset, prevCrc, prevEpoch, generation, endOffset, endCrc, cleanedMs } = this.after
    return encodeSegmentHeader({
      id: this.core.id,
      baseOffset,
      epoch: prevEpoch,
      prevCrc,
      createdMs: this.core.context.clock.wallMs(),
      generation,
      endOffset,
      endCrc,
      cleanedMs,
    })
  }
}
