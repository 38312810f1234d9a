// The replica, message by message. What happens under all faults at once the simulator shows; here stand the rules one
// by one, and the stories of what the simulator found.

import t from 'tap'
import { readControlBatch } from './control-batch.js'
import { failOver, firstRecord, forceRecover, overtake, reconfigure, withLearners } from './partition-record.js'
import { type Letter, TestGroup, testBatch } from './replica-group.test.double.js'

/** Three members, the first of which leads epoch 1. */
async function startThree (): Promise<TestGroup> {
  const group = await TestGroup.start(3)
  const members = group.members.map(({ member }) => member)
  await group.tell(firstRecord(members, members[0]!, '0.1', 'n'))
  return group
}

/** Makes member `id` the leader of the next epoch. */
async function moveTo (group: TestGroup, id: number, told = group.members): Promise<void> {
  const next = group.members[id]!
  await group.tell(failOver(group.record, next.member, next.incarnation, 'n'), told)
}

t.test('Replica: the first record of a topic has offset 0, and is committed by a majority', async t => {
  const group = await startThree()
  const [leader] = group.members
  t.same(leader!.opened, [1])
  t.match(group.record, { active: true })
  t.same(leader!.replica.append(0, testBatch('one')), { ok: true, baseOffset: 0, endOffset: 1 })
  t.equal(leader!.log.highWatermark, 0)
  await group.settle()
  t.same(group.members.map(({ log }) => log.nextOffset), [1, 1, 1])
  t.equal(leader!.log.highWatermark, 1)
  await group.pass(300)
  t.same(group.members.map(({ log }) => log.highWatermark), [1, 1, 1], 'followers learn of it by the heartbeat')
  t.same(group.members[1]!.replica.append(0, testBatch('x')), { ok: false, reason: 'not-leader' })
})

t.test('Replica: what is not synced by a majority is not committed', async t => {
  const group = await startThree()
  const [leader, ...followers] = group.members
  const releases = followers.map(({ disk }) => disk.hold({ operation: 'sync' }))
  leader!.replica.append(0, testBatch('one'))
  await group.settle()
  t.same(followers.map(({ log }) => log.nextOffset), [1, 1], 'they have it')
  t.equal(leader!.log.highWatermark, 0)
  releases[0]!()
  await group.settle()
  t.equal(leader!.log.highWatermark, 1)
  releases[1]!()
})

t.test('Replica: a new leader has what was committed, and the old one drops what was not', async t => {
  const group = await startThree()
  const [old, next] = group.members
  old!.replica.append(0, testBatch('committed'))
  await group.settle()
  group.loses = ({ from, to }) => from === 0 || to === 0
  for (let index = 0; index < 3; index++) old!.replica.append(0, testBatch(`lost ${index}`))
  await group.settle()
  await moveTo(group, 1, group.members.slice(1))
  t.same(next!.opened, [2])
  next!.replica.append(0, testBatch('of the new epoch'))
  await group.settle()
  t.same([next!.log.nextOffset, next!.log.highWatermark], [3, 3], 'the record, the epoch start, the next record')
  group.loses = () => false
  await group.pass(500)
  t.equal(old!.replica.roleName, 'follow')
  t.same([old!.log.nextOffset, old!.log.highWatermark], [3, 3])
  t.same([...old!.log.log.epochs()], [{ epoch: 1, startOffset: 0 }, { epoch: 2, startOffset: 1 }])
})

t.test('Replica: a process never leads an epoch again that it gave up, nor one given to the process before it', async t => {
  const group = await startThree()
  const [leader] = group.members
  leader!.replica.stepDown()
  await group.tell(group.record)
  t.equal(leader!.replica.roleName, 'idle')
  group.powerCut(leader!)
  await group.open(leader!)
  await group.tell(group.record)
  t.equal(leader!.replica.roleName, 'follow', 'it waits for another record')
  t.equal(leader!.replica.promised, 1)
})

t.test('Replica: nothing of an epoch is answered below the promise (late messages of an old leader)', async t => {
  const group = await startThree()
  const [old, next, third] = group.members
  await moveTo(group, 1, [next!, third!])
  t.equal(third!.replica.promised, 2)
  const sent: Letter[] = []
  group.loses = letter => { sent.push(letter); return false }
  third!.replica.onMessage(0, { kind: 'begin-epoch', epoch: 1, storeId: 's2' })
  third!.replica.onMessage(0, { kind: 'new-epoch', epoch: 1, storeId: 's2' })
  third!.replica.onMessage(0, { kind: 'pull', epoch: 1, log: 0, offset: 0 })
  await group.settle()
  t.same(sent.filter(({ from }) => from === 2).map(({ message }) => message), [
    { kind: 'fenced', epoch: 2 }, { kind: 'fenced', epoch: 2 }, { kind: 'fenced', epoch: 2 },
  ])
  t.not(old!.replica.roleName, 'lead')
})

