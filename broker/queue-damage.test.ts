// Records of a queue whose bytes are damaged on the disk: they end with a cause, and hold up nothing else.

import { open, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  DEAD_LETTER_HEADER, FRAME_FLAG, RecordBatchBuilder, RecordExtrasBuilder, RecordReader, decodeDeadLetterNote, laneOf,
  nextOffsetOf, readBatchHeader, type DeadLetterNote,
} from '@sluice/protocol'
import t from 'tap'
import { QueueTestClient, type TestLease } from './queue-test-client.js'
import { redriveRequest } from './redrive-request.test.double.js'
import { TestClient } from './test-client.js'
import { startTestBroker, type TestBroker } from './testing.js'

const SEGMENT_HEADER_BYTES = 4096
/** In a batch: behind its header, where the records are. */
const POSITION_IN_BATCH = 100

/** Stops the broker, turns a bit of the batch that holds a record, and starts it again. */
async function damage (broker: TestBroker, topicId: string, offset: number): Promise<void> {
  await broker.stop()
  await flipBit(broker, topicId, offset)
  await broker.restart()
}

async function flipBit (broker: TestBroker, topicId: string, offset: number): Promise<void> {
  const folder = join(broker.data, 'logs', topicId, '0', 'data')
  const path = join(folder, (await readdir(folder)).filter(name => name.endsWith('.log')).sort()[0]!)
  const bytes = await readFile(path)
  let position = SEGMENT_HEADER_BYTES
  while (nextOffsetOf(readBatchHeader(bytes, position)) <= offset) position += readBatchHeader(bytes, position).size
  const file = await open(path, 'r+')
  await file.write(Buffer.of(bytes[position + POSITION_IN_BATCH]! ^ 8), 0, 1, position + POSITION_IN_BATCH)
  await file.close()
}

/** Long enough that the turned bit lies in its records. */
const text = (value: string): string => value.padEnd(100, '.')
const valuesOf = (leases: readonly TestLease[]): string[] => leases.map(({ value }) => value!.replaceAll('.', ''))

/** So many records, over as many receives as it takes: what has to be read from the disk may come later. */
async function receive (worker: QueueTestClient, count: number): Promise<TestLease[]> {
  const leases: TestLease[] = []
  while (leases.length < count) leases.push(...await worker.receive(100, 5_000))
  return leases
}

async function until (condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await sleep(10)
}

/** Dead letters, as they lie in the log of their queue. */
async function lettersOf (
  client: TestClient, topicId: string,
): Promise<{ key: Buffer | null, value: Buffer | null, headers: string[], note: DeadLetterNote | null }[]> {
  const partitions = [{ topicId, partition: 0, offset: 0, lastEpoch: -1, maxBytes: 1 << 20 }]
  const { payload } = await client.exchange('fetch',
    { maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, partitions }, { flags: FRAME_FLAG.unordered })
  const letters = []
  const reader = new RecordReader()
  for (let position = 0; position < payload.length; position += payload.readUInt32BE(position + 8)) {
    reader.open(payload, position)
    while (reader.next()) {
      const headers = reader.headers()
      const note = decodeDeadLetterNote(headers.find(({ name }) => name === DEAD_LETTER_HEADER)?.value ?? null)
      letters.push({ key: reader.key, value: reader.value, headers: headers.map(({ name }) => name), note })
    }
  }
  return letters
}

t.test('Queue damage: records that are known fail and become dead letters; those around them are delivered', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const dead = await client.createTopic('dead', 1, {}, 'queue')
  const topicId = await client.createTopic('jobs', 1,
    { 'dead.letter': 'dead', 'max.attempts': '5', 'backoff.min.ms': '0', 'backoff.max.ms': '0' }, 'queue')
  for (const name of 'abc') await client.produce(topicId, 0, [text(`${name}0`), text(`${name}1`)])
  {
    using worker = await QueueTestClient.connect(broker.port, topicId)
    await worker.settle('nack', await worker.receive(), { delayMs: 0, reason: 'not today' })
    t.match(await worker.stats(), { ready: 6 })
  }
  await damage(broker, topicId, 2)
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await receive(worker, 4)
  t.same(valuesOf(leases), ['a0', 'a1', 'c0', 'c1'])
  const { state, damaged, failures } = await worker.explain(2)
  t.match({ state, damaged }, { state: 'ready', damaged: true })
  t.ok(failures >= 2 && failures < 5, `${failures} attempts have failed`)
  t.match(await worker.explain(0), { state: 'leased', failures: 1, damaged: false })
  await worker.settle('ack', leases)
  await until(async () => {
    t.same(await worker.receive(100, 10), [])
    return (await worker.stats()).dead === 2
  })
  t.match(await worker.explain(3), {
    state: 'terminal', cause: 'dead', reason: 'exhausted', reasonText: 'damaged on disk', failures: 5, damaged: true,
  })
  using again = await TestClient.connect(broker.port)
  const letters = await lettersOf(again, dead)
  t.match(letters, [2, 3].map(offset => ({
    key: null,
    value: null,
    headers: [DEAD_LETTER_HEADER],
    note: {
      topic: 'jobs', offset, damaged: true, timestamp: -1, attempts: [{ text: 'not today' }, { text: 'damaged on disk' }, {}, {}, {}],
    },
  })))
  t.equal(letters.length, 2, 'one letter each')
})

