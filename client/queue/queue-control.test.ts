import t from 'tap'
import { startQueueBench } from '../testing/queue-bench.js'
import { deferred } from '../waiting.js'

const upTo = (end: number): string[] => Array.from({ length: end }, (_, index) => String(index))

t.test('QueueControl: a delayed record comes when it is due, and not before', async t => {
  await using bench = await startQueueBench()
  const { queue } = bench
  const startMs = Date.now()
  await queue.send({ value: 'later', delayMs: 400 })
  await queue.send({ value: 'date', at: new Date(startMs + 700) })
  await queue.send({ value: 'now' })
  const order: string[] = []
  while (order.length < 3) {
    for (const record of await queue.receive({ waitMs: 5_000 })) {
      order.push(record.value!)
      const dueMs = { later: startMs + 400, date: startMs + 700, now: startMs }[record.value!]!
      t.ok(Date.now() >= dueMs, `${record.value} is not early`)
      await record.ack()
    }
  }
  t.same(order.sort(), ['date', 'later', 'now'])
})

t.test('QueueControl: a delayed record is cancelled, put off, or brought forward', async t => {
  await using bench = await startQueueBench({ partitions: 3 })
  const { queue } = bench
  const reminder = await queue.send({ key: 'ann', value: 'reminder', delayMs: 60_000 })
  const soon = await queue.send({ value: 'soon', delayMs: 60_000 })
  const explained = await queue.explain(soon.id)
  t.match(explained, { state: 'delayed' }, 'before anybody has asked for a record')
  t.ok(explained!.timeLeftMs > 50_000)
  t.equal(await queue.cancel(reminder.id), 'ok')
  t.equal(await queue.cancel(reminder.id), 'already-terminal')
  t.equal(await queue.cancel({ partition: reminder.partition, offset: reminder.offset + 7 }), 'unknown')
  t.equal(await queue.reschedule(soon.id, { at: new Date(Date.now() + 3_600_000) }), 'ok')
  t.match(await queue.explain(soon.id), { state: 'delayed' })
  t.equal(await queue.reschedule(soon.id, { delayMs: 0 }), 'ok')
  const [record] = await queue.receive({ waitMs: 5_000 })
  t.equal(record!.id, soon.id)
  t.equal(await queue.reschedule(record!.id, { at: Date.now() + 5_000 }), 'leased', 'what is being worked on stays')
  t.equal(await record!.ack(), 'ok')
  t.same(await queue.receive({ waitMs: 50 }), [])
})

t.test('QueueControl: the holder of a cancelled record is told by its next heartbeat', async t => {
  await using bench = await startQueueBench({ sessionTimeoutMs: 1_000 })
  const { queue } = bench
  const { id } = await queue.send({ value: 'a' })
  const told = deferred<unknown>()
  const work = queue.work(async ({ signal }) => {
    t.equal(await queue.cancel(id), 'requested')
    signal.addEventListener('abort', () => told.resolve(signal.reason))
    await told.promise
    signal.throwIfAborted()
  })
  t.match(await told.promise, { code: 'CANCELLED', message: /record 0:0 of queue q was cancelled/ })
  await queue.close()
  await work
  t.equal((await bench.other().queue('q').explain(id))!.state, 'terminal')
})

t.test('QueueControl: a record whose time is over is not handed out', async t => {
  await using bench = await startQueueBench()
  await bench.queue.send({ value: 'old', ttlMs: 1 })
  await new Promise(resolve => setTimeout(resolve, 20))
  await bench.queue.send({ value: 'new' })
  t.same((await bench.queue.receive({ waitMs: 5_000 })).map(({ value }) => value), ['new'])
})

t.test('QueueControl: stats and explain say where everything is', async t => {
  await using bench = await startQueueBench({ partitions: 2, order: 'key' })
  const { queue } = bench
  const first = await queue.send({ key: 'k', value: '0' })
  const second = await queue.send({ key: 'k', value: '1', delayMs: 60_000 })
  const [record] = await queue.receive({ maxRecords: 1, waitMs: 5_000 })
  t.equal(record!.id, first.id)
  t.match(await queue.explain(first.id), { state: 'leased', failures: 0, maxAttempts: 5, partition: first.partition })
  t.equal(await queue.explain(`${first.partition}:99`), null, 'no such record')
  const stats = await queue.stats()
  t.match(stats, { leased: 1, acknowledged: 0, paused: false })
  t.equal(stats.partitions.length, 2)
  t.equal(await record!.ack(), 'ok')
  t.same(await queue.receive({ waitMs: 0 }), [], 'delayed')
  t.match(await queue.explain({ key: 'k' }), { offset: second.offset, state: 'delayed' })
  t.equal(await queue.explain({ key: 'nobody' }), null)
  t.equal((await queue.stats()).acknowledged, 1)
})

