// What partitions write down to start quickly: never more than the logs say, and never trusted more than them.

import { randomUUID } from 'node:crypto'
import { ERROR, RecordBatchBuilder, writeInt64, type ProducerStamp } from '@sluice/protocol'
import { LogStore } from '@sluice/storage'
import { MemoryDisk, MemoryMetaStore } from '@sluice/storage/testing'
import t from 'tap'
import type { TopicRecord } from '../control/topic-record.js'
import { LIMITS } from '../limits.js'
import { silentLogger } from '../runtime/logger.js'
import {
  GROUP_OFFSETS_TABLE, PRODUCERS_TABLE, STATE_APPLIED_TABLE, groupOffsetKey, partitionKey,
} from './partition-keys.js'
import { PartitionTable } from './partition-table.js'
import type { Partition } from './partition.js'

interface Life { table: PartitionTable, partition: Partition, store: LogStore }

const START_MS = 1_700_000_000_000
const DAY_MS = 86_400_000

function topic (overrides: Record<string, string> = {}): TopicRecord {
  const topicId = randomUUID()
  return { topicId, name: 'orders', kind: 'stream', partitions: 1, replicationFactor: 1, overrides, createdAt: 0, version: 1 }
}

async function live (disk: MemoryDisk, meta: MemoryMetaStore, record: TopicRecord): Promise<Life> {
  await disk.makeDirectory('/data')
  await disk.syncDirectory('/')
  const wallMs = (): number => START_MS
  const endOfTurn = (run: () => void): void => { setImmediate(run) }
  const store = await LogStore.open({
    directory: '/data',
    disk: disk.attach(),
    meta,
    clock: { wallMs, monotonicMs: () => 0 },
    endOfTurn,
    limits: { preallocateBytes: 0 },
    cleanStart: true,
    report: () => {},
  })
  const logger = silentLogger
  const table = new PartitionTable({ store, meta, leaderEpoch: 1, topicDefaults: {}, wallMs, endOfTurn, logger })
  await table.scan()
  await table.openTopic(record)
  return { table, store, partition: table.find(record.topicId, 0)! }
}

function batch (value: string, producer?: ProducerStamp): Buffer {
  const builder = new RecordBatchBuilder()
  builder.append(null, value, 1_000_000)
  return builder.build(producer === undefined ? {} : { producer })
}

const by = (baseSequence: number, producerId = 7): ProducerStamp => ({ producerId, producerEpoch: 0, baseSequence })

async function append (partition: Partition, value: string, producer?: ProducerStamp): Promise<void> {
  const outcome = partition.append(batch(value, producer))
  if (!outcome.ok) throw new Error(outcome.message)
  const error = await new Promise<number>(resolve => partition.whenCommitted(outcome.endOffset, resolve))
  if (error !== 0) throw new Error(`error ${error}`)
}

const commit = (partition: Partition, group: string, offset: number): Promise<number> => new Promise(resolve => {
  const stored = { offset, leaderEpoch: 1, metadata: null, generation: 1, committedAt: START_MS }
  partition.commitOffset(group, stored, resolve)
})

t.test('PartitionCheckpoints: a snapshot of producers waits until the log is durable, and is not taken again meanwhile', async t => {
  const [disk, meta, record] = [new MemoryDisk(), new MemoryMetaStore(), topic({ flush: 'none' })]
  const { table, partition } = await live(disk, meta, record)
  const key = partitionKey(record.topicId, 0)
  await append(partition, 'a', by(0))
  for (let round = 0; round < 3; round++) table.checkpoint(partition)
  t.ok(partition.log.durableOffset < 1)
  t.equal(meta.get(PRODUCERS_TABLE, key), null)
  await table.flush()
  table.checkpoint(partition)
  t.ok(meta.get(PRODUCERS_TABLE, key) !== null)
  disk.powerCut({ keep: 'none' })
  meta.powerCut()
  const next = await live(disk, meta, record)
  t.match(next.partition.append(batch('a', by(0))), { ok: true, duplicate: true, baseOffset: 0 })
})

