// Finds the first record at or after a time.
//
//   segments    maxTimestamp  10:00   10:20   10:15   10:40        the first at or above 10:17: the second
//   its index   maxTimestampBefore  09:58  10:05  10:16  10:18     the last below 10:17: the scan begins there
//
// Timestamps are the producers' and need not rise. The largest one so far does, so the index can be searched by it, and
// what is found is the first record in the order of the log with that time or a later one.

import { BATCH_POSITION, CodecError, CorruptBatchError, readBatchHeader, RecordReader } from '@sluice/protocol'
import type { LogCore } from './log-core.js'
import { LogReadFailure } from './log-read-failure.js'
import type { LogSlice, OffsetAtTime } from './log-types.js'
import type { Segment } from './segment.js'

const READ_BYTES = 256 * 1024

type ReadSlice = (from: number, maxBytes: number, limitOffset: number) => Promise<LogSlice>

/** Null where every record is older. */
export async function findOffsetByTime (
  core: LogCore, readSlice: ReadSlice, timestampMs: number
): Promise<OffsetAtTime | null> {
  core.flushIndex()
  for (const segment of [...core.segments]) {
    if (segment.maxTimestamp < timestampMs || segment.endOffset <= core.logStartOffset) continue
    let offset = Math.max(core.logStartOffset, scanStart(core, segment, timestampMs))
    while (offset < segment.endOffset) {
      try {
        const slice = await readSlice(offset, READ_BYTES, segment.endOffset)
        const found = findInSlice(slice, timestampMs, core.logStartOffset)
        if (found !== null) return found
        if (slice.sizeBytes === 0) break
        offset = slice.nextOffset
      } catch (error) {
        if (!(error instanceof LogReadFailure)) throw error
        if (error.reason.kind === 'corrupt') offset = error.reason.to
        else if (error.reason.kind === 'out-of-range' && offset < core.logStartOffset) offset = core.logStartOffset
        else throw error
      }
    }
  }
  return null
}

/** The offset of the last index entry before which everything in the segment is older. */
function scanStart (core: LogCore, segment: Segment, timestampMs: number): number {
  let low = segment.baseOffset
  let high = segment.endOffset
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2)
    const entry = core.meta.nextIndexEntry(middle, high)
    const usable = entry !== null && entry.generation === segment.generation
    if (usable && entry.maxTimestampBefore < timestampMs) low = entry.offset
    else high = middle
  }
  return low
}

function findInSlice (slice: LogSlice, timestampMs: number, startOffset: number): OffsetAtTime | null {
  for (const bytes of slice.buffers) {
    for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at + BATCH_POSITION.size)) {
      const { maxTimestamp, recordCount } = readBatchHeader(bytes, at)
      if (recordCount === 0 || maxTimestamp < timestampMs) continue
      const found = findInBatch(bytes, at, timestampMs, startOffset)
      if (found !== null) return found
    }
  }
  return null
}

function findInBatch (bytes: Buffer, at: number, timestampMs: number, startOffset: number): OffsetAtTime | null {
  try {
    const records = new RecordReader().open(bytes, at)
    while (records.next()) {
      if (records.timestamp < timestampMs || records.offset < startOffset) continue
      return { offset: records.offset, timestampMs: records.timestamp }
    }
    return null
  } catch (error) {
    // A codec that is not at hand, or encrypted records: then as exact as the batch itself.
    if (!(error instanceof CodecError) && !(error instanceof CorruptBatchError)) throw error
    const header = readBatchHeader(bytes, at)
    return { offset: Math.max(header.baseOffset, startOffset), timestampMs: header.maxTimestamp }
  }
}
