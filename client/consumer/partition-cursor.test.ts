import { BATCH_POSITION, crc32c, BATCH_CRC_START, RecordBatchBuilder, stampBatch } from '@sluice/protocol'
import t from 'tap'
import { bytes } from '../serdes.js'
import { PartitionCursor } from './partition-cursor.js'
import type { RecordOrigin, StoredRecord } from './stored-record.js'

const MiB = 1024 * 1024

type Bytes = Uint8Array

function cursorAt (offset: number): PartitionCursor<Bytes, Bytes> {
  const nothing = (): void => {}
  const origin: RecordOrigin<Bytes, Bytes> = {
    topic: 't',
    partition: 3,
    key: bytes(),
    value: bytes(),
    signal: new AbortController().signal,
    ack: nothing,
    nack: nothing,
  }
  return new PartitionCursor('id', offset, origin)
}

/** Puts a batch with these values into the cursor; `spoil` changes it before its checksums are made. */
function push (
  cursor: PartitionCursor<Bytes, Bytes>, values: readonly string[], spoil?: (batch: Buffer) => void,
): void {
  const builder = new RecordBatchBuilder()
  for (const value of values) builder.append(null, value, 1_000)
  const batch = builder.build()
  const baseOffset = cursor.fetchOffset
  spoil?.(batch)
  batch.writeUInt32BE(crc32c(batch.subarray(BATCH_CRC_START)), BATCH_POSITION.crc)
  stampBatch(batch, { baseOffset, leaderEpoch: 7, committedOffset: 0, prevCrc: 0 })
  const nextOffset = baseOffset + values.length
  cursor.push({ bytes: batch, position: 0, size: batch.length, baseOffset, nextOffset, leaderEpoch: 7 })
}

function take (cursor: PartitionCursor<Bytes, Bytes>, countMax: number): string[] {
  const records: StoredRecord<Bytes, Bytes>[] = []
  const count = cursor.take(records, countMax)
  t.equal(count, records.length)
  return records.map(({ offset, value }) => `${offset}${Buffer.from(value!).toString()}`)
}

t.test('PartitionCursor: takes of one batch at a time, as many as asked for', async t => {
  const cursor = cursorAt(10)
  push(cursor, ['a', 'b', 'c'])
  push(cursor, ['d', 'e'])
  t.same(take(cursor, 2), ['10a', '11b'])
  t.notOk(cursor.atBatchEnd)
  t.same(take(cursor, 9), ['12c'])
  t.ok(cursor.atBatchEnd)
  t.same(take(cursor, 2), ['13d', '14e'])
  t.same(take(cursor, 2), [])
  t.equal(cursor.position, 15)
  t.equal(cursor.leaderEpoch, 7)
})

t.test('PartitionCursor: what lies below the position is passed over', async t => {
  const cursor = cursorAt(10)
  push(cursor, ['a', 'b', 'c'])
  cursor.position = 12
  t.same(take(cursor, 9), ['12c'])
})

t.test('PartitionCursor: a batch whose last record was taken is let go of at once', async t => {
  const cursor = cursorAt(0)
  push(cursor, ['a', 'b'])
  take(cursor, 2)
  t.equal(cursor.bufferedBytes, 0)
  t.notOk(cursor.hasBuffered)
  push(cursor, ['c'])
  cursor.skipTo(9, 7)
  take(cursor, 1)
  t.equal(cursor.position, 9, 'what was fetched behind it held no records')
})

t.test('PartitionCursor: records before one that cannot be read are handed out, then the error', async t => {
  const cursor = cursorAt(0)
  push(cursor, ['aa', 'bb', 'cc'], batch => { batch[batch.indexOf('cc') - 1] = 0x7f })
  push(cursor, ['dd'])
  t.same(take(cursor, 9), ['0aa', '1bb'])
  t.match(cursor.error, { code: 'CORRUPT', offset: 0, resumeOffset: 3, partition: 3 })
  t.notOk(cursor.hasBuffered)
  const bad = cursorAt(0)
  push(bad, ['aa'], batch => { batch[batch.indexOf('aa') - 1] = 0x7f })
  t.throws(() => bad.take([], 9), { code: 'CORRUPT' }, 'at once where nothing comes before it')
  bad.seek(1)
  t.equal(bad.error, null)
})

t.test('PartitionCursor: more is asked for where answers are slow and waited for, less where there is plenty', async t => {
  const cursor = cursorAt(0)
  const small = cursor.fetchBytes
  t.equal(small, MiB)
  cursor.adapt(small, 2)
  t.equal(cursor.fetchBytes, small, 'a fast answer')
  cursor.adapt(1_000, 500)
  t.equal(cursor.fetchBytes, small, 'a fetch that was parked until something came')
  for (let count = 0; count < 9; count++) cursor.adapt(cursor.fetchBytes, 200)
  t.equal(cursor.fetchBytes, 8 * MiB, 'slow ones, up to a bound')
  cursor.bufferedBytes = 1
  cursor.adapt(8 * MiB, 200)
  t.equal(cursor.fetchBytes, 8 * MiB, 'just in time')
  cursor.bufferedBytes = 5 * MiB
  for (let count = 0; count < 9; count++) cursor.adapt(cursor.fetchBytes, 200)
  t.equal(cursor.fetchBytes, small, 'plenty left')
})
