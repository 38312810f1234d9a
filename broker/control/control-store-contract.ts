// What every ControlStore does, as tests: run on LMDB, on etcd and on the simulated store.

import type { Test } from 'tap'
import { COMMIT_CHANGES_MAX, type ControlEntry, type ControlFault, type ControlStore } from './control-store.js'

/** A store with nothing in it. */
export interface ControlStoreUnderTest {
  store: ControlStore
  /** The same contents as another process has them; `store` itself where there is no other process. */
  other: ControlStore
}

const WAIT_MS = 10_000

/** Waits until something holds that an event brings about; fails where it takes for ever. */
export async function until (holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS
  while (!await holds()) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${WAIT_MS} ms in vain: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

export function testControlStoreContract (t: Test, make: (t: Test) => Promise<ControlStoreUnderTest>): void {
  testTransactions(t, make)
  testLists(t, make)
  testWatches(t, make)
  testLeases(t, make)
}

function testTransactions (t: Test, make: (t: Test) => Promise<ControlStoreUnderTest>): void {
  t.test('ControlStore: what is committed is there, for others too', async t => {
    const { store, other } = await make(t)
    t.equal(await store.get('/a'), null)
    const first = await store.commit([{ key: '/a', value: { text: 'ünï ☃', list: [1, null, true] } }])
    t.same(await other.get('/a'), { key: '/a', value: { text: 'ünï ☃', list: [1, null, true] }, revision: first })
    const second = await other.commit([{ key: '/a', value: 0 }])
    t.ok(second! > first!, 'revisions grow')
    t.same(await store.get('/a'), { key: '/a', value: 0, revision: second })
    const third = await store.commit([{ key: '/a', value: null }])
    t.ok(third! > second!)
    t.equal(await other.get('/a'), null)
    t.ok(await store.commit([{ key: '/nobody', value: null }]) !== null, 'deleting what is not there is no error')
  })

  t.test('ControlStore: a comparison is with the last change of its key (0: no such key)', async t => {
    const { store } = await make(t)
    const first = await store.commit([{ key: '/a', value: 1 }], [{ key: '/a', revision: 0 }])
    t.ok(first! > 0)
    t.equal(await store.commit([{ key: '/a', value: 2 }], [{ key: '/a', revision: 0 }]), null, 'it is there')
    const other = await store.commit([{ key: '/b', value: 1 }])
    t.equal(await store.commit([{ key: '/a', value: 2 }], [{ key: '/a', revision: other! }]), null, 'another key')
    t.ok(await store.commit([{ key: '/a', value: 2 }], [{ key: '/a', revision: first! }]))
    t.equal(await store.commit([{ key: '/a', value: 3 }], [{ key: '/a', revision: first! }]), null, 'stale')
    t.same((await store.get('/a'))!.value, 2)
    await store.commit([{ key: '/a', value: null }])
    const again = await store.commit([{ key: '/a', value: 4 }], [{ key: '/a', revision: 0 }])
    t.ok(again! > other!, 'a key that was deleted is as one that never was, but revisions go on')
  })

  t.test('ControlStore: a commit makes all of its changes or none, at one revision', async t => {
    const { store, other } = await make(t)
    const first = await store.commit([{ key: '/a', value: 1 }, { key: '/b', value: 1 }, { key: '/c', value: 1 }])
    const changes = [{ key: '/a', value: 2 }, { key: '/b', value: null }, { key: '/d', value: 2 }]
    const compares = [{ key: '/a', revision: first! }, { key: '/c', revision: first! }]
    t.equal(await store.commit(changes, [...compares, { key: '/d', revision: 7 }]), null)
    t.same((await other.list('/')).entries.map(({ key, value }) => [key, value]), [['/a', 1], ['/b', 1], ['/c', 1]])
    const second = await store.commit(changes, compares)
    t.same((await other.list('/')).entries, [
      { key: '/a', value: 2, revision: second },
      { key: '/c', value: 1, revision: first },
      { key: '/d', value: 2, revision: second },
    ])
  })

  t.test('ControlStore: of many that swap the same value one wins', async t => {
    const { store, other } = await make(t)
    const revision = await store.commit([{ key: '/a', value: 'before' }])
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? store : other).commit([{ key: '/a', value: index }], [{ key: '/a', revision: revision! }])))
    const winners = outcomes.flatMap((outcome, index) => outcome === null ? [] : [index])
    t.equal(winners.length, 1)
    t.equal((await store.get('/a'))!.value, winners[0])
  })

  t.test('ControlStore: a commit takes as many changes and comparisons as it says, and no more', async t => {
    const { store } = await make(t)
    const changes = Array.from({ length: COMMIT_CHANGES_MAX }, (_, index) => ({ key: `/${index}`, value: index }))
    const compares = changes.map(({ key }) => ({ key, revision: 0 }))
    t.ok(await store.commit(changes, compares))
    t.equal((await store.list('/')).entries.length, COMMIT_CHANGES_MAX)
    await rejectsWith(t, 'invalid', store.commit([...changes, { key: '/more', value: 1 }]))
    await rejectsWith(t, 'invalid', store.commit([{ key: '/a', value: 1 }, { key: '/a', value: 2 }]))
    t.equal(await store.get('/a'), null)
  })
}

