// What consumers and operators rely on, each as a story.

import t from 'tap'
import { CHANGE_ANSWER } from './record-changes.js'
import { agesOf } from './queue-stats.js'
import { QUEUE_LIMITS, SETTLE_ANSWER, SETTLE_KIND } from './queue-types.js'
import { QueueWorld, itemOf, receive, worldOf, type Handle } from './queue-world.test.double.js'

const { OK, LATE_OK, ALREADY_SETTLED, STALE_LEASE, UNKNOWN, OUT_OF_ORDER } = SETTLE_ANSWER
const { ack, nack, release, reject, extend } = SETTLE_KIND
const offsetsOf = (handles: readonly Handle[]): number[] => handles.map(({ offset }) => offset)

t.test('QueueGroup: settling twice, late, or with a forged handle has the documented answer', async t => {
  const world = worldOf()
  for (let count = 0; count < 4; count++) world.append()
  const [first, second, third] = receive(world, 1, 3)
  t.equal(world.settleNow(ack, first!), OK)
  t.equal(world.settleNow(ack, first!), ALREADY_SETTLED, 'again')
  t.equal(world.settleNow(ack, { ...second!, leaseSequence: 99 }), UNKNOWN, 'never given out')
  t.equal(world.settleNow(ack, { ...second!, leaseEpoch: 9 }), UNKNOWN, 'of an epoch to come')
  t.equal(world.settleNow(ack, { ...second!, offset: 77 }), UNKNOWN, 'no such record')
  t.equal(world.settleNow(nack, second!, { delayMs: 0 }), OK)
  t.equal(world.settleNow(nack, second!, { delayMs: 0 }), ALREADY_SETTLED, 'a nack counts once')
  t.equal(world.settleNow(ack, second!), LATE_OK, 'nobody else had it since')
  t.equal(world.settleNow(release, third!), OK)
  t.same(offsetsOf(receive(world, 2, 1)), [2])
  t.equal(world.settleNow(ack, third!), STALE_LEASE, 'it is leased to another')
  t.equal(world.settleNow(extend, third!, { delayMs: 1 }), STALE_LEASE)
  t.equal(world.group.explain(2).state, 'leased')
})

t.test('QueueGroup: a record is known to be settled for good while other changes are on their way', async t => {
  const world = worldOf()
  for (let count = 0; count < 3; count++) world.append()
  const [, second, third] = receive(world, 1)
  t.equal(world.settleNow(ack, second!), OK)
  world.group.settle([itemOf(ack, third!)], () => {})
  world.endTurn()
  t.ok(world.group.isSettledDurably(1), 'this answer was given')
  t.notOk(world.group.isSettledDurably(2), 'this one was not')
  world.persist()
  t.ok(world.group.isSettledDurably(2))
})

t.test('QueueGroup: no answer leaves before its delta is durable', async t => {
  const world = worldOf()
  world.append()
  const [handle] = receive(world, 1)
  const answers: number[] = []
  world.group.settle([itemOf(ack, handle!)], given => answers.push(given![0]!))
  world.endTurn()
  t.same(answers, [])
  world.group.settle([itemOf(ack, handle!)], given => answers.push(given![0]!))
  world.endTurn()
  t.same(answers, [], 'that it is settled already is not durable either')
  world.persist()
  t.same(answers, [OK, ALREADY_SETTLED])
})

t.test('QueueGroup: who waits when the leader ends hears that nobody knows', async t => {
  const world = worldOf()
  world.append()
  const [handle] = receive(world, 1)
  let heard: unknown = 'nothing'
  world.group.settle([itemOf(ack, handle!)], answers => { heard = answers })
  world.endTurn()
  world.group.stop()
  t.equal(heard, null)
})

t.test('QueueGroup: an ack of a lease that was lost with its leader settles that record only', async t => {
  const world = worldOf()
  for (let count = 0; count < 3; count++) world.append()
  const handles: Handle[] = []
  world.receive(1, 3, told => handles.push(...told))
  world.endTurn()
  world.crash()
  world.group.openSession(2, 0)
  t.equal(world.settleNow(ack, handles[1]!), LATE_OK)
  t.same(offsetsOf(receive(world, 2)), [0, 2], 'those around it are delivered')
  t.equal(world.group.state.floor, 0)
})

