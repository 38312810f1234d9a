import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import t from 'tap'
import { ERROR } from '@sluice/protocol'
import { BrokerError } from '../broker-error.js'
import { connect, type Client } from '../client.js'
import type { ClientOptions } from '../client-options.js'
import { json, string } from '../serdes.js'
import { ScriptedBroker, type FakeLog, type Interception, type SeenRequest } from '../testing/scripted-broker.js'
import { until, valuesOf } from '../testing/stored-values.js'
import type { Producer } from './producer.js'
import type { ProducerOptions } from './producer-options.js'

interface Bench extends AsyncDisposable {
  broker: ScriptedBroker
  client: Client
  producer: Producer<string, string>
  log: FakeLog
}

async function setUp (
  options: ProducerOptions<string, string> = {}, clientOptions: Partial<ClientOptions> = {}, partitions = 1,
): Promise<Bench> {
  const broker = await ScriptedBroker.start()
  const { logs } = broker.addTopic('t', partitions)
  const retry = { initialDelayMs: 1, maxDelayMs: 10 }
  const client = connect({ brokers: [broker.address], retry, requestTimeoutMs: 2_000, ...clientOptions })
  const producer = client.topic('t', { key: string(), value: string() }).producer(options)
  return {
    broker,
    client,
    producer,
    log: logs[0]!,
    async [Symbol.asyncDispose] () {
      await client.close({ drainTimeoutMs: 0 }).catch(() => {})
      await broker[Symbol.asyncDispose]()
    },
  }
}

/** Does something to the first so many produce requests. */
function first (count: number, what: (request: SeenRequest) => Interception | undefined): ScriptedBroker['intercept'] {
  return request => request.api === 'produce' && count-- > 0 ? what(request) : undefined
}

/** An answer that refuses all batches of a produce request. */
function refusal (request: SeenRequest, error: number): Interception {
  return {
    action: 'answer',
    message: {
      throttleMs: 0,
      results: request.message.batches.map(({ partition }: { partition: number }) => ({
        partition, error, message: 'refused; as the test says', baseOffset: -1, logStartOffset: -1, duplicate: false, leader: -1, leaderEpoch: -1, duplicateRecords: [],
      })),
    },
  }
}

t.test('Producer: a record is acknowledged with its place', async t => {
  await using bench = await setUp()
  const before = Date.now()
  const sent = await bench.producer.send({ key: 'k', value: 'v' })
  t.match(sent, { topic: 't', partition: 0, offset: 0 })
  t.ok(sent.timestamp >= before)
  t.match(await bench.producer.send({ value: 'w', timestamp: 12 }), { offset: 1, timestamp: 12 })
  t.same(valuesOf(bench.log), ['v', 'w'])
  t.same(bench.producer.pending, { records: 0, bytes: 0 })
})

t.test('Producer: a record has the time at which it was given, though not every record reads the clock', async t => {
  await using bench = await setUp()
  const pastMs = (timeMs: number): void => { while (Date.now() <= timeMs); }
  let { timestamp: lastMs } = await bench.producer.send({ value: 'first' })
  // Here the answer has been taken in during this very turn: its time is of an earlier one.
  for (let round = 0; round < 5; round++) {
    pastMs(lastMs)
    const { timestamp } = await bench.producer.send({ value: `${round}` })
    t.ok(timestamp > lastMs && timestamp <= Date.now(), 'a turn begins with a reading')
    lastMs = timestamp
  }
  const sent = await Promise.all(Array.from({ length: 40 }, (_, index) => {
    pastMs(Date.now())
    return bench.producer.send({ value: `long ${index}` })
  }))
  t.ok(new Set(sent.map(({ timestamp }) => timestamp)).size >= 3, 'a long turn reads it again')
})

t.test('Producer: what is sent in one turn goes in one batch', async t => {
  await using bench = await setUp()
  await bench.producer.send({ value: 'first' })
  const all = await Promise.all(Array.from({ length: 100 }, (_, index) => bench.producer.send({ value: `${index}` })))
  t.same(all.map(sent => sent.offset), Array.from({ length: 100 }, (_, index) => index + 1))
  t.equal(bench.log.batches.length, 2)
})

