// Fetches under clients that do not read, vanish, or wait for what never comes: each is answered once, nobody holds
// up others, and what was reserved is given back.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { ERROR, FRAME_FLAG, type FetchPartition } from '@sluice/protocol'
import t from 'tap'
import { TestClient, batchOf, recordsOf } from '../test-client.js'
import { startTestBroker, type TestBroker } from '../testing.js'

// A busy machine starts processes and syncs files slowly; nothing here is about speed.
t.setTimeout(120_000)

const MiB = 1024 * 1024

const from = (topicId: string, partition: number, offset = 0, maxBytes = MiB): FetchPartition =>
  ({ topicId, partition, offset, lastEpoch: -1, maxBytes })

const request = (partitions: FetchPartition[], maxWaitMs = 0, maxBytes = MiB, minBytes = 1): {
  maxWaitMs: number, minBytes: number, maxBytes: number, partitions: FetchPartition[]
} => ({ maxWaitMs, minBytes, maxBytes, partitions })

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 1))
}

const reserved = ({ broker }: TestBroker): number => broker.services.unsent.usedBytes

t.test('fetch: one that waits is told when its topic is deleted, and when the broker stops', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const [gone, kept] = [await client.createTopic('gone'), await client.createTopic('kept')]
  const options = { flags: FRAME_FLAG.unordered }
  const onGone = client.call('fetch', request([from(gone, 0)], 60_000), options)
  const onKept = client.call('fetch', request([from(kept, 0)], 60_000), options)
  await client.call('deleteTopics', { timeoutMs: 1000, names: ['gone'] })
  t.match((await onGone).partitions, [{ error: ERROR.UNKNOWN_TOPIC, message: /deleted|no topic/ }])
  const stopped = broker.stop()
  t.match((await onKept).partitions, [{ error: ERROR.SHUTTING_DOWN }])
  await stopped
})

t.test('fetch: clients that take nothing do not keep others from reading', async t => {
  await using broker = await startTestBroker({ options: { 'max-unsent-bytes': '16MiB' } })
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const value = 'v'.repeat(MiB - 1000)
  for (let count = 0; count < 8; count++) await client.produce(topicId, 0, [value])
  const stuck = await Promise.all(Array.from({ length: 6 }, () => TestClient.connect(broker.port)))
  for (const one of stuck) {
    one.socket.pause()
    const whole = request([from(topicId, 0, 0, 8 * MiB)], 0, 8 * MiB)
    for (let count = 0; count < 4; count++) one.exchange('fetch', whole, { flags: FRAME_FLAG.unordered }).catch(() => {})
  }
  await until(() => broker.broker.services.unsent.exhausted)
  for (let offset = 0; offset < 8; offset++) {
    const { records } = await client.fetch(topicId, 0, offset, { maxBytes: 8 * MiB })
    t.same(records.map(record => record.offset), [offset], 'one batch at least')
  }
  for (const one of stuck) one.close()
  await until(() => reserved(broker) === 0)
  t.equal((await client.fetch(topicId, 0, 0, { maxBytes: 8 * MiB })).records.length, 8, 'and all at once again')
})

t.test('fetch: what was reserved for a client that vanished is given back (parked, reading, waiting)', async t => {
  await using broker = await startTestBroker({ options: { 'max-unsent-bytes': '16MiB', 'tail-cache-bytes': '1MiB' } })
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  for (let count = 0; count < 20; count++) await client.produce(topicId, 0, ['v'.repeat(MiB - 1000)])
  const others = await Promise.all(Array.from({ length: 10 }, () => TestClient.connect(broker.port)))
  for (const [index, one] of others.entries()) {
    for (const offset of [0, index, 20]) {
      one.exchange('fetch', request([from(topicId, 0, offset, 8 * MiB)], 60_000, 8 * MiB)).catch(() => {})
    }
  }
  await until(() => reserved(broker) > 0)
  for (const one of others) one.close()
  await until(() => reserved(broker) === 0)
  t.equal((await client.fetch(topicId, 0, 0, { maxBytes: 8 * MiB })).records[0]?.offset, 0)
})

