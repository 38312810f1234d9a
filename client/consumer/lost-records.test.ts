// Consumers over what a forced recovery takes back: told once, with what is sound before the word, with what came in
// its place after it; and never told where nothing is lost.

import { BATCH_FLAG, ERROR, RecordBatchBuilder, type FetchRequest } from '@sluice/protocol'
import t from 'tap'
import { connect, type Client } from '../client.js'
import type { ClientEvents } from '../events.js'
import type { InRecord } from '../records.js'
import { string } from '../serdes.js'
import { ScriptedBroker, type FakeLog } from '../testing/scripted-broker.js'
import { until } from '../testing/stored-values.js'
import type { Consumer } from './consumer.js'
import type { ConsumerOptions } from './consumer-options.js'

interface Bench extends AsyncDisposable {
  broker: ScriptedBroker
  client: Client
  log: FakeLog
  resets: ClientEvents['offsetReset'][]
  consumer (options?: Partial<ConsumerOptions>): Consumer<string, string>
}

/** A topic of one partition with 40 records in batches of ten, of epoch 1. */
async function setUp (): Promise<Bench> {
  const broker = await ScriptedBroker.start()
  const log = broker.addTopic('t', 1).logs[0]!
  log.leaderEpoch = 1
  fill(log, 40)
  const client = connect({ brokers: [broker.address], retry: { initialDelayMs: 1, maxDelayMs: 10 } })
  const resets: Bench['resets'] = []
  client.on('offsetReset', reset => resets.push(reset))
  const topic = client.topic('t', { key: string(), value: string() })
  return {
    broker,
    client,
    log,
    resets,
    consumer: options => topic.consumer({ group: 'g', commitIntervalMs: 10, maxWaitMs: 20, ...options }),
    async [Symbol.asyncDispose] () {
      await client.close({ drainTimeoutMs: 0 })
      await broker[Symbol.asyncDispose]()
    },
  }
}

/** The value of a record tells its epoch and offset. */
function fill (log: FakeLog, records: number, flags = 0): void {
  const builder = new RecordBatchBuilder()
  for (let left = records; left > 0; left -= 10) {
    for (let index = 0; index < Math.min(left, 10); index++) {
      builder.append(null, `${log.leaderEpoch}:${log.nextOffset + index}`, 1_000)
    }
    log.store(builder.build({ flags }))
  }
}

const values = (epoch: number, from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `${epoch}:${from + index}`)

async function pullUntil (consumer: Consumer<string, string>, count: number): Promise<InRecord<string, string>[]> {
  const records: InRecord<string, string>[] = []
  while (records.length < count) records.push(...await consumer.pull({ maxRecords: count - records.length }))
  return records
}

/** Loses what is fetched already and stores something else; the word of it has come when this resolves. */
async function loseFetched ({ broker, client, log }: Bench): Promise<void> {
  const fetches = (): FetchRequest[] => broker.requests('fetch').map(({ message }) => message as FetchRequest)
  await until(() => fetches().some(({ partitions }) => partitions[0]!.offset === 40))
  log.loseFrom(20, 3)
  fill(log, 30)
  await until(() => broker.parkedCount === 0)
  await client.topic('t', { value: string() }).read({ from: 'latest' }).next()
}

t.test('Consumer: what is sound comes first, then the word of the loss, then what came in its place', async t => {
  for (const from of ['earliest', 'latest'] as const) {
    await using bench = await setUp()
    bench.broker.groups.commit('g', 't', 0, 0)
    const told: string[] = []
    bench.client.on('offsetReset', ({ from, to }) => told.push(`${from} to ${to}`))
    const consumer = bench.consumer({ from })
    for (const { value } of await pullUntil(consumer, 5)) told.push(value!)
    await loseFetched(bench)
    while (told.length < 51) for (const { value } of await consumer.pull()) told.push(value!)
    t.same(told, [...values(1, 0, 20), '40 to 20', ...values(3, 20, 50)], `whatever \`from\` says (${from})`)
    t.match(bench.resets, [{ topic: 't', partition: 0, reason: /epoch 1 ends before 40/ }])
  }
})

t.test('Consumer: what is said of lost records does not count for those in their place', async t => {
  await using bench = await setUp()
  const consumer = bench.consumer({ ack: 'explicit' })
  const old = await pullUntil(consumer, 40)
  for (const record of old.slice(0, 15)) record.ack()
  await until(() => bench.broker.groups.committed('g', 't', 0) === 15)
  bench.log.loseFrom(20, 3)
  fill(bench.log, 30)
  const [first] = await consumer.pull({ maxRecords: 1 })
  t.equal(first!.value, '3:20')
  t.match(bench.resets, [{ from: 40, to: 20 }])
  for (const record of old.slice(15)) record.ack()
  await until(() => bench.broker.groups.committed('g', 't', 0) === 20)
  const rest = await pullUntil(consumer, 29)
  for (const record of rest) record.ack()
  old[25]!.nack()
  await consumer.commit()
  t.equal(bench.broker.groups.committed('g', 't', 0), 20, 'one that is in hand holds it up')
  first!.ack()
  await consumer.commit()
  t.equal(bench.broker.groups.committed('g', 't', 0), 50)
  t.equal(bench.resets.length, 1)
})

