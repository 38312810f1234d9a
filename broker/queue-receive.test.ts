// Receives while the ground moves: the topic goes, the queue is paused, the broker stops, the connection breaks,
// records are deleted; and many at once.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  CODEC_NAMES, ERROR, RecordBatchBuilder, RecordExtrasBuilder, codecAvailable, type LeaseNotice,
} from '@sluice/protocol'
import { NodeDisk, type DiskError, type DiskFile } from '@sluice/storage'
import t from 'tap'
import { QueueTestClient, type TestLease } from './queue-test-client.js'
import { TestClient } from './test-client.js'
import { startTestBroker, type TestBroker } from './testing.js'

const LONG_MS = 30_000
const valuesOf = (leases: readonly TestLease[]): (string | null)[] => leases.map(({ value }) => value)

async function until (condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!await condition()) await sleep(5)
}

/** Receives that wait at the broker, over all its sessions. */
function waitingReceives ({ broker }: TestBroker, topicId: string): number {
  const group = broker.services.partitions.find(topicId, 0)!.queues!.find('')!
  return (group as unknown as { waiters: Set<unknown> }).waiters.size
}

t.test('Receive: is answered at once when its topic is deleted, and what it had leased is gone with it', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive()
  const waiting = worker.exchange(100, LONG_MS)
  await until(() => waitingReceives(broker, topicId) === 1)
  await client.call('deleteTopics', { timeoutMs: 10_000, names: ['jobs'] })
  t.match((await waiting).response, { partitions: [{ error: ERROR.UNKNOWN_TOPIC, leases: [] }] })
  await t.rejects(worker.settle('ack', leases), /no topic with id/)
  t.match((await worker.exchange(1, LONG_MS)).response, { partitions: [{ error: ERROR.UNKNOWN_TOPIC }] })
})

t.test('Receive: waits while its queue is paused; what is leased may be settled meanwhile', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  using operator = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive()
  const waiting = worker.receive(100, LONG_MS)
  await until(() => waitingReceives(broker, topicId) === 1)
  await operator.control('pause')
  await client.produce(topicId, 0, ['b'])
  t.same(await worker.settle('nack', leases, { delayMs: 0 }), ['ok'])
  t.same(await operator.receive(), [], 'nobody gets anything')
  t.equal(waitingReceives(broker, topicId), 1)
  t.match(await operator.stats(), { ready: 1, fresh: 1, leased: 0, paused: true })
  await operator.control('resume')
  t.same(valuesOf(await waiting).sort(), ['a', 'b'])
})

t.test('Receive: is answered when the broker stops, so that nobody waits for it', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const waiting = worker.exchange(100, LONG_MS)
  await until(() => waitingReceives(broker, topicId) === 1)
  const startMs = performance.now()
  await broker.stop()
  t.match((await waiting).response, { partitions: [{ error: ERROR.SHUTTING_DOWN, leases: [] }] })
  t.ok(performance.now() - startMs < LONG_MS, 'long before its time was over')
})

t.test('Receive: leases of an answer that was cut off half way come back', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { 'disconnect.grace.ms': '0', 'backoff.min.ms': '0' }, 'queue')
  const value = 'x'.repeat(100_000)
  for (let batch = 0; batch < 40; batch++) await client.produce(topicId, 0, [value])
  const worker = await QueueTestClient.connect(broker.port, topicId)
  const answer = worker.exchange(100, LONG_MS, 8 << 20)
  worker.client.socket.once('data', () => worker.client.socket.destroy())
  await t.rejects(answer, /connection closed/)
  using other = await QueueTestClient.connect(broker.port, topicId)
  await until(async () => (await other.stats()).leased === 0)
  const got = new Set<number>()
  while (got.size < 40) {
    const { leases } = await other.exchange(100, LONG_MS, 8 << 20)
    for (const { offset } of leases) got.add(offset)
    await other.settleRuns('ack', leases)
  }
  t.match(await other.stats(), { floor: 40, acknowledged: 40 })
})

t.test('Receive: leases nothing over a connection that the session has left (the old one is not known to be broken)', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  using before = await QueueTestClient.connect(broker.port, topicId, { leases: 'started' })
  const waiting = before.exchange(10, LONG_MS)
  await until(() => waitingReceives(broker, topicId) === 1)
  using worker = await QueueTestClient.connect(broker.port, topicId, { leases: 'started', resume: before })
  await worker.client.call('heartbeatSession', { sessionId: worker.sessionId })
  await client.produce(topicId, 0, ['a'])
  t.same((await waiting).response.partitions, [], 'whoever still listens there is told to stop')
  t.same(valuesOf(await worker.receive()), ['a'], 'nobody would ever have ended its lease')
})

t.test('Receive: a hundred at once on one partition get a record each, and no record comes twice', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  const workers = await Promise.all(Array.from({ length: 10 }, () => QueueTestClient.connect(broker.port, topicId)))
  const receives = workers.flatMap(worker => Array.from({ length: 10 }, () => worker.receive(1, LONG_MS)))
  await until(() => waitingReceives(broker, topicId) === 100)
  for (let number = 0; number < 100; number++) void client.produce(topicId, 0, [String(number)])
  const leases = (await Promise.all(receives)).flat()
  const numbers = leases.map(({ value }) => Number(value)).sort((a, b) => a - b)
  t.same(numbers, Array.from({ length: 100 }, (_, index) => index))
  t.equal(waitingReceives(broker, topicId), 0)
  t.ok(leases.every(({ deliveries }) => deliveries === 1))
  for (const worker of workers) worker.close()
})

