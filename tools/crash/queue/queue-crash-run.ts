// Queues of all kinds under load, while brokers and workers are killed, and everything that was said held against them.
//
//   senders      ████████████████████████████████████████████████   in this process, never stop
//   workers      ███████ ✗ ████████████████ ✗ ███████ ▒▒▒ █████████   processes: SIGKILL, SIGSTOP ▒
//   connections  ████████████ ⌁ ██████████████████ ⌁ █████████████   cut in the proxy that the broker advertises
//   broker       ██████████████ ✗ ▁████████████████ ✗ ▁✗ ▁████████   SIGKILL; at times again while it starts
//
// Each process writes a journal. At the end the senders stop, the queues are drained, the broker is stopped and started
// once more, and the journals together are held against the rules of `queue-checker.ts`.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, string, type Client, type CreateQueueOptions, type QueueStatistics } from '@sluice/client'
import { DEAD_LETTER_HEADER, decodeDeadLetterNote } from '@sluice/protocol'
import { BrokerProcess, chooseLastingPort } from '../broker-process.js'
import { SeededRandom } from '../seeded-random.js'
import type { ConsumerTask } from './consumer-tasks.js'
import { CuttingProxy } from './cutting-proxy.js'
import { Journal, readJournals } from './journal.js'
import { checkHistory, type HistoryFigures, type QueueRules } from './queue-checker.js'
import { SenderLoad, type SenderSetup } from './sender-load.js'
import { WorkerProcess } from './worker-process.js'

export interface QueueCrashOptions {
  /** How often a broker or a worker is killed at least. */
  readonly rounds: number
  readonly seed: number
  /** Folder for data and journals; it is left as it is at the end. */
  readonly folder: string
  /** Queues to use, by name. Default all of `QUEUES`. */
  readonly queues?: readonly string[]
  /** A delayed record may come so many milliseconds after it is due. Default 1,000. */
  readonly lateMsMax?: number
  /** Told what happens, a line at a time. */
  readonly say?: (line: string) => void
}

export interface QueueCrashReport extends HistoryFigures {
  readonly seed: number
  readonly rounds: number
  readonly brokerKills: number
  readonly workerKills: number
  readonly cuts: number
  readonly freezes: number
  readonly violations: readonly string[]
}

interface QueueSetup {
  readonly create: CreateQueueOptions
  readonly sender: Omit<SenderSetup, 'queue'>
  /** Its delayed records are to come in time. */
  readonly isPunctual?: boolean
}

const SHORT = {
  visibilityMs: 2_000,
  sessionTimeoutMs: 2_000,
  disconnectGraceMs: 1_500,
  maxAttempts: 4,
  backoffMinMs: 20,
  backoffMaxMs: 300,
} as const

/** The queues of a run, by name. */
export const QUEUES: Readonly<Record<string, QueueSetup>> = {
  jobs: {
    create: { ...SHORT, partitions: 3, deadLetter: 'jobs.dead', config: { 'segment.bytes': 128 * 1024 } },
    sender: { keys: 0, burstMax: 20, pauseMsMax: 80, poisonShare: 0.01, ttlShare: 0.05 },
  },
  accounts: {
    create: { ...SHORT, partitions: 2, order: 'key', runMax: 5, deadLetter: 'accounts.dead' },
    sender: { keys: 40, burstMax: 12, pauseMsMax: 100, poisonShare: 0.005 },
  },
  reminders: {
    create: { ...SHORT, partitions: 2 },
    sender: { keys: 0, burstMax: 3, pauseMsMax: 150, delayedShare: 1, delayMsMax: 5_000, cancelledShare: 0.2 },
    isPunctual: true,
  },
  orders: {
    create: { ...SHORT, partitions: 2, dedupScope: 'window', dedupWindowMs: 24 * 3_600_000 },
    sender: { keys: 0, burstMax: 5, pauseMsMax: 80, dedupIds: 40 },
  },
  claims: {
    create: { ...SHORT, partitions: 2, dedupScope: 'until-settled', deadLetter: 'claims.dead' },
    sender: { keys: 0, burstMax: 5, pauseMsMax: 80, dedupIds: 30 },
  },
  tenants: {
    create: { ...SHORT, partitions: 1, order: 'fair', keyConcurrency: 8 },
    sender: { keys: 9, burstMax: 10, pauseMsMax: 100, ttlShare: 0.05 },
  },
  alerts: {
    create: { ...SHORT, partitions: 1, order: 'priority', priorityAgeingMs: 500, deadLetter: 'alerts.dead' },
    sender: { keys: 0, burstMax: 10, pauseMsMax: 100, priorities: true },
  },
}

const WORKERS = 3
const BROKER_OPTIONS = { 'checkpoint-interval': '300ms', 'retention-interval': '200ms', 'log-level': 'info' } as const
const DRAIN_MS_MAX = 90_000
const STATS_TIMEOUT_MS = 1_000

