// What holders of leases and their sessions rely on, each as a story.

import t from 'tap'
import { NOTICE_KIND } from './lease-notices.js'
import { CHANGE_ANSWER } from './record-changes.js'
import { SESSION_FLAG } from './session-table.js'
import { SETTLE_ANSWER, SETTLE_KIND } from './queue-types.js'
import { receive, worldOf, type Handle } from './queue-world.test.double.js'

const { OK } = SETTLE_ANSWER
const { ack, nack, start } = SETTLE_KIND
const offsetsOf = (handles: readonly Handle[]): number[] => handles.map(({ offset }) => offset)

t.test('QueueGroup: a session that renews keeps its leases, also over a reconnect; one that is gone has failed', async t => {
  const world = worldOf()
  world.group.openSession(7, SESSION_FLAG.renews)
  world.append()
  receive(world, 7)
  for (let round = 0; round < 5; round++) {
    world.pass(3_000)
    world.group.heartbeat(7)
  }
  t.equal(world.group.stats().leased, 1, 'long after the visibility time')
  world.group.sessionDisconnected(7)
  world.pass(1_000)
  world.group.openSession(7, SESSION_FLAG.renews)
  world.pass(1_500)
  t.equal(world.group.stats().leased, 1)
  world.group.sessionDisconnected(7)
  world.pass(world.config.disconnectGraceMs + 100)
  t.match(world.group.stats(), { leased: 0 })
  t.match(world.group.state.notes.get(0), { attempts: [{ sessionId: 7, reason: 3 }] })
})

t.test('QueueGroup: heartbeats within the session timeout keep leases that are shorter than that', async t => {
  const world = worldOf({ visibilityMs: 1_000, sessionTimeoutMs: 10_000, leaseTotalMs: 60_000 })
  world.group.openSession(7, SESSION_FLAG.renews)
  world.append()
  receive(world, 7)
  for (let round = 0; round < 4; round++) {
    for (let step = 0; step < 9; step++) world.pass(1_000)
    world.group.heartbeat(7)
  }
  t.equal(world.group.stats().leased, 1)
  world.pass(10_000 + world.config.disconnectGraceMs + 200)
  t.match(world.group.stats(), { leased: 0 }, 'silence ends it')
})

t.test('QueueGroup: a prefetched record that no handler has started is not timed, and given back uncounted', async t => {
  const world = worldOf()
  world.group.openSession(7, SESSION_FLAG.explicitStart)
  world.append()
  world.append()
  const [first] = receive(world, 7)
  world.settleNow(start, first!)
  for (let round = 0; round < 4; round++) {
    world.pass(2_000)
    world.group.heartbeat(7)
  }
  t.equal(world.group.stats().leased, 1, 'the started one timed out')
  world.pass(30_000)
  t.match(world.group.explain(1), { state: 'ready', failures: 0, deliveries: 1 })
})

t.test('QueueGroup: what a session has not started when it is taken up again goes to others, uncounted', async t => {
  const world = worldOf()
  world.group.openSession(7, SESSION_FLAG.explicitStart | SESSION_FLAG.renews)
  world.append()
  world.append()
  const [first] = receive(world, 7)
  world.settleNow(start, first!)
  world.group.sessionDisconnected(7)
  world.group.giveBackUnstarted(7)
  world.endTurn()
  world.persist()
  t.equal(world.group.stats().leased, 1, 'the started one is kept')
  t.match(world.group.explain(1), { state: 'ready', failures: 0, deliveries: 1 })
  t.same(offsetsOf(receive(world, 1)), [1])
  t.equal(world.settleNow(ack, first!), OK)
  world.group.openSession(8, SESSION_FLAG.renews)
  world.append()
  receive(world, 8)
  world.group.giveBackUnstarted(8)
  t.match(world.group.explain(2), { state: 'leased' }, 'a session that does not say what it starts keeps all')
})