t.test('Producer: what comes while two batches are in flight goes together', async t => {
  await using bench = await setUp()
  let release = (): void => {}
  const held = new Promise<void>(resolve => { release = resolve })
  bench.broker.intercept = first(2, () => ({ action: 'hold', until: held }))
  const sent = [bench.producer.send({ value: 'a' })]
  await until(() => bench.broker.requests('produce').length === 1)
  sent.push(bench.producer.send({ value: 'b' }))
  await until(() => bench.broker.requests('produce').length === 2)
  for (const value of ['c', 'd', 'e']) {
    sent.push(bench.producer.send({ value }))
    for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
  }
  t.equal(bench.broker.requests('produce').length, 2)
  release()
  await Promise.all(sent)
  t.equal(bench.log.batches.length, 3)
  t.same(valuesOf(bench.log), ['a', 'b', 'c', 'd', 'e'])
})

for (const rememberedBatches of [1, 5, 64]) {
  t.test(`Producer: full batches are pipelined, as many as the broker remembers (${rememberedBatches})`, async t => {
    await using bench = await setUp({ batchBytes: 1024 })
    bench.broker.hello = { rememberedBatches }
    bench.log.rememberedBatches = rememberedBatches
    await bench.producer.send({ value: 'first' })
    let release = (): void => {}
    const held = new Promise<void>(resolve => { release = resolve })
    bench.broker.intercept = request => request.api === 'produce' ? { action: 'hold', until: held } : undefined
    for (let index = 0; index < 1_000; index++) bench.producer.write({ value: 'x'.repeat(100) })
    const sent = (): number =>
      bench.broker.requests('produce').slice(1).reduce((sum, { message }) => sum + message.batches.length, 0)
    await until(() => sent() >= rememberedBatches)
    for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
    t.equal(sent(), rememberedBatches)
    bench.broker.intercept = () => undefined
    release()
    await bench.producer.flush()
    t.equal(valuesOf(bench.log).length, 1_001)
  })
}

t.test('Producer: small batches of a partition share frames, large ones have their own', async t => {
  for (const [batchBytes, valueBytes, sharing] of [[4 * 1024, 1_000, true], [128 * 1024, 60_000, false]] as const) {
    await using bench = await setUp({ batchBytes })
    bench.broker.hello = { rememberedBatches: 64 }
    bench.log.rememberedBatches = 64
    await bench.producer.send({ value: 'first' })
    for (let index = 0; index < 100; index++) bench.producer.write({ value: 'x'.repeat(valueBytes) })
    await bench.producer.flush()
    const frames = bench.broker.requests('produce').slice(1)
    t.equal(valuesOf(bench.log).length, 101)
    t.equal(frames.some(({ message }) => message.batches.length > 1), sharing, `batches of ${batchBytes} bytes`)
    for (const { payload, message } of frames) t.ok(message.batches.length === 1 || payload.length <= 64 * 1024)
  }
})

t.test('Producer: one of several batches in a frame is refused for a while (order holds, none is doubled)', async t => {
  await using bench = await setUp({ batchBytes: 1024 })
  bench.broker.hello = { rememberedBatches: 64 }
  bench.log.rememberedBatches = 64
  await bench.producer.send({ value: 'first' })
  let refused = 0
  bench.broker.intercept = request => {
    if (request.api !== 'produce' || request.message.batches.length < 3 || refused++ > 0) return undefined
    // The second is not stored, so those behind it leave a gap.
    const sizes = request.message.batches.map(({ size }: { size: number }) => size)
    const { baseOffset } = bench.log.append(request.payload.subarray(0, sizes[0]))
    const answer = refusal(request, ERROR.OUT_OF_ORDER_SEQUENCE) as { action: 'answer', message: any }
    Object.assign(answer.message.results[0], { error: 0, baseOffset })
    answer.message.results[1].error = ERROR.BUSY
    return answer
  }
  const wanted = ['first']
  for (let index = 0; index < 200; index++) {
    wanted.push(`${index}`.padStart(100, '.'))
    bench.producer.write({ value: wanted[wanted.length - 1]! })
  }
  await bench.producer.flush()
  t.ok(refused > 0)
  t.same(valuesOf(bench.log), wanted)
})

