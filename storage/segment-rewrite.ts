// What the two ways of making a segment smaller share: walking over batches a slice at a time, and writing a segment
// anew without some of its records (`CompactedSegmentWriter` puts it in place).
//
// - The event loop is free between slices; `signal` is looked at as often.
// - Damage is never rewritten: a segment that has some, or shows some on the way, stays as it is.

import { BATCH_POSITION, type BatchHeader, NO_PRODUCER_ID, nextOffsetOf, readBatchHeader } from '@sluice/protocol'
import type { CompactedBatch } from './batch-compactor.js'
import { CompactedSegmentWriter } from './compacted-segment-writer.js'
import type { LogCore } from './log-core.js'
import type { CompactionResult, LogSlice } from './log-types.js'
import type { Segment } from './segment.js'

const READ_BYTES = 256 * 1024

export type ReadSlice = (from: number, maxBytes: number, limitOffset: number) => Promise<LogSlice>

/** What becomes of a batch: null where it stays as it is. */
export type Shrink = (batch: Buffer, header: BatchHeader) => CompactedBatch | null

type VisitBatch = (batch: Buffer, header: BatchHeader) => boolean | void

class CalledOff extends Error {}

export class SegmentRewrite {
  private readonly core: LogCore
  private readonly readSlice: ReadSlice
  private readonly signal: AbortSignal | undefined
  private segments = 0
  private bytesBefore = 0
  private bytesAfter = 0
  private recordsRemoved = 0

  constructor (core: LogCore, readSlice: ReadSlice, signal?: AbortSignal) {
    this.core = core
    this.readSlice = readSlice
    this.signal = signal
  }

  /** Runs `work` and tells what was done, also where it was called off on the way. */
  async run (work: () => Promise<void>): Promise<CompactionResult> {
    let complete = true
    try {
      await work()
    } catch (error) {
      if (!(error instanceof CalledOff)) throw error
      complete = false
    }
    return {
      segments: this.segments,
      bytesBefore: this.bytesBefore,
      bytesAfter: this.bytesAfter,
      recordsRemoved: this.recordsRemoved,
      complete,
    }
  }

  isDamaged (segment: Segment): boolean {
    const damage = this.core.damageFrom(segment.baseOffset)
    return damage !== null && damage.from < segment.endOffset
  }

  /** True where `shrink` takes anything out of the segment. */
  async wouldShrink (segment: Segment, shrink: Shrink): Promise<boolean> {
    let found = false
    await this.forEachBatch(segment.baseOffset, segment.endOffset, (batch, header) => {
      found ||= (shrink(batch, header)?.recordsRemoved ?? 0) > 0
      return !found
    })
    return found
  }

  /** Writes a sealed segment anew, without what `shrink` takes out. */
  async rewrite (segment: Segment, shrink: Shrink, cleanedMs: number): Promise<void> {
    const writer = new CompactedSegmentWriter(this.core, segment, cleanedMs)
    let nextOffset = segment.baseOffset
    let recordsRemoved = 0
    try {
      await writer.open()
      await this.forEachBatch(segment.baseOffset, segment.endOffset, (batch, header) => {
        if (header.baseOffset !== nextOffset) throw new CalledOff('damage came to light')
        nextOffset = nextOffsetOf(header)
        const shrunk = shrink(batch, header)
        recordsRemoved += shrunk?.recordsRemoved ?? 0
        const mergeable = shrunk?.mergeable ?? (header.recordCount === 0 && header.producerId === NO_PRODUCER_ID)
        writer.add(shrunk?.bytes ?? Buffer.from(batch), header, mergeable)
      }, async () => {
        if (writer.bufferedBytes >= CompactedSegmentWriter.writeBytes) await writer.write()
      })
      if (nextOffset !== segment.endOffset) throw new CalledOff('damage came to light')
      const after = await writer.finish()
      this.segments++
      this.bytesBefore += segment.batchBytes
      this.bytesAfter += after.batchBytes
      this.recordsRemoved += recordsRemoved
    } catch (error) {
      await writer.abandon()
      throw error
    }
  }

  /** Visits the batches between two offsets that are borders of batches, as far as they are sound; false ends it. */
  async forEachBatch (
    from: number, endOffset: number, visit: VisitBatch, afterSlice?: () => Promise<void>
  ): Promise<void> {
    let offset = Math.max(from, 0)
    while (offset < endOffset) {
      if (this.signal?.aborted === true || this.core.closed || this.core.frozen) throw new CalledOff('called off')
      const slice = await this.sliceFrom(offset, endOffset)
      for (const bytes of slice.buffers) {
        for (let at = 0; at < bytes.length;) {
          const size = bytes.readUInt32BE(at + BATCH_POSITION.size)
          const batch = bytes.subarray(at, at + size)
          if (visit(batch, readBatchHeader(batch)) === false) return
          at += size
        }
      }
      if (slice.nextOffset <= offset) return
      offset = slice.nextOffset
      await afterSlice?.()
      await new Promise<void>(resolve => { setImmediate(resolve) })
    }
  }

  private async sliceFrom (offset: number, endOffset: number): Promise<LogSlice> {
    const damage = this.core.damageFrom(offset)
    if (damage === null || damage.from > offset) return await this.readSlice(offset, READ_BYTES, endOffset)
    return { buffers: [], sizeBytes: 0, baseOffset: offset, nextOffset: damage.to }
  }
}
