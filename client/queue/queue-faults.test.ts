import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { connect } from '../client.js'
import { string } from '../serdes.js'
import { startQueueBench } from '../testing/queue-bench.js'
import { until } from '../testing/stored-values.js'

const upTo = (end: number): string[] => Array.from({ length: end }, (_, index) => String(index))

t.test('Faults: a session is taken up again over a cut connection, and its leases are kept', async t => {
  await using bench = await startQueueBench({ visibilityMs: 1_000, sessionTimeoutMs: 1_000 })
  const { queue, proxy } = bench
  await queue.send({ value: 'long' })
  const calls: number[] = []
  let signal: AbortSignal | null = null
  const work = queue.work(async record => {
    calls.push(record.deliveries)
    signal = record.signal
    await sleep(2_000)
  })
  await until(() => calls.length > 0)
  proxy.cut()
  t.same(await bench.other().queue('q').receive({ waitMs: 1_500 }), [], 'nobody else gets it')
  await queue.close()
  await work
  t.same(calls, [1])
  t.equal(signal!.aborted, false)
  t.same(await bench.other().queue('q').receive({ waitMs: 50 }), [], 'it was acknowledged')
})

t.test('Faults: what was fetched and not begun is given out again when the connection is lost', async t => {
  await using bench = await startQueueBench({ disconnectGraceMs: 60_000 })
  const { queue, proxy } = bench
  await queue.sendBatch(upTo(10).map(value => ({ value })))
  let open!: () => void
  const gate = new Promise<void>(resolve => { open = resolve })
  const begun = new Map<string, number>()
  const work = queue.work(async ({ value, deliveries }) => {
    t.notOk(begun.has(value!), 'no record is handled twice')
    begun.set(value!, deliveries)
    await gate
  }, { concurrency: 1, prefetch: 9 })
  await until(() => begun.size === 1)
  t.equal((await queue.stats()).leased, 10, 'it holds them all')
  proxy.cut()
  await until(() => proxy.connectionCount > 1)
  await queue.stats()
  open()
  await until(() => begun.size === 10)
  await queue.close()
  await work
  t.equal(begun.get('0'), 1, 'what was begun is kept')
  t.same([...begun.values()].slice(1), Array.from({ length: 9 }, () => 2))
  t.same(await bench.other().queue('q').receive({ waitMs: 50 }), [])
})

t.test('Faults: a settle that is cut off is said again, and counts once', async t => {
  await using bench = await startQueueBench()
  const { queue, proxy } = bench
  await queue.sendBatch(upTo(30).map(value => ({ value })))
  const records = await queue.receive({ waitMs: 5_000 })
  t.equal(records.length, 30)
  const outcomes = []
  for (const record of records) {
    const outcome = record.ack()
    await new Promise(resolve => setImmediate(resolve))
    if (record.offset % 3 === 0) proxy.cut()
    outcomes.push(await outcome)
  }
  t.ok(outcomes.every(outcome => outcome === 'ok' || outcome === 'already-settled'), String(new Set(outcomes)))
  t.same(await queue.receive({ waitMs: 50 }), [])
})

t.test('Faults: a record comes again whose end the broker has never heard of (cut off, nothing is retried)', async t => {
  const settings = { sessionTimeoutMs: 1_000, disconnectGraceMs: 200, maxAttempts: 1_000 }
  await using bench = await startQueueBench(settings, { retry: { maxAttempts: 1 } })
  const { proxy } = bench
  const queue = bench.other().queue('q', { key: string(), value: string() })
  await queue.sendBatch(upTo(20).map(value => ({ value })))
  const heard = new Set<number>()
  const unheard = new Set<number>()
  const work = bench.queue.work(async record => {
    const outcome = record.ack()
    await new Promise(resolve => setImmediate(resolve))
    if (unheard.size === 0) proxy.cut()
    await outcome.then(() => heard.add(record.offset), () => unheard.add(record.offset))
  }, { concurrency: 4 })
  await until(async () => {
    const { fresh, ready, delayed, leased } = await queue.stats()
    return fresh + ready + delayed + leased === 0
  })
  t.ok(unheard.size > 0)
  t.equal(new Set([...heard, ...unheard]).size, 20)
  await bench.queue.close()
  await work
})