t.test('Producer: memory of acknowledged batches is used again, and what is stored stays what was sent', async t => {
  await using bench = await setUp({ batchBytes: 1024, bufferBytes: 64 * 1024 })
  bench.broker.hello = { rememberedBatches: 64 }
  bench.log.rememberedBatches = 64
  let dropped = 0
  bench.broker.intercept = request => request.api === 'produce' && ++dropped % 20 === 0 ? { action: 'apply-and-close' } : undefined
  const wanted: string[] = []
  for (let index = 0; index < 5_000; index++) {
    wanted.push(`${index}`.padStart(index % 150, 'v'))
    if (!bench.producer.write({ value: wanted[index]! })) await bench.producer.drained()
  }
  await bench.producer.flush()
  t.same(valuesOf(bench.log), wanted)
})

t.test('Producer: several partitions of one leader share a frame', async t => {
  await using bench = await setUp({}, {}, 4)
  await bench.producer.send({ value: 'first', partition: 0 })
  const count = bench.broker.requests('produce').length
  await Promise.all([0, 1, 2, 3].map(partition => bench.producer.send({ value: 'v', partition })))
  t.equal(bench.broker.requests('produce').length, count + 1)
})

const FAULTS: [string, (request: SeenRequest) => Interception][] = [
  ['hang-up before it is stored', () => ({ action: 'close' })],
  ['hang-up after it was stored', () => ({ action: 'apply-and-close' })],
  ['NOT_LEADER', request => refusal(request, ERROR.NOT_LEADER)],
  ['LEADER_NOT_AVAILABLE', request => refusal(request, ERROR.LEADER_NOT_AVAILABLE)],
  ['STORAGE_UNAVAILABLE', request => refusal(request, ERROR.STORAGE_UNAVAILABLE)],
  ['BUSY as a whole', () => ({ action: 'error', code: ERROR.BUSY, retryAfterMs: 1 })],
  ['SHUTTING_DOWN as a whole', () => ({ action: 'error', code: ERROR.SHUTTING_DOWN })],
  ['UNKNOWN_TOPIC that the metadata do not confirm', request => refusal(request, ERROR.UNKNOWN_TOPIC)],
]
for (const [name, fault] of FAULTS) {
  t.test(`Producer: each record once and in order (${name})`, async t => {
    await using bench = await setUp({ batchBytes: 1024 })
    bench.broker.intercept = first(3, fault)
    const values = Array.from({ length: 200 }, (_, index) => `${index}`.padStart(30, '0'))
    const sent = await Promise.all(values.map(value => bench.producer.send({ value })))
    t.same(valuesOf(bench.log), values)
    t.same(sent.map(({ offset }) => offset), values.map((_, index) => index))
  })
}

t.test('Producer: one batch of many fails for a while (the others wait for it)', async t => {
  await using bench = await setUp({ batchBytes: 1024 })
  let produced = 0
  bench.broker.intercept = request => {
    if (request.api !== 'produce') return undefined
    return ++produced === 2 || produced === 9 ? refusal(request, ERROR.NOT_LEADER) : undefined
  }
  const values = Array.from({ length: 500 }, (_, index) => `${index}`.padStart(30, '0'))
  await Promise.all(values.map(value => bench.producer.send({ value })))
  t.same(valuesOf(bench.log), values)
})

