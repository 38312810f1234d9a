// Producer ids: never twice, whatever became of the control store.

import t from 'tap'
import { MemoryMetaStore } from '@sluice/storage/testing'
import { LmdbControlStore } from './lmdb-control-store.js'
import { LossyControlStore } from './lossy-control-store.test.double.js'
import { ProducerIds } from './producer-ids.js'

const NOW_MS = 1_700_000_000_000

function newIds (options: { store?: LmdbControlStore, nowMs?: number, rememberedMax?: number } = {}): ProducerIds {
  const { store = new LmdbControlStore(new MemoryMetaStore()), nowMs = NOW_MS, rememberedMax = -1 } = options
  return new ProducerIds(store, 1_000, () => nowMs, () => rememberedMax)
}

t.test('ProducerIds: no id comes twice (many callers, several blocks)', async t => {
  const ids = newIds()
  const given = await Promise.all(Array.from({ length: 2_500 }, () => ids.next()))
  t.equal(new Set(given).size, given.length)
  t.ok(given.every(id => Number.isSafeInteger(id) && id >= 0))
})

t.test('ProducerIds: a restart never gives out what it may have given out before (same store, clock set back)', async t => {
  const store = new LmdbControlStore(new MemoryMetaStore())
  const before = await newIds({ store }).next()
  t.ok(await newIds({ store, nowMs: NOW_MS - 86_400_000 }).next() > before)
})

t.test('ProducerIds: a lost store gives out nothing twice (a millisecond later)', async t => {
  const ids = newIds()
  const given = await Promise.all(Array.from({ length: 1_000 }, () => ids.next()))
  t.ok(await newIds({ nowMs: NOW_MS + 1 }).next() > Math.max(...given))
})

t.test('ProducerIds: an id that a partition remembers is never given out (store lost and clock set back)', async t => {
  t.ok(await newIds({ nowMs: 0, rememberedMax: 5_000_000 }).next() > 5_000_000)
})

t.test('ProducerIds: a block of which nobody can tell whose it is, is left out', async t => {
  const store = new LossyControlStore(new MemoryMetaStore())
  store.losses = ['answer', 'request', 'late']
  const [mine, theirs] = [newIds({ store }), newIds({ store })]
  const given = [await mine.next(), await theirs.next()]
  for (let count = 0; count < 1_500; count++) given.push(await mine.next(), await theirs.next())
  t.equal(new Set(given).size, given.length)
})
