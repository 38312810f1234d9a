// The reserve of generations: what is used was set aside before, and no generation comes twice.

import t from 'tap'
import { GenerationReserve } from './generation-reserve.js'

t.test('GenerationReserve: has nothing to use before the first block is stored', async t => {
  const reserve = new GenerationReserve(0, 10)
  t.equal(reserve.current, 0)
  t.ok(reserve.isDurable, 'generation 0 means no assignment at all')
  t.notOk(reserve.hasNext)
  t.throws(() => reserve.next())
  t.equal(reserve.wantedCeiling, 10)
})

t.test('GenerationReserve: counts from 1 and asks for the next block when half of one is used', async t => {
  const reserve = new GenerationReserve(0, 10)
  reserve.onSaved(10)
  for (let generation = 1; generation <= 4; generation++) t.equal(reserve.next(), generation)
  t.equal(reserve.wantedCeiling, 10)
  t.equal(reserve.next(), 5)
  t.equal(reserve.wantedCeiling, 15)
  for (let generation = 6; generation <= 10; generation++) t.equal(reserve.next(), generation)
  t.notOk(reserve.hasNext)
  reserve.onSaved(15)
  t.equal(reserve.next(), 11)
})

t.test('GenerationReserve: begins above all that may have been used (restart)', async t => {
  const reserve = new GenerationReserve(10, 10)
  t.ok(reserve.current > 10)
  t.notOk(reserve.isDurable, 'it cannot be told before it is set aside')
  t.notOk(reserve.hasNext)
  reserve.onSaved(reserve.wantedCeiling)
  t.ok(reserve.isDurable)
  t.ok(reserve.next() > 11)
})

t.test('GenerationReserve: keeps the higher ceiling (saves that come late)', async t => {
  const reserve = new GenerationReserve(0, 10)
  reserve.onSaved(20)
  reserve.onSaved(10)
  for (let generation = 1; generation <= 20; generation++) reserve.next()
  t.notOk(reserve.hasNext)
})

t.test('GenerationReserve: refuses a ceiling that cannot be one', async t => {
  t.throws(() => new GenerationReserve(-1, 10))
  t.throws(() => new GenerationReserve(1.5, 10))
})
