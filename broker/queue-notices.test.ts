// What holders of leases hear with their heartbeats.

import { setTimeout as sleep } from 'node:timers/promises'
import { RecordBatchBuilder, type LeaseNotice } from '@sluice/protocol'
import t from 'tap'
import { QueueTestClient } from './queue-test-client.js'
import { TestClient } from './test-client.js'
import { startTestBroker } from './testing.js'

async function noticesOf ({ client, sessionId }: QueueTestClient): Promise<LeaseNotice[]> {
  return (await client.call('heartbeatSession', { sessionId })).notices
}

/** Beats until there is news. */
async function news (worker: QueueTestClient): Promise<LeaseNotice[]> {
  for (;;) {
    const notices = await noticesOf(worker)
    if (notices.length > 0) return notices
    await sleep(20)
  }
}

t.test('Queue notices: a lease whose longest time is over is lost, told a few times', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const settings = { 'visibility.ms': '1s', 'lease.total.ms': '1s', 'backoff.min.ms': '1h', 'backoff.max.ms': '1h' }
  const topicId = await client.createTopic('jobs', 1, settings, 'queue')
  await client.produce(topicId, 0, ['a', 'b'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive()
  await worker.settle('ack', leases.slice(1))
  const { leaseEpoch, leaseSequence } = leases[0]!
  const lost = { topicId, partition: 0, group: '', kind: 'lost', offset: 0, leaseEpoch, leaseSequence }
  t.same(await news(worker), [lost])
  t.same(await noticesOf(worker), [lost], 'the first answer may have got lost')
  t.same(await noticesOf(worker), [lost])
  t.same(await noticesOf(worker), [], 'in the end it is told')
})

t.test('Queue notices: a purge ends leases, and each holder hears of its own', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a', 'b'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  using other = await QueueTestClient.connect(broker.port, topicId)
  await worker.receive(1)
  await other.receive(1)
  await other.control('purge')
  t.match(await noticesOf(worker), [{ kind: 'lost', offset: 0 }])
  t.match(await noticesOf(other), [{ kind: 'lost', offset: 1 }])
  t.same(await other.receive(), [])
})

t.test('Queue notices: a failure takes later records of the key away, and only these are news', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { order: 'key', 'backoff.min.ms': '1h', 'backoff.max.ms': '1h' }, 'queue')
  const builder = new RecordBatchBuilder()
  for (const value of ['1', '2', '3']) builder.append('k', value, 1_700_000_000_000)
  await client.produceBatch(topicId, 0, builder.build())
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive()
  t.equal(leases.length, 3)
  await worker.settle('nack', leases.slice(0, 1))
  t.match((await noticesOf(worker)).map(({ kind, offset }) => `${kind} ${offset}`).sort(), ['lost 1', 'lost 2'])
})

t.test('Queue notices: more than one heartbeat holds come with the next (all told, none for ever)', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, Array.from({ length: 2_500 }, (_, index) => `${index}`))
  using worker = await QueueTestClient.connect(broker.port, topicId)
  t.equal((await worker.receive(2_500)).length, 2_500)
  await worker.control('purge')
  const told = new Set<number>()
  let beats = 0
  for (let more = true; more; beats++) {
    const answer = await worker.client.call('heartbeatSession', { sessionId: worker.sessionId })
    t.ok(answer.notices.length <= 1_000)
    for (const { offset } of answer.notices) told.add(offset)
    more = answer.more
  }
  t.equal(told.size, 2_500)
  t.equal(beats, 3)
})

t.test('Queue notices: a cancelled record is told to who holds it, over a restart', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a'])
  const worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive()
  t.equal(await worker.cancel(0), 'requested')
  t.equal(await worker.cancel(0), 'requested', 'again changes nothing')
  t.match(await noticesOf(worker), [{ kind: 'cancelRequested', offset: 0 }])
  await broker.restart()
  using again = await QueueTestClient.connect(broker.port, topicId, { resume: worker })
  t.match(await news(again), [{ kind: 'cancelRequested', offset: 0 }])
  t.same(await again.settle('release', leases), ['ok'])
  t.match(await again.explain(0), { state: 'terminal', cause: 'cancelled' })
  worker.close()
})
