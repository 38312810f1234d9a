// Three brokers whose connections break, whose leaders change and that restart, in a random order, under load: what was
// acknowledged is there once, in order and on all of them; what was settled never comes again.

import { ERROR } from '@sluice/protocol'
import t, { type Test } from 'tap'
import { ClusterWorld, until, type WorldBroker } from './cluster-world.test.double.js'
import { QueueTestClient, type TestLease } from './queue-test-client.js'
import { RefusedError, TestClient } from './test-client.js'

const FAULTS = 12

/** Numbers that look random, the same for a seed: [0, 1). */
function randomOf (seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** One fault after the other, with some work between them; everything is whole again at the end. */
async function trouble (
  world: ClusterWorld, topicId: string, random: () => number, progress: () => number,
): Promise<void> {
  const pick = (): WorldBroker => world.brokers[Math.floor(random() * world.brokers.length)]!
  for (let fault = 0; fault < FAULTS; fault++) {
    const target = pick()
    const kind = random()
    if (kind < 0.4) {
      world.isolate(target.id)
    } else if (kind < 0.6) {
      await target.stop()
      await target.start()
    }
    // Whoever leads next is one that can be reached.
    const next = world.brokers.filter(({ id }) => !world.isCut(id))
    await world.failOver(topicId, next[Math.floor(random() * next.length)]!.id)
    const before = progress()
    await until(() => progress() >= before + 3)
    world.heal()
  }
}

/** Talks to whoever leads, and tries again elsewhere when that fails. */
class Follower {
  private readonly world: ClusterWorld
  private readonly topicId: string
  private client: TestClient | null = null
  private id = 0

  constructor (world: ClusterWorld, topicId: string) {
    this.world = world
    this.topicId = topicId
  }

  async ask<T> (work: (client: TestClient) => Promise<T | null>): Promise<T> {
    for (;;) {
      const { brokerId } = this.world.record(this.topicId).leader
      try {
        if (this.client === null || this.id !== brokerId) {
          this.client?.close()
          this.client = await this.world.broker(brokerId).connect()
          this.id = brokerId
        }
        const done = await work(this.client)
        if (done !== null) return done
      } catch (error) {
        const isGone = (error as Error).message === 'connection closed' || 'code' in (error as object)
        if (!isGone) throw error
        this.client = null
      }
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }

  close (): void { this.client?.close() }
}

const RETRIABLE: readonly number[] = [
  ERROR.NOT_LEADER, ERROR.LEADER_NOT_AVAILABLE, ERROR.NOT_ENOUGH_REPLICAS, ERROR.REQUEST_TIMED_OUT,
  ERROR.SHUTTING_DOWN, ERROR.OUTCOME_UNKNOWN,
]

async function produceUntil (
  world: ClusterWorld, topicId: string, isOver: () => boolean, acked: string[],
): Promise<void> {
  const follower = new Follower(world, topicId)
  for (let sequence = 0; !isOver(); sequence++) {
    const value = `v${sequence}`
    await follower.ask(async client => {
      const producer = { producerId: 9, producerEpoch: 0, baseSequence: sequence }
      const { error, message } = await client.produce(topicId, 0, [value], { producer, timeoutMs: 300 })
      if (error !== 0 && !RETRIABLE.includes(error)) throw new Error(`${value}: ${error} ${message}`)
      return error === 0 ? value : null
    })
    acked.push(value)
  }
  follower.close()
}

async function valuesOf (client: TestClient, topicId: string): Promise<(string | null)[]> {
  const values: (string | null)[] = []
  for (let offset = 0; ;) {
    const { response: { partitions: [answer] }, nextOffset, records } = await client.fetch(topicId, 0, offset)
    for (const { value } of records) values.push(value)
    if (answer !== undefined && answer.error !== 0) throw new Error(answer.message)
    if (answer === undefined || nextOffset >= answer.highWatermark) return values
    offset = nextOffset
  }
}

async function settled (world: ClusterWorld, topicId: string): Promise<void> {
  await until(() => {
    const ends = world.brokers.map(({ id }) => world.broker(id).replica(topicId).replica.logs.map(log =>
      `${log.nextOffset} ${log.highWatermark} ${log.log.lastCrc}`).join())
    return new Set(ends).size === 1 && world.broker(1).replica(topicId).replica.logs.every(log =>
      log.nextOffset === log.highWatermark)
  })
}

async function clusterOf (t: Test): Promise<ClusterWorld> {
  const world = await ClusterWorld.start(3)
  t.teardown(() => world.stop())
  return world
}

for (const seed of [1, 2]) {
  t.test(`Replication: every acknowledged record is on all brokers once and in order (faults of seed ${seed})`, async t => {
    const world = await clusterOf(t)
    const topicId = await world.createTopic()
    const acked: string[] = []
    let isOver = false
    const load = produceUntil(world, topicId, () => isOver, acked)
    await trouble(world, topicId, randomOf(seed), () => acked.length)
    isOver = true
    await load
    await settled(world, topicId)
    t.ok(acked.length > FAULTS)
    for (const broker of world.brokers) {
      const client = await broker.connect()
      t.strictSame(await valuesOf(client, topicId), acked, `broker ${broker.id}`)
      client.close()
    }
  })
}

t.test('Replication: what was acknowledged from a queue never comes again, everything else does (faults)', async t => {
  const world = await clusterOf(t)
  const topicId = await world.createTopic('queue', { 'visibility.ms': '1000' })
  const acked: string[] = []
  const done = new Map<string, number>()
  let isOver = false
  const load = produceUntil(world, topicId, () => isOver, acked)
  const work = consumeUntil(world, topicId, () => isOver && done.size >= acked.length, done)
  await trouble(world, topicId, randomOf(3), () => Math.min(acked.length, done.size))
  isOver = true
  await load
  await work
  t.same([...done.keys()].filter(value => !acked.includes(value)), [])
  t.equal(done.size, acked.length)
  t.same([...done].filter(([, count]) => count !== 1), [], 'each was settled once')
})

const RETRY_TEXT = /refresh the metadata|retry|again|stopping|not durable yet/

/** Receives and acknowledges; `done` counts the acknowledgements that were answered with `ok`, by value. */
async function consumeUntil (
  world: ClusterWorld, topicId: string, isOver: () => boolean, done: Map<string, number>,
): Promise<void> {
  /** Offsets of what was sent to be settled, and is not answered: it may be settled. */
  const doubtful = new Map<string, number>()
  while (!isOver()) {
    const { brokerId } = world.record(topicId).leader
    try {
      using consumer = await QueueTestClient.connect(world.broker(brokerId).address.port, topicId, { leases: 'visibility' })
      while (!isOver() && world.record(topicId).leader.brokerId === brokerId) {
        const leases = await consumer.receive(5, 100)
        for (const lease of leases) await settle(consumer, lease, doubtful, done)
        if (leases.length === 0) await clear(consumer, doubtful, done)
      }
    } catch (error) {
      const isKnown = error instanceof RefusedError || (error as Error).message === 'connection closed' ||
        'code' in (error as object) || RETRY_TEXT.test((error as Error).message)
      if (!isKnown) throw error
    }
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Finds out which acknowledgements have counted though their answer was lost. */
async function clear (
  consumer: QueueTestClient, doubtful: Map<string, number>, done: Map<string, number>,
): Promise<void> {
  for (const [value, offset] of doubtful) {
    if ((await consumer.explain(offset)).state !== 'terminal') continue
    doubtful.delete(value)
    if (!done.has(value)) done.set(value, 1)
  }
}

async function settle (
  consumer: QueueTestClient, lease: TestLease, doubtful: Map<string, number>, done: Map<string, number>,
): Promise<void> {
  const value = lease.value!
  // A record that was settled for certain must never be handed out again.
  if (done.has(value) && !doubtful.has(value)) done.set(value, done.get(value)! + 1)
  doubtful.set(value, lease.offset)
  const [answer] = await consumer.settle('ack', [lease], { timeoutMs: 300 })
  if (answer === 'ok' || answer === 'lateOk' || answer === 'alreadySettled') {
    doubtful.delete(value)
    if (!done.has(value)) done.set(value, 1)
  }
}
