import t from 'tap'
import { ERROR, RecordBatchBuilder } from '@sluice/protocol'
import { connect, type Client } from '../client.js'
import { json, string } from '../serdes.js'
import { ScriptedBroker, type FakeLog } from '../testing/scripted-broker.js'
import { until, valuesOf } from '../testing/stored-values.js'
import type { Topic } from '../topic.js'
import type { Consumer } from './consumer.js'
import type { ConsumerOptions } from './consumer-options.js'

interface Bench extends AsyncDisposable {
  broker: ScriptedBroker
  client: Client
  topic: Topic<string, string>
  logs: FakeLog[]
  consumer (options?: Partial<ConsumerOptions>): Consumer<string, string>
}

async function setUp (partitions = 1, records = 0): Promise<Bench> {
  const broker = await ScriptedBroker.start()
  const { logs } = broker.addTopic('t', partitions)
  for (const log of logs) fill(log, records)
  const client = connect({ brokers: [broker.address], retry: { initialDelayMs: 1, maxDelayMs: 10 } })
  const topic = client.topic('t', { key: string(), value: string() })
  return {
    broker,
    client,
    topic,
    logs,
    consumer: options => topic.consumer({ group: 'g', commitIntervalMs: 10, maxWaitMs: 100, ...options }),
    async [Symbol.asyncDispose] () {
      await client.close({ drainTimeoutMs: 0 })
      await broker[Symbol.asyncDispose]()
    },
  }
}

function fill (log: FakeLog, records: number, perBatch = 10): void {
  const builder = new RecordBatchBuilder()
  for (let left = records; left > 0; left -= perBatch) {
    for (let index = 0; index < Math.min(left, perBatch); index++) {
      const offset = log.nextOffset + index
      builder.append(`k${offset % 5}`, `${offset}`, 1_000 + offset)
    }
    log.store(builder.build())
  }
}

const upTo = (end: number, start = 0): number[] => Array.from({ length: end - start }, (_, index) => start + index)

t.test('Consumer: a loop reads everything once, commits, and goes on where it was', async t => {
  await using bench = await setUp(2, 50)
  const seen: string[] = []
  const first = bench.consumer()
  for await (const { partition, offset } of first) {
    seen.push(`${partition}/${offset}`)
    if (seen.length === 100) setImmediate(() => { first.close().catch(t.threw) })
  }
  await first.close()
  t.equal(new Set(seen).size, 100)
  t.equal(bench.broker.groups.committed('g', 't', 0), 50)
  t.equal(bench.broker.groups.committed('g', 't', 1), 50)
  t.same(bench.broker.groups.memberIds('g'), [], 'it has left')
  fill(bench.logs[1]!, 5)
  const second = bench.consumer()
  const batch = await second.pull({ maxRecords: 10 })
  t.same(batch.map(({ partition, offset }) => [partition, offset]), upTo(55, 50).map(offset => [1, offset]))
})

t.test('Consumer: what a loop is left with by break comes again, unless acknowledged', async t => {
  await using bench = await setUp(1, 20)
  const consumer = bench.consumer()
  for await (const { offset } of consumer) if (offset === 4) break
  for await (const record of consumer) {
    if (record.offset === 4) record.ack()
    if (record.offset >= 4) break
    t.fail('done before')
  }
  for await (const { offset } of consumer) if (t.equal(offset, 5)) break
  await consumer.close()
  t.equal(bench.broker.groups.committed('g', 't', 0), 5)
})

t.test('Consumer: a loop that throws does not commit what it threw at', async t => {
  await using bench = await setUp(1, 20)
  const consumer = bench.consumer()
  await t.rejects(async () => {
    for await (const { offset } of consumer) if (offset === 7) throw new Error('boom')
  }, { message: 'boom' })
  await consumer.close()
  t.equal(bench.broker.groups.committed('g', 't', 0), 7)
})