t.test('QueueGroup: a range of leases is settled in one item, with an answer for each record', async t => {
  const world = worldOf()
  for (let count = 0; count < 100; count++) world.append()
  const [first] = receive(world, 1, 100)
  const before = world.deltas.length
  let given: number[] = []
  world.group.settle([itemOf(ack, first!, { count: 101 })], answers => { given = [...answers!] })
  world.endTurn()
  world.persist()
  t.same(given, [...new Array<number>(100).fill(OK), UNKNOWN])
  t.ok(world.deltas[before]!.length < 40, 'one run in the delta')
  t.equal(world.group.durableFloor, 100)
})

t.test('QueueGroup: after the last attempt a record dies once, with its story', async t => {
  const world = worldOf({ maxAttempts: 2 })
  world.append()
  t.equal(world.settleNow(nack, receive(world, 1)[0]!, { delayMs: 0, reason: 'no stock' }), OK)
  t.equal(world.settleNow(release, receive(world, 1)[0]!), OK, 'a release does not count')
  receive(world, 2)
  t.same(world.asked, [])
  world.pass(world.config.visibilityMs + 200)
  t.same(world.asked, [], 'not before the death is durable')
  world.persist()
  t.match(world.asked, [{
    offset: 0,
    failures: 2,
    deliveries: 3,
    attempts: [{ sessionId: 1, text: 'no stock', reason: 1 }, { sessionId: 2, reason: 2 }],
  }])
  world.answerLetters('lost')
  world.crash()
  world.persist()
  world.answerLetters('appended')
  world.persist()
  t.equal(world.deadLetters.get(0), 1)
  t.equal(world.group.state.floor, 1)
  t.equal(world.group.stats().ended[4], 1)
})

t.test('QueueGroup: a key keeps its order through nack, timeout, disconnect and restart', async t => {
  const world = worldOf({ order: 'key' })
  for (let count = 0; count < 4; count++) world.append({ lane: 5 })
  world.append({ lane: 6 })
  const run = receive(world, 1)
  t.same(offsetsOf(run), [0, 1, 2, 4], 'a run of three, and the other key')
  t.equal(world.settleNow(ack, run[1]!), OUT_OF_ORDER)
  t.equal(world.settleNow(nack, run[0]!, { delayMs: 1_000 }), OK)
  t.equal(world.settleNow(ack, run[1]!), STALE_LEASE, 'given back with the first')
  t.same(receive(world, 2), [], 'nothing of the key overtakes')
  t.match(world.group.explain(3), { state: 'blocked', behindOffset: 0 })
  world.crash(2_000)
  world.group.openSession(2, 0)
  world.pass(200)
  const again = receive(world, 2)
  t.same(offsetsOf(again), [0, 1, 2])
  t.equal(world.settleNow(ack, again[0]!), OK)
  world.group.sessionDisconnected(2)
  world.pass(world.config.disconnectGraceMs)
  world.group.openSession(1, 0)
  world.pass(200_000)
  world.group.openSession(1, 0)
  t.same(offsetsOf(receive(world, 1)).filter(offset => offset < 4), [1, 2, 3])
})

t.test('QueueGroup: grants of an ordered key are delivered only when they are durable', async t => {
  const world = worldOf({ order: 'key' })
  world.append({ lane: 1 })
  const told: Handle[] = []
  t.equal(world.receive(1, 1, handles => told.push(...handles)), 1)
  world.endTurn()
  t.same(told, [])
  world.persist()
  t.same(offsetsOf(told), [0])
})

t.test('QueueGroup: a record that ended before anybody came by is known to be settled for good, over a restart too', async t => {
  const world = worldOf()
  for (let count = 0; count < 2; count++) world.append()
  world.group.cancel(1, () => {})
  world.endTurn()
  t.notOk(world.group.isSettledDurably(1), 'a crash may bring it back')
  world.persist()
  t.ok(world.group.isSettledDurably(1))
  t.notOk(world.group.isSettledDurably(0))
  world.crash()
  t.ok(world.group.isSettledDurably(1))
})

