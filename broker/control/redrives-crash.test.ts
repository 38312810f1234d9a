// Redrives against kills and power cuts at any point, disks that refuse, and lost answers: each letter is moved once.

import { RecordBatchBuilder, REDRIVE_HEADER, RecordReader, decodeRedriveNote } from '@sluice/protocol'
import { LOG_STORE_LIMITS_DEFAULT, LogStore } from '@sluice/storage'
import { MemoryDisk, MemoryMetaStore } from '@sluice/storage/testing'
import fc from 'fast-check'
import t from 'tap'
import { PartitionTable } from '../partition/partition-table.js'
import type { Partition } from '../partition/partition.js'
import { ReadBudget } from '../queue-host/read-budget.js'
import { SETTLE_KIND, type SettleItem } from '../queue/queue-types.js'
import { REDRIVE_STATE, type RedriveSpec, type RedriveStatus } from '../queue/redrive-types.js'
import { DeadlineQueue } from '../runtime/deadline-queue.js'
import { silentLogger } from '../runtime/logger.js'
import { DeadLetterQueues } from './dead-letter-queues.js'
import { LetterIntake } from './letter-intake.js'
import { LmdbControlStore } from './lmdb-control-store.js'
import { RedriveClaims } from './redrive-claims.js'
import { RedriveEntries } from './redrive-entries.js'
import { RedriveIntake } from './redrive-intake.js'
import type { RedriveTargets } from './redrive-targets.js'
import { Redrives } from './redrives.js'
import { RoutedRedriveTargets } from './routed-redrive-targets.js'
import { TopicCatalog } from './topic-catalog.js'
import { TopicFiles } from './topic-files.js'

// A busy machine is slow; nothing here is about speed.
t.setTimeout(120_000)

const SESSION = 77
const nextTurn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

/** A machine whose broker can be killed at any point and started again. */
class Machine {
  readonly disk = new MemoryDisk()
  readonly meta = new MemoryMetaStore()
  monotonicMs = 0
  topics!: TopicCatalog
  partitions!: PartitionTable
  redrives!: Redrives
  /** What is between redrives and their targets. */
  between: (targets: RedriveTargets) => RedriveTargets = targets => targets
  private readonly wallStartMs = 1_700_000_000_000
  private deadlines = new DeadlineQueue()
  private epoch = 0

  get wallMs (): number { return this.wallStartMs + this.monotonicMs }

  async start (): Promise<this> {
    const { meta } = this
    const clock = { wallMs: () => this.wallMs, monotonicMs: () => this.monotonicMs }
    const { wallMs } = clock
    const endOfTurn = (run: () => void): void => { setImmediate(run) }
    const logger = silentLogger
    const deadlines = this.deadlines = new DeadlineQueue()
    await this.disk.makeDirectory('/data')
    await this.disk.syncDirectory('/')
    const disk = this.disk.attach()
    const store = await LogStore.open({
      directory: '/data',
      disk,
      meta,
      clock,
      endOfTurn,
      limits: { ...LOG_STORE_LIMITS_DEFAULT, preallocateBytes: 0, retryDelayMsMin: 1, retryDelayMsMax: 5 },
      cleanStart: false,
      report: () => {},
    })
    const readBudget = new ReadBudget(1024 * 1024)
    const queues = { clock, endOfTurn, deadlines, random: () => 0.5, meta, logger, readBudget }
    const leaderEpoch = ++this.epoch
    const partitions = new PartitionTable(
      { store, meta, leaderEpoch, topicDefaults: {}, wallMs, endOfTurn, logger, queues })
    const control = new LmdbControlStore(meta)
    const files = new TopicFiles(disk, '/data')
    const topics = new TopicCatalog({ control, partitions, files, defaultPartitions: 1, wallMs, logger })
    const intake = new LetterIntake(topics, partitions, () => -1)
    partitions.deadLetters = new DeadLetterQueues({ topics, partitions, intake, others: null, logger })
    await topics.load()
    const targets = this.between(new RoutedRedriveTargets(topics, new RedriveIntake(partitions), null))
    this.partitions = partitions
    this.topics = topics
    this.redrives = await Redrives.open({
      brokerId: 1,
      partitions,
      entries: new RedriveEntries(control),
      claims: new RedriveClaims(),
      targets,
      wasDeleted: topicId => topics.byId(topicId) === undefined,
      clock,
      deadlines,
      logger,
    })
    return this
  }

