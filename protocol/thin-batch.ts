// Leaves out of a batch the records that a receive has not leased: so that a few records of a large batch do not cost
// its whole size each time that some of them are handed out.
//
//    stored   [header│extras│ r0 │ r1 │ r2 │ r3 │ r4 ]
//    sent     [header│ r1 │ r4 ]                         the same offsets, producer and first timestamp
//
// It is the form that a compaction leaves behind, which every consumer reads. The checksum is the broker's then; the
// bytes of the records are the producer's. It pays where a large batch has few records that are wanted: one of 1,000
// costs 7 us, and spares the client a CRC over 100 KB and both sides the copies. With a cursor the next one costs 2.

import {
  BATCH_FLAG, BATCH_HEADER_BYTES, BATCH_POSITION, readBatchHeader, readInt64, stampBatch, TIMESTAMP_MAX,
} from './batch-header.js'
import { CODEC } from './codec.js'
import { writeBatchHeader } from './record-batch-builder.js'
import { readVarint, unzigzag, type ReadPosition } from './varint.js'

/**
 * Where the latest thinning came to: who goes through a batch a few records at a time goes on from there, and does not
 * walk it from its start each time. One for each log.
 */
export class ThinCursor {
  /** The batch: where it is in its log, and what is in it. */
  baseOffset = -1
  crc = 0
  /** Records from this offset on begin so many bytes behind the start of the batch, or later. */
  offset = 0
  recordsStart = 0
}

/**
 * The stored batch at `position` with only some of its records, without extras.
 *
 * @param batch sound, as `checkBatch` tells
 * @param offsets ascending; those from `first` up to `end` (a row, not an offset) lie in the batch
 * @param cursor of the log that the batch is of, if there is one; it is moved
 * @returns null where the records cannot be told apart without unpacking them, or one that is wanted is not there: then
 *   the batch is to be sent whole
 */
export function thinBatch (
  batch: Buffer, position: number, offsets: Float64Array, first: number, end: number, cursor: ThinCursor | null = null,
): Buffer | null {
  const flags = batch.readUInt16BE(position + BATCH_POSITION.flags)
  if (batch[position + BATCH_POSITION.codec] !== CODEC.none || (flags & BATCH_FLAG.encrypted) !== 0) return null
  const batchEnd = position + batch.readUInt32BE(position + BATCH_POSITION.size)
  const baseOffset = readInt64(batch, position)
  const firstTimestamp = readInt64(batch, position + BATCH_POSITION.firstTimestamp)
  const crc = batch.readUInt32BE(position + BATCH_POSITION.crc)
  const isSame = cursor?.baseOffset === baseOffset && cursor.crc === crc
  const goesOn = cursor !== null && isSame && cursor.offset <= offsets[first]!
  const recordsStart = goesOn
    ? cursor.recordsStart
    : BATCH_HEADER_BYTES + batch.readUInt32BE(position + BATCH_POSITION.extrasSize)
  const at: ReadPosition = { position: position + recordsStart }
  let maxTimestamp = firstTimestamp
  let keptBytes = 0
  // Positions where a stretch of records begins and ends.
  const pieces: number[] = []
  for (let row = first; row < end;) {
    if (at.position >= batchEnd) return null
    const start = at.position
    const length = readVarint(batch, at, batchEnd)
    const recordEnd = at.position + length
    if (length < 0 || recordEnd > batchEnd) return null
    const offset = baseOffset + readVarint(batch, at, recordEnd)
    if (offset > offsets[row]!) return null
    if (offset === offsets[row]) {
      const timestamp = firstTimestamp + unzigzag(readVarint(batch, at, recordEnd))
      if (!(timestamp >= 0 && timestamp <= TIMESTAMP_MAX)) return null
      if (timestamp > maxTimestamp) maxTimestamp = timestamp
      if (pieces.length > 0 && pieces[pieces.length - 1] === start) pieces[pieces.length - 1] = recordEnd
      else pieces.push(start, recordEnd)
      keptBytes += recordEnd - start
      row++
    }
    at.position = recordEnd
  }
  if (cursor !== null) {
    cursor.baseOffset = baseOffset
    cursor.crc = crc
    cursor.offset = offsets[end - 1]! + 1
    cursor.recordsStart = at.position - position
  }
  const thin = Buffer.allocUnsafe(BATCH_HEADER_BYTES + keptBytes)
  let to = BATCH_HEADER_BYTES
  for (let piece = 0; piece < pieces.length; piece += 2) {
    to += batch.copy(thin, to, pieces[piece], pieces[piece + 1])
  }
  const header = readBatchHeader(batch, position)
  writeBatchHeader(thin, { ...header, recordCount: end - first, maxTimestamp, extrasSize: 0 })
  stampBatch(thin, header)
  return thin
}