/** Runs it; violations are in the report. @throws where the broker does not come back, or a worker gives up. */
export async function queueCrashRun (options: QueueCrashOptions): Promise<QueueCrashReport> {
  return await new QueueCrashRun(options).run()
}

class QueueCrashRun {
  private readonly options: QueueCrashOptions
  private readonly say: (line: string) => void
  private readonly random: SeededRandom
  private readonly queues: readonly string[]
  private readonly journalPaths: string[] = []
  private readonly journal: Journal
  private readonly workers: WorkerProcess[] = []
  private readonly senders: SenderLoad[] = []
  private readonly thaws = new Set<Promise<void>>()
  private readonly data: string
  private proxy!: CuttingProxy
  private client!: Client
  private broker!: BrokerProcess
  private port = 0
  private generation = 0
  private brokerKills = 0
  private workerKills = 0
  private cuts = 0
  private freezes = 0

  constructor (options: QueueCrashOptions) {
    this.options = options
    this.say = options.say ?? (() => {})
    this.random = new SeededRandom(options.seed)
    this.queues = options.queues ?? Object.keys(QUEUES)
    this.data = join(options.folder, 'data')
    mkdirSync(join(options.folder, 'journals'), { recursive: true })
    this.journal = new Journal(this.addJournal('run'), 'run')
  }

  async run (): Promise<QueueCrashReport> {
    const { rounds, seed } = this.options
    this.port = await chooseLastingPort(this.random.split())
    this.proxy = await CuttingProxy.start(this.port)
    this.client = connect({ brokers: [this.proxy.address], retry: { initialDelayMs: 20, maxDelayMs: 200 } })
    try {
      await this.start()
      await this.createQueues()
      this.beginLoad()
      for (let round = 1; round <= rounds; round++) await this.round(round)
      await this.finish()
    } finally {
      await Promise.allSettled(this.workers.map(worker => worker.kill()))
      await this.client.close({ drainTimeoutMs: 0 }).catch(() => {})
      await this.broker.kill()
      await this.proxy[Symbol.asyncDispose]()
      this.journal[Symbol.dispose]()
    }
    const { violations, figures } = checkHistory(readJournals(this.journalPaths), this.rules())
    const { brokerKills, workerKills, cuts, freezes } = this
    return { seed, rounds, brokerKills, workerKills, cuts, freezes, ...figures, violations }
  }

  private rules (): Map<string, QueueRules> {
    const { lateMsMax = 1_000 } = this.options
    return new Map(this.queues.map(queue => {
      const { create, isPunctual } = QUEUES[queue]!
      return [queue, {
        isOrdered: create.order === 'key',
        maxAttempts: create.maxAttempts!,
        hasDeadLetters: create.deadLetter !== undefined,
        dedup: create.dedupScope ?? null,
        lateMsMax: isPunctual === true ? lateMsMax : null,
      }]
    }))
  }

  private addJournal (name: string): string {
    const path = join(this.options.folder, 'journals', `${name}.jsonl`)
    this.journalPaths.push(path)
    return path
  }

  private spawn (): BrokerProcess {
    return new BrokerProcess({
      data: this.data, port: this.port, options: { ...BROKER_OPTIONS, advertise: this.proxy.address },
    })
  }

  private async start (): Promise<void> {
    this.broker = this.spawn()
    await this.broker.ready
    this.journal.write({ step: 'brokerReady' })
  }

  private async createQueues (): Promise<void> {
    for (const queue of this.queues) await this.client.admin.createQueue(queue, QUEUES[queue]!.create)
  }

  private beginLoad (): void {
    for (const queue of this.queues) {
      const setup = { queue, ...QUEUES[queue]!.sender }
      this.senders.push(new SenderLoad(this.client, this.journal, this.random.split(), setup))
    }
    for (let index = 0; index < WORKERS; index++) this.workers.push(this.spawnWorker(index))
  }

  private spawnWorker (index: number): WorkerProcess {
    const name = `worker-${index}.${this.generation++}`
    const tasks = this.queues.map((queue, at): ConsumerTask => ({
      queue,
      // Punctual records are for handlers that are always there.
      way: QUEUES[queue]!.isPunctual === true || (index + at) % 2 === 0 ? 'work' : 'receive',
      isOrdered: QUEUES[queue]!.create.order === 'key',
      concurrency: 16,
    }))
    const seed = this.random.between(0, 2 ** 31)
    return new WorkerProcess({ name, address: this.proxy.address, journal: this.addJournal(name), seed, tasks })
  }

  private async round (round: number): Promise<void> {
    const { random } = this
    await delay(random.between(200, 1_200))
    const events: string[] = []
    if (random.chance(0.3)) events.push(`cut ${this.cut()} connections`)
    if (random.chance(0.25)) events.push(this.freeze())
    await this.sampleFigures()
    if (random.chance(0.6)) events.push(await this.killBroker())
    else events.push(await this.killWorker())
    await this.sampleFigures()
    this.checkAlive()
    this.say(`round ${round}: ${events.join(', ')}`)
  }

