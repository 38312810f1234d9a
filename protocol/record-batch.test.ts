// Builder against reader, and the reader against whatever bytes there are.

import zlib from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import {
  BATCH_CRC_START, BATCH_HEADER_BYTES, BATCH_POSITION, checkBatch, checkBatchBody, readBatchHeader,
  stampBatch, TIMESTAMP_MAX,
} from './batch-header.js'
import { CODEC, CODEC_NAMES, codecAvailable, CodecError, DECOMPRESSED_BYTES_MAX, type CodecName } from './codec.js'
import { crc32c } from './crc32c.js'
import { checkNewBatch } from './new-batch.js'
import {
  HEADER_COUNT_MAX, RecordBatchBuilder, recordBytesMax, writeBatchHeader, type RecordBytes, type RecordHeader,
} from './record-batch-builder.js'
import { CorruptBatchError, RecordReader } from './record-reader.js'
import { batchVectors } from './testing/vector-files.js'
import { writeVarint } from './varint.js'

interface Given { key: RecordBytes, value: RecordBytes, timestampMs: number, headers?: RecordHeader[] }

/** What a record says, bytes in hex. */
interface Read {
  offset: number
  timestamp: number
  key: string | null
  value: string | null
  headers: [string, string | null][]
}

function hexOf (bytes: Uint8Array | string | null): string | null {
  return bytes === null ? null : Buffer.from(bytes as string).toString('hex')
}

function readAll (batch: Buffer, position = 0): Read[] {
  const records: Read[] = []
  const reader = new RecordReader().open(batch, position)
  while (reader.next()) {
    records.push({
      offset: reader.offset,
      timestamp: reader.timestamp,
      key: hexOf(reader.key),
      value: hexOf(reader.value),
      headers: reader.headers().map(({ name, value }) => [name, hexOf(value)]),
    })
  }
  return records
}

const FIELDS = {
  codec: 0,
  flags: 0,
  recordCount: 1,
  lastOffsetDelta: 0,
  firstTimestamp: 0,
  maxTimestamp: 0,
  extrasSize: 0,
  producerId: -1,
  producerEpoch: 0,
  baseSequence: -1,
}

/** A batch with sound checksums around any bytes as records. */
function batchAround (records: Uint8Array, fields: Partial<typeof FIELDS> = {}): Buffer {
  const batch = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), records])
  writeBatchHeader(batch, { ...FIELDS, ...fields })
  return batch
}

// Any UTF-16, lone surrogates included: those become U+FFFD, as everywhere in JavaScript.
const anyUnit = fc.oneof(
  fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0xd800, 0xdfff))
const anyText = fc.array(anyUnit, { maxLength: 200 }).map(units => String.fromCharCode(...units))
const anyBytes: fc.Arbitrary<RecordBytes> = fc.oneof(
  fc.constant(null), fc.constant(''), fc.string({ maxLength: 300 }), anyText, fc.uint8Array({ maxLength: 300 }))
const anyHeader = fc.record({ name: fc.oneof(fc.string({ maxLength: 20 }), anyText), value: anyBytes })
const anyHeaders = fc.option(fc.array(anyHeader, { maxLength: 4 }), { nil: undefined })
const anyTimestamp = fc.oneof(fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  fc.integer({ min: 0, max: TIMESTAMP_MAX }), fc.constantFrom(0, TIMESTAMP_MAX))
const anyRecord = fc.record({ key: anyBytes, value: anyBytes, timestampMs: anyTimestamp, headers: anyHeaders })
const anyRecords: fc.Arbitrary<Given[]> = fc.array(anyRecord, { minLength: 1, maxLength: 40 })
const anyCodec = fc.constantFrom<CodecName>('none', 'gzip', 'brotli')

t.test('Batch: whatever goes into the builder comes out of the reader', async t => {
  const builder = new RecordBatchBuilder(64)
  fc.assert(fc.property(anyRecords, anyCodec, fc.nat(2 ** 31), fc.option(fc.uint8Array({ maxLength: 20 })),
    (records, codec, baseOffset, extras) => {
      let bytesMax = BATCH_HEADER_BYTES
      for (const { key, value, timestampMs, headers } of records) {
        bytesMax += recordBytesMax(key, value, headers)
        builder.append(key, value, timestampMs, headers)
      }
      t.equal(builder.recordCount, records.length)
      if (builder.size > bytesMax) t.fail(`recordBytesMax promises ${bytesMax} bytes, the batch has ${builder.size}`)
      const batch = builder.build({ codec, extras: extras === null ? undefined : Buffer.from(extras) })
      const fault = checkNewBatch(batch, 0, batch.length)
      if (fault !== null && (extras === null || fault !== 'extras')) t.fail(`the batch is not valid: ${fault}`)
      stampBatch(batch, { baseOffset, leaderEpoch: 1, committedOffset: 0, prevCrc: 0 })
      t.strictSame(readAll(batch), records.map(({ key, value, timestampMs, headers }, index) => ({
        offset: baseOffset + index,
        timestamp: timestampMs,
        key: hexOf(key),
        value: hexOf(value),
        headers: (headers ?? []).map(({ name, value }) => [Buffer.from(name).toString(), hexOf(value)]),
      })))
      const header = readBatchHeader(batch)
      t.equal(header.firstTimestamp, records[0]!.timestampMs)
      t.equal(header.maxTimestamp, Math.max(...records.map(({ timestampMs }) => timestampMs)))
    }), { seed: 12, numRuns: 300 })
})

