import t from 'tap'
import { json, string } from '../serdes.js'
import { startQueueBench } from '../testing/queue-bench.js'
import { formatHandle, parseHandle } from './lease-handle.js'
import type { QueueRecord } from './queue-records.js'

const upTo = (end: number): string[] => Array.from({ length: end }, (_, index) => String(index))

t.test('Queue: what is acknowledged never comes again, what is not comes with its data', async t => {
  await using bench = await startQueueBench({ partitions: 3 })
  const { queue } = bench
  const sent = await queue.send({ key: 'ann', value: 'first', headers: { trace: 'x' }, timestamp: 1_700_000_000_000 })
  t.match(sent, { topic: 'q', offset: 0, duplicate: false, id: `${sent.partition}:0`, timestamp: 1_700_000_000_000 })
  const [record, ...more] = await queue.receive({ waitMs: 5_000 })
  t.same(more, [])
  t.match(record, {
    id: sent.id, topic: 'q', offset: 0, key: 'ann', value: 'first', deliveries: 1, attempt: 1, timestamp: 1_700_000_000_000,
  })
  t.equal(Buffer.from(record!.headers.get('trace')!).toString(), 'x')
  t.equal(record!.signal.aborted, false)
  t.equal(await record!.ack(), 'ok')
  t.same(await queue.receive({ waitMs: 0 }), [])
  await bench.broker.restart()
  t.same(await queue.receive({ waitMs: 100 }), [], 'not even after a restart')
})

t.test('Queue: a batch is sent and settled record by record, in one request each way', async t => {
  await using bench = await startQueueBench({ partitions: 2 })
  const { queue } = bench
  const results = await queue.sendBatch(upTo(200).map(value => ({ value })))
  t.ok(results.every(result => result.ok && !result.duplicate))
  const records = []
  while (records.length < 200) records.push(...await queue.receive({ maxRecords: 1_000, waitMs: 5_000 }))
  t.same(records.map(({ value }) => value).sort(), upTo(200).sort())
  t.same(new Set(await Promise.all(records.map(record => record.ack()))), new Set(['ok']))
  t.same(await queue.receive({ waitMs: 0 }), [])
})

t.test('Queue: maxRecords bounds what is leased', async t => {
  await using bench = await startQueueBench()
  await bench.queue.sendBatch(upTo(10).map(value => ({ value })))
  t.equal((await bench.queue.receive({ maxRecords: 3, waitMs: 5_000 })).length, 3)
  t.equal((await bench.queue.receive({ maxRecords: 100, waitMs: 5_000 })).length, 7)
})

t.test('Queue: nack brings a record again and counts, release does not, reject ends it', async t => {
  await using bench = await startQueueBench({ maxAttempts: 2 })
  const { queue } = bench
  await queue.send({ value: 'a' })
  const next = async (): Promise<any> => (await queue.receive({ waitMs: 5_000 }))[0]
  t.equal(await (await next()).release(), 'ok')
  t.equal(await (await next()).release(), 'ok')
  t.equal(await (await next()).nack({ delayMs: 0, reason: 'not now' }), 'ok')
  const fourth = await next()
  t.equal(fourth.deliveries, 4)
  t.equal(await fourth.nack(), 'ok', 'the second failure of two')
  t.same(await queue.receive({ waitMs: 50 }), [], 'given up')
  await queue.send({ value: 'b' })
  t.equal(await (await next()).reject('never'), 'ok')
  t.same(await queue.receive({ waitMs: 50 }), [])
})

t.test('Queue: settling twice changes nothing and says so', async t => {
  await using bench = await startQueueBench()
  await bench.queue.send({ value: 'a' })
  const [record] = await bench.queue.receive({ waitMs: 5_000 })
  t.equal(await record!.ack(), 'ok')
  t.equal(await record!.ack(), 'already-settled')
  t.equal(await record!.nack(), 'already-settled')
  t.equal(await record!.reject(), 'already-settled')
})

