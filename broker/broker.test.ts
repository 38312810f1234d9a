// A broker from the outside: what clients rely on while it runs, stops and starts again.

import { readdir, rm, writeFile } from 'node:fs/promises'
import { ERROR, FRAME_FLAG, type DeleteRecordsResult, type ProducerStamp } from '@sluice/protocol'
import t from 'tap'
import { TestClient, batchOf } from './test-client.js'
import { startTestBroker } from './testing.js'

const producer = (baseSequence: number, producerEpoch = 0): ProducerStamp =>
  ({ producerId: 77, producerEpoch, baseSequence })

t.test('Broker: records come out as they went in, from any offset', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 2)
  t.match(await client.produce(topicId, 0, ['a', 'b', 'c']), { error: 0, baseOffset: 0, duplicate: false })
  t.match(await client.produce(topicId, 0, ['d']), { error: 0, baseOffset: 3 })
  t.match(await client.produce(topicId, 1, ['x']), { error: 0, baseOffset: 0 })
  t.same((await client.fetch(topicId, 0, 0)).records.map(record => record.value), ['a', 'b', 'c', 'd'])
  t.same((await client.fetch(topicId, 0, 2)).records, [{ offset: 2, value: 'c' }, { offset: 3, value: 'd' }])
  t.same((await client.fetch(topicId, 1, 0)).records, [{ offset: 0, value: 'x' }])
})

t.test('Broker: a restart changes nothing that was acknowledged', async t => {
  await using broker = await startTestBroker()
  let client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  await client.produce(topicId, 0, ['a', 'b'], { producer: producer(0) })
  await broker.restart()
  client = await TestClient.connect(broker.port)
  t.same((await client.fetch(topicId, 0, 0)).records.map(record => record.value), ['a', 'b'])
  t.match(await client.produce(topicId, 0, ['a', 'b'], { producer: producer(0) }), { error: 0, baseOffset: 0, duplicate: true })
  t.match(await client.produce(topicId, 0, ['c'], { producer: producer(2) }), { error: 0, baseOffset: 2 })
  t.match(await client.produce(topicId, 0, ['e'], { producer: producer(9) }), { error: ERROR.OUT_OF_ORDER_SEQUENCE, baseOffset: -1 })
  client.close()
})

t.test('Broker: losing the meta store loses no topic, record, offset or producer', async t => {
  await using broker = await startTestBroker()
  let client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 2, { 'retention.ms': '1d' })
  await client.produce(topicId, 1, ['a', 'b'], { producer: producer(0) })
  const commit = { topicId, partition: 1, offset: 1, leaderEpoch: -1, metadata: 'half way' }
  await client.call('commitOffsets', { group: 'billing', memberId: '', generation: -1, offsets: [commit] })
  await broker.stop()
  await rm(`${broker.data}/meta`, { recursive: true })
  await broker.restart()
  client = await TestClient.connect(broker.port)
  const { topics } = await client.call('describeTopics', { names: ['orders'] })
  t.match(topics[0], { topicId, partitions: [{ highWatermark: 0 }, { highWatermark: 2 }] })
  t.match(topics[0]!.config.find(setting => setting.name === 'retention.ms'), { value: '86400000', source: 'topic' })
  t.same((await client.fetch(topicId, 1, 0)).records.map(record => record.value), ['a', 'b'])
  t.match(await client.produce(topicId, 1, ['a', 'b'], { producer: producer(0) }), { duplicate: true, baseOffset: 0 })
  const { offsets } = await client.call('fetchOffsets', { group: 'billing', partitions: null })
  t.match(offsets, [{ partition: 1, offset: 1, metadata: 'half way' }])
  client.close()
})

t.test('Broker: a garbled meta store is set aside, not trusted and not fatal', async t => {
  await using broker = await startTestBroker()
  let client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  await client.produce(topicId, 0, ['a'])
  await broker.stop()
  await writeFile(`${broker.data}/meta/data.mdb`, Buffer.alloc(100_000, 'garbage'))
  await broker.restart()
  client = await TestClient.connect(broker.port)
  t.same((await client.fetch(topicId, 0, 0)).records.map(record => record.value), ['a'])
  t.ok((await readdir(broker.data)).some(name => name.startsWith('meta.damaged-')), 'kept for inspection')
  client.close()
})

t.test('Broker: a deleted topic is gone, with its data, and a new one of its name starts empty', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const first = await client.createTopic('orders')
  await client.produce(first, 0, ['old'])
  const deleted = await client.call('deleteTopics', { timeoutMs: 1000, names: ['orders', 'nothing'] })
  t.match(deleted.topics, [{ error: 0 }, { error: ERROR.UNKNOWN_TOPIC }])
  t.match(await client.produce(first, 0, ['late']), { error: ERROR.UNKNOWN_TOPIC })
  const second = await client.createTopic('orders')
  t.not(second, first)
  t.same((await client.fetch(second, 0, 0)).records, [])
  t.same(await readdir(`${broker.data}/logs`), [second])
})