t.test('QueueGroup: poison policies (the key goes on, follows, or stops)', async t => {
  for (const poison of ['dlq-one', 'dlq-key', 'hold'] as const) {
    const world = worldOf({ order: 'key', poison, maxAttempts: 1 })
    for (let count = 0; count < 3; count++) world.append({ lane: 9 })
    world.settleNow(nack, receive(world, 1, 1)[0]!)
    for (let round = 0; round < 4; round++) {
      world.answerLetters('appended')
      world.persist()
    }
    const after = offsetsOf(receive(world, 1))
    if (poison === 'dlq-one') t.same([after, [...world.deadLetters.keys()]], [[1, 2], [0]])
    if (poison === 'dlq-key') {
      // The scan meets the later ones in this receive; each follows when the one before is committed.
      for (let round = 0; round < 4; round++) {
        world.answerLetters('appended')
        world.persist()
      }
      t.same([after, [...world.deadLetters.keys()]], [[], [0, 1, 2]])
      world.append({ lane: 9 })
      t.ok(world.group.resumeLane(9, false))
      t.same(offsetsOf(receive(world, 1)), [3])
    }
    if (poison === 'hold') {
      t.same([after, world.deadLetters.size], [[], 0])
      t.match(world.group.explain(1), { state: 'held', atOffset: 0 })
      t.ok(world.group.resumeLane(9, true))
      t.same(offsetsOf(receive(world, 1)), [1, 2])
    }
  }
})

t.test('QueueGroup: a held key goes on when its record ends by other means, and no other is skipped for it', async t => {
  for (const isCancelled of [false, true]) {
    const world = worldOf({ order: 'key', poison: 'hold', maxAttempts: 1, sessionTimeoutMs: 300_000 })
    for (let count = 0; count < 2; count++) world.append({ lane: 9 })
    const [first] = receive(world, 1, 1)
    world.settleNow(nack, first!)
    t.same(offsetsOf(receive(world, 1)), [], 'held')
    if (isCancelled) world.group.cancel(0, answer => t.equal(answer, CHANGE_ANSWER.OK))
    else t.equal(world.settleNow(ack, first!), LATE_OK, 'its worker had done it after all')
    world.endTurn()
    world.persist()
    t.equal(world.group.resumeLane(9, true), false, 'nothing is left to be skipped')
    t.same(offsetsOf(receive(world, 1)), [1])
  }
})

t.test('QueueGroup: a stopped key is not told to be none while the group looks for its place after a start', async t => {
  const world = worldOf({ order: 'key', poison: 'hold', maxAttempts: 1 })
  for (let count = 0; count < 2; count++) world.append({ lane: 9 })
  world.settleNow(nack, receive(world, 1, 1)[0]!)
  world.isFeedSlow = true
  world.crash()
  t.equal(world.group.resumeLane(9, true), null)
  world.load()
  t.equal(world.group.resumeLane(9, true), true)
})

t.test('QueueGroup: a day on the wall clock, either way, changes no lease and no back-off', async t => {
  for (const stepMs of [86_400_000, -86_400_000]) {
    const world = worldOf()
    world.append()
    world.append()
    const [first] = receive(world, 1, 1)
    world.settleNow(nack, first!, { delayMs: 3_000 })
    receive(world, 1, 1)
    world.wallMs += stepMs
    world.pass(2_900)
    t.same(receive(world, 2), [], 'nothing early')
    world.crash()
    world.group.openSession(2, 0)
    world.pass(300)
    t.same(offsetsOf(receive(world, 2)), [0], 'the delay is over, over a restart as well')
    world.pass(world.config.visibilityMs + 2_500)
    t.equal(world.group.stats().leased, 0)
  }
})