t.test('QueueControl: peek shows records with their data and leases nothing', async t => {
  await using bench = await startQueueBench({ partitions: 2 })
  const { queue } = bench
  await queue.sendBatch(upTo(10).map(value => ({ key: value, value })))
  const [leased] = await queue.receive({ maxRecords: 1, waitMs: 5_000 })
  const records = await queue.peek()
  t.same(records.map(({ value }) => value).sort(), upTo(10))
  t.equal(records.find(({ id }) => id === leased!.id)!.state, 'leased')
  t.equal((await queue.peek({ maxRecords: 3 })).length, 3)
  t.same((await queue.peek({ states: ['leased'] })).map(({ id }) => id), [leased!.id])
  await t.rejects(queue.peek({ maxRecords: 0 }), { code: 'INVALID', message: /maxRecords must be a number from 1 to 1000/ })
  await t.rejects(queue.peek({ partitions: [7] }), { code: 'INVALID', message: /use 0 to 1/ })
})

t.test('QueueControl: pause, resume, purge', async t => {
  await using bench = await startQueueBench({ partitions: 2 })
  const { queue } = bench
  await queue.pause()
  await queue.sendBatch(upTo(10).map(value => ({ key: value, value })))
  t.same(await queue.receive({ waitMs: 50 }), [])
  t.equal((await queue.stats()).paused, true)
  await queue.resume()
  const [record] = await queue.receive({ maxRecords: 1, waitMs: 5_000 })
  t.equal(await queue.purge(), 10)
  t.equal(await record!.ack(), 'already-settled')
  t.same(await queue.receive({ waitMs: 50 }), [])
})

t.test('QueueControl: a key that a poison record stops goes on when it is told to', async t => {
  await using bench = await startQueueBench({ order: 'key', poison: 'hold', maxAttempts: 1 })
  const { queue } = bench
  await queue.sendBatch(['poison', 'next'].map(value => ({ key: 'k', value })))
  const [record] = await queue.receive({ maxRecords: 1, waitMs: 5_000 })
  t.equal(await record!.nack({ reason: 'broken' }), 'ok')
  t.same(await queue.receive({ waitMs: 50 }), [], 'the key stands still')
  t.equal(await queue.resumeKey('other'), false)
  t.equal(await queue.resumeKey('k', { skip: true }), true)
  t.same((await queue.receive({ waitMs: 5_000 })).map(({ value }) => value), ['next'])
})

t.test('QueueControl: what names no record is refused', async t => {
  await using bench = await startQueueBench()
  const { queue } = bench
  for (const id of ['', '0', '0:', ':1', '0:1:2', 'a:b', '0:-1']) {
    await t.rejects(queue.cancel(id), { code: 'INVALID', message: /PARTITION:OFFSET/ }, id)
  }
  await t.rejects(queue.cancel('7:0'), { code: 'INVALID', message: /use 0 to 0/ })
  await t.rejects(queue.explain({ partition: 0, offset: -1 }), { code: 'INVALID' })
  for (const target of [undefined, null, 7, {}, { offset: 1 }, { dedupId: '' }, { dedupId: 5 }, { key: 'a' }]) {
    await t.rejects(queue.cancel(target as never), { code: 'INVALID' }, JSON.stringify(target))
  }
  await t.rejects(queue.explain({} as never), { code: 'INVALID', message: /one of partition and offset, dedupId, key/ })
  for (const to of [undefined, null, {}, { delayMs: 1, at: new Date() }]) {
    await t.rejects(queue.reschedule('0:0', to as never), { code: 'INVALID', message: /delayMs/ }, JSON.stringify(to))
  }
  await t.rejects(queue.reschedule('0:0', { delayMs: -5 }), { code: 'INVALID', message: /delayMs must be a number from 0 to/ })
  await t.rejects(queue.reschedule('0:0', { at: new Date('2999-01-01') }), { code: 'INVALID', message: /365 days/ })
})
