// The assignors: complete, even, and moving no more than they must.

import fc from 'fast-check'
import t from 'tap'
import { ASSIGNORS, ASSIGNOR_NAMES, isAssignorName, type AssignmentTask } from './assignor.js'

const SEEDED = { seed: 20_240_607, numRuns: 300 }

interface Shape { partitionCounts: number[], topicsOf: number[][], previous: number[] }

/** Any topics, any subscriptions, and a previous assignment that may name members that no longer read the topic. */
const anyShape: fc.Arbitrary<Shape> = fc.record({
  partitionCounts: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 0, maxLength: 5 }),
  memberCount: fc.integer({ min: 0, max: 6 }),
}).chain(({ partitionCounts, memberCount }) => fc.record({
  partitionCounts: fc.constant(partitionCounts),
  topicsOf: fc.array(
    fc.subarray(partitionCounts.map((_, topic) => topic)), { minLength: memberCount, maxLength: memberCount }),
  previous: fc.array(fc.integer({ min: -1, max: memberCount - 1 }), {
    minLength: sum(partitionCounts), maxLength: sum(partitionCounts),
  }),
}))

function taskOf ({ partitionCounts, topicsOf, previous }: Shape): AssignmentTask {
  return { members: topicsOf.map(topics => ({ topics })), partitionCounts, previous: Int32Array.from(previous) }
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function topicOfIndex (partitionCounts: readonly number[]): number[] {
  return partitionCounts.flatMap((count, topic) => Array<number>(count).fill(topic))
}

function loadsOf (assignment: Int32Array, members: number): number[] {
  const loads = Array<number>(members).fill(0)
  for (const member of assignment) if (member >= 0) loads[member]!++
  return loads
}

/** All members read all topics. */
function equalTask (
  memberCount: number, partitionCounts: number[], previous = nobody(sum(partitionCounts)),
): AssignmentTask {
  const members = Array.from({ length: memberCount }, () => ({ topics: [...partitionCounts.keys()] }))
  return { members, partitionCounts, previous }
}

function moved (before: Int32Array, after: Int32Array): number {
  return after.filter((member, index) => before[index] !== -1 && before[index] !== member).length
}

function nobody (partitions: number): Int32Array {
  return new Int32Array(partitions).fill(-1)
}

for (const name of ASSIGNOR_NAMES) {
  const { assign } = ASSIGNORS[name]

  t.test(`Assignor ${name}: gives each partition to one member that reads it (any subscriptions)`, async t => {
    fc.assert(fc.property(anyShape, shape => {
      const topics = topicOfIndex(shape.partitionCounts)
      const assignment = assign(taskOf(shape))
      t.equal(assignment.length, topics.length)
      topics.forEach((topic, index) => {
        const member = assignment[index]!
        if (shape.topicsOf.some(read => read.includes(topic))) {
          if (!shape.topicsOf[member]?.includes(topic)) throw new Error(`partition ${index} is with ${member}`)
        } else if (member !== -1) {
          throw new Error(`partition ${index} of a topic that nobody reads is with ${member}`)
        }
      })
    }), SEEDED)
  })

  t.test(`Assignor ${name}: gives the same result for the same input and leaves the input alone`, async () => {
    fc.assert(fc.property(anyShape, shape => {
      const task = taskOf(shape)
      const first = assign(task)
      const second = assign(task)
      return first.every((member, index) => member === second[index]) &&
        task.previous.every((member, index) => member === shape.previous[index])
    }), SEEDED)
  })

  t.test(`Assignor ${name}: keeps its own result (nothing has changed)`, async () => {
    fc.assert(fc.property(anyShape, shape => {
      const first = assign(taskOf(shape))
      return moved(first, assign({ ...taskOf(shape), previous: first })) === 0
    }), SEEDED)
  })

  t.test(`Assignor ${name}: spreads many partitions evenly (10,000 partitions, 100 members)`, async t => {
    const task = equalTask(100, Array<number>(100).fill(100))
    const startMs = performance.now()
    const assignment = assign(task)
    t.comment(`${(performance.now() - startMs).toFixed(1)} ms`)
    t.same(new Set(loadsOf(assignment, 100)), new Set([100]))
  })
}

for (const name of ['round-robin', 'sticky', 'cooperative'] as const) {
  t.test(`Assignor ${name}: sizes differ by one at most (equal subscriptions, any number of topics)`, async () => {
    const shapes = fc.tuple(
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 5 }),
      fc.infiniteStream(fc.integer({ min: -1, max: 7 })))
    fc.assert(fc.property(shapes, ([memberCount, partitionCounts, owners]) => {
      const previous = nobody(sum(partitionCounts)).map(() => Math.min(owners.next().value!, memberCount - 1))
      const loads = loadsOf(ASSIGNORS[name].assign(equalTask(memberCount, partitionCounts, previous)), memberCount)
      return Math.max(...loads) - Math.min(...loads) <= 1
    }), SEEDED)
  })
}

t.test('Assignor range: cuts each topic into runs of neighbours that differ by one at most', async t => {
  t.same([...ASSIGNORS.range.assign(equalTask(3, [7, 2]))], [0, 0, 0, 1, 1, 2, 2, 0, 1])
})

t.test('Assignor range: puts partition n of all topics with one member (same size, same readers)', async () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 30 }), (memberCount, partitions) => {
    const assignment = ASSIGNORS.range.assign(equalTask(memberCount, [partitions, partitions]))
    for (let partition = 0; partition < partitions; partition++) {
      if (assignment[partition] !== assignment[partitions + partition]) return false
    }
    return true
  }), SEEDED)
})

