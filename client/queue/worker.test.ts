import { tracingChannel } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { string } from '../serdes.js'
import { startQueueBench, type QueueBench } from '../testing/queue-bench.js'
import { until } from '../testing/stored-values.js'
import type { InRecord } from '../records.js'
import type { LeasedRecord } from './queue-records.js'

const upTo = (end: number): string[] => Array.from({ length: end }, (_, index) => String(index))

t.test('Worker: a return is an ack, a throw a retry with its reason', async t => {
  await using bench = await startQueueBench({ partitions: 2 })
  const { queue } = bench
  await queue.sendBatch(upTo(50).map(value => ({ value })))
  const tries = new Map<string, number>()
  const done: string[] = []
  const work = queue.work(async ({ value, deliveries }) => {
    const count = (tries.get(value!) ?? 0) + 1
    tries.set(value!, count)
    t.equal(deliveries, count)
    if (count < 3 && Number(value) % 10 === 0) throw new Error(`not yet ${value}`)
    done.push(value!)
  }, { concurrency: 4 })
  await until(() => done.length >= 50)
  await queue.close()
  await work
  t.same(done.sort(), upTo(50).sort(), 'each once')
  t.equal(tries.get('10'), 3)
  t.same(await bench.other().queue('q').receive({ waitMs: 50 }), [], 'all acknowledged')
})

t.test('Worker: at most so many handlers run at a time, and that many do', async t => {
  await using bench = await startQueueBench({ partitions: 3 })
  await bench.queue.sendBatch(upTo(60).map(value => ({ value })))
  let running = 0
  let most = 0
  let done = 0
  const work = bench.queue.work(async () => {
    most = Math.max(most, ++running)
    await sleep(2)
    running--
    done++
  }, { concurrency: 7 })
  await until(() => done === 60)
  await bench.queue.close()
  await work
  t.equal(most, 7)
})

t.test('Worker: synchronous handlers, and thousands of records', async t => {
  await using bench = await startQueueBench({ partitions: 2 })
  const seen = new Set<string>()
  let calls = 0
  const work = bench.queue.work(record => {
    calls++
    seen.add(record.value!)
    if (record.value === '7' && record.deliveries === 1) throw new Error('at once')
  }, { concurrency: 100 })
  const results = await bench.queue.sendBatch(upTo(5_000).map(value => ({ value })))
  t.ok(results.every(({ ok }) => ok))
  await until(() => calls === 5_001)
  await bench.queue.close()
  await work
  t.equal(seen.size, 5_000)
})

t.test('Worker: handlers that hang hold up nothing but their own records', async t => {
  await using bench = await startQueueBench({ partitions: 2 })
  const { queue } = bench
  const hung = new Set<() => void>()
  let done = 0
  const work = queue.work(({ value }) => {
    if (Number(value) % 500 === 0) return new Promise<void>(resolve => { hung.add(resolve) })
    done++
  }, { concurrency: 20 })
  await queue.sendBatch(upTo(5_000).map(value => ({ value })))
  await until(() => done === 4_990)
  t.equal(hung.size, 10, 'all others are done while these still hang')
  // Acks follow their handlers: what is left in the ledger is what hangs, however many records have passed it.
  let stats = await queue.stats()
  while (stats.leased !== 10) stats = await queue.stats()
  t.equal(stats.ready, 0)
  for (const release of hung) release()
  await queue.close()
  await work
  t.same(await bench.other().queue('q').receive({ waitMs: 50 }), [], 'all acknowledged')
})

t.test('Worker: what a handler says itself counts, whatever it returns or throws', async t => {
  await using bench = await startQueueBench({ maxAttempts: 2 })
  const { queue } = bench
  await queue.sendBatch(upTo(5).map(value => ({ value })))
  const outcomes: Record<string, string> = {}
  let calls = 0
  const work = queue.work(async record => {
    calls++
    if (record.value === '0') outcomes.ack = await record.ack()
    if (record.value === '1' && record.deliveries === 1) outcomes.nack = await record.nack({ delayMs: 0 })
    if (record.value === '2') outcomes.reject = await record.reject('no use')
    if (record.value === '3' && record.deliveries === 1) outcomes.release = await record.release()
    if (record.value === '4') outcomes.extend = await record.extend(5_000)
    if (record.value === '0') throw new Error('after the ack')
  }, { concurrency: 5 })
  await until(() => calls === 7)
  await queue.close()
  await work
  t.same(outcomes, { ack: 'ok', nack: 'ok', reject: 'ok', release: 'ok', extend: 'ok' })
  t.same(await bench.other().queue('q').receive({ waitMs: 50 }), [])
})