t.test('QueueGroup: a leased record that is cancelled is told to its holder and ends with its lease', async t => {
  const world = worldOf()
  world.append()
  const [handle] = receive(world, 1)
  let answer: unknown
  world.group.cancel(0, given => { answer = given })
  world.endTurn()
  world.persist()
  t.equal(answer, CHANGE_ANSWER.REQUESTED)
  t.match(world.group.noticesFor(1, 10), { notices: [{ kind: NOTICE_KIND.cancelRequested, offset: 0 }], more: false })
  t.same(world.group.noticesFor(2, 10).notices, [])
  t.equal(world.settleNow(nack, handle!), OK)
  t.equal(world.group.state.floor, 1)
})

t.test('QueueGroup: nobody is told that a lease is lost, or a session, before that is durable', async t => {
  const world = worldOf({ sessionTimeoutMs: 1_000, disconnectGraceMs: 1_000 })
  world.append()
  world.append()
  const [first] = receive(world, 1, 2)
  world.group.purge(() => {})
  world.endTurn()
  t.equal(world.group.explain(first!.offset).state, 'terminal')
  t.same(world.group.noticesFor(1, 10).notices, [], 'the next leader may have them leased')
  world.persist()
  t.equal(world.group.noticesFor(1, 10).notices.length, 2)
  world.group.sessionDisconnected(1)
  world.elapse(5_000)
  world.tick()
  t.equal(world.group.state.sessions.size, 0)
  world.endTurn()
  t.equal(world.group.heartbeat(1), true)
  world.persist()
  t.equal(world.group.heartbeat(1), false)
})

t.test('QueueGroup: a heartbeat renews a lease from the time it came, however long nothing has changed', async t => {
  const world = worldOf({ visibilityMs: 60_000, sessionTimeoutMs: 60_000, leaseTotalMs: 600_000 })
  world.append()
  world.group.openSession(9, SESSION_FLAG.renews)
  receive(world, 9)
  world.pass(50_000)
  world.group.heartbeat(9)
  world.pass(10_500)
  t.match(world.group.explain(0), { state: 'leased', timeLeftMs: 49_500 })
})

t.test('QueueGroup: a session that vanishes with very many leases loses them over several ticks', async t => {
  const world = worldOf({ maxInFlight: 50_000, visibilityMs: 300_000, backoffMinMs: 0, backoffMaxMs: 0 })
  for (let count = 0; count < 25_000; count++) world.append()
  world.group.openSession(9, 0)
  for (let count = 0; count < 25_000;) count += receive(world, 9, 10_000).length
  world.group.sessionDisconnected(9)
  const left: number[] = []
  world.pass(2_500)
  for (let tick = 0; tick < 4; tick++) {
    left.push(world.group.stats().leased)
    t.equal(world.group.nextDueMs <= world.monotonicMs, tick < 2, 'more is due at once while there is more')
    world.tick()
  }
  t.same(left, [15_000, 5_000, 0, 0])
  world.persist()
  t.notOk(world.group.heartbeat(9), 'it is forgotten')
  t.match(world.group.explain(24_999), { failures: 1 })
})

t.test('QueueGroup: a session that comes back while it loses its leases keeps the others', async t => {
  const world = worldOf({ maxInFlight: 50_000, visibilityMs: 300_000 })
  for (let count = 0; count < 25_000; count++) world.append()
  world.group.openSession(9, 0)
  for (let count = 0; count < 25_000;) count += receive(world, 9, 10_000).length
  world.group.sessionDisconnected(9)
  world.pass(2_500)
  t.ok(world.group.heartbeat(9))
  world.tick()
  world.tick()
  t.equal(world.group.stats().leased, 15_000)
})

t.test('QueueGroup: a lease that is over before it is durable is told to nobody (order key)', async t => {
  const world = worldOf({ order: 'key' })
  for (let lane = 1; lane <= 2; lane++) world.append({ lane })
  const told: number[][] = []
  world.receive(1, 1, handles => told.push(handles.map(({ offset }) => offset)))
  world.pass(world.config.visibilityMs - 100)
  world.receive(1, 1, handles => told.push(handles.map(({ offset }) => offset)))
  world.pass(200)
  world.persist()
  t.same(told, [[], [1]])
})