t.test('fetch: ordered ones behind one that waits read nothing until their turn, then come in order', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  using other = await TestClient.connect(broker.port)
  const [idle, busy] = [await client.createTopic('idle'), await client.createTopic('busy')]
  for (let count = 0; count < 8; count++) await client.produce(busy, 0, ['v'.repeat(MiB - 1000)])
  const waits = client.exchange('fetch', request([from(idle, 0)], 60_000))
  const behind = Array.from({ length: 8 }, () => client.exchange('fetch', request([from(busy, 0, 0, 8 * MiB)], 0, 8 * MiB)))
  await other.call('listTopics', {})
  t.equal(reserved(broker), 0)
  await other.produce(idle, 0, ['a'])
  t.same(recordsOf((await waits).payload, 0), [{ offset: 0, value: 'a' }])
  for (const answer of await Promise.all(behind)) t.equal(recordsOf(answer.payload, 0).length, 8)
  t.same(client.answered, [...client.answered].sort((a, b) => a - b))
})

t.test('fetch: partitions are served in the order given until the response is full', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 3)
  await client.produce(topicId, 0, ['v'.repeat(600_000)])
  await client.produce(topicId, 1, ['v'.repeat(600_000)])
  await client.produce(topicId, 2, ['small'])
  const all = [0, 1, 2].map(partition => from(topicId, partition))
  const first = await client.call('fetch', request(all))
  t.match(first.partitions.map(({ partition }) => partition), [0])
  const rest = await client.call('fetch', request([all[1]!, all[2]!, all[0]!]))
  t.match(rest.partitions.map(({ partition }) => partition), [1, 2])
})

t.test('fetch: minBytes counts over all partitions', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 50)
  const all = Array.from({ length: 50 }, (_, partition) => from(topicId, partition))
  const waiting = client.call('fetch', request(all, 60_000, MiB, 5000), { flags: FRAME_FLAG.unordered })
  let answered = false
  waiting.then(() => { answered = true }, () => {})
  for (let partition = 0; partition < 4; partition++) await client.produce(topicId, partition, ['v'.repeat(1000)])
  t.equal(answered, false)
  await client.produce(topicId, 7, ['v'.repeat(1000)])
  t.same((await waiting).partitions.map(({ partition }) => partition), [0, 1, 2, 3, 7])
})

t.test('fetch: of very many partitions at fault a response names some, and stays small', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const many = Array.from({ length: 50_000 }, (_, index) => from(topicId, index + 1))
  const { partitions } = await client.call('fetch', request(many))
  t.equal(partitions.length, 1_000)
  t.ok(partitions.every(({ error }) => error === ERROR.UNKNOWN_PARTITION))
})

t.test('fetch: a batch that is taken fits into a response (largest frame)', async t => {
  await using broker = await startTestBroker({ options: { 'max-frame-bytes': '1MiB' } })
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const fits = batchOf(['v'.repeat(MiB - 1024 - 200)])
  t.match(await client.produceBatch(topicId, 0, fits), { error: 0 })
  t.equal((await client.fetch(topicId, 0, 0)).records.length, 1)
  const above = batchOf(['v'.repeat(MiB - 700)])
  t.match(await client.produceBatch(topicId, 0, above), { error: ERROR.RECORD_TOO_LARGE })
})

