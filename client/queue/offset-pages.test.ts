import fc from 'fast-check'
import t from 'tap'
import { OffsetPages } from './offset-pages.js'

t.test('OffsetPages: what is put at an offset is there until it is taken out', async t => {
  const pages = new OffsetPages<string>()
  const far = Number.MAX_SAFE_INTEGER
  for (const [offset, text] of [[0, 'a'], [63, 'b'], [64, 'c'], [far, 'd']] as const) pages.set(offset, text)
  t.same([0, 63, 64, far].map(offset => pages.get(offset)), ['a', 'b', 'c', 'd'])
  t.equal(pages.get(1), undefined)
  t.equal(pages.get(128), undefined)
  pages.set(63, 'e')
  t.equal(pages.get(63), 'e')
  pages.delete(63)
  pages.delete(63)
  pages.delete(500)
  t.equal(pages.get(63), undefined)
  t.same(pages.all().sort(), ['a', 'c', 'd'])
})

t.test('OffsetPages: agrees with a map', async t => {
  const offset = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 100 }))
  const step = fc.record({ isPut: fc.boolean(), offset, value: fc.nat() })
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), steps => {
    const pages = new OffsetPages<number>()
    const model = new Map<number, number>()
    for (const { isPut, offset, value } of steps) {
      if (isPut) {
        pages.set(offset, value)
        model.set(offset, value)
      } else {
        pages.delete(offset)
        model.delete(offset)
      }
      if (pages.get(offset) !== model.get(offset)) return false
    }
    const all = pages.all().sort((a, b) => a - b)
    const expected = [...model.values()].sort((a, b) => a - b)
    return all.length === expected.length && all.every((value, index) => value === expected[index])
  }), { numRuns: 300, seed: 11 })
  t.pass('300 runs')
})
