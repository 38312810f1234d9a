// How partitions move between the members of a group.

import { ERROR } from '@sluice/protocol'
import t from 'tap'
import { GoodMember, GroupWorld, REBALANCE_MS, SESSION_MS, calmDown, type Answer } from './group-world.test.double.js'

function worldOf (partitions: number, limits = {}): GroupWorld {
  const world = new GroupWorld(limits)
  world.addTopic('orders', partitions)
  return world
}

t.test('Group: the first member gets all partitions with its join', async t => {
  const world = worldOf(3)
  const answer = world.join()
  t.same(answer.view, {
    memberId: 'member-1',
    generation: 1,
    assignor: 'cooperative',
    heartbeatIntervalMs: 3_000,
    assigned: [{ topic: 'orders', topicId: 'topic-id-1', partitions: [0, 1, 2] }],
  })
  t.equal(world.description()?.state, 'stable')
})

t.test('Group: a partition moves only after its owner has let go of it', async t => {
  const world = worldOf(4)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  t.same(second.partitions, [], 'the first member works on all of it')
  t.equal(second.generation, 2)
  const waiting = world.heartbeat({ memberId: second.memberId, generation: 2, maxWaitMs: 3_000 })
  t.ok(waiting.pending)

  first.beat()
  t.ok(waiting.pending, 'the first member knows, but works on')
  t.equal(world.description()?.state, 'rebalancing')
  first.letGo().beat()
  t.equal(first.working.size, 2)
  t.equal(waiting.partitions.length, 2, 'answered at once')
  t.equal(waiting.view!.generation, 2, 'the assignment is the one that was made at the join')
  t.equal(world.description()?.state, 'stable')
})

t.test('Group: members keep working on what stays theirs (cooperative)', async t => {
  const world = worldOf(6)
  const first = new GoodMember(world).join()
  new GoodMember(world).join()
  first.beat()
  const kept = first.letGo().partitions
  t.equal(kept.length, 3)
  first.beat()
  t.same(first.partitions, kept)
})

for (const assignor of ['range', 'round-robin', 'sticky']) {
  t.test(`Group: nobody gets anything before everybody has let go of everything (${assignor})`, async t => {
    const world = worldOf(6)
    const first = new GoodMember(world, { assignor }).join()
    const second = new GoodMember(world, { assignor }).join()
    calmDown([first, second])
    t.same([first.working.size, second.working.size], [3, 3])

    const third = new GoodMember(world, { assignor }).join()
    t.equal(third.working.size, 0)
    first.beat().letGo()
    t.equal(first.working.size, 0, 'all of it is given up, not only what moves')
    first.beat()
    t.equal(first.working.size, 0, 'the second member works on')
    const waiting = world.heartbeat({ memberId: first.memberId, generation: first.generation, maxWaitMs: 3_000 })
    t.ok(waiting.pending)
    second.beat().letGo()
    second.beat()
    t.equal(waiting.partitions.length, 2, 'the last one to let go lifts the barrier')
    calmDown([first, second, third])
    t.same([first, second, third].map(member => member.working.size), [2, 2, 2])
  })
}

t.test('Group: a heartbeat of before a revocation does not give the partition up (answer and heartbeat cross)', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  calmDown([first, second])
  // The second member leaves and the first is granted its partition; before that answer arrives, the first sends a
  // heartbeat that cannot list it, and the second joins again.
  const oldReport = first.owned
  const oldGeneration = first.generation
  world.leave(second.memberId)
  const crossing = world.heartbeat({ memberId: first.memberId, generation: oldGeneration, owned: oldReport })
  t.equal(crossing.partitions.length, 2)
  const third = new GoodMember(world).join()
  world.heartbeat({ memberId: first.memberId, generation: oldGeneration, owned: oldReport })
  third.beat()
  t.same(third.partitions, [], 'the first member is about to work on both')
  first.take(crossing)
  first.beat().letGo()
  t.equal(first.working.size, 1)
  first.beat()
  third.beat()
  t.equal(third.working.size, 1)
})