t.test('Queue damage: a letter without content stays where it is (redrive)', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const dead = await client.createTopic('dead', 1, {}, 'queue')
  const topicId = await client.createTopic('jobs', 1, { 'dead.letter': 'dead', 'max.attempts': '2', 'backoff.min.ms': '0' }, 'queue')
  await client.produce(topicId, 0, [text('lost')])
  await client.produce(topicId, 0, [text('sound')])
  {
    using worker = await QueueTestClient.connect(broker.port, topicId)
    await worker.settle('nack', await worker.receive(), { delayMs: 0 })
  }
  await damage(broker, topicId, 0)
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const sound = await receive(worker, 1)
  t.same(valuesOf(sound), ['sound'])
  await worker.settle('reject', sound)
  await until(async () => {
    t.same(await worker.receive(100, 10), [])
    return (await worker.stats()).dead === 2
  })
  const { redriveId } = await worker.client.call('startRedrive', redriveRequest(dead))
  await until(async () => {
    const [redrive] = (await worker.client.call('describeRedrives', { redriveIds: [redriveId] })).redrives
    return redrive!.state === 'done' && redrive!.moved === 1
  })
  t.same(valuesOf(await receive(worker, 1)), ['sound'])
  using letters = await QueueTestClient.connect(broker.port, dead)
  t.match(await letters.receive(), [{ value: null }])
})

for (const order of ['none', 'key', 'fair', 'priority']) {
  t.test(`Queue damage: records that nobody has seen are passed over, counted and explained (order ${order})`, async t => {
    await using broker = await startTestBroker()
    using client = await TestClient.connect(broker.port)
    const topicId = await client.createTopic('jobs', 1, order === 'key' ? { order, keyless: 'unordered' } : { order }, 'queue')
    for (const name of 'abc') await client.produce(topicId, 0, [text(`${name}0`), text(`${name}1`)])
    await damage(broker, topicId, 2)
    using worker = await QueueTestClient.connect(broker.port, topicId)
    const { records, nextOffset } = await worker.peek(0)
    t.same(records.map(({ offset, state, damaged }) => [offset, state, damaged]),
      [0, 1, 2, 3, 4, 5].map(offset => [offset, 'fresh', offset === 2 || offset === 3]))
    t.equal(nextOffset, -1)
    t.match(await worker.explain(3), { state: 'fresh', damaged: true })
    const leases = await receive(worker, 4)
    t.same(valuesOf(leases).sort(), ['a0', 'a1', 'c0', 'c1'])
    await worker.settle('ack', leases)
    t.match(await worker.stats(), { floor: 6, acknowledged: 4, damaged: 2, expired: 0 })
    t.match(await worker.explain(2), { state: 'terminal', cause: 'damaged', damaged: true })
    t.match(await worker.explain(1), { state: 'terminal', cause: 'acknowledged', damaged: false })
    await broker.restart()
    using again = await QueueTestClient.connect(broker.port, topicId)
    t.match(await again.stats(), { damaged: 2 })
    t.match(await again.explain(2), { state: 'terminal', cause: 'unknown' }, 'nobody claims that it was acknowledged')
  })
}

/** A batch with one record of a key. */
function keyed (key: string, value: string): Buffer {
  const builder = new RecordBatchBuilder()
  builder.append(key, text(value), 0)
  const extras = new RecordExtrasBuilder()
  extras.append({ lane: laneOf(Buffer.from(key)) })
  return builder.build({ extras: extras.build()! })
}

