import t from 'tap'
import { MemoryMetaStore } from '@sluice/storage/testing'
import type { Member } from '../replica/member.js'
import { activate, failOver, firstRecord } from '../replica/partition-record.js'
import { ControlStoreError, type ControlChange, type ControlCompare } from './control-store.js'
import { LmdbControlStore } from './lmdb-control-store.js'
import { PartitionRecords } from './partition-records.js'

const [a, b] = [0, 1].map((brokerId): Member => ({ brokerId, storeId: `s${brokerId}` })) as [Member, Member]

/** Loses the answer to a commit, or the commit. */
class LossyControlStore extends LmdbControlStore {
  loses: 'nothing' | 'answer' | 'request' = 'nothing'

  override async commit (
    changes: readonly ControlChange[], compares?: readonly ControlCompare[]
  ): Promise<number | null> {
    if (this.loses === 'request') throw new ControlStoreError('ambiguous', 'no answer')
    const revision = await super.commit(changes, compares)
    if (this.loses === 'answer') throw new ControlStoreError('ambiguous', 'no answer')
    return revision
  }
}

async function setUp (): Promise<{ control: LossyControlStore, records: PartitionRecords, others: PartitionRecords }> {
  const control = new LossyControlStore(new MemoryMetaStore())
  let nonce = 0
  const records = new PartitionRecords(control, () => `mine ${nonce++}`)
  const others = new PartitionRecords(control, () => `theirs ${nonce++}`)
  await records.create('topic', 0, made => firstRecord([a, b], a, 'a1', made))
  return { control, records, others }
}

t.test('PartitionRecords: a record is put down once, and changed by one at a time', async t => {
  const { records, others } = await setUp()
  t.equal(await others.create('topic', 0, made => firstRecord([b], b, 'b1', made)), false)
  t.match(await records.read('topic', 0), { epoch: 1, leader: a })
  t.equal(await records.read('topic', 1), null)
  const changed = await records.change('topic', 0, (record, made) => failOver(record, b, 'b1', made))
  t.match(changed, { epoch: 2, leader: b })
  t.match(await others.change('topic', 0, () => null), { epoch: 2 }, 'left as it is')
  t.match((await others.list('topic')).get(0), { epoch: 2 })
})

t.test('PartitionRecords: who reads before somebody else writes has lost', async t => {
  const { records, others } = await setUp()
  const [first, second] = await Promise.all([
    records.change('topic', 0, (record, made) => failOver(record, a, 'a2', made)),
    others.change('topic', 0, (record, made) => failOver(record, b, 'b1', made)),
  ])
  t.equal([first, second].filter(each => each !== null).length, 1)
  t.match(await records.read('topic', 0), { epoch: 2 })
})

t.test('PartitionRecords: an answer that is lost is found out by the nonce', async t => {
  const { control, records } = await setUp()
  control.loses = 'answer'
  t.match(await records.change('topic', 0, (record, made) => activate(record, 1, made)), { active: true })
  control.loses = 'request'
  await t.rejects(records.change('topic', 0, (record, made) => failOver(record, b, 'b1', made)), /no answer/)
  t.match(await records.read('topic', 0), { epoch: 1, active: true })
})

t.test('PartitionRecords: a watch is a hint which partition to read', async t => {
  const { records, others } = await setUp()
  const hints: number[] = []
  const end = records.watch('topic', partition => hints.push(partition))
  await others.create('topic', 12, made => firstRecord([a], a, 'a1', made))
  await others.create('topic2', 13, made => firstRecord([a], a, 'a1', made))
  end()
  await others.change('topic', 12, (record, made) => activate(record, 1, made))
  t.same(hints, [12])
})