function testLists (t: Test, make: (t: Test) => Promise<ControlStoreUnderTest>): void {
  t.test('ControlStore: a list has what begins with its prefix, by key', async t => {
    const { store } = await make(t)
    for (const key of ['/b/2', '/a', '/b/10', '/b', '/c/1', '/b/é']) await store.commit([{ key, value: key }])
    const { entries, revision } = await store.list('/b/')
    t.same(entries.map(({ key }) => key), ['/b/10', '/b/2', '/b/é'])
    t.ok(entries.every(entry => entry.revision <= revision && entry.value === entry.key))
    t.same((await store.list('/nothing')).entries, [])
    t.equal((await store.list('/')).entries.length, 6)
  })

  t.test('ControlStore: a list of thousands of entries is whole', async t => {
    const { store, other } = await make(t)
    const keys = Array.from({ length: 2_500 }, (_, index) => `/many/${String(index).padStart(5, '0')}`)
    for (let from = 0; from < keys.length; from += COMMIT_CHANGES_MAX) {
      await store.commit(keys.slice(from, from + COMMIT_CHANGES_MAX).map(key => ({ key, value: key })))
    }
    const { entries } = await other.list('/many/')
    t.same(entries.map(({ key }) => key), keys)
  })
}

function testWatches (t: Test, make: (t: Test) => Promise<ControlStoreUnderTest>): void {
  t.test('ControlStore: a watch tells of what changes below its prefix, until it is ended', async t => {
    const { store, other } = await make(t)
    await store.commit([{ key: '/w/before', value: 1 }])
    const seen: ControlEntry[] = []
    const end = store.watch('/w/', entry => seen.push(entry))
    await settledWatch(store, other, '/w/', seen)
    const first = await other.commit([{ key: '/w/a', value: 1 }])
    await other.commit([{ key: '/x', value: 1 }])
    const second = await store.commit([{ key: '/w/b', value: 2 }])
    const third = await other.commit([{ key: '/w/a', value: null }])
    await until(() => seen.length === 3, 'three events')
    t.same(seen.sort((a, b) => a.revision - b.revision), [
      { key: '/w/a', value: 1, revision: first },
      { key: '/w/b', value: 2, revision: second },
      { key: '/w/a', value: null, revision: third },
    ])
    end()
    await other.commit([{ key: '/w/c', value: 3 }])
    await store.list('/')
    t.equal(seen.length, 3)
  })

  t.test('ControlStore: a closed store refuses, and tells of nothing more', async t => {
    const { store, other } = await make(t)
    const seen: ControlEntry[] = []
    store.watch('/', entry => seen.push(entry))
    await settledWatch(store, other, '/', seen)
    await store.close()
    await rejectsWith(t, 'closed', store.get('/a'))
    await rejectsWith(t, 'closed', store.list('/'))
    await rejectsWith(t, 'closed', store.commit([{ key: '/a', value: 1 }]))
    await rejectsWith(t, 'closed', store.openLease(2_000))
    if (other === store) return
    await other.commit([{ key: '/a', value: 1 }])
    t.same(seen, [])
  })
}

function testLeases (t: Test, make: (t: Test) => Promise<ControlStoreUnderTest>): void {
  t.test('ControlStore: what hangs on a lease goes when it is closed, and others are told', async t => {
    const { store, other } = await make(t)
    const seen: ControlEntry[] = []
    other.watch('/l/', entry => seen.push(entry))
    await settledWatch(other, store, '/l/', seen)
    const lease = await store.openLease(10_000, () => t.fail('it was closed, not lost'))
    t.ok(lease.valid())
    await store.commit([{ key: '/l/a', value: 1, lease: lease.id }, { key: '/l/b', value: 1 }])
    t.equal((await other.list('/l/')).entries.length, 2)
    await lease.close()
    t.notOk(lease.valid())
    t.same((await other.list('/l/')).entries.map(({ key }) => key), ['/l/b'])
    await until(() => seen.some(({ key, value }) => key === '/l/a' && value === null), 'the event of the deletion')
    await lease.close()
  })

  t.test('ControlStore: a value hangs on the lease that it was written with, whatever was there before', async t => {
    const { store } = await make(t)
    const [left, right] = [await store.openLease(10_000), await store.openLease(10_000)]
    t.not(left.id, right.id)
    await store.commit(['/a', '/b', '/c'].map(key => ({ key, value: 1, lease: left.id })))
    await store.commit([{ key: '/b', value: 2, lease: right.id }, { key: '/c', value: 2 }])
    await left.close()
    t.same((await store.list('/')).entries.map(({ key }) => key), ['/b', '/c'])
    await right.close()
    t.same((await store.list('/')).entries.map(({ key }) => key), ['/c'])
  })

  t.test('ControlStore: nothing hangs on a lease that is no more', async t => {
    const { store } = await make(t)
    const lease = await store.openLease(10_000)
    await lease.close()
    await rejectsWith(t, 'leaseLost', store.commit([{ key: '/a', value: 1 }, { key: '/b', value: 1, lease: lease.id }]))
    t.same((await store.list('/')).entries, [])
  })
}

/** A watch may begin a moment after it was asked for: writes until it sees something, then forgets that. */
async function settledWatch (
  watching: ControlStore, writing: ControlStore, prefix: string, seen: ControlEntry[],
): Promise<void> {
  const key = `${prefix}settled`
  let revision = 0
  await until(async () => {
    revision = (await writing.commit([{ key, value: 1 }]))!
    await new Promise(resolve => setTimeout(resolve, 20))
    return seen.length > 0
  }, 'the watch to begin')
  await until(() => seen.some(entry => entry.revision === revision), 'the watch to catch up')
  await watching.commit([{ key, value: null }])
  await until(() => seen.some(entry => entry.value === null), 'the watch to catch up')
  seen.length = 0
}

/** Fails where a call does not reject with a ControlStoreError of this fault. */
export async function rejectsWith (t: Test, fault: ControlFault, call: Promise<unknown>): Promise<void> {
  await t.rejects(call, { name: 'ControlStoreError', fault })
}
