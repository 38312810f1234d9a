import fc from 'fast-check'
import t from 'tap'
import { rackOf } from './choose-replicas.js'
import { HashRing } from './hash-ring.js'
import { placePartitions } from './place-partitions.js'
import { LOAD_FACTOR, type PlacedPartition, type PlacementBroker } from './placement-types.js'
import { planLeaders, planRebalance } from './rebalance-plan.js'
import { ringHash } from './ring-hash.js'

const RUNS = { numRuns: 60, seed: 20_26 }

function brokersOf (count: number, racks = 0, capacity = 1): PlacementBroker[] {
  return Array.from({ length: count }, (_, index) =>
    ({ brokerId: index + 1, rack: racks === 0 ? '' : `rack-${index % racks}`, capacity }))
}

function place (
  brokers: readonly PlacementBroker[], topics: number, partitions: number, replicationFactor: number,
): PlacedPartition[] {
  const placed: PlacedPartition[] = []
  for (let topic = 0; topic < topics; topic++) {
    placed.push(...placePartitions(brokers, placed, { topicId: `topic-${topic}`, from: 0, to: partitions, replicationFactor }))
  }
  return placed
}

function apply (partitions: readonly PlacedPartition[], moves: ReturnType<typeof planRebalance>['moves']): PlacedPartition[] {
  const to = new Map(moves.map(move => [`${move.topicId}/${move.partition}`, move.to]))
  return partitions.map(placed => ({ ...placed, replicas: to.get(`${placed.topicId}/${placed.partition}`) ?? placed.replicas }))
}

function countsOf (partitions: readonly PlacedPartition[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const { replicas } of partitions) for (const id of replicas) counts.set(id, (counts.get(id) ?? 0) + 1)
  return counts
}

const anyBrokers = fc.record({
  count: fc.integer({ min: 1, max: 12 }),
  racks: fc.integer({ min: 0, max: 4 }),
  capacities: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 12, maxLength: 12 }),
}).map(({ count, racks, capacities }) =>
  brokersOf(count, racks).map((broker, index) => ({ ...broker, capacity: capacities[index]! })))

const anyIndex = fc.integer({ min: 0, max: 11 })

t.test('Ring: hash is the one that released brokers agree on', async t => {
  t.equal(ringHash(''), 5548681565325790, 'empty')
  t.equal(ringHash('1#0'), ringHash('1#0'))
  t.not(ringHash('1#0'), ringHash('1#1'))
})

t.test('Ring: shares follow capacity, and are 1 together', async t => {
  const ring = new HashRing([...brokersOf(4), { brokerId: 9, rack: '', capacity: 4 }])
  const shares = ring.shares()
  t.ok(Math.abs([...shares.values()].reduce((a, b) => a + b) - 1) < 1e-9)
  for (const id of [1, 2, 3, 4]) t.ok(Math.abs(shares.get(id)! - 1 / 8) < 0.03, `broker ${id}: ${shares.get(id)}`)
  t.ok(Math.abs(shares.get(9)! - 1 / 2) < 0.06, `broker 9: ${shares.get(9)}`)
})

t.test('Ring: a joining broker takes its share of first places, and nobody else changes any', async t => {
  const before = new HashRing(brokersOf(9))
  const after = new HashRing(brokersOf(10))
  let moved = 0
  for (let partition = 0; partition < 5_000; partition++) {
    const was = before.order('t', partition)[0]!.brokerId
    const is = after.order('t', partition)[0]!.brokerId
    if (was === is) continue
    t.equal(is, 10, 'only the new one takes')
    moved++
  }
  t.ok(moved > 350 && moved < 650, `${moved} of 5,000 moved; a tenth is ideal`)
})

t.test('Ring: orders name every broker once, whatever order they are given in', async t => {
  fc.assert(fc.property(anyBrokers, fc.integer({ min: 0, max: 100 }), (brokers, partition) => {
    const order = new HashRing(brokers).order('topic', partition).map(({ brokerId }) => brokerId)
    t.strictSame([...order].sort((a, b) => a - b), brokers.map(({ brokerId }) => brokerId))
    const again = new HashRing([...brokers].reverse()).order('topic', partition).map(({ brokerId }) => brokerId)
    t.strictSame(again, order)
  }), RUNS)
})

