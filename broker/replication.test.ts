// Partitions on three brokers over real sockets: what a leader acknowledged outlives it, whoever leads next.

import { ERROR } from '@sluice/protocol'
import t, { type Test } from 'tap'
import { ClusterWorld, until } from './cluster-world.test.double.js'
import { reconfigure, withLearners } from './replica/partition-record.js'
import { QueueTestClient } from './queue-test-client.js'
import { TestClient } from './test-client.js'

// A busy machine starts brokers and syncs files slowly; nothing here is about speed.
t.setTimeout(120_000)

/** A cluster that ends with the test, and a client of one of its brokers. */
async function clusterOf (t: Test, count = 3): Promise<ClusterWorld> {
  const world = await ClusterWorld.start(count)
  t.teardown(() => world.stop())
  return world
}

async function clientOf (t: Test, world: ClusterWorld, id: number): Promise<TestClient> {
  const client = await world.broker(id).connect()
  t.teardown(() => client.close())
  return client
}

/** Everything that a broker shows of the topic. */
async function valuesAt (client: TestClient, topicId: string): Promise<(string | null)[]> {
  const values: (string | null)[] = []
  for (let offset = 0; ;) {
    const { response: { partitions: [answer] }, nextOffset, records } = await client.fetch(topicId, 0, offset)
    for (const { value } of records) values.push(value)
    if (answer === undefined || answer.error !== 0 || nextOffset >= answer.highWatermark) return values
    offset = nextOffset
  }
}

/** Waits until the replicas of all brokers have the same logs and know that all of it is committed. */
async function settled (world: ClusterWorld, topicId: string): Promise<void> {
  await until(() => {
    const ends = world.brokers.map(({ id }) => world.broker(id).replica(topicId).replica.logs.map(log =>
      `${log.nextOffset} ${log.highWatermark} ${log.log.lastCrc}`).join())
    const [log] = world.broker(1).replica(topicId).replica.logs
    return new Set(ends).size === 1 && log!.nextOffset === log!.highWatermark
  })
}

const producer = (baseSequence: number) => ({ producerId: 9, producerEpoch: 0, baseSequence })

t.test('Replication: a record is on all replicas, and readable from each up to the high watermark', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  const produced = await client.produce(topicId, 0, ['a', 'b'])
  t.equal(produced.error, 0)
  t.equal(produced.baseOffset, 0, 'the first record of a topic has offset 0')
  for (const { id } of world.brokers) {
    await until(() => world.broker(id).replica(topicId).highWatermark === 2)
    t.same(await valuesAt(await clientOf(t, world, id), topicId), ['a', 'b'], `broker ${id}`)
  }
})

t.test('Replication: who does not lead says who does', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 2)
  const { error, leader, leaderEpoch } = await client.produce(topicId, 0, ['a'])
  t.same({ error, leader, leaderEpoch }, { error: ERROR.NOT_LEADER, leader: 1, leaderEpoch: 1 })
  const partitions = [{ topicId, partition: 0, position: 'latest' as const, timestamp: -1 }]
  const { partitions: [answer] } = await client.call('listOffsets', { timeoutMs: 1_000, partitions })
  t.equal(answer!.error, ERROR.NOT_LEADER)
  const { response } = await client.fetch(topicId, 0, 7)
  t.equal(response.partitions[0]!.error, ERROR.OFFSET_NOT_AVAILABLE, 'beyond what this replica has')
  t.equal(response.partitions[0]!.leader, 1)
})

t.test('Replication: nothing that was acknowledged is lost with the leader, and its duplicates are known', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  for (let n = 0; n < 20; n++) t.equal((await client.produce(topicId, 0, [`v${n}`], { producer: producer(n) })).error, 0)
  world.isolate(1)
  await world.failOver(topicId, 2)
  const next = await clientOf(t, world, 2)
  t.same(await valuesAt(next, topicId), Array.from({ length: 20 }, (_, n) => `v${n}`))
  const again = await next.produce(topicId, 0, ['v19'], { producer: producer(19) })
  t.same([again.error, again.duplicate, again.baseOffset], [0, true, 19])
  const gap = await next.produce(topicId, 0, ['v22'], { producer: producer(22) })
  t.equal(gap.error, ERROR.OUT_OF_ORDER_SEQUENCE)
  const more = await next.produce(topicId, 0, ['v20'], { producer: producer(20) })
  t.same([more.error, more.baseOffset], [0, 21], 'the epoch start has an offset of its own, which nobody sees')
  t.same((await valuesAt(next, topicId)).at(-1), 'v20')
})

