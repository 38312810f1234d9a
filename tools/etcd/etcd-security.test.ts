// The control store on an etcd that wants to know who asks: users and passwords, and TLS.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rejectsWith, until } from '@sluice/broker/testing'
import t from 'tap'
import { EtcdProcess } from './etcd-process.js'
import { administer, hasEtcd, openStore, startEtcd, testFolder } from './testing/test-etcd.js'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

if (await hasEtcd(t)) {
  t.test('EtcdControlStore: user and password', async t => {
    const { members } = await startEtcd(t)
    const etcd = members[0]!
    await administer(etcd, 'auth/user/add', { name: 'root', password: 'of all' })
    await administer(etcd, 'auth/role/add', { name: 'root' })
    await administer(etcd, 'auth/user/grant', { user: 'root', role: 'root' })
    await administer(etcd, 'auth/user/add', { name: 'broker', password: 'secret' })
    await administer(etcd, 'auth/role/add', { name: 'main' })
    const perm = { permType: 'READWRITE', key: base64('/sluice/main/'), range_end: base64('/sluice/main0') }
    await administer(etcd, 'auth/role/grant', { name: 'main', perm })
    await administer(etcd, 'auth/user/grant', { user: 'broker', role: 'main' })
    await administer(etcd, 'auth/enable', {})
    const login = { user: 'broker', password: 'secret' }
    const cluster = 'main'

    await rejectsWith(t, 'denied', openStore(t, members, { cluster }))
    await rejectsWith(t, 'denied', openStore(t, members, { cluster, login: { ...login, password: 'guessed' } }))
    await rejectsWith(t, 'denied', openStore(t, members, { cluster, login: { ...login, user: 'nobody' } }))
    await rejectsWith(t, 'denied', openStore(t, members, { cluster: 'other', login }))

    const store = await openStore(t, members, { cluster, login })
    const seen: unknown[] = []
    let isWatching = false
    store.watch('/', ({ value }) => seen.push(value), () => { isWatching = true })
    await until(() => isWatching, 'the watch to begin')
    const lease = await store.openLease(60_000)
    t.ok(await store.commit([{ key: '/a', value: 1, lease: lease.id }]))
    await until(() => seen.includes(1), 'the event')

    // Etcd forgets its tokens.
    await etcd.restart()
    await until(async () => await store.commit([{ key: '/a', value: 2 }]).catch(() => null) !== null, 'a new token')
    t.match(await store.get('/a'), { value: 2 })
    await until(() => seen.includes(2), 'the watch to go on')
    t.ok(lease.valid())
  })

  t.test('EtcdControlStore: TLS', async t => {
    const [folder, otherFolder] = [await testFolder(t), await testFolder(t)]
    const etcd = await EtcdProcess.start({ folder: join(folder, 'etcd'), tls: true })
    t.teardown(() => etcd.stop())
    const other = await EtcdProcess.start({ folder: join(otherFolder, 'etcd'), tls: true })
    t.teardown(() => other.stop())
    const [ca, otherCa] = [await readFile(etcd.certificatePath), await readFile(other.certificatePath)]
    const startTimeoutMs = 1_000

    const store = await openStore(t, [etcd], { tls: { ca, cert: null, key: null } })
    t.ok(await store.commit([{ key: '/a', value: 1 }]))
    t.match(await store.get('/a'), { value: 1 })
    await rejectsWith(t, 'denied', openStore(t, [etcd], { tls: { ca: otherCa, cert: null, key: null } }))
    await rejectsWith(t, 'denied', openStore(t, [etcd], { tls: { ca: null, cert: null, key: null } }))
    await rejectsWith(t, 'unavailable', openStore(t, [etcd], { tls: null, startTimeoutMs }))
  })

  t.test('EtcdControlStore: an etcd that is not there is waited for at the start, and not for ever', async t => {
    const { members } = await startEtcd(t)
    const etcd = members[0]!
    await etcd.stop()
    await rejectsWith(t, 'unavailable', openStore(t, members, { startTimeoutMs: 300 }))
    const opening = openStore(t, members, { startTimeoutMs: 60_000 })
    await etcd.restart()
    t.equal(await (await opening).get('/a'), null)
  })
}
