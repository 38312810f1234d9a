// Extras: builder against reader, and the check against whatever bytes there are.

import fc from 'fast-check'
import t from 'tap'
import { BATCH_HEADER_BYTES, BATCH_POSITION, readBatchHeader, TIMESTAMP_MAX } from './batch-header.js'
import { LANE_MAX, laneOf, NO_LANE } from './lane.js'
import { checkNewBatch } from './new-batch.js'
import { partitionForKey } from './partition-for-key.js'
import { RecordBatchBuilder, writeBatchHeader } from './record-batch-builder.js'
import {
  DEDUP_ID_BYTES_MAX, DEDUP_KEY_BYTES, dedupKeyOf, EXTRAS_COLUMN, EXTRAS_HEADER_BYTES, EXTRAS_ROW_BYTES_MAX,
  extrasSizeOf, PRIORITY_MAX, type RecordExtras,
} from './record-extras.js'
import { RecordExtrasBuilder } from './record-extras-builder.js'
import { recordExtrasFault, RecordExtrasReader } from './record-extras-reader.js'
import { RecordReader } from './record-reader.js'
import { batchVectors, checksumVectors } from './testing/vector-files.js'

const NO_DEDUP = '00'.repeat(DEDUP_KEY_BYTES)

/** A batch of `count` small records with these extras. */
function batchOf (count: number, extras: Buffer | undefined, position = 0): Buffer {
  const records = new RecordBatchBuilder()
  for (let row = 0; row < count; row++) records.append(null, 'v', 1_700_000_000_000 + row)
  return Buffer.concat([Buffer.alloc(position, 0xff), records.build({ extras })])
}

/** A batch with sound checksums around any bytes as extras. */
function batchAround (extras: Uint8Array, rows: number): Buffer {
  const records = batchOf(rows, undefined)
  const batch = Buffer.concat([records.subarray(0, BATCH_HEADER_BYTES), extras, records.subarray(BATCH_HEADER_BYTES)])
  writeBatchHeader(batch, { ...readBatchHeader(records), extrasSize: extras.length })
  return batch
}

interface Row { lane: number, notBefore: number, expires: number, priority: number, dedupKey: string }

function rowsOf (batch: Buffer, position = 0): Row[] {
  const reader = new RecordExtrasReader()
  if (!reader.open(batch, position)) throw new Error('not open')
  return Array.from({ length: reader.rows }, (_, row) => ({
    lane: reader.laneOf(row),
    notBefore: reader.notBeforeOf(row),
    expires: reader.expiresOf(row),
    priority: reader.priorityOf(row),
    dedupKey: dedupOf(reader, row),
  }))
}

function dedupOf (reader: RecordExtrasReader, row: number): string {
  if (!reader.hasDedup(row)) return NO_DEDUP
  return [0, 1, 2, 3].map(word => reader.dedupWordOf(row, word).toString(16).padStart(8, '0')).join('')
}

const anyTime = fc.oneof(fc.constantFrom(0, 1, TIMESTAMP_MAX), fc.integer({ min: 0, max: TIMESTAMP_MAX }))
const anyExtras: fc.Arbitrary<RecordExtras | undefined> = fc.option(fc.record({
  lane: fc.oneof(fc.constantFrom(NO_LANE, 0, LANE_MAX), fc.integer({ min: 0, max: LANE_MAX })),
  notBefore: anyTime,
  expires: anyTime,
  priority: fc.integer({ min: 0, max: PRIORITY_MAX }),
  dedupKey: fc.uint8Array({ minLength: DEDUP_KEY_BYTES, maxLength: DEDUP_KEY_BYTES }),
}, { requiredKeys: [] }), { nil: undefined })

t.test('Extras: whatever goes into the builder comes out of the reader', async t => {
  const builder = new RecordExtrasBuilder()
  fc.assert(fc.property(fc.array(anyExtras, { minLength: 1, maxLength: 50 }), fc.nat(10), (rows, position) => {
    for (const row of rows) builder.append(row)
    const { sizeBytes } = builder
    const extras = builder.build()
    t.equal(extras?.length ?? 0, sizeBytes)
    t.ok(sizeBytes <= EXTRAS_HEADER_BYTES + rows.length * EXTRAS_ROW_BYTES_MAX)
    const batch = batchOf(rows.length, extras, position)
    t.equal(checkNewBatch(batch, position, batch.length - position), null)
    t.strictSame(rowsOf(batch, position), rows.map(row => ({
      lane: row?.lane ?? NO_LANE,
      notBefore: row?.notBefore ?? 0,
      expires: row?.expires ?? 0,
      priority: row?.priority ?? 0,
      dedupKey: row?.dedupKey === undefined ? NO_DEDUP : Buffer.from(row.dedupKey).toString('hex'),
    })))
  }), { seed: 31, numRuns: 300 })
})