t.test('Producer: a batch that is refused for good does not hold up those behind it', async t => {
  await using bench = await setUp({ batchBytes: 1024 })
  bench.broker.intercept = first(1, request => refusal(request, ERROR.RECORD_TOO_LARGE))
  const values = Array.from({ length: 100 }, (_, index) => `${index}`.padStart(30, '0'))
  const outcomes = await Promise.allSettled(values.map(value => bench.producer.send({ value })))
  const failed = outcomes.filter(outcome => outcome.status === 'rejected')
  t.ok(failed.length > 0 && failed.length < 100)
  t.match((failed[0] as PromiseRejectedResult).reason, {
    code: 'RECORD_TOO_LARGE', retriable: false, maybeApplied: false, topic: 't', partition: 0, attempts: 1,
  })
  t.same(valuesOf(bench.log), values.filter((_, index) => outcomes[index]!.status === 'fulfilled'))
  t.ok(bench.broker.requests('initProducer').length > 1, 'a new epoch closes the gap')
})

t.test('Producer: the partition has forgotten the producer (UNKNOWN_PRODUCER)', async t => {
  await using bench = await setUp()
  for (let index = 0; index < 3; index++) await bench.producer.send({ value: `${index}` })
  bench.log.producers.clear()
  t.match(await bench.producer.send({ value: '3' }), { offset: 3 })
  t.match(await bench.producer.send({ value: '4' }), { offset: 4 })
  t.same(valuesOf(bench.log), ['0', '1', '2', '3', '4'])
})

t.test('Producer: a newer epoch has written (PRODUCER_FENCED)', async t => {
  await using bench = await setUp()
  await bench.producer.send({ value: '0' })
  for (const entry of bench.log.producers.values()) entry.epoch = 9
  await t.rejects(bench.producer.send({ value: '1' }), { code: 'FENCED', serverCode: ERROR.PRODUCER_FENCED })
  t.match(await bench.producer.send({ value: '2' }), { offset: 1 }, 'it goes on as another producer')
})

t.test('Producer: a duplicate too old for its offset to be known counts as stored', async t => {
  await using bench = await setUp()
  bench.broker.intercept = first(1, request => refusal(request, ERROR.DUPLICATE_SEQUENCE))
  t.match(await bench.producer.send({ value: '0' }), { offset: -1 })
})

t.test('Producer: delivery timeout while no broker is there', async t => {
  await using bench = await setUp({ deliveryTimeoutMs: 150 })
  await bench.producer.send({ value: '0' })
  await bench.broker.stop()
  await t.rejects(bench.producer.send({ value: '1' }), { code: 'TIMEOUT', retriable: true, partition: 0 })
  await bench.broker.resume()
  t.match(await bench.producer.send({ value: '2' }), { offset: 1 })
  t.same(valuesOf(bench.log), ['0', '2'])
})

t.test('Producer: delivery timeout while a request is under way (it may have happened, order holds)', async t => {
  await using bench = await setUp({ deliveryTimeoutMs: 150 }, { requestTimeoutMs: 300 })
  await bench.producer.send({ value: '0' })
  bench.broker.intercept = first(1, () => ({ action: 'ignore' }))
  await t.rejects(bench.producer.send({ value: '1' }), { code: 'TIMEOUT', maybeApplied: true })
  const later = connect({ brokers: [bench.broker.address] })
  await later.close()
  const sent = await bench.producer.send({ value: '2' }).catch((error: unknown) => error)
  // Whether the second one was in time or not: nothing is doubled, nothing overtakes.
  if (BrokerError.is(sent)) t.equal(sent.code, 'TIMEOUT')
  else t.same(valuesOf(bench.log), ['0', '2'])
  t.match(await bench.producer.send({ value: '3' }), { partition: 0 })
  t.equal(valuesOf(bench.log).at(-1), '3')
})

t.test('Producer: delivery timeout after a leader was deposed (it may have happened)', async t => {
  // It waits to be sent again when its time is up.
  const retry = { initialDelayMs: 60_000, maxDelayMs: 60_000, jitter: 0 }
  await using bench = await setUp({ deliveryTimeoutMs: 150 }, { retry })
  bench.broker.intercept = request => request.api === 'produce' ? refusal(request, ERROR.NOT_LEADER) : undefined
  await t.rejects(bench.producer.send({ value: '1' }), { code: 'TIMEOUT', maybeApplied: true })
})

