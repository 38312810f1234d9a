import type { LogSlice } from '@sluice/storage'
import t from 'tap'
import { ReadBudget } from './read-budget.js'
import { RecentReads } from './recent-reads.js'

const PIECE_BYTES = 128 * 1024

/** A piece of the log, with bytes that nobody looks at. */
function piece (baseOffset: number, memory = new ArrayBuffer(PIECE_BYTES)): LogSlice {
  return { buffers: [Buffer.from(memory, 0, 100)], sizeBytes: 100, baseOffset, nextOffset: baseOffset + 10 }
}

t.test('Read budget: a thousand groups together keep no more than it allows', async t => {
  const budget = new ReadBudget(16 * PIECE_BYTES)
  const groups = Array.from({ length: 1_000 }, () => new RecentReads(budget))
  for (let round = 0; round < 4; round++) {
    for (const group of groups) {
      group.keep(piece(round * 10))
      t.ok(group.find(round * 10) !== null && budget.sizeBytes <= 16 * PIECE_BYTES) || t.bailout('above the budget')
    }
  }
  t.equal(groups.filter(group => group.find(30) !== null).length, 16, 'what was kept last is there')
  t.equal(groups.filter(group => group.find(20) !== null).length, 0)
  for (const group of groups) group.clear()
  t.equal(budget.sizeBytes, 0, 'nothing is counted that is gone')
})

t.test('Read budget: a group alone keeps its latest pieces, and forgets them in the budget too', async t => {
  const budget = new ReadBudget(1024 * PIECE_BYTES)
  const group = new RecentReads(budget)
  for (let index = 0; index < 10; index++) group.keep(piece(index * 10))
  t.equal(budget.sizeBytes, 4 * PIECE_BYTES)
  t.same(Array.from({ length: 10 }, (_, index) => group.find(index * 10 + 5) !== null),
    [false, false, false, false, false, false, true, true, true, true])
})

t.test('Read budget: a piece above all of it is kept until the next comes', async t => {
  const budget = new ReadBudget(PIECE_BYTES)
  const large = new RecentReads(budget)
  const small = new RecentReads(budget)
  small.keep(piece(0))
  large.keep(piece(0, new ArrayBuffer(10 * PIECE_BYTES)))
  t.ok(large.find(0) !== null)
  t.equal(small.find(0), null)
  small.keep(piece(0))
  t.equal(large.find(0), null)
  t.equal(budget.sizeBytes, PIECE_BYTES)
})

t.test('Read budget: what counts is the memory that a piece keeps alive (small batch of a large read)', async t => {
  const budget = new ReadBudget(10 * PIECE_BYTES)
  new RecentReads(budget).keep(piece(0))
  t.equal(budget.sizeBytes, PIECE_BYTES)
})
