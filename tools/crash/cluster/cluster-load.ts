// What a cluster has to do while it is struck: topics with their producers and readers, queues with their senders and
// workers, each a process of its own.
//
//   producers-1, -2    idempotent, numbered records              ──▶ orders, events: acks quorum; metrics: acks leader
//   groups-1, -2       members of groups that come and go        ◀── orders, events, metrics
//   replicas           reads each broker's own copy              ◀── orders
//   senders            records with keys, delays, times to live  ──▶ queues
//   worker-1, -2       receive, ack, nack, extend, …             ◀── queues

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Journal } from '../queue/journal.js'
import { QUEUES } from '../queue/queue-setups.js'
import type { WorkerSetup } from '../queue/worker-main.js'
import { WorkerProcess } from '../queue/worker-process.js'
import type { SeededRandom } from '../seeded-random.js'
import type { FaultCluster } from './fault-cluster.js'
import type { GroupTask } from './group-reader.js'
import type { StreamClientSetup } from './stream-client-main.js'
import type { ProducerTask } from './stream-producer.js'

const PROGRAM = fileURLToPath(new URL('./stream-client-main.js', import.meta.url))

export interface LoadTopic {
  readonly name: string
  readonly partitions: number
  readonly acks: 'quorum' | 'leader'
  readonly groups: readonly string[]
  /** Share of the records. */
  readonly share: number
}

export const LOAD_TOPICS: readonly LoadTopic[] = [
  { name: 'orders', partitions: 4, acks: 'quorum', groups: ['billing', 'shipping'], share: 0.7 },
  { name: 'events', partitions: 3, acks: 'quorum', groups: ['audit'], share: 0.25 },
  { name: 'metrics', partitions: 2, acks: 'leader', groups: ['graphs'], share: 0.05 },
]

export const LOAD_QUEUES: readonly string[] = ['jobs', 'accounts', 'ledgers', 'reminders', 'claims']

/** An outage must not last so long that the application is told of it, in milliseconds. */
const PATIENCE_MS = 120_000
const IMPATIENCE_MS = 200
const STAY_MS = 8_000
const STOP_MS_MAX = 150_000

export class ClusterLoad {
  readonly journalPaths: string[] = []
  readonly queueJournalPaths: string[] = []
  /** Of the run itself. */
  readonly queueJournal: Journal
  private readonly folder: string
  private readonly cluster: FaultCluster
  private readonly random: SeededRandom
  private readonly recordsPerSecond: number
  private readonly senders: WorkerProcess<StreamClientSetup>[] = []
  private readonly readers: WorkerProcess<StreamClientSetup>[] = []
  private readonly workers: WorkerProcess[] = []
  private generation = 0

  /** @param folder for journals. */
  constructor (folder: string, cluster: FaultCluster, random: SeededRandom, recordsPerSecond: number) {
    mkdirSync(folder, { recursive: true })
    this.folder = folder
    this.cluster = cluster
    this.random = random
    this.recordsPerSecond = recordsPerSecond
    this.queueJournal = new Journal(this.queuePath('run'), 'run')
  }

  /** Where the run itself writes what it sees of streams. */
  streamPath (name: string): string {
    const path = join(this.folder, `${name}.jsonl`)
    this.journalPaths.push(path)
    return path
  }

  start (): void {
    const producers = this.producers()
    for (const half of [0, 1]) {
      const own = producers.filter((_, index) => index % 2 === half)
      this.senders.push(this.startClient(`producers-${half + 1}`, { producers: own }))
    }
    const senders = LOAD_QUEUES.map(queue => ({ queue, ...QUEUES[queue]!.sender }))
    this.senders.push(this.startClient('senders', { senders }))
    const groups = LOAD_TOPICS.flatMap(({ name: topic, groups }) =>
      groups.map((group): GroupTask => ({ topic, group, stayMs: STAY_MS })))
    for (const half of [1, 2]) this.readers.push(this.startClient(`groups-${half}`, { groups }))
    const [{ name: topic, partitions }] = LOAD_TOPICS as [LoadTopic]
    const replicas = this.cluster.nodes.map(({ port }) => ({ topic, partitions, port }))
    this.readers.push(this.startClient('replicas', { replicas }))
    for (const index of [0, 1]) this.workers.push(this.startWorker(index))
  }

