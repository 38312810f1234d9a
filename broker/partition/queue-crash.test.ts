// Queues of a partition against kills, power cuts and lost meta stores: what was answered stays answered, nothing that
// was not settled is ever out of reach, and the state log stays short.

import { randomUUID } from 'node:crypto'
import { RecordBatchBuilder, RecordExtrasBuilder, dedupKeyOf, writeInt64 } from '@sluice/protocol'
import { LOG_STORE_LIMITS_DEFAULT, LogStore } from '@sluice/storage'
import { MemoryDisk, MemoryMetaStore } from '@sluice/storage/testing'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { TopicRecord } from '../control/topic-record.js'
import { SETTLE_ANSWER, SETTLE_KIND, type SettleItem } from '../queue/queue-types.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import { CHECKPOINT_TABLE, GROUP_TABLE, groupKey } from '../queue-host/queue-keys.js'
import { ReadBudget } from '../queue-host/read-budget.js'
import { DeadlineQueue } from '../runtime/deadline-queue.js'
import { silentLogger } from '../runtime/logger.js'
import { PartitionTable } from './partition-table.js'
import type { Partition } from './partition.js'

const SESSION = 77

/** A machine whose broker can be killed at any point and started again. */
class Machine {
  readonly disk = new MemoryDisk()
  readonly record: TopicRecord
  meta = new MemoryMetaStore()
  monotonicMs = 0
  wallMs = 1_700_000_000_000
  epoch = 0
  table!: PartitionTable
  partition!: Partition
  private deadlines = new DeadlineQueue()

  constructor (overrides: Record<string, string> = {}, kind: 'queue' | 'stream' = 'queue') {
    this.record = {
      topicId: randomUUID(),
      name: 'jobs',
      kind,
      partitions: 1,
      replicationFactor: 1,
      overrides,
      createdAt: 0,
      version: 1,
    }
  }

  async start (): Promise<this> {
    const clock = { wallMs: () => this.wallMs, monotonicMs: () => this.monotonicMs }
    const endOfTurn = (run: () => void): void => { setImmediate(run) }
    const { meta } = this
    this.deadlines = new DeadlineQueue()
    await this.disk.makeDirectory('/data')
    await this.disk.syncDirectory('/')
    const store = await LogStore.open({
      directory: '/data',
      disk: this.disk.attach(),
      meta,
      clock,
      endOfTurn,
      limits: { ...LOG_STORE_LIMITS_DEFAULT, preallocateBytes: 0, retryDelayMsMin: 1, retryDelayMsMax: 5 },
      cleanStart: false,
      report: () => {},
    })
    const readBudget = new ReadBudget(1024 * 1024)
    const queues = {
      clock, endOfTurn, deadlines: this.deadlines, random: () => 0.5, meta, logger: silentLogger, readBudget,
    }
    this.table = new PartitionTable({
      store,
      meta,
      leaderEpoch: ++this.epoch,
      topicDefaults: {},
      wallMs: clock.wallMs,
      endOfTurn,
      logger: silentLogger,
      queues,
    })
    await this.table.scan()
    await this.table.openTopic(this.record)
    this.partition = this.table.find(this.record.topicId, 0)!
    return this
  }

  kill (): void {
    this.disk.kill()
    this.meta.kill()
  }

  powerCut (): void {
    this.disk.powerCut()
    this.meta.powerCut()
  }

  get group (): HostedQueueGroup { return this.partition.queues!.find('')! }

  async produce (count: number, delayMs = 0): Promise<void> {
    const builder = new RecordBatchBuilder()
    const extras = new RecordExtrasBuilder()
    for (let index = 0; index < count; index++) {
      builder.append(null, `record ${index}`, this.wallMs)
      extras.append(delayMs === 0 ? undefined : { notBefore: this.wallMs + delayMs })
    }
    const bytes = extras.build()
    const outcome = this.partition.append(builder.build(bytes === undefined ? {} : { extras: bytes }))
    if (!outcome.ok) throw new Error(outcome.message)
    await new Promise<void>(resolve => this.partition.whenCommitted(outcome.endOffset, () => resolve()))
  }

  /** Leases up to `max` records; none where nothing comes within some turns. */
  async receive (max: number): Promise<SettleItem[]> {
    for (let turn = 0; turn < 50; turn++) {
      const items: SettleItem[] = []
      const queue = this.group.turn()
      queue.openSession(SESSION, 0)
      queue.receive({ sessionId: SESSION, maxRecords: max, maxBytes: 1 << 20 }, grants => {
        for (let row = 0; row < (grants?.count ?? 0); row++) {
          items.push({
            kind: SETTLE_KIND.ack,
            offset: grants!.offsets[row]!,
            count: 1,
            leaseEpoch: grants!.leaseEpoch,
            leaseSequence: grants!.leaseSequences[row]!,
          })
        }
      })
      if (items.length > 0) return items
      await nextTurn()
    }
    return []
  }

