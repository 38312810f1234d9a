// Topic operations on a disk and a control store that fail on command: what was answered with success is there after
// any crash, what was refused leaves nothing, and nothing that was stored goes with it.

import { ERROR, RecordBatchBuilder } from '@sluice/protocol'
import { LogStore } from '@sluice/storage'
import { MemoryDisk, MemoryMetaStore } from '@sluice/storage/testing'
import t from 'tap'
import { PartitionTable } from '../partition/partition-table.js'
import { silentLogger } from '../runtime/logger.js'
import type { ControlStore } from './control-store.js'
import { LmdbControlStore } from './lmdb-control-store.js'
import { TopicCatalog } from './topic-catalog.js'
import type { AlteredTopic, Refusal } from './topics.js'
import { TopicFiles } from './topic-files.js'
import type { TopicRecord } from './topic-record.js'

// A busy machine starts processes and syncs files slowly; nothing here is about speed.
t.setTimeout(120_000)

interface Life { catalog: TopicCatalog, partitions: PartitionTable, control: ControlStore, store: LogStore }

/** One life of a broker's topics on the disk. */
async function live (disk: MemoryDisk, meta: MemoryMetaStore): Promise<Life> {
  await disk.makeDirectory('/data')
  await disk.syncDirectory('/')
  const own = disk.attach()
  const clock = { wallMs: () => 1_700_000_000_000, monotonicMs: () => 0 }
  const endOfTurn = (run: () => void): void => { setImmediate(run) }
  const limits = { preallocateBytes: 0, retryDelayMsMin: 1, retryDelayMsMax: 5 }
  const store = await LogStore.open(
    { directory: '/data', disk: own, meta, clock, endOfTurn, limits, cleanStart: false, report: () => {} })
  const { wallMs } = clock
  const logger = silentLogger
  const partitions = new PartitionTable({ store, meta, leaderEpoch: 1, topicDefaults: {}, wallMs, endOfTurn, logger })
  const control = new LmdbControlStore(meta)
  const files = new TopicFiles(own, '/data')
  const catalog = new TopicCatalog({ control, partitions, files, defaultPartitions: 1, wallMs, logger })
  await catalog.load()
  return { catalog, partitions, control, store }
}

const create = ({ catalog }: Life, name: string, partitions = 1): Promise<TopicRecord | Refusal> =>
  catalog.create({ name, kind: 'stream', partitions, replicationFactor: 0, config: {} }, false)

const grow = ({ catalog }: Life, name: string, partitions: number): Promise<AlteredTopic | Refusal> =>
  catalog.alter({ name, partitions, replicationFactor: 0, set: { 'retention.ms': '1000' }, unset: [] }, false)

async function created (life: Life, name: string, partitions = 1): Promise<TopicRecord> {
  const result = await create(life, name, partitions)
  if ('error' in result) throw new Error(result.message)
  return result
}

async function append ({ partitions }: Life, { topicId }: TopicRecord, value: string): Promise<void> {
  const batch = new RecordBatchBuilder()
  batch.append(null, value, 0)
  const partition = partitions.find(topicId, 0)!
  const outcome = partition.append(batch.build())
  if (!outcome.ok) throw new Error(outcome.message)
  await new Promise<void>((resolve, reject) => {
    partition.whenCommitted(outcome.endOffset, (error, message) => error === 0 ? resolve() : reject(new Error(message)))
  })
}

/** Lets the next commits of a control store fail, until the function returned is called. */
function failCommits (control: ControlStore): () => void {
  const { commit } = control
  control.commit = () => Promise.reject(new Error('the control store is out of order'))
  return () => { control.commit = commit }
}

const folders = (disk: MemoryDisk): string[] =>
  [...new Set(disk.paths().map(path => path.split('/')[3]!).filter(name => name?.length === 36))]

t.test('TopicCatalog: whatever moment the power fails in, what was acknowledged is there and what was deleted is gone', async t => {
  for (let step = 1; ; step++) {
    const disk = new MemoryDisk()
    const meta = new MemoryMetaStore()
    const first = await live(disk, meta)
    const orders = await created(first, 'orders', 2)
    await append(first, orders, 'a')
    await first.store.close()
    const done: string[] = []
    const crashed = await disk.crashDuring(step, async () => {
      const life = await live(disk, meta)
      await append(life, orders, 'b')
      done.push('appended')
      for (const [name, operation] of [
        ['created', () => create(life, 'mail', 2)],
        ['grown', () => grow(life, 'orders', 4)],
        ['deleted', () => life.catalog.delete('mail')],
      ] as const) if (!('error' in await operation())) done.push(name)
    })
    disk.powerCut()
    meta.powerCut()
    const life = await live(disk, meta)
    const names = life.catalog.all().map(({ name }) => name)
    const seen = life.catalog.byName('orders')
    const partitions = life.partitions.partitionsOf(orders.topicId)
    t.equal(seen?.topicId, orders.topicId, `step ${step}: ${done.join()}`)
    t.equal(partitions.length, seen?.partitions)
    t.ok(partitions[0]!.highWatermark >= (done.includes('appended') ? 2 : 1))
    if (done.includes('grown')) t.match(seen, { partitions: 4, overrides: { 'retention.ms': '1000' } })
    if (done.includes('deleted')) t.notOk(names.includes('mail'))
    else if (done.includes('grown')) t.ok(names.every(name => ['mail', 'orders'].includes(name)), 'being deleted')
    else if (done.includes('created')) t.ok(names.includes('mail'))
    t.same(folders(disk).sort(), life.catalog.all().map(({ topicId }) => topicId).sort(), 'nothing is left over')
    await created(life, 'another')
    if (!crashed) break
  }
})