t.test('Batch: a batch that was handed over is not touched by the next one', async t => {
  const builder = new RecordBatchBuilder(64)
  const batches: Buffer[] = []
  const copies: Buffer[] = []
  for (let index = 0; index < 20; index++) {
    builder.append(`k${index}`, 'v'.repeat(index * 100), index)
    batches.push(builder.build())
    copies.push(Buffer.from(batches[index]!))
  }
  t.strictSame(batches, copies)
})

t.test('Batch: memory that is given to a builder is used for its next batch only', async t => {
  const builder = new RecordBatchBuilder()
  const memory = Buffer.alloc(2_048, 0xff)
  builder.useMemory(memory)
  builder.append(null, 'first', 1)
  builder.useMemory(Buffer.alloc(2_048)) // too late: it has records
  builder.append(null, 'second', 1)
  const first = builder.build()
  t.equal(first.buffer, memory.buffer)
  builder.append(null, 'third', 1)
  const second = builder.build()
  t.not(second.buffer, memory.buffer)
  t.same([first, second].map(batch => checkBatchBody(batch)), [null, null])
  builder.useMemory(Buffer.alloc(BATCH_HEADER_BYTES + 2))
  builder.append('key', 'larger than what was given', 1)
  t.equal(checkBatchBody(builder.build()), null)
})

t.test('Batch: a cleared builder forgets', async t => {
  const builder = new RecordBatchBuilder()
  t.throws(() => builder.build(), RangeError)
  builder.append('a', 'b', 5)
  builder.clear()
  t.equal(builder.recordCount, 0)
  builder.append('c', 'd', 3)
  const batch = builder.build()
  t.equal(readBatchHeader(batch).maxTimestamp, 3)
  t.equal(readAll(batch).length, 1)
})

t.test('Batch: compression that does not help is left out', async t => {
  const builder = new RecordBatchBuilder()
  builder.append(null, 'x', 1)
  t.equal(readBatchHeader(builder.build({ codec: 'gzip' })).codec, CODEC.none)
  builder.append(null, 'x'.repeat(1000), 1)
  t.equal(readBatchHeader(builder.build({ codec: 'gzip' })).codec, CODEC.gzip)
})

t.test('Batch: timestamps and headers out of range are refused and leave the batch as it was', async t => {
  const builder = new RecordBatchBuilder()
  builder.append('k', 'v', 10)
  for (const timestamp of [-1, 0.5, NaN, Infinity, TIMESTAMP_MAX + 1]) {
    t.throws(() => builder.append('k', 'v', timestamp), RangeError, `${timestamp}`)
  }
  const headers = new Array<RecordHeader>(HEADER_COUNT_MAX + 1).fill({ name: '', value: null })
  t.throws(() => builder.append('k', 'v', 10, headers), RangeError)
  builder.append('k', 'v', 10, headers.slice(1))
  const records = readAll(builder.build())
  t.equal(records.length, 2)
  t.equal(records[1]!.headers.length, HEADER_COUNT_MAX)
})

t.test('Batch: the vectors decode to their records', async t => {
  for (const { name, hex, header, records } of batchVectors()) {
    if (!codecAvailable(CODEC_NAMES[header.codec]!)) {
      t.comment(`${name}: the codec is not installed here`)
      continue
    }
    t.strictSame(readAll(Buffer.from(hex, 'hex')), records, name)
    t.strictSame(readAll(Buffer.from(`ffffff${hex}ffff`, 'hex'), 3), records, `${name}, inside other bytes`)
  }
})

