// Who is a member: joining, heartbeats, static members, commits, and what is refused.

import { ERROR } from '@sluice/protocol'
import t from 'tap'
import { Answer, GROUP, GoodMember, GroupWorld, SESSION_MS, calmDown } from './group-world.test.double.js'

function worldOf (partitions: number, limits = {}): GroupWorld {
  const world = new GroupWorld(limits)
  world.addTopic('orders', partitions)
  return world
}

t.test('Heartbeat: waits while nothing changes, and is answered at its deadline', async t => {
  const world = worldOf(1)
  const member = new GoodMember(world).join()
  const waiting = world.heartbeat({ memberId: member.memberId, generation: 1, maxWaitMs: 2_000, owned: member.owned })
  world.advance(1_900)
  t.ok(waiting.pending)
  world.advance(100)
  t.same(waiting.partitions, ['orders/0'])
  t.equal(waiting.count, 1)
})

t.test('Heartbeat: waits no longer than the heartbeat interval, whatever is asked for', async t => {
  const world = worldOf(1)
  const member = new GoodMember(world).join()
  const { memberId, owned } = member
  const waiting = world.heartbeat({ memberId, generation: 1, maxWaitMs: 2 ** 31 - 1, owned })
  world.advance(SESSION_MS / 3)
  t.equal(waiting.count, 1)
})

t.test('Heartbeat: only one of a member waits; a later one lets the earlier go', async t => {
  const world = worldOf(1)
  const member = new GoodMember(world).join()
  const beat = { memberId: member.memberId, generation: 1, maxWaitMs: 3_000, owned: member.owned }
  const earlier = world.heartbeat(beat)
  const later = world.heartbeat(beat)
  t.equal(earlier.count, 1)
  t.ok(later.pending)
})

t.test('Heartbeat: is answered at once where the member has missed an answer (older generation)', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  new GoodMember(world).join()
  world.heartbeat({ memberId: first.memberId, generation: 1, owned: first.owned })
  const again = world.heartbeat({ memberId: first.memberId, generation: 1, maxWaitMs: 3_000, owned: first.owned })
  t.equal(again.view?.generation, 2)
})

t.test('Heartbeat: reminds once of partitions that the member does not list, then waits', async t => {
  const world = worldOf(2)
  const member = new GoodMember(world).join()
  const lacking = { memberId: member.memberId, generation: 1, maxWaitMs: 3_000, owned: [] }
  t.equal(world.heartbeat(lacking).partitions.length, 2, 'the answer to the join may have been lost')
  const waiting = world.heartbeat(lacking)
  t.ok(waiting.pending, 'a client that does not take what it is given must not spin')
  world.advance(3_000)
  t.equal(waiting.count, 1)
})

t.test('Heartbeat: does not spin while a member works on what it has to give up', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  new GoodMember(world).join()
  first.beat()
  const waiting = world.heartbeat({ memberId: first.memberId, generation: 2, maxWaitMs: 3_000, owned: first.owned })
  t.ok(waiting.pending)
})

t.test('Heartbeat: refused where it makes no sense', async t => {
  const world = worldOf(1)
  const member = new GoodMember(world).join()
  const { memberId } = member
  t.equal(world.heartbeat({ memberId, generation: 2 }).error, ERROR.INVALID_REQUEST, 'a generation to come')
  t.equal(world.heartbeat({ memberId, generation: -1 }).error, ERROR.INVALID_REQUEST)
  t.equal(world.heartbeat({ memberId, generation: 1, maxWaitMs: -1 }).error, ERROR.INVALID_REQUEST)
  t.equal(world.heartbeat({ memberId: 'nobody', generation: 1 }).error, ERROR.UNKNOWN_MEMBER)
  t.equal(world.heartbeat({ memberId, generation: 1, group: 'other' }).error, ERROR.UNKNOWN_MEMBER)
})

t.test('Heartbeat: one that waits ends with its membership', async t => {
  const world = worldOf(1)
  const member = new GoodMember(world).join()
  const waiting = world.heartbeat({ memberId: member.memberId, generation: 1, maxWaitMs: 3_000, owned: member.owned })
  world.leave(member.memberId)
  t.equal(waiting.error, ERROR.UNKNOWN_MEMBER)
  t.equal(waiting.count, 1)
})