t.test('Worker: leases last for as long as their handlers run', async t => {
  await using bench = await startQueueBench({ visibilityMs: 1_000, sessionTimeoutMs: 1_000 })
  const { queue } = bench
  await queue.send({ value: 'slow' })
  let calls = 0
  let signal: AbortSignal | null = null
  const work = queue.work(async record => {
    calls++
    signal = record.signal
    await sleep(3_000)
  }, { concurrency: 2 })
  await until(() => calls > 0)
  t.same(await bench.other().queue('q').receive({ waitMs: 2_500 }), [], 'nobody else gets it')
  await queue.close()
  await work
  t.equal(calls, 1)
  t.equal(signal!.aborted, false)
  t.same(bench.warnings, [])
})

t.test('Worker: whatever a handler throws or returns, its record is settled and the work goes on', async () => {
  await using bench = await startQueueBench({ maxAttempts: 1 })
  const outcomes: Record<string, () => unknown> = {
    nothing: () => Promise.reject(undefined), // eslint-disable-line prefer-promise-reject-errors
    bare: () => { throw Object.create(null) },
    twice: () => ({ then (resolve: () => void) { resolve(); resolve() } }),
    throwing: () => ({ then () { throw new Error('no then') } }),
    hostile: () => ({ get then () { throw new Error('no getter') } }),
    last: () => 'fine',
  }
  await bench.queue.sendBatch(Object.keys(outcomes).map(value => ({ value })))
  const work = bench.queue.work(({ value }) => outcomes[value!]!(), { concurrency: 3 })
  await until(async () => {
    const { acknowledged, archived } = await bench.queue.stats()
    return acknowledged === 2 && archived === 4
  })
  await bench.queue.close()
  await work
})

t.test('Worker: leases that are shorter than the time between heartbeats last as long', async t => {
  await using bench = await startQueueBench({ visibilityMs: 1_000 })
  await bench.queue.send({ value: 'slow' })
  let calls = 0
  const work = bench.queue.work(async () => {
    calls++
    await sleep(2_500)
  })
  await until(async () => (await bench.queue.stats()).acknowledged === 1)
  await bench.queue.close()
  await work
  t.equal(calls, 1)
  t.same(bench.warnings, [])
})

t.test('Worker: a handler that takes too long is told, and its record tried again', async t => {
  await using bench = await startQueueBench()
  await bench.queue.send({ value: 'a' })
  const reasons: unknown[] = []
  let done = false
  const work = bench.queue.work(async ({ signal, deliveries }) => {
    if (deliveries === 2) {
      done = true
      return
    }
    await sleep(20_000, undefined, { signal }).catch(() => { reasons.push(signal.reason) })
  }, { timeoutMs: 20 })
  await until(() => done)
  await bench.queue.close()
  await work
  t.match(reasons, [{ code: 'TIMEOUT', message: /took longer than timeoutMs \(20 ms\)/ }])
})

t.test('Worker: a closing queue lets handlers finish and gives the rest to others at once', async t => {
  await using bench = await startQueueBench()
  const { queue } = bench
  await queue.sendBatch(upTo(20).map(value => ({ value })))
  const begun: string[] = []
  const finished: string[] = []
  const work = queue.work(async ({ value }) => {
    begun.push(value!)
    await sleep(50)
    finished.push(value!)
  }, { concurrency: 2, prefetch: 10 })
  await until(() => begun.length === 2)
  await queue.close()
  await work
  t.same(finished, begun)
  const rest = await bench.other().queue('q', { value: string() }).receive({ waitMs: 5_000 })
  t.equal(rest.length, 20 - finished.length)
  t.ok(rest.every(({ value }) => !finished.includes(value!)))
})