  /** SIGKILL for a worker of queues; another one takes its place. */
  async killWorker (): Promise<string> {
    const index = this.random.between(0, this.workers.length)
    const { setup: { name } } = this.workers[index]!
    await this.workers[index]!.kill()
    this.workers[index] = this.startWorker(index)
    return `killed ${name}`
  }

  /** @throws where a process has ended by itself. */
  checkAlive (): void {
    for (const { isGone, setup, stderr } of [...this.senders, ...this.readers, ...this.workers]) {
      if (isGone) throw new Error(`${setup.name} has ended by itself:\n${stderr}`)
    }
  }

  /** Nothing is sent any more; resolves when all has its answer. @throws where a process does not end well. */
  async stopSending (): Promise<void> { await stopAll(this.senders) }

  async stopReading (): Promise<void> { await stopAll(this.readers) }

  async stopWorking (): Promise<void> { await stopAll(this.workers) }

  /** Kills what is left. */
  async [Symbol.asyncDispose] (): Promise<void> {
    await Promise.allSettled([...this.senders, ...this.readers, ...this.workers].map(each => each.kill()))
    this.queueJournal[Symbol.dispose]()
  }

  private producers (): ProducerTask[] {
    const tasks: Omit<ProducerTask, 'producer'>[] = []
    for (const { name: topic, partitions, acks, share } of LOAD_TOPICS) {
      const common = { topic, partitions, acks, deliveryTimeoutMs: PATIENCE_MS, isImpatient: false }
      const recordsPerSecond = share * this.recordsPerSecond / 2
      tasks.push({ ...common, isKeyed: true, recordsPerSecond, burstMax: burstOf(recordsPerSecond) })
      tasks.push({ ...common, isKeyed: false, recordsPerSecond, burstMax: burstOf(recordsPerSecond) })
    }
    const { name: topic, partitions, acks } = LOAD_TOPICS[1]!
    const impatient = { isKeyed: true, deliveryTimeoutMs: IMPATIENCE_MS, isImpatient: true }
    tasks.push({ topic, partitions, acks, ...impatient, recordsPerSecond: 20, burstMax: 5 })
    return tasks.map((task, producer) => ({ producer, ...task }))
  }

  private startClient (name: string, tasks: Partial<StreamClientSetup>): WorkerProcess<StreamClientSetup> {
    const { cluster, random } = this
    return new WorkerProcess<StreamClientSetup>({
      name,
      journal: this.streamPath(name),
      queueJournal: this.queuePath(name),
      seed: random.between(0, 2 ** 31),
      brokers: cluster.addresses,
      ...tasks,
    }, PROGRAM)
  }

  private startWorker (index: number): WorkerProcess {
    const name = `worker-${index + 1}.${this.generation++}`
    const tasks = LOAD_QUEUES.map((queue, at) => ({
      queue,
      way: (index + at) % 2 === 0 ? 'work' as const : 'receive' as const,
      isOrdered: QUEUES[queue]!.create.order === 'key',
      concurrency: 16,
    }))
    const setup: WorkerSetup = {
      name,
      journal: this.queuePath(name),
      seed: this.random.between(0, 2 ** 31),
      slowness: index === 1 ? 5 : 1,
      client: { brokers: this.cluster.addresses, tasks },
      wire: null,
    }
    return new WorkerProcess(setup)
  }

  private queuePath (name: string): string {
    const path = join(this.folder, `queue-${name}.jsonl`)
    this.queueJournalPaths.push(path)
    return path
  }
}

/** Some ten calls a second, at most a thousand records each. */
function burstOf (recordsPerSecond: number): number {
  return Math.max(2, Math.min(1_000, Math.round(recordsPerSecond / 5)))
}

async function stopAll (processes: WorkerProcess<{ readonly name: string }>[]): Promise<void> {
  const faults = await Promise.all(processes.splice(0).map(each => each.stop(STOP_MS_MAX)))
  const fault = faults.find(text => text !== null)
  if (fault !== undefined) throw new Error(fault!)
}
