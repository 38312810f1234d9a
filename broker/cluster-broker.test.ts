// Brokers with all that makes them a cluster, on one control store in memory.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ERROR } from '@sluice/protocol'
import t from 'tap'
import { Broker } from './broker.js'
import { parseConfig } from './config.js'
import { ControlStoreError } from './control/control-store.js'
import { silentLogger } from './runtime/logger.js'
import { TestClient } from './test-client.js'
import { TestCluster } from './test-cluster.test.double.js'
import { until } from './cluster-world.test.double.js'

t.setTimeout(120_000)

t.test('Cluster: a broker that stops hands over what it leads, and nothing is lost', async t => {
  const cluster = await TestCluster.start(t, 3)
  const topicId = await (await cluster.client(1)).createTopic('orders')
  const first = await cluster.leader(topicId)
  const { error } = await (await cluster.client(first)).produce(topicId, 0, ['a', 'b'])
  t.equal(error, 0)
  await cluster.stopBroker(first)
  const second = await cluster.leader(topicId)
  t.not(second, first)
  const client = await cluster.client(second)
  t.strictSame((await client.fetch(topicId, 0, 0)).records.map(({ value }) => value), ['a', 'b'])
  t.equal((await client.produce(topicId, 0, ['c'])).error, 0)
})

t.test('Cluster: a leader that has given up says so, and another one leads', async t => {
  const cluster = await TestCluster.start(t, 3)
  const topicId = await (await cluster.client(1)).createTopic('orders')
  const first = await cluster.leader(topicId)
  // As it does when its disk fails.
  cluster.broker(first).services.replicas!.find(topicId, 0)!.replica.stepDown()
  const second = await cluster.leader(topicId, id => id !== first)
  t.equal((await (await cluster.client(second)).produce(topicId, 0, ['a'])).error, 0)
})

t.test('Cluster: any broker answers for any partition and group', async t => {
  const cluster = await TestCluster.start(t, 3)
  const topicId = await (await cluster.client(1)).createTopic('orders', 6)
  for (let partition = 0; partition < 6; partition++) {
    const leader = await cluster.client(await cluster.leader(topicId, () => true, partition))
    t.equal((await leader.produce(topicId, partition, Array.from({ length: 9 }, String))).error, 0)
  }
  for (const id of [1, 2, 3]) {
    const client = await cluster.client(id)
    const partitions = [0, 1, 2, 3, 4, 5].map(partition =>
      ({ topicId, partition, position: 'latest' as const, timestamp: -1 }))
    const listed = await client.call('listOffsets', { timeoutMs: 10_000, partitions })
    t.strictSame(listed.partitions.map(({ error, partition, offset }) => [error, partition, offset]),
      [0, 1, 2, 3, 4, 5].map(partition => [0, partition, 9]), `offsets, asked of broker ${id}`)
    const described = await client.call('describeTopics', { names: ['orders'] })
    t.ok(described.topics[0]!.partitions.every(({ nextOffset, replicas }) => nextOffset === 9 && replicas.length === 3))
    const offsets = [0, 3, 5].map(partition => ({ topicId, partition, offset: id, leaderEpoch: -1, metadata: null }))
    const committed = await client.call('commitOffsets', { group: 'billing', memberId: '', generation: -1, offsets })
    t.strictSame(committed.results.map(({ message }) => message), ['', '', ''], `commits, by broker ${id}`)
    const fetched = await client.call('fetchOffsets', { group: 'billing', partitions: null })
    t.strictSame(fetched.offsets.map(({ partition, offset }) => [partition, offset]), [[0, id], [3, id], [5, id]])
    t.match(await client.call('listGroups', {}), { groups: [{ group: 'billing', members: 0 }] })
  }
  const [one, two] = [await cluster.client(1), await cluster.client(2)]
  const join = {
    group: 'billing',
    memberId: '',
    instanceId: null,
    topics: ['orders'],
    assignor: '',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    generation: -1,
    owned: [],
  }
  const member = await one.call('joinGroup', join)
  t.equal(member.assigned.reduce((sum, { partitions }) => sum + partitions.length, 0), 6)
  const { groups: [group] } = await two.call('describeGroups', { groups: ['billing'] })
  t.strictSame(group!.members.map(({ memberId }) => memberId), [member.memberId], 'by another broker')
  const commit = { group: 'billing', offsets: [{ topicId, partition: 1, offset: 9, leaderEpoch: -1, metadata: null }] }
  const stranger = await two.call('commitOffsets', { ...commit, memberId: 'nobody', generation: 1 })
  t.equal(stranger.results[0]!.error, ERROR.UNKNOWN_MEMBER)
  const { memberId, generation } = member
  t.equal((await two.call('commitOffsets', { ...commit, memberId, generation })).results[0]!.error, 0)
  const deleted = await two.call('deleteGroups', { groups: ['billing', 'unknown'] })
  t.strictSame(deleted.groups.map(({ error }) => error), [ERROR.GROUP_NOT_EMPTY, ERROR.UNKNOWN_GROUP])
})