t.test('Worker: handlers that do not finish in time are told, and their records go to others', async t => {
  await using bench = await startQueueBench({ disconnectGraceMs: 0 })
  const { queue } = bench
  await queue.send({ value: 'a' })
  let signal: AbortSignal | null = null
  const work = queue.work(async record => {
    signal = record.signal
    await new Promise(() => {})
  })
  await until(() => signal !== null)
  await queue.close({ drainTimeoutMs: 20 })
  await work
  t.match(signal!.reason, { code: 'LEASE', message: /was closed here/ })
  const [record] = await bench.other().queue('q').receive({ waitMs: 10_000 })
  t.equal(record!.deliveries, 2)
})

t.test('Worker: its signal ends it, with the reason', async t => {
  await using bench = await startQueueBench()
  await bench.queue.sendBatch(upTo(3).map(value => ({ value })))
  const stop = new AbortController()
  let done = 0
  const work = bench.queue.work(async () => {
    stop.abort(new Error('that is all'))
    await sleep(5)
    done++
  }, { signal: stop.signal })
  await t.rejects(work, { message: 'that is all' })
  t.equal(done, 1, 'the running one has finished')
  await t.rejects(bench.queue.work(() => {}, { signal: stop.signal }), { message: 'that is all' })
  t.equal((await bench.queue.receive({ waitMs: 5_000 })).length, 2, 'the queue goes on')
})

t.test('Worker: an ordered queue keeps the order of each key, through failures and releases', async t => {
  await using bench = await startQueueBench({ partitions: 3, order: 'key', maxAttempts: 10 })
  const keys = upTo(8).map(number => `key-${number}`)
  for (const value of upTo(15)) await bench.queue.sendBatch(keys.map(key => ({ key, value })))
  const done = new Map<string, string[]>(keys.map(key => [key, []]))
  const running = new Set<string>()
  const stumbled = new Set<string>()
  let count = 0
  const handle = async ({ key, value, id }: LeasedRecord<string, string>): Promise<void> => {
    t.notOk(running.has(key!), 'one at a time')
    running.add(key!)
    await sleep(Math.random() * 3)
    running.delete(key!)
    if (Number(value) % 5 === 2 && !stumbled.has(id)) {
      stumbled.add(id)
      throw new Error('try me again')
    }
    done.get(key!)!.push(value!)
    count++
  }
  const work = bench.queue.work(handle, { concurrency: 6, prefetch: 50 })
  const other = bench.other().queue('q', { key: string(), value: string() })
  const otherWork = other.work(handle, { concurrency: 6, prefetch: 50 })
  await until(() => count >= 120)
  await Promise.all([bench.queue.close(), other.close()])
  await Promise.all([work, otherWork])
  for (const [key, values] of done) t.same(values, upTo(15), key)
})

t.test('Worker: keys of an ordered queue do not wait for each other', async t => {
  await using bench = await startQueueBench({ order: 'key' })
  await bench.queue.sendBatch([{ key: 'slow', value: '0' }, { key: 'slow', value: '1' }, ...upTo(20).map(value => ({ key: value, value }))])
  let release!: () => void
  const held = new Promise<void>(resolve => { release = resolve })
  const seen: string[] = []
  const work = bench.queue.work(async ({ key, value }) => {
    if (key === 'slow' && value === '0') await held
    seen.push(`${key}/${value}`)
  }, { concurrency: 2, prefetch: 100 })
  await until(() => seen.length === 20)
  release()
  await until(() => seen.length === 22)
  await bench.queue.close()
  await work
  t.same(seen.slice(20), ['slow/0', 'slow/1'])
})

t.test('Worker: a blocked event loop is told of, with the record that did it, and costs no lease', async t => {
  await using bench = await startQueueBench({ sessionTimeoutMs: 1_000 })
  await bench.queue.sendBatch(upTo(5).map(value => ({ value })))
  const blocked: object[] = []
  bench.client.on('blocked', event => { blocked.push(event) })
  const deliveries: number[] = []
  const work = bench.queue.work(record => {
    deliveries.push(record.deliveries)
    if (record.value === '2' && blocked.length === 0) {
      const endMs = performance.now() + 900
      while (performance.now() < endMs);
    }
  }, { concurrency: 5 })
  await until(() => deliveries.length === 5 && blocked.length > 0)
  await bench.queue.close()
  await work
  t.match(blocked[0], { group: 'q', sessionTimeoutMs: 999, record: { topic: 'q', partition: 0, offset: 2 } })
  t.same(deliveries, [1, 1, 1, 1, 1])
})

