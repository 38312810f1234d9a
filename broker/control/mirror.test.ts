import fc from 'fast-check'
import t from 'tap'
import { Mirror } from './mirror.js'

t.test('Mirror: changes and lists come together, whichever is newer', async t => {
  const told: [string, unknown][] = []
  const mirror = new Mirror<number>('/a/', (name, value) => told.push([name, value]))
  t.equal(mirror.apply({ key: '/a/x', value: 1, revision: 5 }), true)
  t.equal(mirror.apply({ key: '/a/x', value: 0, revision: 4 }), false, 'older than what is known')
  t.equal(mirror.replace([{ key: '/a/y', value: 2, revision: 3 }], 4), true, 'x came after this list')
  t.strictSame([mirror.get('x'), mirror.get('y')], [1, 2])
  t.equal(mirror.replace([{ key: '/a/x', value: 1, revision: 5 }], 9), true, 'y is gone')
  t.equal(mirror.apply({ key: '/a/y', value: 2, revision: 3 }), false, 'a late change of what a list says is gone')
  t.equal(mirror.replace([], 8), false, 'a list that was overtaken')
  t.strictSame(told, [['x', 1], ['y', 2], ['y', null]])
  t.equal(mirror.revisionOf('x'), 5)
  t.equal(mirror.revisionOf('y'), 0)
})

t.test('Mirror: a list does not bring back what was deleted after it', async t => {
  const mirror = new Mirror<number>('/a/')
  mirror.apply({ key: '/a/x', value: 1, revision: 1 })
  mirror.apply({ key: '/a/x', value: null, revision: 3 })
  t.equal(mirror.replace([{ key: '/a/x', value: 1, revision: 1 }], 2), false)
  t.equal(mirror.get('x'), null)
  t.equal(mirror.apply({ key: '/a/x', value: 4, revision: 4 }), true, 'created anew')
})

t.test('Mirror: is what the store is after the last list, whatever was lost, late or doubled', async t => {
  const anyStep = fc.record({
    key: fc.integer({ min: 0, max: 3 }), isDeleted: fc.boolean(), lost: fc.boolean(), listed: fc.boolean(),
  })
  fc.assert(fc.property(fc.array(anyStep, { maxLength: 40 }), fc.array(fc.nat(), { maxLength: 40 }), (steps, order) => {
    const mirror = new Mirror<number>('/')
    const store = new Map<string, { key: string, value: number, revision: number }>()
    const events: (() => void)[] = []
    let revision = 0
    for (const { key: index, isDeleted, lost, listed } of steps) {
      const key = `/${index}`
      const entry = { key, value: ++revision, revision }
      if (isDeleted) store.delete(key)
      else store.set(key, entry)
      if (!lost) events.push(() => mirror.apply(isDeleted ? { ...entry, value: null } : entry))
      if (!listed) continue
      const [entries, at] = [[...store.values()], revision]
      events.push(() => mirror.replace(entries, at))
    }
    for (const pick of order) if (events.length > 0) events[pick % events.length]!()
    mirror.replace([...store.values()], revision)
    t.strictSame(
      [...mirror.entries].map(([name, { value }]) => [name, value]).sort(),
      [...store].map(([key, { value }]) => [key.slice(1), value]).sort())
  }), { numRuns: 300, seed: 7 })
})
