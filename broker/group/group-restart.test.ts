// What outlives a restart of the broker: the generation, and with the members' help the assignment.

import { ERROR } from '@sluice/protocol'
import t from 'tap'
import { GROUP, GoodMember, GroupWorld, SESSION_MS, calmDown } from './group-world.test.double.js'

function worldOf (partitions: number, limits = {}): GroupWorld {
  const world = new GroupWorld(limits)
  world.addTopic('orders', partitions)
  return world
}

for (const assignor of ['sticky', 'cooperative']) {
  t.test(`Restart: members come back one by one and keep what they had (${assignor})`, async t => {
    const world = worldOf(7)
    const members = [1, 2, 3].map(() => new GoodMember(world, { assignor }).join())
    calmDown(members)
    const before = members.map(member => member.partitions)
    const { generation } = members[0]!
    world.restart()
    for (const member of [...members].reverse()) {
      t.equal(member.beat().lastError, ERROR.UNKNOWN_MEMBER)
      member.join()
      t.same(member.partitions, before[members.indexOf(member)])
      world.advance(500)
    }
    calmDown(members)
    t.same(members.map(member => member.partitions), before)
    t.ok(members[0]!.generation > generation)
    t.equal(world.description()?.state, 'stable')
  })
}

t.test('Restart: what nobody has claimed is held back until all of before could be back', async t => {
  const world = worldOf(4)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  calmDown([first, second])
  world.restart()
  first.join()
  const newcomer = new GoodMember(world).join()
  for (let passedMs = 0; passedMs < SESSION_MS - 1_000; passedMs += 1_000) {
    world.advance(1_000)
    calmDown([first, newcomer], 1)
    t.same([first.working.size, newcomer.working.size], [2, 0])
    t.equal(world.description()?.state, 'rebalancing')
  }
  world.advance(1_000)
  calmDown([first, newcomer])
  t.same([first.working.size, newcomer.working.size], [2, 2])
  t.equal(world.description()?.state, 'stable')
})

t.test('Restart: a group that had no members does not wait for any', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  world.leave(first.memberId)
  world.restart()
  t.equal(new GoodMember(world).join().working.size, 2)
})

t.test('Restart: long after it nobody is waited for', async t => {
  const world = worldOf(2)
  new GoodMember(world).join()
  world.restart()
  world.advance(SESSION_MS)
  t.equal(new GoodMember(world).join().working.size, 2)
})

t.test('Restart: of two that claim a partition in the same generation the first has it, and the other is told so', async t => {
  const world = worldOf(1)
  const owner = new GoodMember(world).join()
  world.restart()
  const zombie = world.join({ memberId: 'zombie', generation: owner.generation, owned: world.owned(0) })
  owner.join()
  t.same(zombie.partitions, ['orders/0'])
  t.equal(world.commit(owner.memberId, owner.generation, 0), ERROR.PARTITION_NOT_OWNED)
  owner.letGo()
  t.equal(owner.working.size, 0)
})

/** A broker that has just restarted, and two that claim its only partition: one of generation 1, one of 2. */
function rivalsAfterRestart (): { world: GroupWorld, stale: GoodMember, owner: GoodMember } {
  const world = worldOf(1)
  const stale = new GoodMember(world).join()
  world.advance(SESSION_MS)
  const owner = new GoodMember(world).join()
  t.same([stale.partitions, owner.partitions], [['orders/0'], ['orders/0']])
  t.ok(owner.generation > stale.generation)
  world.restart()
  return { world, stale, owner }
}

t.test('Restart: a partition is with the claim of the newest generation (the stale one comes first)', async t => {
  const { world, stale, owner } = rivalsAfterRestart()
  t.same(stale.join().partitions, ['orders/0'])
  t.equal(world.commit(stale.memberId, stale.generation, 0), 0, 'so far nobody knows better')
  owner.join()
  t.equal(world.commit(owner.memberId, owner.generation, 0), 0)
  t.equal(world.commit(stale.memberId, stale.generation, 0), ERROR.STALE_GENERATION)
  t.equal(stale.beat().letGo().working.size, 0)
  calmDown([stale, owner])
  t.same([stale.partitions, owner.partitions], [[], ['orders/0']], 'and it stays with it')
  t.equal(world.description()?.state, 'stable')
})

