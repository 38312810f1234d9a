import fc from 'fast-check'
import t from 'tap'
import type { Member } from '../replica/member.js'
import { activate, firstRecord, withLearners, type PartitionRecord } from '../replica/partition-record.js'
import type { BrokerRecord, ReplicaMove } from './cluster-records.js'
import { CONTROLLER_LIMITS, ControllerCore } from './controller-core.js'
import type { ControllerView, Decision } from './controller-view.js'
import { completedMove } from './move-completion.js'

/** A cluster that does what is decided: brokers come and go, partitions are active once their leader is asked. */
class World {
  readonly brokers = new Map<number, BrokerRecord>()
  readonly deposed = new Set<number>()
  readonly draining = new Set<number>()
  readonly moves = new Map<string, ReplicaMove>()
  readonly records = new Map<string, PartitionRecord>()
  nowMs = 0
  private processes = 0
  readonly core = new ControllerCore(() => 'nonce')

  constructor (brokers: number) {
    for (let id = 1; id <= brokers; id++) this.startBroker(id)
  }

  startBroker (brokerId: number, storeId = `store-${brokerId}`): void {
    const incarnation = `process-${++this.processes}`
    this.brokers.set(brokerId, { brokerId, incarnation, storeId, host: '', port: 1, rack: '', capacity: 1, startedAt: 0, version: '' })
  }

  member (brokerId: number): Member { return { brokerId, storeId: this.brokers.get(brokerId)!.storeId } }

  create (name: string, ...ids: number[]): void {
    const members = ids.map(id => this.member(id))
    this.records.set(name, activate(firstRecord(members, members[0]!, this.brokers.get(ids[0]!)!.incarnation, ''), 1, '')!)
  }

  record (name = 't/0'): PartitionRecord { return this.records.get(name)! }

  get view (): ControllerView {
    return {
      brokers: this.brokers,
      deposed: this.deposed,
      draining: this.draining,
      partitions: [...this.records].map(([name, record]) => {
        const [topicId, partition] = name.split('/') as [string, string]
        return { topicId, partition: Number(partition), record, revision: 1 }
      }),
      moveOf: (topicId, partition) => this.moves.get(`${topicId}/${partition}`) ?? null,
    }
  }

  /** Decides and does it; time passes. */
  step (passMs = 0): Decision[] {
    this.nowMs += passMs
    const decisions = this.core.decide(this.view, this.nowMs)
    for (const { kind, entry: { topicId, partition }, record } of decisions) {
      if (kind === 'move-done') this.moves.delete(`${topicId}/${partition}`)
      else this.records.set(`${topicId}/${partition}`, record)
    }
    return decisions
  }

  /** Leaders that are there begin their epochs. */
  activateAll (): void {
    for (const [name, record] of this.records) {
      const broker = this.brokers.get(record.leader.brokerId)
      if (broker?.incarnation !== record.leaderIncarnation || this.deposed.has(broker.brokerId)) continue
      this.records.set(name, activate(record, record.epoch, '') ?? record)
    }
  }

  /** Leaders find that their learners have everything. */
  completeMoves (hasCaughtUp: (member: Member) => boolean = () => true): void {
    for (const [name, record] of this.records) {
      const move = this.moves.get(name) ?? null
      this.records.set(name, completedMove(record, move, this.view, hasCaughtUp, '') ?? record)
    }
  }
}

t.test('Controller: nothing to do in a cluster that is well, however long', async t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  for (let step = 0; step < 10; step++) t.strictSame(world.step(60_000), [])
})

t.test('Controller: a leader that goes has a grace to come back, its followers none', async t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  const gone = world.brokers.get(1)!
  world.brokers.delete(1)
  t.strictSame(world.step(), [])
  t.strictSame(world.step(1_900), [], 'the lease may only have been lost on the way')
  world.brokers.set(1, gone)
  t.strictSame(world.step(10_000), [])
  world.brokers.delete(1)
  t.strictSame(world.step(), [], 'the grace begins anew')
  t.equal(world.step(2_000).length, 1)
  t.equal(world.record().epoch, 2)
  t.not(world.record().leader.brokerId, 1)
  t.equal(world.record().leaderIncarnation, world.brokers.get(world.record().leader.brokerId)!.incarnation)
})

t.test('Controller: a leader that others cannot reach, or that was started anew, has no grace', async t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  world.deposed.add(1)
  world.step()
  t.not(world.record().leader.brokerId, 1)
  world.activateAll()
  world.deposed.clear()
  t.strictSame(world.step(), [], 'it does not go back by itself')
  const { brokerId } = world.record().leader
  world.startBroker(brokerId)
  t.equal(world.step().length, 1)
  t.equal(world.record().epoch, 3)
})

