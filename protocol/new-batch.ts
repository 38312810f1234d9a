// What a broker asks of a batch before it appends it.

import {
  BATCH_FLAG, BATCH_HEADER_BYTES, BATCH_POSITION, checkBatchBody, RECORD_BYTES_MIN, type BatchFault,
} from './batch-header.js'
import { CODEC, CODEC_NAMES, DECOMPRESSED_BYTES_MAX } from './codec.js'
import { recordExtrasFault } from './record-extras-reader.js'

/** Why a batch is not appended. */
export type NewBatchFault =
  | BatchFault
  | 'extras' // of an unknown version, not as long as they say, or with a value out of range: `recordExtrasFault` says
  | 'codec' // all is well but the compression is not known to this version

/**
 * Checks a batch that a client wants to have appended: all of `checkBatchBody`, that it is exactly `size` bytes, and
 * what holds for new batches only: at least one record, no gaps between offsets, no control batch, known extras, a
 * known codec, and no more records than its bytes can hold. Without that a few bytes could use up the offsets of a
 * partition.
 */
export function checkNewBatch (bytes: Buffer, position: number, size: number): NewBatchFault | null {
  if (bytes.length - position < size) return 'short'
  if (size < BATCH_HEADER_BYTES || bytes.readUInt32BE(position + BATCH_POSITION.size) !== size) return 'size'
  const fault = checkBatchBody(bytes, position)
  if (fault !== null) return fault
  const codec = bytes[position + BATCH_POSITION.codec]!
  const flags = bytes.readUInt16BE(position + BATCH_POSITION.flags)
  const recordCount = bytes.readUInt32BE(position + BATCH_POSITION.recordCount)
  const recordsBytesMax = codec === CODEC.none && (flags & BATCH_FLAG.encrypted) === 0
    ? size - BATCH_HEADER_BYTES - bytes.readUInt32BE(position + BATCH_POSITION.extrasSize)
    : DECOMPRESSED_BYTES_MAX
  const sound = recordCount > 0 && recordCount * RECORD_BYTES_MIN <= recordsBytesMax &&
    bytes.readUInt32BE(position + BATCH_POSITION.lastOffsetDelta) === recordCount - 1 &&
    (flags & BATCH_FLAG.control) === 0
  if (!sound) return 'fields'
  if (recordExtrasFault(bytes, position) !== null) return 'extras'
  return codec < CODEC_NAMES.length ? null : 'codec'
}