t.test('Replica: a wiped disk answers for nobody (message for the store that was)', async t => {
  const group = await startThree()
  const [, second] = group.members
  const sent: Letter[] = []
  group.loses = letter => { sent.push(letter); return true }
  second!.replica.onMessage(0, { kind: 'new-epoch', epoch: 9, storeId: 'before' })
  second!.replica.onMessage(0, { kind: 'begin-epoch', epoch: 9, storeId: 'before' })
  await group.settle()
  t.same(sent.filter(({ from }) => from === 1), [])
  t.equal(second!.replica.promised, 1)
})

t.test('Replica: without a majority a leader takes nothing, and goes on when it hears one again', async t => {
  const group = await startThree()
  const [leader] = group.members
  group.loses = ({ from, to }) => from === 0 || to === 0
  await group.pass(3_000, [leader!])
  t.same(leader!.replica.append(0, testBatch('x')), { ok: false, reason: 'no-quorum' })
  t.equal(leader!.replica.epoch, 1, 'it keeps its epoch')
  group.loses = () => false
  await group.pass(1_500)
  t.match(leader!.replica.append(0, testBatch('x')), { ok: true })
})

t.test('Replica: leadership is confirmed by a majority that answers after the question', async t => {
  const group = await startThree()
  const [leader, second] = group.members
  const answers: boolean[] = []
  group.loses = ({ to }) => to === 0
  leader!.replica.confirmLeadership(isLeader => answers.push(isLeader))
  await group.settle()
  t.same(answers, [])
  group.loses = () => false
  await group.pass(1_200)
  t.same(answers, [true])
  group.loses = ({ to }) => to === 0
  leader!.replica.confirmLeadership(isLeader => answers.push(isLeader))
  leader!.replica.stepDown()
  second!.replica.confirmLeadership(isLeader => answers.push(isLeader))
  t.same(answers, [true, false, false])
})

t.test('Replica: a learner is sent everything, counts for nothing, and becomes a replica by a new epoch', async t => {
  const group = await TestGroup.start(4)
  const [a, b, c, d] = group.members.map(({ member }) => member)
  await group.tell(firstRecord([a!, b!, c!], a!, '0.1', 'n'))
  const leader = group.members[0]!
  leader.replica.append(0, testBatch('one'))
  await group.settle()
  await group.tell(withLearners(group.record, [d!], 'n'))
  await group.pass(300)
  t.equal(group.members[3]!.log.nextOffset, 1)
  group.loses = ({ from, to }) => [1, 2].includes(from) || [1, 2].includes(to)
  leader.replica.append(0, testBatch('two'))
  await group.settle()
  t.equal(leader.log.highWatermark, 1, 'the learner does not make a majority')
  group.loses = () => false
  await group.tell(reconfigure(group.record, [a!, b!, d!], a!, '0.1', 'n'))
  await group.pass(300)
  t.same(leader.opened, [1, 2], 'the same process leads the next epoch')
  t.match(group.record, { epoch: 2, active: true, learners: [] })
  t.same(group.members.filter(({ id }) => id !== 2).map(({ log }) => log.highWatermark), [3, 3, 3])
})

t.test('Replica: a doubled answer does not make a recovery begin anew (found by the simulator)', async t => {
  const group = await TestGroup.start(3, 1) // a batch in each answer
  const members = group.members.map(({ member }) => member)
  await group.tell(firstRecord(members, members[0]!, '0.1', 'n'))
  const [first, , third] = group.members
  group.loses = ({ from, to }) => from === 2 || to === 2
  for (let index = 0; index < 4; index++) first!.replica.append(0, testBatch(`${index}`))
  await group.settle()
  const pulled: Letter[] = []
  const endOffsets: number[] = []
  group.loses = (letter) => {
    if (letter.message.kind !== 'pulled') return false
    pulled.push(letter)
    third!.replica.onMessage(pulled[0]!.from, pulled[0]!.message)
    endOffsets.push(third!.log.nextOffset)
    return false
  }
  await moveTo(group, 2)
  t.ok(pulled.length >= 4)
  t.same(endOffsets, [...endOffsets].sort((a, b) => a - b), 'the log never gets shorter')
  t.same(third!.opened, [2])
  t.same([third!.log.nextOffset, third!.log.highWatermark], [5, 5])
})

