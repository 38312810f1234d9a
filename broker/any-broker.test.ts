// Any broker takes any request: three real brokers on one control store, and clients that know one address only.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FRAME_FLAG, type FetchResponse, type ProduceResponse } from '@sluice/protocol'
import { MemoryMetaStore } from '@sluice/storage/testing'
import t, { type Test } from 'tap'
import { Broker } from './broker.js'
import { parseConfig } from './config.js'
import { LmdbControlStore } from './control/lmdb-control-store.js'
import { QueueTestClient, type TestLease } from './queue-test-client.js'
import { silentLogger } from './runtime/logger.js'
import { TestClient, batchOf } from './test-client.js'

const PARTITIONS = 6

interface World { readonly brokers: Broker[], readonly client: TestClient, readonly port: number }

/** Three brokers, and a client that talks to the first. */
async function start (t: Test): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-any-'))
  const control = new LmdbControlStore(new MemoryMetaStore())
  const brokers: Broker[] = []
  t.teardown(async () => {
    for (const broker of brokers) await broker.stop()
    await control.close()
    await rm(folder, { recursive: true, force: true })
  })
  for (let id = 1; id <= 3; id++) {
    const flags = { data: join(folder, String(id)), listen: '127.0.0.1:0', id: String(id) }
    brokers.push(await Broker.start(parseConfig({ flags }), { logger: silentLogger, control }))
  }
  const { port } = brokers[0]!.address
  const client = await TestClient.connect(port)
  t.teardown(() => client.close())
  return { brokers, client, port }
}

/** A topic of which each partition is held by one broker only. */
async function createTopic ({ client }: World, kind: 'stream' | 'queue', config = {}): Promise<string> {
  const name = `any-${kind}`
  const topics = [{ name, kind, partitions: PARTITIONS, replicationFactor: 1, config }]
  const created = await client.call('createTopics', { timeoutMs: 10_000, validateOnly: false, topics })
  const { topicId } = created.topics[0]!
  for (let tries = 0; tries < 500; tries++) {
    const { partitions } = await client.call('listOffsets', { timeoutMs: 10_000, partitions: everywhere(topicId) })
    if (partitions.every(({ error }) => error === 0)) return topicId
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error('the partitions do not open')
}

function everywhere (topicId: string) {
  return Array.from({ length: PARTITIONS }, (_, partition) =>
    ({ topicId, partition, position: 'latest' as const, timestamp: -1 }))
}

async function endsOf ({ client }: World, topicId: string): Promise<number[]> {
  const { partitions } = await client.call('listOffsets', { timeoutMs: 10_000, partitions: everywhere(topicId) })
  return partitions.map(({ offset }) => offset)
}

async function leadersOf ({ client }: World, name: string): Promise<number[]> {
  return (await client.call('metadata', { topics: [name] })).topics[0]!.partitions.map(({ leader }) => leader)
}

/** One batch for each partition, in one request. */
async function produceToAll (client: TestClient, topicId: string, text: string, acks: 'quorum' | 'none' = 'quorum') {
  const batches = Array.from({ length: PARTITIONS }, (_, partition) => batchOf([`${text}-${partition}`]))
  const request = {
    acks, timeoutMs: 10_000, batches: batches.map((batch, partition) => ({ topicId, partition, size: batch.length })),
  }
  return client.exchange('produce', request, { payload: Buffer.concat(batches) })
}

async function fetchAll (client: TestClient, topicId: string, offsets: readonly number[], maxWaitMs = 0) {
  const partitions = offsets.map((offset, partition) =>
    ({ topicId, partition, offset, lastEpoch: -1, maxBytes: 1 << 20 }))
  const { body, payload } = await client.exchange('fetch',
    { maxWaitMs, minBytes: 1, maxBytes: 8 << 20, partitions }, { flags: FRAME_FLAG.unordered })
  const { partitions: answers } = body as FetchResponse
  t.equal(payload.length, answers.reduce((sum, { size }) => sum + size, 0))
  return answers.filter(({ size }) => size > 0)
}

t.test('Any broker: records are produced and fetched through one that does not lead them', async t => {
  const world = await start(t)
  const { client } = world
  const topicId = await createTopic(world, 'stream')
  t.same(new Set(await leadersOf(world, 'any-stream')), new Set([1, 2, 3]), 'every broker leads something')
  const { results } = (await produceToAll(client, topicId, 'first')).body as ProduceResponse
  t.strictSame(results.map(({ partition, error }) => ({ partition, error })),
    Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, error: 0 })))
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { baseOffset } = await client.produce(topicId, partition, ['one', 'two'])
    t.equal(baseOffset, results[partition]!.baseOffset + 1, 'a request for one leader alone')
    const from = results[partition]!.baseOffset
    const { records } = await client.fetch(topicId, partition, from)
    t.strictSame(records.map(({ value }) => value), [`first-${partition}`, 'one', 'two'])
  }
  t.equal((await fetchAll(client, topicId, results.map(({ baseOffset }) => baseOffset))).length, PARTITIONS, 'one fetch of all')
})