t.test('Consumer: from says where to begin only without a committed offset', async t => {
  await using bench = await setUp(1, 20)
  const latest = bench.consumer({ group: 'late', from: 'latest' })
  t.same(await latest.pull({ maxWaitMs: 100 }), [])
  await until(() => bench.broker.groups.committed('late', 't', 0) === 20)
  await latest.close()
  fill(bench.logs[0]!, 3)
  const again = bench.consumer({ group: 'late', from: 'latest' })
  t.same((await again.pull()).map(({ offset }) => offset), [20, 21, 22], 'latest is worked out once')
  bench.broker.groups.commit('g', 't', 0, 12)
  const other = bench.consumer({ from: 'latest' })
  t.equal((await other.pull())[0]!.offset, 12)
  const relative = bench.consumer({ group: 'r', from: -2 })
  t.equal((await relative.pull())[0]!.offset, 21)
})

t.test('Consumer: explicit acks, out of order', async t => {
  await using bench = await setUp(1, 10)
  const consumer = bench.consumer({ ack: 'explicit' })
  const records = await consumer.pull()
  t.equal(records.length, 10)
  for (const index of [1, 2, 5]) records[index]!.ack()
  await consumer.commit()
  t.equal(bench.broker.groups.committed('g', 't', 0), 0)
  records[0]!.ack()
  await consumer.commit()
  t.equal(bench.broker.groups.committed('g', 't', 0), 3)
  await consumer.close({ drainTimeoutMs: 10 })
})

t.test('Consumer: nack brings a record and its followers again', async t => {
  await using bench = await setUp(1, 5)
  const consumer = bench.consumer()
  const seen: string[] = []
  for await (const record of consumer) {
    seen.push(`${record.offset}#${record.attempt}`)
    if (record.offset === 2 && record.attempt < 3) record.nack({ delayMs: 5 })
    if (record.offset === 4) break
  }
  t.same(seen, ['0#1', '1#1', '2#1', '2#2', '2#3', '3#1', '4#1'])
})

t.test('Consumer: batches are of one partition and commit as one', async t => {
  await using bench = await setUp(3, 40)
  const consumer = bench.consumer()
  let count = 0
  for await (const batch of consumer.batches({ maxRecords: 15 })) {
    const records = [...batch]
    t.equal(records.length, batch.size)
    t.ok(batch.size <= 15)
    t.ok(records.every(({ partition }) => partition === batch.partition))
    count += batch.size
    if (count === 120) {
      await batch.commit()
      break
    }
  }
  t.same(upTo(3).map(partition => bench.broker.groups.committed('g', 't', partition)), [40, 40, 40])
})

t.test('Consumer: batches wait for company', async t => {
  await using bench = await setUp(1, 1)
  const consumer = bench.consumer()
  setTimeout(() => {
    bench.topic.producer().send({ value: 'late' }).catch(t.threw)
  }, 50)
  for await (const batch of consumer.batches({ maxRecords: 2, maxWaitMs: 5_000 })) {
    if (t.equal(batch.size, 2)) break
  }
})

t.test('Consumer: pause, resume, seek', async t => {
  await using bench = await setUp(2, 30)
  const consumer = bench.consumer()
  consumer.pause([1])
  const some = await consumer.pull({ maxRecords: 100 })
  t.ok(some.length > 0 && some.every(({ partition }) => partition === 0))
  consumer.pause()
  t.same(await consumer.pull({ maxWaitMs: 50 }), [])
  consumer.resume()
  t.same((await consumer.pull()).map(({ partition }) => partition).filter(partition => partition === 0), [])
  await consumer.seek({ 0: 25 })
  await until(() => consumer.assignment.length === 2)
  const after = await consumer.pull()
  t.same(after.map(({ partition, offset }) => [partition, offset]).slice(0, 5), upTo(30, 25).map(offset => [0, offset]))
  await consumer.seek('latest')
  t.same(await consumer.pull({ maxWaitMs: 50 }), [])
  await consumer.commit()
  t.equal(bench.broker.groups.committed('g', 't', 1), 30)
})

t.test('Consumer: seek before the first assignment', async t => {
  await using bench = await setUp(1, 30)
  bench.broker.groups.commit('g', 't', 0, 3)
  const consumer = bench.consumer()
  await consumer.seek(20)
  t.equal((await consumer.pull())[0]!.offset, 20)
})

