// Builds one record batch in one growing buffer, without an object per record.
//
//   header (84 bytes, filled in by `build`) │ record │ record │ …
//
//   record = length varint          bytes of the record after this field
//            offsetDelta varint     0, 1, 2, …
//            timestampDelta varint  zigzag, against firstTimestamp, milliseconds
//            keySize varint         size + 1; 0 means null        │ key
//            valueSize varint       size + 1; 0 means null        │ value
//            headerCount varint     per header: nameSize varint, name (UTF-8), valueSize varint (size + 1), value
//
// A reader uses `length` to find the next record, so fields may be added behind the headers later.
//
// Strings are written as UTF-8 straight into the buffer: first as if every character took one byte, which is true of
// most text; where it is not, the record is written again with measured sizes.

import {
  BATCH_CRC_START, BATCH_HEADER_BYTES, BATCH_MAGIC, BATCH_POSITION, NO_PRODUCER_ID, NO_SEQUENCE, TIMESTAMP_MAX,
  writeInt64,
} from './batch-header.js'
import { CODEC, compressSync, type CodecName } from './codec.js'
import { crc32c } from './crc32c.js'
import { varintSize, writeVarint, zigzag } from './varint.js'

/** Bytes of a key or value; a string stands for its UTF-8. */
export type RecordBytes = Uint8Array | string | null

/** A header of a record. Names may repeat. */
export interface RecordHeader { name: string, value: RecordBytes }

/** Who wrote a batch, for deduplication. */
export interface ProducerStamp { producerId: number, producerEpoch: number, baseSequence: number }

const NO_PRODUCER: ProducerStamp = { producerId: NO_PRODUCER_ID, producerEpoch: 0, baseSequence: NO_SEQUENCE }
const INITIAL_BYTES = 4 * 1024
const NO_BYTES = Buffer.alloc(0)
/** Most headers of one record. A header of two bytes becomes an object in the reader: without a bound, a small batch
 * could fill the memory of every consumer. */
export const HEADER_COUNT_MAX = 65_535
/** The fixed fields of a record at their largest: length, offset delta, timestamp delta, two sizes, header count. */
const RECORD_OVERHEAD_BYTES_MAX = 6 * 8

/** Most bytes that a record can add to a batch, for deciding whether it still fits. Strings count three a character. */
export function recordBytesMax (key: RecordBytes, value: RecordBytes, headers?: readonly RecordHeader[]): number {
  let bytes = RECORD_OVERHEAD_BYTES_MAX + bytesMax(key) + bytesMax(value)
  if (headers !== undefined) {
    for (const header of headers) bytes += 16 + bytesMax(header.name) + bytesMax(header.value)
  }
  return bytes
}

/** Builds batches one after the other; `build` hands a batch over and leaves the builder empty. */
export class RecordBatchBuilder {
  private readonly targetBytes: number
  /** Empty between a batch that was handed over and the next record. */
  private bytes: Buffer
  /** How large the memory of the next batch begins. */
  private nextBytes: number
  private end = BATCH_HEADER_BYTES
  private count = 0
  private firstTimestamp = 0
  private maxTimestamp = 0

  /**
   * @param initialBytes first size of the buffer; it doubles as needed.
   * @param targetBytes size that batches are meant to stay below: the buffer grows past it only for a record that needs
   *   it.
   */
  constructor (initialBytes = INITIAL_BYTES, targetBytes = Infinity) {
    this.targetBytes = targetBytes
    this.nextBytes = Math.max(initialBytes, BATCH_HEADER_BYTES * 2)
    this.bytes = NO_BYTES
  }

  /** Records added since the last `build`. */
  get recordCount (): number { return this.count }

  /** Bytes that the batch has so far, before compression, header included. */
  get size (): number { return this.end }

  /**
   * Adds a record.
   *
   * @param timestampMs milliseconds since 1970-01-01 UTC, an integer from 0 to TIMESTAMP_MAX.
   * @param headers at most HEADER_COUNT_MAX.
   * @throws RangeError for a timestamp or a number of headers out of range; the batch is as it was.
   */
  append (key: RecordBytes, value: RecordBytes, timestampMs: number, headers?: readonly RecordHeader[]): void {
    if (!Number.isInteger(timestampMs) || timestampMs < 0 || timestampMs > TIMESTAMP_MAX) {
      throw new RangeError(`timestamp ${timestampMs} is not an integer from 0 to ${TIMESTAMP_MAX} (milliseconds)`)
    }
    if (headers !== undefined && headers.length > HEADER_COUNT_MAX) {
      throw new RangeError(`${headers.length} headers are above the ${HEADER_COUNT_MAX} that a record may have`)
    }
    if (this.count === 0) {
      this.firstTimestamp = timestampMs
      this.maxTimestamp = timestampMs
    } else if (timestampMs > this.maxTimestamp) {
      this.maxTimestamp = timestampMs
    }
    if (headers !== undefined && headers.length > 0) {
      this.appendWithHeaders(key, value, timestampMs, headers)
    } else if (!this.appendGuessing(key, value, timestampMs)) {
      this.appendMeasured(key, value, timestampMs)
    }
    this.count++
  }