t.test('Producer: the topic does not exist', async t => {
  await using bench = await setUp()
  const producer = bench.client.topic('missing', { value: string() }).producer()
  await t.rejects(producer.send({ value: 'x' }), { code: 'UNKNOWN_TOPIC', message: /create it/ })
  producer.write({ value: 'y' })
  await t.rejects(producer.flush(), { code: 'UNKNOWN_TOPIC' })
  t.equal(producer.failedRecords, 1)
})

t.test('Producer: the topic is deleted and created anew while records are sent', async t => {
  await using bench = await setUp()
  await bench.producer.send({ value: 'old' })
  const topic = bench.broker.addTopic('t')
  t.match(await bench.producer.send({ value: 'new' }), { offset: 0 })
  t.same(valuesOf(topic.logs[0]!), ['new'])
})

t.test('Producer: the topic is deleted while records are sent', async t => {
  await using bench = await setUp()
  await bench.producer.send({ value: 'old' })
  bench.broker.topics.delete('t')
  await t.rejects(bench.producer.send({ value: 'new' }), { code: 'UNKNOWN_TOPIC' })
})

t.test('Producer: write tells of failures at the next flush, once', async t => {
  await using bench = await setUp({}, { retry: false })
  await bench.producer.send({ value: 'x' })
  bench.broker.intercept = request => request.api === 'produce' ? refusal(request, ERROR.STORAGE_FAILED) : undefined
  for (let index = 0; index < 7; index++) bench.producer.write({ value: 'x' })
  await t.rejects(bench.producer.flush(), { code: 'STORAGE', maybeApplied: true })
  t.equal(bench.producer.failedRecords, 7)
  await bench.producer.flush()
  bench.producer.write({ value: 'x' })
  await until(() => bench.producer.failedRecords === 8)
  await t.rejects(bench.producer.close(), { code: 'STORAGE' })
})

t.test('Producer: the buffer is bounded (write)', async t => {
  await using bench = await setUp({ bufferBytes: 64 * 1024 })
  await bench.producer.send({ value: 'x' })
  const value = 'x'.repeat(1_000)
  let written = 0
  while (bench.producer.write({ value })) written++
  t.ok(written < 66 && bench.producer.pending.bytes < 66 * 1024)
  t.throws(() => bench.producer.write({ value }), { code: 'BACKPRESSURE', retriable: true })
  await bench.producer.drained()
  t.ok(bench.producer.pending.bytes <= 32 * 1024)
  t.ok(bench.producer.write({ value }))
})

t.test('Producer: the buffer is bounded (send waits in order, or throws)', async t => {
  await using bench = await setUp({ bufferBytes: 64 * 1024, batchBytes: 8 * 1024 })
  const values = Array.from({ length: 300 }, (_, index) => `${index}`.padStart(1_000, '0'))
  await Promise.all(values.map(value => bench.producer.send({ value })))
  t.same(valuesOf(bench.log), values)
  await using throwing = await setUp({ bufferBytes: 64 * 1024, onFull: 'throw' })
  const outcomes = await Promise.allSettled(values.map(value => throwing.producer.send({ value })))
  const failed = outcomes.filter(outcome => outcome.status === 'rejected') as PromiseRejectedResult[]
  t.ok(failed.length > 100 && failed.every(({ reason }) => reason.code === 'BACKPRESSURE'))
  t.equal(valuesOf(throwing.log).length, 300 - failed.length)
})

t.test('Producer: an aborted send that waits for room is not sent', async t => {
  await using bench = await setUp({ bufferBytes: 64 * 1024 })
  bench.broker.intercept = request => request.api === 'metadata' ? { action: 'hold', until: later } : undefined
  let release = (): void => {}
  const later = new Promise<void>(resolve => { release = resolve })
  const big = bench.producer.send({ value: 'x'.repeat(70_000) })
  const stop = new AbortController()
  const waiting = bench.producer.send({ value: 'never' }, { signal: stop.signal })
  stop.abort(new Error('no'))
  await t.rejects(waiting, { message: 'no' })
  await t.rejects(bench.producer.send({ value: 'x' }, { signal: stop.signal }), { message: 'no' })
  release()
  await big
  await bench.producer.flush()
  t.equal(valuesOf(bench.log).length, 1)
})