t.test('Placement: distinct brokers, distinct racks where possible, load within the bound', async () => {
  fc.assert(fc.property(anyBrokers, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 }),
    (brokers, replicationFactor, partitions) => {
      const placed = place(brokers, 3, partitions, replicationFactor)
      const racks = new Set(brokers.map(rackOf))
      for (const { replicas } of placed) {
        const count = Math.min(replicationFactor, brokers.length)
        if (new Set(replicas).size !== count || replicas.length !== count) return false
        const used = new Set(replicas.map(id => rackOf(brokers.find(({ brokerId }) => brokerId === id)!)))
        if (used.size !== Math.min(count, racks.size)) return false
      }
      // With one broker a rack nothing but the bound decides; with few racks these come first.
      if (racks.size !== brokers.length || replicationFactor > 1) return true
      const capacity = brokers.reduce((sum, broker) => sum + broker.capacity, 0)
      return [...countsOf(placed)].every(([id, count]) => count <=
        Math.ceil(LOAD_FACTOR * placed.length * brokers.find(({ brokerId }) => brokerId === id)!.capacity / capacity))
    }), RUNS)
})

t.test('Placement: replicas stay within 1.25 of the fair share (20 brokers, 3 replicas, no racks)', async t => {
  const placed = place(brokersOf(20), 10, 100, 3)
  const counts = [...countsOf(placed).values()]
  t.ok(Math.max(...counts) <= Math.ceil(1.25 * 3_000 / 20), `most loaded: ${Math.max(...counts)}`)
})

t.test('Placement: a small topic is spread, however the others lie', async t => {
  const brokers = brokersOf(3)
  const placed = place(brokers, 20, 3, 3)
  for (let topic = 0; topic < 20; topic++) {
    const leaders = placed.filter(({ topicId }) => topicId === `topic-${topic}`).map(({ replicas }) => replicas[0]!)
    t.equal(new Set(leaders).size, 3, 'each broker leads one')
  }
})

t.test('Placement: partitions that are added leave the others where they are', async t => {
  const brokers = brokersOf(5)
  const placed = place(brokers, 1, 6, 3)
  const added = placePartitions(brokers, placed, { topicId: 'topic-0', from: 6, to: 12, replicationFactor: 3 })
  t.strictSame(added.map(({ partition }) => partition), [6, 7, 8, 9, 10, 11])
})

t.test('Rebalance: a plan is the same for the same cluster, and nothing is left to do after it', async t => {
  fc.assert(fc.property(anyBrokers, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 30 }), anyIndex,
    (brokers, replicationFactor, partitions, gone) => {
      const placed = place(brokers, 2, partitions, replicationFactor)
      const left = brokers.filter((_, index) => index !== gone)
      const plan = planRebalance(left, placed)
      t.strictSame(planRebalance([...left].reverse(), [...placed].reverse()), plan, 'the same')
      const after = apply(placed, plan.moves)
      const again = planRebalance(left, after)
      return again.copies === 0 && again.leaderChanges === 0
    }), RUNS)
})

t.test('Rebalance: a plan never has fewer replicas, doubles, or fewer racks than before', async () => {
  fc.assert(fc.property(anyBrokers, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 30 }), anyIndex,
    (brokers, replicationFactor, partitions, added) => {
      const rackById = new Map(brokers.map(broker => [broker.brokerId, rackOf(broker)]))
      const racksOf = (ids: readonly number[]): number => new Set(ids.map(id => rackById.get(id))).size
      const before = brokers.filter((_, index) => index !== added || brokers.length === 1)
      const placed = place(before, 2, partitions, replicationFactor)
      return planRebalance(brokers, placed).moves.every(({ from, to }) =>
        to.length === from.length && new Set(to).size === to.length && racksOf(to) >= racksOf(from))
    }), RUNS)
})