t.test('Replication: producers outlive their records at brokers that have never led, started anew or not (retention)', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  for (let n = 0; n < 3; n++) t.equal((await client.produce(topicId, 0, [`v${n}`], { producer: producer(n) })).error, 0)
  await settled(world, topicId)
  const deleted = await client.call('deleteRecords', { timeoutMs: 10_000, partitions: [{ topicId, partition: 0, beforeOffset: 3 }] })
  t.equal(deleted.partitions[0]!.error, 0)
  await until(() => [2, 3].every(id => world.broker(id).replica(topicId).log.logStartOffset === 3))
  await world.broker(3).stop()
  await world.broker(3).start()
  for (const id of [2, 3]) {
    await until(() => world.broker(id).replica(topicId).highWatermark >= 3)
    await world.failOver(topicId, id)
    const next = await clientOf(t, world, id)
    for (const n of [0, 2]) {
      const { error, duplicate, baseOffset } = await next.produce(topicId, 0, [`v${n}`], { producer: producer(n) })
      t.same([error, duplicate, baseOffset], [0, true, n], `batch ${n} again, at broker ${id}`)
    }
  }
})

t.test('Replication: what only the old leader had goes when it comes back (divergence)', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  await client.produce(topicId, 0, ['a'])
  await settled(world, topicId)
  world.isolate(1)
  const alone = await client.produce(topicId, 0, ['lost'], { acks: 'leader' })
  t.equal(alone.error, 0, 'acknowledged by the leader alone')
  t.same(await valuesAt(client, topicId), ['a'], 'and shown to nobody')
  const unsafe = await client.produce(topicId, 0, ['never'], { timeoutMs: 200 })
  t.ok([ERROR.REQUEST_TIMED_OUT, ERROR.NOT_ENOUGH_REPLICAS].includes(unsafe.error as never), 'no quorum, no answer')
  await world.failOver(topicId, 3)
  const next = await clientOf(t, world, 3)
  await next.produce(topicId, 0, ['b'])
  world.heal()
  await settled(world, topicId)
  t.equal(world.broker(1).replica(topicId).replica.roleName, 'follow')
  t.same(await valuesAt(client, topicId), ['a', 'b'], 'the old leader has what the new one has')
})

t.test('Replication: a produce that waits is told when its leader is deposed', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  await client.produce(topicId, 0, ['a'])
  world.isolate(1)
  const waiting = client.produce(topicId, 0, ['b'])
  const parked = client.fetch(topicId, 0, 1, { maxWaitMs: 60_000 })
  await until(() => world.broker(1).led(topicId)!.waiterCount === 1)
  await world.failOver(topicId, 2)
  world.heal()
  const told = await waiting
  t.equal(told.error, ERROR.OUTCOME_UNKNOWN, 'it may be stored: only the next leader knows')
  t.match(told.message, /does not lead .* any more.*may be stored/)
  const { response } = await parked
  t.equal(response.partitions[0]!.error, ERROR.NOT_LEADER)
  t.not(response.partitions[0]!.leader, 1)
})

t.test('Replication: without a majority nothing is taken, and it goes on by itself when that is back', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  await client.produce(topicId, 0, ['a'])
  world.isolate(2)
  t.equal((await client.produce(topicId, 0, ['b'])).error, 0, 'two of three are enough')
  world.isolate(3)
  await until(() => !world.broker(1).replica(topicId).replica.leading!.hasQuorum())
  const refused = await client.produce(topicId, 0, ['c'])
  t.equal(refused.error, ERROR.NOT_ENOUGH_REPLICAS)
  world.heal()
  await until(() => world.broker(1).replica(topicId).replica.leading!.hasQuorum())
  t.equal((await client.produce(topicId, 0, ['d'])).error, 0)
  await settled(world, topicId)
  t.same(await valuesAt(client, topicId), ['a', 'b', 'd'])
})

