// Connections between brokers: who may speak as whom, and what becomes of letters when a connection or a process ends.

import { ERROR, FRAME_FLAG } from '@sluice/protocol'
import t, { type Test } from 'tap'
import { ClusterWorld, until } from '../cluster-world.test.double.js'
import { RefusedError, TestClient } from '../test-client.js'
import { startTestBroker } from '../testing.js'

const CLUSTER_ID = 'c0ffee00-0000-4000-8000-000000000001'
const EMPTY = {
  newEpochs: [], promises: [], fences: [], pulls: [], pulled: [], beginEpochs: [], fetches: [], fetched: [], acks: [],
}

async function clusterOf (t: Test, count: number): Promise<ClusterWorld> {
  const world = await ClusterWorld.start(count)
  t.teardown(() => world.stop())
  return world
}

async function clientOf (t: Test, world: ClusterWorld, id: number): Promise<TestClient> {
  const client = await world.broker(id).connect()
  t.teardown(() => client.close())
  return client
}

async function refusalOf (call: Promise<unknown>): Promise<{ code: number, message: string }> {
  try {
    await call
  } catch (error) {
    if (error instanceof RefusedError) return error
    throw error
  }
  throw new Error('it was not refused')
}

t.test('Peers: a greeting of another cluster, for another broker or with this broker\'s id is refused', async t => {
  const world = await clusterOf(t, 1)
  const good = { clusterId: CLUSTER_ID, brokerId: 7, incarnation: 'i', targetId: 1 }
  for (const [changed, text] of [
    [{ clusterId: 'other' }, /belongs to cluster/],
    [{ targetId: 2 }, /this is broker 1, not 2/],
    [{ brokerId: 1 }, /is that of this broker/],
  ] as const) {
    const client = await clientOf(t, world, 1)
    const { code, message } = await refusalOf(client.call('peerHello', { ...good, ...changed }))
    t.equal(code, ERROR.INVALID_REQUEST)
    t.match(message, text)
    await until(() => client.socket.destroyed || client.socket.readableEnded)
  }
  const client = await clientOf(t, world, 1)
  t.equal((await client.call('peerHello', good)).brokerId, 1)
})

t.test('Peers: who has not greeted cannot speak for a replica (an ordinary client)', async t => {
  const world = await clusterOf(t, 1)
  const client = await clientOf(t, world, 1)
  const { code, message } = await refusalOf(client.call('replicate' as never, EMPTY as never))
  t.equal(code, ERROR.INVALID_REQUEST)
  t.match(message, /peerHello/)
})

t.test('Peers: a broker that is alone does not know the apis of clusters', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const { code } = await refusalOf(
    client.call('peerHello', { clusterId: CLUSTER_ID, brokerId: 7, incarnation: 'i', targetId: 1 }))
  t.equal(code, ERROR.UNKNOWN_API)
})

t.test('Peers: a connection of a newer process makes that of the older one void', async t => {
  const world = await clusterOf(t, 1)
  const greeting = { clusterId: CLUSTER_ID, brokerId: 7, incarnation: 'first', targetId: 1 }
  const older = await clientOf(t, world, 1)
  await older.call('peerHello', greeting)
  const newer = await clientOf(t, world, 1)
  await newer.call('peerHello', { ...greeting, incarnation: 'second' })
  // What comes over the older one is read, and nothing is done with it: not even a fault in it matters.
  const pulled = [{ topicId: 'x', partition: 0, epoch: 1, log: 0, offset: 0, size: 99 }]
  older.exchange('replicate' as never, { ...EMPTY, pulled } as never, { flags: FRAME_FLAG.unordered }).catch(() => {})
  await older.call('metadata', { topics: [] })
  const bad = newer.call('replicate' as never, { ...EMPTY, pulled } as never)
  t.match((await refusalOf(bad)).message, /add up to 99 bytes/)
})

t.test('Peers: that a process is gone is known at once, and the next one is found', async t => {
  const world = await clusterOf(t, 2)
  const [first, second] = world.brokers
  const topicId = await world.createTopic()
  await until(() => first!.broker!.services.peers!.states()[0]!.incarnation !== null)
  const before = first!.broker!.services.peers!.states()[0]!.incarnation
  await second!.stop()
  await until(() => first!.member.lost.includes(2))
  t.equal(first!.broker!.services.peers!.states()[0]!.incarnation, null)
  await second!.start()
  await until(() => first!.broker!.services.peers!.states()[0]!.incarnation !== null)
  t.not(first!.broker!.services.peers!.states()[0]!.incarnation, before)
  const client = await clientOf(t, world, 1)
  await until(() => first!.replica(topicId).replica.leading!.hasQuorum())
  t.equal((await client.produce(topicId, 0, ['a'])).error, 0)
})

t.test('Peers: a broker whose connection breaks and comes back is found again (one way)', async t => {
  const world = await clusterOf(t, 2)
  const [first, second] = world.brokers
  const peersOf = (broker: typeof first) => broker!.broker!.services.peers!
  await until(() => [first, second].every(broker => peersOf(broker).states()[0]!.incarnation !== null))
  await until(() => Number.isFinite(peersOf(first).states()[0]!.heardMs))
  const { incarnation } = peersOf(first).states()[0]!
  first!.member.found.length = 0
  // What the second says to the first breaks; what the first says to the second goes on.
  peersOf(second)['links'].get(1)!['socket']!.resetAndDestroy()
  await until(() => first!.member.lost.includes(2))
  await until(() => first!.member.found.includes(2))
  t.equal(peersOf(first).states()[0]!.incarnation, incarnation, 'the other way was there all the time')
})

t.test('Peers: batches as large as a frame allows are copied', async t => {
  const world = await clusterOf(t, 2)
  const topicId = await world.createTopic('stream', { 'max.batch.bytes': String(15 * 1024 * 1024) })
  const client = await clientOf(t, world, 1)
  const value = 'x'.repeat(14 * 1024 * 1024)
  t.equal((await client.produce(topicId, 0, [value])).error, 0)
  await until(() => world.broker(2).replica(topicId).highWatermark === 1)
})
