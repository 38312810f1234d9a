// Options of records on queues: delays, times to live, priorities, keys and dedup ids, over restarts.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  ERROR, RecordBatchBuilder, RecordExtrasBuilder, dedupKeyOf, laneOf, type ProducerStamp, type RecordExtras,
} from '@sluice/protocol'
import t from 'tap'
import { QueueTestClient, type TestLease } from './queue-test-client.js'
import { TestClient } from './test-client.js'
import { startTestBroker } from './testing.js'

const valuesOf = (leases: readonly TestLease[]): (string | null)[] => leases.map(({ value }) => value)

/** A batch of values with options. */
function batchWith (records: readonly (readonly [string, RecordExtras?])[], producer?: ProducerStamp): Buffer {
  const builder = new RecordBatchBuilder()
  const extras = new RecordExtrasBuilder()
  for (const [value, options] of records) {
    builder.append(null, value, 1_700_000_000_000)
    extras.append(options)
  }
  const bytes = extras.build()
  return builder.build({
    ...(bytes === undefined ? {} : { extras: bytes }), ...(producer === undefined ? {} : { producer }),
  })
}

const id = (dedupId: string): RecordExtras => ({ dedupKey: dedupKeyOf(dedupId) })

t.test('Queue: a delayed record comes when it is due, and others do not wait for it', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  const dueMs = Date.now() + 400
  await client.produceBatch(topicId, 0, batchWith([['later', { notBefore: dueMs }], ['now']]))
  using worker = await QueueTestClient.connect(broker.port, topicId)
  t.same(valuesOf(await worker.receive()), ['now'])
  t.match(await worker.explain(0), { state: 'delayed' })
  t.same(valuesOf(await worker.receive(1, 10_000)), ['later'])
  t.ok(Date.now() >= dueMs, 'never early')
})

t.test('Queue: delays outlive restarts, those for long on disk', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  const hour = Date.now() + 3_600_000
  const records = Array.from({ length: 200 }, (_, index) => [String(index), { notBefore: hour + index }] as const)
  await client.produceBatch(topicId, 0, batchWith(records))
  using worker = await QueueTestClient.connect(broker.port, topicId)
  t.same(await worker.receive(), [])
  t.match(await worker.stats(), { delayed: 200, fresh: 0 })
  await broker.restart()
  using again = await QueueTestClient.connect(broker.port, topicId)
  t.match(await again.stats(), { delayed: 200, fresh: 0, floor: 0 })
  t.equal(await again.reschedule(150, 0), 'ok')
  t.equal(await again.cancel(10), 'ok')
  t.same(valuesOf(await again.receive(10, 5_000)), ['150'])
  t.match(await again.stats(), { delayed: 198, leased: 1, cancelled: 1 })
})

t.test('Queue: a record that is of no use any more is not handed out', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produceBatch(topicId, 0, batchWith([['stale', { expires: Date.now() - 1 }], ['good', { expires: Date.now() + 60_000 }]]))
  using worker = await QueueTestClient.connect(broker.port, topicId)
  t.same(valuesOf(await worker.receive()), ['good'])
  t.match(await worker.stats(), { expired: 1 })
})

t.test('Queue: high priorities come first', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { order: 'priority' }, 'queue')
  await client.produceBatch(topicId, 0, batchWith([['low', { priority: 0 }], ['high', { priority: 9 }], ['mid', { priority: 4 }]]))
  using worker = await QueueTestClient.connect(broker.port, topicId)
  t.same(valuesOf(await worker.receive()), ['high', 'mid', 'low'])
})

t.test('Queue: a dedup id is taken once, over restarts, and the duplicate never comes', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  const first = await client.produceBatch(topicId, 0, batchWith([['a', id('order-1')], ['b', id('order-2')], ['b again', id('order-2')]]))
  t.match(first, { error: 0, baseOffset: 0, duplicateRecords: [{ index: 2, offset: 1 }] })
  t.match(await client.produceBatch(topicId, 0, batchWith([['a again', id('order-1')], ['c', id('order-3')]])),
    { error: 0, baseOffset: 3, duplicateRecords: [{ index: 0, offset: 0, state: 'fresh' }] })
  await broker.restart()
  using later = await TestClient.connect(broker.port)
  t.match(await later.produceBatch(topicId, 0, batchWith([['a once more', id('order-1')]])),
    { duplicateRecords: [{ index: 0, offset: 0 }] })
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases: TestLease[] = []
  while (leases.length < 3) leases.push(...await worker.receive(10, 1_000))
  t.same(valuesOf(leases), ['a', 'b', 'c'])
  await worker.settle('ack', leases)
  t.match(await later.produceBatch(topicId, 0, batchWith([['a late', id('order-1')]])),
    { duplicateRecords: [{ index: 0, offset: 0, state: 'terminal' }] }, 'the window is not over')
  const target = { topicId, partition: 0, group: '', offset: -1, lane: -1, dedupId: 'order-3' }
  t.match(await later.call('explainRecords', { targets: [target] }), { results: [{ offset: 4, state: 'terminal' }] })
  t.same(await worker.receive(), [])
})

