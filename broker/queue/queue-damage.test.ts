// Records that cannot be read from the log any more: they end with a cause, and nothing waits for them for ever.

import fc from 'fast-check'
import t from 'tap'
import { CHANGE_ANSWER } from './record-changes.js'
import { END_CAUSE, RECORD_STATE, SETTLE_ANSWER, SETTLE_KIND, type Order } from './queue-types.js'
import { QueueWorld, type Handle } from './queue-world.test.double.js'

const { ack, nack, release } = SETTLE_KIND
const ORDERS: readonly Order[] = ['none', 'key', 'fair', 'priority']

function worldOf (config: ConstructorParameters<typeof QueueWorld>[0] = {}): QueueWorld {
  const world = new QueueWorld({ backoffMinMs: 0, backoffMaxMs: 0, ...config })
  world.group.openSession(1, 0)
  world.endTurn()
  world.persist()
  return world
}

function receive (world: QueueWorld, maxRecords = 1_000): Handle[] {
  const handles: Handle[] = []
  world.receive(1, maxRecords, told => handles.push(...told))
  world.endTurn()
  world.persist()
  return handles
}

const offsetsOf = (handles: readonly Handle[]): number[] => handles.map(({ offset }) => offset)

t.test('Queue damage: a long range is passed over a bounded part at a time, counted once', async t => {
  const world = worldOf()
  for (let count = 0; count < 25_010; count++) world.append()
  world.damaged.push({ from: 5, to: 25_005 })
  const first = receive(world)
  t.same(offsetsOf(first), [0, 1, 2, 3, 4])
  t.ok(world.group.state.nextOffset < 25_005, 'others have their turn')
  t.ok(world.group.canReceive, 'and there is more')
  const rest: Handle[] = []
  for (let round = 0; round < 5; round++) rest.push(...receive(world))
  t.same(offsetsOf(rest), [25_005, 25_006, 25_007, 25_008, 25_009])
  t.equal(world.group.state.ended[END_CAUSE.damaged], 25_000)
  t.match(world.group.explain(20_000), { state: 'terminal', ending: { cause: END_CAUSE.damaged } })
  t.equal(world.follower().state.ended[END_CAUSE.damaged], 25_000, 'a follower counts the same')
})

for (const order of ['key', 'fair'] as const) {
  t.test(`Queue damage: a record that waits in its lane is handed out, to fail, and does not expire (order ${order})`, async t => {
    const world = worldOf({ order, runMax: 1, keyConcurrency: 1 })
    for (let count = 0; count < 3; count++) world.append({ lane: 7 })
    const [first] = receive(world)
    t.equal(first!.offset, 0)
    world.damaged.push({ from: 1, to: 2 })
    t.equal(world.settleNow(ack, first!), SETTLE_ANSWER.OK)
    t.same(offsetsOf(receive(world)), [1])
    t.match(world.group.explain(1), { state: 'leased' })
    t.equal(world.group.state.ended[END_CAUSE.expired], 0)
  })
}

t.test('Queue damage: what was cancelled or rescheduled before goes its way; what is damaged first cannot be any more', async t => {
  for (const order of ORDERS) {
    const world = worldOf({ order })
    for (let count = 0; count < 5; count++) world.append({ lane: 3 })
    const answers: unknown[] = []
    world.group.cancel(1, answer => answers.push(answer))
    world.group.reschedule(2, world.wallMs + 1_000, answer => answers.push(answer))
    world.damaged.push({ from: 1, to: 4 })
    world.group.cancel(3, answer => answers.push(answer))
    world.group.reschedule(3, world.wallMs, answer => answers.push(answer))
    world.endTurn()
    world.persist()
    t.same(answers, [CHANGE_ANSWER.OK, CHANGE_ANSWER.OK, CHANGE_ANSWER.UNKNOWN, CHANGE_ANSWER.UNKNOWN])
    for (const handle of [...receive(world), ...receive(world)]) world.settleNow(ack, handle)
    t.equal(world.group.state.ended[END_CAUSE.damaged], 1, order)
    t.equal(world.group.state.ended[END_CAUSE.cancelled], 1)
    world.pass(2_000)
    const late = receive(world)
    t.equal(late[0]?.offset, 2, order)
    for (const handle of late) world.settleNow(ack, handle)
    t.equal(world.group.state.floor, 5)
  }
})

