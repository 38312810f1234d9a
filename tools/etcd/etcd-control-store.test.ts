// The control store on a real etcd of one member: what every store promises, and what only etcd has.

import { rejectsWith, testControlStoreContract, until } from '@sluice/broker/testing'
import t from 'tap'
import { administer, hasEtcd, openStore, startEtcd } from './testing/test-etcd.js'

if (await hasEtcd(t)) {
  const { members } = await startEtcd(t)
  const etcd = members[0]!
  let clusters = 0

  testControlStoreContract(t, async t => {
    const cluster = `contract-${clusters++}`
    const [store, other] = [await openStore(t, members, { cluster }), await openStore(t, members, { cluster })]
    return { store, other }
  })

  t.test('EtcdControlStore: clusters share an etcd and see nothing of each other (names that begin alike)', async t => {
    const [left, right] = [await openStore(t, members, { cluster: 'a' }), await openStore(t, members, { cluster: 'ab' })]
    const seen: string[] = []
    left.watch('/', ({ key }) => seen.push(key))
    await right.commit([{ key: '/x', value: 'right' }])
    await left.commit([{ key: '/x', value: 'left' }], [{ key: '/x', revision: 0 }])
    t.same((await left.list('/')).entries.map(({ value }) => value), ['left'])
    t.same((await right.list('/')).entries.map(({ value }) => value), ['right'])
    await until(async () => {
      await right.commit([{ key: '/y', value: 'right' }])
      await left.commit([{ key: '/z', value: 'left' }])
      return seen.includes('/z')
    }, 'an event')
    t.notOk(seen.includes('/y'))
  })

  t.test('EtcdControlStore: a value that is no JSON is an entry without a value', async t => {
    const store = await openStore(t, members, { cluster: 'foreign' })
    const key = Buffer.from('/sluice/foreign/a').toString('base64')
    await administer(etcd, 'kv/put', { key, value: Buffer.from('{"half').toString('base64') })
    t.match(await store.get('/a'), { key: '/a', value: undefined })
    t.equal((await store.list('/')).entries.length, 1)
  })

  t.test('EtcdControlStore: a lease is kept alive, and ends some time after its process', async t => {
    const cluster = 'leases'
    const [store, other] = [await openStore(t, members, { cluster }), await openStore(t, members, { cluster })]
    const lease = await store.openLease(2_000, () => t.fail('it was given up, not lost'))
    await store.commit([{ key: '/a', value: 1, lease: lease.id }])
    await new Promise(resolve => setTimeout(resolve, 4_000))
    t.ok(lease.valid())
    t.ok(await other.get('/a'), 'it has outlived its time twice')
    await store.close()
    t.notOk(lease.valid())
    t.ok(await other.get('/a'), 'closing the store is not leaving')
    await until(async () => await other.get('/a') === null, 'the key to go')
  })

  t.test('EtcdControlStore: who holds a lease is told when etcd has ended it', async t => {
    const store = await openStore(t, members, { cluster: 'lost' })
    let lostCount = 0
    const lease = await store.openLease(2_000, () => lostCount++)
    await store.commit([{ key: '/a', value: 1, lease: lease.id }])
    await administer(etcd, 'lease/revoke', { ID: lease.id })
    await until(() => lostCount > 0, 'the loss')
    t.notOk(lease.valid())
    t.equal(await store.get('/a'), null)
    await rejectsWith(t, 'leaseLost', store.commit([{ key: '/a', value: 1, lease: lease.id }]))
    await lease.close()
    await new Promise(resolve => setTimeout(resolve, 1_200))
    t.equal(lostCount, 1)
  })
}
