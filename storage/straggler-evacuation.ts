// Takes out of one sealed segment everything but the records of given offsets: so that one old record that is still
// needed does not hold gigabytes of records that nobody needs.
//
//    [ . . L . . ][ . . . . . ][ . L . . . ] …   256 MiB        L: live, each stays at its offset
//    [     L     ][           ][   L       ] …   a few KiB
//
// - A batch that holds nothing live becomes an empty one, whatever it is: no record needs to be decoded for that.
// - Of a batch that holds something live, the others go where a compaction can take them out; elsewhere (encrypted,
//   undecodable) it stays whole.
// - The last batch of each producer in the segment keeps its sequence.
// - A crash at any point leaves the segment as it was, or evacuated: see `CompactedSegmentWriter`.

import { type BatchHeader, NO_PRODUCER_ID, nextOffsetOf } from '@sluice/protocol'
import { type CompactedBatch, compactBatch, emptyBatch, isLastOfProducer } from './batch-compactor.js'
import type { LogCore } from './log-core.js'
import type { CompactionResult, OffsetRange } from './log-types.js'
import type { Segment } from './segment.js'
import { type ReadSlice, SegmentRewrite } from './segment-rewrite.js'

export interface Evacuation {
  /** The offsets of one segment. */
  readonly range: OffsetRange
  /** Ascending. Everything else in the range must be of no use to anybody, for good. */
  readonly live: Float64Array
}

export async function evacuateSegment (
  core: LogCore, readSlice: ReadSlice, evacuation: Evacuation, limitOffset: number, signal?: AbortSignal
): Promise<CompactionResult> {
  const { range, live } = evacuation
  const rewrite = new SegmentRewrite(core, readSlice, signal)
  return await rewrite.run(async () => {
    // It may have gone, or be another one, since somebody looked.
    const segment = core.segments.find(({ baseOffset }) => baseOffset === range.from)
    if (segment === undefined || !segment.sealed || segment.endOffset !== range.to) return
    if (segment.endOffset > limitOffset || rewrite.isDamaged(segment)) return
    const lastBatches = await lastBatchesIn(rewrite, segment)
    const shrink = (batch: Buffer, header: BatchHeader): CompactedBatch | null =>
      withoutTheOthers(batch, header, live, lastBatches)
    if (await rewrite.wouldShrink(segment, shrink)) await rewrite.rewrite(segment, shrink, segment.cleanedMs)
  })
}

async function lastBatchesIn (rewrite: SegmentRewrite, segment: Segment): Promise<Map<number, number>> {
  const lastBatches = new Map<number, number>()
  await rewrite.forEachBatch(segment.baseOffset, segment.endOffset, (_batch, { producerId, baseOffset }) => {
    if (producerId !== NO_PRODUCER_ID) lastBatches.set(producerId, baseOffset)
  })
  return lastBatches
}

function withoutTheOthers (
  batch: Buffer, header: BatchHeader, live: Float64Array, lastBatches: ReadonlyMap<number, number>
): CompactedBatch | null {
  const first = indexFrom(live, header.baseOffset)
  const isLive = first < live.length && live[first]! < nextOffsetOf(header)
  if (header.recordCount === 0 || isLive) {
    const isKept = ({ offset }: { offset: number }): boolean => live[indexFrom(live, offset)] === offset
    return compactBatch(batch, header, { lastBatches, isKept })
  }
  const isLast = isLastOfProducer(header, lastBatches)
  return { bytes: emptyBatch(header, isLast), recordsRemoved: header.recordCount, mergeable: !isLast }
}

/** Index of the first element at or above `offset`. */
function indexFrom (offsets: Float64Array, offset: number): number {
  let low = 0
  let high = offsets.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (offsets[middle]! < offset) low = middle + 1
    else high = middle
  }
  return low
}