t.test('Consumer: lag', async t => {
  await using bench = await setUp(2, 30)
  const consumer = bench.consumer()
  t.match(await consumer.lag(), { records: 60, seconds: null, partitions: [{ records: 30 }, { records: 30 }] })
  let count = 0
  while (count < 60) count += (await consumer.pull()).length
  await consumer.pull({ maxWaitMs: 0 })
  t.match(await consumer.lag(), { records: 0, seconds: 0 })
})

t.test('Consumer: two members share, and one takes over when the other leaves', async t => {
  await using bench = await setUp(4, 200)
  const events: string[] = []
  bench.client.on('assigned', ({ partitions }) => events.push(`+${partitions.join()}`))
  bench.client.on('revoked', ({ partitions, lost }) => events.push(`-${partitions.join()}${lost ? ' lost' : ''}`))
  const seen = new Map<string, number>()
  const note = ({ partition, offset }: { partition: number, offset: number }): void => {
    const place = `${partition}/${offset}`
    seen.set(place, (seen.get(place) ?? 0) + 1)
  }
  const first = bench.consumer()
  const firstRun = first.run(async record => {
    note(record)
    await new Promise(resolve => setTimeout(resolve, 1))
  })
  await until(() => seen.size > 20)
  const second = bench.consumer()
  const secondRun = second.run(note)
  await until(() => second.assignment.length === 2 && first.assignment.length === 2)
  await first.close()
  await firstRun
  await until(() => second.assignment.length === 4 && seen.size === 800)
  await second.close()
  await secondRun
  t.same([...seen.values()].filter(times => times !== 1), [], 'each record once')
  t.same(events.slice(0, 3), ['+0,1,2,3', '-1,3', '+1,3'], 'only what moves stops')
})

t.test('Consumer: a record in hand is waited for before its partition is given up', async t => {
  await using bench = await setUp(2, 10)
  let release = (): void => {}
  const held = new Promise<void>(resolve => { release = resolve })
  const first = bench.consumer()
  const hand: { partition: number, offset: number }[] = []
  const firstRun = first.run(async record => {
    hand.push(record)
    if (record.partition === 1) await held
  }, { concurrency: 2 })
  await until(() => hand.some(({ partition }) => partition === 1))
  const second = bench.consumer()
  const got: { partition: number, offset: number }[] = []
  const secondRun = second.run(record => { got.push(record) })
  await new Promise(resolve => setTimeout(resolve, 100))
  t.same(got, [], 'nobody else has it yet')
  release()
  await until(() => got.length > 0)
  t.match(got[0], { partition: 1, offset: 1 }, 'what was in hand is committed')
  await Promise.all([first.close(), second.close(), firstRun, secondRun])
})

t.test('Consumer: the broker has forgotten its members (restart)', async t => {
  await using bench = await setUp(2, 100)
  const seen = new Map<string, number>()
  const consumer = bench.consumer()
  const run = consumer.run(async ({ partition, offset }) => {
    seen.set(`${partition}/${offset}`, (seen.get(`${partition}/${offset}`) ?? 0) + 1)
    if (offset % 10 === 0) await new Promise(resolve => setTimeout(resolve, 2))
  })
  await until(() => seen.size > 30)
  bench.broker.groups.forgetMembers()
  await bench.broker.stop()
  await bench.broker.resume()
  await until(() => seen.size === 200)
  await consumer.close()
  await run
  t.same([...seen.values()].filter(times => times !== 1), [], 'it keeps what it works on')
  t.equal(bench.broker.groups.committed('g', 't', 0), 100)
})

t.test('Consumer: a partition that is somebody else\'s is dropped (PARTITION_NOT_OWNED)', async t => {
  await using bench = await setUp(1, 10)
  const lost: boolean[] = []
  bench.client.on('revoked', ({ lost: isLost }) => lost.push(isLost))
  let refusals = 1
  bench.broker.intercept = request => request.api === 'commitOffsets' && refusals-- > 0
    ? {
        action: 'answer',
        message: {
          results: request.message.offsets.map(({ topicId, partition }: { topicId: string, partition: number }) =>
            ({ topicId, partition, error: ERROR.PARTITION_NOT_OWNED, message: 'not yours' })),
        },
      }
    : undefined
  const consumer = bench.consumer({ commitIntervalMs: 5 })
  const seen: number[] = []
  for await (const record of consumer) {
    seen.push(record.offset)
    await new Promise(resolve => setTimeout(resolve, 10))
    if (seen.filter(offset => offset === 0).length === 2) break
  }
  t.same(lost, [true])
  t.ok(seen.length > 1, 'it came again from the committed offset')
})

