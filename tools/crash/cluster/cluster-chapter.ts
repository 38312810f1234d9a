// One chapter of a run of a cluster: see `cluster-run.ts` for the picture.

import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError, type Client } from '@sluice/client'
import { Journal, nowUs, readJournals } from '../queue/journal.js'
import { Operator } from '../queue/operator.js'
import { checkHistory, type HistoryFigures } from '../queue/queue-checker.js'
import { QueueObserver } from '../queue/queue-observer.js'
import { QUEUES, rulesOf } from '../queue/queue-setups.js'
import type { SeededRandom } from '../seeded-random.js'
import { ClusterLoad, LOAD_QUEUES, LOAD_TOPICS } from './cluster-load.js'
import { ClusterHealth } from './cluster-health.js'
import type { FaultCluster } from './fault-cluster.js'
import { FaultWorld } from './fault-world.js'
import { FAULTS } from './faults.js'
import { readStored, type StoredLog } from './stored-partition.js'
import { checkStreams, type StreamFigures } from './stream-checker.js'
import type { StreamStep } from './stream-journal.js'

export interface ChapterOptions {
  readonly cluster: FaultCluster
  readonly client: Client
  /** For journals. */
  readonly folder: string
  readonly random: SeededRandom
  /** Faults to choose from, by name. */
  readonly only: readonly string[]
  /** How many of them. */
  readonly faults: number
  readonly recordsPerSecond: number
  readonly say: (line: string) => void
  readonly report: (violation: string) => void
}

export interface ChapterResult {
  readonly streams: StreamFigures
  readonly queues: HistoryFigures
  readonly faults: Readonly<Record<string, number>>
  readonly healedMs: number
}

const REPLICAS = 3
/** What a fault may take back of what was not durable is over so long after it. */
const TROUBLED_MS = 6_000
const MARK_MS = 500
const SAMPLE_MS = 1_000
const DRAIN_MS_MAX = 120_000
const LOOK_MS = 300
const TWO_AT_A_TIME = 0.3
const TRIES_PER_FAULT = 20

export class ClusterChapter {
  private readonly options: ChapterOptions
  private readonly load: ClusterLoad
  private readonly journal: Journal<StreamStep>
  private readonly observer: QueueObserver
  private readonly health: ClusterHealth
  private readonly world: FaultWorld
  private readonly counts: Record<string, number> = {}
  private readonly pending = new Set<Promise<void>>()
  private struckMs = -Infinity
  private failure: Error | null = null
  private hasViolations = false

  constructor (options: ChapterOptions) {
    const { cluster, client, folder, random, recordsPerSecond } = options
    const report = (violation: string): void => {
      this.hasViolations = true
      options.report(violation)
    }
    this.options = { ...options, report }
    this.load = new ClusterLoad(folder, cluster, random.split(), recordsPerSecond)
    this.journal = new Journal(this.load.streamPath('run'), 'run')
    this.observer = new QueueObserver(client, this.load.queueJournal, LOAD_QUEUES)
    this.health = new ClusterHealth(cluster, client)
    this.world = new FaultWorld(cluster, client, random.split(), LOAD_TOPICS[0]!.name, report)
  }

  /** @throws where a process does not do what it should. */
  async run (): Promise<ChapterResult> {
    const { client, random } = this.options
    const over = new AbortController()
    await this.createTopics()
    const watching = [this.markTroubles(over.signal), this.sample(over.signal)]
    const operator = new Operator(client, this.load.queueJournal, random.split(), LOAD_QUEUES)
    try {
      this.load.start()
      await this.strike()
      const healedMs = await this.heal()
      await this.load.stopSending()
      await operator.stop()
      if (operator.failure !== null) throw operator.failure
      await this.drain(operator)
      over.abort()
      await Promise.all(watching)
      return { ...await this.check(operator), healedMs, faults: this.counts }
    } finally {
      over.abort()
      await Promise.allSettled([...watching, ...this.pending, operator.stop()])
      await this.load[Symbol.asyncDispose]()
      this.journal[Symbol.dispose]()
    }
  }

  private async createTopics (): Promise<void> {
    const { client, cluster } = this.options
    const replicas = Math.min(REPLICAS, cluster.nodes.length)
    for (const { name, partitions } of LOAD_TOPICS) await client.admin.createTopic(name, { partitions, replicas })
    for (const name of LOAD_QUEUES) await client.admin.createQueue(name, { ...QUEUES[name]!.create, replicas })
    await this.health.ready()
  }

