// Sample record batches, built field by field from writeVarint and the header writer rather than by the builder, so
// that they can show what only a broker makes (gaps after a compaction) and so that the builder is tested against
// something it did not write.
//
// One sample a line or two: a line for each field would bury what the samples differ in.
/* eslint @stylistic/object-property-newline: 'off' */

import {
  BATCH_FLAG, BATCH_HEADER_BYTES, readBatchHeader, SEQUENCE_MAX, stampBatch, TIMESTAMP_MAX, type BatchHeader,
  type BatchStamp,
} from '../batch-header.js'
import { CODEC } from '../codec.js'
import { laneOf } from '../lane.js'
import { writeBatchHeader, type BatchFields } from '../record-batch-builder.js'
import { dedupKeyOf } from '../record-extras.js'
import { writeVarint, zigzag } from '../varint.js'

/** A record as the vectors show it: bytes in hex, null for null. */
export interface SampleRecord {
  offset: number
  timestamp: number
  key: string | null
  value: string | null
  headers: [name: string, value: string | null][]
}

/** A row of the extras as the vectors show it: the dedup key in hex, zeros for none. */
export interface SampleOptions { lane: number, notBefore: number, expires: number, priority: number, dedupKey: string }

/** A batch, what it says, and how it was made. */
export interface BatchVector {
  name: string
  about: string
  /** False for a batch on its way to the leader: its first 36 bytes hold nothing but size and `crc`. */
  stamped: boolean
  header: BatchHeader
  extras: string
  /** What the extras say of each record; null where there are none. */
  options: SampleOptions[] | null
  /** The records as they stand in the batch, where they are compressed. */
  compressed: string | null
  records: SampleRecord[]
  hex: string
}

interface Sample {
  name: string
  about: string
  records: SampleRecord[]
  fields?: Partial<BatchFields>
  stamp?: Partial<BatchStamp> | null
  options?: SampleOptions[]
  compressed?: string
  trailing?: string
}

/** 2025-01-01T00:00:00Z */
const TIME = 1735689600000
const STAMP: BatchStamp = { baseOffset: 42, leaderEpoch: 3, committedOffset: 40, prevCrc: 0xfeedbeef }

function hex (text: string): string {
  return Buffer.from(text, 'utf8').toString('hex')
}

function record (
  offset: number, key: string | null, value: string | null, more: Partial<SampleRecord> = {},
): SampleRecord {
  return {
    offset,
    timestamp: TIME + offset - STAMP.baseOffset,
    key: key === null ? null : hex(key),
    value: value === null ? null : hex(value),
    headers: [],
    ...more,
  }
}

const DULL = 'all work and no play makes jack a dull boy, '.repeat(4)
const REPETITIVE = [record(42, 'k0', DULL), record(43, 'k1', DULL), record(44, 'k2', DULL)]
// The records of REPETITIVE as gzip, brotli, lz4 and zstd programs packed them. Fixed bytes: what a compressor makes
// of the same input differs from version to version; what a decompressor makes of these does not.
const PACKED = {
  gzip: '1f8b0800000000000003dbc1c8c0c09c6db09131312747a13cbf285b21312f45212f5fa12027b1522137313bb558212b31395b215121a5342' +
    '7472129bf52476130a865d8c1c8c8c49c6d38245dcec4c29c6d34045d0e004c779d562e020000',
  brotli: '1b2d020044d56dfbae44e32f0ed20d5074618484905b893b6cc00963e01a100738800d13b9848280bedd4f1531f65f3d025f3ebc4a882b718' +
    '70fece07f7ffa4e388e37025b8e067f5e99aac5b8d4d7966a5c01',
  lz4: '2e020000ff26b8010000036b30b101616c6c20776f726b20616e64206e6f20706c6179206d616b6573206a61636b20612064756c6c20626f792c' +
    '202c00718f00b8010102036b31ba00a25f0204036b32ba009a60626f792c2000',
  zstd: '28b52ffd642e018502002404b8010000036b30b101616c6c20776f726b20616e64206e6f20706c6179206d616b6573206a61636b2061206475' +
    '6c6c20626f792c2000b8010102036b310204036b3203042b30d0b29ee115780a0abb6a67b6',
} as const

