// The header of a record batch: 84 bytes, big-endian, the same on the wire, on disk and between replicas.
//
//    0                   8         12        16                  24        28        32
//    ├ baseOffset i64 ───┼ size u32┼ epoch u32┼ committed i64 ───┼ prevCrc ┼ headCrc ┤   stamped by the leader
//    └────────────── covered by headCrc ───────────────────────────────────┘
//   32        36   37   38   40        44             48                 56                 64
//    ├ crc u32 ┼mag ┼codec┼flg┼ count u32┼ lastDelta u32┼ firstTimestamp i64┼ maxTimestamp i64 ─┤   by the producer
//   64                  72          76      78     80         84
//    ├ producerId i64 ──┼ baseSeq i32┼ pEpoch┼ resv ┼ extras u32┤ extras … ┤ records … ┤
//              └────────────── covered by crc: bytes 36 up to size ─────────────────────┘
//
// The leader stamps the first 32 bytes when it appends; the producer makes all the rest and the broker never touches
// it, so one CRC holds from the producer's memory to the consumer's. Stamping costs a 28-byte CRC, not a copy.
//
// - `size` counts the whole batch, header included.
// - `prevCrc` is `crc` of the batch before it in the log (0 before the first): a chain. A lost or misdirected write
//   breaks it, and stale bytes behind the end of a recycled segment do not continue it.
// - `committedOffset`: everything below it was durable, in the log of who stamped it, at that moment. With
//   it a log tells damage from a torn tail by itself: what a valid batch calls committed must be there.

import { crc32c } from './crc32c.js'

/** Bytes of the fixed header. */
export const BATCH_HEADER_BYTES = 84
/** The first byte after the stamped part that `crc` covers. */
export const BATCH_CRC_START = 36
/** Fewest bytes that a record takes: six varints of one byte. */
export const RECORD_BYTES_MIN = 6
/** Highest timestamp, in milliseconds since 1970-01-01 UTC; the lowest is 0. Differences stay exact in zigzag. */
export const TIMESTAMP_MAX = 2 ** 52 - 1
/** Value of the magic byte of this layout. */
export const BATCH_MAGIC = 1
/** Largest batch that the format allows, in bytes; brokers and topics set lower limits. */
export const BATCH_BYTES_MAX = 64 * 1024 * 1024
/** Producer id of a batch without an idempotent producer. */
export const NO_PRODUCER_ID = -1
/** Base sequence of a batch without an idempotent producer. */
export const NO_SEQUENCE = -1
/** Highest sequence; the one after it is 0. */
export const SEQUENCE_MAX = 0x7fffffff

/** Byte positions of the header fields. */
export const BATCH_POSITION = {
  baseOffset: 0,
  size: 8,
  leaderEpoch: 12,
  committedOffset: 16,
  prevCrc: 24,
  headerCrc: 28,
  crc: 32,
  magic: 36,
  codec: 37,
  flags: 38,
  recordCount: 40,
  lastOffsetDelta: 44,
  firstTimestamp: 48,
  maxTimestamp: 56,
  producerId: 64,
  baseSequence: 72,
  producerEpoch: 76,
  reserved: 78,
  extrasSize: 80,
} as const

/** Bits of the flags field (u16). */
export const BATCH_FLAG = {
  /** The records are messages of the brokers to each other, not of users; clients skip them. */
  control: 1 << 0,
  /** The records are encrypted by the client. */
  encrypted: 1 << 1,
} as const

/** A decoded header. Offsets and times are safe integers. */
export interface BatchHeader {
  baseOffset: number
  size: number
  leaderEpoch: number
  committedOffset: number
  prevCrc: number
  headerCrc: number
  crc: number
  magic: number
  codec: number
  flags: number
  recordCount: number
  lastOffsetDelta: number
  firstTimestamp: number
  maxTimestamp: number
  producerId: number
  baseSequence: number
  producerEpoch: number
  extrasSize: number
}

/** What a leader stamps onto a batch when it appends it. */
export interface BatchStamp {
  baseOffset: number
  leaderEpoch: number
  committedOffset: number
  prevCrc: number
}

/** Why bytes are not a valid batch. */
export type BatchFault =
  | 'short' // fewer bytes than the header or than its size field says: more may be on the way
  | 'header-crc' // the stamped part is damaged
  | 'size' // the size is impossible
  | 'crc' // the rest is damaged
  | 'magic' // a layout that this version does not know
  | 'fields' // checksums hold but the fields contradict each other

const TWO_32 = 0x100000000

/** Reads an i64 that is a safe integer; anything else comes out as NaN, which fails every comparison. */
export function readInt64 (bytes: Buffer, position: number): number {
  const high = bytes.readInt32BE(position)
  if (high > 0x1fffff || high < -0x200000) return NaN
  const value = high * TWO_32 + bytes.readUInt32BE(position + 4)
  return value < Number.MIN_SAFE_INTEGER ? NaN : value
}

/** Writes a safe integer as i64. */
export function writeInt64 (bytes: Buffer, value: number, position: number): void {
  const high = Math.floor(value / TWO_32)
  bytes.writeInt32BE(high, position)
  bytes.writeUInt32BE(value - high * TWO_32, position + 4)
}

