// The simulated control store keeps what the real ones promise, and fails the way that they do.

import { rejectsWith, testControlStoreContract } from '@sluice/broker/testing'
import type { ControlStoreError } from '@sluice/broker/simulation'
import t, { type Test } from 'tap'
import { SeededRandom } from '../crash/seeded-random.js'
import { EventQueue } from './event-queue.js'
import { SimControlServer } from './sim-control-server.js'

const OPTIONS = { delayMs: 2, ambiguousShare: 0, watchLossShare: 0, watchDelayMs: 20 }

/** Lets virtual time go by until the test is over. */
function runQueue (t: Test, queue: EventQueue): void {
  let immediate = setImmediate(function run () {
    for (let steps = 0; steps < 10; steps++) queue.step(queue.nowMs + 5)
    immediate = setImmediate(run)
  })
  t.teardown(() => clearImmediate(immediate))
}

/** Resolves when virtual time has passed by. */
async function pass (queue: EventQueue, delayMs: number): Promise<void> {
  await new Promise<void>(resolve => queue.after(delayMs, resolve))
}

function setUp (t: Test, options: Partial<typeof OPTIONS> = {}): { queue: EventQueue, server: SimControlServer } {
  const queue = new EventQueue()
  const server = new SimControlServer(queue, new SeededRandom(1), { ...OPTIONS, ...options })
  queue.after(0, function tick () { queue.after(5, tick) })
  runQueue(t, queue)
  return { queue, server }
}

testControlStoreContract(t, async t => {
  const { server } = setUp(t)
  return { store: server.connect(), other: server.connect() }
})

t.test('SimControlStore: an answer that is lost leaves open what was done (ambiguous), or nothing was (unavailable)', async t => {
  const { server } = setUp(t, { ambiguousShare: 0.8 })
  const store = server.connect()
  const made: boolean[] = []
  for (let index = 0; index < 40; index++) {
    const key = `/${index}`
    const outcome = await store.commit([{ key, value: 1 }]).then(() => null, (error: ControlStoreError) => error.fault)
    if (outcome === null) continue
    t.equal(outcome, 'ambiguous')
    made.push(server.peek(key) !== null)
  }
  t.ok(made.includes(true) && made.includes(false), 'some were made, some were not')
  server.isDown = true
  await rejectsWith(t, 'unavailable', store.get('/0'))
})

t.test('SimControlStore: a lease lives while its process runs, and ends some time after', async t => {
  const { server, queue } = setUp(t)
  const client = { isRunning: true, run: (work: () => void) => work() }
  let lostCount = 0
  const store = server.connect(client)
  const lease = await store.openLease(4_000, () => lostCount++)
  await store.commit([{ key: '/a', value: 1, lease: lease.id }])
  await pass(queue, 20_000)
  t.ok(lease.valid())
  t.equal(server.peek('/a'), 1)
  client.isRunning = false
  await pass(queue, 6_000)
  t.notOk(lease.valid(), 'its holder knows by its clock')
  t.equal(server.peek('/a'), null)
  t.equal(lostCount, 0, 'but has not heard of it')
  client.isRunning = true
  await pass(queue, 2_000)
  t.equal(lostCount, 1)
  t.notOk(lease.valid())
})

t.test('SimControlStore: an outage ends no lease, and its holder believes in it again afterwards', async t => {
  const { server, queue } = setUp(t)
  const store = server.connect()
  const lease = await store.openLease(4_000, () => t.fail('it is not lost'))
  await store.commit([{ key: '/a', value: 1, lease: lease.id }])
  server.isDown = true
  await pass(queue, 30_000)
  t.notOk(lease.valid())
  server.isDown = false
  await pass(queue, 2_000)
  t.ok(lease.valid())
  t.equal(server.peek('/a'), 1)
})

t.test('SimControlStore: a process that has ended renews and hears nothing', async t => {
  const { server, queue } = setUp(t)
  const [store, other] = [server.connect(), server.connect()]
  const lease = await store.openLease(4_000)
  let isOver = false
  const onHint = (): void => { if (isOver) t.fail('its process is gone') }
  store.watch('/', onHint, onHint)
  await store.commit([{ key: '/mine', value: 1, lease: lease.id }])
  await store.close()
  isOver = true
  let timesToList = 0
  other.watch('/', () => {}, () => timesToList++)
  await other.commit([{ key: '/a', value: 1 }])
  await pass(queue, 100_000)
  t.equal(server.peek('/mine'), null)
  t.equal(timesToList, 3, 'others are told to list every 30 s')
})