const SAMPLES: readonly Sample[] = [
  {
    name: 'produced', about: 'Two records as a producer sends them: not stamped yet.', stamp: null,
    records: [record(0, 'k', 'v', { timestamp: TIME }), record(1, null, 'hello', { timestamp: TIME + 1 })],
  },
  {
    name: 'stored', about: 'The same as a fetch returns it: stamped with offset 42 by the leader of epoch 3.',
    records: [record(42, 'k', 'v'), record(43, null, 'hello')],
  },
  {
    name: 'nulls-and-empties', about: 'null and empty keys and values are different things.',
    records: [record(42, null, null), record(43, '', ''), record(44, 'k', null), record(45, null, 'v')],
  },
  {
    name: 'headers', about: 'Header names may repeat and be empty; values may be null and empty.',
    records: [record(42, 'k', 'v', { headers: [['a', hex('1')], ['a', hex('2')], ['', null], ['empty', ''], ['東', hex('京')]] })],
  },
  { name: 'unicode', about: 'Keys and values are bytes; text is UTF-8.', records: [record(42, 'Grüße', '東京 🚢 \u{10ffff}')] },
  {
    name: 'backwards', about: 'Timestamps may go backwards: differences count from the first record of the batch.',
    records: [record(42, 'a', '1', { timestamp: TIME }), record(43, 'b', '2', { timestamp: TIME - 100_000 }),
      record(44, 'c', '3', { timestamp: TIME + 64 })],
  },
  {
    name: 'long-varints', about: 'Sizes and differences of two and three bytes.',
    records: [record(42, 'k'.repeat(127), 'v'.repeat(300)), record(43, 'k'.repeat(126), 'v', { timestamp: TIME + 1_000_000 })],
  },
  {
    name: 'idempotent', about: 'Written by producer 1000 in its epoch 2, sequences 17 and 18.',
    fields: { producerId: 1000, producerEpoch: 2, baseSequence: 17 }, records: [record(42, 'k', 'v'), record(43, 'k', 'w')],
  },
  {
    name: 'sequence-wrap', about: 'Sequences 2147483647 and 0: the one after the highest is 0.',
    fields: { producerId: 1000, producerEpoch: 2, baseSequence: SEQUENCE_MAX },
    records: [record(42, 'k', 'v'), record(43, 'k', 'w')],
  },
  {
    name: 'compacted', about: 'Ten offsets of which a compaction has kept two.', fields: { lastOffsetDelta: 9 },
    records: [record(45, 'k', 'v'), record(49, 'l', 'w')],
  },
  {
    name: 'compacted-away', about: 'A compaction has kept none: the batch only says that offsets 42 to 46 are used up.',
    fields: { lastOffsetDelta: 4, firstTimestamp: TIME, maxTimestamp: TIME }, records: [],
  },
  { name: 'control', about: 'Between brokers: clients skip it.', fields: { flags: BATCH_FLAG.control }, records: [record(42, 'epoch', '3')] },
  {
    name: 'extras', about: 'Options of records: all five columns. The first record is delayed, the second has no key.',
    records: [record(42, 'customer-1', 'v'), record(43, null, 'w')],
    options: [
      {
        lane: laneOf(Buffer.from('customer-1')), notBefore: TIME + 60_000, expires: TIME + 3_600_000, priority: 9,
        dedupKey: dedupKeyOf('reminder-17').toString('hex'),
      },
      { lane: -1, notBefore: 0, expires: 0, priority: 0, dedupKey: '00'.repeat(16) },
    ],
  },
  {
    name: 'extras-of-lanes', about: 'What an ordered queue takes: the lane of each key and nothing else.',
    records: [record(42, 'customer-1', 'v'), record(43, 'customer-2', 'w')],
    options: ['customer-1', 'customer-2'].map(key =>
      ({ lane: laneOf(Buffer.from(key)), notBefore: 0, expires: 0, priority: 0, dedupKey: '00'.repeat(16) })),
  },
  {
    name: 'longer-record', about: 'Bytes behind the headers of a record, from a later version: skipped by the length.',
    trailing: 'cafe', records: [record(42, 'k', 'v', { headers: [['h', hex('x')]] }), record(43, 'k', 'w')],
  },
  {
    name: 'borders', about: 'Every number at its border.',
    stamp: {
      baseOffset: Number.MAX_SAFE_INTEGER - 2, leaderEpoch: 0xffffffff, committedOffset: Number.MAX_SAFE_INTEGER,
      prevCrc: 0xffffffff,
    },
    fields: { producerId: Number.MAX_SAFE_INTEGER, producerEpoch: 0xffff, baseSequence: 0 },
    records: [record(Number.MAX_SAFE_INTEGER - 2, 'k', 'v', { timestamp: TIMESTAMP_MAX }),
      record(Number.MAX_SAFE_INTEGER - 1, 'k', 'v', { timestamp: 0 })],
  },
  { name: 'gzip', about: 'Records packed by gzip.', fields: { codec: CODEC.gzip }, compressed: PACKED.gzip, records: REPETITIVE },
  { name: 'brotli', about: 'Records packed by brotli.', fields: { codec: CODEC.brotli }, compressed: PACKED.brotli, records: REPETITIVE },
  { name: 'lz4', about: 'Records packed by lz4: u32 little-endian size, then one block.', fields: { codec: CODEC.lz4 }, compressed: PACKED.lz4, records: REPETITIVE },
  { name: 'zstd', about: 'Records packed by zstd.', fields: { codec: CODEC.zstd }, compressed: PACKED.zstd, records: REPETITIVE },
]

