import t from 'tap'
import { MemoryMetaStore } from '@sluice/storage/testing'
import { PromiseStore } from './promise-store.js'
import type { StoredPromise } from './replica-host.js'

const PROMISE: StoredPromise = {
  promised: 7, trusted: false, owed: [{ lastEpoch: 6, endOffset: 40 }], suspectFrom: [-1, 12], bootId: 'boot',
}

function save (store: PromiseStore, promise: StoredPromise, partition = 3): Promise<void> {
  return new Promise((resolve, reject) => {
    store.save('topic', partition, promise, error => error === null ? resolve() : reject(error))
  })
}

function openStore (store: PromiseStore, fresh: string): Promise<string> {
  return new Promise(resolve => store.openStore(fresh, (_error, storeId) => resolve(storeId)))
}

t.test('PromiseStore: what was promised outlives a power cut', async t => {
  const meta = new MemoryMetaStore()
  await save(new PromiseStore(meta), PROMISE)
  meta.powerCut()
  const store = new PromiseStore(meta)
  t.same(store.load('topic', 3), PROMISE)
  t.equal(store.load('topic', 4), null)
  t.equal(store.load('topi', 3), null)
})

t.test('PromiseStore: a promise that was not answered yet may be gone (power cut before the commit)', async t => {
  const meta = new MemoryMetaStore()
  const store = new PromiseStore(meta)
  await save(store, PROMISE)
  let isDone = false
  store.save('topic', 3, { ...PROMISE, promised: 8 }, () => { isDone = true })
  meta.powerCut()
  await new Promise(setImmediate)
  t.notOk(isDone)
  t.equal(store.load('topic', 3)?.promised, 7)
})

t.test('PromiseStore: a store that lost its promises has lost its name', async t => {
  const meta = new MemoryMetaStore()
  t.equal(await openStore(new PromiseStore(meta), 'first'), 'first')
  t.equal(await openStore(new PromiseStore(meta), 'second'), 'first')
  await save(new PromiseStore(meta), PROMISE)
  meta.wipe()
  t.equal(await openStore(new PromiseStore(meta), 'second'), 'second')
  t.equal(new PromiseStore(meta).load('topic', 3), null)
})

t.test('PromiseStore: a damaged row is no promise, and no absence of one', async t => {
  const meta = new MemoryMetaStore()
  const store = new PromiseStore(meta)
  await save(store, PROMISE)
  const [{ key, value }] = meta.range('replica') as [{ key: Buffer, value: Buffer }]
  value[10]! ^= 1
  meta.write([{ table: 'replica', key, value }])
  t.throws(() => store.load('topic', 3), /damaged/)
  meta.write([{ table: 'replica', key, value: Buffer.from('x') }])
  t.throws(() => store.load('topic', 3), /damaged/)
})

t.test('PromiseStore: tells all epochs that were promised, without those of damaged rows', async t => {
  const meta = new MemoryMetaStore()
  const store = new PromiseStore(meta)
  await save(store, PROMISE)
  await save(store, { ...PROMISE, promised: 9 }, 300)
  await openStore(store, 'fresh')
  const expected = [{ topicId: 'topic', partition: 3, epoch: 7 }, { topicId: 'topic', partition: 300, epoch: 9 }]
  t.same([...store.promisedEpochs()], expected)
  const { key } = meta.range('replica')[0]!
  meta.write([{ table: 'replica', key, value: Buffer.from('{}') }])
  t.same([...store.promisedEpochs()], expected.slice(1))
})