t.test('QueueGroup: far delays come due after a restart, and can be cancelled or brought forward', async t => {
  const world = worldOf()
  const dayMs = 86_400_000
  for (let day = 1; day <= 3; day++) world.append({ notBeforeMs: world.wallMs + day * dayMs })
  t.same(receive(world, 1), [])
  t.equal(world.group.state.ledger.size, 0, 'on disk, not in memory')
  t.equal(world.group.stats().delayed, 3)
  world.takeCheckpoint()
  world.crash()
  const answers: unknown[] = []
  world.group.cancel(0, answer => answers.push(answer))
  world.group.reschedule(2, world.wallMs + 1_000, answer => answers.push(answer))
  world.endTurn()
  world.persist()
  t.same(answers, [CHANGE_ANSWER.OK, CHANGE_ANSWER.OK])
  world.pass(1_200)
  world.group.openSession(1, 0)
  t.same(offsetsOf(receive(world, 1)), [2])
  world.pass(2 * dayMs, 3_600_000)
  world.group.openSession(1, 0)
  t.same(offsetsOf(receive(world, 1))[0], 1)
})

t.test('QueueGroup: priorities go first, and waiting makes up for them', async t => {
  const world = worldOf({ order: 'priority', priorityAgeingMs: 1_000 })
  for (const priority of [0, 9, 5, 9]) world.append({ priority })
  t.same(offsetsOf(receive(world, 1, 2)), [1, 3])
  world.pass(20_000, 1_000)
  for (const sessionId of [1, 2]) world.group.openSession(sessionId, 0)
  for (let count = 0; count < 3; count++) world.append({ priority: 9 })
  const order = offsetsOf(receive(world, 1, 10)).filter(offset => ![1, 3].includes(offset))
  t.same(order, [2, 0, 4, 5, 6], 'what has waited for long is not starved')
})

t.test('QueueGroup: keys of a fair queue take turns, however long one of them is', async t => {
  const world = worldOf({ order: 'fair' })
  for (let count = 0; count < 20; count++) world.append({ lane: 1 })
  for (let count = 0; count < 2; count++) world.append({ lane: 2 })
  t.same(offsetsOf(receive(world, 1, 5)), [0, 20, 1, 21, 2])
})

t.test('QueueGroup: an extension counts from now, however long nothing has changed', async t => {
  const world = worldOf({ visibilityMs: 300_000, leaseTotalMs: 600_000, sessionTimeoutMs: 300_000 })
  world.append()
  const [handle] = receive(world, 1)
  world.pass(120_000)
  t.equal(world.settleNow(extend, handle!, { delayMs: 10_000 }), OK)
  t.match(world.group.explain(0), { state: 'leased', timeLeftMs: 10_000 })
  world.pass(11_000)
  t.match(world.group.explain(0), { failures: 1 }, 'its time is over')
})

t.test('QueueGroup: very many records that are due at the same time come from the disk as they are needed', async t => {
  const world = worldOf({ maxInFlight: 1_000_000, visibilityMs: 300_000, sessionTimeoutMs: 300_000 })
  const total = 350_000
  for (let count = 0; count < total; count++) world.append({ notBeforeMs: world.wallMs + 90_000 })
  while (world.group.stats().delayed < total) t.same(receive(world, 1), [])
  t.equal(world.delayed.size, total)
  const step = (): void => { for (let tick = 0; tick < 200; tick++) world.tick() }
  world.pass(40_000)
  step()
  t.equal(total - world.delayed.size, QUEUE_LIMITS.nearRecordsMax, 'a minute ahead, some of them')
  t.ok(world.group.nextDueMs > world.monotonicMs, 'nobody has to look again before they are due')
  world.pass(50_001)
  step()
  const loaded = total - world.delayed.size
  const most = QUEUE_LIMITS.readyRecordsMax + QUEUE_LIMITS.nearRecordsMax + 2 * QUEUE_LIMITS.recordsPerTick
  t.ok(loaded >= QUEUE_LIMITS.readyRecordsMax && loaded <= most, `${loaded} are in memory`)
  t.ok(world.group.nextDueMs > world.monotonicMs, 'nobody has to look again before some are gone')
  const seen = new Set<number>()
  for (let round = 0; seen.size < total && round < 200; round++) {
    for (const offset of offsetsOf(receive(world, 1, 10_000))) seen.add(offset)
    world.pass(10)
  }
  t.equal(seen.size, total, 'all of them come')
})

