import { ERROR, type SettleAnswer } from '@sluice/protocol'
import t from 'tap'
import { resolveOptions, type ClientOptions } from '../client-options.js'
import { Cluster } from '../connection/cluster.js'
import { EventHub } from '../events.js'
import { ScriptedBroker, type Interception, type SeenRequest } from '../testing/scripted-broker.js'
import { until } from '../testing/stored-values.js'
import type { LeaseName } from './settle-lane.js'
import { Settler } from './settler.js'

interface Bench extends AsyncDisposable {
  broker: ScriptedBroker
  settler: Settler
  lease (offset: number, partition?: number): LeaseName
  /** Items of all settles seen, as `kind offset+count`. */
  said (): string[]
}

/** A broker that answers every settle with `answerOf` each record, where `intercept` does nothing else. */
async function setUp (
  options: Partial<ClientOptions> = {},
  answerOf: (kind: string, offset: number) => SettleAnswer = () => 'ok',
  intercept: (request: SeenRequest) => Interception | undefined = () => undefined,
): Promise<Bench> {
  const broker = await ScriptedBroker.start()
  const { topicId } = broker.addTopic('q', 2)
  const retry = { initialDelayMs: 1, maxDelayMs: 5 }
  const settings = resolveOptions({ brokers: [broker.address], retry, ...options })
  const cluster = new Cluster(settings, new EventHub(settings.logger))
  await cluster.metadata.topic('q')
  broker.intercept = request => {
    if (request.api !== 'settle') return undefined
    return intercept(request) ?? {
      action: 'answer',
      message: {
        results: request.message.partitions.map((part: any) => ({
          partition: part.partition,
          error: 0,
          message: '',
          answers: part.items.flatMap((item: any) => Array.from({ length: item.count }, (_, index) =>
            ({ count: 1, answer: answerOf(item.kind, item.offset + index) }))),
        })),
      },
    }
  }
  return {
    broker,
    settler: new Settler(cluster, 'q', ''),
    lease: (offset, partition = 0) => ({ topicId, partition, offset, leaseEpoch: 1, leaseSequence: offset + 100 }),
    said: () => broker.requests('settle').flatMap(({ message }) => message.partitions.flatMap((part: any) =>
      part.items.map((item: any) => `${item.kind} ${part.partition}:${item.offset}+${item.count}`))),
    async [Symbol.asyncDispose] () {
      cluster.close()
      await broker[Symbol.asyncDispose]()
    },
  }
}

t.test('Settler: what is said in one turn goes in one request, neighbours as one run', async t => {
  await using bench = await setUp()
  const { settler, lease, said } = bench
  const outcomes = [0, 1, 2, 5].map(offset => settler.settle(lease(offset), 'ack'))
  outcomes.push(settler.settle(lease(6), 'nack', 50, 'why'), settler.settle(lease(0, 1), 'ack'))
  t.same(await Promise.all(outcomes), Array.from({ length: 6 }, () => 'ok'))
  t.equal(bench.broker.requests('settle').length, 1)
  t.same(said(), ['ack 0:0+3', 'ack 0:5+1', 'nack 0:6+1', 'ack 1:0+1'])
})

t.test('Settler: what may be held shares requests, and goes by itself in the end', async t => {
  await using bench = await setUp()
  const { settler, lease, said } = bench
  const startMs = performance.now()
  for (let offset = 0; offset < 300; offset++) {
    settler.tellSoon(lease(offset), 'ack')
    await new Promise(resolve => { setImmediate(resolve) })
  }
  await settler.idle()
  // One for each 5 ms; timers count whole milliseconds.
  t.ok(bench.broker.requests('settle').length <= 2 + (performance.now() - startMs) / 4)
  const counts = said().map(text => Number(text.split('+')[1]))
  t.equal(counts.reduce((sum, count) => sum + count, 0), 300)
})

