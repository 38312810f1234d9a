// The processes of a run and what is done to them: a broker behind a proxy, workers through the client and down to the
// wire, a script of commands. Each that is killed has a successor at once.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BrokerProcess, chooseLastingPort } from '../broker-process.js'
import { PowerLossDisk } from '../power-loss/power-loss-disk.js'
import type { SeededRandom } from '../seeded-random.js'
import { CommandWorker } from './command-worker.js'
import type { ConsumerTask } from './consumer-tasks.js'
import { CuttingProxy } from './cutting-proxy.js'
import { Journal } from './journal.js'
import { QUEUES } from './queue-setups.js'
import type { WireTask } from './wire-worker.js'
import { WorkerProcess } from './worker-process.js'

/** How often what was done. */
export interface FaultCounts {
  brokerKills: number
  brokerStops: number
  workerKills: number
  commandKills: number
  cuts: number
  freezes: number
  /** Changes of files and names that power losses have taken back. */
  lostChanges: number
}

const BROKER_OPTIONS = { 'checkpoint-interval': '300ms', 'retention-interval': '200ms', 'log-level': 'info' } as const
/** Workers through the client; behind them those down to the wire. */
const CLIENT_WORKERS = 3
const WIRE_WORKERS = 1
/** One worker is slow, wherever it shares a partition with fast ones. */
const SLOWNESS = 20
const STOP_MS_MAX = 30_000

export class QueueProcesses {
  readonly counts: FaultCounts = {
    brokerKills: 0, brokerStops: 0, workerKills: 0, commandKills: 0, cuts: 0, freezes: 0, lostChanges: 0,
  }

  readonly journalPaths: string[] = []
  /** Of the run itself. */
  readonly journal: Journal
  readonly proxy: CuttingProxy
  private readonly folder: string
  private readonly random: SeededRandom
  private readonly queues: readonly string[]
  private readonly port: number
  private readonly workers: WorkerProcess[] = []
  private readonly thaws = new Set<Promise<void>>()
  private readonly disk: PowerLossDisk | null
  private commands: CommandWorker | null = null
  private broker!: BrokerProcess
  private generation = 0

  private constructor (
    folder: string, random: SeededRandom, queues: readonly string[], port: number, proxy: CuttingProxy,
    disk: PowerLossDisk | null,
  ) {
    this.folder = folder
    this.random = random
    this.queues = queues
    this.port = port
    this.proxy = proxy
    this.disk = disk
    mkdirSync(join(folder, 'journals'), { recursive: true })
    this.journal = this.openJournal('run')
  }

  /** Begins with a broker alone, whose machine loses power when it is killed, if asked for. @throws BrokerStartError */
  static async start (
    folder: string, random: SeededRandom, queues: readonly string[], powerLoss: boolean,
  ): Promise<QueueProcesses> {
    const port = await chooseLastingPort()
    const disk = powerLoss ? await PowerLossDisk.open(join(folder, 'data')) : null
    const processes = new QueueProcesses(folder, random, queues, port, await CuttingProxy.start(port), disk)
    await processes.startBroker()
    return processes
  }

  startWorkers (): void {
    const { proxy, random, queues } = this
    for (let index = 0; index < CLIENT_WORKERS + WIRE_WORKERS; index++) this.workers.push(this.spawnWorker(index))
    const consumed = queues.filter(queue => QUEUES[queue]!.hasCommands === true)
    if (consumed.length === 0) return
    this.commands = new CommandWorker(proxy.address, this.openJournal('commands'), random.split(), consumed)
  }

  /** @throws BrokerStartError */
  async startBroker (): Promise<void> {
    this.broker = this.spawnBroker()
    this.journal.write({ step: 'brokerReady', startMs: Math.round(await this.broker.ready) })
  }

  cut (): string {
    const count = this.proxy.cut(0.5, this.random)
    this.counts.cuts += count
    return `cut ${count} connections`
  }

  /** Stops a worker, or the broker, and lets it go on later: after a moment, or when all have given it up. */
  freeze (): string {
    const { random } = this
    this.counts.freezes++
    const isLong = random.chance(0.2)
    const isBroker = random.chance(0.25)
    const target = isBroker ? this.broker : random.pick(this.workers)
    const shortMs = isBroker ? random.between(50, 1_000) : random.between(200, 4_000)
    const forMs = isLong ? random.between(5_000, 10_000) : shortMs
    target.signal('SIGSTOP')
    const thaw = delay(forMs).then(() => {
      target.signal('SIGCONT')
      this.journal.write({ step: 'thawed' })
      this.thaws.delete(thaw)
    })
    this.thaws.add(thaw)
    return `froze ${isBroker ? 'the broker' : (target as WorkerProcess).setup.name} for ${forMs} ms`
  }