t.test('Queue damage: the order of a key is kept around a record that dies (leased in one run)', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1,
    { order: 'key', 'max.attempts': '3', 'backoff.min.ms': '0', 'backoff.max.ms': '0' }, 'queue')
  for (let number = 0; number < 6; number++) await client.produceBatch(topicId, 0, keyed('k', String(number)))
  {
    using worker = await QueueTestClient.connect(broker.port, topicId)
    await worker.settle('release', await worker.receive())
  }
  await damage(broker, topicId, 2)
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const first = await receive(worker, 2)
  t.same(valuesOf(first), ['0', '1'], 'what comes behind the damaged record waits for it')
  t.same(await worker.settle('ack', first), ['ok', 'ok'])
  const rest = await receive(worker, 3)
  t.same(valuesOf(rest), ['3', '4', '5'])
  t.same(await worker.settle('ack', rest), ['ok', 'ok', 'ok'])
  t.match(await worker.explain(2), { cause: 'archived', reasonText: 'damaged on disk', failures: 3 })
})

const WAITING = {
  key: { order: 'key', 'run.max': '1' },
  fair: { order: 'fair', 'key.concurrency': '1' },
}

for (const [order, settings] of Object.entries(WAITING)) {
  const attempts = { 'max.attempts': '2', 'backoff.min.ms': '0', 'backoff.max.ms': '0' }

  t.test(`Queue damage: one of which a restart forgets its key holds up nothing, and nobody claims to know it (order ${order})`, async t => {
    await using broker = await startTestBroker()
    using client = await TestClient.connect(broker.port)
    const topicId = await client.createTopic('jobs', 1, { ...settings, ...attempts }, 'queue')
    for (let number = 0; number < 4; number++) await client.produceBatch(topicId, 0, keyed('k', String(number)))
    {
      using worker = await QueueTestClient.connect(broker.port, topicId)
      await worker.settle('ack', await worker.receive())
    }
    await damage(broker, topicId, 2)
    using worker = await QueueTestClient.connect(broker.port, topicId)
    const [first] = await worker.receive(100, 5_000)
    t.equal(first!.offset, 1)
    t.match(await worker.explain(2), { state: 'unknown', damaged: true })
    await worker.settle('ack', [first!])
    const last = await worker.receive(100, 5_000)
    t.same(valuesOf(last), ['3'])
    await worker.settle('ack', last)
    t.match(await worker.stats(), { floor: 4, busyLanes: 0, expired: 0 })
  })
}

t.test('Queue damage: one that was rescheduled before its turn is known, and dies when it is due', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { 'max.attempts': '1', 'backoff.min.ms': '0' }, 'queue')
  for (const name of 'abc') await client.produce(topicId, 0, [text(`${name}0`), text(`${name}1`)])
  {
    using worker = await QueueTestClient.connect(broker.port, topicId)
    t.equal(await worker.reschedule(3, 200_000), 'ok')
    t.equal(await worker.cancel(2), 'ok')
  }
  await damage(broker, topicId, 2)
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await receive(worker, 4)
  t.same(valuesOf(leases), ['a0', 'a1', 'c0', 'c1'])
  await worker.settle('ack', leases)
  t.match(await worker.stats(), { floor: 3, acknowledged: 4, cancelled: 1, damaged: 0, delayed: 1 })
  t.equal(await worker.reschedule(3, 0), 'ok')
  await until(async () => {
    t.same(await worker.receive(100, 10), [])
    return (await worker.stats()).archived === 1
  })
  t.match(await worker.stats(), { floor: 6 })
})

t.test('Queue damage: a receive that finds nothing but damage goes on waiting for others', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { 'max.attempts': '2', 'backoff.min.ms': '0' }, 'queue')
  await client.produce(topicId, 0, [text('lost')])
  await client.produce(topicId, 0, [text('sound')])
  {
    using worker = await QueueTestClient.connect(broker.port, topicId)
    const [lost, sound] = await worker.receive()
    await worker.settle('release', [lost!])
    await worker.settle('ack', [sound!])
  }
  await damage(broker, topicId, 0)
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const receive = worker.receive(100, 30_000)
  using other = await QueueTestClient.connect(broker.port, topicId)
  await until(async () => (await other.stats()).archived === 1)
  await other.client.produce(topicId, 0, ['later'])
  t.same(valuesOf(await receive), ['later'])
})