t.test('Restart: a partition is with the claim of the newest generation (the stale one comes last)', async t => {
  const { world, stale, owner } = rivalsAfterRestart()
  owner.join()
  stale.join().letGo()
  t.same([stale.partitions, owner.partitions], [[], ['orders/0']])
  t.equal(world.commit(owner.memberId, owner.generation, 0), 0)
})

t.test('Restart: a partition is with the claim of the newest generation (the stale one has left again)', async t => {
  const { world, stale, owner } = rivalsAfterRestart()
  stale.join()
  world.leave(stale.memberId)
  owner.join()
  t.equal(world.commit(owner.memberId, owner.generation, 0), 0)
})

t.test('Restart: what was committed since proves a claim stale', async t => {
  const { world, stale, owner } = rivalsAfterRestart()
  world.committedGenerations.set(`${world.topics.get('orders')!.topicId}/0`, owner.generation)
  t.equal(stale.join().letGo().working.size, 0)
  owner.join()
  t.equal(world.commit(owner.memberId, owner.generation, 0), 0)
  calmDown([stale, owner])
  t.same(owner.partitions, ['orders/0'])
})

t.test('Restart: what the group has dealt out since cannot be claimed, whatever the generation', async t => {
  const { world, stale, owner } = rivalsAfterRestart()
  world.advance(SESSION_MS)
  const newcomer = new GoodMember(world).join()
  owner.join()
  world.join({ memberId: 'liar', generation: 2 ** 31 - 1, owned: world.owned(0) })
  stale.join()
  t.equal(world.commit(newcomer.memberId, newcomer.generation, 0), 0)
  t.equal(owner.letGo().working.size, 0)
})

t.test('Restart: when nobody of before can come back any more, claims take nothing from anybody', async t => {
  const { world, stale, owner } = rivalsAfterRestart()
  stale.join()
  for (let passedMs = 0; passedMs < SESSION_MS; passedMs += 1_000) {
    world.advance(1_000)
    stale.beat()
  }
  owner.join()
  t.equal(world.commit(stale.memberId, stale.generation, 0), 0)
  t.equal(owner.letGo().working.size, 0)
})

t.test('Restart: an eager assignor too leaves a partition with the newest claim', async t => {
  const world = worldOf(1)
  const stale = new GoodMember(world, { assignor: 'range' }).join()
  world.advance(SESSION_MS)
  const owner = new GoodMember(world, { assignor: 'range' }).join()
  world.restart()
  stale.join()
  owner.join()
  t.equal(world.commit(owner.memberId, owner.generation, 0), 0)
  t.not(world.commit(stale.memberId, stale.generation, 0), 0)
  calmDown([stale, owner])
  t.equal(stale.working.size + owner.working.size, 1)
  t.equal(world.description()?.state, 'stable')
})

t.test('Restart: a generation below -1 is no generation', async t => {
  const { error, message } = worldOf(1).join({ generation: -2 })
  t.equal(error, ERROR.INVALID_REQUEST)
  t.match(message, /generation is -2/)
})

for (const goes of ['leaves', 'falls silent']) {
  t.test(`Restart: one that comes back and ${goes} holds nobody up`, async t => {
    const world = worldOf(4)
    const short = { sessionTimeoutMs: 6_000 }
    const first = new GoodMember(world, goes === 'leaves' ? {} : short).join()
    const second = new GoodMember(world, { sessionTimeoutMs: 60_000 }).join()
    calmDown([first, second])
    world.restart()
    first.join()
    second.join()
    const before = second.partitions
    world.restart()
    first.join()
    if (goes === 'leaves') world.leave(first.memberId)
    second.join()
    t.same(second.partitions.filter(name => before.includes(name)), before)
    if (goes !== 'leaves') world.advance(6_000)
    calmDown([second], 2)
    t.equal(second.working.size, 4)
    t.equal(world.description()?.state, 'stable')
  })
}

