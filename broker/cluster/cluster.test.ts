import { MemoryMetaStore } from '@sluice/storage/testing'
import t from 'tap'
import { ControlStoreError, type ControlEntry } from '../control/control-store.js'
import { LmdbControlStore } from '../control/lmdb-control-store.js'
import type { NewTopic } from '../control/topics.js'
import { silentLogger } from '../runtime/logger.js'
import { systemTimers } from '../runtime/timers.js'
import { ClusterMetadata } from './cluster-metadata.js'
import { leadersOf, Peer, startCluster, until } from './cluster-peers.test.double.js'
import { drainChanges, moveKey } from './cluster-records.js'
import { ControllerCore } from './controller-core.js'
import { commitSwaps } from './record-commits.js'
import { BrokerIdTakenError } from './membership.js'

const TOPIC: NewTopic = { name: 'orders', kind: 'stream', partitions: 6, replicationFactor: 3, config: {} }

t.test('Cluster: brokers know each other, have one id and one controller', async t => {
  const { peers } = await startCluster(t, 3)
  t.equal(new Set(peers.map(({ cluster }) => cluster.clusterId)).size, 1)
  await until(() => peers.every(({ addresses }) => addresses.size === 3))
  await until(() => peers.some(({ cluster }) => cluster.isController))
  t.equal(peers.filter(({ cluster }) => cluster.isController).length, 1)
  await until(() => peers.every(({ cluster }) => cluster.metadata.controller !== null))
})

t.test('Cluster: a topic has leaders when its creation is answered, and all brokers know it', async t => {
  const { peers } = await startCluster(t, 3)
  const topic = await peers[1]!.topics.create(TOPIC, false)
  if ('error' in topic) throw new Error(topic.message)
  t.equal(topic.replicationFactor, 3)
  for (const peer of peers) {
    await until(() => leadersOf(peer).length === 6)
    t.strictSame(leadersOf(peer).sort(), [1, 1, 2, 2, 3, 3])
    t.equal(peer.topics.byName('orders')?.topicId, topic.topicId)
    t.equal(peer.topics.byId(topic.topicId)?.name, 'orders')
  }
  t.match(await peers[0]!.topics.create(TOPIC, false), { message: /exists already/ })
  t.match(await peers[0]!.topics.create({ ...TOPIC, name: 'wide', replicationFactor: 4 }, false), {
    message: /this cluster has 3 brokers that take replicas; use 1 to 3/,
  })
  t.match(await peers[0]!.topics.create({ ...TOPIC, name: 'a', replicationFactor: 0 }, false), { replicationFactor: 3 })
})

t.test('Cluster: a topic that is created while a broker is drained has nothing there', async t => {
  const { control, peers } = await startCluster(t, 5)
  // The broker that creates has not heard of the drain, which is there when its records are written.
  const draining = control.commit(drainChanges(2, true, 1))
  const created = await peers[0]!.topics.create(TOPIC, false)
  await draining
  t.notOk('error' in created)
  const { metadata } = peers[0]!.cluster
  await metadata.refresh()
  t.equal(metadata.partitionEntries().length, TOPIC.partitions)
  for (const { partition, record } of metadata.partitionEntries()) {
    t.notOk(record.replicas.some(({ brokerId }) => brokerId === 2), `partition ${partition}`)
  }
  const growing = control.commit(drainChanges(3, true, 2))
  const more = { name: TOPIC.name, partitions: 12, replicationFactor: 0, set: {}, unset: [] }
  const grown = await peers[0]!.topics.alter(more, false)
  await growing
  t.notOk('error' in grown)
  await metadata.refresh()
  const added = metadata.partitionEntries().filter(({ partition }) => partition >= TOPIC.partitions)
  t.equal(added.length, 6)
  for (const { record } of added) t.notOk(record.replicas.some(({ brokerId }) => brokerId === 3))
})

t.test('Cluster: two brokers that create a topic of one name make one of it', async t => {
  const { peers } = await startCluster(t, 3)
  const outcomes = await Promise.all(peers.map(({ topics }) => topics.create(TOPIC, false)))
  t.equal(outcomes.filter(outcome => !('error' in outcome)).length, 1)
  for (const peer of peers) await until(() => leadersOf(peer).length === 6)
})

