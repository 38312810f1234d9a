import { ERROR, type LeaseNotice } from '@sluice/protocol'
import t from 'tap'
import { resolveOptions } from '../client-options.js'
import { Cluster } from '../connection/cluster.js'
import { EventHub } from '../events.js'
import { ScriptedBroker, type Interception, type SeenRequest } from '../testing/scripted-broker.js'
import { until } from '../testing/stored-values.js'
import { LeaseSession } from './lease-session.js'

interface Bench extends AsyncDisposable {
  broker: ScriptedBroker
  session: LeaseSession
  notices: LeaseNotice[]
  losses: string[]
  resumed: number
  disconnected: number
  hasLeases: boolean
  /** Heartbeats are answered by a broker that hears no majority. */
  unaffirmed: boolean
  /** All that is leased is led by others. */
  isElsewhere: boolean
  /** What the heartbeats are answered. */
  heartbeat: { heartbeatMs: number, notices: LeaseNotice[], more: boolean }
  /** What sessions are refused. */
  refuses: (request: SeenRequest) => boolean
  /** Sessions are opened when it is settled. */
  opens: Promise<unknown>
}

async function setUp (heartbeatMs = 30): Promise<Bench> {
  const broker = await ScriptedBroker.start()
  broker.addTopic('q')
  const settings = resolveOptions({ brokers: [broker.address], retry: { initialDelayMs: 1, maxDelayMs: 5 } })
  const cluster = new Cluster(settings, new EventHub(settings.logger))
  await cluster.metadata.topic('q')
  const bench: Bench = {
    broker,
    session: new LeaseSession(cluster, 'q', 'started', {
      hasLeases: () => bench.hasLeases,
      onNotice: notice => { bench.notices.push(notice) },
      onLost: why => { bench.losses.push(why) },
      onDisconnected: () => { bench.disconnected++ },
      onResumed: () => { bench.resumed++ },
      follow: async broker => broker === 1 && bench.isElsewhere,
    }),
    notices: [],
    losses: [],
    resumed: 0,
    disconnected: 0,
    hasLeases: true,
    unaffirmed: false,
    isElsewhere: false,
    heartbeat: { heartbeatMs, notices: [], more: false },
    refuses: () => false,
    opens: Promise.resolve(),
    async [Symbol.asyncDispose] () {
      await bench.session.close()
      cluster.close()
      await broker[Symbol.asyncDispose]()
    },
  }
  let sessions = 0
  broker.intercept = (request): Interception | undefined => {
    const { api, message } = request
    if (api !== 'openSession' && api !== 'heartbeatSession' && api !== 'closeSession') return undefined
    if (bench.refuses(request)) return { action: 'error', code: ERROR.UNKNOWN_SESSION }
    if (api === 'closeSession') return { action: 'answer', message: {} }
    if (api === 'heartbeatSession' && bench.unaffirmed) return { action: 'error', code: ERROR.NOT_ENOUGH_REPLICAS }
    if (api === 'heartbeatSession') return { action: 'answer', message: bench.heartbeat }
    const sessionId = message.sessionId === 0 ? ++sessions : message.sessionId
    return { action: 'answer', message: { sessionId, token: `token-${sessionId}`, heartbeatMs }, after: bench.opens }
  }
  return bench
}

const lost = (offset: number): LeaseNotice => ({
  topicId: '', partition: 0, group: '', kind: 'lost', offset, leaseEpoch: 1, leaseSequence: 1,
})

t.test('LeaseSession: is opened once however many ask, beats by itself, and is closed', async t => {
  await using bench = await setUp()
  const { broker, session } = bench
  await Promise.all([session.at(1), session.at(1), session.at(1)])
  t.equal(broker.requests('openSession').length, 1)
  t.match(broker.requests('openSession')[0]!.message, { sessionId: 0, token: '', leases: 'started' })
  await until(() => broker.requests('heartbeatSession').length >= 3)
  t.equal(session.sessionTimeoutMs, 90)
  await session.close()
  t.same(broker.requests('closeSession').map(({ message }) => message), [{ sessionId: 1 }])
  const beats = broker.requests('heartbeatSession').length
  await new Promise(resolve => setTimeout(resolve, 60))
  t.equal(broker.requests('heartbeatSession').length, beats, 'a closed session is silent')
  await t.rejects(session.at(1), { code: 'CLOSED' })
})

t.test('LeaseSession: an opening that fails is told to whoever asked, and to nobody else (no unhandled rejection)', async t => {
  await using bench = await setUp()
  bench.refuses = () => true
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => { unhandled.push(reason) }
  process.on('unhandledRejection', note)
  await t.rejects(bench.session.at(1), { code: 'LEASE' })
  await new Promise(resolve => { setImmediate(resolve) })
  process.off('unhandledRejection', note)
  t.strictSame(unhandled, [])
})

t.test('LeaseSession: passes on what heartbeats tell, and asks at once where there is more', async t => {
  await using bench = await setUp(50)
  await bench.session.at(1)
  bench.heartbeat = { heartbeatMs: 60_000, notices: [lost(7)], more: true }
  await until(() => bench.notices.length > 3)
  bench.heartbeat = { heartbeatMs: 60_000, notices: [], more: false }
  t.match(bench.notices[0], { kind: 'lost', offset: 7 })
})

