// Queues as a client sees them: leases, settles, restarts.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  DEAD_LETTER_HEADER, ERROR, RecordBatchBuilder, RecordReader, decodeDeadLetterNote, type DeadLetterNote,
} from '@sluice/protocol'
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

t.test('Queue: a session that is closed waits for nothing any more', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  using gone = await QueueTestClient.connect(broker.port, topicId)
  const waiting = gone.receive(10, 30_000)
  await sleep(20)
  await gone.client.call('closeSession', { sessionId: gone.sessionId })
  t.same(await waiting, [], 'its receive is answered at once')
  await client.produce(topicId, 0, ['a'])
  using next = await QueueTestClient.connect(broker.port, topicId)
  t.match(await next.receive(10, 5_000), [{ value: 'a', deliveries: 1 }], 'and nothing was leased to it')
  t.match(await next.stats(), { sessions: 1 })
})

t.test('Queue: one record of a large batch does not cost the whole of it', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  const values = Array.from({ length: 1_000 }, (_, index) => `${index} ${'x'.repeat(100)}`)
  await client.produce(topicId, 0, values)
  await client.produce(topicId, 0, ['last'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  for (const index of [0, 1]) {
    const { response, leases } = await worker.exchange(1, 0)
    t.same(valuesOf(leases), values.slice(index, index + 1))
    t.ok(response.partitions[0]!.size < 300, `${response.partitions[0]!.size} bytes`)
  }
  const many = await worker.exchange(900, 0)
  t.same(valuesOf(many.leases), values.slice(2, 902), 'with most of its records it comes whole')
  t.ok(many.response.partitions[0]!.size > 100_000)
  const rest = await worker.exchange(900, 0)
  t.same(valuesOf(rest.leases), [...values.slice(902), 'last'], 'a thinned batch and a whole one')
  t.ok(rest.response.partitions[0]!.size < 13_000)
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

t.test('Queue: a stuck key stops nothing but itself, and goes on in order after a restart', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { order: 'key', 'max.in.flight': '5000' }, 'queue')
  // Enough for several parts of the lane index: a hundred keys, and every hundredth record of the key that is stuck.
  const total = 80_000
  for (let first = 0; first < total; first += 10_000) {
    await client.produceBatch(topicId, 0, keyed(Array.from({ length: 10_000 }, (_, index) => {
      const offset = first + index
      return [offset % 100 === 0 ? 'stuck' : `key-${offset % 100}`, String(offset)] as const
    })))
  }
  using worker = await QueueTestClient.connect(broker.port, topicId, { leases: 'visibility' })
  let stuck: TestLease[] = []
  for (let others = 0; others < total - total / 100;) {
    const leases = await worker.receive(2_000, 1_000)
    stuck = stuck.concat(leases.filter(({ key }) => key === 'stuck'))
    const free = leases.filter(({ key }) => key !== 'stuck')
    t.ok(free.length > 0, 'the others go on')
    await worker.settleRuns('ack', free)
    others += free.length
  }
  t.same(valuesOf(stuck), Array.from({ length: 10 }, (_, index) => String(index * 100)), 'one run of the stuck key')
  await broker.restart()
  using again = await QueueTestClient.connect(broker.port, topicId, { leases: 'visibility' })
  await again.settleRuns('ack', stuck)
  const rest: (string | null)[] = []
  while (rest.length < total / 100 - 10) {
    const leases = await again.receive(2_000, 10_000)
    rest.push(...valuesOf(leases))
    await again.settleRuns('ack', leases)
  }
  t.same(rest, Array.from({ length: total / 100 - 10 }, (_, index) => String((index + 10) * 100)))
  t.match(await again.stats(), { fresh: 0, leased: 0, blocked: 0, floor: total })
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
  t.match(await worker.client.call('receive', request), {
    partitions: [{ error: ERROR.NOT_A_QUEUE, message: /topic events is a stream, .* stream group, or create a topic of the kind queue/ }],
  })
  const named = { ...request, partitions: [{ topicId, partition: 0, group: 'audit' }] }
  t.match(await worker.client.call('receive', named), {
    partitions: [{ error: ERROR.NOT_A_QUEUE, message: /queue jobs has one group, its own, .* none named "audit"; .*create a queue for each/ }],
  })
  await t.rejects(client.createTopic('bad', 1, { 'visibility.ms': '1ms' }, 'queue'), /1000 to 43200000/)
  await t.rejects(client.createTopic('worse', 1, { 'visibility.ms': '30s' }), /unknown setting/)
  await t.rejects(client.createTopic('worse', 1, { 'visibilty.ms': '30s' }, 'queue'),
    /unknown setting "visibilty.ms"; known are visibility\.ms, .*retention\.ms/)
  await t.rejects(client.createTopic('worse', 1, { 'dead.letter': 'worse' }, 'queue'), /its own dead letters/)
  await t.rejects(client.createTopic('lossy', 1, { flush: 'interval' }, 'queue'), /flush is not sync/)
  await client.createTopic('ordered', 1, { order: 'key' }, 'queue')
  const more = { name: 'ordered', partitions: 2, replicationFactor: 0, set: {}, unset: [] }
  t.match(await client.call('alterTopics', { timeoutMs: 1_000, validateOnly: false, topics: [more] }),
    { topics: [{ error: ERROR.INVALID_PARTITIONS, message: /keeps the order of keys/ }] })
})

t.test('Queue: explain, peek and stats say where records stand', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a', 'b', 'c', 'd', 'e'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive(3)
  await worker.settle('ack', leases.slice(0, 1))
  await worker.settle('nack', leases.slice(1, 2), { delayMs: 3_600_000, reason: 'later' })
  t.match(await worker.explain(0), { state: 'terminal' })
  t.match(await worker.explain(1), { state: 'delayed', failures: 1, maxAttempts: 5, deliveries: 1 })
  t.match(await worker.explain(2), { state: 'leased', sessionId: worker.sessionId, clientName: 'worker' })
  t.match(await worker.explain(3), { state: 'fresh', recordsBefore: 0 })
  t.match(await worker.explain(9), { state: 'unknown', offset: -1 }, 'no such record')
  const peeked = await worker.peek()
  t.same(peeked.records.map(({ offset, state }) => `${offset} ${state}`), ['1 delayed', '2 leased', '3 fresh', '4 fresh'])
  t.equal(peeked.nextOffset, -1)
  t.equal((await worker.peek(0, 1)).nextOffset, 2)
  const stats = await worker.stats()
  t.match(stats, { acknowledged: 1, delayed: 1, leased: 1, fresh: 2, sessions: 1, floor: 1, nextOffset: 3 })
  t.ok(stats.oldestFreshAgeMs > 0 && stats.oldestLeasedAgeMs > 0 && stats.oldestReadyAgeMs === -1)
})

