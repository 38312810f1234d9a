import t from 'tap'
import { connect, type Client } from './client.js'
import { string } from './serdes.js'
import { startRealBroker, type RealBroker } from './testing/real-broker.js'
import { until } from './testing/stored-values.js'

async function setUp (): Promise<{ broker: RealBroker, client: Client } & AsyncDisposable> {
  const broker = await startRealBroker()
  const client = connect({ brokers: [broker.address] })
  return {
    broker,
    client,
    async [Symbol.asyncDispose] () {
      await client.close({ drainTimeoutMs: 0 }).catch(() => {})
      await broker[Symbol.asyncDispose]()
    },
  }
}

t.test('Admin: topics are created, listed, described, changed and deleted', async t => {
  await using bench = await setUp()
  const { admin } = bench.client
  t.match(await admin.createTopic('b', { partitions: 2 }), { partitions: 2, replicas: 1 })
  await admin.createTopic('a', { partitions: 1, config: { 'retention.ms': 60_000 } })
  await t.rejects(admin.createTopic('a'), { code: 'ALREADY_EXISTS', retriable: false })
  await t.rejects(admin.createTopic('c', { config: { 'no.such.setting': 1 } }), { code: 'INVALID', message: /no.such.setting/ })
  await admin.createTopic('dry', { dryRun: true })
  t.same(await admin.listTopics(), ['a', 'b'])
  t.match(await admin.listTopicSummaries(), [{ name: 'a', partitions: 1 }, { name: 'b', partitions: 2 }])
  const description = await admin.describeTopic('a')
  t.match(description.config.find(setting => setting.name === 'retention.ms'), { value: '60000', source: 'topic' })
  await admin.alterTopic('a', { partitions: 3, unset: ['retention.ms'] })
  t.equal((await admin.describeTopic('a')).partitions.length, 3)
  await admin.deleteTopic('a')
  await t.rejects(admin.describeTopic('a'), { code: 'UNKNOWN_TOPIC' })
  await t.rejects(admin.deleteTopic('a'), { code: 'UNKNOWN_TOPIC' })
})

t.test('Admin: records are found by position and time, and deleted', async t => {
  await using bench = await setUp()
  const { admin } = bench.client
  await admin.createTopic('t', { partitions: 2 })
  const producer = bench.client.topic('t', { value: string() }).producer()
  const base = Date.now() - 100_000
  for (let index = 0; index < 10; index++) {
    await producer.send({ value: `${index}`, partition: 0, timestamp: base + index * 1_000 })
  }
  t.same(await admin.listOffsets('t', 'latest'), [{ partition: 0, offset: 10 }, { partition: 1, offset: 0 }])
  t.same(await admin.listOffsets('t', new Date(base + 4_500), { partitions: [0] }), [{ partition: 0, offset: 5 }])
  t.same(await admin.listOffsets('t', { ago: '1h' }, { partitions: [0] }), [{ partition: 0, offset: 0 }])
  t.same(await admin.deleteRecords('t', { 0: 4 }), [{ partition: 0, logStartOffset: 4 }])
  t.same(await admin.listOffsets('t', 'earliest', { partitions: [0] }), [{ partition: 0, offset: 4 }])
  t.match(await admin.deleteRecords('t', 'all'), [{ logStartOffset: 10 }, { logStartOffset: 0 }])
})

t.test('Admin: groups, their lag, and moving their offsets', async t => {
  await using bench = await setUp()
  const { admin } = bench.client
  await admin.createTopic('t', { partitions: 2 })
  const topic = bench.client.topic('t', { value: string() })
  const producer = topic.producer()
  for (let index = 0; index < 10; index++) await producer.send({ value: `${index}`, partition: index % 2 })
  const consumer = topic.consumer({ group: 'g' })
  let count = 0
  while (count < 10) count += (await consumer.pull()).length
  await consumer.pull({ maxWaitMs: 0 })
  await consumer.commit()
  t.match(await admin.listGroups(), [{ group: 'g', state: 'stable', members: 1 }])
  t.match(await admin.describeGroup('g'), { members: [{ assigned: [{ topic: 't', partitions: [0, 1] }] }] })
  t.match(await admin.groupLag('g'), [
    { topic: 't', partition: 0, offset: 5, highWatermark: 5, records: 0, memberId: String },
    { topic: 't', partition: 1, offset: 5, records: 0 },
  ])
  await t.rejects(admin.deleteGroup('g'), { code: 'INVALID', message: /members|GROUP_NOT_EMPTY/ })
  await consumer.close()
  const planned = await admin.resetOffsets('g', 't', { 0: 2 }, { dryRun: true })
  t.same(planned, [{ partition: 0, from: 5, to: 2 }])
  t.match(await admin.groupLag('g'), [{ records: 0 }, { records: 0 }], 'nothing was done')
  await admin.resetOffsets('g', 't', { 0: 2 })
  t.match(await admin.groupLag('g'), [{ offset: 2, records: 3, memberId: null }, { offset: 5, records: 0 }])
  t.same(await admin.resetOffsets('g', 't', -1_000), [{ partition: 0, from: 2, to: 0 }, { partition: 1, from: 5, to: 0 }])
  t.match(await admin.resetOffsets('g', 't', { 0: 99 }), [{ to: 5 }], 'clamped')
  await admin.deleteOffsets('g', 't')
  t.same(await admin.offsets('g'), [])
  await admin.deleteGroup('g').catch((error: unknown) => t.match(error, { code: 'UNKNOWN_GROUP' }))
  await t.rejects(admin.describeGroup('g'), { code: 'UNKNOWN_GROUP' })
})

t.test('Admin: the broker and the cluster', async t => {
  await using bench = await setUp()
  const { brokers, clusterId } = await bench.client.admin.describeCluster()
  t.equal(brokers.length, 1)
  t.match(await bench.client.admin.describeBroker(), { brokerId: brokers[0]!.brokerId, clusterId, topics: 0 })
})

t.test('Client and broker: everything once and in order, over restarts', async t => {
  await using bench = await setUp()
  await bench.client.admin.createTopic('t', { partitions: 3 })
  const topic = bench.client.topic('t', { key: string(), value: string() })
  const producer = topic.producer({ compression: 'gzip' })
  const consumer = topic.consumer({ group: 'g', commitIntervalMs: 20 })
  const seen = new Map<string, string>()
  let doubles = 0
  const run = consumer.run(({ partition, offset, value }) => {
    const place = `${partition}/${offset}`
    if (seen.has(place)) doubles++
    seen.set(place, value!)
  }, { concurrency: 4 })
  const sent = []
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 500; index++) sent.push(producer.send({ key: `k${index % 7}`, value: `${round}/${index}` }))
    if (round < 2) await bench.broker.restart()
  }
  const places = await Promise.all(sent)
  t.equal(new Set(places.map(({ partition, offset }) => `${partition}/${offset}`)).size, 1_500)
  await until(() => seen.size === 1_500)
  await consumer.close()
  await run
  t.equal(doubles, 0, 'the same member goes on with what it has')
  const perKey = new Map<string, string[]>()
  for await (const { key, value } of topic.read()) perKey.set(key!, [...perKey.get(key!) ?? [], value!])
  for (const [key, values] of perKey) {
    const order = [0, 1, 2].flatMap(round => Array.from({ length: 500 }, (_, index) => index)
      .filter(index => `k${index % 7}` === key).map(index => `${round}/${index}`))
    t.same(values, order, key)
  }
})