t.test('Worker: two share a queue, and one goes on with everything when the other is gone', async () => {
  await using bench = await startQueueBench({ partitions: 2, disconnectGraceMs: 0 })
  const gone = bench.other()
  const mute = gone.queue('q').work(() => new Promise(() => {}), { concurrency: 10 })
  mute.catch(() => {})
  await bench.queue.sendBatch(upTo(10).map(value => ({ value })))
  const seen = new Set<string>()
  const work = bench.queue.work(({ value }) => { seen.add(value!) }, { concurrency: 4 })
  await sleep(50)
  await gone.close({ drainTimeoutMs: 0 })
  await until(() => seen.size === 10)
  await bench.queue.close()
  await work
})

t.test('Worker: handler calls are told of on the tracing channel, and handlers of streams fit', async t => {
  await using bench = await startQueueBench()
  await bench.queue.sendBatch(upTo(2).map(value => ({ value })))
  const told: unknown[] = []
  const channel = tracingChannel('sluice:client:handle')
  const listeners = {
    start: (message: any) => { told.push(['start', message.group, message.record.id]) },
    error: (message: any) => { told.push(['error', message.error.message, message.record.id]) },
    end: () => {},
    asyncStart: () => {},
    asyncEnd: (message: any) => { told.push(['end', message.record.id]) },
  }
  channel.subscribe(listeners)
  t.teardown(() => { channel.unsubscribe(listeners) })
  let calls = 0
  // What is written for a stream: a record of a queue has all that it needs.
  const handler = async (record: InRecord<string, string>): Promise<void> => {
    calls++
    if (record.offset === 1 && record.attempt === 1) throw new Error('once')
  }
  const work = bench.queue.work(handler)
  await until(() => calls === 3)
  await bench.queue.close()
  await work
  t.same(told, [
    ['start', 'q', '0:0'], ['end', '0:0'], ['start', 'q', '0:1'], ['error', 'once', '0:1'], ['end', '0:1'], ['start', 'q', '0:1'],
    ['end', '0:1'],
  ])
})

t.test('Worker: a lost lease is told as an event, and its handler by its signal', async t => {
  await using bench = await startQueueBench({ disconnectGraceMs: 200 })
  const { client, queue, broker } = bench
  await queue.send({ value: 'a' })
  const events: object[] = []
  client.on('leaseLost', event => { events.push(event) })
  let reason: unknown = null
  const work = queue.work(async ({ signal }) => {
    await new Promise(resolve => { signal.addEventListener('abort', resolve) })
    reason = signal.reason
  })
  await until(() => bench.proxy.connectionCount > 0)
  await queue.stats()
  await sleep(50)
  await broker.stop()
  await until(() => reason !== null)
  t.match(reason, { code: 'LEASE', message: /no connection to broker/ })
  t.match(events, [{ topic: 'q', partition: 0, offset: 0, error: { code: 'LEASE' } }])
  await broker.restart()
  await queue.close()
  await work
})

const TAKEN_AWAY = {
  'its queue is purged': ({ other }: QueueBench) => other().queue('q').purge(),
  'retention or an operator deletes it': ({ other }: QueueBench) => other().admin.deleteRecords('q', { 0: 1 }),
}

for (const [what, takeAway] of Object.entries(TAKEN_AWAY)) {
  t.test(`Worker: the handler of a record hears by the next heartbeat that ${what}`, async t => {
    await using bench = await startQueueBench({ sessionTimeoutMs: 1_000, visibilityMs: 3_600_000 })
    const { client, queue } = bench
    await queue.send({ value: 'taken' })
    const events: object[] = []
    client.on('leaseLost', event => { events.push(event) })
    const handled: string[] = []
    const reasons: unknown[] = []
    const work = queue.work(async ({ value, signal }) => {
      handled.push(value!)
      if (value !== 'taken') return
      await new Promise(resolve => { signal.addEventListener('abort', resolve) })
      reasons.push(signal.reason)
    })
    await until(() => handled.length === 1)
    await takeAway(bench)
    await until(() => reasons.length === 1)
    t.match(reasons, [{ code: 'LEASE' }])
    t.match(events, [{ topic: 'q', partition: 0, offset: 0, error: { code: 'LEASE' } }])
    await queue.send({ value: 'next' })
    await until(() => handled.length === 2)
    await queue.close()
    await work
    t.same(handled, ['taken', 'next'], 'the work goes on, and nothing comes twice')
  })
}
