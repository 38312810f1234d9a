import t from 'tap'
import { BATCH_POSITION, ERROR, RecordBatchBuilder, sealStamp, writeBatchHeader, readBatchHeader } from '@sluice/protocol'
import { connect, type Client } from '../client.js'
import { json, string } from '../serdes.js'
import { ScriptedBroker, type FakeLog } from '../testing/scripted-broker.js'
import type { Topic } from '../topic.js'

interface Bench extends AsyncDisposable {
  broker: ScriptedBroker
  client: Client
  topic: Topic<string, string>
  logs: FakeLog[]
}

async function setUp (partitions = 1): Promise<Bench> {
  const broker = await ScriptedBroker.start()
  const { logs } = broker.addTopic('t', partitions)
  const client = connect({ brokers: [broker.address], retry: { initialDelayMs: 1, maxDelayMs: 10 } })
  return {
    broker,
    client,
    topic: client.topic('t', { key: string(), value: string() }),
    logs,
    async [Symbol.asyncDispose] () {
      await client.close({ drainTimeoutMs: 0 })
      await broker[Symbol.asyncDispose]()
    },
  }
}

/** Stores batches of so many records each; values are the offsets. */
function fill (log: FakeLog, batches: readonly number[], codec: 'none' | 'gzip' = 'none', timestamp = 1_000): void {
  const builder = new RecordBatchBuilder()
  for (const count of batches) {
    for (let index = 0; index < count; index++) {
      builder.append(`k${log.nextOffset + index}`, `${log.nextOffset + index}`, timestamp + log.nextOffset + index)
    }
    log.store(builder.build({ codec }))
  }
}

async function offsetsOf (records: AsyncIterable<{ offset: number }>): Promise<number[]> {
  const offsets: number[] = []
  for await (const { offset } of records) offsets.push(offset)
  return offsets
}

const upTo = (end: number, start = 0): number[] => Array.from({ length: end - start }, (_, index) => start + index)

t.test('read: everything up to the end as it was', async t => {
  await using bench = await setUp(3)
  for (const log of bench.logs) fill(log, [3, 1, 5])
  const seen: number[][] = [[], [], []]
  for await (const record of bench.topic.read()) {
    seen[record.partition]!.push(record.offset)
    t.equal(record.value, `${record.offset}`)
    t.equal(record.key, `k${record.offset}`)
    fill(bench.logs[0]!, [1])
  }
  t.same(seen, [upTo(9), upTo(9), upTo(9)])
})

t.test('read: nothing (an empty topic, an empty range)', async t => {
  await using bench = await setUp(2)
  t.same(await offsetsOf(bench.topic.read()), [])
  fill(bench.logs[0]!, [10])
  t.same(await offsetsOf(bench.topic.read({ from: 10 })), [])
  t.same(await offsetsOf(bench.topic.read({ from: 5, to: 5 })), [])
  t.same(await offsetsOf(bench.topic.read({ from: 'latest' })), [])
})

t.test('read: ranges', async t => {
  await using bench = await setUp(2)
  for (const log of bench.logs) fill(log, [4, 4, 4])
  const read = (options: Parameters<typeof bench.topic.read>[0]): Promise<number[]> =>
    offsetsOf(bench.topic.read({ partitions: [1], ...options }))
  t.same(await read({ from: 5 }), upTo(12, 5), 'from the middle of a batch')
  t.same(await read({ from: 2, to: 6 }), upTo(6, 2), 'to the middle of a batch')
  t.same(await read({ from: -3 }), upTo(12, 9), 'counted from the end')
  t.same(await read({ from: -100 }), upTo(12), 'more than there are')
  t.same(await read({ from: { 1: 7 } }), upTo(12, 7), 'by partition')
  t.same(await read({ from: { 0: 7 } }), upTo(12), 'a partition that is left out')
  t.same((await read({ from: new Date(1_007) })), upTo(12, 4), 'by time: the batch with that time, as the test double finds it')
  t.same(await read({ from: { ago: '1h' } }), [])
})

t.test('read: for ever, until the loop is left or the signal is aborted', async t => {
  await using bench = await setUp()
  fill(bench.logs[0]!, [2])
  const producer = bench.topic.producer()
  const seen: number[] = []
  for await (const { offset } of bench.topic.read({ to: Infinity })) {
    seen.push(offset)
    if (offset === 4) break
    if (offset > 0) await producer.send({ value: 'more' })
  }
  t.same(seen, upTo(5))
  const stop = new AbortController()
  const reading = offsetsOf(bench.topic.read({ to: Infinity, signal: stop.signal }))
  setTimeout(() => stop.abort(new Error('enough')), 50)
  await t.rejects(reading, { message: 'enough' })
})

