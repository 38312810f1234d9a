import t from 'tap'
import { PrefetchTarget } from './prefetch-target.js'

t.test('PrefetchTarget: slow handlers hold nothing beyond what they work on', async t => {
  const target = new PrefetchTarget(null, 0)
  t.equal(target.records(0), 0)
  for (let nowMs = 10_000; nowMs < 100_000; nowMs += 10_000) target.onFinished(nowMs)
  t.equal(target.records(100_000), 0)
})

t.test('PrefetchTarget: fast handlers hold a quarter of a second of work, within a bound', async t => {
  const target = new PrefetchTarget(null, 0)
  for (let nowMs = 0; nowMs < 1_000; nowMs++) target.onFinished(nowMs)
  t.ok(Math.abs(target.records(1_000) - 250) < 40, 'a thousand a second')
  for (let nowMs = 1_000; nowMs < 2_000; nowMs++) for (let count = 0; count < 200; count++) target.onFinished(nowMs)
  t.equal(target.records(2_000), 5_000)
  for (let nowMs = 2_000; nowMs < 12_000; nowMs += 1_000) target.onFinished(nowMs)
  t.ok(target.records(12_000) < 10, 'it follows when they become slow')
})

t.test('PrefetchTarget: a number that was asked for stays', async t => {
  const target = new PrefetchTarget(7, 0)
  for (let nowMs = 0; nowMs < 500; nowMs++) target.onFinished(nowMs)
  t.equal(target.records(500), 7)
})
