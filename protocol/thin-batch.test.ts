import fc from 'fast-check'
import t from 'tap'
import { BATCH_FLAG, BATCH_HEADER_BYTES, checkBatch, nextOffsetOf, readBatchHeader, stampBatch } from './batch-header.js'
import type { CodecName } from './codec.js'
import { RecordBatchBuilder } from './record-batch-builder.js'
import { RecordExtrasBuilder } from './record-extras-builder.js'
import { RecordReader } from './record-reader.js'
import { ThinCursor, thinBatch } from './thin-batch.js'

const STAMP = { baseOffset: 1_000, leaderEpoch: 3, committedOffset: 990, prevCrc: 7 }

interface Given { timestampMs: number, value: string, header: boolean }

function batchOf (given: readonly Given[], options: { codec?: CodecName, flags?: number } = {}): Buffer {
  const records = new RecordBatchBuilder()
  const extras = new RecordExtrasBuilder()
  for (const { timestampMs, value, header } of given) {
    records.append('key', value, timestampMs, header ? [{ name: 'h', value }] : undefined)
    extras.append({ lane: 5 })
  }
  const producer = { producerId: 9, producerEpoch: 1, baseSequence: 4 }
  const batch = records.build({ ...options, producer, extras: extras.build() })
  stampBatch(batch, STAMP)
  return batch
}

function readAll (batch: Buffer): object[] {
  const records: object[] = []
  const reader = new RecordReader().open(batch)
  while (reader.next()) {
    records.push({
      offset: reader.offset,
      timestamp: reader.timestamp,
      key: reader.key!.toString(),
      value: reader.value!.toString(),
      headers: reader.headers().map(({ name, value }) => [name, value!.toString()]),
    })
  }
  return records
}

const anyRecord = fc.record({
  timestampMs: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  value: fc.string({ maxLength: 200 }),
  header: fc.boolean(),
})
const plain = (count: number): Given[] =>
  Array.from({ length: count }, (_, index) => ({ timestampMs: 1_000 + index, value: `${index}`, header: false }))

t.test('Thin batch: holds the records asked for as they were, and nothing else', async t => {
  const anyRows = fc.array(fc.tuple(anyRecord, fc.boolean()), { minLength: 1, maxLength: 40 })
  fc.assert(fc.property(anyRows, fc.nat(7), (rows, position) => {
    const batch = batchOf(rows.map(([record]) => record))
    const wanted = rows.flatMap(([, isWanted], row) => isWanted ? [STAMP.baseOffset + row] : [])
    // Offsets of other batches stand around those of this one.
    const offsets = Float64Array.from([1, 2, ...wanted, 9_999])
    const placed = Buffer.concat([Buffer.alloc(position), batch, Buffer.alloc(3, 0xff)])
    const thin = thinBatch(placed, position, offsets, 2, 2 + wanted.length)!
    t.equal(checkBatch(thin), null)
    const all = readAll(batch) as { offset: number, timestamp: number }[]
    const kept = all.filter(({ offset }) => wanted.includes(offset))
    t.strictSame(readAll(thin), kept)
    const before = readBatchHeader(batch)
    const after = readBatchHeader(thin)
    t.equal(nextOffsetOf(after), nextOffsetOf(before), 'it takes up the same offsets')
    t.match(after, {
      baseOffset: 1_000,
      leaderEpoch: 3,
      committedOffset: 990,
      prevCrc: 7,
      recordCount: wanted.length,
      extrasSize: 0,
      firstTimestamp: before.firstTimestamp,
      maxTimestamp: Math.max(before.firstTimestamp, ...kept.map(({ timestamp }) => timestamp)),
      producerId: 9,
    })
  }), { seed: 34, numRuns: 200 })
})

t.test('Thin batch: can be thinned again, and one that a compaction thinned as well', async t => {
  const once = thinBatch(batchOf(plain(10)), 0, Float64Array.of(1_002, 1_005, 1_009), 0, 3)!
  const twice = thinBatch(once, 0, Float64Array.of(1_005), 0, 1)!
  t.match(readAll(twice), [{ offset: 1_005, value: '5' }])
  t.equal(thinBatch(once, 0, Float64Array.of(1_004), 0, 1), null, 'a record that is not there any more')
  t.equal(thinBatch(once, 0, Float64Array.of(1_010), 0, 1), null, 'behind the last record')
})

t.test('Thin batch: compressed and encrypted batches are to be sent whole', async t => {
  const offsets = Float64Array.of(1_001)
  const dull = plain(50).map(row => ({ ...row, value: 'all work and no play' }))
  t.equal(thinBatch(batchOf(dull, { codec: 'gzip' }), 0, offsets, 0, 1), null)
  t.equal(thinBatch(batchOf(dull, { flags: BATCH_FLAG.encrypted }), 0, offsets, 0, 1), null)
})

t.test('Thin batch: records that do not follow the format make it null, whatever the bytes', async t => {
  const batch = batchOf(plain(4))
  const start = BATCH_HEADER_BYTES + readBatchHeader(batch).extrasSize
  const size = batch.length - start
  const anyBytes = fc.uint8Array({ minLength: size, maxLength: size })
  fc.assert(fc.property(anyBytes, fc.integer({ min: 999, max: 1_004 }), (bytes, offset) => {
    const damaged = Buffer.from(batch)
    damaged.set(bytes, start)
    const thin = thinBatch(damaged, 0, Float64Array.of(offset), 0, 1)
    if (thin !== null) t.equal(checkBatch(thin), null)
  }), { seed: 35, numRuns: 500 })
})

t.test('Thin batch: gives the same with a cursor, whatever was thinned before', async t => {
  const batches = [batchOf(plain(40)), batchOf(plain(25).map(record => ({ ...record, header: true })))]
  const anyWish = fc.tuple(fc.nat(1), fc.uniqueArray(fc.nat(24), { minLength: 1, maxLength: 8 }))
  fc.assert(fc.property(fc.array(anyWish, { minLength: 1, maxLength: 12 }), fc.nat(9), (wishes, position) => {
    const cursor = new ThinCursor()
    for (const [which, rows] of wishes) {
      const offsets = Float64Array.from(rows, row => STAMP.baseOffset + row).sort()
      const placed = Buffer.concat([Buffer.alloc(position), batches[which]!])
      const expected = thinBatch(placed, position, offsets, 0, rows.length)!
      t.same(thinBatch(placed, position, offsets, 0, rows.length, cursor), expected)
    }
  }), { seed: 11, numRuns: 100 })
})

t.test('Thin batch: a record that is not there is not found with a cursor either', async t => {
  const cursor = new ThinCursor()
  const batch = batchOf(plain(10))
  t.ok(thinBatch(batch, 0, Float64Array.of(1_003), 0, 1, cursor))
  t.equal(thinBatch(batch, 0, Float64Array.of(1_010), 0, 1, cursor), null)
  t.ok(thinBatch(batch, 0, Float64Array.of(1_004), 0, 1, cursor))
})