t.test('Receive: records come whole in every codec (all of a batch, and one of a large one)', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  for (const codec of CODEC_NAMES.filter(codecAvailable)) {
    const topicId = await client.createTopic(`jobs-${codec}`, 1, {}, 'queue')
    const values = Array.from({ length: 500 }, (_, number) => `${codec} ${number} ${'x'.repeat(100)}`)
    const builder = new RecordBatchBuilder()
    for (const value of values) builder.append('key', value, Date.now())
    t.match(await client.produceBatch(topicId, 0, builder.build({ codec })), { error: 0 })
    using worker = await QueueTestClient.connect(broker.port, topicId)
    const [first] = await worker.receive(1)
    t.same([first!.key, first!.value], ['key', values[0]])
    const rest = await worker.receive(1_000)
    t.same(valuesOf(rest), values.slice(1))
    await worker.settle('nack', [rest[100]!], { delayMs: 0 })
    t.same(valuesOf(await worker.receive()), [values[101]])
  }
})

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

t.test('Receive: records that are deleted are lost to who holds them, and the others come', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a', 'b'])
  await client.produce(topicId, 0, ['c', 'd'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const leases = await worker.receive(3)
  const partitions = [{ topicId, partition: 0, beforeOffset: 2 }]
  t.match(await client.call('deleteRecords', { timeoutMs: 10_000, partitions }), { partitions: [{ error: 0, logStartOffset: 2 }] })
  t.match((await news(worker)).map(({ kind, offset }) => `${kind} ${offset}`), ['lost 0', 'lost 1'])
  t.same(await worker.settle('ack', leases), ['alreadySettled', 'alreadySettled', 'ok'])
  t.match(await worker.explain(1), { state: 'terminal', cause: 'expired' })
  t.same(valuesOf(await worker.receive()), ['d'])
  t.match(await worker.stats(), { expired: 2, acknowledged: 1, leased: 1 })
})

t.test('Receive: goes on where records are deleted before they come, time and again', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const stop = new AbortController()
  const got: number[] = []
  const receiving = (async () => {
    while (!stop.signal.aborted) {
      const leases = await worker.receive(20, 20)
      if (leases.length > 0) await worker.settle('ack', leases)
      got.push(...leases.map(({ offset }) => offset))
    }
  })()
  for (let round = 0; round < 30; round++) {
    await client.produce(topicId, 0, Array.from({ length: 50 }, (_, number) => `${round}/${number}`))
    const partitions = [{ topicId, partition: 0, beforeOffset: round * 50 + 30 }]
    await client.call('deleteRecords', { timeoutMs: 10_000, partitions })
  }
  using operator = await QueueTestClient.connect(broker.port, topicId)
  await until(async () => (await operator.stats()).floor === 1_500)
  stop.abort()
  await receiving
  const { acknowledged, expired } = await operator.stats()
  t.equal(acknowledged + expired, 1_500, 'every record has ended, once')
  t.equal(new Set(got).size, got.length, 'none came twice')
})

t.test('Receive: a record whose time is over while it is leased counts if it is done, and ends if it fails', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  const builder = new RecordBatchBuilder()
  const extras = new RecordExtrasBuilder()
  const expires = Date.now() + 1_000
  for (const value of ['done', 'failed']) {
    builder.append(null, value, Date.now())
    extras.append({ expires })
  }
  await client.produceBatch(topicId, 0, builder.build({ extras: extras.build()! }))
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const [done, failed] = await worker.receive(2, LONG_MS)
  await until(() => Date.now() > expires)
  t.same(await noticesOf(worker), [], 'its holder may finish')
  t.same(await worker.settle('ack', [done!]), ['ok'])
  t.same(await worker.settle('nack', [failed!], { delayMs: 0 }), ['ok'])
  t.same(await worker.receive(), [])
  t.match(await worker.explain(0), { cause: 'acknowledged' })
  await until(async () => (await worker.explain(1)).state === 'terminal')
  t.match(await worker.explain(1), { cause: 'expired' })
})

/** A disk whose syncs may be held up. */
class HeldDisk extends NodeDisk {
  private held: (() => void)[] | null = null

  hold (): void { this.held = [] }

  letGo (): void {
    const { held } = this
    this.held = null
    for (const sync of held ?? []) sync()
  }

  override async open (path: string, options: Parameters<NodeDisk['open']>[1]): Promise<DiskFile> {
    const file = await super.open(path, options)
    const sync = file.sync.bind(file)
    file.sync = (done: (error: DiskError | null) => void) => {
      if (this.held === null) sync(done)
      else this.held.push(() => sync(done))
    }
    return file
  }
}

t.test('Receive: what a slow disk does not confirm in time may be settled again, which changes nothing', async t => {
  const disk = new HeldDisk()
  await using broker = await startTestBroker({ parts: { disk } })
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const [lease] = await worker.receive()
  const { offset, leaseEpoch, leaseSequence } = lease!
  const items = [{ kind: 'ack' as const, offset, count: 1, leaseEpoch, leaseSequence, delayMs: -1, reason: '' }]
  const partitions = [{ topicId, partition: 0, group: '', items }]
  disk.hold()
  const settle = (timeoutMs: number) => worker.client.call('settle', { acks: 'quorum', timeoutMs, partitions })
  t.match(await settle(20), { results: [{ error: ERROR.REQUEST_TIMED_OUT, message: /may still become so; settle again/, answers: [] }] })
  const target = { topicId, partition: 0, group: '', offset, dedupId: null }
  t.match(await worker.client.call('cancelRecords', { timeoutMs: 20, targets: [target] }),
    { results: [{ error: ERROR.REQUEST_TIMED_OUT, message: /ask again/ }] })
  disk.letGo()
  t.match(await settle(10_000), { results: [{ error: 0, answers: [{ count: 1, answer: 'alreadySettled' }] }] })
  t.match(await worker.stats(), { acknowledged: 1, floor: 1 })
})