t.test('Queue: a dedup id that is held until settled is free then', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { 'dedup.scope': 'until-settled' }, 'queue')
  await client.produceBatch(topicId, 0, batchWith([['a', id('x')]]))
  t.match(await client.produceBatch(topicId, 0, batchWith([['b', id('x')]])), { duplicateRecords: [{ offset: 0 }] })
  await broker.restart()
  using later = await TestClient.connect(broker.port)
  t.match(await later.produceBatch(topicId, 0, batchWith([['c', id('x')]])), { duplicateRecords: [{ offset: 0 }] })
  using worker = await QueueTestClient.connect(broker.port, topicId)
  await worker.settle('ack', await worker.receive(10, 1_000))
  t.match(await later.produceBatch(topicId, 0, batchWith([['d', id('x')]])), { error: 0, duplicateRecords: [] })
  t.same(valuesOf(await worker.receive(10, 1_000)), ['d'])
})

t.test('Queue: a batch that an idempotent producer sends again is answered with the same duplicates', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produceBatch(topicId, 0, batchWith([['a', id('x')]]))
  const batch = batchWith([['b', id('x')], ['c', id('y')]], { producerId: 7, producerEpoch: 0, baseSequence: 0 })
  const first = await client.produceBatch(topicId, 0, batch)
  t.match(first, { duplicate: false, duplicateRecords: [{ index: 0, offset: 0 }] })
  t.match(await client.produceBatch(topicId, 0, batch), { ...first, duplicate: true })
})

t.test('Queue: options that cannot be are refused, and nothing is stored', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const queue = await client.createTopic('jobs', 1, {}, 'queue')
  const ordered = await client.createTopic('ordered', 1, { order: 'key' }, 'queue')
  const lax = await client.createTopic('lax', 1, { order: 'key', keyless: 'unordered' }, 'queue')
  const stream = await client.createTopic('events')
  const year = Date.now() + 366 * 24 * 3_600_000
  t.match(await client.produceBatch(queue, 0, batchWith([['a', { notBefore: year }]])), { error: ERROR.INVALID_RECORD_OPTIONS, message: /365 days/ })
  t.match(await client.produceBatch(stream, 0, batchWith([['a', id('x')]])), { error: ERROR.NOT_A_QUEUE })
  t.match(await client.produceBatch(ordered, 0, batchWith([['a']])), { error: ERROR.KEY_REQUIRED, message: /record 0/ })
  t.match(await client.produceBatch(ordered, 0, batchWith([['a', { lane: laneOf(Buffer.from('k')) }], ['b']])), { error: ERROR.KEY_REQUIRED, message: /record 1/ })
  t.match(await client.produceBatch(lax, 0, batchWith([['a']])), { error: 0 })
  t.match(await client.produceBatch(ordered, 0, batchWith([['a', { lane: 5 }]])), { error: 0, baseOffset: 0 })
})

t.test('Queue: segments whose records are all settled are removed, others stay', async t => {
  await using broker = await startTestBroker({ options: { 'retention-interval': '100ms' } })
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { 'segment.bytes': '64KiB' }, 'queue')
  const value = 'x'.repeat(10_000)
  for (let count = 0; count < 40; count++) await client.produce(topicId, 0, [value])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases: TestLease[] = []
  while (leases.length < 40) leases.push(...await worker.receive(40, 1_000))
  const startOffset = async (): Promise<number> =>
    (await client.call('describeTopics', { names: ['jobs'] })).topics[0]!.partitions[0]!.logStartOffset
  await worker.settle('ack', leases.filter(({ offset }) => offset < 20))
  while (await startOffset() < 10) await sleep(20)
  t.ok(await startOffset() <= 20)
  await worker.settle('ack', leases.filter(({ offset }) => offset > 20))
  await sleep(300)
  t.ok(await startOffset() <= 20, 'one record holds its segment')
})