t.test('Restart: commits of before it are fenced', async t => {
  const world = worldOf(1)
  const member = new GoodMember(world).join()
  const { generation } = member
  t.equal(world.commit(member.memberId, generation, 0), 0)
  world.restart()
  t.equal(world.commit(member.memberId, generation, 0), ERROR.UNKNOWN_MEMBER)
  member.join()
  t.equal(world.commit(member.memberId, generation, 0), ERROR.STALE_GENERATION)
  t.equal(world.commit(member.memberId, member.generation, 0), 0)
})

t.test('Restart: a static member comes back with the id it had', async t => {
  const world = worldOf(2)
  const member = new GoodMember(world, { instanceId: 'a' }).join()
  const { memberId } = member
  world.restart()
  member.join()
  t.equal(member.memberId, memberId)
  t.equal(member.working.size, 2)
})

t.test('Restart: another one while members come back still waits for the rest', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world, { sessionTimeoutMs: 6_000 }).join()
  const second = new GoodMember(world, { sessionTimeoutMs: 20_000 }).join()
  calmDown([first, second])
  world.restart()
  first.join()
  world.restart()
  for (let passedMs = 0; passedMs < 19_000; passedMs += 1_000) {
    first.beat()
    if (first.lastError === ERROR.UNKNOWN_MEMBER) first.join()
    world.advance(1_000)
    t.equal(first.working.size, 1)
  }
  world.advance(1_000)
  first.beat()
  t.equal(first.working.size, 2)
})

t.test('Record: nobody is told of a generation before it is durable', async t => {
  const world = worldOf(1)
  world.savesAtOnce = false
  const joining = world.join()
  t.ok(joining.pending)
  t.equal(world.saves.length, 1, 'one save at a time')
  world.join()
  t.equal(world.saves.length, 1)
  world.save()
  t.equal(joining.view?.generation, 1)
})

t.test('Record: generations never come twice, however often the broker restarts in between', async t => {
  const world = worldOf(3, { generationBlock: 4 })
  let highest = 0
  for (let restart = 0; restart < 5; restart++) {
    for (let round = 0; round < 7; round++) {
      const { memberId, generation } = world.join().view!
      t.ok(generation > highest)
      highest = generation
      world.leave(memberId)
      t.ok(world.records.get(GROUP)!.generationCeiling >= generation)
    }
    world.restart()
  }
})

t.test('Record: assignments go on while the store is away, as long as the block lasts', async t => {
  const world = worldOf(8, { generationBlock: 10 })
  const first = world.join()
  world.savesAtOnce = false
  for (let round = 0; round < 6; round++) t.notOk(world.join().pending)
  t.notOk(first.pending)
})

t.test('Record: joins are refused with the cause where it cannot be stored; later it is tried again', async t => {
  const world = worldOf(1)
  world.savesAtOnce = false
  const joining = world.join()
  world.failSave('ENOSPC: no space left on device')
  t.equal(joining.error, ERROR.STORAGE_UNAVAILABLE)
  t.match(joining.message, /ENOSPC/)
  t.equal(world.description()?.members.length, 0, 'it is no member')
  const again = world.join()
  t.ok(again.pending)
  t.equal(world.saves.length, 0, 'not at once')
  world.advance(1_000)
  t.equal(world.saves.length, 1)
  world.save()
  t.same(again.partitions, ['orders/0'])
})