t.test('Static member: takes its partitions over after a restart, without a rebalance', async t => {
  const world = worldOf(4)
  const first = new GoodMember(world, { instanceId: 'a' }).join()
  const second = new GoodMember(world, { instanceId: 'b' }).join()
  calmDown([first, second])
  const before = first.partitions
  const { generation } = second

  const waiting = world.heartbeat({ memberId: first.memberId, generation, maxWaitMs: 3_000, owned: first.owned })
  world.advance(1_000)
  const reborn = new GoodMember(world, { instanceId: 'a' }).join()
  t.not(reborn.memberId, first.memberId)
  t.same(reborn.partitions, before)
  t.equal(reborn.generation, generation)
  t.equal(waiting.error, ERROR.INSTANCE_FENCED, 'the old process learns of it at once')
  t.equal(first.beat().lastError, ERROR.INSTANCE_FENCED)
  const partition = Number(before[0]!.split('/')[1])
  t.equal(world.commit(first.memberId, generation, partition), ERROR.INSTANCE_FENCED)
  t.equal(world.commit(reborn.memberId, generation, partition), 0)
  t.equal(world.leave(first.memberId), ERROR.INSTANCE_FENCED)
  t.equal(first.join().lastError, ERROR.INSTANCE_FENCED, 'or the two would take turns for ever')
})

t.test('Static member: keeps its partitions for its session timeout', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world, { instanceId: 'a' }).join()
  const second = new GoodMember(world, { instanceId: 'b' }).join()
  calmDown([first, second])
  for (let passedMs = 0; passedMs < SESSION_MS - 1_000; passedMs += 1_000) {
    world.advance(1_000)
    second.beat()
  }
  t.equal(second.working.size, 1)
  world.advance(1_000)
  second.beat()
  t.equal(second.working.size, 2)
})

t.test('Static member: what it had to give up is free when another process takes over', async t => {
  const world = worldOf(2)
  new GoodMember(world, { instanceId: 'a' }).join()
  const second = new GoodMember(world, { instanceId: 'b' }).join()
  t.equal(second.working.size, 0)
  const reborn = new GoodMember(world, { instanceId: 'a' }).join()
  second.beat()
  t.same([reborn.working.size, second.working.size], [1, 1])
})

t.test('Static member: an older process with another member id is refused (both outlived the broker)', async t => {
  const world = worldOf(1)
  const newer = world.join({ instanceId: 'a', memberId: 'newer' })
  t.equal(newer.error, 0)
  t.equal(world.join({ instanceId: 'a', memberId: 'older' }).error, ERROR.INSTANCE_FENCED)
  t.equal(world.heartbeat({ memberId: 'newer', generation: 1, owned: world.owned(0) }).error, 0)
})

t.test('Static member: as many fenced ids are remembered as the limit says', async t => {
  const world = worldOf(1, { fencedIdsMax: 2 })
  const ids = [1, 2, 3, 4].map(() => world.join({ instanceId: 'a' }).view!.memberId)
  t.same(ids.map(id => world.leave(id)), [ERROR.UNKNOWN_MEMBER, ERROR.INSTANCE_FENCED, ERROR.INSTANCE_FENCED, 0])
})

t.test('Commit: allowed to whoever owns the partition, while it gives it up too', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  first.beat()
  t.same([0, 1].map(partition => world.commit(first.memberId, 2, partition)), [0, 0])
  t.same([0, 1].map(partition => world.commit(first.memberId, 1, partition)), [0, 0], 'with its older generation too')
  t.equal(world.commit(second.memberId, 2, 0), ERROR.PARTITION_NOT_OWNED)
  const all = first.partitions
  first.letGo().beat()
  const given = Number(all.find(name => !first.partitions.includes(name))!.split('/')[1])
  t.equal(world.commit(first.memberId, 2, given), ERROR.PARTITION_NOT_OWNED)
  t.equal(world.commit(first.memberId, 1, given), ERROR.STALE_GENERATION)
  second.beat()
  t.equal(world.commit(second.memberId, 2, given), 0)
})