t.test('Cluster: partitions that are added have leaders, and settings reach every broker', async t => {
  const { peers } = await startCluster(t, 3)
  await peers[0]!.topics.create(TOPIC, false)
  await until(() => peers[1]!.topics.byName('orders') !== undefined)
  const change = { name: 'orders', partitions: 8, replicationFactor: 0, set: { 'retention.ms': '60000' }, unset: [] }
  t.match(await peers[1]!.topics.alter(change, false), { record: { partitions: 8, version: 2 }, moves: [] })
  for (const peer of peers) {
    await until(() => leadersOf(peer).length === 8)
    t.equal(peer.topics.byName('orders')?.overrides['retention.ms'], '60000')
    t.ok([...peer.cluster.placements.all()].every(({ topic }) => topic.version === 2), 'placements have the new topic')
  }
})

t.test('Cluster: a deleted topic is told as deleted, and one of its name is another', async t => {
  const { peers } = await startCluster(t, 3)
  const topic = await peers[0]!.topics.create(TOPIC, false)
  if ('error' in topic) throw new Error(topic.message)
  await until(() => peers[2]!.topics.byName('orders') !== undefined)
  await peers[2]!.topics.delete('orders')
  for (const { cluster, topics } of peers) {
    await until(() => cluster.placements.wasDeleted(topic.topicId))
    t.equal(topics.byName('orders'), undefined)
    t.equal(cluster.placements.get(topic.topicId, 0), undefined)
  }
  t.match(await peers[0]!.topics.delete('orders'), { message: /there is no topic/ })
  const again = await peers[0]!.topics.create(TOPIC, false)
  t.ok('topicId' in again && again.topicId !== topic.topicId)
  t.notOk(peers[0]!.cluster.placements.wasDeleted('unknown'), 'what nobody knows was not deleted')
})

t.test('Cluster: a thousand partitions of a broker that others cannot reach are led by others', async t => {
  const { peers } = await startCluster(t, 3)
  await peers[0]!.topics.create({ ...TOPIC, partitions: 1_000 }, false)
  await until(() => leadersOf(peers[1]!).length === 1_000)
  peers[0]!.die(peers.slice(1))
  await until(() => leadersOf(peers[1]!).length === 1_000 && !leadersOf(peers[1]!).includes(1))
  await until(() => peers.slice(1).some(({ cluster }) => cluster.isController))
  const records = [...peers[1]!.cluster.placements.all()].map(({ record }) => record)
  t.ok(records.every(({ epoch }) => epoch <= 2), 'one change each')
})

t.test('Cluster: one broker of three that cannot reach another changes nothing', async t => {
  const { peers } = await startCluster(t, 3)
  await peers[0]!.topics.create(TOPIC, false)
  await until(() => leadersOf(peers[1]!).length === 6)
  peers[1]!.cluster.onPeerLost(1, peers[0]!.record.incarnation)
  await until(() => peers[2]!.cluster.metadata.suspicions.entries.size === 1)
  t.equal(peers[2]!.cluster.metadata.deposed().size, 0)
  peers[1]!.cluster.onPeerFound(1)
  await until(() => peers[2]!.cluster.metadata.suspicions.entries.size === 0)
  t.ok([...peers[1]!.cluster.placements.all()].every(({ record }) => record.epoch === 1))
})

t.test('Cluster: a broker that leaves in order is followed at once, by one that is there', async t => {
  const { peers } = await startCluster(t, 3)
  await peers[0]!.topics.create(TOPIC, false)
  const [first] = peers.splice(0, 1)
  first!.isAlive = false
  await first!.cluster.resign()
  await until(() => leadersOf(peers[0]!).length === 6 && !leadersOf(peers[0]!).includes(1))
  await first!.cluster.stop()
  await until(() => leadersOf(peers[0]!).length === 6 && !leadersOf(peers[0]!).includes(1))
  await until(() => peers.some(({ cluster }) => cluster.isController))
})

