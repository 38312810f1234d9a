import t from 'tap'
import { MemoryMetaStore } from './memory-meta-store.js'
import { testMetaStoreContract } from './meta-store-contract.js'

const key = (text: string): Buffer => Buffer.from(text)
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

testMetaStoreContract(t, async () => {
  const store = new MemoryMetaStore()
  return {
    store,
    reopen: async () => {
      await store.close()
      store.kill()
      return store
    },
  }
})

t.test('MemoryMetaStore: kill loses what is not committed and never answers it', async (t) => {
  const store = new MemoryMetaStore()
  store.write([{ table: 'a', key: key('1'), value: key('v') }])
  await turn()
  store.write([{ table: 'a', key: key('2'), value: key('v') }], { done: () => t.fail('the dead get no answer') })
  store.kill()
  await turn()
  t.same(store.get('a', key('1')), key('v'))
  t.equal(store.get('a', key('2')), null)
})

t.test('MemoryMetaStore: a power cut loses what no durable commit has covered', async (t) => {
  const store = new MemoryMetaStore()
  store.write([{ table: 'a', key: key('1'), value: key('v') }])
  await turn()
  store.write([{ table: 'a', key: key('2'), value: key('v') }], { durable: true })
  await turn()
  store.write([{ table: 'a', key: key('2'), value: null }])
  store.write([{ table: 'a', key: key('3'), value: key('v') }])
  await turn()
  store.powerCut()
  t.same(store.range('a').map(entry => String(entry.key)), ['1', '2'])
  store.wipe()
  t.same(store.range('a'), [])
})

t.test('MemoryMetaStore: writes wait while commits fail (disk full) and are done when it is mended', async (t) => {
  const store = new MemoryMetaStore()
  let done = false
  store.failCommits(new Error('No space left on device'))
  store.write([{ table: 'a', key: key('1'), value: key('v') }], { done: () => { done = true } })
  await turn()
  t.notOk(done)
  t.same(store.get('a', key('1')), key('v'), 'reads go on')
  store.failCommits(null)
  await turn()
  t.ok(done)
})