t.test('Commit: one of an earlier ownership of the same partition is refused', async t => {
  const world = worldOf(1)
  const first = new GoodMember(world).join()
  world.addTopic('other', 1)
  world.join({ memberId: first.memberId, topics: ['other'], owned: first.owned })
  first.beat().letGo().beat()
  first.take(world.join({ memberId: first.memberId, topics: ['orders'], owned: first.owned }))
  t.same(first.partitions.includes('orders/0'), true)
  t.equal(world.commit(first.memberId, 1, 0), ERROR.STALE_GENERATION)
  t.equal(world.commit(first.memberId, first.generation, 0), 0)
})

t.test('Commit: refused where member, generation or partition are unknown', async t => {
  const world = worldOf(1)
  const { memberId } = new GoodMember(world).join()
  t.equal(world.commit('nobody', 1, 0), ERROR.UNKNOWN_MEMBER)
  t.equal(world.commit(memberId, 2, 0), ERROR.INVALID_REQUEST)
  t.equal(world.commit(memberId, -1, 0), ERROR.INVALID_REQUEST)
  t.equal(world.commit(memberId, 1, 1), ERROR.PARTITION_NOT_OWNED)
  t.equal(world.commit(memberId, 1, 0, 'no-such-topic'), ERROR.PARTITION_NOT_OWNED)
})

t.test('Commit: from outside only where the group has no members', async t => {
  const world = worldOf(1)
  t.equal(world.commit('', -1, 0), 0)
  const { memberId } = new GoodMember(world).join()
  t.equal(world.commit('', -1, 0), ERROR.GROUP_NOT_EMPTY)
  t.equal(world.commit('', 1, 0), ERROR.INVALID_REQUEST)
  world.leave(memberId)
  t.equal(world.commit('', -1, 0), 0)
})

t.test('Join: refused with the range where a field is out of it', async t => {
  const world = worldOf(1)
  const refused: [string, object, RegExp][] = [
    ['group', { group: 'a b' }, /group name/],
    ['group', { group: '' }, /group name/],
    ['topics', { topics: [] }, /topics is empty/],
    ['topics', { topics: ['a/b'] }, /topic name/],
    ['topics', { topics: Array<string>(1_001).fill('a') }, /at most 1000/],
    ['assignor', { assignor: 'constructor' }, /range, round-robin, sticky, cooperative/],
    ['session timeout', { sessionTimeoutMs: 999 }, /1000 to 1800000 ms/],
    ['session timeout', { sessionTimeoutMs: 1_800_001 }, /1000 to 1800000 ms/],
    ['rebalance timeout', { rebalanceTimeoutMs: 0 }, /1000 to 1800000 ms/],
    ['rebalance timeout', { rebalanceTimeoutMs: -1 }, /1000 to 1800000 ms/],
    ['member id', { memberId: 'x'.repeat(129) }, /memberId/],
    ['member id', { memberId: 'a\nb' }, /memberId/],
    ['instance id', { instanceId: '' }, /instanceId is empty/],
    ['instance id', { instanceId: 'ü' }, /instanceId/],
  ]
  for (const [what, changes, text] of refused) {
    const answer = world.join(changes)
    t.equal(answer.error, ERROR.INVALID_REQUEST, what)
    t.match(answer.message, text)
  }
  t.equal(world.table.size, 0, 'nothing is kept of them')
})

t.test('Join: all members must ask for the same assignor', async t => {
  const world = worldOf(1)
  const first = world.join({ assignor: 'range' })
  t.equal(world.join({ assignor: 'sticky' }).error, ERROR.INCONSISTENT_ASSIGNOR)
  t.equal(world.join({ assignor: '' }).view?.assignor, 'range')
  const { memberId } = first.view!
  t.equal(world.join({ memberId, assignor: 'sticky' }).error, ERROR.INCONSISTENT_ASSIGNOR)
  world.leave('member-2')
  t.equal(world.join({ memberId, assignor: 'sticky' }).view?.assignor, 'sticky', 'the only member may change it')
  world.leave(memberId)
  t.equal(world.join().view?.assignor, 'cooperative', 'an empty group begins anew')
})

t.test('Join: a member keeps the instance id that it came with', async t => {
  const world = worldOf(1)
  const { memberId } = world.join().view!
  t.equal(world.join({ memberId, instanceId: 'a' }).error, ERROR.INVALID_REQUEST)
})