/** All sample batches. */
export function batchVectors (): BatchVector[] {
  return SAMPLES.map(vectorOf)
}

/** The batch of the produce example. */
export function producedBatch (): Buffer { return namedBatch('produced') }

/** The batch of the fetch example. */
export function fetchedBatch (): Buffer { return namedBatch('stored') }

function namedBatch (name: string): Buffer {
  return Buffer.from(vectorOf(SAMPLES.find(sample => sample.name === name)!).hex, 'hex')
}

function vectorOf (sample: Sample): BatchVector {
  const stamp = sample.stamp === null ? null : { ...STAMP, ...sample.stamp }
  const baseOffset = stamp?.baseOffset ?? 0
  const firstTimestamp = sample.records[0]?.timestamp ?? sample.fields?.firstTimestamp ?? 0
  const records = recordsBytes(sample.records, baseOffset, firstTimestamp, sample.trailing)
  const extras = sample.options === undefined ? '' : extrasBytes(sample.options).toString('hex')
  const bytes = batchBytes(sample.compressed ?? records.toString('hex'), extras, {
    codec: CODEC.none,
    flags: 0,
    recordCount: sample.records.length,
    lastOffsetDelta: (sample.records.at(-1)?.offset ?? baseOffset) - baseOffset,
    firstTimestamp,
    maxTimestamp: Math.max(firstTimestamp, ...sample.records.map(({ timestamp }) => timestamp)),
    producerId: -1,
    producerEpoch: 0,
    baseSequence: -1,
    ...sample.fields,
  })
  if (stamp !== null) stampBatch(bytes, stamp)
  return {
    name: sample.name,
    about: sample.about,
    stamped: stamp !== null,
    header: readBatchHeader(bytes),
    extras,
    options: sample.options ?? null,
    compressed: sample.compressed ?? null,
    records: sample.records,
    hex: bytes.toString('hex'),
  }
}

/** Extras with the columns that are of use. */
function extrasBytes (rows: readonly SampleOptions[]): Buffer {
  const columns = [
    rows.some(({ lane }) => lane !== -1) ? rows.map(({ lane }) => int64(lane)) : null,
    rows.some(({ notBefore }) => notBefore > 0) ? rows.map(({ notBefore }) => int64(notBefore)) : null,
    rows.some(({ expires }) => expires > 0) ? rows.map(({ expires }) => int64(expires)) : null,
    rows.some(({ priority }) => priority > 0) ? rows.map(({ priority }) => Buffer.from([priority])) : null,
    rows.some(({ dedupKey }) => /[^0]/.test(dedupKey)) ? rows.map(({ dedupKey }) => Buffer.from(dedupKey, 'hex')) : null,
  ]
  const bits = columns.reduce((sum, column, index) => sum + (column === null ? 0 : 2 ** index), 0)
  return Buffer.concat([Buffer.from([0, 1, 0, bits]), ...columns.flatMap(column => column ?? [])])
}

function int64 (value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

/** A batch around records given in hex. */
export function batchBytes (records: string, extras: string, fields: Omit<BatchFields, 'extrasSize'>): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), Buffer.from(extras, 'hex'), Buffer.from(records, 'hex')])
  writeBatchHeader(bytes, { ...fields, extrasSize: extras.length / 2 })
  return bytes
}

/** Records one behind the other, each with the `trailing` bytes behind its headers. */
export function recordsBytes (
  records: readonly SampleRecord[], baseOffset: number, firstTimestamp: number, trailing = '',
): Buffer {
  return Buffer.concat(records.map(({ offset, timestamp, key, value, headers }) => {
    const fields = Buffer.concat([
      varint(offset - baseOffset), varint(zigzag(timestamp - firstTimestamp)), nullable(key), nullable(value),
      varint(headers.length),
      ...headers.flatMap(([name, headerValue]) => {
        const nameBytes = Buffer.from(name, 'utf8')
        return [varint(nameBytes.length), nameBytes, nullable(headerValue)]
      }),
      Buffer.from(trailing, 'hex'),
    ])
    return Buffer.concat([varint(fields.length), fields])
  }))
}

function varint (value: number): Buffer {
  const bytes = Buffer.alloc(8)
  return bytes.subarray(0, writeVarint(bytes, value, 0))
}

function nullable (hexBytes: string | null): Buffer {
  if (hexBytes === null) return varint(0)
  const bytes = Buffer.from(hexBytes, 'hex')
  return Buffer.concat([varint(bytes.length + 1), bytes])
}