t.test('Group: a heartbeat that was overtaken changes nothing', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  const late = { memberId: first.memberId, generation: first.generation, owned: [] }
  const second = new GoodMember(world).join()
  first.beat()
  world.heartbeat(late)
  t.same(second.beat().partitions, [])
  t.equal(world.heartbeat(late).view!.generation, 2, 'but it is answered')
})

t.test('Group: a partition is taken from a member that does not let go within its rebalance timeout', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  for (let passedMs = 0; passedMs < REBALANCE_MS; passedMs += 1_000) {
    first.beat()
    second.beat()
    t.equal(second.working.size, 0)
    world.advance(1_000)
  }
  second.beat()
  t.equal(second.working.size, 1)
  const [lost] = [...second.working].map(key => Number(key.split('/')[1]))
  t.equal(world.commit(first.memberId, first.generation, lost!), ERROR.PARTITION_NOT_OWNED)
  t.equal(world.commit(first.memberId, 1, lost!), ERROR.STALE_GENERATION)
  t.equal(world.commit(first.memberId, first.generation, 1 - lost!), 0, 'it stays a member and keeps the rest')
  t.equal(world.commit(second.memberId, second.generation, lost!), 0)
})

t.test('Group: who lost a partition gets it back only after it has let go of it', async t => {
  const world = worldOf(1)
  const first = new GoodMember(world, { memberId: '' }).join()
  // Joins with a name before that of the first, so that the only partition goes to it by range.
  const second = new GoodMember(world, { instanceId: 'a' }).join()
  const third = new GoodMember(world).join()
  world.leave(first.memberId)
  calmDown([second, third])
  const [holder, other] = second.working.size === 1 ? [second, third] : [third, second]
  // The holder is asked to give the partition up, since it reads another topic from now on, but it does not.
  world.addTopic('other', 1)
  world.join({ ...holder.joinChanges, memberId: holder.memberId, topics: ['other'], owned: holder.owned })
  for (let beat = 0; beat < 25; beat++) {
    holder.beat()
    other.beat()
    world.advance(1_000)
  }
  other.beat()
  t.same(other.partitions, ['orders/0'])
  world.join({ ...holder.joinChanges, memberId: holder.memberId, topics: ['orders'], owned: holder.owned })
  world.leave(other.memberId)
  holder.beat()
  const [stuck] = holder.working
  t.equal(world.commit(holder.memberId, holder.generation, 0), ERROR.PARTITION_NOT_OWNED)
  holder.working.delete(stuck!)
  const told = world.heartbeat({ memberId: holder.memberId, generation: holder.generation, owned: holder.owned })
  t.same(told.partitions, ['orders/0'])
  t.equal(world.commit(holder.memberId, told.view!.generation, 0), 0)
})

t.test('Group: the partitions of a member that leaves go to the others at once', async t => {
  const world = worldOf(4)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  calmDown([first, second])
  const waiting = world.heartbeat({ memberId: first.memberId, generation: 2, maxWaitMs: 3_000, owned: first.owned })
  t.equal(world.leave(second.memberId), 0)
  t.equal(waiting.partitions.length, 4)
  t.equal(waiting.view!.generation, 3)
  t.equal(world.leave(second.memberId), ERROR.UNKNOWN_MEMBER)
  t.equal(second.beat().lastError, ERROR.UNKNOWN_MEMBER)
})

t.test('Group: a member that vanishes is replaced within its session timeout', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  calmDown([first, second])
  for (let passedMs = 0; passedMs < SESSION_MS; passedMs += 1_000) {
    first.beat()
    t.equal(first.working.size, 1)
    world.advance(1_000)
  }
  first.beat()
  t.equal(first.working.size, 2)
  t.equal(world.commit(second.memberId, second.generation, 0), ERROR.UNKNOWN_MEMBER)
  t.equal(second.beat().lastError, ERROR.UNKNOWN_MEMBER)
})

