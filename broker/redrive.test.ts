// Redrives on a real broker, by its requests: which dead letters come back, where to, how they look, and who was told.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  ERROR, RecordBatchBuilder, RecordReader, laneOf, partitionForKey, type RecordHeader, type RedriveDescription,
  type StartRedriveRequest,
} from '@sluice/protocol'
import t from 'tap'
import { LIMITS } from './limits.js'
import { QueueTestClient, type TestLease } from './queue-test-client.js'
import { redriveRequest } from './redrive-request.test.double.js'
import { TestClient } from './test-client.js'
import { startTestBroker, type TestBroker } from './testing.js'

// A busy machine is slow; nothing here is about speed.
t.setTimeout(120_000)

const TIME_MS = 1_700_000_000_000
const valuesOf = (leases: readonly TestLease[]): (string | null)[] => leases.map(({ value }) => value)

function batchOf (records: readonly { key?: string, value: string, headers?: RecordHeader[] }[]): Buffer {
  const builder = new RecordBatchBuilder()
  for (const { key, value, headers } of records) builder.append(key ?? null, value, TIME_MS, headers)
  return builder.build()
}

/** A broker with a queue `jobs` and its dead letters in `dead`. */
async function setUp (broker: TestBroker, partitions = 1): Promise<{ client: TestClient, jobs: string, dead: string }> {
  const client = await TestClient.connect(broker.port)
  const dead = await client.createTopic('dead', partitions, {}, 'queue')
  const jobs = await client.createTopic('jobs', partitions, { 'dead.letter': 'dead' }, 'queue')
  return { client, jobs, dead }
}

/** Everything in the queue dies, by one reject; resolves when the letters are there. */
async function killAll (broker: TestBroker, topicId: string, dead: string, partitions = 1): Promise<number> {
  using worker = await QueueTestClient.connect(broker.port, topicId, { partitions })
  let count = 0
  for (let leases = await worker.receive(1_000); leases.length > 0; leases = await worker.receive(1_000)) {
    await worker.settle('reject', leases, { reason: 'broken' })
    count += leases.length
  }
  await lettersThere(broker, dead, count)
  return count
}

async function lettersThere (broker: TestBroker, dead: string, count: number): Promise<void> {
  const held = (): number => broker.broker.services.partitions.partitionsOf(dead)
    .reduce((sum, { highWatermark }) => sum + highWatermark, 0)
  while (held() < count) await sleep(5)
}

async function start (client: TestClient, source: string, more: Partial<StartRedriveRequest> = {}): Promise<string> {
  return (await client.call('startRedrive', redriveRequest(source, more))).redriveId
}

async function described (client: TestClient, redriveId: string): Promise<RedriveDescription> {
  return (await client.call('describeRedrives', { redriveIds: [redriveId] })).redrives[0]!
}

async function ended (client: TestClient, redriveId: string): Promise<RedriveDescription> {
  for (;;) {
    const description = await described(client, redriveId)
    if (description.error !== 0) throw new Error(description.message)
    if (description.state !== 'running') return description
    await sleep(5)
  }
}

t.test('Redrive: letters go back to where they came from, as they were, and are in their queue no more', async t => {
  await using broker = await startTestBroker()
  const { client, jobs, dead } = await setUp(broker)
  const tenant = { name: 'tenant', value: Buffer.from('a') }
  await client.produceBatch(jobs, 0, batchOf([{ key: 'k', value: 'one', headers: [tenant] }, { value: 'two' }]))
  await killAll(broker, jobs, dead)
  const redriveId = await start(client, dead)
  t.match(await ended(client, redriveId), {
    state: 'done', examined: 2, matched: 2, moved: 2, partitions: [], startedBy: /^test 127\.0\.0\.1:\d+$/, message: '',
  })
  const records = await headersFrom(client, jobs, 0, 2)
  t.match(records, [
    { key: 'k', value: 'one', timestamp: TIME_MS, headers: { tenant: 'a', 'sluice.redrive': JSON.stringify({ redriveId, sequence: 1 }) } },
    { key: null, value: 'two', timestamp: TIME_MS, headers: { 'sluice.redrive': JSON.stringify({ redriveId, sequence: 2 }) } },
  ])
  t.notOk(records.some(({ headers }) => 'sluice.dead-letter' in headers))
  using consumer = await QueueTestClient.connect(broker.port, jobs)
  const back = await consumer.receive()
  t.match(back, [{ value: 'one', deliveries: 1 }, { value: 'two', deliveries: 1 }])
  await consumer.settle('ack', back)
  using grave = await QueueTestClient.connect(broker.port, dead)
  t.same(await grave.receive(), [])
  t.match(await ended(client, await start(client, dead)), { state: 'done', examined: 0, moved: 0 })
  await broker.restart()
  using after = await TestClient.connect(broker.port)
  const { redrives } = await after.call('describeRedrives', { redriveIds: [] })
  t.match(redrives, [{ examined: 0 }, { redriveId, state: 'done', moved: 2, startedBy: /^test/ }])
  t.ok(redrives[1]!.endedAt >= redrives[1]!.startedAt)
  client.close()
})

