// Brokers of a cluster on bad disks: whoever cannot write hands over, and clients that retry notice nothing.

import t from 'tap'
import type { ClusterMetadata } from './cluster/cluster-metadata.js'
import { until } from './cluster-world.test.double.js'
import { failOver } from './replica/partition-record.js'
import { TestCluster } from './test-cluster.test.double.js'

t.setTimeout(120_000)

t.test('Cluster: a leader with a full disk hands over, does not lead again before there is space, and catches up', async t => {
  const cluster = await TestCluster.start(t, 3)
  const topicId = await (await cluster.client(1)).createTopic('orders')
  let sequence = 0
  const first = await cluster.produce(topicId, sequence++)
  cluster.disk(first).fault = 'full'
  // The leader finds out when it has something to write; then somebody else takes it.
  let second = first
  while (second === first) second = await cluster.produce(topicId, sequence++)
  await until(() => states(cluster).includes('impaired'))
  const described = await (await cluster.client(first)).call('describeCluster', {})
  t.equal(described.brokers.find(({ brokerId }) => brokerId === first)!.state, 'impaired')
  cluster.disk(first).mend()
  await cluster.settled(topicId)
  t.equal(await cluster.leader(topicId), second, 'no leadership goes back by itself')
  // Now a majority is full: nothing can be stored, and still it is the third that leads.
  cluster.disk(first).fault = cluster.disk(second).fault = 'full'
  const produced = cluster.produce(topicId, sequence++)
  const namedLeader = (): number =>
    cluster.broker(1).services.replicas!.placementOf(topicId, 0)!.record.leader.brokerId
  await until(() => namedLeader() !== first && namedLeader() !== second)
  for (const disk of cluster.disks) disk.mend()
  const last = await produced
  t.equal(last, namedLeader())
  await cluster.settled(topicId)
  const { records } = await (await cluster.client(last)).fetch(topicId, 0, 0)
  t.strictSame(records.map(({ value }) => value),
    Array.from({ length: sequence }, (_, index) => `v${index}`), 'each record once and in order')
})

t.test('Cluster: with all disks full the leader stays, and goes on when there is space', async t => {
  const cluster = await TestCluster.start(t, 3)
  const topicId = await (await cluster.client(1)).createTopic('orders')
  await cluster.produce(topicId, 0)
  for (const disk of cluster.disks) disk.fault = 'full'
  const produced = cluster.produce(topicId, 1)
  await until(() => states(cluster).every(state => state === 'impaired'))
  const epochOf = (): number => cluster.broker(1).services.replicas!.placementOf(topicId, 0)!.record.epoch
  const epoch = epochOf()
  const client = await cluster.client(await cluster.leader(topicId))
  t.strictSame((await client.fetch(topicId, 0, 0)).records.map(({ value }) => value), ['v0'], 'what is there can be read')
  await new Promise(resolve => setTimeout(resolve, 700))
  t.equal(epochOf(), epoch, 'nobody passes the leadership round')
  for (const disk of cluster.disks) disk.mend()
  await produced
  await cluster.settled(topicId)
})

t.test('Cluster: a leader whose disk fails to sync hands over at once, and no acknowledged record is lost', async t => {
  const cluster = await TestCluster.start(t, 3)
  const topicId = await (await cluster.client(1)).createTopic('orders')
  const first = await cluster.produce(topicId, 0)
  cluster.disk(first).fault = 'failing'
  for (let sequence = 1; sequence < 5; sequence++) await cluster.produce(topicId, sequence)
  const second = await cluster.leader(topicId)
  t.not(second, first)
  // Whoever makes it the leader again is handed the partition back: its log takes nothing before a restart.
  const { administration } = cluster.broker(first).services
  const { metadata } = (administration as unknown as { options: { metadata: ClusterMetadata } }).options
  const self = metadata.brokersById().get(first)!
  const [entry] = metadata.partitionEntries()
  const record = failOver(entry!.record, { brokerId: first, storeId: self.storeId }, self.incarnation, 'test')
  t.not(await cluster.control.commit([{ key: `/partitions/${topicId}/0`, value: record }]), null)
  await until(() => metadata.partitionEntries()[0]!.record.epoch > record.epoch)
  t.not(await cluster.leader(topicId, id => id !== first), first)
  await cluster.produce(topicId, 5)
  cluster.disk(first).mend()
  await cluster.stopBroker(first)
  await cluster.startBroker(first)
  await cluster.settled(topicId)
  const { records } = await (await cluster.client(first)).fetch(topicId, 0, 0)
  t.strictSame(records.map(({ value }) => value), ['v0', 'v1', 'v2', 'v3', 'v4', 'v5'])
})

t.test('Cluster: a leader whose disk does not come back from a write hands over', async t => {
  const cluster = await TestCluster.start(t, 3)
  const topicId = await (await cluster.client(1)).createTopic('orders')
  const first = await cluster.produce(topicId, 0)
  cluster.disk(first).fault = 'stuck'
  let sequence = 1
  while (await cluster.produce(topicId, sequence++) === first) await new Promise(resolve => setTimeout(resolve, 50))
  cluster.disk(first).mend()
  await cluster.settled(topicId)
  const { records } = await (await cluster.client(first)).fetch(topicId, 0, 0)
  t.strictSame(records.map(({ value }) => value),
    Array.from({ length: sequence }, (_, index) => `v${index}`))
})

/** How each broker is, as broker 1 knows. */
function states (cluster: TestCluster): string[] {
  return cluster.broker(1).services.administration!.describe().brokers.map(({ state }) => state)
}