t.test('Queue: cancel and reschedule', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a', 'b', 'c'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  t.equal(await worker.cancel(0), 'ok')
  t.equal(await worker.cancel(0), 'alreadyTerminal')
  t.equal(await worker.reschedule(1, 3_600_000), 'ok')
  t.equal(await worker.cancel(77), 'unknown')
  const leases = await worker.receive()
  t.same(valuesOf(leases), ['c'])
  t.equal(await worker.reschedule(2, 0), 'leased')
  t.equal(await worker.cancel(2), 'requested')
  const { notices } = await worker.client.call('heartbeatSession', { sessionId: worker.sessionId })
  t.match(notices, [{ kind: 'cancelRequested', offset: 2, leaseSequence: leases[0]!.leaseSequence }])
  await broker.restart()
  using again = await QueueTestClient.connect(broker.port, topicId, { resume: worker })
  t.match(await again.explain(1), { state: 'delayed' })
  t.equal(await again.reschedule(1, 0), 'ok')
  t.same(valuesOf(await again.receive(10, 5_000)), ['b'])
})

t.test('Queue: pause, resume and purge', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a', 'b', 'c'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  t.match(await worker.control('pause'), { error: 0, changed: true })
  t.match(await worker.control('pause'), { error: 0, changed: false })
  await broker.restart()
  using again = await QueueTestClient.connect(broker.port, topicId)
  t.same(await again.receive(), [], 'a pause outlives a restart')
  const waiting = again.receive(1, 10_000)
  t.match(await again.control('resume'), { changed: true })
  t.same(valuesOf(await waiting), ['a'])
  t.match(await again.control('purge'), { error: 0, changed: true, records: 3 })
  t.same(await again.receive(), [])
  t.match(await again.stats(), { purged: 3, floor: 3 })
})

/** All dead letters of a queue: the source offset of each, and its note. */
async function lettersOf (client: TestClient, name: string): Promise<DeadLetterNote[]> {
  const { topics } = await client.call('metadata', { topics: [name] })
  const [topic] = topics
  if (topic!.error !== 0) return []
  const notes: DeadLetterNote[] = []
  for (const { partition } of topic!.partitions) {
    const partitions = [{ topicId: topic!.topicId, partition, offset: 0, lastEpoch: -1, maxBytes: 1 << 20 }]
    const { payload } = await client.exchange('fetch', { maxWaitMs: 0, minBytes: 0, maxBytes: 1 << 20, partitions })
    const reader = new RecordReader()
    for (let at = 0; at < payload.length; at += payload.readUInt32BE(at + 8)) {
      reader.open(payload, at)
      while (reader.next()) {
        const header = reader.headers().find(({ name }) => name === DEAD_LETTER_HEADER)
        notes.push(decodeDeadLetterNote(header!.value)!)
      }
    }
  }
  return notes
}

async function until (condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await sleep(10)
}

t.test('Queue: what is given up becomes a dead letter, once, with its story', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { 'dead.letter': 'jobs.dead', 'max.attempts': '2', 'backoff.min.ms': '0', 'backoff.max.ms': '0' }, 'queue')
  await client.produceBatch(topicId, 0, keyed([['k', 'poison'], ['k', 'good'], ['k', 'bad']]))
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const [poison, good, bad] = await worker.receive()
  await worker.settle('nack', [poison!], { delayMs: 0, reason: 'no' })
  await worker.settle('ack', [good!])
  const again = await worker.receive(1, 5_000)
  await worker.settle('nack', again, { delayMs: 0, reason: 'never' })
  await worker.settle('reject', [bad!], { reason: 'broken' })
  await until(async () => (await worker.stats()).dead === 2)
  const letters = await lettersOf(client, 'jobs.dead')
  t.match(letters.map(({ offset, reason, text }) => ({ offset, reason, text })), [
    { offset: 0, reason: 'exhausted' }, { offset: 2, reason: 'reject', text: 'broken' },
  ])
  t.match(letters[0], { topic: 'jobs', failures: 2, deliveries: 2, attempts: [{ text: 'no' }, { text: 'never' }] })
  await broker.restart()
  using later = await TestClient.connect(broker.port)
  await sleep(50)
  t.equal((await lettersOf(later, 'jobs.dead')).length, 2)
  using consumer = await QueueTestClient.connect(broker.port, (await later.call('metadata', { topics: ['jobs.dead'] })).topics[0]!.topicId)
  t.same((await consumer.receive(10, 5_000)).map(({ key, value }) => [key, value]), [['k', 'poison'], ['k', 'bad']])
})