t.test('fetch: what is read from the disk stays as it was until it is sent (slow and fast clients, memory used again)',
  async t => {
    await using broker = await startTestBroker({ options: { 'tail-cache-bytes': '1MiB' } })
    using client = await TestClient.connect(broker.port)
    const topicId = await client.createTopic('orders')
    const values = Array.from({ length: 24 }, (_, index) => `${index}-${String.fromCharCode(97 + index)}`.repeat(80_000))
    for (const value of values) await client.produce(topicId, 0, [value])
    const readers = await Promise.all(Array.from({ length: 6 }, () => TestClient.connect(broker.port)))
    let wrong = 0
    let seen = 0
    const read = async (reader: TestClient, index: number): Promise<void> => {
      for (let count = 0; count < 30; count++) {
        const offset = (index * 7 + count * 5) % values.length
        const isOrdered = count % 3 === 0
        if (index % 2 === 0) reader.socket.pause()
        const answer = reader.exchange('fetch', request([from(topicId, 0, offset, 3 * MiB)], 0, 3 * MiB),
          { flags: isOrdered ? 0 : FRAME_FLAG.unordered })
        if (index % 2 === 0) setTimeout(() => reader.socket.resume(), 2)
        for (const record of recordsOf((await answer).payload, offset)) {
          seen++
          if (record.value !== values[record.offset]) wrong++
        }
      }
    }
    await Promise.all(readers.map(read))
    for (const reader of readers) reader.close()
    t.ok(seen >= 6 * 30)
    t.equal(wrong, 0)
  })

t.test('deleteRecords: works whatever the flush policy', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  for (const flush of ['sync', 'interval', 'none']) {
    const topicId = await client.createTopic(flush, 1, { flush, 'flush.interval.ms': '600000' })
    await client.produce(topicId, 0, ['a', 'b', 'c'])
    const { partitions } = await client.call('deleteRecords', {
      timeoutMs: 1000, partitions: [{ topicId, partition: 0, beforeOffset: -1 }],
    })
    t.match(partitions, [{ error: 0, logStartOffset: 3 }], flush)
  }
})

t.test('listOffsets: many lookups by time in one request are all answered, in order', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  await client.produce(topicId, 0, ['a', 'b'])
  const query = (index: number): { topicId: string, partition: number, position: 'timestamp', timestamp: number } =>
    ({ topicId, partition: index % 2, position: 'timestamp', timestamp: index % 4 === 0 ? 0 : 1_800_000_000_000 })
  const { partitions } = await client.call(
    'listOffsets', { timeoutMs: 1000, partitions: Array.from({ length: 400 }, (_, index) => query(index)) })
  for (const [index, { error, offset }] of partitions.entries()) {
    const expected = index % 2 === 1 ? [ERROR.UNKNOWN_PARTITION, -1] : [0, index % 4 === 0 ? 0 : 2]
    if (error !== expected[0] || offset !== expected[1]) t.same([index, error, offset], [index, ...expected])
  }
  t.equal(partitions.length, 400)
})

t.test('fetch: a thousand that wait on a thousand partitions cost bounded memory and hold nobody up when woken', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const [partitions, fetches] = [1_000, 1_000]
  const topicId = await client.createTopic('orders', partitions)
  const whole = Array.from({ length: partitions }, (_, partition) => from(topicId, partition))
  const waiters = (): number => Array.from({ length: partitions }, (_, partition) =>
    broker.broker.services.partitions.find(topicId, partition)!.waiterCount).reduce((sum, count) => sum + count, 0)
  const peers = await Promise.all(Array.from({ length: 20 }, () => TestClient.connect(broker.port)))
  t.teardown(() => { for (const peer of peers) peer.close() })
  const heapBytes = heapInUse()
  let answered = 0
  const answers = Array.from({ length: fetches }, async (_, index) => {
    // Every other one wants more than there will be: it looks, and goes on waiting.
    const body = request(whole, 120_000, MiB, index % 2 === 0 ? 1 : MiB)
    await peers[index % peers.length]!.exchange('fetch', body, { flags: FRAME_FLAG.unordered })
    answered++
  })
  await until(() => waiters() === partitions * fetches)
  t.ok(heapInUse() - heapBytes < partitions * fetches * 300, 'at most 300 bytes for each place in a queue')
  await client.produce(topicId, partitions - 1, ['news'])
  t.ok(answered < fetches / 2, 'the producer has its answer before all that were woken have looked')
  await until(() => answered === fetches / 2)
  await client.produce(topicId, 0, ['x'.repeat(MiB)])
  await Promise.all(answers)
  t.equal(waiters(), 0)
  t.equal(reserved(broker), 0)
  t.ok(heapInUse() - heapBytes < 64 * MiB, 'and nothing of it stays')
})

/** Bytes of the heap that are reachable. */
function heapInUse (): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}
