// The records of groups: in the order of the calls, and durable before they count.

import t from 'tap'
import type { ControlChange, ControlEntry, ControlLease, ControlStore } from './control-store.js'
import { GroupRecords } from './group-records.js'

const RECORD = { generationCeiling: 1_000, sessionTimeoutMs: 9_000 }

/** A control store whose commits wait for the test. */
class SlowStore implements ControlStore {
  readonly values = new Map<string, unknown>()
  readonly commits: { changes: readonly ControlChange[], done: (error: Error | null) => void }[] = []

  async get (): Promise<ControlEntry | null> { return null }

  async list (prefix: string): Promise<{ entries: ControlEntry[], revision: number }> {
    const entries = [...this.values].filter(([key]) => key.startsWith(prefix))
    return { entries: entries.map(([key, value]) => ({ key, value, revision: 1 })), revision: 1 }
  }

  commit (changes: readonly ControlChange[]): Promise<number | null> {
    return new Promise((resolve, reject) => {
      this.commits.push({ changes, done: error => error === null ? resolve(1) : reject(error) })
    })
  }

  watch (): () => void { return () => {} }

  async openLease (): Promise<ControlLease> { throw new Error('there are no leases here') }

  async close (): Promise<void> {}

  /** Ends the oldest commit and lets whoever waited for it run. */
  async finish (error: Error | null = null): Promise<void> {
    const { changes, done } = this.commits.shift()!
    if (error === null) for (const { key, value } of changes) this.values.set(key, value)
    done(error)
    await new Promise(resolve => setImmediate(resolve))
  }
}

async function turn (): Promise<void> {
  await new Promise(resolve => setImmediate(resolve))
}

t.test('GroupRecords: loads what is stored and passes over what is no record', async t => {
  const store = new SlowStore()
  store.values.set('/groups/a', RECORD)
  store.values.set('/groups/b', { generationCeiling: -1, sessionTimeoutMs: 0 })
  store.values.set('/groups/c', null)
  store.values.set('/topics/d', RECORD)
  const records = new GroupRecords(store)
  await records.load()
  t.same([...records.groups()], ['a'])
  t.same(records.get('a'), RECORD)
})

t.test('GroupRecords: a record counts when it is durable', async t => {
  const store = new SlowStore()
  const records = new GroupRecords(store)
  const saved = records.save('a', RECORD)
  await turn()
  t.equal(records.get('a'), undefined)
  await store.finish()
  await saved
  t.equal(records.get('a'), RECORD)
})

t.test('GroupRecords: writes of one group follow each other, those of others do not wait', async t => {
  const store = new SlowStore()
  const records = new GroupRecords(store)
  const saved = records.save('a', RECORD)
  const removed = records.remove('a')
  const other = records.save('b', RECORD)
  await turn()
  t.same(store.commits.map(({ changes }) => changes[0]!.key), ['/groups/a', '/groups/b'])
  await store.finish()
  await saved
  t.equal(records.get('a'), undefined, 'it is being removed')
  await store.finish()
  await store.finish()
  await Promise.all([removed, other])
  t.equal(store.values.get('/groups/a'), null)
  t.same([...records.groups()], ['b'])
})

t.test('GroupRecords: a failed save leaves the record as it was and stops nothing', async t => {
  const store = new SlowStore()
  const records = new GroupRecords(store)
  const first = t.rejects(records.save('a', RECORD), { message: 'ENOSPC' })
  const second = records.save('a', { ...RECORD, generationCeiling: 2_000 })
  await turn()
  await store.finish(new Error('ENOSPC'))
  await first
  t.equal(records.get('a'), undefined)
  await store.finish()
  await second
  t.equal(records.get('a')?.generationCeiling, 2_000)
})

t.test('GroupRecords: knows when nothing is being written', async t => {
  const store = new SlowStore()
  const records = new GroupRecords(store)
  await records.atRest()
  const saved = records.save('a', RECORD)
  let atRest = false
  const waited = records.atRest().then(() => { atRest = true })
  await turn()
  t.notOk(atRest)
  await store.finish()
  await Promise.all([saved, waited])
  t.ok(atRest)
  await records.remove('nobody')
  t.equal(store.commits.length, 0, 'nothing to remove, nothing to write')
})
