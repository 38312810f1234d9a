import t from 'tap'
import { isOneRun, runEnd } from './record-run.js'
import type { StoredRecord } from './stored-record.js'

type AnyRecord = StoredRecord<unknown, unknown>

const ORIGINS = [{}, {}]

function record (origin: number, offset: number): AnyRecord {
  return { origin: ORIGINS[origin], offset } as unknown as AnyRecord
}

function runs (records: readonly AnyRecord[]): number[] {
  const ends: number[] = []
  for (let from = 0; from < records.length;) ends.push(from = runEnd(records, from, records.length))
  return ends
}

t.test('runEnd: a run ends at a gap and at another partition', async t => {
  t.same(runs([record(0, 5), record(0, 6), record(0, 7)]), [3])
  t.same(runs([record(0, 5), record(0, 7), record(0, 8)]), [1, 3])
  t.same(runs([record(0, 5), record(1, 6), record(1, 7)]), [1, 3])
})

t.test('runEnd: the last record may seem to belong to a run and does not', async t => {
  t.same(runs([record(0, 5), record(1, 6), record(0, 7)]), [1, 2, 3])
  t.same(runs([record(0, 5), record(0, 5), record(0, 7)]), [1, 2, 3])
})

t.test('runEnd: looks no further than it is told to', async t => {
  const records = [record(0, 5), record(0, 6), record(0, 7)]
  t.equal(runEnd(records, 0, 2), 2)
  t.equal(runEnd(records, 1, 2), 2)
})

t.test('isOneRun: tells a run from records with a gap, and from those of an earlier time with the partition', async t => {
  t.ok(isOneRun([record(0, 5)], 0, 1))
  t.ok(isOneRun([record(0, 1), record(0, 5), record(0, 6)], 1, 3))
  t.notOk(isOneRun([record(0, 5), record(0, 7)], 0, 2))
  t.notOk(isOneRun([record(0, 5), record(0, 6), record(1, 7)], 0, 3))
})