t.test('Settler: what is held goes along with what is not, and in its place', async t => {
  await using bench = await setUp()
  const { settler, lease, said } = bench
  settler.tellSoon(lease(0), 'ack')
  await settler.idle()
  settler.tellSoon(lease(4), 'ack')
  settler.tellSoon(lease(7, 1), 'ack')
  t.equal(await settler.settle(lease(5), 'nack'), 'ok')
  await settler.idle()
  t.same(said(), ['ack 0:0+1', 'ack 0:4+1', 'nack 0:5+1', 'ack 1:7+1'])
  t.equal(bench.broker.requests('settle').length, 2)
})

t.test('Settler: what is held is sent again as all else is', async t => {
  let failures = 0
  await using bench = await setUp({}, () => 'ok', () => failures++ < 2 ? { action: 'close' } : undefined)
  const { settler, lease, said } = bench
  for (let offset = 0; offset < 5; offset++) settler.tellSoon(lease(offset), 'ack')
  await settler.idle()
  t.equal(said().at(-1), 'ack 0:0+5')
  t.equal(failures, 3)
})

t.test('Settler: a stopped one forgets what is held', async t => {
  await using bench = await setUp()
  const { settler, lease, said } = bench
  const { BrokerError } = await import('../broker-error.js')
  settler.tellSoon(lease(0), 'ack')
  await settler.idle()
  settler.tellSoon(lease(1), 'ack')
  settler.stop(new BrokerError('CLOSED', 'the queue is closed'))
  settler.tellSoon(lease(2), 'ack')
  await settler.idle()
  await new Promise(resolve => { setTimeout(resolve, 20) })
  t.same(said(), ['ack 0:0+1'])
})

t.test('Settler: each answer is told as what it is', async t => {
  const answers: SettleAnswer[] = ['ok', 'lateOk', 'alreadySettled', 'staleLease', 'unknown', 'outOfOrder']
  await using bench = await setUp({}, (_kind, offset) => answers[offset]!)
  const results = await Promise.allSettled(answers.map((_answer, offset) => bench.settler.settle(bench.lease(offset), 'ack')))
  t.same(results.slice(0, 3).map(result => result.status === 'fulfilled' && result.value), ['ok', 'late', 'already-settled'])
  t.match(results.slice(3), [
    { reason: { code: 'LEASE', topic: 'q', partition: 0, offset: 3 } },
    { reason: { code: 'INVALID', message: /never given out/ } },
    { reason: { code: 'INVALID', message: /earlier record of the key.*the lease is kept/ } },
  ])
})

t.test('Settler: what a busy broker cannot tell is asked again, that record only', async t => {
  let tries = 0
  await using bench = await setUp({}, (_kind, offset) => offset === 1 && ++tries < 4 ? 'busy' : 'ok')
  const outcomes = await Promise.all([0, 1, 2].map(offset => bench.settler.settle(bench.lease(offset), 'ack')))
  t.same(outcomes, ['ok', 'ok', 'ok'])
  t.same(bench.said(), ['ack 0:0+3', 'ack 0:1+1', 'ack 0:1+1', 'ack 0:1+1'])
})

t.test('Settler: after a lost connection everything is said again, in the old order, before what came later', async t => {
  let cuts = 2
  await using bench = await setUp({}, () => 'ok', () => cuts-- > 0 ? { action: 'close' } : undefined)
  const { settler, lease } = bench
  const first = [settler.settle(lease(0), 'ack'), settler.settle(lease(3), 'reject', -1, 'no')]
  await until(() => bench.broker.requests('settle').length === 1)
  const second = settler.settle(lease(1), 'ack')
  t.same(await Promise.all([...first, second]), ['ok', 'ok', 'ok'])
  t.same(bench.said().slice(-3), ['ack 0:0+1', 'reject 0:3+1', 'ack 0:1+1'])
})

t.test('Settler: a leader that is none any more is looked for', async t => {
  let refusals = 1
  await using bench = await setUp({}, () => 'ok', ({ message }) => refusals-- > 0
    ? {
        action: 'answer',
        message: { results: message.partitions.map(({ partition }: any) => ({ partition, error: ERROR.NOT_LEADER, message: '', answers: [] })) },
      }
    : undefined)
  const before = bench.broker.requests('metadata').length
  t.equal(await bench.settler.settle(bench.lease(0), 'ack'), 'ok')
  t.ok(bench.broker.requests('metadata').length > before)
})