t.test('Record: a member that is in goes on where the store fails', async t => {
  const world = worldOf(8, { generationBlock: 2 })
  const first = new GoodMember(world).join()
  world.savesAtOnce = false
  // Generations 2 and 3 are set aside, 4 is not.
  t.same([world.join(), world.join()].map(answer => answer.pending), [false, false])
  const refused = world.join()
  t.ok(refused.pending)
  world.failSave('EIO')
  t.equal(refused.error, ERROR.STORAGE_UNAVAILABLE)
  first.beat()
  t.equal(first.lastError, 0)
  t.same(first.partitions.map(name => world.commit(first.memberId, 1, Number(name.split('/')[1]))), Array(8).fill(0))
})

t.test('Record: what is told of an older save changes nothing', async t => {
  const world = worldOf(1)
  world.savesAtOnce = false
  const joining = world.join()
  world.table.onRecordSaved(GROUP, { generationCeiling: 1_000, sessionTimeoutMs: SESSION_MS })
  world.table.onRecordNotSaved(GROUP, { generationCeiling: 1_000, sessionTimeoutMs: SESSION_MS }, 'EIO', world.nowMs)
  world.endTurn()
  t.ok(joining.pending)
  world.save()
  t.notOk(joining.pending)
})

t.test('Restart: nothing can be claimed with a heartbeat while others may come back', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  calmDown([first, second])
  const ofSecond = Number(second.partitions[0]!.split('/')[1])
  world.restart()
  first.join()
  const { memberId, generation } = first
  t.equal(world.heartbeat({ memberId, generation, owned: world.owned(0, 1) }).partitions.length, 1)
  t.equal(world.commit(memberId, generation, ofSecond), ERROR.PARTITION_NOT_OWNED)
  second.join()
  t.equal(world.commit(second.memberId, second.generation, ofSecond), 0)
})

t.test('Restart: another one after the first to come back has left still waits for the rest', async t => {
  const world = worldOf(2)
  const first = new GoodMember(world).join()
  const second = new GoodMember(world).join()
  calmDown([first, second])
  const before = second.partitions
  world.restart()
  first.join()
  world.leave(first.memberId)
  world.restart()
  const newcomer = new GoodMember(world).join()
  t.equal(newcomer.working.size, 0)
  t.same(second.join().partitions, before)
})

/** Two members of a group that another broker had for a while: it has given them a later generation. */
function backFromAnotherBroker (): { world: GroupWorld, members: GoodMember[], generation: number } {
  const world = new GroupWorld({}, true)
  world.addTopic('orders', 2)
  const members = [new GoodMember(world).join(), new GoodMember(world).join()]
  calmDown(members)
  const record = world.records.get(GROUP)!
  const generation = record.generationCeiling + 5
  world.records.set(GROUP, { ...record, generationCeiling: generation + 5 })
  return { world, members, generation }
}

t.test('Shared: a member of a later generation is told to join again, and the group is read anew (heartbeat)', async t => {
  const { world, members, generation } = backFromAnotherBroker()
  const [{ memberId }] = members as [GoodMember]
  t.equal(world.heartbeat({ memberId, generation }).error, ERROR.UNKNOWN_MEMBER)
  const joined = members[0]!.join()
  t.ok(joined.generation > generation, 'no generation comes twice')
  members[1]!.join()
  calmDown(members)
  t.same(members.flatMap(({ partitions }) => partitions).sort(), ['orders/0', 'orders/1'])
})

t.test('Shared: a member of a later generation is told to join again, and the group is read anew (commit)', async t => {
  const { world, members, generation } = backFromAnotherBroker()
  t.equal(world.commit(members[0]!.memberId, generation, 0), ERROR.UNKNOWN_MEMBER)
  t.equal(world.commit(members[1]!.memberId, members[1]!.generation, 1), ERROR.UNKNOWN_MEMBER, 'nobody commits by what is old')
})

t.test('Shared: a generation that nobody has given is refused by a broker alone', async t => {
  const world = worldOf(1)
  const member = new GoodMember(world).join()
  const { memberId, generation } = member
  t.equal(world.heartbeat({ memberId, generation: generation + 5_000 }).error, ERROR.INVALID_REQUEST)
})
