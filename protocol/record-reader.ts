// Reads the records of a batch one by one, without an object per record.
//
// `RecordReader` is a cursor: `next()` moves it and its fields say where key, value and headers of the record lie in
// `bytes`. Whoever wants to keep something takes it out before moving on. Nothing is trusted: a record that does not
// fit its batch ends the reading with a CorruptBatchError, whatever the bytes.

import { BATCH_HEADER_BYTES, BATCH_POSITION, readInt64, TIMESTAMP_MAX } from './batch-header.js'
import { CODEC, decompressSync } from './codec.js'
import { HEADER_COUNT_MAX } from './record-batch-builder.js'
import { readVarint, unzigzag, type ReadPosition } from './varint.js'

/** The records of a batch do not follow the format although its checksum holds: a faulty producer wrote it. */
export class CorruptBatchError extends Error {
  readonly baseOffset: number

  constructor (baseOffset: number, message: string) {
    super(`record batch at offset ${baseOffset}: ${message}`)
    this.name = 'CorruptBatchError'
    this.baseOffset = baseOffset
  }
}

const NO_BYTES = Buffer.alloc(0)
const SLOW: ReadPosition = { position: 0 }

/** What the records of a batch have in common: the memory they lie in, and what they count from. */
export interface RecordMemory {
  /** The batch as it came, or its decompressed records. */
  readonly bytes: Buffer
  /** What `bytes` is a view of, from `start` on: making a view of this costs half as much. */
  readonly buffer: ArrayBufferLike
  readonly start: number
  readonly baseOffset: number
  /** Milliseconds since 1970-01-01 UTC. */
  readonly firstTimestamp: number
}

const NO_MEMORY: RecordMemory = { bytes: NO_BYTES, buffer: NO_BYTES.buffer, start: 0, baseOffset: 0, firstTimestamp: 0 }

/** Reads batches one after the other; see the head of this file. */
export class RecordReader {
  /** What the positions below refer to: the batch itself, or its decompressed records. */
  bytes: Buffer = NO_BYTES
  /** `bytes` for whoever keeps records: one object for all of a batch. */
  memory = NO_MEMORY
  /** Offset of the record, less that of the batch. Whoever keeps records keeps small integers, which need no box. */
  offsetDelta = 0
  /** Its timestamp, less the first one of the batch. */
  timestampDelta = 0
  /** Position of the key; -1 where it is null. */
  keyStart = -1
  keyEnd = -1
  /** Position of the value; -1 where it is null. */
  valueStart = -1
  valueEnd = -1
  /** Position of the number of headers, which the headers follow. */
  headersAt = 0
  /** Position after the record. */
  recordEnd = 0

  private end = 0
  private remaining = 0
  private lastDelta = -1
  private limitDelta = 0
  /** Of the next record; behind the field when `varint` returns. */
  private position = 0

  /**
   * Starts on the batch at `position`, whose bytes are all there (checkBatch).
   *
   * @throws CodecError where its records cannot be decompressed.
   */
  open (batch: Buffer, position = 0): this {
    const size = batch.readUInt32BE(position + BATCH_POSITION.size)
    const recordsStart = position + BATCH_HEADER_BYTES + batch.readUInt32BE(position + BATCH_POSITION.extrasSize)
    const codec = batch[position + BATCH_POSITION.codec]!
    if (codec === CODEC.none) {
      this.bytes = batch
      this.position = recordsStart
      this.end = position + size
    } else {
      this.bytes = decompressSync(codec, batch.subarray(recordsStart, position + size))
      this.position = 0
      this.end = this.bytes.length
    }
    const baseOffset = readInt64(batch, position)
    this.memory = {
      bytes: this.bytes,
      buffer: this.bytes.buffer,
      start: this.bytes.byteOffset,
      baseOffset,
      firstTimestamp: readInt64(batch, position + BATCH_POSITION.firstTimestamp),
    }
    this.lastDelta = -1
    // NaN stands for what no safe integer holds: then no record has an offset.
    this.limitDelta = Number.isNaN(baseOffset) ? 0 : batch.readUInt32BE(position + BATCH_POSITION.lastOffsetDelta) + 1
    this.remaining = batch.readUInt32BE(position + BATCH_POSITION.recordCount)
    return this
  }

  /** Lets go of the batch. */
  close (): void {
    this.bytes = NO_BYTES
    this.memory = NO_MEMORY
    this.position = this.end = this.remaining = 0
  }

