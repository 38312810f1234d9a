// Partitions on a disk that fails on command: when answers may leave, what survives, and what a client is told.

import { randomUUID } from 'node:crypto'
import { ERROR, RecordBatchBuilder, type ProducerStamp } from '@sluice/protocol'
import { LOG_STORE_LIMITS_DEFAULT, LogStore, type MetaStore } from '@sluice/storage'
import { MemoryDisk, MemoryMetaStore } from '@sluice/storage/testing'
import t from 'tap'
import type { TopicRecord } from '../control/topic-record.js'
import { silentLogger } from '../runtime/logger.js'
import type { GroupOffset } from './committed-offsets.js'
import { PartitionTable } from './partition-table.js'
import type { Partition } from './partition.js'

interface Bench { table: PartitionTable, partition: Partition, store: LogStore }

const topic = (overrides: Record<string, string> = {}): TopicRecord =>
  ({ topicId: randomUUID(), name: 'orders', kind: 'stream', partitions: 1, replicationFactor: 1, overrides, createdAt: 0, version: 1 })

/** One life of a process on the disk: opens the topic's only partition. */
async function open (disk: MemoryDisk, meta: MetaStore, record: TopicRecord, leaderEpoch = 1): Promise<Bench> {
  const clock = { wallMs: () => 1_700_000_000_000, monotonicMs: () => 0 }
  const endOfTurn = (run: () => void): void => { setImmediate(run) }
  await disk.makeDirectory('/data')
  await disk.syncDirectory('/')
  const store = await LogStore.open({
    directory: '/data',
    disk: disk.attach(),
    meta,
    clock,
    endOfTurn,
    limits: { ...LOG_STORE_LIMITS_DEFAULT, preallocateBytes: 0, retryDelayMsMin: 1, retryDelayMsMax: 5 },
    cleanStart: true,
    report: () => {},
  })
  const { wallMs } = clock
  const logger = silentLogger
  const table = new PartitionTable({ store, meta, leaderEpoch, topicDefaults: {}, wallMs, endOfTurn, logger })
  await table.scan()
  await table.openTopic(record)
  return { table, store, partition: table.find(record.topicId, 0)! }
}

function batch (values: string[], producer?: ProducerStamp): Buffer {
  const builder = new RecordBatchBuilder()
  for (const value of values) builder.append(null, value, 1_600_000_000_000)
  return builder.build(producer === undefined ? {} : { producer })
}

const producer = (baseSequence: number): ProducerStamp => ({ producerId: 9, producerEpoch: 0, baseSequence })

interface Answer { answered: boolean, error: number, message: string }

/** Appends, and notes the answer when it comes. */
function produce (partition: Partition, values: string[], by?: ProducerStamp): Answer & { baseOffset: number } {
  const outcome = partition.append(batch(values, by))
  if (!outcome.ok) return { answered: true, error: outcome.error, message: outcome.message, baseOffset: -1 }
  const answer = { answered: false, error: -1, message: '', baseOffset: outcome.baseOffset }
  partition.whenCommitted(outcome.endOffset, (error, message) =>
    Object.assign(answer, { answered: true, error, message }))
  return answer
}

const committed = (offset: number, generation = 1): GroupOffset =>
  ({ offset, leaderEpoch: 1, metadata: null, generation, committedAt: 0 })

function commit (partition: Partition, group: string, offset: GroupOffset | null): Answer {
  const answer = { answered: false, error: -1, message: '' }
  partition.commitOffset(group, offset, (error, message) => Object.assign(answer, { answered: true, error, message }))
  return answer
}

/** Waits for something that must come; a test that waits in vain ends by tap's timeout. */
async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 1))
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

t.test('Partition: a produce is answered after the sync, not before; so is its duplicate', async t => {
  const disk = new MemoryDisk()
  const { partition } = await open(disk, new MemoryMetaStore(), topic())
  const release = disk.hold({ operation: 'sync' })
  const first = produce(partition, ['a'], producer(0))
  const again = produce(partition, ['a'], producer(0))
  await turns(50)
  t.match([first, again], [{ answered: false }, { answered: false }])
  t.equal(partition.highWatermark, 0, 'and not served')
  release()
  await until(() => first.answered && again.answered)
  t.match([first, again], [{ error: 0, baseOffset: 0 }, { error: 0, baseOffset: 0 }])
  t.equal(partition.highWatermark, 1)
})