  // Faults.

  private async strike (): Promise<void> {
    const { random, faults, only, report, cluster } = this.options
    let struck = 0
    for (let tries = 0; struck < faults && tries < faults * TRIES_PER_FAULT; tries++) {
      await delay(random.between(200, 3_000))
      const name = random.pick(only)
      const isAlone = FAULTS[name]!.isAlone === true
      if (isAlone || !random.chance(TWO_AT_A_TIME)) await this.settled()
      if (isAlone) await this.health.ready()
      const striking = this.strikeOnce(name)
      if (isAlone) await striking
      else await Promise.race([striking, delay(random.between(500, 4_000))])
      struck = this.total
      if (random.chance(0.15)) await this.load.killWorker()
      if (this.failure !== null) throw this.failure
      this.load.checkAlive()
      for (const node of cluster.nodes) {
        if (node.hasVanished) report(`crash: broker ${node.id} has ended by itself:\n${node.stderr.slice(-4_000)}`)
      }
    }
    await this.settled()
  }

  private get total (): number { return Object.values(this.counts).reduce((sum, count) => sum + count, 0) }

  private async strikeOnce (name: string): Promise<void> {
    const striking: Promise<void> = (async () => {
      const outcome = await FAULTS[name]!.run(this.world)
      if (outcome === null) return
      this.counts[name] = (this.counts[name] ?? 0) + 1
      this.options.say(outcome)
    })().catch((error: Error) => { this.failure ??= error }).finally(() => {
      this.struckMs = performance.now()
      this.pending.delete(striking)
    })
    this.pending.add(striking)
    await striking
  }

  private async settled (): Promise<void> {
    while (this.pending.size > 0) await Promise.all(this.pending)
    if (this.failure !== null) throw this.failure
  }