  /**
   * Moves to the next record; false after the last.
   *
   * @throws CorruptBatchError
   */
  next (): boolean {
    if (this.remaining === 0) {
      if (this.position !== this.end) throw this.corrupt('bytes are left over behind the last record')
      return false
    }
    this.remaining--
    const { bytes, end } = this
    // Fields of one byte are read in line, others by a call. Reading in line may run past the end of a record that lies
    // about its fields; what it finds there is refused, since no field may end behind its record.
    let position = this.position
    let length = bytes[position]!
    if (length < 0x80) position++
    else { length = this.varint(position, end); position = this.position }
    const recordEnd = position + length
    if (!(length >= 0 && recordEnd <= end)) throw this.corrupt('a record is longer than the batch')
    let offsetDelta = bytes[position]!
    if (offsetDelta < 0x80) position++
    else { offsetDelta = this.varint(position, recordEnd); position = this.position }
    let timestampField = bytes[position]!
    if (timestampField < 0x80) position++
    else { timestampField = this.varint(position, recordEnd); position = this.position }
    if (!(offsetDelta > this.lastDelta && offsetDelta < this.limitDelta)) {
      throw this.corrupt('offsets of its records do not rise inside the batch')
    }
    const timestampDelta = timestampField < 0x80000000
      ? (timestampField >>> 1) ^ -(timestampField & 1)
      : unzigzag(timestampField)
    const timestamp = this.memory.firstTimestamp + timestampDelta
    // Written so that NaN fails.
    if (!(timestampField >= 0 && timestamp >= 0 && timestamp <= TIMESTAMP_MAX)) {
      throw this.corrupt('a timestamp is out of range')
    }
    this.offsetDelta = this.lastDelta = offsetDelta
    this.timestampDelta = timestampDelta
    let keySize = bytes[position]!
    if (keySize < 0x80) position++
    else { keySize = this.varint(position, recordEnd); position = this.position }
    if (keySize === 0) {
      this.keyStart = this.keyEnd = -1
    } else {
      this.keyStart = position
      this.keyEnd = position += keySize - 1
      if (!(keySize > 0 && position <= recordEnd)) throw this.corrupt('a key is longer than its record')
    }
    let valueSize = bytes[position]!
    if (valueSize < 0x80) position++
    else { valueSize = this.varint(position, recordEnd); position = this.position }
    if (valueSize === 0) {
      this.valueStart = this.valueEnd = -1
    } else {
      this.valueStart = position
      this.valueEnd = position += valueSize - 1
      if (!(valueSize > 0 && position <= recordEnd)) throw this.corrupt('a value is longer than its record')
    }
    this.headersAt = position
    let headerCount = bytes[position]!
    if (headerCount < 0x80) position++
    else { headerCount = this.varint(position, recordEnd); position = this.position }
    if (!(headerCount >= 0 && headerCount <= recordEnd - position)) throw this.corrupt('headers are cut off')
    if (headerCount > HEADER_COUNT_MAX) throw this.corrupt('a record has too many headers')
    this.position = this.recordEnd = recordEnd
    return true
  }

  /** Offset of the record. */
  get offset (): number { return this.memory.baseOffset + this.offsetDelta }

  /** Milliseconds since 1970-01-01 UTC. */
  get timestamp (): number { return this.memory.firstTimestamp + this.timestampDelta }

  /** The key: a view of `bytes`, or null. */
  get key (): Buffer | null {
    return this.keyStart < 0 ? null : this.bytes.subarray(this.keyStart, this.keyEnd)
  }

  /** The value: a view of `bytes`, or null. */
  get value (): Buffer | null {
    return this.valueStart < 0 ? null : this.bytes.subarray(this.valueStart, this.valueEnd)
  }

  /**
   * The headers in order; values are views of `bytes`.
   *
   * @throws CorruptBatchError
   */
  headers (): { name: string, value: Buffer | null }[] {
    return readHeaders(this.bytes, this.headersAt, this.recordEnd, this.memory.baseOffset)
  }

  /** A field of more than one byte at `position`: moves `this.position` behind it; negative where it is cut off. */
  private varint (position: number, end: number): number {
    const second = this.bytes[position + 1]!
    if (second < 0x80 && position + 2 <= end) {
      this.position = position + 2
      return (this.bytes[position]! & 0x7f) | (second << 7)
    }
    SLOW.position = position
    const value = readVarint(this.bytes, SLOW, end)
    this.position = SLOW.position
    return value
  }

  private corrupt (message: string): CorruptBatchError {
    return new CorruptBatchError(this.memory.baseOffset, message)
  }
}

/**
 * Reads the headers of a record that ends at `end`; their number lies at `position`.
 *
 * @throws CorruptBatchError
 */
export function readHeaders (
  bytes: Buffer, position: number, end: number, baseOffset: number,
): { name: string, value: Buffer | null }[] {
  if (bytes[position] === 0) return []
  const at = { position }
  const headers: { name: string, value: Buffer | null }[] = []
  for (let left = readSmall(bytes, at, end); left > 0; left--) {
    const nameSize = readSmall(bytes, at, end)
    if (nameSize < 0 || at.position + nameSize > end) throw new CorruptBatchError(baseOffset, 'a header name is cut off')
    const name = bytes.utf8Slice(at.position, at.position + nameSize)
    at.position += nameSize
    const valueSize = readSmall(bytes, at, end) - 1
    if (valueSize < -1 || at.position + valueSize > end) throw new CorruptBatchError(baseOffset, 'a header value is cut off')
    headers.push({ name, value: valueSize < 0 ? null : bytes.subarray(at.position, at.position + valueSize) })
    if (valueSize > 0) at.position += valueSize
  }
  return headers
}

/** readVarint with the one- and two-byte cases in line; what is cut off comes out as a negative number. */
function readSmall (bytes: Buffer, at: ReadPosition, end: number): number {
  const position = at.position
  if (position + 2 <= end) {
    const first = bytes[position]!
    if (first < 0x80) {
      at.position = position + 1
      return first
    }
    const second = bytes[position + 1]!
    if (second < 0x80) {
      at.position = position + 2
      return (first & 0x7f) | (second << 7)
    }
  }
  return readVarint(bytes, at, end)
}