t.test('Settler: gives up at its deadline, and says that it may have counted', async t => {
  await using bench = await setUp({ requestTimeoutMs: 100 }, () => 'ok', () => ({ action: 'ignore' }))
  await t.rejects(bench.settler.settle(bench.lease(0), 'ack'), {
    code: 'TIMEOUT', retriable: true, maybeApplied: true, message: /ack of record 0:0 of queue q/, offset: 0,
  })
  await bench.settler.idle()
})

t.test('Settler: with one attempt allowed there is one', async t => {
  await using bench = await setUp({ retry: false }, () => 'ok', () => ({ action: 'close' }))
  await t.rejects(bench.settler.settle(bench.lease(0), 'ack'), { code: 'CONNECTION', maybeApplied: true })
  t.equal(bench.broker.requests('settle').length, 1)
})

t.test('Settler: an answer that does not fit its question settles nothing', async t => {
  await using bench = await setUp({}, () => 'ok', ({ message }) => ({
    action: 'answer',
    message: { results: message.partitions.map(({ partition }: any) => ({ partition, error: 0, message: '', answers: [] })) },
  }))
  await t.rejects(bench.settler.settle(bench.lease(0), 'ack'), { code: 'PROTOCOL', maybeApplied: true, message: /left records out/ })
})

t.test('Settler: a stopped one takes nothing, and leaves nobody waiting', async t => {
  await using bench = await setUp({}, () => 'ok', () => ({ action: 'ignore' }))
  const { settler, lease } = bench
  const { BrokerError } = await import('../broker-error.js')
  const error = new BrokerError('CLOSED', 'the queue is closed')
  const waiting = settler.settle(lease(0), 'ack')
  settler.stop(error)
  await t.rejects(waiting, { code: 'CLOSED' })
  await t.rejects(settler.settle(lease(1), 'ack'), { code: 'CLOSED' })
  await settler.idle()
})

t.test('Settler: thousands of records go in requests that the broker takes', async t => {
  await using bench = await setUp()
  const outcomes = await Promise.all(Array.from({ length: 10_000 }, (_, index) =>
    bench.settler.settle(bench.lease(index), index % 7 === 0 ? 'release' : 'ack')))
  t.equal(outcomes.length, 10_000)
  for (const { message } of bench.broker.requests('settle')) {
    const items: { count: number }[] = message.partitions.flatMap((part: any) => part.items)
    t.ok(items.reduce((sum, { count }) => sum + count, 0) <= 10_000)
  }
})

t.test('Settler: whoever keeps leases is told of what no broker may have heard, and of nothing else', async t => {
  let isDeaf = false
  const answers: Record<string, SettleAnswer> = { nack: 'staleLease', reject: 'alreadySettled' }
  await using bench = await setUp({ requestTimeoutMs: 60 }, kind => answers[kind] ?? 'ok', () => isDeaf ? { action: 'ignore' } : undefined)
  const { settler, lease } = bench
  const unheard: number[] = []
  settler.onUnheard.add(saidAtMs => { unheard.push(saidAtMs) })
  await Promise.allSettled(['ack', 'nack', 'reject'].map((kind, offset) => settler.settle(lease(offset), kind as 'ack')))
  t.strictSame(unheard, [], 'these have their answers')
  isDeaf = true
  const startMs = performance.now()
  await t.rejects(settler.settle(lease(7), 'extend'), { code: 'TIMEOUT' })
  t.strictSame(unheard, [], 'it goes on without that')
  const saidMs = performance.now()
  settler.tell(lease(8), 'ack')
  await settler.idle()
  t.equal(unheard.length, 1)
  t.ok(unheard[0]! >= saidMs - 1 && unheard[0]! < startMs + 10_000)
  const { BrokerError } = await import('../broker-error.js')
  settler.tell(lease(9), 'ack')
  settler.stop(new BrokerError('CLOSED', 'the queue is closed'))
  t.equal(unheard.length, 1, 'nor where all is over')
})
