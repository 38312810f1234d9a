// Builds the extras of record batches; record-extras.ts has their layout.

import { TIMESTAMP_MAX, writeInt64 } from './batch-header.js'
import { LANE_MAX, NO_LANE } from './lane.js'
import {
  DEDUP_KEY_BYTES, EXTRAS_COLUMN, EXTRAS_HEADER_BYTES, EXTRAS_VERSION, extrasSizeOf, PRIORITY_MAX, type RecordExtras,
} from './record-extras.js'

const { lane: LANE, notBefore: NOT_BEFORE, expires: EXPIRES, priority: PRIORITY, dedup: DEDUP } = EXTRAS_COLUMN
const ROWS_AT_FIRST = 16

/** Builds the extras of batches one after the other: one `append` per record, in the order of the records. */
export class RecordExtrasBuilder {
  private count = 0
  private columns = 0
  private capacity = ROWS_AT_FIRST
  private lanes = new Float64Array(ROWS_AT_FIRST).fill(NO_LANE)
  private notBefore = new Float64Array(ROWS_AT_FIRST)
  private expires = new Float64Array(ROWS_AT_FIRST)
  private priorities = new Uint8Array(ROWS_AT_FIRST)
  private dedupKeys = new Uint8Array(ROWS_AT_FIRST * DEDUP_KEY_BYTES)

  /** Size of what `build` would give now, in bytes. */
  get sizeBytes (): number { return this.columns === 0 ? 0 : extrasSizeOf(this.columns, this.count) }

  /**
   * Adds the row of the next record.
   *
   * @throws RangeError for a value out of range; the builder is as it was.
   */
  append (extras?: RecordExtras): void {
    if (extras !== undefined) checkRow(extras)
    if (this.count === this.capacity) this.grow()
    const row = this.count++
    if (extras === undefined) return
    const { lane = NO_LANE, notBefore = 0, expires = 0, priority = 0, dedupKey } = extras
    if (lane !== NO_LANE) {
      this.columns |= LANE
      this.lanes[row] = lane
    }
    if (notBefore !== 0) {
      this.columns |= NOT_BEFORE
      this.notBefore[row] = notBefore
    }
    if (expires !== 0) {
      this.columns |= EXPIRES
      this.expires[row] = expires
    }
    if (priority !== 0) {
      this.columns |= PRIORITY
      this.priorities[row] = priority
    }
    if (dedupKey !== undefined) {
      this.columns |= DEDUP
      this.dedupKeys.set(dedupKey, row * DEDUP_KEY_BYTES)
    }
  }

  /** The extras, for `RecordBatchBuilder.build`; undefined where no record has any. The builder is empty afterwards. */
  build (): Buffer | undefined {
    const { columns, count } = this
    const bytes = columns === 0 ? undefined : Buffer.allocUnsafe(extrasSizeOf(columns, count))
    if (bytes !== undefined) this.write(bytes)
    this.clear()
    return bytes
  }

  /** Drops what was added. */
  clear (): void {
    const { columns, count } = this
    if ((columns & LANE) !== 0) this.lanes.fill(NO_LANE, 0, count)
    if ((columns & NOT_BEFORE) !== 0) this.notBefore.fill(0, 0, count)
    if ((columns & EXPIRES) !== 0) this.expires.fill(0, 0, count)
    if ((columns & PRIORITY) !== 0) this.priorities.fill(0, 0, count)
    if ((columns & DEDUP) !== 0) this.dedupKeys.fill(0, 0, count * DEDUP_KEY_BYTES)
    this.count = 0
    this.columns = 0
  }

  private write (bytes: Buffer): void {
    const { columns, count } = this
    bytes.writeUInt16BE(EXTRAS_VERSION, 0)
    bytes.writeUInt16BE(columns, 2)
    let at = EXTRAS_HEADER_BYTES
    if ((columns & LANE) !== 0) at = writeColumn(bytes, this.lanes, count, at)
    if ((columns & NOT_BEFORE) !== 0) at = writeColumn(bytes, this.notBefore, count, at)
    if ((columns & EXPIRES) !== 0) at = writeColumn(bytes, this.expires, count, at)
    if ((columns & PRIORITY) !== 0) {
      bytes.set(this.priorities.subarray(0, count), at)
      at += count
    }
    if ((columns & DEDUP) !== 0) bytes.set(this.dedupKeys.subarray(0, count * DEDUP_KEY_BYTES), at)
  }

  private grow (): void {
    const { capacity } = this
    this.capacity = capacity * 2
    const lanes = new Float64Array(this.capacity).fill(NO_LANE, capacity)
    lanes.set(this.lanes)
    this.lanes = lanes
    this.notBefore = grown(this.notBefore)
    this.expires = grown(this.expires)
    const priorities = new Uint8Array(this.capacity)
    priorities.set(this.priorities)
    this.priorities = priorities
    const dedupKeys = new Uint8Array(this.capacity * DEDUP_KEY_BYTES)
    dedupKeys.set(this.dedupKeys)
    this.dedupKeys = dedupKeys
  }
}

function writeColumn (bytes: Buffer, values: Float64Array, count: number, at: number): number {
  for (let row = 0; row < count; row++) writeInt64(bytes, values[row]!, at + row * 8)
  return at + count * 8
}

function grown (values: Float64Array): Float64Array<ArrayBuffer> {
  const more = new Float64Array(values.length * 2)
  more.set(values)
  return more
}

function checkRow ({ lane = NO_LANE, notBefore = 0, expires = 0, priority = 0, dedupKey }: RecordExtras): void {
  checkRange('lane', lane, NO_LANE, LANE_MAX)
  checkRange('notBefore', notBefore, 0, TIMESTAMP_MAX)
  checkRange('expires', expires, 0, TIMESTAMP_MAX)
  checkRange('priority', priority, 0, PRIORITY_MAX)
  if (dedupKey !== undefined && dedupKey.length !== DEDUP_KEY_BYTES) {
    throw new RangeError(`a dedup key of ${dedupKey.length} bytes: it must have ${DEDUP_KEY_BYTES}, as dedupKeyOf gives it`)
  }
}

function checkRange (name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} is ${value}; it must be an integer from ${min} to ${max}`)
  }
}