t.test('Assignor round-robin: passes over members that do not read a topic', async t => {
  const members = [{ topics: [0] }, { topics: [0, 1] }, { topics: [1] }]
  const assignment = ASSIGNORS['round-robin'].assign({ members, partitionCounts: [3, 3], previous: nobody(6) })
  t.same([...assignment], [0, 1, 0, 1, 2, 1])
})

t.test('Assignor sticky: a member that joins gets its share and nothing else moves', async () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 60 }), (memberCount, partitions) => {
    const { assign } = ASSIGNORS.sticky
    const before = assign(equalTask(memberCount, [partitions]))
    const after = assign(equalTask(memberCount + 1, [partitions], before))
    const toNewcomer = after.filter(member => member === memberCount).length
    return moved(before, after) === toNewcomer && toNewcomer <= Math.ceil(partitions / (memberCount + 1))
  }), SEEDED)
})

t.test('Assignor sticky: a member that leaves moves only what it had', async () => {
  fc.assert(fc.property(
    fc.integer({ min: 2, max: 9 }), fc.integer({ min: 0, max: 60 }), fc.nat(), (memberCount, partitions, pick) => {
      const { assign } = ASSIGNORS.sticky
      const gone = pick % memberCount
      const before = assign(equalTask(memberCount, [partitions]))
      const previous = before.map(member => member === gone ? -1 : member > gone ? member - 1 : member)
      const after = assign(equalTask(memberCount - 1, [partitions], previous))
      return moved(previous, after) === 0
    }), SEEDED)
})

t.test('Assignor sticky: moves the fewest that an even assignment allows (any previous assignment)', async () => {
  const shapes = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.array(fc.integer({ min: -1, max: 4 }), { maxLength: 25 }))
  fc.assert(fc.property(shapes, ([memberCount, owners]) => {
    const previous = Int32Array.from(owners, owner => Math.min(owner, memberCount - 1))
    const after = ASSIGNORS.sticky.assign(equalTask(memberCount, [owners.length], previous))
    const kept = after.filter((member, index) => previous[index] === member).length
    const held = loadsOf(previous, memberCount).sort((a, b) => b - a)
    const floor = Math.floor(owners.length / memberCount)
    const most = sum(held.map((count, i) => Math.min(count, floor + (i < owners.length % memberCount ? 1 : 0))))
    return kept === most
  }), SEEDED)
})

t.test('Assignor sticky: a member that joins gets some of each topic', async t => {
  const before = ASSIGNORS.sticky.assign(equalTask(1, [10, 10]))
  const after = ASSIGNORS.sticky.assign(equalTask(2, [10, 10], before))
  t.equal(after.slice(0, 10).filter(member => member === 1).length, 5)
  t.equal(after.slice(10).filter(member => member === 1).length, 5)
})

t.test('Assignor sticky: loads are as even as the subscriptions allow (different subscriptions)', async () => {
  fc.assert(fc.property(anyShape, shape => {
    const assignment = ASSIGNORS.sticky.assign(taskOf(shape))
    const loads = loadsOf(assignment, shape.topicsOf.length)
    return loads.every((load, member) => leastInReach(shape, assignment, loads, member) > load - 2)
  }), SEEDED)
})

/** The least load that a chain of hand-overs from this member can end at: the test of optimality. */
function leastInReach (shape: Shape, assignment: Int32Array, loads: readonly number[], from: number): number {
  const topics = topicOfIndex(shape.partitionCounts)
  const reached = new Set([from])
  for (const member of reached) {
    assignment.forEach((owner, index) => {
      if (owner !== member) return
      shape.topicsOf.forEach((read, other) => { if (read.includes(topics[index]!)) reached.add(other) })
    })
  }
  return Math.min(...[...reached].map(member => loads[member]!))
}

t.test('Assignor sticky: evens out along a chain (no two neighbours differ by two)', async t => {
  const members = [{ topics: [0] }, { topics: [0, 1] }, { topics: [1] }]
  const previous = Int32Array.from([0, 0, 0, 1, 1, 2])
  const after = ASSIGNORS.sticky.assign({ members, partitionCounts: [3, 3], previous })
  t.same(loadsOf(after, 3), [2, 2, 2])
  t.equal(moved(previous, after), 2)
})

t.test('Assignor sticky: moves one where new partitions can only go to a member with enough (different subscriptions)', async t => {
  const members = [{ topics: [0] }, { topics: [0, 1] }]
  const previous = Int32Array.from([0, 0, 1, 1, -1, -1])
  const after = ASSIGNORS.sticky.assign({ members, partitionCounts: [4, 2], previous })
  t.ok(after.slice(4).every(member => member === 1))
  t.same(loadsOf(after, 2), [3, 3], 'one of the shared topic goes to the one that reads only that')
  t.equal(moved(previous, after), 1)
})

t.test('Assignor sticky: spreads many partitions evenly (10,000 partitions, 100 members, different subscriptions)', async t => {
  const members = Array.from({ length: 100 }, (_, member) =>
    ({ topics: [...Array(100).keys()].filter(topic => (topic * 7 + member) % 3 !== 0) }))
  const previous = new Int32Array(10_000).map((_, index) => index % 3)
  const startMs = performance.now()
  const assignment = ASSIGNORS.sticky.assign({ members, partitionCounts: Array<number>(100).fill(100), previous })
  t.comment(`${(performance.now() - startMs).toFixed(1)} ms`)
  const loads = loadsOf(assignment, 100)
  t.ok(Math.max(...loads) - Math.min(...loads) <= 1)
})

t.test('Assignor: names are those of the table only', async t => {
  t.ok(isAssignorName('cooperative'))
  t.notOk(isAssignorName('toString'))
  t.notOk(isAssignorName('Range'))
})
