// A segment is one run of record batches in one file.
//
//   baseOffset               durableOffset     writtenOffset      endOffset
//       [batch][batch] ... [batch]|[batch][batch]...|[batch][batch]...|
//        survives a power cut     | survives kill -9| in memory only
//
// Invariants:
// - Batches are contiguous: each begins at the offset where the one before ends, also after a compaction, which leaves
//   an empty batch in the place of what it took out.
// - Only the last segment of a log is appended to. The file of the next one is made only after everything in this one
//   is durable: so that a later file proves all that is below it.
// - The end is found by the chain of batches, never by the size of the file: zeros may stand behind it while it is
//   appended to. A sealed segment has been cut to its end.

import { SEGMENT_HEADER_BYTES } from './segment-header.js'

/** Timestamp of a segment that has no record: below all others. */
export const NO_TIMESTAMP = -8_640_000_000_000_000

export class Segment {
  readonly baseOffset: number
  /** `crc` of the batch before the first one here. */
  readonly prevCrc: number
  /** Leader epoch of the batch before the first one here. */
  readonly prevEpoch: number
  /** How often it was compacted. */
  readonly generation: number
  /** Offset after the last batch. */
  endOffset: number
  /** Position after the last batch: where the next one goes. */
  endPosition: number
  /** What the next batch names as `prevCrc`; of a compacted segment what its last batch was before. */
  endCrc: number
  /** Largest timestamp of any record here, or NO_TIMESTAMP. */
  maxTimestamp: number
  /** The broker's own time of the last append, which retention goes by. */
  lastAppendMs: number
  /** When a compaction last went over all of it and all before it; -1 where none has. */
  cleanedMs = -1
  /** Where the last index entry points, or where the first batch stands. */
  indexedPosition: number
  /** True when nothing is appended any more and the file has been cut and synced. */
  sealed: boolean
  /** True when the file is there, with its header and its name durable. */
  created: boolean
  /** True when this process has begun to make the file: what is there is its own. */
  creationBegun: boolean
  /** Up to here the file holds written blocks, zeros behind `endPosition`. */
  preparedPosition: number

  constructor (baseOffset: number, prevCrc: number, prevEpoch: number, generation: number, nowMs: number) {
    this.baseOffset = baseOffset
    this.prevCrc = prevCrc
    this.prevEpoch = prevEpoch
    this.generation = generation
    this.endOffset = baseOffset
    this.endPosition = SEGMENT_HEADER_BYTES
    this.endCrc = prevCrc
    this.maxTimestamp = NO_TIMESTAMP
    this.lastAppendMs = nowMs
    this.indexedPosition = SEGMENT_HEADER_BYTES
    this.sealed = false
    this.created = false
    this.creationBegun = false
    this.preparedPosition = 0
  }

  /** Bytes of batches, without the header block. */
  get batchBytes (): number {
    return this.endPosition - SEGMENT_HEADER_BYTES
  }
}

/** Index of the segment that holds `offset`: the last one that begins at or below it; -1 where there is none. */
export function findSegmentIndex (segments: readonly Segment[], offset: number): number {
  let low = 0
  let high = segments.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (segments[middle]!.baseOffset <= offset) low = middle + 1
    else high = middle
  }
  return low - 1
}