t.test('Join: with an id of its own it can be sent twice without becoming two members', async t => {
  const world = worldOf(2)
  world.join({ memberId: 'my-own-id' })
  const again = world.join({ memberId: 'my-own-id' })
  t.equal(again.partitions.length, 2)
  t.equal(world.description()?.members.length, 1)
})

t.test('Join: refused where the group is full', async t => {
  const world = worldOf(1, { membersPerGroupMax: 2 })
  world.join({ instanceId: 'a' })
  world.join()
  t.equal(world.join().error, ERROR.BUSY)
  t.equal(world.join({ instanceId: 'a' }).error, 0, 'taking over makes no member more')
})

t.test('GroupTable: as many groups as the limit says, empty ones make room', async t => {
  const world = worldOf(1, { groupsMax: 2 })
  world.join({ group: 'one' })
  world.join({ group: 'two' })
  t.equal(world.join({ group: 'three' }).error, ERROR.BUSY)
  t.equal(world.table.onLeave('one', 'member-1', world.nowMs), null)
  world.endTurn()
  t.equal(world.join({ group: 'three' }).error, 0)
  t.equal(world.table.size, 2)
  t.same(world.retired, ['one'])
})

t.test('GroupTable: a group without members leaves memory after a while, its generation goes on', async t => {
  const world = worldOf(1, { emptyGroupRetentionMs: 5_000 })
  const { memberId, generation } = world.join().view!
  world.leave(memberId)
  t.equal(world.description()?.state, 'empty')
  world.advance(5_000)
  t.equal(world.table.size, 0)
  t.same(world.retired, [GROUP])
  t.ok(world.join().view!.generation > generation)
})

t.test('GroupTable: lists and describes what is going on', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world, { instanceId: 'a' }).join()
  world.join({ group: 'alerts', topics: ['nothing'] })
  new GoodMember(world).join()
  world.advance(500)
  t.same(world.table.list(), [
    { group: 'alerts', state: 'stable', members: 1 },
    { group: GROUP, state: 'rebalancing', members: 2 },
  ])
  const description = world.description()!
  t.equal(description.generation, 2)
  t.equal(description.assignor, 'cooperative')
  t.same(description.members[0], {
    memberId: first.memberId,
    instanceId: 'a',
    clientName: 'test',
    clientAddress: '127.0.0.1:1',
    topics: ['orders'],
    assigned: [{ topic: 'orders', topicId: 'topic-id-1', partitions: description.members[0]!.assigned[0]!.partitions }],
    sessionTimeoutMs: SESSION_MS,
    lastHeartbeatAgoMs: 500,
  })
  t.equal(description.members[0]!.assigned[0]!.partitions.length, 1, 'what it has to give up is not among it')
  t.equal(world.table.describe('nobody', world.nowMs), undefined)
})

t.test('GroupTable: a group is deleted with its record, but not under its members', async t => {
  const world = worldOf(1)
  const { memberId } = world.join().view!
  t.equal(world.table.delete(GROUP)?.error, ERROR.GROUP_NOT_EMPTY)
  world.leave(memberId)
  t.equal(world.table.delete(GROUP), null)
  t.equal(world.table.size, 0)
  t.notOk(world.records.has(GROUP))
  t.equal(world.join().view!.generation, 1)
})

t.test('GroupTable: answers all that wait when the broker stops', async t => {
  const world = worldOf(1)
  const member = new GoodMember(world).join()
  const waiting = world.heartbeat({ memberId: member.memberId, generation: 1, maxWaitMs: 3_000, owned: member.owned })
  world.savesAtOnce = false
  const joining: Answer = world.join({ group: 'new' })
  world.table.stop('the broker is stopping')
  t.same([waiting.error, joining.error], [ERROR.SHUTTING_DOWN, ERROR.SHUTTING_DOWN])
  t.same([waiting.count, joining.count], [1, 1])
})

t.test('GroupTable: knows when it has something to do', async t => {
  const world = worldOf(1)
  t.equal(world.table.nextDueMs, Infinity)
  world.join()
  t.equal(world.table.nextDueMs, world.nowMs + SESSION_MS)
})