t.test('Cluster: a leader that no majority confirms does not tell how far a group has read', async t => {
  const cluster = await TestCluster.start(t, 3)
  const topicId = await (await cluster.client(1)).createTopic('orders')
  const leader = await cluster.leader(topicId)
  const client = await cluster.client(leader)
  await client.produce(topicId, 0, ['a'])
  const offsets = [{ topicId, partition: 0, offset: 1, leaderEpoch: -1, metadata: null }]
  const { results } = await client.call('commitOffsets', { group: 'billing', memberId: '', generation: -1, offsets })
  t.equal(results[0]!.error, 0)
  const ask = async () => (await client.call('fetchOffsets', { group: 'billing', partitions: null })).offsets
  t.match(await ask(), [{ error: 0, topic: 'orders', partition: 0, offset: 1 }])
  for (const id of [1, 2, 3]) if (id !== leader) await cluster.stopBroker(id)
  t.match(await ask(), [{ error: ERROR.NOT_ENOUGH_REPLICAS, topic: 'orders', offset: -1 }], 'another one may know better')
})

t.test('Cluster: a partition goes on without a majority only where somebody asks for that', async t => {
  const cluster = await TestCluster.start(t, 3)
  const topicId = await (await cluster.client(1)).createTopic('orders')
  const first = await cluster.leader(topicId)
  await (await cluster.client(first)).produce(topicId, 0, ['a'])
  const asked = { topic: 'orders', partition: 0, survivors: [1], dryRun: false }
  t.match(await (await cluster.client(1)).call('forceRecover', asked), { error: ERROR.INVALID_REQUEST, message: /a majority/ })
  await cluster.stopBroker(2)
  await cluster.stopBroker(3)
  const client = await cluster.client(1)
  t.match(await client.call('forceRecover', { ...asked, survivors: [2] }), { error: ERROR.INVALID_REQUEST })
  const { givenUp, ...plan } = await client.call('forceRecover', { ...asked, dryRun: true })
  t.match(plan, { error: 0, leader: 1 })
  t.same([...givenUp].sort(), [2, 3])
  t.match(await client.call('describeCluster', {}), { underReplicated: 1 }, 'nothing was done')
  t.match(await client.call('forceRecover', asked), { error: 0, leader: 1 })
  for (;;) {
    const { error } = await client.produce(topicId, 0, ['b'])
    if (error === 0) break
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  t.match((await client.fetch(topicId, 0, 0)).records.map(({ value }) => value).filter(value => value !== null), ['a', 'b'])
  const { losses } = await client.call('describeCluster', {})
  t.match(losses, [{ topic: 'orders', partition: 0, givenUp: [2, 3] }])
  t.ok(losses[0]!.fromOffset >= 1 && losses[0]!.at > 0, 'from where, and when')
})

t.test('Cluster: what was acknowledged outlives a control store that is put back, and waits for somebody to decide', async t => {
  const cluster = await TestCluster.start(t, 3)
  const topicId = await (await cluster.client(1)).createTopic('orders')
  await cluster.produce(topicId, 0)
  const key = `/partitions/${topicId}/0`
  const { value: forgetful } = (await cluster.control.get(key))!
  for (let sequence = 1; sequence <= 3; sequence++) {
    await cluster.depose(topicId, 0)
    await cluster.produce(topicId, sequence)
  }
  for (const id of [1, 2, 3]) await cluster.stopBroker(id)
  await cluster.control.commit([{ key, value: forgetful }])
  for (const id of [1, 2, 3]) await cluster.startBroker(id)
  const client = await cluster.client(1)
  const status = await client.call('describeCluster', {})
  t.match(status, { leaderless: 1, troubles: [{ topic: 'orders', partition: 0, state: 'overtaken', waitsFor: [1, 2, 3] }] })
  t.match((await client.call('describeTopics', { names: ['orders'] })).topics[0]!.partitions, [{ state: 'offline', leader: -1 }])
  t.not((await client.produce(topicId, 0, ['lost'])).error, 0)
  const asked = { topic: 'orders', partition: 0, survivors: [1, 2, 3], dryRun: false }
  const { error, epoch } = await client.call('forceRecover', asked)
  t.equal(error, 0)
  await cluster.produce(topicId, 4)
  const leader = await cluster.client(await cluster.leader(topicId))
  const values = (await leader.fetch(topicId, 0, 0)).records.map(({ value }) => value).filter(value => value !== null)
  t.strictSame(values.filter(value => /^v/.test(value!)), ['v0', 'v1', 'v2', 'v3', 'v4'])
  t.match(await leader.call('describeCluster', {}), { leaderless: 0, troubles: [], losses: [{ epoch, givenUp: [] }] })
})

t.test('Cluster: a start waits for a control store that goes away between its opening and its joining', async t => {
  const cluster = await TestCluster.start(t, 1)
  const { control } = cluster
  const { list, get } = control
  const refused = new Set(['/groups/', '/session-secret', '/redrives/'])
  const answers = (key: string): void => {
    if (refused.delete(key)) throw new ControlStoreError('unavailable', 'nobody answers')
  }
  control.list = async prefix => {
    answers(prefix)
    return await list.call(control, prefix)
  }
  control.get = async key => {
    answers(key)
    return await get.call(control, key)
  }
  await cluster.startBroker(2)
  t.same([...refused], [])
  t.match(await (await cluster.client(2)).call('describeCluster', {}), { brokers: [{ brokerId: 1 }, { brokerId: 2 }] })
})

t.test('Cluster: a topic that is made anew while a broker is away is another one there too (stale replica)', async t => {
  const cluster = await TestCluster.start(t, 3)
  const client = await cluster.client(1)
  const old = await client.createTopic('orders')
  await cluster.produce(old, 0)
  await cluster.settled(old)
  await cluster.stopBroker(3)
  t.match(await client.call('deleteTopics', { timeoutMs: 10_000, names: ['orders'] }), { topics: [{ error: 0 }] })
  const topicId = await client.createTopic('orders')
  t.not(topicId, old)
  await cluster.produce(topicId, 0)
  await cluster.produce(topicId, 1)
  await cluster.startBroker(3)
  const third = cluster.broker(3).services.replicas!
  t.equal(third.find(old, 0), undefined, 'its files have gone with the start')
  // It was made while there were two.
  const more = { name: 'orders', partitions: 0, replicationFactor: 3, set: {}, unset: [] }
  t.match(await client.call('alterTopics', { timeoutMs: 10_000, validateOnly: false, topics: [more] }), { topics: [{ error: 0 }] })
  await until(() => third.find(topicId, 0)?.replica.leaderId !== undefined)
  await cluster.settled(topicId)
  t.ok(third.find(topicId, 0)!.log.nextOffset >= 2)
  t.not((await (await cluster.client(3)).fetch(old, 0, 0)).response.partitions[0]!.error, 0)
})

t.test('Cluster: wall clocks that jump by days, each its own way, change who leads nothing, and lose nothing', async t => {
  const cluster = await TestCluster.start(t, 3)
  const dayMs = 24 * 3_600_000
  const topicId = await (await cluster.client(1)).createTopic('orders')
  const epoch = async (): Promise<unknown> => ((await cluster.control.get(`/partitions/${topicId}/0`))!.value as { epoch: number }).epoch
  await cluster.produce(topicId, 0)
  const before = await epoch()
  let sequence = 1
  for (let jump = 0; jump < 30; jump++) {
    cluster.clockErrorMs[1 + jump % 3] = dayMs * (jump % 5 - 2)
    for (let count = 0; count < 5; count++) await cluster.produce(topicId, sequence++)
  }
  t.equal(await epoch(), before, 'the same leader all the while')
  const { brokers } = await (await cluster.client(1)).call('describeCluster', {})
  t.ok(brokers.every(({ state }) => state === 'online'))
  for (let count = 0; count < 3; count++) {
    await cluster.depose(topicId, 0)
    cluster.clockErrorMs.reverse()
    await cluster.produce(topicId, sequence++)
  }
  await cluster.settled(topicId)
  const leader = await cluster.client(await cluster.leader(topicId))
  const values: (string | null)[] = []
  for (let offset = 0; values.filter(value => value !== null).length < sequence;) {
    const { records, nextOffset } = await leader.fetch(topicId, 0, offset)
    values.push(...records.map(({ value }) => value))
    offset = nextOffset
  }
  const sent = values.filter(value => /^v\d+$/.test(value ?? ''))
  t.strictSame(sent, Array.from({ length: sequence }, (_, index) => `v${index}`), 'each once, in its order')
})

t.test('Cluster: a broker that is alone describes itself, and has nothing to move', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-alone-'))
  const broker = await Broker.start(parseConfig({ flags: { data: folder, listen: '127.0.0.1:0' } }), { logger: silentLogger })
  t.teardown(async () => {
    await broker.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const client = await TestClient.connect(broker.address.port)
  t.teardown(() => { client.socket.destroy() })
  t.match(await client.call('describeCluster', {}), { brokers: [{ brokerId: 1, state: 'online', replicas: 0 }] })
  t.match(await client.call('changePlacement', { action: 'rebalance', brokerId: -1, dryRun: true }), { error: ERROR.INVALID_REQUEST })
})