  /** Settles, and resolves with the answers when they are durable. */
  settle (items: readonly SettleItem[]): Promise<Uint8Array | null> {
    return new Promise(resolve => this.group.turn().settle(items, resolve))
  }

  advance (byMs: number): void {
    this.monotonicMs += byMs
    this.wallMs += byMs
    this.deadlines.tick(this.monotonicMs)
  }
}

const nextTurn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })
const offsetsOf = (items: readonly SettleItem[]): number[] => items.map(({ offset }) => offset)

t.test('Queue crash: what was acknowledged stays so, all else comes again (random kills and power cuts)', async t => {
  const kinds = ['produce', 'produce', 'consume', 'consume', 'consume', 'checkpoint', 'kill', 'powerCut', 'loseMeta'] as const
  const step = fc.record({ kind: fc.constantFrom(...kinds), count: fc.integer({ min: 1, max: 30 }) })
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
    const machine = await new Machine({ 'backoff.min.ms': '0', 'backoff.max.ms': '0', 'max.attempts': '1000' }).start()
    const acknowledged = new Set<number>()
    let produced = 0
    for (const { kind, count } of steps) {
      if (kind === 'produce') {
        await machine.produce(count)
        produced += count
      } else if (kind === 'consume') {
        const items = await machine.receive(count)
        const again = items.find(({ offset }) => acknowledged.has(offset))
        if (again !== undefined) throw new Error(`record ${again.offset} came after its acknowledgement`)
        // Every third stays leased, as a consumer that dies would leave it.
        const done = items.filter(({ offset }) => offset % 3 !== 0)
        const answers = done.length === 0 ? [] : await machine.settle(done)
        done.forEach(({ offset }, index) => { if (answers![index] === SETTLE_ANSWER.OK) acknowledged.add(offset) })
      } else if (kind === 'checkpoint') machine.table.checkpointAll()
      else {
        if (kind === 'powerCut') machine.powerCut()
        else machine.kill()
        if (kind === 'loseMeta') machine.meta = new MemoryMetaStore()
        await machine.start()
      }
    }
    const seen = new Set(acknowledged)
    for (let empty = 0; empty < 3;) {
      machine.advance(3_600_000)
      const items = await machine.receive(1000)
      empty = items.length === 0 ? empty + 1 : 0
      for (const { offset } of items) {
        if (seen.has(offset)) throw new Error(`record ${offset} came twice, or after its acknowledgement`)
        seen.add(offset)
      }
      if (items.length > 0) await machine.settle(items)
    }
    if (seen.size !== produced) throw new Error(`${produced - seen.size} of ${produced} records are out of reach`)
    machine.kill()
  }), { seed: 11, numRuns: 40 })
  t.pass()
})

t.test('Queue crash: counts and floor do not go back when the meta store is lost', async t => {
  const machine = await new Machine().start()
  await machine.produce(10)
  await machine.settle((await machine.receive(4)).slice(0, 3))
  machine.table.checkpointAll()
  await machine.settle(await machine.receive(2))
  machine.kill()
  machine.meta = new MemoryMetaStore()
  await machine.start()
  const stats = machine.group.turn().stats()
  t.match(stats, { floor: 3, next: 6, leased: 1, fresh: 4 })
  t.equal(stats.ended[1], 5)
})

t.test('Queue crash: delayed records are on disk, in the image too, and none is lost with the meta store', async t => {
  const machine = await new Machine().start()
  await machine.produce(500, 3_600_000)
  t.same(await machine.receive(1), [])
  t.equal(machine.group.delayed.size, 500)
  // Nobody waits for the delta, which is held for company: the first checkpoint writes it, and can be kept once that is
  // durable.
  machine.table.checkpointAll()
  for (let turn = 0; turn < 50; turn++) await nextTurn()
  machine.table.checkpointAll()
  await nextTurn()
  t.equal(machine.group.delayed.changes, 0, 'all are rows now')
  machine.kill()
  await machine.start()
  t.equal(machine.group.turn().stats().delayed, 500)
  await machine.partition.writeStateImage()
  t.ok(machine.partition.stateLog!.logStartOffset > 0, 'the state log begins with the image')
  machine.kill()
  machine.meta = new MemoryMetaStore()
  await machine.start()
  t.equal(machine.group.turn().stats().delayed, 500)
  machine.advance(3_600_001)
  const items = await machine.receive(1000)
  t.equal(items.length, 500)
  t.same(await machine.settle(items), new Uint8Array(500))
})

