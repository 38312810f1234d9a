// Nobody polls: consumers receive only when the group has asked for it, and time moves only to where the group said it
// has something to do. What a wake-up or a due time forgets, stays for ever.

import fc from 'fast-check'
import t from 'tap'
import type { QueueConfig } from './queue-settings.js'
import { SETTLE_KIND } from './queue-types.js'
import { QueueWorld, itemOf, type Handle } from './queue-world.test.double.js'

const QUEUES: Partial<QueueConfig>[] = [
  {}, { maxInFlight: 2 }, { order: 'key' }, { order: 'key', maxInFlight: 2 }, { order: 'fair', keyConcurrency: 1 },
  { order: 'priority' }, { order: 'key', keyRate: 1, keyRatePeriodMs: 2_000 },
  { order: 'fair', keyRate: 2, keyRatePeriodMs: 700, keyConcurrency: 1 },
]

class Consumers {
  private readonly world: QueueWorld
  private readonly outcomes: readonly number[]
  private turn = 0

  constructor (world: QueueWorld, outcomes: readonly number[]) {
    this.world = world
    this.outcomes = outcomes
  }

  /** Works off what the group calls for; true where anything happened. */
  work (): boolean {
    const { world } = this
    world.persist()
    if (world.wakes === 0) return false
    world.wakes = 0
    const handles: Handle[] = []
    world.group.heartbeat(11)
    world.receive(11, 3, told => handles.push(...told))
    world.endTurn()
    world.persist()
    for (const handle of handles) this.settle(handle)
    world.endTurn()
    world.persist()
    world.answerLetters(this.turn % 3 === 0 ? 'failed' : 'appended')
    return true
  }

  /** Acks, fails in one of several ways, or hangs until the lease times out. */
  private settle (handle: Handle): void {
    const outcome = this.outcomes[this.turn++ % this.outcomes.length]!
    if (outcome === 0) return
    const kind = ([SETTLE_KIND.ack, SETTLE_KIND.nack, SETTLE_KIND.release, SETTLE_KIND.ack] as const)[outcome % 4]!
    // Released for ever would be no end.
    const isOver = kind === SETTLE_KIND.release && this.turn > 200
    this.world.group.settle([itemOf(isOver ? SETTLE_KIND.ack : kind, handle)], () => {})
  }
}

t.test('QueueGroup: wake-ups and due times alone bring every record to its end', async () => {
  const record = fc.record({ lane: fc.integer({ min: -1, max: 2 }), delayMs: fc.constantFrom(0, 0, 0, 700, 90_000) })
  const outcomes = fc.array(fc.nat(6), { minLength: 1 })
  const lives = fc.tuple(fc.constantFrom(...QUEUES), fc.array(record, { maxLength: 20 }), outcomes)
  fc.assert(fc.property(lives, ([config, records, outcomes]) => {
    const world = new QueueWorld(config)
    const consumers = new Consumers(world, outcomes)
    world.group.openSession(11, 0)
    world.endTurn()
    for (const { lane, delayMs } of records) {
      world.append({ lane, notBeforeMs: delayMs === 0 ? 0 : world.wallMs + delayMs, priority: lane + 1 })
    }
    world.endTurn()
    for (let round = 0; round < 5_000; round++) {
      if (consumers.work() || world.asked.length > 0) {
        world.answerLetters('appended')
        continue
      }
      if (world.group.state.floor === world.highWatermark) return
      const waitMs = Math.max(1, Math.ceil(world.group.nextDueMs - world.monotonicMs))
      if (waitMs === Infinity) break
      world.group.heartbeat(11)
      world.pass(waitMs)
    }
    throw new Error(`nothing more happens: ${JSON.stringify(world.group.stats())}`)
  }), { seed: 6, numRuns: 300 })
})