t.test('Consumer: a stale generation is renewed and the commit repeated', async t => {
  await using bench = await setUp(1, 10)
  let refusals = 2
  bench.broker.intercept = request => request.api === 'commitOffsets' && refusals-- > 0
    ? { action: 'error', code: ERROR.STALE_GENERATION }
    : undefined
  const consumer = bench.consumer({ ack: 'explicit', commitIntervalMs: 60_000 })
  for (const record of await consumer.pull()) record.ack()
  await consumer.commit()
  t.equal(bench.broker.groups.committed('g', 't', 0), 10)
})

t.test('Consumer: a commit is refused where the partition was taken before it was stored', async t => {
  await using bench = await setUp(2, 10)
  const taken = (): void => {
    bench.broker.intercept = request => request.api === 'commitOffsets'
      ? {
          action: 'answer',
          message: {
            results: request.message.offsets.map(({ topicId, partition }: { topicId: string, partition: number }) =>
              ({ topicId, partition, error: ERROR.PARTITION_NOT_OWNED, message: 'not yours' })),
          },
        }
      : undefined
  }
  const consumer = bench.consumer({ ack: 'explicit', commitIntervalMs: 60_000 })
  const [first] = await consumer.pull({ maxRecords: 1 })
  first!.ack()
  taken()
  await t.rejects(consumer.commit(), { code: 'REBALANCE' }, 'what is done')
  bench.broker.intercept = () => undefined
  let batches = 0
  for await (const batch of consumer.batches({ maxRecords: 10 })) {
    if (batches++ === 0) {
      taken()
      await t.rejects(batch.commit(), { code: 'REBALANCE', partition: batch.partition }, 'a batch, while it is lost')
      bench.broker.intercept = () => undefined
      await t.rejects(batch.commit(), { code: 'REBALANCE', partition: batch.partition }, 'a batch that was lost before')
      t.not(bench.broker.groups.committed('g', 't', batch.partition), 10)
    } else {
      await batch.commit()
      if (bench.broker.groups.committed('g', 't', 0) === 10 && bench.broker.groups.committed('g', 't', 1) === 10) break
    }
  }
  t.ok(batches > 2, 'it came again')
})

t.test('Consumer: replaced by another process with its name (INSTANCE_FENCED)', async t => {
  await using bench = await setUp(1, 1)
  const consumer = bench.consumer({ instanceId: 'one' })
  t.equal((await consumer.pull()).length, 1)
  bench.broker.intercept = request => request.api === 'heartbeatGroup'
    ? { action: 'error', code: ERROR.INSTANCE_FENCED }
    : undefined
  await t.rejects(consumer.pull(), { code: 'FENCED', serverCode: ERROR.INSTANCE_FENCED })
})

t.test('Consumer: the session runs out while nothing gets through', async t => {
  await using bench = await setUp(1, 10)
  const lost: boolean[] = []
  bench.client.on('revoked', ({ lost: isLost }) => lost.push(isLost))
  const consumer = bench.consumer({ sessionTimeoutMs: 1_000, ack: 'explicit' })
  const [record] = await consumer.pull()
  t.equal(record!.signal.aborted, false)
  bench.broker.intercept = request =>
    request.api === 'heartbeatGroup' || request.api === 'joinGroup' ? { action: 'ignore' } : undefined
  await until(() => record!.signal.aborted)
  t.same(lost, [true])
  bench.broker.intercept = () => undefined
  bench.broker.dropConnections()
  t.equal((await consumer.pull())[0]!.offset, 0, 'it joins again')
})

