import fc from 'fast-check'
import t from 'tap'
import {
  BATCH_HEADER_BYTES, BATCH_POSITION, checkBatch, checkBatchBody, checkBatchStamp, nextOffsetOf,
  readBatchHeader, readInt64, SEQUENCE_MAX, stampBatch, writeInt64,
} from './batch-header.js'
import { CodecError } from './codec.js'
import { checkNewBatch } from './new-batch.js'
import { RecordBatchBuilder } from './record-batch-builder.js'
import { CorruptBatchError, RecordReader } from './record-reader.js'
import { batchVectors, malformedBatches } from './testing/vector-files.js'

const SAFE = Number.MAX_SAFE_INTEGER

function builtBatch (): Buffer {
  const builder = new RecordBatchBuilder()
  for (let index = 0; index < 5; index++) builder.append(`k${index}`, `value ${index}`, 1000 + index)
  const batch = builder.build({ producer: { producerId: 7, producerEpoch: 1, baseSequence: SEQUENCE_MAX } })
  stampBatch(batch, { baseOffset: 77, leaderEpoch: 3, committedOffset: 70, prevCrc: 5 })
  return batch
}

t.test('Int64: safe integers come back; all others are NaN', async t => {
  const bytes = Buffer.alloc(8)
  const borders = [2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 32 - 1, -(2 ** 32), -(2 ** 32) - 1, SAFE, -SAFE, SAFE - 1]
  for (const value of [0, 1, -1, ...borders]) {
    writeInt64(bytes, value, 0)
    t.equal(bytes.readBigInt64BE(0), BigInt(value), `${value}`)
    t.equal(readInt64(bytes, 0), value)
  }
  for (const value of [2n ** 53n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 53n), -(2n ** 53n) - 1n, -(2n ** 63n)]) {
    bytes.writeBigInt64BE(value, 0)
    t.ok(Number.isNaN(readInt64(bytes, 0)), `${value}`)
  }
})

t.test('Int64: any safe integer comes back', async () => {
  const bytes = Buffer.alloc(12)
  fc.assert(fc.property(fc.maxSafeInteger(), value => {
    writeInt64(bytes, value, 3)
    return readInt64(bytes, 3) === value && bytes.readBigInt64BE(3) === BigInt(value)
  }), { seed: 11, numRuns: 1000 })
})

t.test('Batch: stamping changes nothing that the producer made', async t => {
  const batch = builtBatch()
  const made = Buffer.from(batch.subarray(32))
  t.equal(checkBatch(batch), null)
  stampBatch(batch, { baseOffset: SAFE - 10, leaderEpoch: 0xffffffff, committedOffset: 0, prevCrc: 0xffffffff })
  t.strictSame(batch.subarray(32), made)
  t.equal(checkBatch(batch), null)
  const header = readBatchHeader(batch)
  t.equal(header.baseOffset, SAFE - 10)
  t.equal(header.leaderEpoch, 0xffffffff)
  t.equal(header.prevCrc, 0xffffffff)
  t.equal(nextOffsetOf(header), SAFE - 5)
})

t.test('Batch: every flipped bit is found', async t => {
  const batch = builtBatch()
  for (let bit = 0; bit < batch.length * 8; bit++) {
    const damaged = Buffer.from(batch)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    if (checkBatch(damaged) === null) t.fail(`bit ${bit}, byte ${bit >> 3}`)
  }
  t.pass(`${batch.length * 8} bits`)
})

t.test('Batch: every prefix is short', async t => {
  const batch = builtBatch()
  for (let end = 0; end < batch.length; end++) {
    if (checkBatch(batch.subarray(0, end)) !== 'short') t.fail(`${end} of ${batch.length} bytes`)
  }
  t.equal(checkBatchStamp(batch.subarray(0, BATCH_HEADER_BYTES)), null, 'the stamp can be checked without the records')
})

t.test('Batch: checked at its place inside other bytes', async t => {
  const batch = builtBatch()
  const log = Buffer.concat([Buffer.alloc(13, 0xff), batch, Buffer.alloc(13, 0xff)])
  t.equal(checkBatch(log, 13), null)
  t.equal(checkNewBatch(log, 13, batch.length), null)
  t.equal(checkNewBatch(log, 13, batch.length - 1), 'size', 'the size in the request is another than in the batch')
  t.equal(checkNewBatch(log, 13, batch.length + 1), 'size')
  t.equal(checkNewBatch(log, 13, log.length), 'short')
  t.equal(checkNewBatch(log, 13, 0), 'size')
})

t.test('Batch: malformed batches of the vectors are refused for the reason given', async t => {
  for (const { name, check, fault, hex } of malformedBatches()) {
    const bytes = Buffer.from(hex, 'hex')
    if (check === 'stored') {
      t.equal(checkBatch(bytes), fault, name)
    } else if (check === 'new') {
      t.equal(checkNewBatch(bytes, 0, bytes.length), fault, name)
    } else {
      t.equal(checkBatchBody(bytes), null, `${name} has sound checksums`)
      const error = t.throws(() => {
        const reader = new RecordReader().open(bytes)
        while (reader.next()) reader.headers()
      }) as unknown as Error
      t.ok(error instanceof (fault === 'CodecError' ? CodecError : CorruptBatchError), `${name}: ${error.name}`)
    }
  }
})

t.test('Batch: what a broker stores is good for storing, what a producer sends is good for sending', async t => {
  for (const { name, stamped, hex, header } of batchVectors()) {
    const bytes = Buffer.from(hex, 'hex')
    if (stamped) t.equal(checkBatch(bytes), null, name)
    t.strictSame(readBatchHeader(bytes), header, name)
    const gapless = header.recordCount > 0 && header.recordCount === header.lastOffsetDelta + 1
    const sendable = gapless && (header.flags & 1) === 0
    t.equal(checkNewBatch(bytes, 0, bytes.length), sendable ? null : 'fields', `${name} as a new batch`)
  }
})

t.test('Batch: reserved bits and bytes are ignored', async t => {
  const batch = builtBatch()
  const before = Buffer.from(batch)
  batch.writeUInt16BE(0xffff, BATCH_POSITION.reserved)
  t.equal(checkBatchBody(batch), 'crc', 'they are covered by the checksum')
  before.copy(batch)
  t.equal(checkBatchBody(batch), null)
})