t.test('Faults: receive and work go on over restarts of the broker; nothing acknowledged comes again', async t => {
  await using bench = await startQueueBench({ partitions: 2, disconnectGraceMs: 500, maxAttempts: 100 })
  const { queue } = bench
  const acked = new Set<string>()
  const again: string[] = []
  const work = queue.work(async record => {
    if (acked.has(record.value!)) again.push(record.value!)
    await sleep(Math.random() * 5)
    await record.ack()
    acked.add(record.value!)
  }, { concurrency: 10 })
  const sends: Promise<unknown>[] = []
  for (let round = 0; round < 4; round++) {
    for (const number of upTo(50)) sends.push(queue.send({ value: `${round}/${number}` }))
    await sleep(30)
    await bench.broker.restart()
  }
  await Promise.all(sends)
  await until(() => acked.size === 200)
  await queue.close()
  await work
  t.same(again, [])
  t.same(await bench.other().queue('q').receive({ waitMs: 100 }), [])
})

t.test('Faults: an ordered queue keeps its order over restarts and cut connections', async t => {
  await using bench = await startQueueBench({ partitions: 2, order: 'key', disconnectGraceMs: 300, maxAttempts: 100 })
  const { queue, proxy } = bench
  const keys = upTo(5)
  for (const value of upTo(20)) await queue.sendBatch(keys.map(key => ({ key, value })))
  const done = new Map<string, string[]>(keys.map(key => [key, []]))
  let count = 0
  const work = queue.work(async ({ key, value }) => {
    await sleep(1)
    const list = done.get(key!)!
    if (!list.includes(value!)) {
      list.push(value!)
      count++
    }
  }, { concurrency: 4, prefetch: 40 })
  for (let round = 0; round < 4; round++) {
    await sleep(40)
    if (round % 2 === 0) proxy.cut()
    else await bench.broker.restart()
  }
  await until(() => count === 100)
  await queue.close()
  await work
  for (const [key, values] of done) t.same(values, upTo(20), `key ${key}`)
})

t.test('Faults: without a broker a receive says so in the end, and a later one works', async t => {
  await using bench = await startQueueBench()
  await bench.queue.send({ value: 'a' })
  // Its time is short: nothing that takes a while on a busy machine is asked of it.
  await using hasty = connect({
    brokers: [bench.proxy.address], retry: { initialDelayMs: 1, maxDelayMs: 20 }, requestTimeoutMs: 300,
  })
  const queue = hasty.queue('q', { value: string() })
  await bench.broker.stop()
  await t.rejects(queue.receive({ waitMs: 10 }), { code: 'CONNECTION', retriable: true })
  await bench.broker.restart()
  const [record] = await queue.receive({ waitMs: 20_000 })
  t.equal(record!.value, 'a')
  await bench.broker.stop()
  await t.rejects(record!.ack(), { retriable: true, maybeApplied: false, message: /ack of record 0:0 of queue q/ })
})

t.test('Faults: who works on a queue that is deleted is told so', async t => {
  await using bench = await startQueueBench({})
  const { queue } = bench
  await queue.send({ value: 'one' })
  let handled = 0
  const work = queue.work(() => { handled++ })
  await until(() => handled === 1)
  const receive = bench.other().queue('q').receive({ waitMs: 10_000 }).then(() => {})
  const told = [work, receive].map(call =>
    t.rejects(call, { code: 'UNKNOWN_TOPIC', message: /queue q was deleted while it was worked on/ }))
  await bench.other().admin.deleteTopic('q')
  await Promise.all(told)
})