/** Records of a partition with all that they carry. */
async function headersFrom (
  client: TestClient, topicId: string, partition: number, offset: number,
): Promise<{ key: string | null, value: string | null, timestamp: number, headers: Record<string, string> }[]> {
  const partitions = [{ topicId, partition, offset, lastEpoch: -1, maxBytes: 1 << 20 }]
  const { payload } = await client.exchange('fetch', { maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, partitions })
  const records = []
  const reader = new RecordReader()
  for (let at = 0; at < payload.length; at += payload.readUInt32BE(at + 8)) {
    reader.open(payload, at)
    while (reader.next()) {
      if (reader.offset < offset) continue
      records.push({
        key: reader.key?.toString() ?? null,
        value: reader.value?.toString() ?? null,
        timestamp: reader.timestamp,
        headers: Object.fromEntries(reader.headers().map(({ name, value }) => [name, value?.toString() ?? ''])),
      })
    }
  }
  return records
}

t.test('Redrive: a thousand letters over three partitions come back in the order that they had there', async t => {
  await using broker = await startTestBroker()
  const { client, jobs, dead } = await setUp(broker, 3)
  for (const partition of [0, 1, 2]) {
    await client.produce(jobs, partition, Array.from({ length: 350 }, (_, index) => `${partition} ${index}`))
  }
  t.equal(await killAll(broker, jobs, dead, 3), 1_050)
  t.match(await ended(client, await start(client, dead)), { state: 'done', moved: 1_050 })
  for (const partition of [0, 1, 2]) {
    const { records } = await client.fetch(jobs, partition, 350)
    t.same(records.map(({ value }) => value), Array.from({ length: 350 }, (_, index) => `${partition} ${index}`))
  }
  client.close()
})

t.test('Redrive: filters choose, a dry run only counts, a limit stops', async t => {
  await using broker = await startTestBroker()
  const { client, jobs, dead } = await setUp(broker)
  const header = (value: string): RecordHeader[] => [{ name: 'tenant', value }]
  await client.produceBatch(jobs, 0, batchOf([
    { key: 'x', value: 'x1', headers: header('a') }, { key: 'y', value: 'y1', headers: header('b') },
    { key: 'x', value: 'x2' }, { key: 'y', value: 'y2', headers: header('b') },
  ]))
  await killAll(broker, jobs, dead)
  const dry = async (more: Partial<StartRedriveRequest>): Promise<number> =>
    (await ended(client, await start(client, dead, { ...more, dryRun: true }))).matched
  t.equal(await dry({}), 4)
  t.equal(await dry({ lane: laneOf(Buffer.from('x')) }), 2)
  t.equal(await dry({ headerName: 'tenant' }), 3)
  t.equal(await dry({ headerName: 'tenant', headerValue: 'b' }), 2)
  t.equal(await dry({ reasons: ['reject'] }), 4)
  t.equal(await dry({ reasons: ['timeout', 'ttl'] }), 0)
  t.equal(await dry({ fromTimestamp: Date.now() + 3_600_000 }), 0)
  t.equal(await dry({ toTimestamp: Date.now() + 3_600_000 }), 4)
  t.equal(await dry({ limit: 3 }), 3)
  t.same((await client.fetch(jobs, 0, 4)).records, [], 'nothing was moved')
  const one = await ended(client, await start(client, dead, { headerName: 'tenant', headerValue: 'b', limit: 1 }))
  t.match(one, { state: 'done', moved: 1, headerName: 'tenant', headerValue: 'b', limit: 1, lane: -1, reasons: [] })
  t.match((await client.fetch(jobs, 0, 4)).records, [{ value: 'y1' }])
  using grave = await QueueTestClient.connect(broker.port, dead)
  t.same(valuesOf(await grave.receive()), ['x1', 'x2', 'y2'])
  client.close()
})