t.test('Replica: a damaged follower mends itself from its leader, and is no proof of anything until then', async t => {
  const group = await startThree()
  const [leader, second] = group.members
  for (let index = 0; index < 5; index++) {
    leader!.replica.append(0, testBatch(`record ${index}`))
    await group.settle()
  }
  second!.log.log.checkpoint()
  await second!.meta.flush()
  group.powerCut(second!)
  const [path] = second!.disk.paths().filter(each => each.endsWith('.log'))
  second!.disk.flipBit(path!, 4_096 + 100)
  await group.open(second!)
  t.ok(second!.log.damagedFrom >= 0)
  // It follows, and has not heard of the leader yet, when an answer comes that the process before it had asked for:
  // this log has to be mended first (found by the simulator).
  group.loses = ({ to }) => to === 1
  second!.replica.onRecord(group.record)
  await group.settle()
  t.equal(second!.replica.roleName, 'follow')
  second!.replica.onMessage(0, {
    kind: 'fetched',
    epoch: 1,
    sequence: 0,
    probe: 0,
    parts: [{ kind: 'records', ...second!.log.tail, buffers: [], highWatermark: 5, startOffset: 0, endOffset: 5 }],
  })
  t.equal(second!.log.highWatermark, 0)
  const sent: Letter[] = []
  group.loses = letter => { if (letter.from === 1) sent.push(letter); return false }
  second!.replica.onMessage(2, { kind: 'new-epoch', epoch: 2, storeId: 's1' })
  await group.settle()
  t.match(sent.find(({ message }) => message.kind === 'promise')?.message, { trusted: false })
  await moveTo(group, 0)
  await moveTo(group, 0)
  await group.pass(500)
  t.same(second!.reports, ['damaged', 'mended'])
  t.ok(second!.replica.trusted)
  t.same([second!.log.nextOffset, second!.log.damagedFrom], [leader!.log.nextOffset, -1])
})

t.test('Replica: a recovery stops where nobody has what was acknowledged, until it is forced', async t => {
  const group = await startThree()
  const [leader, second, third] = group.members
  group.loses = ({ from, to }) => from === 2 || to === 2
  for (let index = 0; index < 3; index++) {
    leader!.replica.append(0, testBatch(`${index}`))
    await group.settle()
  }
  t.equal(leader!.log.highWatermark, 3)
  for (const member of [leader!, second!]) {
    member.log.log.checkpoint()
    await member.meta.flush()
    group.powerCut(member)
    const [path] = member.disk.paths().filter(each => each.endsWith('.log'))
    member.disk.flipBit(path!, 4_096 + 100)
    await group.open(member)
  }
  group.loses = () => false
  await moveTo(group, 2)
  t.same([third!.replica.roleName, third!.opened], ['recover', []])
  t.ok(third!.reports.includes('recovery-blocked'))
  await group.tell(forceRecover(group.record, [third!.member], third!.member, third!.incarnation, 'n'))
  t.same(third!.opened, [3])
  const slice = await third!.log.log.readSlice(0, 1_000, third!.log.nextOffset)
  t.match(readControlBatch(slice.buffers[0]!), {
    epochStart: { epoch: 3, leader: 2 }, dataLoss: { lossEpoch: 3, cutOffset: 0 },
  })
})

t.test('Replica: says whom a recovery waits for, who is doubtful, and that it is stuck', async t => {
  const group = await startThree()
  const [, second, third] = group.members
  t.equal(second!.replica.trouble, null)
  group.loses = ({ from, to }) => [0, 1].includes(from) || [0, 1].includes(to)
  await moveTo(group, 2, [third!])
  t.match(third!.replica.trouble, { state: 'recovering', waitsFor: [0, 1], untrusted: [] })
  group.loses = ({ from, to }) => from === 0 || to === 0
  second!.replica.trusted = false
  t.match(second!.replica.trouble, { state: 'repairing', untrusted: [1] })
  await group.pass(200)
  t.match(third!.replica.trouble, { state: 'recovering', waitsFor: [0], untrusted: [1] })
  group.loses = () => false
  await group.pass(200)
  t.equal(third!.replica.trouble, null)
})

t.test('Replica: nobody does anything for a record that has forgotten epochs, not even who leads', async t => {
  const group = await startThree()
  const [leader] = group.members
  const before = group.record
  await group.tell(overtake(before, 9, group.members[1]!.member, 'n')!)
  t.same(group.members.map(({ replica }) => replica.roleName), ['idle', 'idle', 'idle'])
  t.same(leader!.replica.append(0, testBatch('one')), { ok: false, reason: 'not-leader' })
  await group.tell(forceRecover(group.record, before.replicas, leader!.member, leader!.incarnation, 'n'))
  t.equal(group.record.epoch, 10)
  t.same(leader!.opened, [1, 10])
})

t.test('Replica: who acknowledged from the page cache is doubtful after a power cut, not after a stop', async t => {
  const group = new TestGroup(3)
  group.flush = 'interval'
  for (const member of group.members) await group.open(member)
  const members = group.members.map(({ member }) => member)
  await group.tell(firstRecord(members, members[0]!, '0.1', 'n'))
  const [leader, second, third] = group.members
  leader!.replica.append(0, testBatch('one'))
  await group.settle()
  t.equal(leader!.log.highWatermark, 1, 'written by a majority, synced by nobody')
  await new Promise<void>(resolve => second!.replica.close(() => resolve()))
  await group.open(second!)
  t.equal(second!.replica.trusted, true)
  group.powerCut(third!)
  await group.open(third!)
  t.equal(third!.replica.trusted, false)
  t.equal(third!.replica.promised, 1)
  await moveTo(group, 0)
  await group.pass(500)
  t.same(third!.reports, ['mended'])
  t.equal(third!.replica.trusted, true)
})
