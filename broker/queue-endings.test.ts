// How terminal records are explained.

import { setTimeout as sleep } from 'node:timers/promises'
import { ERROR, BATCH_FLAG, RecordBatchBuilder, RecordExtrasBuilder, dedupKeyOf } from '@sluice/protocol'
import t from 'tap'
import { QueueTestClient } from './queue-test-client.js'
import { TestClient } from './test-client.js'
import { startTestBroker } from './testing.js'

async function until (condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await sleep(10)
}

t.test('Queue endings: explain says how a record ended', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const settings = { 'dead.letter': 'jobs.dead', 'max.attempts': '2', 'backoff.min.ms': '0', 'backoff.max.ms': '0' }
  const topicId = await client.createTopic('jobs', 1, settings, 'queue')
  await client.produce(topicId, 0, ['acked', 'cancelled', 'rejected', 'failing', 'left'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  t.equal(await worker.cancel(1), 'ok')
  const leases = await worker.receive(3)
  t.same(leases.map(({ offset }) => offset), [0, 2, 3])
  await worker.settle('ack', leases.slice(0, 1))
  await worker.settle('reject', leases.slice(1, 2), { reason: 'broken' })
  await worker.settle('nack', leases.slice(2), { delayMs: 0, reason: 'first' })
  await worker.settle('nack', (await worker.receive(1, 5_000)).filter(({ offset }) => offset === 3), { delayMs: 0, reason: 'second' })
  await until(async () => (await worker.stats()).dead === 2)
  await worker.control('purge')
  const deadTopic = (await client.call('metadata', { topics: ['jobs.dead'] })).topics[0]!.topicId
  t.match(await worker.explain(0), { state: 'terminal', cause: 'acknowledged', deadLetter: null })
  t.match(await worker.explain(1), { state: 'terminal', cause: 'cancelled' })
  t.match(await worker.explain(2), {
    state: 'terminal',
    cause: 'dead',
    reason: 'reject',
    reasonText: 'broken',
    deliveries: 1,
    deadLetter: { topicId: deadTopic, partition: 0, offset: 0 },
  })
  t.match(await worker.explain(3), {
    state: 'terminal',
    cause: 'dead',
    reason: 'exhausted',
    reasonText: 'second',
    failures: 2,
    deliveries: 2,
    deadLetter: { topicId: deadTopic, partition: 0, offset: 1 },
  })
  t.match(await worker.explain(4), { state: 'terminal', cause: 'purged' })
  await broker.restart()
  using again = await QueueTestClient.connect(broker.port, topicId)
  t.match(await again.explain(0), { state: 'terminal', cause: 'unknown' }, 'the memory ends with the leader')
})

t.test('Queue endings: given up without dead letters, and past its time', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  const builder = new RecordBatchBuilder()
  const extras = new RecordExtrasBuilder()
  builder.append(null, 'rejected', Date.now())
  extras.append(undefined)
  builder.append(null, 'short-lived', Date.now())
  extras.append({ expires: 1_000 })
  await client.produceBatch(topicId, 0, builder.build({ extras: extras.build()! }))
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive()
  t.same(leases.map(({ value }) => value), ['rejected'])
  await worker.settle('reject', leases, { reason: 'no use' })
  t.match(await worker.explain(0), { state: 'terminal', cause: 'archived', reason: 'reject', reasonText: 'no use' })
  t.match(await worker.explain(1), { state: 'terminal', cause: 'expired' })
})

t.test('Queue endings: a duplicate is no cancelled record', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  for (let round = 0; round < 3; round++) {
    const builder = new RecordBatchBuilder()
    const extras = new RecordExtrasBuilder()
    builder.append(null, 'once', Date.now())
    extras.append({ dedupKey: dedupKeyOf('order-1') })
    await client.produceBatch(topicId, 0, builder.build({ extras: extras.build()! }))
  }
  using worker = await QueueTestClient.connect(broker.port, topicId)
  t.equal((await worker.receive()).length, 1)
  t.match(await worker.stats(), { cancelled: 0, duplicates: 2 })
  t.match(await worker.explain(1), { state: 'terminal', cause: 'duplicate' })
})

t.test('Queue endings: a queue refuses encrypted batches, whose records nobody could take out', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  const builder = new RecordBatchBuilder()
  builder.append(null, 'secret', Date.now())
  const batch = builder.build({ flags: BATCH_FLAG.encrypted })
  const result = await client.produceBatch(topicId, 0, Buffer.from(batch))
  t.match(result, { error: ERROR.INVALID_RECORD_OPTIONS, message: /encrypted.*values/ })
  const stream = await client.createTopic('events')
  t.match(await client.produceBatch(stream, 0, batch), { error: 0 })
})
