// The control store of a single broker, on a real LMDB environment.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LmdbMetaStore } from '@sluice/storage'
import t, { type Test } from 'tap'
import { rejectsWith, testControlStoreContract } from './control-store-contract.js'
import { CONTROL_META_TABLES, LmdbControlStore } from './lmdb-control-store.js'

async function openMeta (t: Test): Promise<{ meta: LmdbMetaStore, folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-control-'))
  const meta = await LmdbMetaStore.open(folder, { tables: CONTROL_META_TABLES })
  t.teardown(async () => {
    await meta.close()
    await rm(folder, { recursive: true })
  })
  return { meta, folder }
}

testControlStoreContract(t, async t => {
  const { meta } = await openMeta(t)
  const store = new LmdbControlStore(meta)
  return { store, other: store }
})

t.test('LmdbControlStore: contents and revisions outlive a restart', async t => {
  const { meta } = await openMeta(t)
  const before = new LmdbControlStore(meta)
  const first = await before.commit([{ key: '/a', value: 1 }])
  const second = await before.commit([{ key: '/b', value: 1 }])
  await before.close()
  const after = new LmdbControlStore(meta)
  t.same(await after.get('/a'), { key: '/a', value: 1, revision: first })
  t.ok(await after.commit([{ key: '/c', value: 1 }])! as number > second!)
})

t.test('LmdbControlStore: what hung on a lease goes with the process (stopped or killed)', async t => {
  const { meta } = await openMeta(t)
  const before = new LmdbControlStore(meta)
  const lease = await before.openLease()
  await before.commit([{ key: '/brokers/1', value: 1, lease: lease.id }, { key: '/topics/a', value: 1 }])
  await before.commit([{ key: '/detached', value: 1, lease: lease.id }])
  await before.commit([{ key: '/detached', value: 2 }])
  // Not closed: as after kill -9.
  const after = new LmdbControlStore(meta)
  t.same((await after.list('/')).entries.map(({ key }) => key), ['/detached', '/topics/a'])
  const next = await after.openLease()
  t.ok(await after.commit([{ key: '/brokers/1', value: 2, lease: next.id }], [{ key: '/brokers/1', revision: 0 }]))
})

t.test('LmdbControlStore: a commit that the disk refused is ambiguous', async t => {
  const { meta } = await openMeta(t)
  const store = new LmdbControlStore({
    get: (table, key) => meta.get(table, key),
    range: (table, range) => meta.range(table, range),
    write: (_changes, options) => options!.done!(new Error('ENOSPC')),
    deleteRange: async () => {},
    flush: async () => {},
    close: async () => {},
  })
  await rejectsWith(t, 'ambiguous', store.commit([{ key: '/a', value: 1 }]))
})