/** Reads all fields at `position`; checks nothing but that the bytes are there. */
export function readBatchHeader (bytes: Buffer, position = 0): BatchHeader {
  return {
    baseOffset: readInt64(bytes, position),
    size: bytes.readUInt32BE(position + BATCH_POSITION.size),
    leaderEpoch: bytes.readUInt32BE(position + BATCH_POSITION.leaderEpoch),
    committedOffset: readInt64(bytes, position + BATCH_POSITION.committedOffset),
    prevCrc: bytes.readUInt32BE(position + BATCH_POSITION.prevCrc),
    headerCrc: bytes.readUInt32BE(position + BATCH_POSITION.headerCrc),
    crc: bytes.readUInt32BE(position + BATCH_POSITION.crc),
    magic: bytes.readUInt8(position + BATCH_POSITION.magic),
    codec: bytes.readUInt8(position + BATCH_POSITION.codec),
    flags: bytes.readUInt16BE(position + BATCH_POSITION.flags),
    recordCount: bytes.readUInt32BE(position + BATCH_POSITION.recordCount),
    lastOffsetDelta: bytes.readUInt32BE(position + BATCH_POSITION.lastOffsetDelta),
    firstTimestamp: readInt64(bytes, position + BATCH_POSITION.firstTimestamp),
    maxTimestamp: readInt64(bytes, position + BATCH_POSITION.maxTimestamp),
    producerId: readInt64(bytes, position + BATCH_POSITION.producerId),
    baseSequence: bytes.readInt32BE(position + BATCH_POSITION.baseSequence),
    producerEpoch: bytes.readUInt16BE(position + BATCH_POSITION.producerEpoch),
    extrasSize: bytes.readUInt32BE(position + BATCH_POSITION.extrasSize),
  }
}

/** Writes the stamped part of the header in place; `size` must already be there. */
export function stampBatch (bytes: Buffer, stamp: BatchStamp, position = 0): void {
  writeInt64(bytes, stamp.baseOffset, position)
  bytes.writeUInt32BE(stamp.leaderEpoch, position + BATCH_POSITION.leaderEpoch)
  writeInt64(bytes, stamp.committedOffset, position + BATCH_POSITION.committedOffset)
  bytes.writeUInt32BE(stamp.prevCrc, position + BATCH_POSITION.prevCrc)
  sealStamp(bytes, position)
}

/** Computes `headerCrc` over the stamped fields as they stand. */
export function sealStamp (bytes: Buffer, position = 0): void {
  const crc = crc32c(bytes.subarray(position, position + BATCH_POSITION.headerCrc))
  bytes.writeUInt32BE(crc, position + BATCH_POSITION.headerCrc)
}

/**
 * Checks the stamped part alone, without the records: enough to walk from batch to batch.
 * `null` where it is sound.
 */
export function checkBatchStamp (bytes: Buffer, position = 0): BatchFault | null {
  if (bytes.length - position < BATCH_HEADER_BYTES) return 'short'
  const expected = bytes.readUInt32BE(position + BATCH_POSITION.headerCrc)
  const actual = crc32c(bytes.subarray(position, position + BATCH_POSITION.headerCrc))
  if (actual !== expected) return 'header-crc'
  const size = bytes.readUInt32BE(position + BATCH_POSITION.size)
  if (size < BATCH_HEADER_BYTES || size > BATCH_BYTES_MAX) return 'size'
  const sound = readInt64(bytes, position) >= 0 && readInt64(bytes, position + BATCH_POSITION.committedOffset) >= 0
  return sound ? null : 'fields'
}

/** Checks both checksums and the fields of the batch at `position`; `null` where it is sound. */
export function checkBatch (bytes: Buffer, position = 0): BatchFault | null {
  return checkBatchStamp(bytes, position) ?? checkBatchBody(bytes, position)
}

/**
 * Checks what the producer made: size, `crc`, magic and fields, but not the stamped part, which a batch on its way to
 * the leader does not have yet.
 */
export function checkBatchBody (bytes: Buffer, position = 0): BatchFault | null {
  if (bytes.length - position < BATCH_HEADER_BYTES) return 'short'
  const size = bytes.readUInt32BE(position + BATCH_POSITION.size)
  if (size < BATCH_HEADER_BYTES || size > BATCH_BYTES_MAX) return 'size'
  if (bytes.length - position < size) return 'short'
  const expected = bytes.readUInt32BE(position + BATCH_POSITION.crc)
  if (crc32c(bytes.subarray(position + BATCH_CRC_START, position + size)) !== expected) return 'crc'
  if (bytes[position + BATCH_POSITION.magic] !== BATCH_MAGIC) return 'magic'
  return fieldsAgree(bytes, position, size) ? null : 'fields'
}

function fieldsAgree (bytes: Buffer, position: number, size: number): boolean {
  const recordCount = bytes.readUInt32BE(position + BATCH_POSITION.recordCount)
  const lastOffsetDelta = bytes.readUInt32BE(position + BATCH_POSITION.lastOffsetDelta)
  const extrasSize = bytes.readUInt32BE(position + BATCH_POSITION.extrasSize)
  const firstTimestamp = readInt64(bytes, position + BATCH_POSITION.firstTimestamp)
  const maxTimestamp = readInt64(bytes, position + BATCH_POSITION.maxTimestamp)
  const producerId = readInt64(bytes, position + BATCH_POSITION.producerId)
  const baseSequence = bytes.readInt32BE(position + BATCH_POSITION.baseSequence)
  return recordCount <= lastOffsetDelta + 1 && // fewer after a compaction, and 0 where only the offsets are left
    BATCH_HEADER_BYTES + extrasSize <= size &&
    firstTimestamp >= 0 && firstTimestamp <= maxTimestamp && maxTimestamp <= TIMESTAMP_MAX &&
    producerId >= NO_PRODUCER_ID &&
    (producerId === NO_PRODUCER_ID) === (baseSequence === NO_SEQUENCE) && baseSequence >= NO_SEQUENCE
}

/** Offset after the last one that a batch takes up. */
export function nextOffsetOf (header: Pick<BatchHeader, 'baseOffset' | 'lastOffsetDelta'>): number {
  return header.baseOffset + header.lastOffsetDelta + 1
}