t.test('TopicCatalog: a creation that is refused leaves nothing, now and after a restart', async t => {
  const disk = new MemoryDisk()
  const meta = new MemoryMetaStore()
  const life = await live(disk, meta)
  const mend = failCommits(life.control)
  t.match(await create(life, 'orders', 3), { error: ERROR.STORAGE_UNAVAILABLE, message: /out of order/ })
  t.same([life.partitions.size, folders(disk)], [0, []])
  mend()
  const orders = await created(life, 'orders', 3)
  t.same(folders(disk), [orders.topicId])
  disk.powerCut()
  t.same((await live(disk, meta)).catalog.all().map(({ name }) => name), ['orders'])
})

t.test('TopicCatalog: with a full disk a topic is refused, and created when there is space', async t => {
  const disk = new MemoryDisk()
  const meta = new MemoryMetaStore()
  const life = await live(disk, meta)
  const orders = await created(life, 'orders')
  disk.setCapacity(0)
  t.match(await create(life, 'mail'), { error: ERROR.STORAGE_UNAVAILABLE, message: /ENOSPC/ })
  t.match(await grow(life, 'orders', 2), { error: ERROR.STORAGE_UNAVAILABLE })
  t.equal(life.catalog.byName('orders')!.partitions, 1)
  t.same(folders(disk), [orders.topicId])
  disk.setCapacity(Infinity)
  t.match(await create(life, 'mail'), { name: 'mail' })
  t.match(await life.catalog.delete('mail'), { name: 'mail' })
})

t.test('TopicCatalog: a topic that could not grow is as it was, and can grow later', async t => {
  const disk = new MemoryDisk()
  const life = await live(disk, new MemoryMetaStore())
  const { topicId } = await created(life, 'orders')
  const mend = failCommits(life.control)
  t.match(await grow(life, 'orders', 3), { error: ERROR.STORAGE_UNAVAILABLE })
  t.equal(life.partitions.partitionsOf(topicId).length, 1)
  t.match(JSON.parse(disk.contents(`/data/logs/${topicId}/topic.json`).toString()), { partitions: 1, version: 1 })
  mend()
  t.match(await grow(life, 'orders', 3), { record: { partitions: 3 } })
  t.same(life.partitions.partitionsOf(topicId).map(({ index }) => index), [0, 1, 2])
  t.equal(life.partitions.size, 3)
})

t.test('TopicCatalog: after a deletion that was refused the topic keeps what it takes, over a restart too', async t => {
  const disk = new MemoryDisk()
  const meta = new MemoryMetaStore()
  const life = await live(disk, meta)
  const orders = await created(life, 'orders')
  const mend = failCommits(life.control)
  t.match(await life.catalog.delete('orders'), { error: ERROR.STORAGE_UNAVAILABLE })
  mend()
  await append(life, orders, 'a')
  disk.powerCut()
  const next = await live(disk, meta)
  t.equal(next.catalog.byName('orders')?.topicId, orders.topicId)
  t.equal(next.partitions.find(orders.topicId, 0)!.highWatermark, 1)
})

t.test('TopicCatalog: a deletion counts although files cannot be removed; the next start removes them', async t => {
  const disk = new MemoryDisk()
  const meta = new MemoryMetaStore()
  const life = await live(disk, meta)
  const orders = await created(life, 'orders', 2)
  await append(life, orders, 'a')
  let told = 0
  life.catalog.onChanged(() => told++)
  const mend = disk.fail({ path: `/data/logs/${orders.topicId}`, operation: ['remove', 'removeDirectory'], code: 'EIO' })
  t.match(await life.catalog.delete('orders'), { name: 'orders' })
  t.same([life.catalog.all(), life.partitions.size, told], [[], 0, 1])
  mend()
  disk.powerCut()
  const next = await live(disk, meta)
  t.same([next.catalog.all(), folders(disk)], [[], []])
})

t.test('TopicCatalog: a topic.json that makes no sense is not taken for a topic, and its folder is left alone', async t => {
  const disk = new MemoryDisk()
  const meta = new MemoryMetaStore()
  const life = await live(disk, meta)
  const orders = await created(life, 'orders')
  await append(life, orders, 'a')
  await life.store.close()
  const path = `/data/logs/${orders.topicId}/topic.json`
  const text = disk.contents(path).toString()
  disk.corrupt(path, text.indexOf('"partitions": 1'), Buffer.from('"partitions": 0'))
  meta.wipe()
  const next = await live(disk, meta)
  t.same(next.catalog.all(), [])
  t.same(folders(disk), [orders.topicId])
})

t.test('TopicCatalog: unset refuses what is not set, names of built-in properties too', async t => {
  const life = await live(new MemoryDisk(), new MemoryMetaStore())
  await created(life, 'orders')
  const change = { name: 'orders', partitions: 0, replicationFactor: 0, set: {}, unset: ['toString'] }
  t.match(await life.catalog.alter(change, false), { error: ERROR.INVALID_CONFIG })
})
