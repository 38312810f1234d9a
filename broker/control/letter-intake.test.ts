// Dead letters that are asked for twice, late, by leaders that were deposed, or after a restart: each is stored once.

import { randomUUID } from 'node:crypto'
import { DEAD_LETTER_HEADER, ERROR, RecordBatchBuilder, RecordReader, encodeDeadLetterNote } from '@sluice/protocol'
import { LOG_STORE_LIMITS_DEFAULT, LogStore } from '@sluice/storage'
import { MemoryDisk, MemoryMetaStore } from '@sluice/storage/testing'
import t from 'tap'
import { PartitionTable } from '../partition/partition-table.js'
import type { Partition } from '../partition/partition.js'
import { silentLogger } from '../runtime/logger.js'
import { LetterIntake, type LetterAsk } from './letter-intake.js'
import type { TopicRecord } from './topic-record.js'
import type { Topics } from './topics.js'

const SOURCE = randomUUID()
const DIED_MS = 1_700_000_000_000

/** A broker that leads a dead-letter queue, and may begin to lead it anew. */
class Taker {
  readonly disk = new MemoryDisk()
  readonly meta = new MemoryMetaStore()
  readonly topic: TopicRecord = {
    topicId: randomUUID(), name: 'dead', kind: 'queue', partitions: 1, replicationFactor: 1, overrides: {}, createdAt: 0, version: 1,
  }

  wallMs = DIED_MS
  /** Of the source, as the metadata knows it. */
  sourceEpoch = -1
  partitions!: PartitionTable
  intake!: LetterIntake
  private epoch = 0
  private ask = 0

  async start (): Promise<this> {
    const { meta } = this
    const wallMs = (): number => this.wallMs
    const clock = { wallMs, monotonicMs: () => 0 }
    const endOfTurn = (run: () => void): void => { setImmediate(run) }
    await this.disk.makeDirectory('/data')
    const store = await LogStore.open({
      directory: '/data',
      disk: this.disk.attach(),
      meta,
      clock,
      endOfTurn,
      limits: { ...LOG_STORE_LIMITS_DEFAULT, preallocateBytes: 0 },
      cleanStart: false,
      report: () => {},
    })
    this.partitions = new PartitionTable(
      { store, meta, leaderEpoch: ++this.epoch, topicDefaults: {}, wallMs, endOfTurn, logger: silentLogger })
    await this.partitions.scan()
    await this.partitions.openTopic(this.topic)
    const topics = { byId: (topicId: string) => topicId === SOURCE ? this.topic : undefined } as Topics
    this.intake = new LetterIntake(topics, this.partitions, () => this.sourceEpoch)
    return this
  }

  async restart (): Promise<void> {
    this.disk.kill()
    this.meta.kill()
    await this.start()
  }

  get partition (): Partition { return this.partitions.find(this.topic.topicId, 0)! }

  /** An ask as a good leader of the source would send it next. */
  askFor (offset: number, more: Partial<LetterAsk> = {}): LetterAsk {
    return {
      topicId: this.topic.topicId,
      partition: 0,
      name: { topicId: SOURCE, partition: 3, group: '', offset },
      sourceEpoch: 5,
      ask: ++this.ask,
      firstEpoch: this.partition.leaderEpoch,
      diedMs: DIED_MS,
      forget: [],
      batch: letter(offset),
      ...more,
    }
  }

  /** Offsets of the records that died, as their letters lie in the log. */
  async letters (): Promise<string[]> {
    const values: string[] = []
    const reader = new RecordReader()
    await this.partition.log.replay(0, batch => {
      reader.open(batch)
      while (reader.next()) values.push(reader.value!.toString())
    })
    return values
  }
}

function letter (offset: number): Buffer {
  const note = encodeDeadLetterNote({
    topic: 'jobs',
    topicId: SOURCE,
    partition: 3,
    group: '',
    offset,
    timestamp: DIED_MS,
    diedAt: DIED_MS,
    reason: 'reject',
    text: '',
    failures: 1,
    deliveries: 1,
    attempts: [],
  })
  const builder = new RecordBatchBuilder()
  builder.append(null, `${offset}`, DIED_MS, [{ name: DEAD_LETTER_HEADER, value: note }])
  return builder.build()
}