t.test('QueueGroup: nothing comes from a disk that does not keep up, and all of it when it does', async t => {
  const world = worldOf({ sessionTimeoutMs: 300_000 })
  world.append({ notBeforeMs: world.wallMs + 90_000 })
  t.same(receive(world, 1), [])
  Object.assign(world.delayed, { isFull: true })
  world.pass(90_001)
  world.tick()
  t.equal(world.delayed.size, 1)
  t.ok(world.group.nextDueMs > world.monotonicMs, 'whoever has room says so')
  Object.assign(world.delayed, { isFull: false })
  world.tick()
  t.same(offsetsOf(receive(world, 1)), [0])
})

t.test('QueueGroup: a quiet key behind a very long backlog of another has its turn soon (fair)', async t => {
  const world = worldOf({ order: 'fair', maxInFlight: 100_000, sessionTimeoutMs: 300_000, visibilityMs: 300_000 })
  for (let count = 0; count < 40_000; count++) world.append({ lane: 1 })
  world.append({ lane: 2 })
  let received = 0
  for (let isThere = false; !isThere;) {
    const offsets = offsetsOf(receive(world, 1, 10))
    received += offsets.length
    isThere = offsets.includes(40_000)
  }
  t.ok(received <= 250, `it came after ${received} records of the other`)
})

t.test('QueueGroup: a bound of leases per key holds (fair)', async t => {
  const world = worldOf({ order: 'fair', keyConcurrency: 2 })
  for (let count = 0; count < 5; count++) world.append({ lane: 1 })
  const handles = receive(world, 1)
  t.same(offsetsOf(handles), [0, 1])
  world.settleNow(nack, handles[0]!, { delayMs: 0 })
  t.same(offsetsOf(receive(world, 1)), [0], 'one is free again')
  t.same(receive(world, 1), [])
})

t.test('QueueGroup: a key goes no faster than its rate, and others are not held up (key, fair)', async t => {
  for (const order of ['key', 'fair'] as const) {
    const world = worldOf({ order, keyRate: 2, keyRatePeriodMs: 1_000, runMax: 5, sessionTimeoutMs: 300_000 })
    world.pass(1_000)
    for (let count = 0; count < 5; count++) world.append({ lane: 7 })
    const first = receive(world, 1)
    t.same(offsetsOf(first), [0, 1], `${order}: the whole allowance at once`)
    for (const handle of first) t.equal(world.settleNow(ack, handle), OK)
    t.same(receive(world, 1), [])
    t.match(world.group.explain(2), { state: 'rate-limited', lane: 7, waitMs: 500 })
    world.append({ lane: 8 })
    t.same(offsetsOf(receive(world, 1)), [5], `${order}: another key`)
    const waitMs = world.group.nextDueMs - world.monotonicMs
    t.ok(waitMs > 499 && waitMs <= 501, `${order}: the next tick is in ${waitMs} ms`)
    world.wakes = 0
    world.pass(499)
    t.equal(world.wakes, 0)
    world.pass(1)
    t.equal(world.wakes, 1, `${order}: the consumers are called when it may go on`)
    const [third] = receive(world, 1)
    t.equal(third?.offset, 2)
    t.equal(world.settleNow(nack, third!, { delayMs: 0 }), OK)
    t.match(world.group.explain(2), { state: 'rate-limited', failures: 1 })
    t.same(receive(world, 1), [], `${order}: retries count too`)
    world.pass(500)
    t.same(offsetsOf(receive(world, 1)), [2])
  }
})

t.test('QueueGroup: a rate per key holds over a failover and a change of the settings', async t => {
  const world = worldOf({ order: 'fair', keyRate: 1, keyRatePeriodMs: 60_000, sessionTimeoutMs: 300_000 })
  world.pass(60_000)
  for (let count = 0; count < 9; count++) world.append({ lane: 3 })
  t.same(offsetsOf(receive(world, 1)), [0])
  world.crash()
  world.group.openSession(1, 0)
  t.match(world.group.explain(4), { state: 'rate-limited', waitMs: 60_000 }, 'late, never early')
  world.group.configure({ ...world.config, keyRate: 4, keyRatePeriodMs: 1_000 })
  world.pass(250)
  t.equal(receive(world, 1).length, 1)
  world.group.configure({ ...world.config, keyRate: 0 })
  world.tick()
  t.equal(receive(world, 1).length, 7, 'no bound any more')
})