t.test('Group: a member that was replaced does not get back what another had meanwhile while it works on it', async t => {
  const world = worldOf(1)
  const first = new GoodMember(world).join()
  world.advance(SESSION_MS)
  const second = new GoodMember(world).join()
  t.equal(second.working.size, 1)
  world.leave(second.memberId)
  first.join()
  t.equal(world.commit(first.memberId, first.generation, 0), ERROR.PARTITION_NOT_OWNED)
  first.working.clear()
  first.beat()
  t.same(first.partitions, ['orders/0'])
})

t.test('Group: a member that was away too long goes on where nobody else had its partitions', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  world.advance(SESSION_MS)
  first.join()
  t.equal(first.lastError, 0)
  t.equal(world.commit(first.memberId, first.generation, 1), 0)
})

t.test('Group: joins of one turn make one assignment', async t => {
  const world = worldOf(6)
  const answers = [world.joinInTurn(), world.joinInTurn(), world.joinInTurn()]
  world.endTurn()
  t.same(answers.map(answer => answer.partitions.length), [2, 2, 2])
  t.same(answers.map(answer => answer.view!.generation), [1, 1, 1])
})

t.test('Group: the generation stays where the assignment does not change (more members than partitions)', async t => {
  const world = worldOf(1)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  t.equal(second.generation, first.generation)
  t.equal(second.working.size, 0)
  t.equal(world.description()?.state, 'stable')
})

t.test('Group: a topic that does not exist yet is assigned when it is created', async t => {
  const world = new GroupWorld()
  const first = new GoodMember(world).join()
  t.equal(first.lastError, 0)
  t.equal(first.working.size, 0)
  const waiting = world.heartbeat({ memberId: first.memberId, generation: first.generation, maxWaitMs: 3_000 })
  world.addTopic('invoices', 2)
  t.ok(waiting.pending, 'a topic that it does not read')
  t.equal(world.description()?.state, 'stable')
  world.addTopic('orders', 2)
  t.same(waiting.partitions, ['orders/0', 'orders/1'])
})

t.test('Group: new partitions of a topic are assigned, and the others stay', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  calmDown([first, second])
  const before = [first.partitions, second.partitions]
  world.addTopic('orders', 4)
  calmDown([first, second])
  t.same([first.working.size, second.working.size], [2, 2])
  t.ok(first.partitions.includes(before[0]![0]!))
  t.ok(second.partitions.includes(before[1]![0]!))
})

t.test('Group: a deleted topic is taken from its members; created anew it is another', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  const waiting = world.heartbeat({ memberId: first.memberId, generation: 1, maxWaitMs: 3_000, owned: first.owned })
  world.deleteTopic('orders')
  t.same(waiting.view!.assigned, [])
  t.equal(waiting.view!.generation, 2)
  t.equal(world.commit(first.memberId, 2, 0, 'topic-id-1'), ERROR.PARTITION_NOT_OWNED)
  first.take(waiting)
  world.addTopic('orders', 1)
  const told = first.beat()
  t.same([...told.working].at(-1), 'topic-id-2/0')
  t.equal(world.commit(first.memberId, first.generation, 0), 0)
})

t.test('Group: a member that reads other topics from now on gives up those of before', async t => {
  const world = worldOf(2)
  world.addTopic('other', 1)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  calmDown([first, second])
  const answer = world.join({ memberId: first.memberId, topics: ['other'], owned: first.owned })
  t.same(answer.partitions, ['other/0'])
  second.beat()
  t.equal(second.working.size, 1, 'the first member works on')
  first.take(answer)
  first.letGo().beat()
  second.beat()
  t.equal(second.working.size, 2)
})

t.test('Group: a join in flight gives nothing up (the member has not seen its last answer)', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  world.join({ memberId: first.memberId, owned: [] })
  const second = new GoodMember(world).join()
  t.equal(second.working.size, 0)
  t.equal(world.commit(first.memberId, first.generation, 0), 0)
})

