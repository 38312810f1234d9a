// What redrives look for and append: in their turn, in the epoch that they know, by who runs the job now.

import { randomUUID } from 'node:crypto'
import { ERROR, REDRIVE_HEADER, RecordBatchBuilder, RecordReader, encodeRedriveNote } from '@sluice/protocol'
import { LOG_STORE_LIMITS_DEFAULT, LogStore } from '@sluice/storage'
import { MemoryDisk, MemoryMetaStore } from '@sluice/storage/testing'
import t from 'tap'
import { LIMITS } from '../limits.js'
import { PartitionTable } from '../partition/partition-table.js'
import type { Partition } from '../partition/partition.js'
import { silentLogger } from '../runtime/logger.js'
import { RedriveIntake, type RedriveAsk } from './redrive-intake.js'
import type { TopicRecord } from './topic-record.js'

const JOB = randomUUID()

/** A broker that leads a target. */
class Target {
  readonly topic: TopicRecord = {
    topicId: randomUUID(), name: 'jobs', kind: 'stream', partitions: 1, replicationFactor: 1, overrides: {}, createdAt: 0, version: 1,
  }

  wallMs = 1_700_000_000_000
  partitions!: PartitionTable
  intake!: RedriveIntake
  private latest = 0

  async start (leaderEpoch: number): Promise<this> {
    const meta = new MemoryMetaStore()
    const wallMs = (): number => this.wallMs
    const endOfTurn = (run: () => void): void => { setImmediate(run) }
    const disk = new MemoryDisk()
    await disk.makeDirectory('/data')
    const store = await LogStore.open({
      directory: '/data',
      disk: disk.attach(),
      meta,
      clock: { wallMs, monotonicMs: () => 0 },
      endOfTurn,
      limits: { ...LOG_STORE_LIMITS_DEFAULT, preallocateBytes: 0 },
      cleanStart: false,
      report: () => {},
    })
    this.partitions = new PartitionTable(
      { store, meta, leaderEpoch, topicDefaults: {}, wallMs, endOfTurn, logger: silentLogger })
    await this.partitions.scan()
    await this.partitions.openTopic(this.topic)
    this.intake = new RedriveIntake(this.partitions)
    return this
  }

  get partition (): Partition { return this.partitions.find(this.topic.topicId, 0)! }

  ask (more: Partial<RedriveAsk> = {}): RedriveAsk {
    return { topicId: this.topic.topicId, partition: 0, redriveId: JOB, term: 2, ask: ++this.latest, ...more }
  }

  /** Sequences of the job, as they lie in the log. */
  async moved (): Promise<string[]> {
    const values: string[] = []
    const reader = new RecordReader()
    await this.partition.log.replay(0, batch => {
      reader.open(batch)
      while (reader.next()) values.push(reader.value!.toString())
    })
    return values
  }
}

function moved (...sequences: number[]): Buffer {
  const builder = new RecordBatchBuilder()
  for (const sequence of sequences) {
    const value = encodeRedriveNote({ redriveId: JOB, sequence })
    builder.append(null, `${sequence}`, 1_000, [{ name: REDRIVE_HEADER, value }])
  }
  return builder.build()
}

t.test('RedriveIntake: what was appended is found from a mark on, and of this job alone', async t => {
  const target = await new Target().start(4)
  t.same(await target.intake.find(target.ask(), -1), { leaderEpoch: 4, endOffset: 0, sequences: [] })
  t.equal(await target.intake.append(target.ask(), 4, moved(1, 2)), 0)
  const mark = (await target.intake.find(target.ask(), -1)).endOffset
  t.equal(mark, 2)
  t.equal(await target.intake.append(target.ask(), 4, moved(3)), 2)
  t.same((await target.intake.find(target.ask(), mark)).sequences, [3])
  t.same((await target.intake.find(target.ask(), 0)).sequences, [1, 2, 3])
  t.same((await target.intake.find(target.ask({ redriveId: 'other' }), 0)).sequences, [])
})

t.test('RedriveIntake: an append that comes behind a later look is refused, and one of who runs the job no more', async t => {
  const target = await new Target().start(4)
  const late = target.ask()
  t.same((await target.intake.find(target.ask(), 0)).sequences, [], 'it has not come')
  await t.rejects(target.intake.append(late, 4, moved(1)), { code: ERROR.NOT_LEADER })
  await target.intake.append(target.ask(), 4, moved(1))
  await target.intake.find(target.ask({ term: 3, ask: 1 }), 0)
  await t.rejects(target.intake.append(target.ask({ term: 2 }), 4, moved(2)), { code: ERROR.NOT_LEADER })
  await t.rejects(target.intake.find(target.ask({ term: 2 }), 0), { code: ERROR.NOT_LEADER })
  t.same(await target.moved(), ['1'])
})

t.test('RedriveIntake: in another leader epoch nothing is appended before somebody has looked', async t => {
  const target = await new Target().start(5)
  await t.rejects(target.intake.append(target.ask(), 4, moved(1)), { code: ERROR.NOT_LEADER, message: /in epoch 5, not 4/ })
  await t.rejects(target.intake.append(target.ask(), 6, moved(1)), { code: ERROR.NOT_LEADER })
  await t.rejects(target.intake.find(target.ask({ partition: 1 }), 0), { code: ERROR.NOT_LEADER })
  await t.rejects(target.intake.append(target.ask(), 5, Buffer.from('no batch')), { code: ERROR.INVALID_BATCH })
  target.partition.close(ERROR.NOT_LEADER, 'deposed')
  await t.rejects(target.intake.append(target.ask(), 5, moved(1)), { code: ERROR.NOT_LEADER, message: 'deposed' })
})

t.test('RedriveIntake: what may have to be found stays in the log, for a while', async t => {
  const target = await new Target().start(4)
  const { log } = target.partition
  const mayGo = (): number => {
    target.partition.releaseSettled()
    return log.retentionLimitOffset
  }
  await target.intake.append(target.ask(), 4, moved(1, 2))
  await target.intake.find(target.ask(), -1)
  await target.intake.append(target.ask(), 4, moved(3))
  t.equal(mayGo(), 2)
  await target.intake.find(target.ask(), 1)
  t.equal(mayGo(), 1)
  target.intake.letGo(JOB, [{ topicId: target.topic.topicId, partition: 0, offset: 1 }])
  t.equal(mayGo(), 3)
  target.intake.hold(JOB, [{ topicId: target.topic.topicId, partition: 0, offset: 0 }])
  t.equal(mayGo(), 0)
  target.wallMs += LIMITS.earlierLeaderHoldMs + 1
  t.equal(mayGo(), 3, 'nobody has asked for long')
})