t.test('Cluster: a broker id that is in use is refused, and not where its process is gone', async t => {
  const { control, peers } = await startCluster(t, 2)
  await t.rejects(Peer.start(control, 1, 'another-store'), BrokerIdTakenError)
  peers[0]!.isAlive = false
  const again = await Peer.start(control, 1)
  t.teardown(() => again.cluster.stop())
  await until(() => peers[1]!.cluster.metadata.brokersById().get(1)?.incarnation === again.record.incarnation)
})

t.test('Cluster: a move ends when the leader says that its learner has everything', async t => {
  const { control, peers } = await startCluster(t, 4)
  await peers[0]!.topics.create({ ...TOPIC, partitions: 1 }, false)
  await until(() => leadersOf(peers[0]!).length === 1)
  const [{ topic: { topicId }, record }] = [...peers[0]!.cluster.placements.all()] as [any]
  const held: number[] = record.replicas.map((member: { brokerId: number }) => member.brokerId)
  const joining = [1, 2, 3, 4].find(id => !held.includes(id))!
  const replicas = [joining, ...held.slice(1)]
  await control.commit([{ key: moveKey(topicId, 0), value: { replicas, askedAt: 0 } }])
  const leader = peers.find(({ record: { incarnation } }) => incarnation === record.leaderIncarnation)!
  await until(() => leader.cluster.metadata.placement(topicId, 0)!.record.learners.length === 1)
  await leader.cluster.completeMoves((_topicId, _partition, member) => member.brokerId === joining)
  await until(() => leadersOf(peers[0]!)[0] === joining)
  await until(() => peers[0]!.cluster.metadata.moves.entries.size === 0)
  const after = peers[0]!.cluster.metadata.placement(topicId, 0)!.record
  t.strictSame(after.replicas.map(({ brokerId }) => brokerId), replicas)
})

t.test('Cluster: a control store that has forgotten epochs is told so before any can come twice (put back)', async t => {
  const { control, peers } = await startCluster(t, 3)
  const topic = await peers[0]!.topics.create({ ...TOPIC, partitions: 2 }, false)
  if ('error' in topic) throw new Error(topic.message)
  const { topicId } = topic
  for (const { cluster } of peers.splice(0)) await cluster.stop()
  // One of three has promised a newer epoch, by the only majority that there was; it comes last.
  const promised = [{ topicId, partition: 1, epoch: 2 }, { topicId: 'unknown', partition: 0, epoch: 7 }]
  peers.push(await Peer.start(control, 1), await Peer.start(control, 2, 'store-2', promised), await Peer.start(control, 3))
  const [peer] = peers as [Peer]
  await until(() => peer.cluster.metadata.placement(topicId, 0)?.record.epoch === 2)
  await peer.cluster.metadata.refresh()
  const { record } = peer.cluster.metadata.placement(topicId, 1)!
  t.match(record, { epoch: 1, overtaken: { epoch: 2, by: [{ brokerId: 2 }] } })
  t.match(peer.administration.describe(), {
    leaderless: 1, troubles: [{ topic: 'orders', partition: 1, state: 'overtaken', waitsFor: [2] }],
  })
  await Promise.all(peers.map(({ cluster }) => cluster.resign()))
  t.equal((await control.get(`/partitions/${topicId}/1`))!.revision, peer.cluster.metadata.records.revisionOf(`${topicId}/1`))
  t.match(await peer.administration.forceRecover('orders', 1, [2, 3], false), { epoch: 3, givenUp: [1] })
  await until(() => peer.cluster.metadata.placement(topicId, 1)!.record.active)
  t.match(peer.administration.describe(), {
    leaderless: 0, troubles: [], losses: [{ topic: 'orders', partition: 1, epoch: 3, fromOffset: -1, givenUp: [1] }],
  })
})

