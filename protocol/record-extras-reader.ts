// Reads and checks the extras of record batches; record-extras.ts has their layout.

import { BATCH_HEADER_BYTES, BATCH_POSITION, readInt64, TIMESTAMP_MAX } from './batch-header.js'
import { LANE_MAX, NO_LANE } from './lane.js'
import {
  DEDUP_KEY_BYTES, EXTRAS_COLUMN, EXTRAS_HEADER_BYTES, EXTRAS_VERSION, extrasSizeOf, PRIORITY_MAX,
} from './record-extras.js'

const { lane: LANE, notBefore: NOT_BEFORE, expires: EXPIRES, priority: PRIORITY, dedup: DEDUP } = EXTRAS_COLUMN
const KNOWN_COLUMNS = LANE | NOT_BEFORE | EXPIRES | PRIORITY | DEDUP

/** Reads the extras of batches one after the other, without an object per record. */
export class RecordExtrasReader {
  /** Records, and rows of each column, gaps included. */
  rows = 0
  /** EXTRAS_COLUMN bits of the columns that are there. */
  columns = 0
  private bytes: Buffer = Buffer.alloc(0)
  /** Positions of the columns. */
  private lanesAt = 0
  private notBeforeAt = 0
  private expiresAt = 0
  private prioritiesAt = 0
  private dedupAt = 0

  /**
   * Starts on the batch at `position`, whose header and extras are all there. A batch without extras has no columns.
   *
   * @returns false, with no columns, where the extras are of another version or not as long as they say.
   */
  open (batch: Buffer, position = 0): boolean {
    this.bytes = batch
    this.rows = batch.readUInt32BE(position + BATCH_POSITION.lastOffsetDelta) + 1
    this.columns = 0
    const size = batch.readUInt32BE(position + BATCH_POSITION.extrasSize)
    if (size === 0) return true
    const start = position + BATCH_HEADER_BYTES
    if (size < EXTRAS_HEADER_BYTES || start + size > batch.length) return false
    const columns = batch.readUInt16BE(start + 2)
    if (batch.readUInt16BE(start) !== EXTRAS_VERSION || (columns & ~KNOWN_COLUMNS) !== 0) return false
    if (size !== extrasSizeOf(columns, this.rows)) return false
    this.columns = columns
    this.lanesAt = start + EXTRAS_HEADER_BYTES
    this.notBeforeAt = this.lanesAt + ((columns & LANE) === 0 ? 0 : this.rows * 8)
    this.expiresAt = this.notBeforeAt + ((columns & NOT_BEFORE) === 0 ? 0 : this.rows * 8)
    this.prioritiesAt = this.expiresAt + ((columns & EXPIRES) === 0 ? 0 : this.rows * 8)
    this.dedupAt = this.prioritiesAt + ((columns & PRIORITY) === 0 ? 0 : this.rows)
    return true
  }

  /** Lane of the key of record `row`, or NO_LANE. */
  laneOf (row: number): number {
    return (this.columns & LANE) === 0 ? NO_LANE : readInt64(this.bytes, this.lanesAt + row * 8)
  }

  /** Time before which record `row` is not handed out, in milliseconds since 1970-01-01 UTC; 0 for none. */
  notBeforeOf (row: number): number {
    return (this.columns & NOT_BEFORE) === 0 ? 0 : readInt64(this.bytes, this.notBeforeAt + row * 8)
  }

  /** Time after which record `row` is of no use, in milliseconds since 1970-01-01 UTC; 0 for never. */
  expiresOf (row: number): number {
    return (this.columns & EXPIRES) === 0 ? 0 : readInt64(this.bytes, this.expiresAt + row * 8)
  }

  /** Priority of record `row`. */
  priorityOf (row: number): number {
    return (this.columns & PRIORITY) === 0 ? 0 : this.bytes[this.prioritiesAt + row]!
  }

  /** True where record `row` has a dedup id. */
  hasDedup (row: number): boolean {
    return (this.columns & DEDUP) !== 0 && (this.dedupWordOf(row, 0) !== 0 || this.dedupWordOf(row, 1) !== 0 ||
      this.dedupWordOf(row, 2) !== 0 || this.dedupWordOf(row, 3) !== 0)
  }

  /** Word 0 to 3 of the dedup key of record `row`, which has one: a u32, big-endian. */
  dedupWordOf (row: number, word: number): number {
    return this.bytes.readUInt32BE(this.dedupAt + row * DEDUP_KEY_BYTES + word * 4)
  }
}

const checker = new RecordExtrasReader()

/**
 * Checks the extras of a batch that a client wants to have appended: layout, and that every value is in range. What
 * depends on the queue and the clock (a delay that is too long, a key that is missing) is the broker's to check.
 *
 * @param position of the batch, whose header was checked
 * @returns what is wrong, for people; null where all is well or there are no extras
 */
export function recordExtrasFault (batch: Buffer, position = 0): string | null {
  if (!checker.open(batch, position)) return 'the extras are of an unknown version, or their size is not that of their columns'
  const { columns, rows } = checker
  if (columns === 0) return null
  for (let row = 0; row < rows; row++) {
    const lane = checker.laneOf(row)
    if (!(lane >= NO_LANE && lane <= LANE_MAX)) return `record ${row}: the lane is not -1 to ${LANE_MAX}`
    const notBefore = checker.notBeforeOf(row)
    if (!(notBefore >= 0 && notBefore <= TIMESTAMP_MAX)) return `record ${row}: notBefore is not 0 to ${TIMESTAMP_MAX}`
    const expires = checker.expiresOf(row)
    if (!(expires >= 0 && expires <= TIMESTAMP_MAX)) return `record ${row}: expires is not 0 to ${TIMESTAMP_MAX}`
    const priority = checker.priorityOf(row)
    if (priority > PRIORITY_MAX) return `record ${row}: the priority is not 0 to ${PRIORITY_MAX}`
  }
  return null
}