t.test('Any broker: a fetch of partitions with several leaders waits for what comes to any of them', async t => {
  const world = await start(t)
  const topicId = await createTopic(world, 'stream')
  t.same(await fetchAll(world.client, topicId, await endsOf(world, topicId), 250), [], 'nothing comes in time')
  for (const broker of world.brokers) {
    const { brokerId } = broker.services
    const led = (await leadersOf(world, 'any-stream')).indexOf(brokerId)
    const fetching = fetchAll(world.client, topicId, await endsOf(world, topicId), 20_000)
    using other = await TestClient.connect(broker.address.port)
    await other.produce(topicId, led, ['now'])
    t.strictSame((await fetching).map(({ partition }) => partition), [led], `from broker ${brokerId}`)
  }
})

t.test('Any broker: what is not to be answered is stored all the same', async t => {
  const world = await start(t)
  const topicId = await createTopic(world, 'stream')
  const before = await endsOf(world, topicId)
  void produceToAll(world.client, topicId, 'silent', 'none').catch(() => {})
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { records } = await world.client.fetch(topicId, partition, before[partition]!, { maxWaitMs: 10_000 })
    t.strictSame(records.map(({ value }) => value), [`silent-${partition}`])
  }
})

t.test('Any broker: a worker has records of all leaders in one session, and settles, explains and peeks there', async t => {
  const world = await start(t)
  const topicId = await createTopic(world, 'queue')
  await produceToAll(world.client, topicId, 'job')
  using worker = await QueueTestClient.connect(world.port, topicId, { partitions: PARTITIONS })
  const leases: TestLease[] = []
  while (leases.length < PARTITIONS) leases.push(...await worker.receive(100, 2_000))
  t.strictSame(leases.map(({ value }) => value).sort(), Array.from({ length: PARTITIONS }, (_, index) => `job-${index}`))
  const beat = await worker.client.call('heartbeatSession', { sessionId: worker.sessionId })
  t.ok(beat.heartbeatMs > 0, 'the leases of other brokers need heartbeats too')
  t.same(beat.notices, [])
  const targets = leases.map(({ partition, offset }) =>
    ({ topicId, partition, group: '', offset, lane: -1, dedupId: null }))
  const explained = (await worker.client.call('explainRecords', { targets })).results
  t.strictSame(explained.map(({ state, clientName }) => `${state} ${clientName}`), targets.map(() => 'leased worker'))
  t.strictSame(await worker.settle('ack', leases), leases.map(() => 'ok'))
  const partitions = targets.map(({ partition }) => ({ topicId, partition, group: '' }))
  const { partitions: stats } = await worker.client.call('queueStats', { partitions })
  t.strictSame(stats.map(({ acknowledged, leased }) => ({ acknowledged, leased })),
    partitions.map(() => ({ acknowledged: 1, leased: 0 })))
  t.same(await worker.receive(1, 250), [], 'nothing is left, whoever is asked for a single record')
  for (const { partition } of leases) {
    await world.client.call('peekRecords', {
      topicId, partition, group: '', fromOffset: -1, maxRecords: 10, maxBytes: 1 << 20, states: [],
    })
  }
})

t.test('Any broker: leases come back when the client goes, from all leaders', async t => {
  const world = await start(t)
  const topicId = await createTopic(world, 'queue', { 'disconnect.grace.ms': '100' })
  await produceToAll(world.client, topicId, 'job')
  const first = await QueueTestClient.connect(world.port, topicId, { partitions: PARTITIONS })
  let held = 0
  while (held < PARTITIONS) held += (await first.receive(100, 2_000)).length
  first.close()
  using second = await QueueTestClient.connect(world.brokers[1]!.address.port, topicId, { partitions: PARTITIONS })
  const again = new Set<string | null>()
  for (let tries = 0; tries < 100 && again.size < PARTITIONS; tries++) {
    for (const { value } of await second.receive(100, 1_000)) again.add(value)
  }
  t.equal(again.size, PARTITIONS)
})

t.test('Any broker: a foreign session is refused, and a broker that is gone is named', async t => {
  const world = await start(t)
  const topicId = await createTopic(world, 'queue')
  using worker = await QueueTestClient.connect(world.port, topicId, { partitions: PARTITIONS })
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topicId, partition, group: '' }))
  await t.rejects(world.client.call('receive',
    { sessionId: worker.sessionId, maxRecords: 1, maxBytes: 1024, maxWaitMs: 0, partitions }), /is not open on this connection/)
  const gone = (await leadersOf(world, 'any-queue')).findIndex(leader => leader === 3)
  await world.brokers[2]!.stop()
  const { error, message } = await world.client.produce(topicId, gone, ['lost'])
  t.not(error, 0)
  t.match(message, /broker 3/)
})