  /** Finishes the batch: the caller's own Buffer, ready to send. The builder is empty afterwards, for the next one. */
  build (options: { codec?: CodecName, producer?: ProducerStamp, flags?: number, extras?: Buffer } = {}): Buffer {
    if (this.count === 0) throw new RangeError('a record batch holds at least one record')
    const { codec = 'none', producer = NO_PRODUCER, flags = 0, extras } = options
    const records = this.bytes.subarray(BATCH_HEADER_BYTES, this.end)
    let batch: Buffer
    let usedCodec: CodecName = 'none'
    if (codec === 'none' && extras === undefined) {
      batch = this.bytes.subarray(0, this.end)
    } else {
      const packed = codec === 'none' ? records : compressSync(codec, records)
      // Compression that does not help is left out: the reader then has nothing to undo.
      usedCodec = packed.length < records.length ? codec : 'none'
      batch = assemble(usedCodec === 'none' ? records : packed, extras)
    }
    writeBatchHeader(batch, {
      codec: CODEC[usedCodec],
      flags,
      recordCount: this.count,
      lastOffsetDelta: this.count - 1,
      firstTimestamp: this.firstTimestamp,
      maxTimestamp: this.maxTimestamp,
      extrasSize: extras?.length ?? 0,
      ...producer,
    })
    this.reset(batch)
    return batch
  }

  /** Builds the next batch in memory that nobody else uses; no effect on a builder that has records, or memory. */
  useMemory (memory: Buffer): void {
    if (this.bytes.length === 0) this.bytes = memory
  }

  /** Drops what was added. */
  clear (): void {
    this.end = BATCH_HEADER_BYTES
    this.count = 0
  }

  private reset (handedOver: Buffer): void {
    if (handedOver.buffer === this.bytes.buffer) {
      // The next batch is probably as large as this one.
      this.nextBytes = this.bytes.length
      this.bytes = NO_BYTES
    }
    this.clear()
  }

  private ensure (extraBytes: number): void {
    const needed = this.end + extraBytes
    if (needed <= this.bytes.length) return
    if (this.bytes.length === 0) {
      this.bytes = Buffer.allocUnsafeSlow(Math.max(needed, this.nextBytes))
      return
    }
    const doubled = Math.min(this.bytes.length * 2, Math.max(this.targetBytes, this.bytes.length))
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, doubled))
    this.bytes.copy(grown, 0, 0, this.end)
    this.bytes = grown
  }

  /** Writes the record taking strings for one byte a character; false, with nothing written, where that was wrong. */
  private appendGuessing (key: RecordBytes, value: RecordBytes, timestampMs: number): boolean {
    const keySize = key === null ? 0 : key.length
    const valueSize = value === null ? 0 : value.length
    const offsetDelta = this.count
    const timestampDelta = zigzag(timestampMs - this.firstTimestamp)
    const keyField = key === null ? 0 : keySize + 1
    const valueField = value === null ? 0 : valueSize + 1
    const length = sizeOf(offsetDelta) + sizeOf(timestampDelta) + sizeOf(keyField) + keySize +
      sizeOf(valueField) + valueSize + 1
    // A string may turn out to need three bytes a character before the guess is found wrong.
    const spill = (typeof key === 'string' ? keySize * 2 : 0) + (typeof value === 'string' ? valueSize * 2 : 0)
    this.ensure(length + 8 + spill)
    const bytes = this.bytes
    let at = putVarint(bytes, length, this.end)
    at = putVarint(bytes, offsetDelta, at)
    at = putVarint(bytes, timestampDelta, at)
    at = putVarint(bytes, keyField, at)
    if (typeof key === 'string') {
      if (bytes.utf8Write(key, at) !== keySize) return false
    } else if (key !== null) {
      bytes.set(key, at)
    }
    at = putVarint(bytes, valueField, at + keySize)
    if (typeof value === 'string') {
      if (bytes.utf8Write(value, at) !== valueSize) return false
    } else if (value !== null) {
      bytes.set(value, at)
    }
    at += valueSize
    bytes[at++] = 0
    this.end = at
    return true
  }

  private appendMeasured (key: RecordBytes, value: RecordBytes, timestampMs: number): void {
    this.appendGuessing(encoded(key), encoded(value), timestampMs)
  }

  private appendWithHeaders (
    keyGiven: RecordBytes, valueGiven: RecordBytes, timestampMs: number, headers: readonly RecordHeader[],
  ): void {
    const key = encoded(keyGiven)
    const value = encoded(valueGiven)
    const encodedHeaders = headers.map(header => ({ name: encoded(header.name)!, value: encoded(header.value) }))
    const timestampDelta = zigzag(timestampMs - this.firstTimestamp)
    let length = varintSize(this.count) + varintSize(timestampDelta) + nullableSize(key) + nullableSize(value) +
      varintSize(headers.length)
    for (const header of encodedHeaders) {
      length += varintSize(header.name.length) + header.name.length + nullableSize(header.value)
    }
    this.ensure(length + 8)
    const bytes = this.bytes
    let at = writeVarint(bytes, length, this.end)
    at = writeVarint(bytes, this.count, at)
    at = writeVarint(bytes, timestampDelta, at)
    at = writeNullable(bytes, key, at)
    at = writeNullable(bytes, value, at)
    at = writeVarint(bytes, headers.length, at)
    for (const header of encodedHeaders) {
      at = writeVarint(bytes, header.name.length, at)
      bytes.set(header.name, at)
      at = writeNullable(bytes, header.value, at + header.name.length)
    }
    this.end = at
  }
}