  async crash (isPowerCut = false): Promise<void> {
    this.redrives.stop()
    if (isPowerCut) {
      this.disk.powerCut()
      this.meta.powerCut()
    } else {
      this.disk.kill()
      this.meta.kill()
    }
    await this.start()
  }

  async create (name: string, partitions: number, config: Record<string, string> = {}): Promise<string> {
    const made = await this.topics.create({ name, kind: 'queue', partitions, replicationFactor: 0, config }, false)
    if ('error' in made) throw new Error(made.message)
    return made.topicId
  }

  find (topicId: string, index: number): Partition { return this.partitions.find(topicId, index)! }

  async produce (topicId: string, index: number, values: readonly string[]): Promise<void> {
    const partition = this.find(topicId, index)
    const builder = new RecordBatchBuilder()
    for (const value of values) builder.append(null, value, this.wallMs)
    const outcome = partition.append(builder.build())
    if (!outcome.ok) throw new Error(outcome.message)
    await new Promise<void>(resolve => { partition.whenCommitted(outcome.endOffset, () => resolve()) })
  }

  /** Rejects all that there is, until so many letters are there. */
  async killAll (topicId: string, index: number, dead: string, count: number): Promise<void> {
    const group = this.find(topicId, index).queues!.find('')!
    const isThere = (): boolean => this.find(dead, index).highWatermark >= count
    for (let turns = 0; !isThere(); turns++) {
      if (turns > 2_000) throw new Error('letters do not come')
      const queue = group.turn()
      queue.openSession(SESSION, 0)
      const items: SettleItem[] = []
      queue.receive({ sessionId: SESSION, maxRecords: 1_000, maxBytes: 1 << 20 }, grants => {
        for (let row = 0; row < (grants?.count ?? 0); row++) {
          items.push({
            kind: SETTLE_KIND.reject,
            offset: grants!.offsets[row]!,
            count: 1,
            leaseEpoch: grants!.leaseEpoch,
            leaseSequence: grants!.leaseSequences[row]!,
          })
        }
      })
      if (items.length > 0) queue.settle(items, () => {})
      await this.turn()
    }
    // The source must know that they are there.
    for (let turns = 0; turns < 5; turns++) await this.turn()
  }

  async turn (byMs = 10): Promise<void> {
    this.monotonicMs += byMs
    this.deadlines.tick(this.monotonicMs)
    await nextTurn()
  }

  async startRedrive (dead: string, more: Partial<RedriveSpec> = {}): Promise<string> {
    const ranges = this.partitions.partitionsOf(dead)
      .map(({ index, highWatermark }) => ({ partition: index, fromOffset: 0, endOffset: highWatermark }))
    const started = await this.redrives.start({
      sourceTopicId: dead,
      targetTopicId: '',
      ranges,
      filter: { lane: -1, reasons: [], fromMs: -1, toMs: -1, headerName: null, headerValue: null },
      limit: 0,
      recordsPerSecond: 0,
      dryRun: false,
      startedBy: 'test',
      startedMs: this.wallMs,
      ...more,
    }, [])
    if (typeof started !== 'string') throw new Error(started.message)
    return started
  }

  async finish (redriveId: string): Promise<RedriveStatus> {
    for (let turns = 0; turns < 20_000; turns++) {
      const redrive = await this.redrives.find(redriveId)
      if (redrive === undefined) throw new Error('the redrive is not known any more')
      if (redrive.status.state !== REDRIVE_STATE.running) return redrive.status
      await this.turn()
    }
    throw new Error('the redrive does not end')
  }