t.test('Batch: the builder makes the bytes of the vectors', async t => {
  let count = 0
  for (const { name, hex, header, records, stamped, extras } of batchVectors()) {
    const gapless = header.recordCount > 0 && header.recordCount === header.lastOffsetDelta + 1
    if (header.codec !== CODEC.none || !gapless || name === 'longer-record') continue
    const builder = new RecordBatchBuilder()
    for (const { key, value, timestamp, headers } of records) {
      const bytes = (text: string | null): Buffer | null => text === null ? null : Buffer.from(text, 'hex')
      const recordHeaders = headers.map(([name, value]) => ({ name, value: bytes(value) }))
      builder.append(bytes(key), bytes(value), timestamp, recordHeaders)
    }
    const { producerId, producerEpoch, baseSequence, flags } = header
    const batch = builder.build({
      producer: { producerId, producerEpoch, baseSequence }, flags, extras: extras === '' ? undefined : Buffer.from(extras, 'hex'),
    })
    if (stamped) stampBatch(batch, header)
    t.equal(batch.toString('hex'), hex, name)
    count++
  }
  t.ok(count >= 10, `${count} vectors`)
})

t.test('Batch: packed vectors have the bytes that they say', async t => {
  for (const { name, hex, header, compressed, extras } of batchVectors()) {
    if (compressed === null) continue
    const batch = batchAround(Buffer.from(extras + compressed, 'hex'), header)
    stampBatch(batch, header)
    t.equal(batch.toString('hex'), hex, name)
  }
})

t.test('Reader: records of random bytes end in records or in a CorruptBatchError', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(5), (array, recordCount) => {
    const batch = batchAround(array, { recordCount, lastOffsetDelta: 5 })
    try {
      readAll(batch)
    } catch (error) {
      if (!(error instanceof CorruptBatchError)) throw error
    }
  }), { seed: 13, numRuns: 5000 })
})

t.test('Reader: batches with flipped bits and mended checksums end in records or in a typed error', async t => {
  const batches = batchVectors().map(({ hex }) => Buffer.from(hex, 'hex'))
  let refused = 0
  const anyBits = fc.array(fc.nat(), { minLength: 1, maxLength: 3 })
  fc.assert(fc.property(fc.constantFrom(...batches), anyBits, (batch, bits) => {
    const damaged = Buffer.from(batch)
    for (const bit of bits) {
      damaged[BATCH_CRC_START + (bit >> 3) % (batch.length - BATCH_CRC_START)]! ^= 1 << (bit & 7)
    }
    damaged.writeUInt32BE(crc32c(damaged.subarray(BATCH_CRC_START)), BATCH_POSITION.crc)
    if (checkBatchBody(damaged) !== null) return
    try {
      readAll(damaged)
    } catch (error) {
      if (!(error instanceof CorruptBatchError) && !(error instanceof CodecError)) throw error
      refused++
    }
  }), { seed: 14, numRuns: 5000 })
  t.ok(refused > 100, `${refused} were refused`)
})

t.test('Reader: a batch of zeros with as many headers as it likes costs no memory', async t => {
  const zeros = Buffer.alloc(8 * 1024 * 1024)
  let at = writeVarint(zeros, zeros.length - 4, 0)
  at += 4 // offset, timestamp, key and value: one byte each
  writeVarint(zeros, HEADER_COUNT_MAX + 1, at)
  t.throws(() => readAll(batchAround(gzipped(zeros), { codec: CODEC.gzip })), CorruptBatchError)
})

t.test('Reader: a decompression bomb stops at the bound', async t => {
  const bomb = zlib.gzipSync(Buffer.alloc(DECOMPRESSED_BYTES_MAX + 1), { level: 1 })
  t.ok(bomb.length < 2 * 1024 * 1024)
  t.throws(() => new RecordReader().open(batchAround(bomb, { codec: CODEC.gzip })), { name: 'CodecError', kind: 'corrupt' })
  const fast = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }
  const brotli = zlib.brotliCompressSync(Buffer.alloc(DECOMPRESSED_BYTES_MAX + 1), fast)
  t.throws(() => new RecordReader().open(batchAround(brotli, { codec: CODEC.brotli })), { name: 'CodecError', kind: 'corrupt' })
})

t.test('Reader: an unknown codec says so', async t => {
  t.throws(() => new RecordReader().open(batchAround(Buffer.alloc(9), { codec: 200 })), { name: 'CodecError', kind: 'unavailable' })
})

t.test('Reader: a base offset that is no safe integer is refused', async t => {
  const batch = batchAround(Buffer.from('050000000000', 'hex'))
  batch.fill(0x7f, 0, 8)
  t.throws(() => readAll(batch), CorruptBatchError)
  t.not(checkBatch(batch), null)
})

t.test('Reader: views stay valid for whoever keeps them', async t => {
  const builder = new RecordBatchBuilder()
  builder.append('key', 'value', 1)
  const reader = new RecordReader().open(builder.build())
  reader.next()
  const { key, value } = reader
  builder.append('other', 'other', 1)
  reader.open(builder.build())
  reader.next()
  t.equal(String(key), 'key')
  t.equal(String(value), 'value')
})

function gzipped (bytes: Buffer): Buffer {
  return zlib.gzipSync(bytes, { level: 1 })
}