t.test('Queue crash: a grant waits for company, and is written without any in the end', async t => {
  const machine = await new Machine().start()
  await machine.produce(20)
  await machine.settle([])
  const { stateLog } = machine.partition
  const before = stateLog!.nextOffset
  const items = await machine.receive(10)
  await nextTurn()
  t.equal(stateLog!.nextOffset, before, 'nobody waits for the grant')
  t.same(await machine.settle(items), new Uint8Array(10))
  const after = stateLog!.nextOffset
  t.ok(after > before && stateLog!.durableOffset === after, 'the settle takes it along')
  await machine.receive(5)
  await nextTurn()
  machine.advance(10)
  t.ok(stateLog!.nextOffset > after, 'alone, when its time is over')
})

t.test('Queue crash: a grant waits for company also while an answer is on its way', async t => {
  const machine = await new Machine().start()
  await machine.produce(20)
  const items = await machine.receive(5)
  const release = machine.disk.hold({ operation: 'sync' })
  const { stateLog } = machine.partition
  let isAnswered = false
  const settled = machine.settle(items).finally(() => { isAnswered = true })
  await nextTurn()
  const after = stateLog!.nextOffset
  t.equal((await machine.receive(5)).length, 5)
  await nextTurn()
  t.notOk(isAnswered)
  t.equal(stateLog!.nextOffset, after, 'the answer rests on nothing new')
  release()
  t.same(await settled, new Uint8Array(5))
})

t.test('Queue crash: a checkpoint that does not fit the state log, or is damaged, is dropped', async t => {
  const beyond = Buffer.alloc(8)
  writeInt64(beyond, 1_000_000, 0)
  const damages: readonly [string, string, Buffer][] = [
    ['more than the log holds', CHECKPOINT_TABLE, beyond],
    ['no offset', CHECKPOINT_TABLE, Buffer.from('junk')],
    ['a damaged snapshot', GROUP_TABLE, Buffer.alloc(40, 7)],
    ['a snapshot cut short', GROUP_TABLE, Buffer.alloc(9, 1)],
  ]
  for (const [name, table, value] of damages) {
    const machine = await new Machine({ 'backoff.min.ms': '0', 'backoff.max.ms': '0' }).start()
    await machine.produce(5)
    await machine.settle((await machine.receive(5)).slice(0, 2))
    machine.table.checkpointAll()
    const { metaKey } = machine.partition
    machine.meta.write([{ table, key: table === GROUP_TABLE ? groupKey(metaKey, '') : metaKey, value }])
    await machine.meta.flush()
    machine.kill()
    await machine.start()
    t.match(machine.group.turn().stats(), { floor: 2, leased: 3 }, name)
    machine.advance(60_000)
    t.same(offsetsOf(await machine.receive(10)), [2, 3, 4])
  }
})

/** What a batch with one record of each dedup id is answered with: index and offset of each duplicate. */
async function sendWithIds (
  machine: Machine, ids: readonly string[], sequence: number, onCommitted = (): void => {},
): Promise<string[]> {
  const builder = new RecordBatchBuilder()
  const extras = new RecordExtrasBuilder()
  for (const id of ids) {
    builder.append(null, id, machine.wallMs)
    extras.append({ dedupKey: dedupKeyOf(id) })
  }
  const producer = { producerId: 9, producerEpoch: 0, baseSequence: sequence }
  const outcome = machine.partition.append(builder.build({ extras: extras.build()!, producer }))
  if (!outcome.ok) throw new Error(outcome.message)
  await new Promise<void>(resolve => machine.partition.whenCommitted(outcome.endOffset, () => {
    onCommitted()
    resolve()
  }))
  return outcome.duplicates.map(({ index, offset }) => `${index}: ${offset}`)
}

