// Queues as a client sees them: leases, settles, restarts.

import { setTimeout as sleep } from 'node:timers/promises'
import { ERROR, RecordBatchBuilder } from '@sluice/protocol'
import t from 'tap'
import { QueueTestClient, type TestLease } from './queue-test-client.js'
import { TestClient } from './test-client.js'
import { startTestBroker } from './testing.js'

const valuesOf = (leases: readonly TestLease[]): (string | null)[] => leases.map(({ value }) => value)

/** A batch of records that all have keys. */
function keyed (records: readonly (readonly [string, string])[]): Buffer {
  const builder = new RecordBatchBuilder()
  for (const [key, value] of records) builder.append(key, value, 1_700_000_000_000)
  return builder.build()
}

t.test('Queue: what was acknowledged never comes again, what was not does, over a restart', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { 'backoff.min.ms': '0' }, 'queue')
  await client.produce(topicId, 0, ['a', 'b', 'c', 'd'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive(3)
  t.same(valuesOf(leases), ['a', 'b', 'c'])
  t.same(leases.map(({ deliveries }) => deliveries), [1, 1, 1])
  t.same(await worker.settle('ack', leases.slice(0, 2)), ['ok', 'ok'])
  t.same(await worker.settle('ack', leases.slice(0, 1)), ['alreadySettled'])
  t.same(await worker.settle('release', leases.slice(2)), ['ok'])
  await broker.restart()
  using again = await QueueTestClient.connect(broker.port, topicId)
  const left = [...await again.receive(1), ...await again.receive(10)]
  t.same(valuesOf(left), ['c', 'd'])
  t.same(left.map(({ deliveries }) => deliveries), [2, 1], 'counts do not go back')
  t.same(await again.settle('ack', left), ['ok', 'ok'])
  t.same(await again.receive(10), [])
})

t.test('Queue: a receive waits for records, over several partitions', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 3, {}, 'queue')
  using worker = await QueueTestClient.connect(broker.port, topicId, { partitions: 3 })
  const waiting = worker.receive(10, 10_000)
  await sleep(20)
  await client.produce(topicId, 2, ['late'])
  t.same(valuesOf(await waiting), ['late'])
  t.same(await worker.receive(10, 30), [], 'and gives up at its deadline')
})

t.test('Queue: a session keeps its leases over a reconnect', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a'])
  const worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive()
  worker.close()
  using again = await QueueTestClient.connect(broker.port, topicId, { resume: worker })
  t.same(await again.receive(), [], 'it is still leased')
  t.same(await again.settle('ack', leases), ['ok'])
})

t.test('Queue: leases of a session that is gone come back, counted as failures', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { 'disconnect.grace.ms': '0', 'backoff.min.ms': '0', 'backoff.max.ms': '0' }, 'queue')
  await client.produce(topicId, 0, ['a'])
  const worker = await QueueTestClient.connect(broker.port, topicId)
  await worker.receive()
  worker.close()
  using other = await QueueTestClient.connect(broker.port, topicId)
  t.match(await other.receive(10, 10_000), [{ value: 'a', deliveries: 2 }])
})

t.test('Queue: records of a key come one after the other, also when one fails', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { order: 'key', 'run.max': '1', 'backoff.min.ms': '0', 'backoff.max.ms': '0' }, 'queue')
  await client.produceBatch(topicId, 0, keyed([['x', 'x1'], ['x', 'x2'], ['y', 'y1']]))
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive()
  t.same(valuesOf(leases), ['x1', 'y1'])
  await worker.settle('nack', leases.slice(0, 1), { delayMs: 0 })
  const second = await worker.receive(10, 5_000)
  t.same(valuesOf(second), ['x1'], 'x2 still waits')
  await broker.restart()
  using again = await QueueTestClient.connect(broker.port, topicId, { resume: worker })
  t.same(valuesOf(await again.receive()), [], 'the leases are durable')
  t.same(await again.settle('ack', second), ['ok'])
  t.same(valuesOf(await again.receive(10, 5_000)), ['x2'])
})

t.test('Queue: what a request gets wrong is said', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  const stream = await client.createTopic('events')
  using worker = await QueueTestClient.connect(broker.port, topicId)
  await t.rejects(worker.open(worker.sessionId, 'wrong'), { code: ERROR.UNKNOWN_SESSION })
  await t.rejects(worker.receive(0), { code: ERROR.INVALID_REQUEST })
  using other = await TestClient.connect(broker.port)
  const partitions = [{ topicId: stream, partition: 0, group: '' }]
  const request = { sessionId: worker.sessionId, maxRecords: 1, maxBytes: 1, maxWaitMs: 0, partitions }
  await t.rejects(other.call('receive', request), { code: ERROR.UNKNOWN_SESSION }, 'a session of another connection')
  t.match(await worker.client.call('receive', request), { partitions: [{ error: ERROR.NOT_A_QUEUE }] })
  await t.rejects(client.createTopic('bad', 1, { 'visibility.ms': '1ms' }, 'queue'), /1000 to 43200000/)
  await t.rejects(client.createTopic('worse', 1, { 'visibility.ms': '30s' }), /unknown setting/)
})