t.test('Controller: the only replica leads again after a restart (replication factor 1)', async t => {
  const world = new World(1)
  world.create('t/0', 1)
  world.startBroker(1)
  world.step()
  t.equal(world.record().leaderIncarnation, world.brokers.get(1)!.incarnation)
})

t.test('Controller: without a majority nothing changes, and no epoch is wasted', async t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  world.brokers.delete(1)
  world.brokers.delete(2)
  for (let step = 0; step < 20; step++) t.strictSame(world.step(1_000), [])
  world.startBroker(2)
  t.equal(world.step(1_000).length, 1)
})

t.test('Controller: a store that was replaced is no majority, and learns once there is one', async t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  world.startBroker(3, 'another-store')
  const [decision] = world.step()
  t.equal(decision!.kind, 'learners')
  t.strictSame(world.record().learners, [{ brokerId: 3, storeId: 'another-store' }])
  t.strictSame(world.step(), [], 'said once')
  world.completeMoves(() => false)
  t.equal(world.record().epoch, 1, 'not before it has caught up')
  world.completeMoves()
  t.strictSame(world.record().replicas[2], { brokerId: 3, storeId: 'another-store' })
  t.strictSame(world.record().learners, [])
  t.strictSame(world.record().prev.map(set => set[2]!.storeId), ['store-3'], 'the old set is asked first')
  world.activateAll()
  t.strictSame(world.step(), [])
  world.brokers.delete(1)
  world.brokers.delete(2)
  t.strictSame(world.step(5_000), [])
})

t.test('Controller: an epoch that does not begin gets a successor, at longer intervals', async t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  world.deposed.add(1)
  world.step()
  world.deposed.clear()
  const tried: number[] = []
  for (let second = 1; second <= 40; second++) if (world.step(1_000).length > 0) tried.push(second)
  t.strictSame(tried.length, 3, `after ${tried.join()} s`)
  t.ok(tried[1]! - tried[0]! > 4 && tried[2]! - tried[1]! > tried[1]! - tried[0]!)
  world.activateAll()
  t.strictSame(world.step(100_000), [])
})

t.test('Controller: a thousand partitions fail over at once, evenly over those that are left', async t => {
  const world = new World(4)
  for (let partition = 0; partition < 1_000; partition++) world.create(`t/${partition}`, 1, 2, 3, 4)
  world.deposed.add(1)
  t.equal(world.step().length, 1_000)
  const leads = new Map<number, number>()
  for (const { leader: { brokerId } } of world.records.values()) leads.set(brokerId, (leads.get(brokerId) ?? 0) + 1)
  t.strictSame([...leads.keys()].sort(), [2, 3, 4])
  t.ok([...leads.values()].every(count => count >= 333 && count <= 334))
  world.activateAll()
  t.strictSame(world.step(), [])
})

t.test('Controller: a broker that is being emptied leads nothing more where another can', async t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  world.draining.add(2)
  world.deposed.add(1)
  world.step()
  t.equal(world.record().leader.brokerId, 3)
})

t.test('Controller: a move makes learners, then replicas, then the leader that was asked for', async t => {
  const world = new World(4)
  world.create('t/0', 1, 2, 3)
  world.moves.set('t/0', { replicas: [4, 2, 3], askedAt: 0 })
  world.step()
  t.strictSame(world.record().learners, [world.member(4)])
  world.completeMoves()
  t.equal(world.record().leader.brokerId, 4)
  t.strictSame(world.record().replicas.map(({ brokerId }) => brokerId), [4, 2, 3])
  t.strictSame(world.step(), [], 'not done before the epoch has begun')
  world.activateAll()
  t.strictSame(world.step().map(({ kind }) => kind), ['move-done'])
  t.equal(world.moves.size, 0)
})

t.test('Controller: a move of the leader alone copies nothing', async t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  world.moves.set('t/0', { replicas: [2, 1, 3], askedAt: 0 })
  t.strictSame(world.step().map(({ kind }) => kind), ['fail-over'])
  t.equal(world.record().leader.brokerId, 2)
  world.activateAll()
  t.strictSame(world.step().map(({ kind }) => kind), ['move-done'])
})

t.test('Controller: a move that is called off leaves no learners', async t => {
  const world = new World(4)
  world.create('t/0', 1, 2, 3)
  world.moves.set('t/0', { replicas: [4, 2, 3], askedAt: 0 })
  world.step()
  world.moves.clear()
  world.step()
  t.strictSame(world.record().learners, [])
  t.equal(world.record().epoch, 1)
})