t.test('Consumer: a batch of which a part was lost commits the rest of it, and nothing that came in its place', async t => {
  await using bench = await setUp()
  const consumer = bench.consumer({ ack: 'explicit' })
  const batches = consumer.batches({ maxRecords: 40, maxWaitMs: 30_000 })
  const batch = (await batches.next()).value!
  t.equal(batch.size, 40)
  bench.log.loseFrom(20, 3)
  fill(bench.log, 30)
  t.equal((await consumer.pull({ maxRecords: 1 }))[0]!.value, '3:20')
  await batch.commit()
  t.equal(bench.broker.groups.committed('g', 't', 0), 20)
})

t.test('Consumer: what was lost is noticed by the next member too (committed epoch)', async t => {
  await using bench = await setUp()
  const first = bench.consumer()
  for (const record of await pullUntil(first, 40)) record.ack()
  await first.close()
  t.equal(bench.broker.groups.committed('g', 't', 0), 40)
  t.equal(bench.broker.groups.committedEpoch('g', 't', 0), 1)
  bench.log.loseFrom(20, 3)
  fill(bench.log, 30)
  const second = bench.consumer()
  const others = await pullUntil(second, 30)
  t.same(others.map(({ value }) => value), values(3, 20, 50))
  for (const record of others) record.ack()
  t.match(bench.resets, [{ from: 40, to: 20 }])
  await second.close()
  t.equal(bench.broker.groups.committedEpoch('g', 't', 0), 3)
  fill(bench.log, 10)
  t.same((await pullUntil(bench.consumer(), 10)).map(({ value }) => value), values(3, 50, 60))
  t.equal(bench.resets.length, 1, 'told once')
})

t.test('Consumer: an offset that nobody has read here is committed without an epoch', async t => {
  await using bench = await setUp()
  const consumer = bench.consumer({ ack: 'explicit' })
  await pullUntil(consumer, 5)
  await consumer.commit({ 0: 30 })
  t.equal(bench.broker.groups.committedEpoch('g', 't', 0), -1)
  await consumer.commit({ 0: 5 })
  t.equal(bench.broker.groups.committedEpoch('g', 't', 0), 1)
  await consumer.seek(20)
  await consumer.commit()
  t.equal(bench.broker.groups.committed('g', 't', 0), 20)
  t.equal(bench.broker.groups.committedEpoch('g', 't', 0), -1)
})

t.test('Consumer: new epochs without a loss tell nobody anything, wherever a reader stands', async t => {
  await using bench = await setUp()
  const { log } = bench
  // What other brokers begin an epoch with, and batches that compaction has emptied, hold no records.
  for (const epoch of [2, 5, 6]) {
    log.leaderEpoch = epoch
    fill(log, 1, BATCH_FLAG.control)
    if (epoch !== 5) fill(log, 20)
  }
  t.equal(log.nextOffset, 83)
  const dataFrom = (start: number): number =>
    [...Array(83).keys()].filter(offset => offset >= start && ![40, 61, 62].includes(offset)).length
  for (let start = 0; start < 83; start += 6) {
    bench.broker.groups.commit(`g${start}`, 't', 0, start)
    const consumer = bench.consumer({ group: `g${start}` })
    for (const record of await pullUntil(consumer, dataFrom(start))) record.ack()
    await consumer.close()
    t.equal(bench.broker.groups.committed(`g${start}`, 't', 0), 83)
  }
  t.same(bench.resets, [])
  const epochBelow = (offset: number): number => log.batches.find(({ nextOffset }) => nextOffset >= offset)!.leaderEpoch
  for (const { message } of bench.broker.requests('fetch')) {
    const { offset, lastEpoch } = (message as FetchRequest).partitions[0]!
    if (lastEpoch !== -1) t.equal(lastEpoch, epochBelow(offset), `the epoch below ${offset}`)
  }
})

t.test('read: what is sound comes first, then the error', async t => {
  await using bench = await setUp()
  const topic = bench.client.topic('t', { value: string() })
  const seen: string[] = []
  const read = async (): Promise<void> => {
    for await (const { value } of topic.read({ to: Infinity })) {
      seen.push(value!)
      if (seen.length !== 5) continue
      await loseFetched(bench)
    }
  }
  await t.rejects(read(), { code: 'OFFSET_OUT_OF_RANGE', serverCode: ERROR.OFFSET_TRUNCATED, offset: 40, resumeOffset: 20 })
  t.same(seen, values(1, 0, 20))
})