t.test('Broker: a deletion that a crash interrupted is finished at the next start', async t => {
  await using broker = await startTestBroker()
  let client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  await client.produce(topicId, 0, ['a'])
  await broker.stop()
  await writeFile(`${broker.data}/logs/${topicId}/deleted`, '')
  await broker.restart()
  client = await TestClient.connect(broker.port)
  t.same((await client.call('listTopics', {})).topics, [])
  t.same((await readdir(`${broker.data}/logs`)).filter(name => name === topicId), [])
  client.close()
})

t.test('Broker: a long poll answers when data comes, and holds up nothing on its connection meanwhile', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const parked = client.fetch(topicId, 0, 0, { maxWaitMs: 60_000 })
  t.match(await client.produce(topicId, 0, ['a']), { error: 0 }, 'a produce overtakes the parked fetch')
  t.same((await parked).records, [{ offset: 0, value: 'a' }])
})

t.test('Broker: a long poll without data answers at its deadline, empty', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const { response } = await client.fetch(topicId, 0, 0, { maxWaitMs: 50 })
  t.same(response.partitions, [])
})

t.test('Broker: a long poll waits for minBytes', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const parked = client.fetch(topicId, 0, 0, { maxWaitMs: 60_000, minBytes: 250 })
  await client.produce(topicId, 0, ['a'])
  await client.produce(topicId, 0, ['b'])
  await client.produce(topicId, 0, ['c'.repeat(100)])
  t.same((await parked).records.length, 3)
})

t.test('Broker: ordered responses leave in request order (pipelined)', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const produces = Array.from({ length: 20 }, (_, index) => client.produce(topicId, 0, [`${index}`]))
  const list = client.call('listTopics', {})
  const results = await Promise.all(produces)
  await list
  t.same(results.map(result => result.baseOffset), results.map((_, index) => index))
  t.same(client.answered, [...client.answered].sort((a, b) => a - b))
})

t.test('Broker: a retried batch is answered with the first offset, and stored once', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const [first, again] = await Promise.all([
    client.produce(topicId, 0, ['a', 'b'], { producer: producer(0) }),
    client.produce(topicId, 0, ['a', 'b'], { producer: producer(0) }),
  ])
  t.match(first, { error: 0, baseOffset: 0, duplicate: false })
  t.match(again, { error: 0, baseOffset: 0, duplicate: true })
  t.match(await client.produce(topicId, 0, ['z'], { producer: producer(0, 1) }), { error: 0, baseOffset: 2 })
  t.match(await client.produce(topicId, 0, ['zombie'], { producer: producer(2) }), { error: ERROR.PRODUCER_FENCED })
  t.same((await client.fetch(topicId, 0, 0)).records.map(record => record.value), ['a', 'b', 'z'])
})

t.test('Broker: batches that are not sound are refused, and the next one is taken', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 1, { 'max.batch.bytes': '2KiB' })
  const flipped = batchOf(['a'])
  flipped[flipped.length - 1]! ^= 1
  t.match(await client.produceBatch(topicId, 0, flipped), { error: ERROR.INVALID_BATCH, message: /checksum does not match/ })
  t.match(await client.produceBatch(topicId, 0, Buffer.alloc(10)), { error: ERROR.INVALID_BATCH })
  t.match(await client.produce(topicId, 0, ['x'.repeat(4000)]), { error: ERROR.RECORD_TOO_LARGE, message: /max.batch.bytes of 2048/ })
  t.match(await client.produce(topicId, 1, ['a']), { error: ERROR.UNKNOWN_PARTITION, message: /partitions 0 to 0, not 1/ })
  t.match(await client.produce('no-such-id', 0, ['a']), { error: ERROR.UNKNOWN_TOPIC })
  t.match(await client.produce(topicId, 0, ['a']), { error: 0, baseOffset: 0 })
})

t.test('Broker: offsets outside the log are refused with where reading can go on', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  await client.produce(topicId, 0, ['a', 'b', 'c'])
  const deleteBefore = async (beforeOffset: number): Promise<readonly DeleteRecordsResult[]> =>
    (await client.call('deleteRecords', { timeoutMs: 1000, partitions: [{ topicId, partition: 0, beforeOffset }] })).partitions
  t.match(await deleteBefore(2), [{ error: 0, logStartOffset: 2 }])
  const below = await client.fetch(topicId, 0, 0)
  t.match(below.response.partitions, [{ error: ERROR.OFFSET_OUT_OF_RANGE, resumeOffset: 2 }])
  const above = await client.fetch(topicId, 0, 9)
  t.match(above.response.partitions, [{ error: ERROR.OFFSET_OUT_OF_RANGE, resumeOffset: 3 }])
  t.same((await client.fetch(topicId, 0, 2)).records, [{ offset: 2, value: 'c' }])
  t.match(await deleteBefore(9), [{ error: ERROR.OFFSET_OUT_OF_RANGE, logStartOffset: 2 }])
})