  /** What was moved to a partition: values in order. */
  async moved (topicId: string, index: number, redriveId: string): Promise<string[]> {
    const values: string[] = []
    const reader = new RecordReader()
    await this.find(topicId, index).log.replay(0, batch => {
      reader.open(batch)
      while (reader.next()) {
        const value = reader.headers().find(({ name }) => name === REDRIVE_HEADER)?.value ?? null
        if (decodeRedriveNote(value)?.redriveId === redriveId) values.push(reader.value!.toString())
      }
    })
    return values
  }

  /** Letters that consumers may still get. */
  left (dead: string, index: number): number {
    const partition = this.find(dead, index)
    const queue = partition.queues!.find('')!.turn()
    let count = 0
    for (let offset = 0; offset < partition.highWatermark; offset++) {
      if (queue.explain(offset).state !== 'terminal') count++
    }
    return count
  }
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index}`)

/** A machine with letters of two partitions. */
async function withLetters (counts: readonly number[]): Promise<{ machine: Machine, jobs: string, dead: string }> {
  const machine = await new Machine().start()
  const dead = await machine.create('dead', counts.length)
  const jobs = await machine.create('jobs', counts.length, { 'dead.letter': 'dead' })
  for (const [index, count] of counts.entries()) {
    if (count === 0) continue
    await machine.produce(jobs, index, numbered(count))
    await machine.killAll(jobs, index, dead, count)
  }
  return { machine, jobs, dead }
}

t.test('Redrive crash: each letter is moved once and in order, wherever a kill or a power cut comes (property)', async t => {
  const crash = fc.record({ turns: fc.integer({ min: 0, max: 12 }), isPowerCut: fc.boolean() })
  const life = fc.record({
    counts: fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 12 })),
    recordsPerSecond: fc.constantFrom(0, 40, 200),
    crashes: fc.array(crash, { maxLength: 8 }),
  })
  let movedBeforeCrash = 0
  await fc.assert(fc.asyncProperty(life, async ({ counts, recordsPerSecond, crashes }) => {
    const { machine, jobs, dead } = await withLetters(counts)
    const redriveId = await machine.startRedrive(dead, { recordsPerSecond })
    for (const { turns, isPowerCut } of crashes) {
      for (let turn = 0; turn < turns; turn++) await machine.turn()
      movedBeforeCrash += (await machine.moved(jobs, 0, redriveId)).length > 0 ? 1 : 0
      await machine.crash(isPowerCut)
    }
    const status = await machine.finish(redriveId)
    for (const [index, count] of counts.entries()) {
      const moved = await machine.moved(jobs, index, redriveId)
      if (moved.join() !== numbered(count).join()) throw new Error(`${count} letters of ${index}, moved: ${moved.join()}`)
      if (machine.left(dead, index) > 0) throw new Error(`letters are left in ${index}`)
    }
    const total = counts[0] + counts[1]
    if (status.state !== REDRIVE_STATE.done || status.moved !== total) throw new Error(`${status.moved} told of ${total}`)
    machine.disk.kill()
  }), { seed: 5, numRuns: 60 })
  t.ok(movedBeforeCrash > 5, `${movedBeforeCrash} crashes came in the middle`)
})

t.test('Redrive crash: an append whose answer is lost is not made again (and without a look at the target it would be)', async t => {
  const run = async (forgets: boolean): Promise<string[]> => {
    const { machine, jobs, dead } = await withLetters([10])
    let failures = 3
    machine.between = inner => {
      const outer = Object.create(inner) as RedriveTargets
      outer.append = async (...args: Parameters<RedriveTargets['append']>) => {
        await inner.append(...args)
        if (failures-- > 0) throw new Error('nobody knows')
      }
      if (forgets) {
        outer.find = async (...args: Parameters<RedriveTargets['find']>) =>
          ({ ...await inner.find(...args), sequences: [] })
      }
      return outer
    }
    await machine.crash()
    const redriveId = await machine.startRedrive(dead, { recordsPerSecond: 50 })
    await machine.finish(redriveId)
    return await machine.moved(jobs, 0, redriveId)
  }
  t.same(await run(false), numbered(10))
  t.ok((await run(true)).length > 10, 'the test sees doubles')
})

t.test('Redrive crash: what was moved is found after a crash although its readers were done with it', async t => {
  const { machine, jobs, dead } = await withLetters([5])
  let isStuck = true
  machine.between = inner => {
    const outer = Object.create(inner) as RedriveTargets
    outer.append = async (...args: Parameters<RedriveTargets['append']>) => {
      await inner.append(...args)
      if (isStuck) await new Promise(() => {})
    }
    return outer
  }
  await machine.crash()
  const redriveId = await machine.startRedrive(dead)
  for (let turn = 0; turn < 20; turn++) await machine.turn()
  t.same(await machine.moved(jobs, 0, redriveId), numbered(5), 'they are there, and their letters are not settled')
  const settleAndRemove = async (): Promise<number> => {
    const partition = machine.find(jobs, 0)
    partition.log.configure({ ...partition.log.config, retentionMs: 0 })
    machine.monotonicMs += 1_000
    partition.releaseSettled()
    return (await partition.log.applyRetention()).logStartOffset
  }
  t.ok(await settleAndRemove() <= 5)
  await machine.crash()
  t.ok(await settleAndRemove() <= 5, 'after the restart too')
  isStuck = false
  const status = await machine.finish(redriveId)
  t.match(status, { state: REDRIVE_STATE.done, moved: 5 })
  t.same(await machine.moved(jobs, 0, redriveId), numbered(5))
  t.ok(await settleAndRemove() > 5, 'nothing holds them when it has ended')
})

t.test('Redrive crash: a target that goes between claim and append keeps its letters where they are', async t => {
  const machine = await new Machine().start()
  const dead = await machine.create('dead', 1)
  const [one, two] = [await machine.create('one', 1, { 'dead.letter': 'dead' }), await machine.create('two', 1, { 'dead.letter': 'dead' })]
  await machine.produce(one, 0, ['a', 'b'])
  await machine.killAll(one, 0, dead, 2)
  await machine.produce(two, 0, ['c'])
  await machine.killAll(two, 0, dead, 3)
  machine.between = inner => {
    const outer = Object.create(inner) as RedriveTargets
    outer.hold = (redriveId, marks) => {
      inner.hold(redriveId, marks)
      if (marks.length > 0) void machine.topics.delete('two')
    }
    return outer
  }
  await machine.crash()
  const redriveId = await machine.startRedrive(dead)
  // The deletion is not at once: it comes before or after the append, and both must be right.
  const status = await machine.finish(redriveId)
  t.match(await machine.moved(one, 0, redriveId), ['a', 'b'])
  if (status.state === REDRIVE_STATE.failed) {
    t.match(status, { moved: 2, message: /topic two/ })
    t.equal(machine.left(dead, 0), 1)
  } else t.match(status, { state: REDRIVE_STATE.done, moved: 3 })
})

t.test('Redrive crash: damaged records of jobs are passed over, and said', async t => {
  const { machine, dead } = await withLetters([2])
  const redriveId = await machine.startRedrive(dead)
  await machine.finish(redriveId)
  const control = new LmdbControlStore(machine.meta)
  const entry = { partitions: [], marks: [], brokerId: 1, term: 1, pauseMs: 0 }
  for (const [id, value] of Object.entries({ a: 7, b: { ...entry, record: 'AA==' }, c: { ...entry, record: '' } })) {
    await control.commit([{ key: `/redrives/${id}`, value }])
  }
  await machine.crash()
  t.same((await machine.redrives.all()).map(({ spec }) => spec.redriveId), [redriveId])
})