t.test('LeaseSession: beats only where the broker asks for it', async t => {
  await using bench = await setUp(-1)
  await bench.session.at(1)
  t.equal(bench.session.sessionTimeoutMs, Infinity)
  bench.session.learn(1, 20, 500)
  t.equal(bench.session.graceMs, 500)
  await until(() => bench.broker.requests('heartbeatSession').length > 0)
})

t.test('LeaseSession: is given up in time where a broker does not know whether it leads, and nobody else does', async t => {
  await using bench = await setUp()
  bench.session.graceMs = 200
  await bench.session.at(1)
  await until(() => bench.broker.requests('heartbeatSession').length >= 2)
  bench.unaffirmed = true
  await until(() => bench.losses.length > 0)
  t.match(bench.losses, [/cannot tell whether it leads/])
})

t.test('LeaseSession: goes on with other leaders where a broker does not know whether it leads', async t => {
  await using bench = await setUp()
  bench.session.graceMs = 60
  bench.isElsewhere = true
  await bench.session.at(1)
  bench.unaffirmed = true
  await until(() => bench.session.brokers.length === 0)
  t.same(bench.losses, [])
  t.not(bench.session.id, 0)
})

t.test('LeaseSession: is taken up again when its connection is lost, with id and token', async t => {
  await using bench = await setUp()
  const connection = await bench.session.at(1)
  t.equal(bench.session.isOpenOn(connection), true)
  bench.broker.dropConnections()
  await until(() => bench.resumed === 1)
  t.equal(bench.disconnected, 1)
  t.equal(bench.session.isOpenOn(connection), false)
  t.match(bench.broker.requests('openSession')[1]!.message, { sessionId: 1, token: 'token-1', leases: 'started' })
  t.same(bench.losses, [])
})

t.test('LeaseSession: without leases a lost connection is left alone', async t => {
  await using bench = await setUp()
  await bench.session.at(1)
  bench.hasLeases = false
  bench.broker.dropConnections()
  await until(() => bench.disconnected === 1)
  await new Promise(resolve => setTimeout(resolve, 30))
  t.equal(bench.broker.requests('openSession').length, 1)
  await bench.session.at(1)
  t.match(bench.broker.requests('openSession')[1]!.message, { sessionId: 1 }, 'taken up when it is needed')
})

t.test('LeaseSession: one that the broker does not know any more is lost, and the next one is new', async t => {
  await using bench = await setUp()
  await bench.session.at(1)
  bench.refuses = ({ api, message }) => api !== 'openSession' || message.sessionId === 1
  await until(() => bench.losses.length === 1)
  t.match(bench.losses, ['the broker does not know the session any more'])
  await bench.session.at(1)
  t.equal(bench.session.id, 2)
  t.equal(bench.losses.length, 1)
})

t.test('LeaseSession: is lost where no broker can be reached for the grace', async t => {
  await using bench = await setUp()
  await bench.session.at(1)
  bench.session.learn(1, 30, 60)
  await bench.broker.stop()
  await until(() => bench.losses.length === 1)
  t.match(bench.losses, [/no connection to broker 1 within 60 ms/])
  t.equal(bench.session.id, 0)
  await bench.broker.resume()
  await until(() => bench.session.id === 2 || (bench.session.at(1).catch(() => {}), false))
})

t.test('LeaseSession: one that is lost stays lost (the answer that takes it up again comes later)', async t => {
  await using bench = await setUp()
  const { broker, session } = bench
  await session.at(1)
  session.learn(1, 30, 60)
  let open = (): void => {}
  bench.opens = new Promise<void>(resolve => { open = resolve })
  broker.dropConnections()
  await until(() => bench.losses.length === 1)
  t.match(broker.requests('openSession')[1]!.message, { sessionId: 1, token: 'token-1' })
  const beats = broker.requests('heartbeatSession').length
  open()
  await until(() => session.current(1) !== null || (session.at(1).catch(() => {}), false))
  t.equal(session.id, 2, 'its leases are over here: heartbeats would keep them from everybody else')
  t.equal(bench.resumed, 0)
  await until(() => broker.requests('heartbeatSession').length > beats)
  const kept = broker.requests('heartbeatSession').slice(beats).map(({ message }) => message.sessionId)
  t.strictSame([...new Set(kept)], [2])
})

t.test('LeaseSession: is lost where no broker heard how one of its leases ended, and not for one of an earlier session', async t => {
  await using bench = await setUp()
  const { session } = bench
  const beforeMs = performance.now()
  await session.at(1)
  session.onUnheard(beforeMs)
  t.equal(session.id, 1)
  session.onUnheard(performance.now())
  t.equal(session.id, 0)
  t.match(bench.losses, [/no broker could be told/])
  session.onUnheard(performance.now())
  t.equal(bench.losses.length, 1)
  await session.at(1)
  t.equal(session.id, 2)
})
