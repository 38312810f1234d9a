// Keeps the newest record of each key.
//
//   [ cleaned ][ cleaned ][ dirty ][ dirty ][ too new ][ active ]
//                         |<- keys noted ->|
//   |<------ records that a noted key supersedes go ->|
//
// - In rounds: the keys of the dirty part are noted with their newest offsets, as many as memory allows; then every
//   segment up to there that holds something superseded is written anew, the oldest first. A further round begins where
//   the first key found no room. After the last round the dirty part counts as cleaned.
// - The oldest first, so that a newer record, a tombstone above all, is never gone before what it supersedes.
// - A tombstone goes once its segment was cleaned longer ago than `tombstoneRetentionMs`: whoever reads the log from
//   its start in less time than that sees it.
// - Segments with damage stay as they are, and while there are any, so do all tombstones.

import { NO_PRODUCER_ID } from '@sluice/protocol'
import { canCompact, compactBatch, keyOf, visitKeys } from './batch-compactor.js'
import { KeyOffsets } from './key-offsets.js'
import type { LogCore } from './log-core.js'
import type { CompactionResult } from './log-types.js'
import type { Segment } from './segment.js'
import { type ReadSlice, SegmentRewrite, type Shrink } from './segment-rewrite.js'

export async function compactLog (
  core: LogCore, readSlice: ReadSlice, limitOffset: number, signal?: AbortSignal
): Promise<CompactionResult> {
  const compaction = new KeyCompaction(core, new SegmentRewrite(core, readSlice, signal), limitOffset)
  return await compaction.run()
}

class KeyCompaction {
  private readonly core: LogCore
  private readonly rewrite: SegmentRewrite
  private readonly limitOffset: number
  private readonly lastBatches = new Map<number, number>()

  constructor (core: LogCore, rewrite: SegmentRewrite, limitOffset: number) {
    this.core = core
    this.rewrite = rewrite
    this.limitOffset = limitOffset
  }

  run (): Promise<CompactionResult> {
    return this.rewrite.run(async () => {
      if (this.core.config.cleanup.compact) await this.compact()
    })
  }

  private async compact (): Promise<void> {
    const core = this.core
    const baseOffsets = this.candidates().map(segment => segment.baseOffset)
    if (baseOffsets.length === 0) return
    const endOffset = this.segmentAt(baseOffsets[baseOffsets.length - 1]!).endOffset
    const dirty = baseOffsets.find(baseOffset => this.segmentAt(baseOffset).cleanedMs < 0)
    if (dirty === undefined && !baseOffsets.some(base => this.tombstonesExpired(this.segmentAt(base)))) return
    await this.noteProducers(baseOffsets)
    let from = dirty ?? endOffset
    for (let last = false; !last;) {
      const keys = new KeyOffsets(core.context.limits.compactionBytes)
      await this.rewrite.forEachBatch(from, endOffset, (batch, header) => {
        if (canCompact(header)) visitKeys(batch, (key, offset) => { if (offset >= from) keys.note(key, offset) })
      })
      last = keys.fullAtOffset < 0
      for (const baseOffset of baseOffsets) await this.cleanSegment(this.segmentAt(baseOffset), keys, last)
      from = keys.fullAtOffset
    }
  }

  /** The segments that may be compacted: a run from the oldest on. */
  private candidates (): Segment[] {
    const { segments, config, context } = this.core
    const newestMs = context.clock.wallMs() - config.minCompactionLagMs
    const candidates: Segment[] = []
    for (const segment of segments) {
      if (!segment.sealed || segment.endOffset > this.limitOffset || segment.lastAppendMs > newestMs) break
      candidates.push(segment)
    }
    return candidates
  }

  private segmentAt (baseOffset: number): Segment {
    return this.core.segments.find(segment => segment.baseOffset === baseOffset)!
  }

  /** Which batch is the last of each producer, anywhere in the log: those in the candidates must stay. */
  private async noteProducers (baseOffsets: readonly number[]): Promise<void> {
    await this.rewrite.forEachBatch(baseOffsets[0]!, this.core.writtenOffset, (_batch, header) => {
      if (header.producerId !== NO_PRODUCER_ID) this.lastBatches.set(header.producerId, header.baseOffset)
    })
  }

  private tombstonesExpired (segment: Segment): boolean {
    const { config, context, damage } = this.core
    return segment.cleanedMs >= 0 && damage.ranges.length === 0 &&
      context.clock.wallMs() - segment.cleanedMs > config.tombstoneRetentionMs
  }

  private async cleanSegment (segment: Segment, keys: KeyOffsets, last: boolean): Promise<void> {
    if (this.rewrite.isDamaged(segment)) return
    const core = this.core
    const shrink = this.shrinkBy(keys, this.tombstonesExpired(segment))
    const cleanedMs = segment.cleanedMs >= 0 || !last ? segment.cleanedMs : core.context.clock.wallMs()
    if (await this.rewrite.wouldShrink(segment, shrink)) {
      await this.rewrite.rewrite(segment, shrink, cleanedMs)
    } else if (cleanedMs !== segment.cleanedMs) {
      segment.cleanedMs = cleanedMs
      core.meta.write([core.meta.segmentChange(segment)])
    }
  }

  /** Takes out what newer records supersede; tombstones too where everything that they have to hide is gone. */
  private shrinkBy (keys: KeyOffsets, dropTombstones: boolean): Shrink {
    return (batch, header) => compactBatch(batch, header, {
      lastBatches: this.lastBatches,
      isKept: (records) => {
        if (records.keyStart < 0) return true
        if (dropTombstones && records.valueStart < 0) return false
        return !keys.supersedes(keyOf(records), records.offset)
      },
    })
  }
}