  private cut (): number {
    const count = this.proxy.cut(0.5, this.random)
    this.cuts += count
    return count
  }

  /** Stops a worker, or for a moment the broker, and lets it go on later. */
  private freeze (): string {
    const { random } = this
    this.freezes++
    const isBroker = random.chance(0.2)
    const target = isBroker ? this.broker : random.pick(this.workers)
    const forMs = isBroker ? random.between(50, 1_000) : random.between(200, 4_000)
    target.signal('SIGSTOP')
    const thaw = delay(forMs).then(() => {
      target.signal('SIGCONT')
      this.journal.write({ step: 'thawed' })
      this.thaws.delete(thaw)
    })
    this.thaws.add(thaw)
    return `froze ${isBroker ? 'the broker' : (target as WorkerProcess).setup.name} for ${forMs} ms`
  }

  private async killBroker (): Promise<string> {
    const { random } = this
    let kills = 0
    do {
      if (kills > 0) {
        this.broker = this.spawn()
        await delay(random.between(50, 700))
      }
      await this.broker.kill()
      this.journal.write({ step: 'brokerKilled' })
      kills++
    } while (random.chance(0.2))
    this.brokerKills += kills
    await delay(random.between(0, 300))
    await this.start()
    return kills === 1 ? 'killed the broker' : `killed the broker ${kills} times`
  }

  private async killWorker (): Promise<string> {
    const index = this.random.between(0, WORKERS)
    const { setup: { name } } = this.workers[index]!
    await this.workers[index]!.kill()
    this.workerKills++
    this.workers[index] = this.spawnWorker(index)
    return `killed ${name}`
  }

  private checkAlive (): void {
    for (const { failure } of this.senders) if (failure !== null) throw failure
    for (const { isGone, setup, stderr } of this.workers) {
      if (isGone) throw new Error(`${setup.name} has ended by itself:\n${stderr}`)
    }
    if (this.broker.isGone) throw new Error(`the broker has ended by itself:\n${this.broker.stderr}`)
  }

  /** Writes down what the queues say of themselves, where they answer in time. */
  private async sampleFigures (): Promise<QueueStatistics[]> {
    const samples: QueueStatistics[] = []
    for (const name of this.queues) {
      const stats = await this.client.queue(name).stats({ timeoutMs: STATS_TIMEOUT_MS }).catch(() => null)
      if (stats === null) continue
      samples.push(stats)
      for (const partition of stats.partitions) {
        const { floor, nextOffset, acknowledged, cancelled, expired, dead, archived, purged } = partition
        const figures = { floor, nextOffset, acknowledged, cancelled, expired, dead, archived, purged }
        this.journal.write({ step: 'figures', queue: name, partition: partition.partition, ...figures })
      }
    }
    return samples
  }

  private async finish (): Promise<void> {
    await Promise.all(this.senders.map(sender => sender.stop()))
    await Promise.all(this.thaws)
    this.checkAlive()
    const deadlineMs = performance.now() + DRAIN_MS_MAX
    let left = await this.leftOver()
    while (left.length > 0 && performance.now() < deadlineMs) {
      await delay(200)
      this.checkAlive()
      left = await this.leftOver()
    }
    for (const { queue, partition, states } of left) this.journal.write({ step: 'leftOver', queue, partition, states })
    for (const worker of this.workers) {
      const fault = await worker.stop()
      if (fault !== null) throw new Error(fault)
    }
    const { code, signal } = await this.broker.stop()
    if (code !== 0) throw new Error(`stopped with SIGTERM the broker ended with ${signal ?? `exit code ${code}`}`)
    await this.start()
    await this.sampleFigures()
    for (const queue of this.queues) await this.readDeadLetters(queue)
  }

  /** Records that have not ended, by partition. */
  private async leftOver (): Promise<{ queue: string, partition: number, states: string }[]> {
    const left: { queue: string, partition: number, states: string }[] = []
    for (const queue of this.queues) {
      const stats = await this.client.queue(queue).stats()
      for (const { partition, ready, leased, delayed, blocked, fresh, deadLetterPending } of stats.partitions) {
        const states = { ready, leased, delayed, blocked, fresh, deadLetterPending }
        if (Object.values(states).every(count => count === 0)) continue
        left.push({ queue, partition, states: JSON.stringify(states) })
      }
    }
    return left
  }

  private async readDeadLetters (queue: string): Promise<void> {
    const name = QUEUES[queue]!.create.deadLetter
    if (name === undefined || !(await this.client.admin.listTopics()).includes(name)) return
    for await (const record of this.client.topic(name, { key: string(), value: string() }).read()) {
      const note = decodeDeadLetterNote(record.headers.get(DEAD_LETTER_HEADER) ?? null)
      if (note === null) throw new Error(`record ${record.offset} of ${name} does not say why it is there`)
      const { partition, offset, reason, failures, deliveries } = note
      const { value } = record
      this.journal.write({ step: 'deadLetter', queue, partition, offset, value, reason, failures, deliveries })
    }
  }
}