  /** SIGKILL, at times again while it starts. */
  async killBroker (): Promise<string> {
    const { random } = this
    let kills = 0
    do {
      if (kills > 0) {
        this.broker = this.spawnBroker()
        await delay(random.between(50, 700))
      }
      await this.broker.kill()
      await this.losePower()
      this.journal.write({ step: 'brokerKilled' })
      kills++
    } while (random.chance(0.2))
    this.counts.brokerKills += kills
    await delay(random.between(0, 300))
    await this.startBroker()
    return kills === 1 ? 'killed the broker' : `killed the broker ${kills} times`
  }

  /** SIGTERM, under load. @throws where it does not end well in time. */
  async stopBroker (): Promise<string> {
    await this.endBroker()
    this.counts.brokerStops++
    await delay(this.random.between(0, 300))
    await this.startBroker()
    return 'stopped the broker'
  }

  async killWorker (): Promise<string> {
    const index = this.random.between(0, this.workers.length)
    const { setup: { name } } = this.workers[index]!
    await this.workers[index]!.kill()
    this.counts.workerKills++
    this.workers[index] = this.spawnWorker(index)
    return `killed ${name}`
  }

  killCommand (): string {
    if (this.commands?.kill() !== true) return 'no command ran'
    this.counts.commandKills++
    return 'killed a command'
  }

  /** @throws where a process has ended by itself. */
  checkAlive (): void {
    if (this.commands !== null && this.commands.failure !== null) throw this.commands.failure
    for (const { isGone, setup, stderr } of this.workers) {
      if (isGone) throw new Error(`${setup.name} has ended by itself:\n${stderr}`)
    }
    if (this.broker.isGone) throw new Error(`the broker has ended by itself:\n${this.broker.stderr}`)
  }

  /** Resolves when everything that was stopped goes on. */
  async thawed (): Promise<void> { await Promise.all(this.thaws) }

  /** Lets all consumers finish what they have begun. @throws where one does not end well. */
  async stopWorkers (): Promise<void> {
    await this.commands?.stop()
    this.checkAlive()
    for (const worker of this.workers) {
      const fault = await worker.stop()
      if (fault !== null) throw new Error(fault)
    }
  }

  /** Stops the broker and starts it again. @throws where it does not end well. */
  async restartBroker (): Promise<void> {
    await this.endBroker()
    await this.startBroker()
  }

  /** Kills what is left. */
  async [Symbol.asyncDispose] (): Promise<void> {
    this.commands?.kill()
    await Promise.allSettled([this.commands?.stop(), ...this.workers.map(worker => worker.kill())])
    await this.broker.kill()
    await this.proxy[Symbol.asyncDispose]()
    this.journal[Symbol.dispose]()
  }

  private async endBroker (): Promise<void> {
    const { code, signal } = await this.broker.stop(STOP_MS_MAX)
    if (code !== 0) throw new Error(`stopped with SIGTERM the broker ended with ${signal ?? `exit code ${code}`}:\n${this.broker.stderr}`)
    this.journal.write({ step: 'brokerStopped' })
  }

  private async losePower (): Promise<void> {
    if (this.disk === null) return
    const { lostWrites, lostNames } = await this.disk.powerLoss(this.random)
    this.counts.lostChanges += lostWrites + lostNames
  }

  private spawnBroker (): BrokerProcess {
    const options = { ...BROKER_OPTIONS, advertise: this.proxy.address }
    const environment = this.disk?.environment ?? {}
    return new BrokerProcess({ data: join(this.folder, 'data'), port: this.port, options, environment })
  }

  private spawnWorker (index: number): WorkerProcess {
    const isWire = index >= CLIENT_WORKERS
    const name = `${isWire ? 'wire-worker' : 'worker'}-${index}.${this.generation++}`
    return new WorkerProcess({
      name,
      journal: this.journalPath(name),
      seed: this.random.between(0, 2 ** 31),
      slowness: index === 1 ? SLOWNESS : 1,
      client: isWire ? null : { brokers: [this.proxy.address], tasks: this.tasksOf(index) },
      wire: isWire ? this.wireTask(name) : null,
    })
  }

  private tasksOf (worker: number): ConsumerTask[] {
    return this.queues.map((queue, at) => {
      const { isPunctual, create } = QUEUES[queue]!
      // Punctual records are for handlers that are always there.
      const way = isPunctual === true || (worker + at) % 2 === 0 ? 'work' : 'receive'
      return { queue, way, isOrdered: create.order === 'key', concurrency: 16 }
    })
  }

  private wireTask (clientName: string): WireTask {
    return {
      port: this.proxy.port,
      clientName,
      leases: this.random.pick(['visibility', 'session', 'started']),
      queues: this.queues.map(queue => ({ queue, isOrdered: QUEUES[queue]!.create.order === 'key' })),
    }
  }

  private openJournal (name: string): Journal { return new Journal(this.journalPath(name), name) }

  private journalPath (name: string): string {
    const path = join(this.folder, 'journals', `${name}.jsonl`)
    this.journalPaths.push(path)
    return path
  }
}