t.test('Controller: more and fewer replicas (1 to 3, 3 to 1)', async t => {
  const world = new World(3)
  world.create('t/0', 1)
  world.moves.set('t/0', { replicas: [1, 2, 3], askedAt: 0 })
  world.step()
  t.equal(world.record().learners.length, 2)
  world.completeMoves()
  t.equal(world.record().replicas.length, 3)
  world.activateAll()
  world.step()
  t.equal(world.moves.size, 0)
  world.moves.set('t/0', { replicas: [3], askedAt: 0 })
  t.strictSame(world.step(), [], 'for the leader to do')
  world.completeMoves()
  t.strictSame(world.record().replicas, [world.member(3)])
  world.activateAll()
  world.step()
  t.equal(world.moves.size, 0)
})

t.test('Controller: nobody is sent away before all that stay are there and have everything (3 to 1, 5 to 3)', t => {
  const world = new World(5)
  world.create('t/0', 1, 2, 3)
  world.create('t/1', 1, 2, 3, 4, 5)
  world.moves.set('t/0', { replicas: [2], askedAt: 0 })
  world.moves.set('t/1', { replicas: [1, 2, 3], askedAt: 0 })
  world.completeMoves(({ brokerId }) => brokerId !== 2)
  t.ok([...world.records.values()].every(({ epoch }) => epoch === 1), 'one that stays lags behind')
  world.deposed.add(2)
  world.completeMoves()
  t.ok([...world.records.values()].every(({ epoch }) => epoch === 1), 'one that stays cannot be reached')
  world.deposed.clear()
  world.deposed.add(5)
  world.completeMoves()
  t.strictSame(world.record('t/0').leader, world.member(2), 'handed over with the same change')
  t.strictSame(world.record('t/0').prev, [[1, 2, 3].map(id => world.member(id))], 'and a majority of those before is asked')
  t.strictSame(world.record('t/1').leader, world.member(1), 'who leads and stays goes on')
  t.equal(world.record('t/1').replicas.length, 3, 'one that goes need not be there')
  t.end()
})

t.test('Controller: a change of the number that is called off on its way leaves what was (3 to 1 to 3, 1 to 3 to 1)', t => {
  const world = new World(3)
  world.create('t/0', 1)
  world.moves.set('t/0', { replicas: [1, 2, 3], askedAt: 0 })
  world.step()
  world.completeMoves(({ brokerId }) => brokerId === 2)
  t.equal(world.record().replicas.length, 1, 'one of two is not enough')
  world.moves.clear()
  world.completeMoves()
  world.step()
  t.match(world.record(), { epoch: 1, learners: [], replicas: [world.member(1)] })
  world.create('t/1', 1, 2, 3)
  world.moves.set('t/1', { replicas: [1], askedAt: 0 })
  world.step()
  world.moves.clear()
  world.completeMoves()
  t.equal(world.record('t/1').replicas.length, 3)
  t.end()
})

t.test('Controller: a partition of which the control store has forgotten epochs is left alone, whatever happens', t => {
  const world = new World(4)
  world.create('t/0', 1, 2, 3)
  world.records.set('t/0', { ...world.record(), overtaken: { epoch: 9, by: [world.member(4)] } })
  world.moves.set('t/0', { replicas: [1, 2, 4], askedAt: 0 })
  world.startBroker(1)
  world.deposed.add(2)
  for (let step = 0; step < 10; step++) t.strictSame(world.step(10_000), [])
  t.end()
})

t.test('Controller: so many partitions learn at one broker at once, the others in their turn', async t => {
  const world = new World(4)
  for (let partition = 0; partition < 20; partition++) {
    world.create(`t/${partition}`, 1, 2, 3)
    world.moves.set(`t/${partition}`, { replicas: [1, 2, 4], askedAt: 0 })
  }
  for (let round = 0; round < 5; round++) {
    t.equal(world.step().filter(({ kind }) => kind === 'learners').length, CONTROLLER_LIMITS.learnersPerBroker)
    world.completeMoves()
    world.activateAll()
  }
  world.step()
  t.equal(world.moves.size, 0)
})

t.test('Controller: a move waits for a broker that is not there', async t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  world.moves.set('t/0', { replicas: [1, 2, 9], askedAt: 0 })
  t.strictSame(world.step(10_000), [])
  world.startBroker(9)
  t.equal(world.step().length, 1)
})

t.test('Controller: a learner that another move asked for is replaced', async t => {
  const world = new World(5)
  world.create('t/0', 1, 2, 3)
  world.records.set('t/0', withLearners(world.record(), [world.member(4)], ''))
  world.moves.set('t/0', { replicas: [1, 2, 5], askedAt: 0 })
  world.step()
  t.strictSame(world.record().learners, [world.member(5)])
})

