// A cluster of real processes: an etcd and three brokers. Producers and readers go on while brokers are killed.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, string, type Client, type ClusterStatus } from '@sluice/client'
import t, { type Test } from 'tap'
import { LocalCluster } from '../../cluster/local-cluster.js'
import { isEtcdInstalled } from '../../etcd/etcd-process.js'

// Processes start and stop, which takes its time on a busy machine.
t.setTimeout(180_000)

const skip = await isEtcdInstalled() ? false : 'etcd is not installed'

const TEXT = { key: string(), value: string() }
/** Longer than the lease of a broker, in milliseconds. */
const LEASES_END_MS = 10_000

/** One cluster for all tests, one after the other: what one of them does to brokers is made good at its end. */
const folder = await mkdtemp(join(tmpdir(), 'sluice-cluster-'))
const cluster = skip === false
  ? await LocalCluster.start({ folder, brokers: 3, options: { 'log-level': 'info' } })
  : null
t.teardown(async () => {
  await cluster?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** A client that begins with one broker, or with all. */
function clientOf (t: Test, id?: number): Client {
  const { addresses } = cluster!
  const client = connect({ brokers: id === undefined ? addresses : [addresses[id - 1]!] })
  t.teardown(() => client.close())
  return client
}

async function readAll (client: Client, topic: string): Promise<string[]> {
  const values: string[] = []
  for await (const { value } of client.topic(topic, TEXT).read({ from: 'earliest', to: 'end' })) values.push(value!)
  return values.sort()
}

t.test('Cluster: records outlive the leader of their partition (kill -9)', { skip }, async t => {
  const client = clientOf(t, 3)
  await client.admin.createTopic('orders', { partitions: 4, replicas: 3 })
  const topic = await client.admin.describeTopic('orders')
  t.same(topic.partitions.map(({ replicas }) => replicas.length), [3, 3, 3, 3])
  const producer = client.topic('orders', TEXT).producer()
  const sent: string[] = []
  const send = async (prefix: string): Promise<void> => {
    for (let index = 0; index < 50; index++) {
      const value = `${prefix}-${index}`
      await producer.send({ key: String(index), value })
      sent.push(value)
    }
  }
  await send('before')
  const victim = topic.partitions[0]!.leader
  await cluster!.broker(victim).kill()
  await send('after')
  await producer.close()
  t.strictSame(await readAll(client, 'orders'), sent.sort())
  await cluster!.startBroker(victim)
  t.strictSame(await readAll(client, 'orders'), sent.sort(), 'with the dead one back')
})

t.test('Cluster: a group reads each record through any broker, also while a broker is killed', { skip }, async t => {
  const client = clientOf(t, 1)
  await client.admin.createTopic('jobs', { partitions: 6, replicas: 3 })
  const seen = new Set<string>()
  const sent = new Set<string>()
  const consumers = [2, 3].map(id => clientOf(t, id).topic('jobs', TEXT).consumer({ group: 'workers', from: 'earliest' }))
  const reading = consumers.map(async consumer => {
    for await (const { value } of consumer) seen.add(value!)
  })
  const producer = client.topic('jobs', TEXT).producer()
  const send = async (prefix: string): Promise<void> => {
    await Promise.all(Array.from({ length: 60 }, async (_, index) => {
      const value = `${prefix}-${index}`
      await producer.send({ key: value, value })
      sent.add(value)
    }))
  }
  await send('before')
  await until(() => seen.size === sent.size)
  await cluster!.broker(3).kill()
  await send('after')
  await until(() => seen.size === sent.size)
  await producer.close()
  await Promise.all(consumers.map(consumer => consumer.close()))
  await Promise.all(reading)
  t.strictSame([...seen].sort(), [...sent].sort())
  const lag = await client.admin.groupLag('workers')
  t.equal(lag.reduce((sum, { records }) => sum + records, 0), 0, 'all of it is committed')
  await cluster!.startBroker(3)
})

t.test('Cluster: replicas become more and fewer while records come, and no request fails (1 to 3 to 1)', { skip }, async t => {
  const client = clientOf(t)
  await client.admin.createTopic('ledger', { partitions: 4, replicas: 1 })
  const topic = client.topic('ledger', TEXT)
  const producer = topic.producer()
  const consumer = topic.consumer({ group: 'auditors', from: 'earliest' })
  const sent: string[] = []
  const seen: string[] = []
  const over = new AbortController()
  const sending = (async () => {
    for (let index = 0; !over.signal.aborted; index++) {
      const value = String(index)
      await producer.send({ key: value, value })
      sent.push(value)
    }
  })()
  const reading = (async () => { for await (const { value } of consumer) seen.push(value!) })()
  const replicasOf = async (): Promise<number[]> =>
    (await client.admin.describeTopic('ledger')).partitions.map(({ replicas }) => replicas.length)
  await until(() => sent.length > 100)
  const grown = await client.admin.alterTopic('ledger', { replicas: 3 })
  t.same(grown.map(({ from, to }) => [from.length, to.length]), Array.from({ length: 4 }, () => [1, 3]))
  t.equal((await atRest(client)).underReplicated, 0)
  t.strictSame(await replicasOf(), [3, 3, 3, 3])
  const victim = (await client.admin.describeTopic('ledger')).partitions[0]!.leader
  const before = sent.length
  await cluster!.broker(victim).kill()
  await until(() => sent.length > before + 50)
  await cluster!.startBroker(victim)
  await client.admin.alterTopic('ledger', { replicas: 1 })
  await atRest(client)
  t.strictSame(await replicasOf(), [1, 1, 1, 1])
  const after = sent.length
  await until(() => sent.length > after + 50)
  over.abort()
  await sending
  await producer.close()
  await until(() => seen.length >= sent.length)
  await consumer.close()
  await reading
  t.strictSame(await readAll(client, 'ledger'), [...sent].sort(), 'each once')
  t.strictSame([...new Set(seen)].sort(), [...sent].sort(), 'and the group has read them all')
  // Its partitions would be without a leader while the next test has their only broker stopped.
  await client.admin.deleteTopic('ledger')
})

t.test('Cluster: records flow while etcd is away, and where all leases have ended at once when it is back', { skip }, async t => {
  const client = clientOf(t)
  await client.admin.createTopic('outage', { partitions: 3, replicas: 3 })
  const leading = async (): Promise<number[][]> => (await client.admin.describeTopic('outage')).partitions
    .map(({ leader, leaderEpoch }) => [leader, leaderEpoch])
  const before = await leading()
  const producer = client.topic('outage', TEXT).producer()
  const sent: string[] = []
  const send = async (): Promise<void> => {
    const value = String(sent.length)
    await producer.send({ key: value, value })
    sent.push(value)
  }
  const { etcd } = cluster!
  // With an id of its own: brokers take ids for new producers from etcd, a block at a time.
  await send()
  await etcd.kill()
  for (let count = 0; count < 100; count++) await send()
  await t.rejects(client.admin.createTopic('not-now', { timeoutMs: 3_000 }), { code: /STORAGE|TIMEOUT/ }, 'changes wait')
  await etcd.restart()
  for (let count = 0; count < 100; count++) await send()
  t.strictSame(await leading(), before, 'nobody else leads')
  // Leases end while it stands still, all of them at once: whose entry the controller misses first may lose what it
  // leads, and nothing else.
  etcd.pause()
  const untilMs = performance.now() + LEASES_END_MS
  while (performance.now() < untilMs) await send()
  etcd.resume()
  await atRest(client)
  for (let count = 0; count < 100; count++) await send()
  while ((await client.admin.clusterStatus()).brokers.some(({ state }) => state !== 'online')) await send()
  await producer.close()
  t.strictSame(await readAll(client, 'outage'), [...sent].sort(), 'each once')
})

t.test('Cluster: each broker is restarted, one joins and one is drained while records come, and no request fails', { skip }, async t => {
  const client = clientOf(t)
  await client.admin.createTopic('events', { partitions: 6, replicas: 3 })
  const topic = client.topic('events', TEXT)
  const producer = topic.producer()
  const consumer = topic.consumer({ group: 'watchers', from: 'earliest' })
  const sent: string[] = []
  const seen = new Set<string>()
  const over = new AbortController()
  const sending = (async () => {
    for (let index = 0; !over.signal.aborted; index++) {
      const value = String(index)
      await producer.send({ key: value, value })
      sent.push(value)
    }
  })()
  const reading = (async () => { for await (const { value } of consumer) seen.add(value!) })()
  for (const id of [1, 2, 3]) {
    const before = sent.length
    t.equal((await cluster!.broker(id).stop()).code, 0)
    await until(() => sent.length > before + 10)
    await ledByOthers(client)
    await cluster!.startBroker(id)
  }
  await cluster!.addBroker()
  const plan = await client.admin.changePlacement('rebalance')
  t.ok(plan.moves.length > 0 && plan.moves.some(({ to }) => to.includes(4)), 'the new one gets some')
  t.equal(plan.copies, plan.copiesLeast)
  await atRest(client)
  await client.admin.changePlacement('drain', { broker: 1 })
  const drained = await atRest(client)
  t.equal(drained.brokers.find(({ brokerId }) => brokerId === 1)!.replicas, 0)
  over.abort()
  await sending
  await cluster!.broker(1).stop()
  await producer.close()
  await until(() => seen.size === sent.length)
  await consumer.close()
  await reading
  t.strictSame(await readAll(client, 'events'), [...sent].sort(), 'each once')
})

/** Resolves when each partition has a leader that is there. */
async function ledByOthers (client: Client): Promise<void> {
  while ((await client.admin.clusterStatus()).leaderless > 0) await new Promise(resolve => setTimeout(resolve, 20))
}

/** Resolves when no move is left. */
async function atRest (client: Client): Promise<ClusterStatus> {
  for (;;) {
    const status = await client.admin.clusterStatus()
    if (status.moves.length === 0) return status
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** Waits for something that must come; a test that waits in vain ends by tap's timeout. */
async function until (holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 20))
}