for (const replicationFactor of [1, 3]) {
  t.test(`Rebalance: a join copies the share of the new broker and nothing else (replication factor ${replicationFactor})`, async t => {
    for (const count of [3, 5, 10, 20]) {
      const placed = place(brokersOf(count), 10, 60, replicationFactor)
      const plan = planRebalance(brokersOf(count + 1), placed)
      const ideal = Math.floor(600 * replicationFactor / (count + 1))
      t.ok(plan.copies >= ideal && plan.copies <= Math.ceil(ideal * 1.1), `${count} + 1 brokers: ${plan.copies} copies, ideal ${ideal}`)
      t.ok(plan.copiesLeast <= plan.copies)
      const counts = countsOf(apply(placed, plan.moves))
      t.ok(counts.get(count + 1)! >= ideal, 'the new one has its share')
    }
  })

  t.test(`Rebalance: a leave copies what the broker held and nothing else (replication factor ${replicationFactor})`, async t => {
    for (const count of [5, 10, 20]) {
      const placed = place(brokersOf(count), 10, 60, replicationFactor)
      const plan = planRebalance(brokersOf(count - 1), placed)
      const ideal = countsOf(placed).get(count)!
      t.equal(plan.copies, ideal, `${count} - 1 brokers`)
      t.equal(plan.copiesLeast, ideal)
      t.notOk(apply(placed, plan.moves).some(({ replicas }) => replicas.includes(count)))
    }
  })
}

t.test('Rebalance: a replica without another place stays (3 replicas, 2 brokers left)', async t => {
  const plan = planRebalance(brokersOf(2), [{ topicId: 't', partition: 0, replicas: [1, 2, 3] }])
  t.equal(plan.copies, 0)
  t.notOk(plan.moves.some(({ to }) => to.length !== 3))
})

t.test('Rebalance: a partition gets as many replicas as it is to have, where there are brokers (after a forced recovery)', async t => {
  const lone = { topicId: 't', partition: 0, replicas: [1], replicationFactor: 3 }
  const plan = planRebalance(brokersOf(3), [lone])
  t.strictSame([...plan.moves[0]!.to].sort(), [1, 2, 3])
  t.match(plan, { copies: 2, copiesLeast: 2 })
  t.strictSame([...planRebalance(brokersOf(2), [lone]).moves[0]!.to].sort(), [1, 2], 'as many as there are brokers')
  t.strictSame(planRebalance(brokersOf(3), [{ ...lone, replicas: [1, 2, 3] }]).copies, 0)
  t.strictSame(planRebalance(brokersOf(1), [lone]).moves, [])
})

t.test('Rebalance: replicas of one rack go apart once there is another rack', async t => {
  const brokers = ['a', 'a', 'b'].map((rack, index) => ({ brokerId: index + 1, rack, capacity: 1 }))
  const { moves } = planRebalance(brokers, [{ topicId: 't', partition: 0, replicas: [1, 2] }])
  t.equal(moves.length, 1)
  t.ok(moves[0]!.to.includes(3))
})

t.test('Rebalance: leaders are shared without a copy', async t => {
  const placed = Array.from({ length: 30 }, (_, partition) => ({ topicId: 't', partition, replicas: [1, 2, 3] }))
  const plan = planLeaders(brokersOf(3), placed)
  t.equal(plan.copies, 0)
  t.equal(plan.leaderChanges, 20)
  const after = apply(placed, plan.moves)
  const leads = countsOf(after.map(({ replicas, ...rest }) => ({ ...rest, replicas: [replicas[0]!] })))
  t.strictSame([...leads.values()].sort(), [10, 10, 10])
})

t.test('Rebalance: nobody to hold anything is no plan (no brokers, no partitions)', async t => {
  t.strictSame(planRebalance([], [{ topicId: 't', partition: 0, replicas: [1] }]).moves, [])
  t.strictSame(planRebalance(brokersOf(3), []).moves, [])
})