t.test('Producer: sendBatch has one result per record, in order', async t => {
  await using bench = await setUp({}, {}, 2)
  const results = await bench.producer.sendBatch([
    { value: 'a', partition: 0 }, { value: 'b', partition: 1 }, { value: 'c', partition: 7 }, { value: 'd', partition: 0 },
  ])
  t.match(results, [
    { ok: true, partition: 0, offset: 0 }, { ok: true, partition: 1, offset: 0 },
    { ok: false, error: { code: 'INVALID', message: /partition 7/ } }, { ok: true, partition: 0, offset: 1 },
  ])
  t.same(await bench.producer.sendBatch([]), [])
})

t.test('Producer: an atomic batch is one batch of one partition', async t => {
  await using bench = await setUp({}, {}, 3)
  await bench.producer.send({ value: 'before', partition: 1 })
  const records = Array.from({ length: 50 }, (_, index) => ({ key: index === 0 ? 'k' : `k${index}`, value: `${index}` }))
  const results = await bench.producer.sendBatch(records, { atomic: true })
  t.equal(new Set(results.map(result => result.ok && result.partition)).size, 1)
  const stored = bench.broker.topics.get('t')!.logs.flatMap(log => log.batches).filter(batch => batch.nextOffset - batch.baseOffset === 50)
  t.equal(stored.length, 1)
  const huge = Array.from({ length: 200 }, () => ({ value: 'x'.repeat(1_000) }))
  await t.rejects(bench.producer.sendBatch(huge, { atomic: true }), { code: 'RECORD_TOO_LARGE' })
})

t.test('Producer: a batch above the limit of the broker', async t => {
  await using bench = await setUp()
  bench.broker.hello = { maxRecordBatchBytes: 2_000 }
  await t.rejects(bench.producer.send({ value: 'x'.repeat(3_000) }), { code: 'RECORD_TOO_LARGE', maybeApplied: false })
  await Promise.all(Array.from({ length: 100 }, () => bench.producer.send({ value: 'x'.repeat(100) })))
  t.ok(bench.log.batches.every(batch => batch.bytes.length <= 2_000), 'batches keep to it')
})

t.test('Producer: keys keep to their partition, records without one spread', async t => {
  await using bench = await setUp({ batchBytes: 1024 }, {}, 4)
  const placed = await Promise.all(Array.from({ length: 100 }, (_, index) => bench.producer.send({ key: `k${index % 10}`, value: 'v' })))
  for (let key = 0; key < 10; key++) {
    t.equal(new Set(placed.filter((_, index) => index % 10 === key).map(({ partition }) => partition)).size, 1)
  }
  for (let index = 0; index < 40; index++) await bench.producer.send({ value: 'v' })
  for (const log of bench.broker.topics.get('t')!.logs) t.ok(log.nextOffset > 0)
})

t.test('Producer: a partitioner of the user', async t => {
  await using bench = await setUp({ partitioner: (record, partitions) => record.value!.length % partitions }, {}, 3)
  t.match(await bench.producer.send({ value: 'four' }), { partition: 1 })
  await using wrong = await setUp({ partitioner: () => 99 })
  await t.rejects(wrong.producer.send({ value: 'x' }), { code: 'INVALID', message: /partition 99/ })
})

t.test('Producer: acks none resolves without an answer', async t => {
  await using bench = await setUp({ acks: 'none' })
  t.match(await bench.producer.send({ value: 'x' }), { offset: -1, partition: 0 })
  await until(() => bench.log.nextOffset === 1)
  t.equal(bench.broker.requests('initProducer').length, 0)
})