t.test('Extras: no options take no bytes, and only the columns of use are there', async t => {
  const builder = new RecordExtrasBuilder()
  t.equal(builder.build(), undefined, 'no records')
  builder.append()
  builder.append({ lane: NO_LANE, notBefore: 0, expires: 0, priority: 0 })
  t.equal(builder.sizeBytes, 0)
  t.equal(builder.build(), undefined, 'defaults are no options')
  builder.append()
  builder.append({ priority: 3 })
  t.strictSame(builder.build(), Buffer.from('00010008' + '0003', 'hex'))
  builder.append({ notBefore: 7 })
  t.strictSame(builder.build(), Buffer.from('00010002' + '0000000000000007', 'hex'))
})

t.test('Extras: nothing of one batch shows in the next', async t => {
  const builder = new RecordExtrasBuilder()
  const full = { lane: 5, notBefore: 6, expires: 7, priority: 8, dedupKey: Buffer.alloc(DEDUP_KEY_BYTES, 9) }
  for (let row = 0; row < 100; row++) builder.append(full)
  builder.build()
  builder.append()
  builder.append(full)
  t.strictSame(rowsOf(batchOf(2, builder.build()))[0],
    { lane: NO_LANE, notBefore: 0, expires: 0, priority: 0, dedupKey: NO_DEDUP })
  builder.append(full)
  builder.clear()
  t.equal(builder.sizeBytes, 0)
})

t.test('Extras: the builder refuses what is out of range, and stays as it was', async t => {
  const builder = new RecordExtrasBuilder()
  const faults: [RecordExtras, RegExp][] = [
    [{ lane: -2 }, /lane is -2; it must be an integer from -1 to 4503599627370495/],
    [{ lane: LANE_MAX + 1 }, /lane/],
    [{ lane: NaN }, /lane/],
    [{ notBefore: -1 }, /notBefore is -1/],
    [{ notBefore: TIMESTAMP_MAX + 1 }, /notBefore/],
    [{ expires: 0.5 }, /expires is 0.5/],
    [{ priority: 10 }, /priority is 10; it must be an integer from 0 to 9/],
    [{ dedupKey: Buffer.alloc(15) }, /a dedup key of 15 bytes: it must have 16/],
  ]
  for (const [extras, message] of faults) t.throws(() => builder.append(extras), message)
  t.equal(builder.sizeBytes, 0)
})

t.test('Extras: the reader reads the vectors, the builder makes them', async t => {
  let count = 0
  for (const { name, hex, extras, options, header } of batchVectors()) {
    const batch = Buffer.from(hex, 'hex')
    t.equal(recordExtrasFault(batch), null, name)
    if (options === null) {
      t.equal(extras, '', name)
      continue
    }
    count++
    t.strictSame(rowsOf(batch), options, name)
    const builder = new RecordExtrasBuilder()
    for (const { dedupKey, ...row } of options) {
      builder.append({ ...row, ...(dedupKey === NO_DEDUP ? {} : { dedupKey: Buffer.from(dedupKey, 'hex') }) })
    }
    t.equal(builder.build()!.toString('hex'), extras, name)
    t.equal(header.extrasSize, extras.length / 2, name)
  }
  t.ok(count >= 2)
})

t.test('Extras: consumers skip them, also those of a later version', async t => {
  const batch = batchAround(Buffer.from('00ff' + 'cafe'.repeat(7), 'hex'), 2)
  const reader = new RecordReader().open(batch)
  t.ok(reader.next())
  t.equal(reader.value!.toString(), 'v')
  t.equal(new RecordExtrasReader().open(batch), false)
  t.equal(checkNewBatch(batch, 0, batch.length), 'extras', 'but no broker stores them anew')
})

t.test('Extras: rows are by offset, also where a compaction has taken records out', async t => {
  const builder = new RecordExtrasBuilder()
  for (let row = 0; row < 5; row++) builder.append({ priority: row })
  const batch = batchOf(5, builder.build())
  batch.writeUInt32BE(1, BATCH_POSITION.recordCount)
  const reader = new RecordExtrasReader()
  t.ok(reader.open(batch))
  t.equal(reader.rows, 5)
  t.equal(reader.priorityOf(3), 3)
})