  /** While something is broken, and for a while after it, what was not durable may be taken back at any time. */
  private async markTroubles (over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      if (this.pending.size > 0 || performance.now() - this.struckMs < TROUBLED_MS) {
        this.load.queueJournal.write({ step: 'brokerKilled' })
        this.load.queueJournal.write({ step: 'thawed' })
      }
      await delay(MARK_MS)
    }
  }

  /** Writes down what the cluster says of offsets and figures, where it answers in time. */
  private async sample (over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await Promise.all([this.sampleOffsets(SAMPLE_MS), this.observer.sampleFigures()])
      await delay(SAMPLE_MS)
    }
  }

  private async sampleOffsets (timeoutMs: number): Promise<void> {
    const { admin } = this.options.client
    await Promise.all(LOAD_TOPICS.map(async ({ name: topic, groups }) => {
      for (const group of groups) {
        const askedUs = nowUs()
        const offsets = await admin.offsets(group, topic, { timeoutMs }).catch(ignored)
        for (const { partition, offset } of offsets ?? []) {
          this.journal.write({ step: 'committedSeen', askedUs, group, topic, partition, offset })
        }
      }
      const askedUs = nowUs()
      const ends = await admin.listOffsets(topic, 'latest', { timeoutMs }).catch(ignored)
      for (const { partition, offset: end } of ends ?? []) {
        this.journal.write({ step: 'endSeen', askedUs, topic, partition, end })
      }
    }))
  }

  // The end.

  /** @returns how long it took until everything was whole, in milliseconds. */
  private async heal (): Promise<number> {
    const { cluster, report } = this.options
    await cluster.healAll()
    const healedMs = performance.now()
    const fault = await this.health.whole()
    if (fault !== null) report(`liveness: ${fault}`)
    return Math.round(performance.now() - healedMs)
  }

  /** Everything is read, and every record of a queue has ended. */
  private async drain (operator: Operator): Promise<void> {
    const { queueJournal } = this.load
    const deadlineMs = performance.now() + DRAIN_MS_MAX
    await this.groupsAtEnd(deadlineMs)
    await this.load.stopReading()
    await operator.redriveAll(deadlineMs - performance.now()).catch(ignored)
    for (;;) {
      const left = await this.observer.leftOver()
      if (left.length === 0) break
      if (performance.now() > deadlineMs) {
        for (const each of left) {
          queueJournal.write({ step: 'leftOver', ...each })
          for (const reason of await this.observer.reasonsOf(each)) this.options.say(reason)
        }
        break
      }
      await delay(LOOK_MS)
      await operator.resumeKeys()
      this.load.checkAlive()
    }
    await this.load.stopWorking()
  }

  private async groupsAtEnd (deadlineMs: number): Promise<void> {
    const { admin } = this.options.client
    for (const { name, groups } of LOAD_TOPICS) {
      for (const group of groups) {
        for (;;) {
          const lag = await admin.groupLag(group)
          if (lag.filter(({ topic }) => topic === name).every(({ records }) => records === 0)) break
          // What is missing then is found by the check.
          if (performance.now() > deadlineMs) return
          await delay(LOOK_MS)
        }
      }
    }
  }

  private async check (operator: Operator): Promise<{ streams: StreamFigures, queues: HistoryFigures }> {
    const { cluster, client, random, report, say } = this.options
    const fault = await this.health.whole()
    if (fault !== null) report(`liveness: ${fault}`)
    const partitions = await this.health.partitions()
    const isStopped = random.chance(0.5)
    const losesPower = !isStopped && cluster.nodes.every(({ hasPowerDisk }) => hasPowerDisk)
    say(isStopped ? 'stopping the cluster' : losesPower ? 'taking all power' : 'killing the cluster')
    this.journal.write({ step: 'stopped' })
    await Promise.all(cluster.nodes.map(node => isStopped ? node.stop() : node.kill()))
    if (losesPower) for (const node of cluster.nodes) await node.losePower(random)
    const stored = new Map<string, StoredLog>()
    for (const { topic, topicId, partition, end, replicas, kind } of partitions) {
      const folders = replicas.flatMap(brokerId => {
        const node = cluster.node(brokerId)
        return node === undefined ? [] : [{ brokerId, logs: `${node.data}/logs` }]
      })
      const log = await readStored({ topic, topicId, partition, end, folders, isStopped, hasLanes: kind === 'stream' }, report)
      if (LOAD_TOPICS.some(({ name }) => name === topic)) stored.set(`${topic}/${partition}`, log)
    }
    await Promise.all(cluster.nodes.map(node => node.start()))
    await this.health.ready()
    await this.sampleOffsets(SAMPLE_MS * 10)
    await this.observer.sampleFigures()
    await operator.recordRedrives().catch(ignored)
    for (const queue of LOAD_QUEUES) await this.observer.readDeadLetters(queue)
    const figures = this.checkHistories(stored)
    // Whoever looks into it wants to see the logs.
    if (this.hasViolations) return figures
    for (const name of await client.admin.listTopics()) await client.admin.deleteTopic(name)
    for (const group of LOAD_TOPICS.flatMap(topic => topic.groups)) await client.admin.deleteGroup(group).catch(ignored)
    return figures
  }

  private checkHistories (stored: ReadonlyMap<string, StoredLog>): { streams: StreamFigures, queues: HistoryFigures } {
    const { report } = this.options
    const topics = new Map(LOAD_TOPICS.map(({ name, acks, groups }) => [name, { isDurable: acks === 'quorum', groups }]))
    const streams = checkStreams(readJournals<StreamStep>(this.load.journalPaths), topics, stored, report)
    const ofCluster = { lateMsMax: null, isReplicated: true }
    const rules = new Map(LOAD_QUEUES.map(queue => [queue, { ...rulesOf(QUEUES[queue]!, 0), ...ofCluster }]))
    // What a leader answers too late for one call comes with the next one: that says nothing of when it was leased.
    // And a command whose answer got lost is told, when it is repeated, that there is nothing to do.
    const entries = readJournals(this.load.queueJournalPaths)
      .filter(entry => entry.step !== 'receiving' && !(entry.step === 'commanded' && !entry.changed))
    for (const entry of entries) {
      if (entry.step === 'notSent') report(`error: ${entry.by} was told that a record to ${entry.queue} could not be sent`)
    }
    const { violations, figures } = checkHistory(entries, rules)
    for (const violation of violations) report(`queue: ${violation}`)
    return { streams, queues: figures }
  }
}

/** What is not answered now is asked again, or not needed. */
function ignored (error: unknown): null {
  if (!BrokerError.is(error)) throw error
  return null
}