t.test('Consumer: the offset is gone', async t => {
  for (const [from, expected] of [['earliest', 20], ['latest', 40]] as const) {
    await using bench = await setUp(1, 40)
    bench.logs[0]!.logStartOffset = 20
    bench.broker.groups.commit('g', 't', 0, 5)
    const resets: object[] = []
    bench.client.on('offsetReset', reset => resets.push(reset))
    const consumer = bench.consumer({ from })
    const pulled = consumer.pull()
    await until(() => resets.length > 0)
    if (from === 'latest') fill(bench.logs[0]!, 1)
    bench.broker.dropConnections()
    t.equal((await pulled)[0]!.offset, expected, from)
    t.match(resets, [{ topic: 't', partition: 0, from: 5, to: expected }])
  }
})

t.test('Consumer: the topic does not exist', async t => {
  await using bench = await setUp()
  const consumer = bench.client.topic('missing').consumer({ group: 'g' })
  await t.rejects(consumer.pull(), { code: 'UNKNOWN_TOPIC' })
  await t.rejects(consumer.lag(), { code: 'UNKNOWN_TOPIC' })
  await consumer.close()
})

t.test('Consumer: close is idempotent, ends loops, and needs no start', async t => {
  await using bench = await setUp()
  const consumer = bench.consumer()
  const loop = (async () => { for await (const record of consumer) t.fail(String(record.offset)) })()
  await until(() => consumer.assignment.length === 1)
  const closing = consumer.close()
  t.equal(consumer.close(), closing)
  await closing
  await loop
  await t.rejects(consumer.pull(), { code: 'CLOSED' })
  await bench.consumer().close()
})

t.test('Consumer: its signal ends it with the reason', async t => {
  await using bench = await setUp()
  const stop = new AbortController()
  const consumer = bench.consumer({ signal: stop.signal })
  const loop = (async () => { for await (const record of consumer) t.fail(String(record.offset)) })()
  await until(() => consumer.assignment.length === 1)
  stop.abort(new Error('enough'))
  await t.rejects(loop, { message: 'enough' })
})

t.test('Consumer: a blocked event loop is told of, with the record', async t => {
  await using bench = await setUp(1, 3)
  const blocked: { ms: number, record: object | null }[] = []
  bench.client.on('blocked', event => blocked.push(event))
  const consumer = bench.consumer({ sessionTimeoutMs: 1_000 })
  for await (const { offset } of consumer) {
    if (offset !== 1) continue
    const end = performance.now() + 700
    while (performance.now() < end);
    await until(() => blocked.length > 0)
    break
  }
  t.match(blocked[0], { group: 'g', sessionTimeoutMs: 1_000, record: { topic: 't', partition: 0, offset: 1 } })
})

t.test('Consumer: bad options', async t => {
  await using bench = await setUp()
  t.throws(() => bench.consumer({ group: 'a b' }), { code: 'INVALID', message: /group name/ })
  t.throws(() => bench.consumer({ onPoison: 'deadLetter' }), { code: 'INVALID', message: /deadLetter/ })
  t.throws(() => bench.consumer({ from: 'committed' as 'latest' }), { code: 'INVALID' })
  t.throws(() => bench.consumer({ sessionTimeoutMs: 5 }), { code: 'INVALID', message: /from 1000 to 1800000/ })
  const consumer = bench.consumer()
  await t.rejects(consumer.commit({ 0: -3 }), { code: 'INVALID' })
  await t.rejects(consumer.commit({ 5: 3 }), { code: 'REBALANCE' })
})

t.test('run: ordering by partition, by key and not at all', async t => {
  for (const ordering of ['partition', 'key', 'none'] as const) {
    await using bench = await setUp(3, 60)
    const running = new Map<string, number>()
    const last = new Map<string, number>()
    let most = 0
    let count = 0
    const consumer = bench.consumer({ group: ordering })
    const run = consumer.run(async ({ partition, key, offset }) => {
      const lane = ordering === 'partition' ? `${partition}` : `${partition}/${ordering === 'key' ? key : offset}`
      t.notOk(running.has(lane), 'one at a time')
      t.ok((last.get(lane) ?? -1) < offset, 'in order')
      running.set(lane, offset)
      last.set(lane, offset)
      most = Math.max(most, running.size)
      await new Promise(resolve => setTimeout(resolve, Math.random() * 3))
      running.delete(lane)
      count++
    }, { concurrency: 8, ordering })
    await until(() => count === 180)
    await consumer.close()
    await run
    t.ok(most <= 8 && most >= (ordering === 'partition' ? 2 : 4), `${ordering}: ${most} at a time`)
    t.same(upTo(3).map(partition => bench.broker.groups.committed(ordering, 't', partition)), [60, 60, 60])
  }
})