t.test('Replication: a broker that was down catches up, in the same store', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  await client.produce(topicId, 0, ['a'])
  await settled(world, topicId)
  const { storeId } = world.broker(3).member.self!.member
  await world.broker(3).stop()
  for (let n = 0; n < 10; n++) await client.produce(topicId, 0, [`v${n}`])
  await world.broker(3).start()
  t.equal(world.broker(3).member.self!.member.storeId, storeId)
  await settled(world, topicId)
  await world.failOver(topicId, 3)
  t.equal((await valuesAt(await clientOf(t, world, 3), topicId)).length, 11)
})

t.test('Replication: a leader that restarts leads again only in a new epoch', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  await (await clientOf(t, world, 1)).produce(topicId, 0, ['a'], { producer: producer(0) })
  await world.broker(1).stop()
  await world.broker(1).start()
  const client = await clientOf(t, world, 1)
  t.equal((await client.produce(topicId, 0, ['b'])).error, ERROR.LEADER_NOT_AVAILABLE)
  await world.failOver(topicId, 1)
  const again = await client.produce(topicId, 0, ['a'], { producer: producer(0) })
  t.same([again.error, again.duplicate, again.baseOffset], [0, true, 0])
  t.equal((await client.produce(topicId, 0, ['b'])).leaderEpoch, 2)
})

t.test('Replication: committed offsets of a group survive the leader', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  await client.produce(topicId, 0, ['a', 'b', 'c'])
  const offsets = [{ topicId, partition: 0, offset: 2, leaderEpoch: 1, metadata: 'here' }]
  const { results } = await client.call('commitOffsets', { group: 'g', memberId: '', generation: -1, offsets })
  t.equal(results[0]!.error, 0)
  world.isolate(1)
  await world.failOver(topicId, 2)
  const next = await clientOf(t, world, 2)
  const { offsets: [stored] } = await next.call('fetchOffsets', { group: 'g', partitions: [{ topicId, partition: 0 }] })
  t.same([stored!.offset, stored!.metadata], [2, 'here'])
})

t.test('Replication: acknowledged records of a queue stay acknowledged, and delayed ones delayed (failover)', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic('queue')
  const client = await clientOf(t, world, 1)
  await client.produce(topicId, 0, ['a', 'b', 'c', 'd'])
  using consumer = await QueueTestClient.connect(world.broker(1).address.port, topicId)
  const leases = await consumer.receive(3, 1_000)
  t.same(leases.map(({ value }) => value), ['a', 'b', 'c'])
  t.same(await consumer.settle('ack', leases.slice(0, 1)), ['ok'])
  t.same(await consumer.settle('nack', leases.slice(1, 2), { delayMs: 3_600_000 }), ['ok'])
  await settled(world, topicId)
  world.isolate(1)
  await world.failOver(topicId, 2)
  using next = await QueueTestClient.connect(world.broker(2).address.port, topicId)
  const explained = await Promise.all([0, 1, 3].map(async offset => (await next.explain(offset)).state))
  t.same(explained, ['terminal', 'delayed', 'fresh'])
  t.same((await next.receive(10, 1_000)).map(({ value }) => value), ['d'], 'c is leased still')
})

t.test('Replication: the log of a follower begins where the leader\'s does', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  for (let n = 0; n < 5; n++) await client.produce(topicId, 0, [`v${n}`])
  await settled(world, topicId)
  await client.call('deleteRecords', { timeoutMs: 1_000, partitions: [{ topicId, partition: 0, beforeOffset: 3 }] })
  await client.produce(topicId, 0, ['v5'])
  await until(() => world.brokers.every(({ id }) => world.broker(id).replica(topicId).log.logStartOffset === 3))
  t.pass()
})

t.test('Replication: a replica knows producers whose records are gone when it begins to lead', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  for (let n = 0; n < 3; n++) await client.produce(topicId, 0, [`v${n}`], { producer: producer(n) })
  await settled(world, topicId)
  await until(() => world.broker(2).replica(topicId).tracker.offset === 3)
  await client.call('deleteRecords', { timeoutMs: 1_000, partitions: [{ topicId, partition: 0, beforeOffset: 3 }] })
  await client.produce(topicId, 0, ['other'])
  await until(() => world.broker(2).replica(topicId).log.logStartOffset === 3)
  world.isolate(1)
  await world.failOver(topicId, 2)
  const again = await (await clientOf(t, world, 2)).produce(topicId, 0, ['v2'], { producer: producer(2) })
  t.same([again.error, again.duplicate, again.baseOffset], [0, true, 2])
})