t.test('Extras: any bytes are taken whole or refused, and nothing is read beyond them', async t => {
  const anyByte = fc.oneof(
    { weight: 30, arbitrary: fc.constant(0) }, fc.constantFrom(1, 9, 10, 0x0f, 0xff), fc.nat(255))
  const anyCase = fc.record({
    version: fc.constantFrom(0, 1, 1, 1, 1, 2),
    columns: fc.nat(0x3f),
    rows: fc.integer({ min: 1, max: 4 }),
    slack: fc.constantFrom(0, 0, 0, 0, -1, 1, -4),
    fill: fc.array(anyByte, { minLength: 200, maxLength: 200 }),
  })
  let taken = 0
  fc.assert(fc.property(anyCase, ({ version, columns, rows, slack, fill }) => {
    const size = Math.max(1, extrasSizeOf(columns, rows) + slack)
    const extras = Buffer.from([0, version, 0, columns, ...fill]).subarray(0, size)
    const batch = batchAround(extras, rows)
    const fault = checkNewBatch(batch, 0, batch.length)
    if (fault !== null) {
      t.equal(fault, 'extras')
      t.match(recordExtrasFault(batch), /./)
      return
    }
    taken++
    t.ok(version === 1 && columns < 32 && slack === 0)
    for (const { lane, notBefore, expires, priority } of rowsOf(batch)) {
      t.ok(lane >= NO_LANE && lane <= LANE_MAX && priority <= PRIORITY_MAX)
      t.ok(notBefore >= 0 && notBefore <= TIMESTAMP_MAX && expires >= 0 && expires <= TIMESTAMP_MAX)
    }
  }), { seed: 32, numRuns: 1_000 })
  t.ok(taken > 100, `${taken} taken`)
})

t.test('Extras: every length but the right one is refused', async t => {
  for (let columns = 0; columns < 32; columns++) {
    const size = extrasSizeOf(columns, 3)
    for (const length of [size - 1, size, size + 1]) {
      const extras = Buffer.alloc(length)
      extras.writeUInt16BE(1, 0)
      if (length >= EXTRAS_HEADER_BYTES) extras.writeUInt16BE(columns, 2)
      const fault = recordExtrasFault(batchAround(extras, 3))
      t.equal(fault === null, length === size, `columns ${columns}, ${length} of ${size} bytes`)
    }
  }
})

t.test('Extras: a huge number of rows does not overflow the size', async t => {
  const batch = batchAround(Buffer.from('0001001f', 'hex'), 1)
  batch.writeUInt32BE(0xffffffff, BATCH_POSITION.lastOffsetDelta)
  t.match(recordExtrasFault(batch), /size/)
  batch.writeUInt32BE(0xfffffff0, BATCH_POSITION.extrasSize)
  t.match(recordExtrasFault(batch), /size/)
})

t.test('Dedup ids: the keys of the vectors; empty and too long ones are refused', async t => {
  for (const { dedupId, dedupKey } of checksumVectors().dedupKeys) t.equal(dedupKeyOf(dedupId).toString('hex'), dedupKey)
  t.throws(() => dedupKeyOf(''), /a dedup id of 0 bytes: it must have 1 to 128 bytes as UTF-8/)
  t.throws(() => dedupKeyOf('ü'.repeat(65)), /130 bytes/)
  t.equal(dedupKeyOf('ü'.repeat(64)).length, DEDUP_KEY_BYTES)
  t.equal(DEDUP_ID_BYTES_MAX, 128)
})

t.test('Lanes: those of the vectors; in range, and told apart within a partition', async t => {
  for (const { key, lane } of checksumVectors().lanes) t.equal(laneOf(Buffer.from(key, 'hex')), lane)
  const lanes = new Set<number>()
  let keys = 0
  for (let index = 0; index < 200_000; index++) {
    const key = Buffer.from(`customer-${index}`)
    if (partitionForKey(key, 16) !== 3) continue
    const lane = laneOf(key)
    if (!(lane >= 0 && lane <= LANE_MAX)) t.fail(`lane ${lane}`)
    lanes.add(lane)
    keys++
  }
  t.equal(lanes.size, keys)
})

t.test('Extras: columns are the bits that PROTOCOL.md names', async t => {
  t.strictSame(EXTRAS_COLUMN, { lane: 1, notBefore: 2, expires: 4, priority: 8, dedup: 16 })
})