const step = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), lane: fc.nat(2), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('receive' as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constantFrom('ack' as const, 'nack' as const, 'release' as const), index: fc.nat(9) }),
  fc.record({ kind: fc.constant('damage' as const), from: fc.nat(30), count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant('reschedule' as const), offset: fc.nat(30), delayMs: fc.nat(5_000) }),
  fc.record({ kind: fc.constantFrom('crash' as const, 'checkpoint' as const, 'pass' as const) }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** A life with damage; at its end everything that is handed out is settled: acknowledged, or failed where damaged. */
class DamagedLife {
  readonly world: QueueWorld
  readonly acked: number[] = []
  private held: Handle[] = []

  constructor (order: Order) {
    this.world = worldOf({ order, maxAttempts: 3, runMax: 2, hasDeadLetters: false })
  }

  run (given: Step): void {
    const { world } = this
    world.group.openSession(1, 0)
    switch (given.kind) {
      case 'append':
        for (let count = 0; count < given.count; count++) world.append({ lane: given.lane, priority: given.lane })
        break
      case 'receive': this.held.push(...receive(world, given.count)); break
      case 'ack':
      case 'nack':
      case 'release': {
        const [handle] = this.held.splice(given.index, 1)
        if (handle !== undefined) this.settle(given.kind, handle)
        break
      }
      case 'damage': {
        const to = Math.min(given.from + given.count, world.highWatermark)
        if (given.from < to) world.damaged.push({ from: given.from, to })
        break
      }
      case 'reschedule':
        if (given.offset >= world.highWatermark) break
        world.group.reschedule(given.offset, world.wallMs + given.delayMs, () => {})
        world.endTurn()
        world.persist()
        break
      case 'checkpoint': world.takeCheckpoint(); break
      case 'pass': world.pass(1_000); break
      case 'crash': {
        world.crash()
        world.tick()
        world.persist()
      }
    }
  }

  /** Until nothing is left, or too many rounds have passed. */
  drain (): void {
    for (let round = 0; round < 60 && this.world.group.state.floor < this.world.highWatermark; round++) {
      this.world.group.openSession(1, 0)
      for (const handle of [...this.held.splice(0), ...receive(this.world)]) this.settle('ack', handle)
      this.world.pass(6_000, 1_500)
      this.world.persist()
    }
  }

  private settle (kind: 'ack' | 'nack' | 'release', handle: Handle): void {
    const isLost = this.world.holeAt(handle.offset) !== undefined
    const settleKind = isLost ? nack : { ack, nack, release }[kind]
    const answer = this.world.settleNow(settleKind, handle, settleKind === nack ? { delayMs: 0 } : {})
    const isDone = answer === SETTLE_ANSWER.OK || answer === SETTLE_ANSWER.LATE_OK
    if (settleKind === ack && isDone) this.acked.push(handle.offset)
  }
}

for (const order of ORDERS) {
  t.test(`Queue damage: whatever is damaged when, everything else comes to its end (order ${order}; property)`, async () => {
    fc.assert(fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), steps => {
      const life = new DamagedLife(order)
      for (const each of steps) life.run(each)
      life.drain()
      const { state } = life.world.group
      const left = `floor ${state.floor}, states ${[...state.counts]}, lanes ${state.lanes.size}`
      const isOver = state.floor === life.world.highWatermark && state.lanes.size === 0
      if (!isOver || state.counts[RECORD_STATE.ENDED] !== 0) throw new Error(left)
      if (new Set(life.acked).size !== life.acked.length) throw new Error('acknowledged twice')
      const { ended } = state
      const known = life.acked.length + ended[END_CAUSE.archived]! + ended[END_CAUSE.damaged]!
      if (known > life.world.highWatermark) throw new Error(`${known} of ${life.world.highWatermark} ended`)
      const isSound = (offset: number): boolean => life.world.holeAt(offset) === undefined
      const sound = life.world.records.filter(({ offset }) => isSound(offset)).length
      const told = life.acked.filter(isSound).length + ended[END_CAUSE.archived]!
      if (told < sound) throw new Error(`${told} of ${sound} sound records ended`)
    }), { seed: 3, numRuns: 400 })
  })
}
