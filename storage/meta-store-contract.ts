// What every MetaStore does, as tests: run on the store in memory and on LMDB.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Test } from 'tap'
import type { MetaEntry, MetaRange, MetaStore, MetaWrite } from './meta-store.js'

const key = (text: string): Buffer => Buffer.from(text)
const shown = (entries: MetaEntry[]): string[] => entries.map(entry => `${entry.key}=${entry.value}`)

function committed (store: MetaStore, changes: readonly MetaWrite[], durable = false): Promise<void> {
  return new Promise((resolve, reject) => {
    store.write(changes, { durable, done: error => error === null ? resolve() : reject(error) })
  })
}

/** `reopen` closes the store and opens it again on the same data. */
export interface MetaStoreUnderTest { store: MetaStore, reopen (): Promise<MetaStore> }

export function testMetaStoreContract (t: Test, make: (t: Test) => Promise<MetaStoreUnderTest>): void {
  t.test('MetaStore: a write is visible when write has returned (not committed yet)', async (t) => {
    const { store } = await make(t)
    store.write([{ table: 'a', key: key('k'), value: key('v') }])
    t.same(store.get('a', key('k')), key('v'))
    t.same(store.range('a').length, 1)
    t.equal(store.get('b', key('k')), null, 'tables are apart')
    store.write([{ table: 'a', key: key('k'), value: null }])
    t.equal(store.get('a', key('k')), null)
    t.same(store.range('a'), [])
  })

  t.test('MetaStore: done runs after write has returned, in the order of the writes', async (t) => {
    const { store } = await make(t)
    const order: number[] = []
    for (let i = 0; i < 20; i++) {
      store.write([{ table: 'a', key: key('k'), value: key(String(i)) }], {
        durable: i % 3 === 0,
        done: (error) => {
          t.equal(error, null)
          order.push(i)
        },
      })
    }
    t.same(order, [], 'none runs within write')
    await store.flush()
    t.same(order, Array.from({ length: 20 }, (_, i) => i))
    t.same(store.get('a', key('k')), key('19'))
  })

  t.test('MetaStore: buffers are copied both ways (the caller reuses them)', async (t) => {
    const { store } = await make(t)
    const name = key('key')
    const value = key('value')
    store.write([{ table: 'a', key: name, value }])
    name.fill(0)
    value.fill(0)
    store.get('a', key('key'))!.fill(0)
    store.range('a')[0]!.value.fill(0)
    t.same(store.get('a', key('key')), key('value'))
    await store.flush()
    store.get('a', key('key'))!.fill(0)
    t.same(store.get('a', key('key')), key('value'))
  })

  t.test('MetaStore: everything is there after it was closed and opened again', async (t) => {
    const { store, reopen } = await make(t)
    await committed(store, [{ table: 'a', key: key('1'), value: key('x') }, { table: 'b', key: key('1'), value: key('y') }])
    store.write([{ table: 'a', key: key('2'), value: Buffer.alloc(100_000, 7) }])
    store.write([{ table: 'a', key: key('3'), value: Buffer.alloc(0) }])
    const again = await reopen()
    t.same(again.get('a', key('1')), key('x'))
    t.same(again.get('b', key('1')), key('y'))
    t.same(again.get('a', key('2')), Buffer.alloc(100_000, 7))
    t.same(again.get('a', key('3')), Buffer.alloc(0), 'an empty value is a value')
    t.equal(again.range('a').length, 3)
  })

  t.test('MetaStore: a range is bounded, limited and walked either way', async (t) => {
    const { store } = await make(t)
    await committed(store, ['b', 'd', 'f', 'h'].map(name => ({ table: 'a', key: key(name), value: key('old') })))
    store.write([
      { table: 'a', key: key('c'), value: key('new') },
      { table: 'a', key: key('d'), value: null },
      { table: 'a', key: key('h'), value: key('new') },
    ])
    t.same(shown(store.range('a')), ['b=old', 'c=new', 'f=old', 'h=new'])
    t.same(shown(store.range('a', { from: key('c'), to: key('h') })), ['c=new', 'f=old'])
    t.same(shown(store.range('a', { reverse: true, limit: 2 })), ['h=new', 'f=old'])
    t.same(shown(store.range('a', { reverse: true, to: key('f') })), ['c=new', 'b=old'])
    t.same(shown(store.range('a', { reverse: true, from: key('c'), to: key('i') })), ['h=new', 'f=old', 'c=new'])
    t.same(store.range('a', { limit: 0 }), [])
    t.same(store.range('a', { from: key('x') }), [])
    t.same(store.range('a', { from: key('f'), to: key('b') }), [])
    t.same(store.range('no such table'), [])
  })

  t.test('MetaStore: keys of 480 bytes are taken, empty and longer ones refused', async (t) => {
    const { store } = await make(t)
    await committed(store, [{ table: 'a', key: Buffer.alloc(480, 1), value: key('v') }])
    t.same(store.get('a', Buffer.alloc(480, 1)), key('v'))
    for (const wrong of [Buffer.alloc(0), Buffer.alloc(481)]) {
      const changes = [{ table: 'a', key: key('good'), value: key('v') }, { table: 'a', key: wrong, value: key('v') }]
      t.throws(() => store.write(changes), RangeError)
    }
    t.equal(store.get('a', key('good')), null, 'and nothing else of that write is done')
  })

  t.test('MetaStore: deleteRange deletes what is in the range and nothing else', async (t) => {
    const { store, reopen } = await make(t)
    const name = (i: number): Buffer => key(String(i).padStart(5, '0'))
    const changes = Array.from({ length: 3500 }, (_, i) => ({ table: 'a', key: name(i), value: key('v') }))
    await committed(store, changes.slice(0, 2000))
    store.write(changes.slice(2000))
    await store.deleteRange('a', { from: name(10), to: name(3400) })
    t.same(store.range('a').map(entry => String(entry.key)),
      [...changes.slice(0, 10), ...changes.slice(3400)].map(change => String(change.key)))
    await store.deleteRange('a', { reverse: true, limit: 5 })
    t.same(store.range('a', { reverse: true, limit: 1 })[0]!.key, name(3494))
    await store.deleteRange('no such table', {})
    const again = await reopen()
    t.equal(again.range('a').length, 105)
  })

  t.test('MetaStore: flush and close wait for everything queued; a closed store refuses', async (t) => {
    const { store } = await make(t)
    let count = 0
    for (let i = 0; i < 10; i++) {
      store.write([{ table: 'a', key: key(`k${i}`), value: key('v') }], { done: () => { count++ } })
    }
    await store.close()
    t.equal(count, 10)
    t.throws(() => store.get('a', key('k1')), /closed/)
    t.throws(() => store.write([]), /closed/)
    await store.close()
  })

  t.test('MetaStore: any mix of writes, reads, flushes and restarts agrees with a plain map', async (t) => {
    await fc.assert(fc.asyncProperty(fc.array(step(), { maxLength: 40 }), async (steps) => {
      const under = await make(t)
      let { store } = under
      const model = new Map<string, string>()
      for (const step of steps) {
        if (step.kind === 'write') {
          store.write(step.changes.map(({ name, value }) => ({
            table: 'a', key: key(name), value: value === null ? null : key(value),
          })), { durable: step.durable })
          for (const { name, value } of step.changes) value === null ? model.delete(name) : model.set(name, value)
        } else if (step.kind === 'range') {
          assert.deepEqual(shown(store.range('a', rangeOf(step))), expected(model, step))
        } else if (step.kind === 'turn') {
          await new Promise(resolve => setImmediate(resolve))
        } else if (step.kind === 'flush') {
          await store.flush()
        } else {
          store = await under.reopen()
        }
      }
      assert.deepEqual(shown(store.range('a')), expected(model, {}))
      await store.close()
    }), { numRuns: 60, seed: 2 })
  })
}

