// The extras of a record batch: what the broker must know of each record without unpacking or reading it.
//
//    84        86         88
//    ├ version ┼ columns ─┼ lane column ┼ not-before column ┼ expires column ┼ priority column ┼ dedup column ┤ records
//       u16       u16       rows × i64     rows × i64          rows × i64       rows × u8         rows × 16 bytes
//
// A bit of `columns` says that a column is there; columns follow in the order of their bits, without gaps, and the area
// ends where the last one does. Row i is of the record at `baseOffset` + i; there are `lastOffsetDelta` + 1 rows, also
// in a batch that a compaction has thinned out. Fixed widths: a row is found without reading those before it. What a
// record does not have is -1 as lane and 0 in the other columns.
//
// Times are dates by the clock of the broker: a date is what a replica, or a restart years later, can go by. A client
// makes a date of a delay by the clock that hello and metadata tell.
//
// The area is the producer's and covered by `crc`: the broker checks it when it appends the batch and refuses what it
// does not know, so that no option is ever dropped in silence. A consumer skips it.

import { createHash } from 'node:crypto'

/** Value of the version field of this layout. */
export const EXTRAS_VERSION = 1
/** Bytes before the first column. */
export const EXTRAS_HEADER_BYTES = 4
/** Bits of the columns field (u16), in the order of the columns. */
export const EXTRAS_COLUMN = {
  /** The lane of the key: i64, -1 where the record has no key. */
  lane: 1 << 0,
  /** Time before which the record is not handed out: i64, 0 for none. */
  notBefore: 1 << 1,
  /** Time after which the record is of no use: i64, 0 for never. */
  expires: 1 << 2,
  /** Priority: u8, 0 (low) to 9 (high). */
  priority: 1 << 3,
  /** Key of the dedup id: 16 bytes, zeros for none. */
  dedup: 1 << 4,
} as const
/** Most bytes that one record adds to the extras. */
export const EXTRAS_ROW_BYTES_MAX = 41
/** Highest priority; the lowest, and that of a record without one, is 0. */
export const PRIORITY_MAX = 9
/** Longest delay of a record, in milliseconds: 365 days. */
export const DELAY_MS_MAX = 365 * 24 * 3_600_000
/** Most bytes of a dedup id, as UTF-8; the fewest is 1. */
export const DEDUP_ID_BYTES_MAX = 128
/** Bytes of the key of a dedup id. */
export const DEDUP_KEY_BYTES = 16

/** Options of one record. Times are dates by the clock of the broker, in milliseconds since 1970-01-01 UTC. */
export interface RecordExtras {
  /** `laneOf` the key, or NO_LANE. */
  lane?: number
  /** Time before which the record is not handed out; 0 for none. At most DELAY_MS_MAX from now. */
  notBefore?: number
  /** Time after which the record is of no use; 0 for never. */
  expires?: number
  /** 0 (low) to PRIORITY_MAX (high). */
  priority?: number
  /** `dedupKeyOf` the dedup id. */
  dedupKey?: Uint8Array
}

/**
 * What stands for a dedup id: the first 16 bytes of the SHA-256 of its UTF-8. Short enough to keep millions, long
 * enough that two ids never meet.
 *
 * @param dedupId 1 to DEDUP_ID_BYTES_MAX bytes as UTF-8.
 * @throws RangeError for an id that is empty or too long.
 */
export function dedupKeyOf (dedupId: string): Buffer {
  const size = Buffer.byteLength(dedupId)
  if (size < 1 || size > DEDUP_ID_BYTES_MAX) {
    throw new RangeError(`a dedup id of ${size} bytes: it must have 1 to ${DEDUP_ID_BYTES_MAX} bytes as UTF-8`)
  }
  return createHash('sha256').update(dedupId, 'utf8').digest().subarray(0, DEDUP_KEY_BYTES)
}

/** Size of the extras of a batch: `rows` records with these columns, in bytes. */
export function extrasSizeOf (columns: number, rows: number): number {
  let rowBytes = 0
  if ((columns & EXTRAS_COLUMN.lane) !== 0) rowBytes += 8
  if ((columns & EXTRAS_COLUMN.notBefore) !== 0) rowBytes += 8
  if ((columns & EXTRAS_COLUMN.expires) !== 0) rowBytes += 8
  if ((columns & EXTRAS_COLUMN.priority) !== 0) rowBytes += 1
  if ((columns & EXTRAS_COLUMN.dedup) !== 0) rowBytes += DEDUP_KEY_BYTES
  return EXTRAS_HEADER_BYTES + rows * rowBytes
}
