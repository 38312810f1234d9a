import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { SortedEntries } from './sorted-entries.js'

const key = (value: number): Buffer => Buffer.from(String(value).padStart(5, '0'))

function walked (entries: SortedEntries<{ key: Buffer }>, from?: Buffer, to?: Buffer, reverse = false): number[] {
  const next = entries.walk(from, to, reverse)
  const found: number[] = []
  for (let entry = next(); entry !== null; entry = next()) found.push(Number(entry.key.toString()))
  assert.equal(next(), null, 'the end stays the end')
  return found
}

t.test('SortedEntries: agrees with a sorted list (chunks split and vanish)', async () => {
  const value = fc.integer({ min: 0, max: 3000 })
  const bound = fc.option(value, { nil: undefined })
  fc.assert(fc.property(
    fc.array(value, { maxLength: 2000, size: 'max' }), fc.array(value, { maxLength: 1500, size: 'max' }),
    fc.boolean(), bound, bound, fc.integer({ min: 1, max: 5 }),
    (added, deleted, inOrder, from, to, divisor) => {
      const entries = new SortedEntries<{ key: Buffer }>()
      const model = new Set<number>()
      if (inOrder) added.sort((left, right) => left - right)
      for (const item of added) {
        entries.set({ key: key(item) })
        model.add(item)
      }
      const before = entries.clone()
      const beforeModel = [...model].sort((left, right) => left - right)
      for (const item of deleted) {
        entries.delete(key(item))
        model.delete(item)
      }
      entries.filter(entry => Number(entry.key.toString()) % divisor === 0)
      const sorted = [...model].filter(item => item % divisor === 0).sort((left, right) => left - right)
      const bounded = sorted.filter(item => item >= (from ?? 0) && item < (to ?? Infinity))
      const bounds = [from === undefined ? undefined : key(from), to === undefined ? undefined : key(to)] as const
      assert.deepEqual(walked(entries, ...bounds), bounded)
      assert.deepEqual(walked(entries, ...bounds, true), bounded.reverse())
      assert.deepEqual(walked(before), beforeModel)
      for (const item of sorted) assert.ok(entries.get(key(item)))
      for (const item of deleted) assert.equal(entries.get(key(item)), null)
    }), { numRuns: 100, seed: 4 })
})