t.test('PartitionCheckpoints: all remembered batches are known after a restart, from the snapshot, the log and both', async t => {
  const remembered = LIMITS.batchesPerProducer
  // How many of the batches the snapshot has seen: none, some of them, all.
  for (const snapshotAt of [-1, remembered >> 1, remembered + 1]) {
    const [disk, meta, record] = [new MemoryDisk(), new MemoryMetaStore(), topic()]
    const { table, partition } = await live(disk, meta, record)
    for (let sequence = 0; sequence <= remembered; sequence++) {
      await append(partition, `value ${sequence}`, by(sequence))
      if (sequence + 1 === snapshotAt) table.checkpoint(partition)
    }
    // A clean stop is not what is asked about: the checkpoint of a stop would have everything.
    disk.powerCut({ keep: 'none' })
    const { partition: next } = await live(disk, meta, record)
    for (let sequence = 1; sequence <= remembered; sequence++) {
      t.match(next.append(batch(`value ${sequence}`, by(sequence))), { ok: true, duplicate: true, baseOffset: sequence })
    }
    t.match(next.append(batch('value 0', by(0))), { ok: false, error: ERROR.DUPLICATE_SEQUENCE }, 'older than those')
    t.match(next.append(batch('next', by(remembered + 1))), { ok: true, duplicate: false, baseOffset: remembered + 1 })
  }
})

t.test('PartitionCheckpoints: an idle partition writes nothing', async t => {
  const [disk, meta, record] = [new MemoryDisk(), new MemoryMetaStore(), topic()]
  const { table, partition } = await live(disk, meta, record)
  await append(partition, 'a', by(0))
  await commit(partition, 'billing', 1)
  table.checkpoint(partition)
  let writes = 0
  const { write } = meta
  meta.write = (...args) => {
    writes++
    write.apply(meta, args)
  }
  for (let round = 0; round < 10; round++) table.checkpoint(partition)
  t.equal(writes, 0)
})

t.test('PartitionCheckpoints: a producer of old records is not taken for a silent one after a restart', async t => {
  const [disk, meta, record] = [new MemoryDisk(), new MemoryMetaStore(), topic()]
  const { partition } = await live(disk, meta, record)
  await append(partition, 'a', by(0))
  disk.powerCut()
  meta.wipe()
  const next = await live(disk, meta, record)
  next.partition.producers.expire(START_MS - 7 * DAY_MS)
  t.match(next.partition.append(batch('b', by(1))), { ok: true, baseOffset: 1 })
})

t.test('PartitionCheckpoints: rows of committed offsets that make no sense are dropped, the state log counts', async t => {
  for (const kind of ['damaged', 'ahead'] as const) {
    const [disk, meta, record] = [new MemoryDisk(), new MemoryMetaStore(), topic()]
    const { table, partition, store } = await live(disk, meta, record)
    const key = partitionKey(record.topicId, 0)
    await append(partition, 'a')
    await commit(partition, 'billing', 1)
    table.checkpoint(partition)
    await store.close()
    const ghost = Buffer.from(kind === 'damaged' ? '{' : '{"offset":1}')
    const applied = Buffer.alloc(8)
    writeInt64(applied, kind === 'ahead' ? 1000 : 1, 0)
    meta.write([
      { table: GROUP_OFFSETS_TABLE, key: groupOffsetKey(key, 'ghost'), value: ghost },
      { table: STATE_APPLIED_TABLE, key, value: applied },
    ])
    const second = await live(disk, meta, record)
    t.same([...second.partition.offsets.groups()], ['billing'], kind)
    second.table.checkpoint(second.partition)
    await second.store.close()
    const third = await live(disk, meta, record)
    t.same([...third.partition.offsets.groups()], ['billing'], `${kind}: and it does not come back`)
  }
})

t.test('Partition: thousands of commits that wait for the state log are all stored', async t => {
  const [disk, meta, record] = [new MemoryDisk(), new MemoryMetaStore(), topic()]
  const { partition } = await live(disk, meta, record)
  await append(partition, 'a')
  const answers = await Promise.all(Array.from({ length: 2_345 }, (_, index) => commit(partition, `group-${index}`, 1)))
  t.ok(answers.every(error => error === 0))
  disk.powerCut({ keep: 'none' })
  meta.wipe()
  t.equal([...(await live(disk, meta, record)).partition.offsets.groups()].length, 2_345)
})

t.test('Partition: a topic deleted while a first commit opens its state log leaves nothing, and the commit is refused', async t => {
  const [disk, meta, record] = [new MemoryDisk(), new MemoryMetaStore(), topic()]
  const { table, partition, store } = await live(disk, meta, record)
  await append(partition, 'a')
  const answer = commit(partition, 'billing', 1)
  await table.deleteTopic(record.topicId)
  t.equal(await answer, ERROR.UNKNOWN_TOPIC)
  await new Promise(resolve => setTimeout(resolve, 20))
  t.same(disk.paths().filter(path => path.includes(record.topicId)), [])
  t.same(await store.listLogs(), [])
  t.match(partition.append(batch('b')), { ok: false, error: ERROR.UNKNOWN_TOPIC, message: /deleted/ })
})