t.test('QueueGroup: figures tell how many records stand where, and how old the oldest are', async t => {
  const world = worldOf({ order: 'key', runMax: 1, poison: 'hold', maxAttempts: 1, sessionTimeoutMs: 300_000 })
  for (let count = 0; count < 12; count++) world.append({ lane: count % 3 })
  const handles = receive(world, 1, 3)
  t.same(offsetsOf(handles), [0, 1, 2])
  receive(world, 1, 1)
  world.settleNow(nack, handles[0]!, { delayMs: 86_400_000 })
  world.settleNow(ack, handles[1]!)
  const stats = world.group.stats()
  t.match(stats, { ready: 1, leased: 1, delayed: 0, blocked: 9, fresh: 0, busyLanes: 3, stoppedLanes: 1 })
  t.same(stats.stopped, [{ lane: 0, state: 'held', offset: 0 }])
  t.match(stats, { oldestReadyOffset: 4, oldestLeasedOffset: 2, oldestBlockedOffset: 0, oldestDelayedOffset: -1 })
  t.same([0, 1, 2, 3].map(lane => world.group.oldestOffsetOf(lane)), [0, 4, 2, -1])
  const ages = agesOf(stats, 10_000, offset => offset === 2 ? -1 : offset * 1_000)
  t.match(ages, { readyMs: 6_000, blockedMs: 10_000, leasedMs: -1, delayedMs: -1, freshMs: -1, outstandingMs: 10_000 })
})

t.test('QueueGroup: records that wait in the lanes of a fair queue count as ready', async t => {
  const world = worldOf({ order: 'fair', sessionTimeoutMs: 300_000 })
  for (let count = 0; count < 10; count++) world.append({ lane: count % 2 })
  const [first] = receive(world, 1, 2)
  t.match(world.group.stats(), { ready: 8, leased: 2, blocked: 0, fresh: 0 })
  t.match(world.group.stats(), { oldestReadyOffset: 2, oldestLeasedOffset: 0 })
  world.settleNow(nack, first!, { delayMs: 86_400_000 })
  t.match(world.group.stats(), { ready: 8, leased: 1, delayed: 1, oldestDelayedOffset: 0 })
  t.equal(world.group.oldestOffsetOf(0), 2)
})

t.test('QueueGroup: a delay of a year is kept on disk and over a restart, and ends when it is due', async t => {
  const yearMs = 365 * 86_400_000
  const world = worldOf()
  world.append()
  world.append({ notBeforeMs: world.wallMs + yearMs })
  const [handle] = receive(world, 1)
  t.equal(world.settleNow(nack, handle!, { delayMs: yearMs }), OK)
  t.equal(world.delayed.size, 2)
  world.takeCheckpoint()
  world.crash(86_400_000)
  t.same([0, 1].map(offset => world.group.explain(offset).state), ['delayed', 'delayed'])
  world.pass(yearMs - 86_400_000 - 10_000)
  world.group.openSession(1, 0)
  t.same(receive(world, 1), [])
  world.pass(11_000, 1_000)
  world.group.openSession(1, 0)
  t.same(offsetsOf(receive(world, 1)), [0, 1])
})

t.test('QueueGroup: retries take at most half of a batch while there are fresh records', async t => {
  const world = worldOf()
  for (let count = 0; count < 20; count++) world.append()
  for (const handle of receive(world, 1, 10)) world.settleNow(release, handle)
  t.same(offsetsOf(receive(world, 1, 4)), [0, 1, 10, 11])
})