t.test('read: compressed batches', async t => {
  await using bench = await setUp()
  fill(bench.logs[0]!, [50, 50], 'gzip')
  t.same(await offsetsOf(bench.topic.read({ from: 60 })), upTo(100, 60))
})

t.test('read: headers, null keys and values, bytes', async t => {
  await using bench = await setUp()
  const producer = bench.topic.producer()
  await producer.send({ value: null, headers: { a: 'x', b: new Uint8Array([1, 2]) } })
  for await (const record of bench.topic.read()) {
    t.equal(record.key, null)
    t.equal(record.value, null)
    t.equal(Buffer.from(record.headers.get('a')!).toString(), 'x')
    t.same([...record.headers.get('b')!], [1, 2])
  }
  await producer.send({ key: 'k', value: 'v' })
  for await (const record of bench.client.topic('t').read({ from: -1 })) {
    t.equal(Buffer.from(record.value!).toString(), 'v')
    t.equal(record.headers.size, 0)
  }
})

t.test('read: a value that the serde does not understand (only when it is looked at)', async t => {
  await using bench = await setUp()
  fill(bench.logs[0]!, [1])
  await bench.topic.producer().send({ value: '{not json' })
  const seen: unknown[] = []
  for await (const record of bench.client.topic('t', { value: json<unknown>() }).read()) {
    if (record.offset === 0) seen.push(record.value)
    else t.throws(() => record.value, { code: 'SERIALIZATION', topic: 't', partition: 0, offset: 1, message: /offset 1/ })
  }
  t.same(seen, [0])
})

t.test('read: control batches and offsets that compaction removed are passed over', async t => {
  await using bench = await setUp()
  const log = bench.logs[0]!
  fill(log, [2])
  const builder = new RecordBatchBuilder()
  builder.append(null, 'for brokers', 1)
  log.store(builder.build({ flags: 1 }))
  fill(log, [2])
  const emptied = builderOf('gone', 'gone')
  writeBatchHeader(emptied, { ...readBatchHeader(emptied), recordCount: 0 })
  log.store(emptied.subarray(0))
  t.same(await offsetsOf(bench.topic.read()), [0, 1, 3, 4])
})

t.test('read: a damaged batch is an error that names the offsets', async t => {
  await using bench = await setUp()
  const log = bench.logs[0]!
  fill(log, [3, 3, 3])
  log.batches[1]!.bytes[90]! ^= 0xff
  const seen: number[] = []
  await t.rejects(async () => {
    for await (const { offset } of bench.topic.read()) seen.push(offset)
  }, { code: 'CORRUPT', topic: 't', partition: 0, offset: 3 })
  t.same(seen, [0, 1, 2], 'what lies before it is read')
  t.same(await offsetsOf(bench.topic.read({ from: 6 })), [6, 7, 8])
})

t.test('read: records that do not follow the format although the checksum holds', async t => {
  await using bench = await setUp()
  const log = bench.logs[0]!
  fill(log, [2])
  const bad = builderOf('x', 'y')
  bad[84] = 0x7f // length of the first record
  writeBatchHeader(bad, readBatchHeader(bad))
  log.store(bad)
  await t.rejects(offsetsOf(bench.topic.read()), { code: 'CORRUPT', offset: 2, resumeOffset: 4, message: /seek to 4/ })
})

t.test('read: CORRUPT_DATA of the broker tells where to go on', async t => {
  await using bench = await setUp()
  const { topicId } = bench.broker.topics.get('t')!
  fill(bench.logs[0]!, [5])
  bench.broker.intercept = request => request.api === 'fetch'
    ? {
        action: 'answer',
        message: {
          throttleMs: 0,
          partitions: [{
            topicId, partition: 0, error: ERROR.CORRUPT_DATA, message: 'damaged', highWatermark: 5, logStartOffset: 0, leader: 1, leaderEpoch: 0, resumeOffset: 3, size: 0,
          }],
        },
      }
    : undefined
  await t.rejects(offsetsOf(bench.topic.read()), { code: 'CORRUPT', resumeOffset: 3, offset: 0 })
})