t.test('Redrive: to another topic records go where a client would send them', async t => {
  await using broker = await startTestBroker()
  const { client, jobs, dead } = await setUp(broker)
  const target = await client.createTopic('elsewhere', 4)
  const keys = ['a', 'b', 'c', 'd', 'e', 'f']
  await client.produceBatch(jobs, 0, batchOf(keys.map(key => ({ key, value: key }))))
  await killAll(broker, jobs, dead)
  t.match(await ended(client, await start(client, dead, { targetTopicId: target, partitions: [0] })),
    { state: 'done', moved: 6, targetTopicId: target, partitions: [0] })
  for (const partition of [0, 1, 2, 3]) {
    const { records } = await client.fetch(target, partition, 0)
    t.same(records.map(({ value }) => value), keys.filter(key => partitionForKey(Buffer.from(key), 4) === partition))
  }
  t.same((await client.fetch(jobs, 0, 6)).records, [])
  client.close()
})

t.test('Redrive: a letter that a consumer has is left to it; what is no letter is left where it is', async t => {
  await using broker = await startTestBroker()
  const { client, jobs, dead } = await setUp(broker)
  await client.produce(dead, 0, ['no letter'])
  await client.produce(jobs, 0, ['one', 'two', 'three'])
  await killAll(broker, jobs, dead)
  using grave = await QueueTestClient.connect(broker.port, dead)
  const held = await grave.receive(2)
  t.same(valuesOf(held), ['no letter', 'one'])
  t.match(await ended(client, await start(client, dead)), { state: 'done', examined: 2, moved: 2 })
  t.same(await grave.settle('release', held), ['ok', 'ok'])
  t.same(valuesOf(await grave.receive()), ['no letter', 'one'])
  t.same((await client.fetch(jobs, 0, 3)).records.map(({ value }) => value), ['two', 'three'])
  client.close()
})

t.test('Redrive: letters whose topic is gone fail the job, and stay', async t => {
  await using broker = await startTestBroker()
  const { client, jobs, dead } = await setUp(broker)
  await client.produce(jobs, 0, ['one'])
  await killAll(broker, jobs, dead)
  await client.call('deleteTopics', { timeoutMs: 10_000, names: ['jobs'] })
  t.match(await ended(client, await start(client, dead)),
    { state: 'failed', moved: 0, message: /dead letter 0 came from topic jobs, which was deleted; name a target/ })
  const again = await client.createTopic('jobs', 1, {}, 'queue')
  t.match(await ended(client, await start(client, dead)), { state: 'failed', message: /deleted and created anew/ })
  t.match(await ended(client, await start(client, dead, { targetTopicId: again })), { state: 'done', moved: 1 })
  t.same((await client.fetch(again, 0, 0)).records, [{ offset: 0, value: 'one' }])
  client.close()
})

t.test('Redrive: goes on after a restart at its rate, moves each once, and can be cancelled', async t => {
  await using broker = await startTestBroker()
  const { client, jobs, dead } = await setUp(broker)
  const values = Array.from({ length: 60 }, (_, index) => `job ${index}`)
  await client.produce(jobs, 0, values)
  await killAll(broker, jobs, dead)
  const redriveId = await start(client, dead, { recordsPerSecond: 100 })
  while ((await described(client, redriveId)).moved < 20) await sleep(5)
  client.close()
  await broker.restart()
  using again = await TestClient.connect(broker.port)
  t.match(await ended(again, redriveId), { state: 'done', moved: 60, recordsPerSecond: 100 })
  t.same((await again.fetch(jobs, 0, 60)).records.map(({ value }) => value), values)

  await killAll(broker, jobs, dead)
  await lettersThere(broker, dead, 120)
  const slow = await start(again, dead, { recordsPerSecond: 10 })
  while ((await described(again, slow)).moved < 1) await sleep(5)
  const { state, moved } = await again.call('cancelRedrive', { redriveId: slow })
  t.equal(state, 'cancelled')
  t.ok(moved >= 1 && moved < 60, `${moved}`)
  t.equal((await again.fetch(jobs, 0, 120)).records.length, moved, 'it stands still')
  t.same(await again.call('cancelRedrive', { redriveId: slow }), { state: 'cancelled', moved }, 'again')
  t.same(await again.call('cancelRedrive', { redriveId }), { state: 'done', moved: 60 }, 'one that had ended')
  using grave = await QueueTestClient.connect(broker.port, dead)
  t.equal((await grave.receive(1_000)).length, 60 - moved, 'the others are for consumers again')
})

