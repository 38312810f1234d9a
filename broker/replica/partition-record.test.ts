import t from 'tap'
import { type Member, majorityOf, majorityOffset, sameMember } from './member.js'
import {
  activate, failOver, firstRecord, forceRecover, isOvertaken, mayDelete, overtake, reconfigure, withLearners,
} from './partition-record.js'

const [a, b, c, d, e] = [0, 1, 2, 3, 4].map((brokerId): Member => ({ brokerId, storeId: `s${brokerId}` })) as
  [Member, Member, Member, Member, Member]

t.test('Member: more than half is a majority, and a wiped disk is somebody else', async t => {
  t.same([1, 2, 3, 4, 5].map(majorityOf), [1, 2, 2, 3, 3])
  t.same([[7], [7, 3], [1, 9, 5], [1, 9, 5, 4], [0, 0, 8, 8, 8]].map(majorityOffset), [7, 3, 5, 4, 8])
  t.equal(majorityOffset([]), 0)
  t.ok(sameMember(a, { ...a }))
  t.notOk(sameMember(a, { brokerId: 0, storeId: 'another' }))
})

t.test('PartitionRecord: a chain of epochs that came to nothing keeps every set to be read', async t => {
  const first = activate(firstRecord([a, b, c], a, 'a1', 'n1'), 1, 'n2')!
  t.match(first, { epoch: 1, active: true, prev: [[a, b, c]] })
  const moved = reconfigure(first, [b, c, d], b, 'b1', 'n3')
  t.match(moved, { epoch: 2, active: false, leader: b, replicas: [b, c, d] })
  t.same(moved.prev, [[a, b, c]], 'what was active before is asked, and nothing else')
  const again = reconfigure(moved, [c, d, e], c, 'c1', 'n4')
  t.same(again.prev, [[a, b, c], [b, c, d]], 'epoch 2 may have committed something after all')
  const third = failOver(again, d, 'd1', 'n5')
  t.same(third.prev, [[a, b, c], [b, c, d], [c, d, e]])
  t.same(failOver(third, e, 'e1', 'n6').prev, third.prev, 'a set is asked once')
  const settled = activate(third, 4, 'n7')!
  t.match(settled, { epoch: 4, active: true })
  t.same(settled.prev, [[c, d, e]])
})

t.test('PartitionRecord: activation is for the epoch that asks, and once (stale leader)', async t => {
  const record = failOver(firstRecord([a, b, c], a, 'a1', 'n'), b, 'b1', 'n')
  t.equal(activate(record, 1, 'n'), null)
  const active = activate(record, 2, 'n')!
  t.equal(activate(active, 2, 'n'), null)
})

t.test('PartitionRecord: learners come and go without an epoch, and become replicas with one', async t => {
  const record = activate(firstRecord([a, b, c], a, 'a1', 'n'), 1, 'n')!
  const learning = withLearners(record, [d, e], 'n')
  t.match(learning, { epoch: 1, active: true, learners: [d, e] })
  const moved = reconfigure(learning, [a, b, d], a, 'a1', 'n')
  t.same(moved.learners, [e])
  t.throws(() => reconfigure(record, [], a, 'a1', 'n'))
  t.throws(() => reconfigure(record, [a, { brokerId: 0, storeId: 'new' }], a, 'a1', 'n'), 'two replicas on one broker')
})

t.test('PartitionRecord: files may go only when nobody may have to ask for them', async t => {
  const moved = reconfigure(activate(firstRecord([a, b, c], a, 'a1', 'n'), 1, 'n')!, [b, c, d], b, 'b1', 'n')
  t.notOk(mayDelete(moved, a), 'the new set is not active yet')
  const active = activate(moved, 2, 'n')!
  t.ok(mayDelete(active, a))
  t.notOk(mayDelete(active, d))
  t.notOk(mayDelete(withLearners(active, [a], 'n'), a))
  t.ok(mayDelete(active, { ...d, storeId: 'wiped' }), 'the store is what counts')
})

t.test('PartitionRecord: a forced recovery asks the survivors only, and says so for good', async t => {
  const record = failOver(firstRecord([a, b, c], a, 'a1', 'n'), b, 'b1', 'n')
  const forced = forceRecover(record, [c], c, 'c1', 'n')
  t.match(forced, { epoch: 3, lossEpoch: 3, active: false, leader: c })
  t.same(forced.prev, [[c]])
  t.equal(failOver(forced, c, 'c2', 'n').lossEpoch, 3)
})

t.test('PartitionRecord: forced recoveries are remembered, with where the log went on', async t => {
  const record = forceRecover(firstRecord([a, b, c], a, 'a1', 'n'), [c], c, 'c1', 'n', 1_000)
  t.same(record.losses, [{ epoch: 2, atMs: 1_000, cutOffset: -1, givenUp: [0, 1] }])
  const next = failOver(record, c, 'c2', 'n')
  t.match(activate(next, 3, 'n', 40), { losses: [{ epoch: 2, cutOffset: 40 }] }, 'by the first that begins')
  t.match(activate(next, 3, 'n'), { losses: [{ epoch: 2, cutOffset: -1 }] })
  let last = record
  for (let time = 0; time < 20; time++) last = forceRecover(last, [c], c, 'c1', 'n')
  t.equal(last.losses!.length, 8)
  t.equal(last.losses!.at(-1)!.epoch, last.epoch)
})

t.test('PartitionRecord: a record that forgot epochs says so, and goes on above them when somebody decides (overtaken)', async t => {
  const old = activate(firstRecord([a, b, c], a, 'a1', 'n'), 1, 'n')!
  t.equal(overtake(old, 1, b, 'n'), null, 'it knows that epoch')
  const first = overtake(old, 4, d, 'n')!
  const both = overtake(first, 6, b, 'n')!
  t.same(both.overtaken, { epoch: 6, by: [d, b] })
  t.equal(overtake(both, 5, b, 'n'), null, 'said already')
  t.same(overtake(both, 7, b, 'n')!.overtaken, { epoch: 7, by: [d, b] })
  t.notOk(mayDelete(both, { ...d, brokerId: 9 }))
  t.equal(activate({ ...both, active: false }, 1, 'n'), null)
  const decided = forceRecover(both, [d, b], d, 'd1', 'n')
  t.match(decided, { epoch: 7, lossEpoch: 7, prev: [[d], [b]] })
  t.notOk(isOvertaken(decided))
})