t.test('read: an offset that is gone', async t => {
  await using bench = await setUp()
  fill(bench.logs[0]!, [5, 5])
  bench.logs[0]!.logStartOffset = 5
  await t.rejects(offsetsOf(bench.topic.read({ from: 2 })), { code: 'OFFSET_OUT_OF_RANGE', resumeOffset: 5 })
})

t.test('read: it goes on over a restart of the broker', async t => {
  await using bench = await setUp()
  fill(bench.logs[0]!, Array.from({ length: 50 }, () => 20))
  const seen: number[] = []
  for await (const { offset } of bench.topic.read({ prefetchBytes: 4096 })) {
    seen.push(offset)
    if (offset === 300) {
      await bench.broker.stop()
      setTimeout(() => { bench.broker.resume().catch(t.threw) }, 30)
    }
    if (offset === 600) bench.broker.dropConnections()
  }
  t.same(seen, upTo(1_000))
})

t.test('read: answers that do not fit the question are asked for again', async t => {
  await using bench = await setUp()
  fill(bench.logs[0]!, [5])
  let lies = 2
  const row = { partition: 0, error: 0, message: '', highWatermark: 5, logStartOffset: 0, leader: 1, leaderEpoch: 0, resumeOffset: -1 }
  bench.broker.intercept = request => request.api === 'fetch' && lies-- > 0
    ? { action: 'answer', message: { throttleMs: 0, partitions: [{ ...row, topicId: 'another', size: 10_000 }] } }
    : undefined
  t.same(await offsetsOf(bench.topic.read()), upTo(5))
})

t.test('read: what is fetched ahead is bounded, and no partition keeps the others out', async t => {
  await using bench = await setUp(4)
  const builder = new RecordBatchBuilder()
  for (const log of bench.logs) {
    for (let batch = 0; batch < 100; batch++) {
      builder.append(null, 'x'.repeat(4_000), 1)
      log.store(builder.build())
    }
  }
  let served = 0
  const seen = [0, 0, 0, 0]
  bench.broker.intercept = request => {
    if (request.api === 'fetch') served += request.message.partitions.length
    return undefined
  }
  for await (const { partition } of bench.topic.read({ prefetchBytes: 64 * 1024 })) {
    seen[partition]!++
    if (seen[0] === 40) break
  }
  t.ok(served > 0)
  t.ok(Math.min(...seen) > 20, `all get their turn: ${seen.join(' ')}`)
  const asked = bench.broker.requests('fetch').map(({ message }) => message.maxBytes)
  t.ok(asked.every(bytes => bytes <= 64 * 1024 + 16 * 1024))
})

t.test('read: a long buffer being read lets timers and sockets have their turns', async t => {
  await using bench = await setUp()
  fill(bench.logs[0]!, Array.from({ length: 20 }, () => 1_000))
  let read = 0
  const readAtTurns: number[] = []
  const timer = setInterval(() => readAtTurns.push(read), 0)
  for await (const record of bench.topic.read()) read = record.offset + 1
  clearInterval(timer)
  t.equal(read, 20_000)
  t.ok(new Set(readAtTurns.filter(count => count > 0 && count < read)).size >= 3, 'turns came while it read')
})

t.test('read: bad options and names', async t => {
  await using bench = await setUp()
  await t.rejects(offsetsOf(bench.topic.read({ partitions: [3] })), { code: 'INVALID', message: /use 0 to 0/ })
  await t.rejects(offsetsOf(bench.topic.read({ from: { ago: 'soon' } })), { code: 'INVALID', message: /ago must be a duration/ })
  await t.rejects(offsetsOf(bench.topic.read({ from: 1.5 })), { code: 'INVALID' })
  await t.rejects(offsetsOf(bench.topic.read({ to: -1 })), { code: 'INVALID' })
  await t.rejects(offsetsOf(bench.client.topic('missing').read()), { code: 'UNKNOWN_TOPIC' })
  t.throws(() => bench.client.topic('no/such name'), { code: 'INVALID', message: /topic name/ })
})

function builderOf (...values: string[]): Buffer {
  const builder = new RecordBatchBuilder()
  for (const value of values) builder.append(null, value, 1)
  const batch = builder.build()
  sealStamp(batch)
  return batch.length > BATCH_POSITION.size ? batch : Buffer.alloc(0)
}