t.test('Replication: the end of a log is told by a leader that a majority has confirmed, and by no other', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const client = await clientOf(t, world, 1)
  await client.produce(topicId, 0, ['a'])
  const partitions = [{ topicId, partition: 0, position: 'latest' as const, timestamp: -1 }]
  const ask = async () => (await client.call('listOffsets', { timeoutMs: 300, partitions })).partitions[0]!
  t.same((await ask()).offset, 1)
  world.isolate(1)
  await world.failOver(topicId, 2)
  await (await clientOf(t, world, 2)).produce(topicId, 0, ['b'])
  t.equal((await ask()).error, ERROR.NOT_ENOUGH_REPLICAS, 'it believes that it leads, and cannot know')
})

t.test('Replication: where replication is async, the leader alone acknowledges', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic('stream', { replication: 'async' })
  const client = await clientOf(t, world, 1)
  world.isolate(1)
  t.equal((await client.produce(topicId, 0, ['a'])).error, 0)
  t.same(await valuesAt(client, topicId), [], 'shown once a majority has it')
  world.heal()
  await settled(world, topicId)
  t.same(await valuesAt(client, topicId), ['a'])
})

t.test('Replication: a broker that a partition moves away from removes its files', async t => {
  const world = await clusterOf(t, 4)
  const topicId = await world.createTopic('stream', {}, [1, 2, 3])
  const client = await clientOf(t, world, 1)
  await client.produce(topicId, 0, ['a'])
  const to = world.broker(4).member.self!.member
  const record = world.record(topicId)
  world.put(topicId, 0, withLearners(record, [to], 'nonce 1'))
  const learner = (): boolean => {
    const progress = world.broker(1).replica(topicId).replica.leading!.progress()
    return progress.some(({ member, matchOffsets }) => member.brokerId === 4 && matchOffsets[0] === 1)
  }
  await until(learner)
  const others = record.replicas.filter(({ brokerId }) => brokerId !== 3)
  const { member, incarnation } = world.broker(1).member.self!
  world.put(topicId, 0, reconfigure(world.record(topicId), [...others, to], member, incarnation, 'nonce 2'))
  await world.opened(topicId, 1)
  t.equal((await client.produce(topicId, 0, ['b'])).error, 0)
  await until(() => world.broker(3).replica(topicId) === undefined)
  await until(() => world.broker(4).replica(topicId).highWatermark === 3)
  t.same(await valuesAt(await clientOf(t, world, 4), topicId), ['a', 'b'])
})

t.test('Replication: a broker that stops takes part in nothing any more', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  await (await clientOf(t, world, 1)).produce(topicId, 0, ['a'])
  await settled(world, topicId)
  const first = world.broker(1)
  const { replica } = first.replica(topicId)
  first.member.onStop = async () => {
    await world.failOver(topicId, 2)
    t.equal((await (await clientOf(t, world, 2)).produce(topicId, 0, ['b'])).error, 0)
    t.same([replica.roleName, replica.promised], ['idle', 1], 'it has promised nothing that it could not keep')
  }
  await first.stop()
  await first.start()
  await settled(world, topicId)
  t.same(await valuesAt(await clientOf(t, world, 1), topicId), ['a', 'b'])
})

t.test('Replication: a deleted topic leaves nothing, one that is unknown is left alone', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic()
  const kept = await world.createTopic()
  const client = await clientOf(t, world, 1)
  await client.produce(topicId, 0, ['a'])
  await client.produce(kept, 0, ['b'])
  await settled(world, topicId)
  await settled(world, kept)
  world.delete(topicId)
  await until(() => world.brokers.every(({ id }) => world.broker(id).replica(topicId) === undefined))
  const placement = world.placements.get(`${kept}/0`)!
  await world.broker(2).stop()
  world.placements.delete(`${kept}/0`)
  await world.broker(2).start()
  world.placements.set(`${kept}/0`, placement)
  await world.broker(2).stop()
  await world.broker(2).start()
  t.equal(world.broker(2).replica(kept).log.nextOffset, 1, 'its records are there')
})