t.test('Controller: whatever comes and goes, every partition is led by a living replica in the end', async () => {
  const anyEvent = fc.record({
    broker: fc.integer({ min: 1, max: 5 }),
    kind: fc.constantFrom('stop', 'start', 'wipe', 'depose', 'reach', 'move', 'settle'),
    passMs: fc.integer({ min: 0, max: 3_000 }),
  })
  fc.assert(fc.property(fc.array(anyEvent, { maxLength: 60 }), events => {
    const world = new World(5)
    for (let partition = 0; partition < 5; partition++) {
      world.create(`t/${partition}`, ...[0, 1, 2].map(step => (partition + step) % 5 + 1))
    }
    const epochs = new Map<string, number>()
    let isWiped = false
    const step = (passMs: number): Decision[] => {
      const decisions = world.step(passMs)
      for (const [name, { epoch, leader, replicas }] of world.records) {
        if (epoch < (epochs.get(name) ?? 0)) throw new Error('an epoch went back')
        epochs.set(name, epoch)
        if (!replicas.some(({ brokerId }) => brokerId === leader.brokerId)) throw new Error('led by a stranger')
      }
      for (const { kind, record } of decisions) {
        if (kind !== 'fail-over') continue
        const broker = world.brokers.get(record.leader.brokerId)
        if (broker?.incarnation !== record.leaderIncarnation || world.deposed.has(broker.brokerId)) throw new Error('led by the dead')
      }
      return decisions
    }
    for (const { broker, kind, passMs } of events) {
      if (kind === 'stop') world.brokers.delete(broker)
      else if (kind === 'start') world.startBroker(broker)
      else if (kind === 'wipe' && !isWiped) {
        // One of three: a second one would be a majority of some partition, which waits for an administrator.
        isWiped = true
        world.startBroker(broker, `store-${broker}-again`)
      } else if (kind === 'depose') world.deposed.add(broker)
      else if (kind === 'reach') world.deposed.delete(broker)
      else if (kind === 'move') world.moves.set('t/0', { replicas: [broker, broker % 5 + 1, (broker + 1) % 5 + 1], askedAt: 0 })
      else if (kind === 'settle') { world.activateAll(); world.completeMoves() }
      step(passMs)
    }
    world.deposed.clear()
    for (let id = 1; id <= 5; id++) if (!world.brokers.has(id)) world.startBroker(id, storeOf(world, id))
    for (let round = 0; round < 100; round++) {
      step(2_000)
      world.activateAll()
      world.completeMoves()
    }
    if (step(1_000).length > 0) throw new Error('still at it')
    const isWell = ({ active, leader, leaderIncarnation, learners }: PartitionRecord): boolean =>
      active && learners.length === 0 && world.brokers.get(leader.brokerId)!.incarnation === leaderIncarnation
    return world.moves.size === 0 && [...world.records.values()].every(isWell)
  }), { numRuns: 200, seed: 11 })
})

/** A broker comes back with the store that it had. */
function storeOf (world: World, brokerId: number): string {
  for (const { replicas, prev } of world.records.values()) {
    for (const member of [...replicas, ...prev.flat()]) if (member.brokerId === brokerId) return member.storeId
  }
  return `store-${brokerId}`
}

t.test('Controller: a broker with a disk in trouble leads only where nobody else can', t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  const impair = (id: number): void => { world.brokers.set(id, { ...world.brokers.get(id)!, impaired: 'full' }) }
  impair(2)
  world.deposed.add(1)
  world.step()
  t.equal(world.record().leader.brokerId, 3, 'not 2, though both lead nothing')
  world.step()
  for (const passMs of [CONTROLLER_LIMITS.stuckMs, 2 * CONTROLLER_LIMITS.stuckMs]) {
    world.deposed.clear()
    world.step(passMs)
    t.not(world.record().leader.brokerId, 2, 'an epoch that does not begin')
  }
  for (const id of [1, 2, 3]) impair(id)
  world.step()
  world.activateAll()
  world.step()
  const { leader: { brokerId } } = world.record()
  world.deposed.add(brokerId)
  world.step()
  t.not(world.record().leader.brokerId, brokerId, 'better one with a bad disk than none')
  t.end()
})

t.test('Controller: a move does not make a broker with a disk in trouble the leader before it is well', t => {
  const world = new World(3)
  world.create('t/0', 1, 2, 3)
  const well = world.brokers.get(2)!
  world.brokers.set(2, { ...well, impaired: 'slow' })
  world.moves.set('t/0', { replicas: [2, 1, 3], askedAt: 0 })
  t.strictSame(world.step(), [])
  world.brokers.set(2, well)
  world.step()
  t.equal(world.record().leader.brokerId, 2)
  t.end()
})