/** Fields of the part of the header that the producer makes. */
export interface BatchFields extends ProducerStamp {
  codec: number
  flags: number
  recordCount: number
  lastOffsetDelta: number
  firstTimestamp: number
  maxTimestamp: number
  extrasSize: number
}

/** Writes the producer's part of the header over the first bytes of `batch`, with its CRC; the stamp becomes zeros. */
export function writeBatchHeader (batch: Buffer, fields: BatchFields): void {
  batch.fill(0, 0, BATCH_CRC_START)
  batch.writeUInt32BE(batch.length, BATCH_POSITION.size)
  batch[BATCH_POSITION.magic] = BATCH_MAGIC
  batch[BATCH_POSITION.codec] = fields.codec
  batch.writeUInt16BE(fields.flags, BATCH_POSITION.flags)
  batch.writeUInt32BE(fields.recordCount, BATCH_POSITION.recordCount)
  batch.writeUInt32BE(fields.lastOffsetDelta, BATCH_POSITION.lastOffsetDelta)
  writeInt64(batch, fields.firstTimestamp, BATCH_POSITION.firstTimestamp)
  writeInt64(batch, fields.maxTimestamp, BATCH_POSITION.maxTimestamp)
  writeInt64(batch, fields.producerId, BATCH_POSITION.producerId)
  batch.writeInt32BE(fields.baseSequence, BATCH_POSITION.baseSequence)
  batch.writeUInt16BE(fields.producerEpoch, BATCH_POSITION.producerEpoch)
  batch.writeUInt16BE(0, BATCH_POSITION.reserved)
  batch.writeUInt32BE(fields.extrasSize, BATCH_POSITION.extrasSize)
  batch.writeUInt32BE(crc32c(batch.subarray(BATCH_CRC_START)), BATCH_POSITION.crc)
}

function assemble (records: Buffer, extras: Buffer | undefined): Buffer {
  const extrasSize = extras?.length ?? 0
  const batch = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + extrasSize + records.length)
  if (extras !== undefined) batch.set(extras, BATCH_HEADER_BYTES)
  batch.set(records, BATCH_HEADER_BYTES + extrasSize)
  return batch
}

function sizeOf (value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : varintSize(value)
}

function putVarint (bytes: Buffer, value: number, at: number): number {
  if (value < 0x80) {
    bytes[at] = value
    return at + 1
  }
  if (value < 0x4000) {
    bytes[at] = (value & 0x7f) | 0x80
    bytes[at + 1] = value >>> 7
    return at + 2
  }
  return writeVarint(bytes, value, at)
}

function bytesMax (value: RecordBytes): number {
  return value === null ? 0 : typeof value === 'string' ? value.length * 3 : value.length
}

function encoded (value: RecordBytes): Uint8Array | null {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : value
}

function nullableSize (value: Uint8Array | null): number {
  return value === null ? 1 : varintSize(value.length + 1) + value.length
}

function writeNullable (bytes: Buffer, value: Uint8Array | null, at: number): number {
  if (value === null) {
    bytes[at] = 0
    return at + 1
  }
  at = writeVarint(bytes, value.length + 1, at)
  bytes.set(value, at)
  return at + value.length
}
