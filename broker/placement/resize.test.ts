// More replicas, and fewer: who is added, and who goes.

import fc from 'fast-check'
import t from 'tap'
import { rackOf } from './choose-replicas.js'
import { placePartitions } from './place-partitions.js'
import type { PlacedPartition, PlacementBroker } from './placement-types.js'
import { planRebalance, type Move } from './rebalance-plan.js'
import { planResize } from './resize-plan.js'

const RUNS = { numRuns: 100, seed: 20_27 }

function brokersOf (count: number, racks = 0): PlacementBroker[] {
  return Array.from({ length: count }, (_, index) =>
    ({ brokerId: index + 1, rack: racks === 0 ? '' : `rack-${index % racks}`, capacity: 1 }))
}

function place (brokers: readonly PlacementBroker[], partitions: number, replicationFactor: number): PlacedPartition[] {
  const topics = ['a', 'b']
  return topics.reduce<PlacedPartition[]>((placed, topicId) =>
    [...placed, ...placePartitions(brokers, placed, { topicId, from: 0, to: partitions, replicationFactor })], [])
}

function applied (partitions: readonly PlacedPartition[], moves: readonly Move[]): PlacedPartition[] {
  const to = new Map(moves.map(move => [`${move.topicId}/${move.partition}`, move.to]))
  return partitions.map(placed => ({ ...placed, replicas: to.get(`${placed.topicId}/${placed.partition}`) ?? placed.replicas }))
}

const anySizes = fc.record({
  brokers: fc.integer({ min: 1, max: 9 }),
  racks: fc.integer({ min: 0, max: 3 }),
  partitions: fc.integer({ min: 1, max: 12 }),
  before: fc.constantFrom(1, 3, 5),
  after: fc.constantFrom(1, 3, 5),
}).filter(({ brokers, before, after }) => brokers >= Math.max(before, after))

t.test('Resize: as many as asked for, distinct; who holds one keeps it, or nobody new gets one; the leader stays (property)', t => {
  fc.assert(fc.property(anySizes, ({ brokers: count, racks, partitions, before, after }) => {
    const brokers = brokersOf(count, racks)
    const placed = place(brokers, partitions, before)
    const moves = planResize(brokers, placed, 'a', after)
    return moves.length === partitions && moves.every(({ topicId, from, to }) => topicId === 'a' &&
      to.length === after && new Set(to).size === after && to[0] === from[0] &&
      (after >= before ? from.every(id => to.includes(id)) : to.every(id => from.includes(id))))
  }), RUNS)
  t.end()
})

t.test('Resize: replicas are in as many racks as can be, whether they become more or fewer (property)', t => {
  fc.assert(fc.property(anySizes, ({ brokers: count, racks, partitions, before, after }) => {
    const brokers = brokersOf(count, racks)
    const rackById = new Map(brokers.map(broker => [broker.brokerId, rackOf(broker)]))
    const all = new Set(rackById.values()).size
    const racksOf = (ids: readonly number[]): number => new Set(ids.map(id => rackById.get(id))).size
    return planResize(brokers, place(brokers, partitions, before), 'a', after).every(({ from, to }) =>
      racksOf(to) === Math.min(after, after > before ? all : racksOf(from)))
  }), RUNS)
  t.end()
})

t.test('Resize: what a plan asks for is as even as what is placed anew, and needs nothing more', t => {
  const brokers = brokersOf(6)
  const placed = place(brokers, 60, 1)
  const more = applied(placed, planResize(brokers, placed, 'a', 3))
  t.strictSame(planResize(brokers, more, 'a', 3).filter(({ from, to }) => String(from) !== String(to)), [])
  t.equal(planRebalance(brokers, more).copies, 0)
  const fewer = applied(more, planResize(brokers, more, 'a', 1))
  t.equal(planRebalance(brokers, fewer).copies, 0)
  t.end()
})

t.test('Resize: the number as it was calls off what is under way, whatever has been copied', t => {
  const brokers = brokersOf(5)
  const growing = { topicId: 'a', partition: 0, replicas: [2, 1, 3], held: [2] }
  t.strictSame(planResize(brokers, [growing], 'a', 1)[0]!.to, [2])
  const shrinking = { topicId: 'a', partition: 0, replicas: [2], held: [2, 1, 3] }
  t.strictSame([...planResize(brokers, [shrinking], 'a', 3)[0]!.to].sort(), [1, 2, 3])
  const five = { topicId: 'a', partition: 0, replicas: [2, 1, 3, 4, 5], held: [2, 1, 3] }
  t.strictSame(planResize(brokers, [five], 'a', 3)[0]!.to, [2, 1, 3])
  t.end()
})

t.test('Resize: the worst placed goes first (out of reach, then of a doubled rack, then of the fullest broker)', t => {
  const partition = { topicId: 'a', partition: 0, replicas: [1, 2, 3] }
  const gone = brokersOf(3).filter(({ brokerId }) => brokerId !== 2)
  t.notOk(planResize(gone, [partition], 'a', 1)[0]!.to.includes(2))
  const five = { ...partition, replicas: [1, 2, 3, 4, 5] }
  t.strictSame(planResize(brokersOf(5).filter(({ brokerId }) => brokerId < 4), [five], 'a', 3)[0]!.to, [1, 2, 3])
  const racks = ['x', 'y', 'y', 'z', 'x'].map((rack, index) => ({ brokerId: index + 1, rack, capacity: 1 }))
  const { to } = planResize(racks, [five], 'a', 3)[0]!
  t.strictSame(new Set(to.map(id => racks[id - 1]!.rack)).size, 3, `${to.join()}`)
  t.equal(to[0], 1, 'the leader stays, though 5 is in its rack')
  const others = Array.from({ length: 20 }, (_, index) => ({ topicId: 'b', partition: index, replicas: [2, 4] }))
  t.strictSame([...planResize(brokersOf(5), [five, ...others], 'a', 3)[0]!.to].sort(), [1, 3, 5])
  t.end()
})

t.test('Resize: a leader whose broker takes no replicas goes, and another one that is there leads', t => {
  const left = brokersOf(3).filter(({ brokerId }) => brokerId !== 1)
  const { to } = planResize(left, [{ topicId: 'a', partition: 0, replicas: [1, 2, 3] }], 'a', 1)[0]!
  t.equal(to.length, 1)
  t.not(to[0], 1)
  t.end()
})

t.test('Resize: what was asked of a broker that is gone since is asked of another one', t => {
  const left = brokersOf(4).filter(({ brokerId }) => brokerId !== 3)
  const growing = { topicId: 'a', partition: 0, replicas: [1, 2, 3], held: [1] }
  t.strictSame([...planResize(left, [growing], 'a', 3)[0]!.to].sort(), [1, 2, 4])
  const held = { topicId: 'a', partition: 0, replicas: [1, 2, 3], held: [1, 2, 3, 4, 5] }
  const five = brokersOf(5).filter(({ brokerId }) => brokerId !== 3)
  const { to } = planResize(five, [held], 'a', 3)[0]!
  t.notOk(to.includes(3), 'those that were to go have everything')
  t.end()
})

t.test('Resize: a rebalance makes up for a change of the number that was broken off', t => {
  const brokers = brokersOf(3)
  const fewer = planRebalance(brokers, [{ topicId: 'a', partition: 0, replicas: [2, 1, 3], replicationFactor: 1 }])
  t.strictSame(fewer.moves.map(({ to }) => to), [[2]])
  const more = planRebalance(brokers, [{ topicId: 'a', partition: 0, replicas: [2], replicationFactor: 3 }])
  t.equal(more.moves[0]!.to.length, 3)
  t.end()
})