interface RangeStep { from?: string, to?: string, reverse?: boolean, limit?: number }
type Step = { kind: 'write', changes: Array<{ name: string, value: string | null }>, durable: boolean } |
  { kind: 'range' } & RangeStep | { kind: 'turn' } | { kind: 'flush' } | { kind: 'reopen' }

function step (): fc.Arbitrary<Step> {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 3 })
  const maybe = <T> (value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined })
  return fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        changes: fc.array(fc.record({ name, value: fc.option(fc.string({ unit: 'binary-ascii', maxLength: 4 })) }),
          { maxLength: 6 }),
        durable: fc.boolean(),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('range' as const),
        from: maybe(name),
        to: maybe(name),
        reverse: fc.boolean(),
        limit: maybe(fc.integer({ min: 0, max: 5 })),
      }),
    },
    { weight: 3, arbitrary: fc.constant({ kind: 'turn' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'flush' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) })
}

function rangeOf ({ from, to, reverse, limit }: RangeStep): MetaRange {
  const bound = (name: string | undefined): Buffer | undefined => name === undefined ? undefined : key(name)
  return { from: bound(from), to: bound(to), reverse, limit }
}

function expected (model: Map<string, string>, { from, to, reverse, limit }: RangeStep): string[] {
  const names = [...model.keys()].sort()
    .filter(name => (from === undefined || name >= from) && (to === undefined || name < to))
  if (reverse === true) names.reverse()
  return names.slice(0, limit ?? Infinity).map(name => `${name}=${model.get(name)}`)
}