t.test('Broker: a topic grows, and its settings change and go back', async t => {
  await using broker = await startTestBroker({ options: { 'topic-defaults': 'retention.ms=2d' } })
  using client = await TestClient.connect(broker.port)
  await client.createTopic('orders')
  const alter = async (change: object): Promise<object> => (await client.call('alterTopics', {
    timeoutMs: 1000, validateOnly: false, topics: [{ name: 'orders', partitions: 0, replicationFactor: 0, set: {}, unset: [], ...change }],
  })).topics[0]!
  const setting = async (name: string): Promise<object> =>
    (await client.call('describeTopics', { names: ['orders'] })).topics[0]!.config.find(row => row.name === name)!
  t.match(await setting('retention.ms'), { value: '172800000', source: 'broker' })
  t.match(await alter({ partitions: 3, set: { 'retention.ms': '1h' } }), { error: 0 })
  t.match(await setting('retention.ms'), { value: '3600000', source: 'topic' })
  t.equal((await client.call('metadata', { topics: ['orders'] })).topics[0]!.partitions.length, 3)
  t.match(await alter({ replicationFactor: 1 }), { error: 0, moves: [] })
  t.match(await alter({ replicationFactor: 3, partitions: 4 }), { error: ERROR.INVALID_REPLICATION, message: /this broker is alone/ })
  t.equal((await client.call('metadata', { topics: ['orders'] })).topics[0]!.partitions.length, 3, 'all of it or nothing')
  t.match(await client.call('moveReplicas', { topic: 'orders', partition: 0, replicas: [1], dryRun: true }),
    { error: ERROR.INVALID_REQUEST, message: /this broker is alone/ })
  t.match(await alter({ unset: ['retention.ms'] }), { error: 0 })
  t.match(await setting('retention.ms'), { value: '172800000', source: 'broker' })
  t.match(await alter({ partitions: 2 }), { error: ERROR.INVALID_PARTITIONS })
  t.match(await alter({ set: { colour: 'red' } }), { error: ERROR.INVALID_CONFIG })
  t.match(await alter({ name: 'nothing' }), { error: ERROR.UNKNOWN_TOPIC })
})

t.test('Broker: stopping tells clients to go and answers every request: stored, or refused and not stored', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const parked = client.fetch(topicId, 0, 1_000, { maxWaitMs: 60_000 })
  parked.catch(() => {})
  const produces = Array.from({ length: 200 }, (_, index) =>
    client.produce(topicId, 0, [`${index}`]).then(result => result.error, error => error.code))
  await produces[0]
  await broker.stop()
  t.ok(client.goneAway, 'a notice came')
  const outcomes = await Promise.all(produces)
  t.ok(outcomes.every(code => code === 0 || code === ERROR.SHUTTING_DOWN), 'no request was left without an answer')
  await broker.restart()
  using later = await TestClient.connect(broker.port)
  const stored = (await later.fetch(topicId, 0, 0)).records.map(record => Number(record.value))
  t.same(stored, outcomes.flatMap((code, index) => code === 0 ? [index] : []))
})

t.test('Broker: acks none is stored without an answer', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const batch = batchOf(['quiet'])
  const batches = [{ topicId, partition: 0, size: batch.length }]
  void client.exchange('produce', { acks: 'none', timeoutMs: 1000, batches }, { payload: batch }).catch(() => {})
  t.same((await client.fetch(topicId, 0, 0, { maxWaitMs: 10_000 })).records, [{ offset: 0, value: 'quiet' }])
  t.notOk(client.answered.includes(3), 'no response to the produce')
})

t.test('Broker: requests before hello, unknown apis and versions are answered with what to do', async t => {
  await using broker = await startTestBroker()
  using early = await TestClient.connect(broker.port, { hello: false })
  await t.rejects(early.call('listTopics', {}), { code: ERROR.HELLO_REQUIRED, message: /send hello first/ })
  using client = await TestClient.connect(broker.port)
  await t.rejects(client.call('listTopics', {}, { version: 9 }), { code: ERROR.UNSUPPORTED_VERSION })
  const unknownApi = client.call('listTopics', {}, { api: 999 })
  await t.rejects(unknownApi, { code: ERROR.UNKNOWN_API, message: /hello response lists/ })
  t.match(await client.call('listTopics', {}), { topics: [] }, 'the connection lives on')
})

t.test('Broker: an UNORDERED response overtakes, an ordered one waits for its turn', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders')
  const partitions = [{ topicId, partition: 0, offset: 0, lastEpoch: -1, maxBytes: 1000 }]
  const parked = client.call('fetch', { maxWaitMs: 60_000, minBytes: 1, maxBytes: 1000, partitions })
  const ordered = client.call('listTopics', {})
  await client.call('listTopics', {}, { flags: FRAME_FLAG.unordered })
  t.same(client.answered.slice(2), [5], 'neither the fetch nor what is queued behind it')
  using other = await TestClient.connect(broker.port)
  await other.produce(topicId, 0, ['a'])
  await Promise.all([parked, ordered])
  t.same(client.answered.slice(2), [5, 3, 4])
})