t.test('Group: what a member claims of a running group is not believed', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  const intruder = world.join({ memberId: 'intruder', owned: world.owned(0, 1, 99, -1) })
  t.same(intruder.partitions, [])
  t.equal(world.commit('intruder', intruder.view!.generation, 0), ERROR.PARTITION_NOT_OWNED)
  t.equal(world.commit(first.memberId, 1, 0), 0)
  const unknown = [{ topicId: 'nonsense', partitions: [0] }]
  t.equal(world.heartbeat({ memberId: 'intruder', generation: 2, owned: unknown }).error, 0)
})

t.test('Group: a partition stays where it was when the reason to move it is gone', async t => {
  const world = worldOf(4)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  first.beat()
  world.leave(second.memberId)
  const told = world.heartbeat({ memberId: first.memberId, generation: first.generation, owned: first.owned })
  t.equal(told.partitions.length, 4, 'it has let go of nothing yet and need not')
  first.take(told)
  for (let passedMs = 0; passedMs <= REBALANCE_MS; passedMs += 1_000) {
    world.advance(1_000)
    first.beat()
  }
  t.same([0, 1, 2, 3].map(partition => world.commit(first.memberId, first.generation, partition)), [0, 0, 0, 0])
})

t.test('Group: what is on the move already is not turned round by the next rebalance', async t => {
  const world = worldOf(6)
  const first = new GoodMember(world).join()
  new GoodMember(world).join()
  const halfOfAll = world.heartbeat({ memberId: first.memberId, generation: 1, owned: first.owned }).partitions
  new GoodMember(world).join()
  const aThird = world.heartbeat({ memberId: first.memberId, generation: 2, owned: first.owned }).partitions
  t.same([halfOfAll.length, aThird.length], [3, 2])
  t.ok(aThird.every(name => halfOfAll.includes(name)))
})

/** `loser` works on the only partition, which was taken from it and has been with another meanwhile. */
function lostAndFree (): { world: GroupWorld, loser: GoodMember, lateBeat: () => Answer } {
  const world = worldOf(1)
  const before = new GoodMember(world).join()
  const loser = new GoodMember(world, { rebalanceTimeoutMs: 1_000 }).join()
  const { memberId, generation } = loser
  world.leave(before.memberId)
  loser.beat()
  const other = new GoodMember(world).join()
  // It reads another topic for a while, so that the partition has to go, but does not let go of it.
  loser.take(world.join({ memberId, topics: ['quiet'], owned: loser.owned, rebalanceTimeoutMs: 1_000 }))
  loser.beat()
  world.advance(1_000)
  other.beat()
  t.same(other.partitions, ['orders/0'])
  world.leave(other.memberId)
  return { world, loser, lateBeat: () => world.heartbeat({ memberId, generation, owned: [] }) }
}

t.test('Group: an answer to a heartbeat of before a loss does not give the partition back', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world, { rebalanceTimeoutMs: 1_000 }).join()
  const second = new GoodMember(world).join()
  first.beat()
  const waiting = world.heartbeat({ memberId: first.memberId, generation: 2, maxWaitMs: 3_000, owned: first.owned })
  world.advance(1_000)
  second.beat()
  t.equal(second.working.size, 1, 'taken from the first, whose heartbeat waits')
  t.ok(waiting.pending)
  world.leave(second.memberId)
  t.equal(waiting.partitions.length, 1, 'it says that it works on both')
  first.take(waiting)
  first.letGo().beat()
  t.equal(first.working.size, 2)
})

t.test('Group: a heartbeat that was overtaken does not give a lost partition back', async t => {
  const { world, loser, lateBeat } = lostAndFree()
  loser.take(world.join({ memberId: loser.memberId, topics: ['orders'], owned: loser.owned }))
  loser.beat()
  t.equal(world.commit(loser.memberId, loser.generation, 0), ERROR.PARTITION_NOT_OWNED)
  t.same(lateBeat().partitions, [], 'it was sent before the partition was first given to it')
  t.equal(world.commit(loser.memberId, loser.generation, 0), ERROR.PARTITION_NOT_OWNED)
  loser.working.clear()
  loser.beat()
  t.same(loser.partitions, ['orders/0'])
})
