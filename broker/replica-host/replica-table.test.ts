// Which replicas a broker opens, and whose files it deletes, by what the control store says; without disks.

import type { PartitionLog } from '@sluice/storage'
import { MemoryMetaStore } from '@sluice/storage/testing'
import t from 'tap'
import type { TopicRecord } from '../control/topic-record.js'
import type { Member } from '../replica/member.js'
import type { PartitionRecord } from '../replica/partition-record.js'
import { PromiseStore } from '../replica/promise-store.js'
import { systemClock } from '../runtime/clock.js'
import { silentLogger } from '../runtime/logger.js'
import type { PartitionPlacement } from './partition-placements.js'
import { ReplicaTable, type TableReplica } from './replica-table.js'

const TOPIC_ID = 'orders-id'
const TOPIC: TopicRecord = {
  topicId: TOPIC_ID, name: 'orders', kind: 'stream', partitions: 1, replicationFactor: 3, overrides: {}, createdAt: 0, version: 1,
}
const [A, B, C, D] = [1, 2, 3, 4].map((brokerId): Member => ({ brokerId, storeId: `store-${brokerId}` })) as
  [Member, Member, Member, Member]

function record (epoch: number, replicas: readonly Member[], learners: readonly Member[] = []): PartitionRecord {
  return {
    epoch,
    leader: replicas[0]!,
    leaderIncarnation: 'process',
    replicas,
    prev: [replicas],
    active: true,
    learners,
    lossEpoch: 0,
    nonce: '',
  }
}

/** A table on broker `self`, and what it does: 'open', 'close', 'delete'. */
function tableOn (self: Member): {
  table: ReplicaTable<TableReplica>
  said: string[]
  promise: (epoch: number) => void
  tell: (record: PartitionRecord) => Promise<void>
  promises: PromiseStore
} {
  const said: string[] = []
  const replica = { promised: 0, roleName: 'follow' as const, leading: null, logs: [], trouble: null }
  const promises = new PromiseStore(new MemoryMetaStore())
  let placement: PartitionPlacement | undefined
  let onChange = (_topicId: string, _partition: number): void => {}
  const table = new ReplicaTable<TableReplica>({
    self,
    incarnation: 'process',
    clock: systemClock,
    promises,
    logger: silentLogger,
    partitions: { logConfigsOf: () => [{}, {}] as never, forgetPartition: async () => {} },
    placements: {
      get: () => placement,
      all: () => placement === undefined ? [] : [placement],
      wasDeleted: () => false,
      subscribe: listener => {
        onChange = listener
        return () => {}
      },
      activate: async () => null,
    },
  }, {
    openLog: async () => ({}) as PartitionLog,
    listLogs: async () => [],
    deleteLog: async ({ kind }) => { said.push(`delete ${kind}`) },
  }, opened => {
    said.push('open')
    const made = {
      topicId: TOPIC_ID,
      index: 0,
      label: 'orders/0',
      replica,
      placement: opened,
      onPlacement: (next: PartitionPlacement) => { made.placement = next },
      onMessage: () => {},
      tick: () => {},
      removeBelowStart: async () => {},
      close: async () => { said.push('close') },
    }
    return made
  })
  const tell = async (next: PartitionRecord): Promise<void> => {
    placement = { topic: TOPIC, partition: 0, record: next }
    onChange(TOPIC_ID, 0)
    for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
  }
  return { table, said, tell, promises, promise: epoch => { replica.promised = epoch } }
}

t.test('ReplicaTable: what an active epoch names nowhere is closed and deleted, and opened where it is named again', async t => {
  const { table, said, tell, promise } = tableOn(D)
  await table.start()
  await tell(record(3, [A, B, D]))
  t.same(said, ['open'])
  promise(3)
  await tell({ ...record(4, [A, B, C]), active: false, prev: [[A, B, D]] })
  t.same(said, ['open'], 'whoever begins epoch 4 may have to ask here')
  await tell(record(4, [A, B, C]))
  t.same(said, ['open', 'close', 'delete data', 'delete state'])
  await tell(record(4, [A, B, C], [D]))
  t.same(said.slice(4), ['open'])
})

t.test('ReplicaTable: nothing is deleted by a record older than what was promised (a watch behind the leader)', async t => {
  const { table, said, tell, promise } = tableOn(D)
  await table.start()
  await tell(record(3, [A, B, D]))
  // Epoch 4 went without this broker, epoch 6 counts it again: its leader was here before the news of epoch 4.
  promise(6)
  await tell(record(4, [A, B, C]))
  t.same(said, ['open'])
  await tell(record(6, [A, B, D]))
  t.same(said, ['open'])
  await tell(record(7, [A, B, C]))
  t.same(said, ['open', 'close', 'delete data', 'delete state'])
})

t.test('ReplicaTable: files of a newer epoch than the control store knows stay (it was put back to an older state)', async t => {
  const { table, said, tell, promises } = tableOn(D)
  const stored = { promised: 9, trusted: true, owed: [], suspectFrom: [], bootId: '' }
  await new Promise<void>(resolve => promises.save(TOPIC_ID, 0, stored, () => resolve()))
  await table.start()
  await tell(record(5, [A, B, C]))
  t.same(said, [], 'it held a partition that went there later')
  await tell({ ...record(8, [A, B, C]), overtaken: { epoch: 9, by: [D] } })
  t.same(said, [])
  await tell(record(10, [A, B, C]))
  t.same(said, ['delete data', 'delete state'], 'somebody has decided')
  t.match(promises.load(TOPIC_ID, 0), { promised: 9 }, 'what it proves stays')
})