t.test('LetterIntake: a letter that is asked for again is where it was, also while it is being stored', async t => {
  const taker = await new Taker().start()
  const asks = [taker.askFor(7), taker.askFor(7, { firstEpoch: -1 })]
  t.same(await Promise.all(asks.map(ask => taker.intake.store(ask))), [0, 0])
  t.equal(await taker.intake.store(taker.askFor(8)), 1)
  t.equal(await taker.intake.store(taker.askFor(7, { firstEpoch: -1 })), 0)
  t.same(await taker.letters(), ['7', '8'])
})

t.test('LetterIntake: what a leader before has stored is found in the log (restart)', async t => {
  const taker = await new Taker().start()
  await taker.intake.store(taker.askFor(7))
  const { firstEpoch } = taker.askFor(8)
  await taker.restart()
  t.equal(await taker.intake.store(taker.askFor(7, { firstEpoch })), 0, 'asked for first in the epoch before')
  t.equal(await taker.intake.store(taker.askFor(7, { firstEpoch: -1 })), 0)
  t.equal(await taker.intake.store(taker.askFor(8, { firstEpoch })), 1, 'that one had not arrived')
  t.same(await taker.letters(), ['7', '8'])
})

t.test('LetterIntake: an ask that was overtaken is refused, and one of a leader that was deposed', async t => {
  const taker = await new Taker().start()
  const late = taker.askFor(7)
  await taker.intake.store(taker.askFor(7, { firstEpoch: -1 }))
  await taker.intake.store(taker.askFor(8, { forget: [7] }))
  await t.rejects(taker.intake.store(late), { code: ERROR.NOT_LEADER }, 'the letter is forgotten: it would be there twice')
  await taker.intake.store(taker.askFor(8, { sourceEpoch: 6, ask: 1, firstEpoch: -1 }))
  await t.rejects(taker.intake.store(taker.askFor(9)), { code: ERROR.NOT_LEADER }, 'somebody else leads the source now')
  t.same(await taker.letters(), ['7', '8'])
  await taker.restart()
  taker.sourceEpoch = 6
  await t.rejects(taker.intake.store(taker.askFor(9)), { code: ERROR.NOT_LEADER }, 'the metadata knows it too')
})

t.test('LetterIntake: a partition that is led elsewhere, or in an epoch that is not known here, takes nothing', async t => {
  const taker = await new Taker().start()
  await t.rejects(taker.intake.store(taker.askFor(7, { partition: 1 })), { code: ERROR.NOT_LEADER })
  await t.rejects(taker.intake.store(taker.askFor(7, { firstEpoch: 99 })), { code: ERROR.NOT_LEADER })
  taker.partition.close(ERROR.NOT_LEADER, 'deposed')
  await t.rejects(taker.intake.store(taker.askFor(7)), { code: ERROR.NOT_LEADER, message: 'deposed' })
})

t.test('LetterIntake: it can be looked for without storing it; what is no batch is refused', async t => {
  const taker = await new Taker().start()
  t.equal(await taker.intake.store(taker.askFor(7, { batch: null, firstEpoch: -1 })), -1)
  await t.rejects(taker.intake.store(taker.askFor(7, { batch: Buffer.from('no batch') })), { code: ERROR.INVALID_BATCH })
  const cut = letter(7).subarray(0, -1)
  await t.rejects(taker.intake.store(taker.askFor(7, { batch: cut })), { code: ERROR.INVALID_BATCH })
  await taker.intake.store(taker.askFor(7))
  t.equal(await taker.intake.store(taker.askFor(7, { batch: null, firstEpoch: -1 })), 0)
  t.same(await taker.letters(), ['7'])
})

t.test('LetterIntake: a letter stays in the log until its source knows of it, or has not asked for long', async t => {
  const taker = await new Taker().start()
  const { deadLetterIndex: index } = taker.partition
  for (const offset of [7, 8, 9]) await taker.intake.store(taker.askFor(offset))
  t.equal(index.minOffset, 0)
  await taker.intake.store(taker.askFor(10, { forget: [7, 8, 1_000] }))
  t.equal(index.minOffset, 2)
  t.ok(taker.intake.forget(taker.topic.topicId, 0, { topicId: SOURCE, partition: 3, group: '', offset: 9 }))
  t.equal(index.minOffset, 3)
  taker.wallMs += 9 * 60_000
  await taker.intake.store(taker.askFor(10, { firstEpoch: -1 }))
  taker.wallMs += 9 * 60_000
  t.equal(index.minOffset, 3, 'asked for again')
  taker.wallMs += 2 * 60_000
  t.equal(index.minOffset, Infinity)
  t.equal(await taker.intake.store(taker.askFor(10, { firstEpoch: -1 })), 3, 'and known all the same')
})