t.test('run: retries, then poison: throw', async t => {
  await using bench = await setUp(1, 10)
  const consumer = bench.consumer()
  const attempts: number[] = []
  await t.rejects(consumer.run(({ offset, attempt }) => {
    if (offset !== 3) return
    attempts.push(attempt)
    throw new Error(`of attempt ${attempt}`)
  }, { attempts: 3, backoff: () => 1 }), { message: 'of attempt 3' })
  t.same(attempts, [1, 2, 3])
  await consumer.close()
  t.equal(bench.broker.groups.committed('g', 't', 0), 3)
})

t.test('run: poison: skip', async t => {
  await using bench = await setUp(1, 10)
  const consumer = bench.consumer({ onPoison: 'skip' })
  const seen: number[] = []
  const run = consumer.run(({ offset }) => {
    seen.push(offset)
    if (offset === 3) throw new Error('bad')
  }, { attempts: 2, backoff: () => 1 })
  await until(() => seen.length === 11)
  await consumer.close()
  await run
  t.equal(bench.broker.groups.committed('g', 't', 0), 10)
})

t.test('run: poison: dead letter, with its origin', async t => {
  await using bench = await setUp(1, 10)
  const dead = bench.broker.addTopic('dead')
  const consumer = bench.consumer({ onPoison: 'deadLetter', deadLetter: 'dead' })
  let count = 0
  const run = consumer.run(({ offset }) => {
    count++
    if (offset === 3) throw new Error('bad record')
  }, { attempts: 1 })
  await until(() => count === 10)
  await consumer.close()
  await run
  t.same(valuesOf(dead.logs[0]!), ['3'])
  for await (const record of bench.client.topic('dead', { key: string() }).read()) {
    t.equal(record.key, 'k3')
    const texts = [...record.headers].map(([name, value]) => [name, Buffer.from(value).toString()])
    const headers = Object.fromEntries(texts)
    t.match(headers, {
      'sluice-origin-topic': 't',
      'sluice-origin-partition': '0',
      'sluice-origin-offset': '3',
      'sluice-origin-group': 'g',
      'sluice-origin-reason': 'bad record',
    })
  }
  t.equal(bench.broker.groups.committed('g', 't', 0), 10)
})

t.test('run: a record that cannot be decoded is poison at once', async t => {
  await using bench = await setUp(1, 2)
  const topic = bench.client.topic('t', { value: json((await import('zod')).z.string()) })
  const consumer = topic.consumer({ group: 'g' })
  let calls = 0
  await t.rejects(consumer.run(record => { calls++; return record.value }),
    { code: 'SERIALIZATION', message: /does not fit its schema/ })
  t.equal(calls, 1)
})

t.test('run: time limit of a handler', async t => {
  await using bench = await setUp(1, 1)
  const consumer = bench.consumer()
  let aborted = 0
  await t.rejects(consumer.run(({ signal }) => new Promise(() => {
    signal.addEventListener('abort', () => aborted++)
  }), { timeoutMs: 20, attempts: 2, backoff: () => 1 }), { code: 'TIMEOUT', message: /timeoutMs/ })
  t.equal(aborted, 2)
})

t.test('run: its signal lets handlers finish', async t => {
  await using bench = await setUp(2, 10)
  const consumer = bench.consumer()
  const stop = new AbortController()
  let begun = 0
  let finished = 0
  await t.rejects(consumer.run(async () => {
    begun++
    if (begun === 2) stop.abort(new Error('enough'))
    await new Promise(resolve => setTimeout(resolve, 20))
    finished++
  }, { concurrency: 2, signal: stop.signal }), { message: 'enough' })
  t.equal(begun, 2)
  t.equal(finished, 2)
})