t.test('Redrive: two at once over one queue move each letter once', async t => {
  await using broker = await startTestBroker()
  const { client, jobs, dead } = await setUp(broker)
  const values = Array.from({ length: 1_200 }, (_, index) => `job ${index}`)
  await client.produce(jobs, 0, values)
  await killAll(broker, jobs, dead)
  const jobIds = await Promise.all([start(client, dead), start(client, dead), start(client, dead)])
  const outcomes = await Promise.all(jobIds.map(redriveId => ended(client, redriveId)))
  t.equal(outcomes.reduce((sum, { moved }) => sum + moved, 0), 1_200)
  const { records } = await client.fetch(jobs, 0, 1_200)
  t.same(records.map(({ value }) => value).sort(), [...values].sort())
  client.close()
})

t.test('Redrive: what cannot be is refused, and what is unknown told', async t => {
  await using broker = await startTestBroker()
  const { client, dead } = await setUp(broker)
  const stream = await client.createTopic('stream')
  const nobody = '00000000-0000-4000-8000-000000000000'
  const cases: [number, RegExp, Partial<StartRedriveRequest>][] = [
    [ERROR.UNKNOWN_TOPIC, /no topic with id/, { sourceTopicId: nobody }],
    [ERROR.UNKNOWN_TOPIC, /no topic with id/, { targetTopicId: nobody }],
    [ERROR.NOT_A_QUEUE, /stream is a stream/, { sourceTopicId: stream }],
    [ERROR.INVALID_REQUEST, /itself/, { targetTopicId: dead }],
    [ERROR.UNKNOWN_PARTITION, /partitions 0 to 0/, { partitions: [1] }],
    [ERROR.UNKNOWN_PARTITION, /partitions 0 to 0/, { partitions: [-1] }],
    [ERROR.INVALID_REQUEST, /names 2/, { partitions: [0, 0] }],
    [ERROR.INVALID_REQUEST, /lane/, { lane: -2 }],
    [ERROR.INVALID_REQUEST, /limit/, { limit: -1 }],
    [ERROR.INVALID_REQUEST, /recordsPerSecond/, { recordsPerSecond: -1 }],
    [ERROR.INVALID_REQUEST, /below toTimestamp/, { fromTimestamp: 2, toTimestamp: 2 }],
    [ERROR.INVALID_REQUEST, /-1 or a time/, { fromTimestamp: -7 }],
    [ERROR.INVALID_REQUEST, /reason/, { reasons: ['none'] }],
    [ERROR.INVALID_REQUEST, /headerName/, { headerValue: 'x' }],
    [ERROR.INVALID_REQUEST, /4096 bytes/, { headerName: 'x'.repeat(5_000) }],
  ]
  for (const [code, message, more] of cases) {
    await t.rejects(client.call('startRedrive', redriveRequest(dead, more)), { code, message }, JSON.stringify(more))
  }
  t.same((await client.call('describeRedrives', { redriveIds: [] })).redrives, [])
  t.match((await client.call('describeRedrives', { redriveIds: [nobody] })).redrives,
    [{ error: ERROR.UNKNOWN_REDRIVE, redriveId: nobody }])
  await t.rejects(client.call('cancelRedrive', { redriveId: nobody }), { code: ERROR.UNKNOWN_REDRIVE })
  await t.rejects(client.call('describeRedrives', { redriveIds: Array.from({ length: 1_001 }, () => nobody) }),
    { code: ERROR.INVALID_REQUEST })
  client.close()
})

t.test('Redrive: of those that have ended the latest are remembered, and of those that run there is a bound', async t => {
  await using broker = await startTestBroker()
  const { client, jobs, dead } = await setUp(broker)
  const ids: string[] = []
  for (let count = 0; count < LIMITS.redrivesKept + 3; count++) {
    ids.push(await start(client, dead, { dryRun: true }))
    await ended(client, ids.at(-1)!)
  }
  await broker.restart()
  using again = await TestClient.connect(broker.port)
  const { redrives } = await again.call('describeRedrives', { redriveIds: [] })
  t.equal(redrives.length, LIMITS.redrivesKept)
  t.same(new Set(redrives.map(({ redriveId }) => redriveId)), new Set(ids.slice(3)))
  client.close()
  await again.produce(jobs, 0, Array.from({ length: 200 }, (_, index) => `${index}`))
  await killAll(broker, jobs, dead)
  for (let count = 0; count < LIMITS.redrivesAtOnce; count++) await start(again, dead, { recordsPerSecond: 1 })
  await t.rejects(start(again, dead), { code: ERROR.BUSY, message: /16 redrives are running/ })
})