t.test('Queue: a lease that is over is late while nobody else has the record, and refused after that', async t => {
  await using bench = await startQueueBench({ visibilityMs: 1_000 })
  const { queue } = bench
  await queue.send({ value: 'a' })
  const [first] = await queue.receive({ waitMs: 5_000 })
  const lost = new Promise(resolve => { first!.signal.addEventListener('abort', resolve) })
  const [second] = await queue.receive({ waitMs: 5_000 })
  t.equal(await second!.extend(60_000), 'ok')
  await lost
  t.match(first!.signal.reason, { code: 'LEASE', message: /record 0:0 of queue q is over/ })
  t.equal(second!.deliveries, 2)
  await t.rejects(first!.ack(), { code: 'LEASE', retriable: false, message: /somebody else's/ })
  t.equal(await second!.nack({ delayMs: 60_000 }), 'ok')
  t.equal(await second!.ack(), 'late', 'it saves the next attempt')
  t.match(bench.warnings, [/lease is lost/])
})

t.test('Queue: a settle that nobody waits for does no harm when it fails', async t => {
  await using bench = await startQueueBench()
  await bench.queue.send({ value: 'a' })
  const [record] = await bench.queue.receive({ waitMs: 5_000 })
  const handle = parseHandle(record!.handle)
  const forged = formatHandle({ ...handle, leaseSequence: handle.leaseSequence + 5 })
  await t.rejects(bench.queue.ack(forged), { code: 'INVALID', message: /never given out/ })
  Object.assign(record!, { leaseSequence: 99 })
  record!.ack()
  await bench.queue.stats().catch(() => {})
  await new Promise(resolve => setTimeout(resolve, 50))
  t.ok(bench.warnings.includes('a record was not settled'))
})

t.test('Queue: a handle works in another process, and outlives the one that received', async t => {
  await using bench = await startQueueBench({ partitions: 2 })
  const taker = bench.other()
  await bench.queue.sendBatch(upTo(4).map(value => ({ value })))
  const queue = taker.queue('q')
  const handles: string[] = []
  while (handles.length < 4) handles.push(...(await queue.receive({ waitMs: 5_000 })).map(({ handle }) => handle))
  await taker.close()
  t.same(await bench.queue.receive({ waitMs: 50 }), [], 'still leased')
  t.equal(await bench.queue.ack(handles[0]!), 'ok')
  t.equal(await bench.queue.extend(handles[1]!, 60_000), 'ok')
  t.equal(await bench.queue.release(handles[2]!), 'ok')
  t.equal(await bench.queue.reject(handles[3]!, 'no'), 'ok')
  t.equal(await bench.queue.ack(handles[0]!), 'already-settled')
  t.equal((await bench.queue.receive({ waitMs: 5_000 })).length, 1, 'the released one')
})

t.test('Queue: a handle of another queue touches nothing', async t => {
  await using bench = await startQueueBench()
  await bench.client.admin.createQueue('other', { partitions: 1 })
  const other = bench.client.queue('other')
  await bench.queue.send({ value: 'a' })
  await other.send({ value: Buffer.from('b') })
  const [mine] = await bench.queue.receive({ waitMs: 5_000 })
  const [theirs] = await other.receive({ waitMs: 5_000 })
  t.equal(mine!.id, theirs!.id)
  await t.rejects(bench.queue.ack(theirs!.handle), { code: 'INVALID', message: /of another queue than q/ })
  await t.rejects(bench.queue.ack('0:0'), { code: 'INVALID', message: /no lease handle/ })
  t.equal(await theirs!.ack(), 'ok')
  t.equal(await mine!.ack(), 'ok')
})

t.test('Queue: receive waits for what is not there yet, and no longer than asked', async t => {
  await using bench = await startQueueBench({ partitions: 4 })
  t.same(await bench.queue.receive({ waitMs: 20 }), [])
  const waiting = bench.queue.receive({ waitMs: 20_000 })
  await new Promise(resolve => setImmediate(resolve))
  await bench.other().queue('q', { value: string() }).send({ value: 'late' })
  t.same((await waiting).map(({ value }) => value), ['late'])
})

t.test('Queue: an aborted receive leaves nothing leased', async t => {
  await using bench = await startQueueBench()
  const stop = new AbortController()
  const waiting = bench.queue.receive({ waitMs: 20_000, signal: stop.signal })
  await new Promise(resolve => setTimeout(resolve, 20))
  stop.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  await bench.queue.send({ value: 'a' })
  const other = bench.other().queue('q', { value: string() })
  const [record] = await other.receive({ waitMs: 20_000 })
  t.equal(record!.value, 'a')
  t.equal(await record!.ack(), 'ok')
})

t.test('Queue: bad input is refused where it is given, with the range', async t => {
  await using bench = await startQueueBench()
  const { queue } = bench
  const wrong: [QueueRecord<string, string>, RegExp][] = [
    [{ value: 'a', delayMs: -1 }, /delayMs must be a number from 0 to 31536000000/],
    [{ value: 'a', delayMs: 365 * 86_400_000 + 1 }, /delayMs must be a number from 0 to 31536000000/],
    [{ value: 'a', delayMs: 1.5 }, /delayMs must be a whole number/],
    [{ value: 'a', at: new Date(NaN) }, /at must be a Date/],
    [{ value: 'a', at: Date.now() + 366 * 86_400_000 }, /at most 365 days/],
    [{ value: 'a', at: new Date(), delayMs: 1 }, /delayMs must be left out where `at` is given/],
    [{ value: 'a', ttlMs: 0 }, /ttlMs must be a number from 1 to/],
    [{ value: 'a', priority: 10 }, /priority must be a number from 0 to 9/],
    [{ value: 'a', dedupId: '' }, /dedupId must be text of 1 to 128 bytes/],
    [{ value: 'a', dedupId: 'ä'.repeat(65) }, /dedupId must be text of 1 to 128 bytes/],
    [{ value: 'a', partition: 0 } as never, /partition must be left out/],
  ]
  for (const [record, message] of wrong) await t.rejects(queue.send(record), { code: 'INVALID', message })
  const results = await queue.sendBatch([{ value: 'fine' }, { value: 'a', priority: -1 }])
  t.same(results.map(({ ok }) => ok), [true, false], 'one bad record of a batch does not keep the others')
  await t.rejects(queue.receive({ maxRecords: 0 }), { code: 'INVALID', message: /maxRecords must be a number from 1 to 10000/ })
  await t.rejects(queue.receive({ waitMs: 60_001 }), { message: /waitMs must be a number from 0 to 60000/ })
  await t.rejects(queue.receive({ maxBytes: 9 * 2 ** 20 }), { message: /maxBytes must be a number from 1 to 8388608/ })
  await t.rejects(queue.work(() => {}, { concurrency: 0 }), { message: /concurrency must be a number from 1/ })
  await t.rejects(queue.work(null as never), { code: 'INVALID', message: /takes a function/ })
  const [record] = await queue.receive({ waitMs: 5_000 })
  await t.rejects(record!.extend(-1), { message: /ms must be a number from 0 to 43200000/ })
  await t.rejects(record!.nack({ delayMs: 400 * 86_400_000 }), { message: /delayMs must be a number from 0 to 31536000000/ })
  await t.rejects(record!.reject(7 as never), { message: /a reason is text/ })
  t.equal(await record!.ack(), 'ok', 'nothing of that has settled it')
  for (const nothing of [undefined, null, 'text', 7]) {
    await t.rejects(queue.send(nothing as never), { code: 'INVALID', message: /a record must be an object/ }, String(nothing))
  }
  t.match(await queue.sendBatch([null as never]), [{ ok: false, error: { code: 'INVALID' } }])
  await t.rejects(queue.sendBatch({ value: 'a' } as never), { code: 'INVALID', message: /takes an array/ })
  await t.rejects(queue.receive(5 as never), { code: 'INVALID', message: /options of receive must be an object/ })
  await t.rejects(queue.work(() => {}, null as never), { code: 'INVALID', message: /options of work must be an object/ })
  t.throws(() => bench.client.queue(undefined as never), { code: 'INVALID', message: /name/ })
  t.throws(() => bench.client.queue('no such name'), { code: 'INVALID', message: /not allowed/ })
})

t.test('Queue: settings out of range are refused with the range', async t => {
  await using bench = await startQueueBench()
  const { admin } = bench.client
  await t.rejects(admin.createQueue('a', { visibilityMs: 999 }), { code: 'INVALID', message: /visibility\.ms.*1000 to 43200000/ })
  await t.rejects(admin.createQueue('a', { maxAttempts: 1_001 }), { code: 'INVALID', message: /max\.attempts.*1 to 1000/ })
  await t.rejects(admin.createQueue('a', { order: 'random' as never }), { code: 'INVALID', message: /none, key, fair, priority/ })
  await t.rejects(admin.createQueue('q'), { code: 'ALREADY_EXISTS' })
  await admin.createQueue('a', { order: 'key', keyless: 'refuse', deadLetter: 'a-dead', config: { 'retention.ms': 86_400_000 } })
  const { kind, config } = await admin.describeTopic('a')
  t.equal(kind, 'queue')
  t.match(config.find(({ name }) => name === 'dead.letter'), { value: 'a-dead', source: 'topic' })
})

t.test('Queue: what does not exist or is no queue ends at once', async t => {
  await using bench = await startQueueBench()
  const missing = bench.client.queue('missing')
  await t.rejects(missing.receive({ waitMs: 5_000 }), { code: 'UNKNOWN_TOPIC' })
  await t.rejects(missing.work(() => {}), { code: 'UNKNOWN_TOPIC' })
  await t.rejects(missing.send({ value: Buffer.alloc(1) }), { code: 'UNKNOWN_TOPIC' })
  await bench.client.admin.createTopic('stream', { partitions: 1 })
  const stream = bench.client.queue('stream')
  await t.rejects(stream.receive({ waitMs: 5_000 }), { code: 'INVALID', message: /NOT_A_QUEUE/ })
  await t.rejects(stream.send({ value: Buffer.alloc(1) }), { code: 'INVALID', message: /topic stream is a stream.*NOT_A_QUEUE/ })
  t.match(await stream.sendBatch([{ value: Buffer.alloc(1) }]), [{ ok: false, error: { code: 'INVALID' } }])
  await t.rejects(stream.stats(), { code: 'INVALID', message: /NOT_A_QUEUE/ })
})

t.test('Queue: a topic that is made anew as a queue is one (known as a stream before)', async t => {
  await using bench = await startQueueBench()
  const { admin } = bench.client
  await admin.createTopic('jobs', { partitions: 1 })
  await using producer = bench.client.topic('jobs').producer()
  await producer.send({ value: Buffer.from('a') })
  const other = bench.other()
  await other.admin.deleteTopic('jobs')
  await other.admin.createQueue('jobs', { partitions: 1 })
  t.match(await bench.client.queue('jobs').send({ value: Buffer.from('b') }), { offset: 0 })
})

t.test('Queue: serdes of its own, and their failures', async t => {
  await using bench = await startQueueBench()
  const queue = bench.client.queue('q', { value: json<{ id: number }>() })
  await queue.send({ value: { id: 1 } })
  await bench.queue.send({ value: 'no json' })
  const records = await queue.receive({ waitMs: 5_000 })
  t.same(records[0]!.value, { id: 1 })
  t.throws(() => records[1]!.value, { code: 'SERIALIZATION', message: /offset 1/ })
})

t.test('Queue: closed is closed', async t => {
  await using bench = await startQueueBench()
  const { queue } = bench
  await queue.send({ value: 'a' })
  const [record] = await queue.receive({ waitMs: 5_000 })
  const waiting = queue.receive({ waitMs: 20_000 })
  await queue.close()
  await queue.close()
  t.same(await waiting, [], 'a receive under way ends')
  const calls: (() => Promise<unknown>)[] = [
    () => queue.send({ value: 'a' }), () => queue.receive(), () => queue.work(() => {}), () => queue.ack(record!.handle),
  ]
  for (const call of calls) await t.rejects(call, { code: 'CLOSED' })
  t.equal(await bench.client.queue('q').ack(record!.handle), 'ok', 'what was received can still be settled by its handle')
})