t.test('Partition: with flush none a produce is answered after the write', async t => {
  const disk = new MemoryDisk()
  const { partition } = await open(disk, new MemoryMetaStore(), topic({ flush: 'none' }))
  await until(() => partition.log.state === 'online')
  const first = produce(partition, ['a'])
  await until(() => first.answered)
  disk.hold({ operation: 'sync' })
  const second = produce(partition, ['b'])
  await until(() => second.answered)
  t.match(second, { error: 0, baseOffset: 1 })
})

t.test('Partition: a full disk refuses with the cause, serves reads, and goes on by itself when there is space', async t => {
  const disk = new MemoryDisk()
  const { partition } = await open(disk, new MemoryMetaStore(), topic())
  const stored = produce(partition, ['a'], producer(0))
  await until(() => stored.answered)
  const clear = disk.fail({ operation: 'write', code: 'ENOSPC' })
  const caught = produce(partition, ['b'], producer(1))
  await until(() => caught.answered)
  t.match(caught, { error: ERROR.STORAGE_UNAVAILABLE, message: /ENOSPC/ })
  t.match(produce(partition, ['c'], producer(2)), { error: ERROR.STORAGE_UNAVAILABLE, message: /ENOSPC/ })
  t.equal(partition.log.readCached(0, 1000, partition.highWatermark)?.nextOffset, 1, 'what is stored is served')
  clear()
  await until(() => partition.log.state === 'online')
  const retried = produce(partition, ['b'], producer(1))
  await until(() => retried.answered)
  t.match(retried, { error: 0, baseOffset: 1 }, 'the retry finds the original, which was stored after all')
  t.equal(partition.log.nextOffset, 2)
})

t.test('Partition: after a failed sync nothing is acknowledged until a restart', async t => {
  const disk = new MemoryDisk()
  const meta = new MemoryMetaStore()
  const record = topic()
  const { partition } = await open(disk, meta, record)
  const stored = produce(partition, ['a'])
  await until(() => stored.answered)
  disk.fail({ operation: 'sync', code: 'EIO', times: 1 })
  const lost = produce(partition, ['b'])
  await until(() => lost.answered)
  t.match(lost, { error: ERROR.STORAGE_FAILED, message: /until the broker restarts/ })
  t.match(produce(partition, ['c']), { error: ERROR.STORAGE_FAILED })
  t.equal(partition.highWatermark, 1)
  disk.powerCut({ keep: 'none' })
  const restarted = await open(disk, meta, record, 2)
  t.equal(restarted.partition.highWatermark, 1, 'what was acknowledged is there')
  const next = produce(restarted.partition, ['d'])
  await until(() => next.answered)
  t.match(next, { error: 0, baseOffset: 1 })
})

t.test('Partition: acknowledged records and their producers survive a power cut', async t => {
  const disk = new MemoryDisk()
  const meta = new MemoryMetaStore()
  const record = topic()
  const { partition } = await open(disk, meta, record)
  const answers = [produce(partition, ['a', 'b'], producer(0)), produce(partition, ['c'], producer(2))]
  await until(() => answers.every(answer => answer.answered))
  disk.powerCut({ keep: 'none' })
  const restarted = await open(disk, meta, record, 2)
  t.equal(restarted.partition.highWatermark, 3)
  t.match(restarted.partition.append(batch(['c'], producer(2))), { ok: true, duplicate: true, baseOffset: 2 })
  t.match(restarted.partition.append(batch(['e'], producer(4))), { ok: false, error: ERROR.OUT_OF_ORDER_SEQUENCE })
  t.match(restarted.partition.append(batch(['d'], producer(3))), { ok: true, duplicate: false, baseOffset: 3 })
})

t.test('Partition: a producer is known after its records are deleted, and after a checkpoint', async t => {
  const disk = new MemoryDisk()
  const meta = new MemoryMetaStore()
  const record = topic()
  const { partition, table, store } = await open(disk, meta, record)
  const answer = produce(partition, ['a', 'b'], producer(0))
  await until(() => answer.answered)
  table.checkpoint(partition)
  await partition.log.setStartOffset(2)
  await store.close()
  const restarted = await open(disk, meta, record, 2)
  t.equal(restarted.partition.log.logStartOffset, 2)
  t.match(restarted.partition.append(batch(['a', 'b'], producer(0))), { ok: true, duplicate: true, baseOffset: 0 })
})