t.test('Producer: compression', async t => {
  for (const compression of ['gzip', 'brotli'] as const) {
    await using bench = await setUp({ compression })
    const value = 'all work and no play '.repeat(100)
    await bench.producer.send({ value })
    t.same(valuesOf(bench.log), [value], compression)
    t.ok(bench.log.batches[0]!.bytes.length < 500)
  }
  await using bench = await setUp()
  const topic = bench.client.topic('t')
  if (!('zstdCompressSync' in await import('node:zlib'))) {
    t.throws(() => topic.producer({ compression: 'zstd' }), { code: 'UNSUPPORTED', message: /Node 22.15/ })
  }
  t.throws(() => topic.producer({ compression: 'snappy' as 'gzip' }), { code: 'INVALID', message: /one of none, gzip/ })
})

t.test('Producer: bad options and records are named', async t => {
  await using bench = await setUp()
  const topic = bench.client.topic('t', { value: json<unknown>() })
  t.throws(() => topic.producer({ acks: 'all' as 'quorum' }), { code: 'INVALID', message: /acks must be one of none, leader, quorum, not "all"/ })
  t.throws(() => topic.producer({ acks: 'none', idempotent: true }), { code: 'INVALID', message: /idempotent/ })
  t.throws(() => topic.producer({ batchBytes: 3 }), { code: 'INVALID', message: /batchBytes must be a number from 1024/ })
  const producer = topic.producer()
  await t.rejects(producer.send({ value: 1n }), { code: 'SERIALIZATION', message: /json: cannot encode a value/ })
  t.throws(() => producer.write({ value: undefined as unknown, timestamp: 1.5 }), { code: 'INVALID', message: /timestamp/ })
  const raw = bench.client.topic('t').producer()
  await t.rejects(raw.send({ value: 'text' as unknown as Uint8Array }), { code: 'SERIALIZATION', message: /give the topic a serde/ })
})

t.test('Producer: a stream with backpressure', async t => {
  await using bench = await setUp({ bufferBytes: 64 * 1024 })
  const values = Array.from({ length: 500 }, (_, index) => `${index}`.padStart(500, '0'))
  await pipeline(Readable.from(values.map(value => ({ value }))), bench.producer.writable())
  t.same(valuesOf(bench.log), values)
  const broken = pipeline(Readable.from([{ value: 3 }]), bench.producer.writable())
  await t.rejects(broken, { code: 'SERIALIZATION' })
})

t.test('Producer: close delivers what it has, once, then refuses', async t => {
  await using bench = await setUp()
  const sent = Promise.all([1, 2, 3].map(index => bench.producer.send({ value: `${index}` })))
  const closing = bench.producer.close()
  t.equal(bench.producer.close(), closing)
  await closing
  t.equal((await sent).length, 3)
  await t.rejects(bench.producer.send({ value: 'x' }), { code: 'CLOSED' })
  t.throws(() => bench.producer.write({ value: 'x' }), { code: 'CLOSED' })
})

t.test('Producer: close gives up after its time', async t => {
  await using bench = await setUp()
  bench.broker.intercept = request => request.api === 'produce' ? { action: 'ignore' } : undefined
  const sent = t.rejects(bench.producer.send({ value: 'x' }), { code: 'CLOSED', maybeApplied: true })
  await until(() => bench.broker.requests('produce').length === 1)
  await bench.producer.close({ drainTimeoutMs: 20 })
  await sent
})

t.test('Producer: linger waits for company, flush does not', async t => {
  await using bench = await setUp({ lingerMs: 60_000 })
  const sent = bench.producer.send({ value: 'x' })
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(bench.broker.requests('produce').length, 0)
  await bench.producer.flush()
  t.match(await sent, { offset: 0 })
})

t.test('Producer: records without a key spread over the partitions, also when they come faster than batches leave', async t => {
  await using bench = await setUp({ batchBytes: 10_000 }, {}, 4)
  const { producer, broker } = bench
  for (let index = 0; index < 8_000; index++) if (!producer.write({ value: 'x'.repeat(92) })) await producer.drained()
  await producer.flush()
  const counts = broker.topics.get('t')!.logs.map(log => log.nextOffset)
  t.equal(counts.reduce((sum, count) => sum + count), 8_000)
  for (const count of counts) t.ok(count > 1_000 && count < 3_000, `${counts}`)
})