for (const scope of ['window', 'until-settled']) {
  t.test(`Queue crash: a duplicate never comes, killed when its batch was committed and its end was not (${scope})`, async t => {
    for (const when of ['before', 'after'] as const) {
      const machine = await new Machine({ 'dedup.scope': scope, 'dedup.window.ms': '60000' }).start()
      await sendWithIds(machine, ['a', 'b'], 0)
      machine.table.checkpointAll()
      await machine.meta.flush()
      machine.advance(1_000)
      const die = (): void => {
        if (when === 'after') machine.table.checkpointAll()
        machine.kill()
      }
      t.same(await sendWithIds(machine, ['c', 'a'], 2, die), ['1: 0'])
      machine.advance(1_000)
      await machine.start()
      t.same(await sendWithIds(machine, ['c', 'a'], 2), ['1: 0'], 'its sender is told so when it asks again')
      for (let turn = 0; turn < 10; turn++) await nextTurn()
      t.same(offsetsOf(await machine.receive(10)), [0, 1, 2], `the snapshot came ${when} it`)
      machine.kill()
    }
  })
}

t.test('Queue crash: a record whose id is free again comes after a restart (window)', async t => {
  const machine = await new Machine({ 'dedup.window.ms': '5000' }).start()
  await sendWithIds(machine, ['a'], 0)
  machine.advance(6_000)
  t.same(await sendWithIds(machine, ['a'], 1), [], 'it was answered as new')
  machine.kill()
  await machine.start()
  t.same(offsetsOf(await machine.receive(10)), [0, 1])
})

t.test('Queue crash: a record whose id was free when it came is no duplicate after a restart (until-settled)', async t => {
  for (const isHandedOut of [false, true]) {
    const machine = await new Machine({ 'dedup.scope': 'until-settled', 'backoff.max.ms': '0', 'backoff.min.ms': '0' }).start()
    await sendWithIds(machine, ['other', 'a'], 0)
    const items = await machine.receive(10)
    await machine.settle(items.slice(1))
    t.same(await sendWithIds(machine, ['a'], 2), [], 'new, above a record that stays')
    if (isHandedOut) t.same(offsetsOf(await machine.receive(10)), [2])
    for (let turn = 0; turn < 10; turn++) await nextTurn()
    machine.kill()
    await machine.start()
    t.same(await sendWithIds(machine, ['a'], 3), ['0: 2'], 'it has the id')
    if (!isHandedOut) t.same(offsetsOf(await machine.receive(10)), [2])
    machine.kill()
  }
})

t.test('Queue crash: a sender that asks again hears of a duplicate, also when the id is free since (until-settled)', async t => {
  const machine = await new Machine({ 'dedup.scope': 'until-settled' }).start()
  await sendWithIds(machine, ['a'], 0)
  t.same(await sendWithIds(machine, ['a'], 1), ['0: 0'])
  for (let turn = 0; turn < 10; turn++) await nextTurn()
  const items = await machine.receive(10)
  t.same(offsetsOf(items), [0])
  await machine.settle(items)
  t.same((await sendWithIds(machine, ['a'], 1)).length, 1, 'never that it is new: it will not come')
  t.same(await sendWithIds(machine, ['a'], 2), [], 'while the next one is')
})

t.test('Queue crash: the state log stays short, also of streams, and offsets outlive its images', async t => {
  for (const kind of ['queue', 'stream'] as const) await fillStateLog(t, kind)
})

async function fillStateLog (t: Test, kind: 'queue' | 'stream'): Promise<void> {
  const machine = await new Machine({}, kind).start()
  const { partition } = machine
  const commit = (group: string, offset: number): Promise<number> => new Promise(resolve => {
    partition.commitOffset(group, { offset, leaderEpoch: -1, metadata: 'x'.repeat(3000), generation: -1, committedAt: 0 }, resolve)
  })
  await machine.produce(10)
  await commit('seldom', 1)
  for (let round = 0; round < 3000; round++) await commit('often', round % 10)
  for (let turn = 0; turn < 20; turn++) await nextTurn()
  const log = partition.stateLog!
  t.ok(log.logStartOffset > 0)
  await log.applyRetention()
  t.ok(log.sizeBytes < 8 * 1024 * 1024, `${log.sizeBytes} bytes`)
  machine.kill()
  machine.meta = new MemoryMetaStore()
  await machine.start()
  t.equal(machine.partition.committedOffset('seldom')?.offset, 1)
  t.equal(machine.partition.committedOffset('often')?.offset, 9)
}

t.test('Queue crash: clock steps of a day change no lease', async t => {
  const machine = await new Machine().start()
  await machine.produce(1)
  t.equal((await machine.receive(1)).length, 1)
  for (const stepMs of [86_400_000, -172_800_000]) {
    machine.wallMs += stepMs
    machine.advance(1_000)
    await nextTurn()
    t.equal(machine.group.turn().stats().leased, 1)
  }
  machine.advance(8_500)
  t.equal(machine.group.turn().stats().leased, 1)
})