t.test('Partition: a committed offset is told only when it is durable, and survives a power cut from then on', async t => {
  const disk = new MemoryDisk()
  const meta = new MemoryMetaStore()
  const record = topic()
  const { partition } = await open(disk, meta, record)
  const stored = produce(partition, ['a', 'b', 'c'])
  await until(() => stored.answered)
  const first = commit(partition, 'billing', committed(1))
  await until(() => first.answered)
  const release = disk.hold({ path: /state/, operation: 'sync' })
  const second = commit(partition, 'billing', committed(2))
  await turns(50)
  t.equal(second.answered, false)
  t.equal(partition.committedOffset('billing')?.offset, 1, 'the newer one is not shown yet')
  release()
  await until(() => second.answered)
  t.equal(partition.committedOffset('billing')?.offset, 2)
  disk.powerCut({ keep: 'none' })
  const restarted = await open(disk, meta, record, 2)
  t.equal(restarted.partition.committedOffset('billing')?.offset, 2)
})

t.test('Partition: committed offsets come back from the checkpoint and from what the state log adds to it', async t => {
  const disk = new MemoryDisk()
  const meta = new MemoryMetaStore()
  const record = topic()
  const { partition, table, store } = await open(disk, meta, record)
  await until(() => produce(partition, ['a', 'b', 'c']).answered || partition.highWatermark >= 3)
  const answers = [commit(partition, 'billing', committed(1)), commit(partition, 'mail', committed(2))]
  await until(() => answers.every(answer => answer.answered))
  table.checkpoint(partition)
  const later = [commit(partition, 'billing', committed(3)), commit(partition, 'mail', null)]
  await until(() => later.every(answer => answer.answered))
  await store.close()
  const restarted = await open(disk, meta, record, 2)
  t.equal(restarted.partition.committedOffset('billing')?.offset, 3)
  t.equal(restarted.partition.committedOffset('mail'), undefined, 'a removed offset stays removed')
})

t.test('Partition: a commit of an older generation or above the high watermark is refused', async t => {
  const disk = new MemoryDisk()
  const { partition } = await open(disk, new MemoryMetaStore(), topic())
  const stored = produce(partition, ['a', 'b'])
  await until(() => stored.answered)
  const newer = commit(partition, 'billing', committed(2, 5))
  await until(() => newer.answered)
  t.match(commit(partition, 'billing', committed(1, 4)), { error: ERROR.STALE_GENERATION })
  t.match(commit(partition, 'billing', committed(3, 5)), { error: ERROR.OFFSET_OUT_OF_RANGE })
  t.equal(partition.committedOffset('billing')?.offset, 2)
})

t.test('Partition: a commit of an older generation is refused while that of the newer one is on its way', async t => {
  const disk = new MemoryDisk()
  const { partition } = await open(disk, new MemoryMetaStore(), topic())
  const stored = produce(partition, ['a', 'b'])
  await until(() => stored.answered)
  const newer = commit(partition, 'billing', committed(2, 5))
  const older = commit(partition, 'billing', committed(1, 4))
  t.match([newer.answered, older], [false, { error: ERROR.STALE_GENERATION }])
  await until(() => newer.answered)
  t.equal(partition.committedOffset('billing')?.offset, 2)
  const removed = commit(partition, 'billing', null)
  const anew = commit(partition, 'billing', committed(1, 1))
  await until(() => anew.answered)
  t.match([removed.error, anew.error], [0, 0], 'a group that is deleted counts from the beginning')
})

t.test('Partition: what was asked after the end of a leadership is not answered by what the log holds since', async t => {
  const { partition } = await open(new MemoryDisk(), new MemoryMetaStore(), topic())
  const stored = produce(partition, ['a', 'b'])
  while (!stored.answered) await new Promise(resolve => setImmediate(resolve))
  partition.close(ERROR.NOT_LEADER, 'another broker leads')
  const answers: [number, string][] = []
  partition.whenCommitted(2, (error, message) => answers.push([error, message]))
  for (const acks of ['leader', 'quorum'] as const) {
    partition.whenAcknowledged(2, acks, (error, message) => answers.push([error, message]))
  }
  t.same(answers, Array.from({ length: 3 }, () => [ERROR.NOT_LEADER, 'another broker leads']))
})

t.test('Partition: a closed partition answers all that wait and takes nothing more', async t => {
  const disk = new MemoryDisk()
  const { partition } = await open(disk, new MemoryMetaStore(), topic())
  disk.hold({ operation: 'sync' })
  const waiting = produce(partition, ['a'])
  let woken = 0
  partition.addWaiter(() => woken++)
  partition.close(ERROR.UNKNOWN_TOPIC, 'topic orders was deleted')
  t.match(waiting, { answered: true, error: ERROR.UNKNOWN_TOPIC })
  t.equal(woken, 1)
  t.match(produce(partition, ['b']), { error: ERROR.UNKNOWN_TOPIC })
  t.match(commit(partition, 'billing', committed(0)), { error: ERROR.UNKNOWN_TOPIC })
})
