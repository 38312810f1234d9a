// The control store while members of an etcd of three die, hang and come back: what was answered is there, what was not
// can be found out, a watch misses nothing, and everything goes on by itself.

import { rejectsWith, swap, until, type ControlStoreError } from '@sluice/broker/testing'
import t from 'tap'
import { administer, hasEtcd, openStore, startEtcd } from './testing/test-etcd.js'

/** Long enough for a slow machine, short enough to notice what hangs. */
const options = { callTimeoutMs: 1_500 }

if (await hasEtcd(t)) {
  const { members } = await startEtcd(t, { members: 3 })
  const [first, second, third] = members as [typeof members[0], typeof members[0], typeof members[0]]

  t.test('EtcdControlStore: a watch tells of every change once and in order while members die and come back', async t => {
    const cluster = 'kills'
    const watching = await openStore(t, members, { ...options, cluster })
    const writing = await openStore(t, [...members].reverse(), { ...options, cluster })
    const seen: number[] = []
    let isWatching = false
    watching.watch('/count', ({ value }) => seen.push(value as number), () => { isWatching = true })
    await until(() => isWatching, 'the watch to begin')
    const written: number[] = []
    let revision = 0
    const end = new AbortController()
    const writer = (async () => {
      for (let count = 1; !end.signal.aborted; count++) {
        await until(async () => {
          const made = await swap(writing, '/count', count, revision, value => value === count).catch(notDecided)
          t.not(made, null, 'nobody else writes')
          revision = made ?? revision
          return made !== undefined
        }, `write ${count}`)
        written.push(count)
        await new Promise(resolve => setTimeout(resolve, 2))
      }
    })()
    for (const member of members) {
      const count = written.length
      await until(() => written.length > count + 20, 'writes with all members')
      await member.kill()
      const without = written.length
      await until(() => written.length > without + 20, `writes without ${member.name}`)
      await member.restart()
    }
    end.abort()
    await writer
    await until(() => seen.length >= written.length, 'the last event')
    t.same(seen, written)
  })

  t.test('EtcdControlStore: calls and watches leave a member that hangs', async t => {
    const cluster = 'hangs'
    // Its first member is the one that it uses.
    const store = await openStore(t, [first, second, third], { ...options, cluster })
    const other = await openStore(t, [second, third], { ...options, cluster })
    let seen: unknown = null
    let isWatching = false
    store.watch('/', ({ value }) => { seen = value }, () => { isWatching = true })
    await until(() => isWatching, 'the watch to begin')
    first.pause()
    t.teardown(() => first.resume())
    await until(async () => await swap(other, '/a', 'written', 0, value => value === 'written').then(
      () => true, () => false), 'a write by the others')
    t.match(await store.get('/a'), { value: 'written' }, 'a read goes on to the next member')
    await until(() => seen === 'written', 'the watch to tell of it')
    first.resume()
  })

  t.test('EtcdControlStore: a commit to a member that hangs is ambiguous, and a swap settles it', async t => {
    const cluster = 'ambiguous'
    const store = await openStore(t, [first, second, third], { ...options, cluster })
    first.pause()
    t.teardown(() => first.resume())
    await rejectsWith(t, 'ambiguous', store.commit([{ key: '/a', value: 'mine' }], [{ key: '/a', revision: 0 }]))
    await until(async () => await store.get('/a').then(() => true, () => false), 'the other members')
    first.resume()
    // Made or not by now, or made in a moment: one of them counts, and it is known which.
    const revision = await swap(store, '/a', 'mine', 0, value => value === 'mine')
    const entry = await store.get('/a')
    t.equal(entry?.value, 'mine')
    if (revision !== null) t.equal(entry?.revision, revision)
  })

  t.test('EtcdControlStore: a watch whose place was compacted away says to list again, and goes on', async t => {
    const cluster = 'compacted'
    const store = await openStore(t, [first], { ...options, cluster })
    const other = await openStore(t, [second, third], { ...options, cluster })
    const write = async (value: number): Promise<number> => {
      let revision: number | undefined
      await until(async () => {
        revision = await other.commit([{ key: '/a', value }]).catch(() => null) ?? undefined
        return revision !== undefined
      }, `write ${value}`)
      return revision!
    }
    const seen: unknown[] = []
    let timesToList = 0
    let copy: unknown = null
    const onChange = ({ value }: { value: unknown }): void => {
      seen.push(value)
      copy = value
    }
    store.watch('/', onChange, () => {
      timesToList++
      store.get('/a').then(entry => { copy = entry?.value }, () => {})
    })
    await until(() => timesToList === 1, 'the watch to begin')
    await write(1)
    await until(() => seen.includes(1), 'the first event')
    await first.kill()
    for (let value = 2; value < 20; value++) await write(value)
    const revision = await write(20)
    await administer(second, 'kv/compaction', { revision: String(revision), physical: true })
    await first.restart()
    await until(() => copy === 20, 'a copy that is kept by watching and listing')
    await write(21)
    await until(() => copy === 21, 'the change after that')
    t.ok(timesToList >= 2)
    t.notOk(seen.includes(2), 'what was compacted is not made up')
    t.match((await store.list('/')).entries, [{ key: '/a', value: 21 }])
  })

  t.test('EtcdControlStore: who is cut off stops believing in a lease, and is told that it has ended', async t => {
    const cluster = 'cut-off'
    const store = await openStore(t, [first], { ...options, cluster })
    const other = await openStore(t, [second, third], { ...options, cluster })
    let lostCount = 0
    const lease = await store.openLease(3_000, () => lostCount++)
    await store.commit([{ key: '/a', value: 1, lease: lease.id }])
    first.pause()
    t.teardown(() => first.resume())
    await until(() => !lease.valid(), 'the lease to run out for its holder')
    await until(async () => await other.get('/a').catch(() => 1) === null, 'its key to go')
    t.equal(lostCount, 0, 'nobody could tell')
    first.resume()
    await until(() => lostCount === 1, 'the holder to be told')
  })

  t.test('EtcdControlStore: without a majority nothing is answered that may be stale; it goes on when they are back', async t => {
    const cluster = 'majority'
    const store = await openStore(t, members, { ...options, cluster })
    let seen: unknown = null
    let isWatching = false
    store.watch('/', ({ value }) => { seen = value }, () => { isWatching = true })
    await until(() => isWatching, 'the watch to begin')
    const lease = await store.openLease(60_000, () => t.fail('an outage ends no lease'))
    await until(async () => await store.commit([{ key: '/a', value: 1, lease: lease.id }]).catch(() => null) !== null, 'a write')
    await Promise.all([second.kill(), third.kill()])
    await rejectsWith(t, 'unavailable', store.get('/a'))
    await rejectsWith(t, 'unavailable', store.list('/'))
    const fault = await store.commit([{ key: '/a', value: 2 }]).catch((error: ControlStoreError) => error.fault)
    t.ok(fault === 'ambiguous' || fault === 'unavailable', String(fault))
    await first.kill()
    await rejectsWith(t, 'unavailable', store.commit([{ key: '/a', value: 3 }]))
    await Promise.all(members.map(member => member.restart()))
    await until(async () => await store.get('/a').then(() => true, () => false), 'an answer')
    t.ok([1, 2].includes((await store.get('/a'))!.value as number), 'what was never sent was not made')
    t.ok(lease.valid())
    await until(async () => await store.commit([{ key: '/a', value: 4 }]).catch(() => null) !== null, 'a write')
    await until(() => seen === 4, 'the watch to go on')
  })
}

/** A swap of which nobody can tell yet. */
function notDecided (error: ControlStoreError): undefined {
  if (error.fault !== 'ambiguous' && error.fault !== 'unavailable') throw error
  return undefined
}
