// What the queue groups and stream groups of one process stand on: the broker's own table of partitions, with its
// clock, its deadlines and its meta store simulated. The logger is an ear: what the product calls an error is noted.

import {
  DeadlineQueue, type HostedQueueGroup, type Logger, type Partition, PartitionTable, type PartitionTableOptions,
  ReadBudget, type TopicRecord,
} from '@sluice/broker/simulation'
import type { LogStore } from '@sluice/storage'
import { WALL_START_MS } from './event-queue.js'
import type { QueueMutant } from './queue-mutants.js'
import { SimDeadLetters } from './sim-dead-letters.js'
import { CLIENT } from './sim-network.js'
import type { SimProcess } from './sim-process.js'
import { SimSessions } from './sim-sessions.js'

const READ_BYTES = 1024 * 1024
/** Of the error of wall clocks, which is a day at most: 3 s are left. */
const ERROR_SHARE = 3_000 / (24 * 3_600_000)
/** Wall clocks of groups are wrong by so much at most, where they are at all. */
export const WALL_ERROR_MS = 3_000

export class SimGroupHost {
  readonly table: PartitionTable
  readonly topic: TopicRecord
  readonly sessions: SimSessions
  readonly logger: Logger
  private readonly deadlines = new DeadlineQueue()
  private readonly process: SimProcess
  private readonly checkpointMs: number
  private checkpointAtMs = 0

  constructor (process: SimProcess, store: LogStore) {
    const { world: { topic, mutant, options }, meta, groupRandom } = process
    this.process = process
    this.topic = topic
    this.checkpointMs = options.groups!.checkpointMs
    const logger = this.logger = loggerOf((kind, message) => process.log(`broker ${kind}`, message))
    const { deadlines } = this
    const wallMs = (): number => this.wallMs()
    const clock = { wallMs, monotonicMs: () => process.monotonicMs() }
    const endOfTurn = (run: () => void): void => process.endOfTurn(run)
    const random = (): number => groupRandom.next()
    const readBudget = new ReadBudget(READ_BYTES)
    this.table = new SimPartitionTable({
      store,
      meta,
      leaderEpoch: 0,
      isReplicated: true,
      topicDefaults: {},
      wallMs,
      endOfTurn,
      logger,
      queues: { clock, endOfTurn, deadlines, random, meta, logger, readBudget },
    }, mutant.queue)
    this.table.deadLetters = this.deadLetters()
    this.sessions = new SimSessions(this.table)
  }

  /** Records are put off to dates: a clock that is a day slow would hold them back for a day. */
  wallMs (): number {
    const { broker, world: { queue } } = this.process
    return WALL_START_MS + Math.floor(queue.nowMs + broker.wallErrorMs * ERROR_SHARE)
  }

  monotonicMs (): number { return this.process.monotonicMs() }

  tick (): void {
    const nowMs = this.process.monotonicMs()
    this.deadlines.tick(nowMs)
    if (nowMs < this.checkpointAtMs) return
    this.checkpointAtMs = nowMs + this.checkpointMs
    for (const partition of this.table.all()) this.table.checkpoint(partition)
  }

  private deadLetters (): SimDeadLetters {
    const { process, process: { world: { network, queue, mutant, groupChecker }, broker } } = this
    const run = (work: () => void): void => process.run(work)
    return new SimDeadLetters({
      checker: groupChecker!,
      storesTwice: mutant.queue?.storesLettersTwice === true,
      dropsLost: mutant.queue?.dropsLetters === true,
      note: detail => process.log('dead letter', detail),
      carry: deliver => network.carry(broker.id, CLIENT, deliver),
      after: (delayMs, work) => queue.after(delayMs, () => run(work)),
      run,
    })
  }
}

/** The broker's table, with a mistake planted into each queue group before anything is restored. */
class SimPartitionTable extends PartitionTable {
  private readonly mutant: QueueMutant | null

  constructor (options: PartitionTableOptions, mutant: QueueMutant | null) {
    super(options)
    this.mutant = mutant
  }

  protected override addQueue (partition: Partition, record: TopicRecord): void {
    super.addQueue(partition, record)
    const group: HostedQueueGroup = partition.queues!.find('')!
    this.mutant?.plant(group, partition)
  }
}

function loggerOf (report: (kind: string, message: string) => void): Logger {
  const logger: Logger = {
    debug () {},
    info () {},
    warn: (_fields, message) => report('warning', message),
    error: (fields, message) => report('error', `${message} ${String((fields as { err?: unknown }).err ?? '')}`),
    child: () => logger,
  }
  return logger
}