t.test('QueueGroup: credits bound what is handed out, in records, bytes and records in flight', async t => {
  const world = worldOf({ maxInFlight: 5 })
  for (let count = 0; count < 20; count++) world.append()
  const sizes: number[] = []
  const count = (maxBytes: number): number => world.group.receive({ sessionId: 1, maxRecords: 10, maxBytes },
    grants => { sizes.push(grants!.sizeBytes) })
  t.equal(count(250), 2)
  t.equal(count(1), 1, 'one, whatever its size')
  t.equal(count(1e6), 2, 'no more in flight')
  t.equal(count(1e6), 0)
  t.same(sizes, [200, 100, 200], 'what was handed out is told in bytes too')
  t.equal(world.group.receive({ sessionId: 99, maxRecords: 1, maxBytes: 1 }, () => {}), -1, 'an unknown session')
})

t.test('QueueGroup: paused hands out nothing and settles on, over a restart', async t => {
  const world = worldOf()
  world.append()
  world.append()
  const [handle] = receive(world, 1, 1)
  world.group.setPaused(true, () => {})
  world.endTurn()
  world.persist()
  t.same(receive(world, 1), [])
  t.equal(world.settleNow(ack, handle!), OK)
  world.crash()
  world.group.openSession(1, 0)
  t.same(receive(world, 1), [])
  world.group.setPaused(false, () => {})
  t.same(offsetsOf(receive(world, 1)), [1])
})

t.test('QueueGroup: a log cut off below, and a purge, leave nothing behind and count everything', async t => {
  const world = worldOf({ order: 'key' })
  for (let count = 0; count < 9; count++) world.append({ lane: count % 2 })
  receive(world, 1, 3)
  world.startOffset = 4
  world.group.onStartOffsetMoved(4)
  world.endTurn()
  t.equal(world.group.state.floor, 4)
  t.equal(world.group.stats().ended[3], 4)
  t.ok(world.group.purge(() => {}))
  world.endTurn()
  t.match(world.group.stats(), { floor: 9, next: 9, busyLanes: 0, leased: 0, ready: 0 })
  t.equal(world.group.stats().ended[6], 5)
})

t.test('QueueGroup: the group asks to be called when there is something to do, and only then', async t => {
  const world = worldOf()
  world.wakes = 0
  world.endTurn()
  t.equal(world.wakes, 0, 'idle')
  world.append()
  world.endTurn()
  t.equal(world.wakes, 1, 'a record')
  const [handle] = receive(world, 1)
  world.wakes = 0
  world.settleNow(nack, handle!, { delayMs: 1_000 })
  t.equal(world.wakes, 0)
  const waitMs = world.group.nextDueMs - world.monotonicMs
  t.ok(waitMs > 0 && waitMs <= 1_100, `the next tick is in ${waitMs} ms`)
  world.pass(1_100)
  t.equal(world.wakes, 1, 'the delay is over')
})

t.test('QueueGroup: an epoch that is not new, and a delta out of order, are refused', async t => {
  const world = worldOf()
  t.throws(() => world.group.lead(world.epoch, 0, 0), /is not above/)
  const follower = new QueueWorld().follower()
  world.append()
  receive(world, 1)
  t.throws(() => follower.replay(world.deltas.at(-1)!), /out of place/)
  t.throws(() => follower.replay(new Uint8Array([99])), /version 99/)
})

t.test('QueueGroup: what is cancelled before the group comes by is bounded', async t => {
  const world = worldOf()
  const total = QUEUE_LIMITS.endedAheadMax + 5
  for (let count = 0; count < total; count++) world.append()
  const answers: unknown[] = []
  for (let offset = 1; offset < total; offset++) world.group.cancel(offset, answer => answers.push(answer))
  world.endTurn()
  world.persist()
  t.equal(answers.filter(answer => answer === CHANGE_ANSWER.OK).length, QUEUE_LIMITS.endedAheadMax)
  t.equal(answers.at(-1), CHANGE_ANSWER.BUSY)
  const given = [1, 2, 3].flatMap(() => offsetsOf(receive(world, 1, 2)))
  t.same(given.slice(0, 2), [0, QUEUE_LIMITS.endedAheadMax + 1], 'a call looks at a bounded number of records')
  t.equal(world.settleNow(reject, world.handles[0]!), OK)
})