t.test('Cluster: a broker under which the control store goes back ends', async t => {
  const control = new LmdbControlStore(new MemoryMetaStore())
  t.teardown(() => control.close())
  const ends: (() => void)[] = []
  const timers = { ...systemTimers, endOfTurn: (run: () => void) => { ends.push(run) } }
  await control.commit([{ key: '/drains/changed', value: { since: 1 } }])
  const metadata = new ClusterMetadata(control, silentLogger, timers)
  await metadata.open()
  t.teardown(() => metadata.close())
  ends.length = 0
  const { list } = control
  control.list = async prefix => ({ ...await list.call(control, prefix), revision: 0 })
  await metadata.refresh()
  t.throws(() => { for (const end of ends) end() }, /was put back from revision \d+ to 0 while this broker was at work/)
})

t.test('Cluster: a lease that is taken from a broker which lives costs a leadership at most, and it is back (revoked by mistake)', async t => {
  const { control, peers } = await startCluster(t, 3)
  await peers[0]!.topics.create(TOPIC, false)
  for (const { record: { brokerId, incarnation }, cluster: { metadata } } of peers) {
    await control.commit([{ key: `/brokers/${brokerId}`, value: null }])
    await until(() => metadata.brokersById().get(brokerId)?.incarnation === incarnation)
  }
  for (const peer of peers) await until(() => leadersOf(peer).length === 6)
  const records = [...peers[0]!.cluster.placements.all()].map(({ record }) => record)
  const running = new Set(peers.map(({ record: { incarnation } }) => incarnation))
  t.ok(records.every(({ leaderIncarnation }) => running.has(leaderIncarnation)))
})

t.test('Cluster: of two controllers that decide the same each change is made once', async t => {
  const { control, peers } = await startCluster(t, 3)
  await peers[0]!.topics.create(TOPIC, false)
  const { metadata } = peers[0]!.cluster
  await metadata.refresh()
  const partitions = metadata.partitionEntries()
  const view = {
    brokers: metadata.brokersById(), deposed: new Set([1]), draining: new Set<number>(), partitions, moveOf: () => null,
  }
  const made = await Promise.all(['a', 'b'].map(nonce => {
    const decisions = new ControllerCore(() => nonce).decide(view, 0)
    return commitSwaps(control, decisions.map(({ entry: { topicId, partition, revision }, record: value }) =>
      ({ change: { key: `/partitions/${topicId}/${partition}`, value }, revision })))
  }))
  t.equal(made[0]! + made[1]!, 2, 'the two that broker 1 led')
  await metadata.refresh()
  t.same(metadata.partitionEntries().map(({ record: { epoch } }) => epoch).sort(), [1, 1, 1, 1, 2, 2])
})

t.test('Cluster: a broker that reaches everybody but the control store is replaced once, and is back when it reaches that', async t => {
  const { control, peers } = await startCluster(t, 2)
  let isCut = false
  const cut = Object.create(control) as LmdbControlStore
  for (const call of ['get', 'list', 'commit'] as const) {
    Object.assign(cut, {
      [call]: async (...args: never[]) => {
        if (isCut) throw new ControlStoreError('unavailable', 'nobody answers')
        return await (control[call] as (...given: never[]) => Promise<unknown>)(...args)
      },
    })
  }
  cut.watch = (prefix: string, onChange: (entry: ControlEntry) => void) =>
    control.watch(prefix, entry => { if (!isCut) onChange(entry) })
  const lone = await Peer.start(cut, 3)
  peers.push(lone)
  await peers[0]!.topics.create(TOPIC, false)
  for (const peer of peers) await until(() => leadersOf(peer).length === 6)
  isCut = true
  // As when its lease ends.
  await control.commit([{ key: '/brokers/3', value: null }])
  await until(() => leadersOf(peers[0]!).length === 6 && !leadersOf(peers[0]!).includes(3))
  t.ok(leadersOf(lone).includes(3), 'it has not heard of it, and its followers have')
  isCut = false
  await until(() => peers[0]!.cluster.metadata.brokersById().get(3)?.incarnation === lone.record.incarnation)
  await lone.cluster.metadata.refresh()
  t.same(leadersOf(lone), leadersOf(peers[0]!))
  t.ok([...lone.cluster.placements.all()].every(({ record: { epoch } }) => epoch <= 2), 'one change each')
})
