// Queues of all kinds under load, while brokers and workers are killed, and everything that was said held against them.
//
//   senders      ████████████████████████████████████████████████   in this process, never stop
//   operator     ██ pause ██ redrive ██ resume key ██ settings ████   in this process
//   workers      ███████ ✗ ████████████████ ✗ ███████ ▒▒▒ █████████   processes: SIGKILL, SIGSTOP ▒
//   commands     ██ ██ █✗ ██ ███ ██ █✗ ██ ███ ██ ██ █ ██ ███ ██ ███   `sluice queue …`, one after the other
//   connections  ████████████ ⌁ ██████████████████ ⌁ █████████████   cut in the proxy that the broker advertises
//   broker       ██████████████ ✗ ▁██████ ▒▒▒ ████ ✗ ▁✗ ▁███ ■ ▁███   SIGKILL, also while it starts; SIGSTOP; SIGTERM ■
//
// Each process writes a journal. At the end the senders stop, the queues are drained, all dead letters are redriven,
// the broker is stopped and started once more, and the journals together are held against the rules of
// `queue-checker.ts`.

import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Client } from '@sluice/client'
import { SeededRandom } from '../seeded-random.js'
import { readJournals } from './journal.js'
import { Operator } from './operator.js'
import { checkHistory, type HistoryFigures } from './queue-checker.js'
import { QueueObserver, type LeftOver } from './queue-observer.js'
import { QueueProcesses, type FaultCounts } from './queue-processes.js'
import { QUEUES, rulesOf } from './queue-setups.js'
import { SenderLoad } from './sender-load.js'

export interface QueueCrashOptions {
  /** How often a broker or a worker is killed at least. */
  readonly rounds: number
  readonly seed: number
  /** Folder for data and journals; it is left as it is at the end. */
  readonly folder: string
  /** Queues to use, by name. Default all of `QUEUES`. */
  readonly queues?: readonly string[]
  /** Where the broker is killed, its machine loses power: what was not synced is lost, or part of it. Default false. */
  readonly powerLoss?: boolean
  /** A delayed record may come so many milliseconds after it is due. Default 1,000. */
  readonly lateMsMax?: number
  /** Told what happens, a line at a time. */
  readonly say?: (line: string) => void
}

export interface QueueCrashReport extends HistoryFigures, FaultCounts {
  readonly seed: number
  readonly rounds: number
  readonly violations: readonly string[]
}

const DRAIN_MS_MAX = 90_000
const LOOK_MS = 200

/** Runs it; violations are in the report. @throws where the broker does not come back, or a worker gives up. */
export async function queueCrashRun (options: QueueCrashOptions): Promise<QueueCrashReport> {
  const { rounds, seed, folder, lateMsMax = 1_000 } = options
  const random = new SeededRandom(seed)
  const queues = options.queues ?? Object.keys(QUEUES)
  const processes = await QueueProcesses.start(folder, random, queues, options.powerLoss === true)
  try {
    await new QueueCrashRun(processes, random, queues, options.say ?? (() => {})).run(rounds)
  } finally {
    await processes[Symbol.asyncDispose]()
  }
  const rules = new Map(queues.map(queue => [queue, rulesOf(QUEUES[queue]!, lateMsMax)]))
  const { violations, figures } = checkHistory(readJournals(processes.journalPaths), rules)
  return { seed, rounds, ...processes.counts, ...figures, violations }
}

class QueueCrashRun {
  private readonly processes: QueueProcesses
  private readonly random: SeededRandom
  private readonly queues: readonly string[]
  private readonly say: (line: string) => void
  private readonly client: Client
  private readonly senders: SenderLoad[] = []
  private readonly observer: QueueObserver
  private operator!: Operator

  constructor (
    processes: QueueProcesses, random: SeededRandom, queues: readonly string[], say: (line: string) => void,
  ) {
    this.processes = processes
    this.random = random
    this.queues = queues
    this.say = say
    this.client = connect({ brokers: [processes.proxy.address], retry: { initialDelayMs: 20, maxDelayMs: 200 } })
    this.observer = new QueueObserver(this.client, processes.journal, queues)
  }

  async run (rounds: number): Promise<void> {
    const { client, processes, random, queues } = this
    const { journal } = processes
    try {
      for (const queue of queues) await client.admin.createQueue(queue, QUEUES[queue]!.create)
      for (const queue of queues) {
        this.senders.push(new SenderLoad(client, journal, random.split(), { queue, ...QUEUES[queue]!.sender }))
      }
      processes.startWorkers()
      this.operator = new Operator(client, journal, random.split(), queues)
      for (let round = 1; round <= rounds; round++) await this.round(round)
      await this.finish()
    } finally {
      await client.close({ drainTimeoutMs: 0 }).catch(() => {})
    }
  }

  private async round (round: number): Promise<void> {
    const { random, processes } = this
    await delay(random.between(200, 1_200))
    const events: string[] = []
    if (random.chance(0.3)) events.push(processes.cut())
    if (random.chance(0.25)) events.push(processes.freeze())
    if (random.chance(0.3)) events.push(processes.killCommand())
    await this.observer.sampleFigures()
    const drawn = random.next()
    if (drawn < 0.4) events.push(await processes.killWorker())
    else {
      events.push(drawn < 0.88 ? await processes.killBroker() : await processes.stopBroker())
      for (const sender of this.senders) sender.resend()
    }
    await this.observer.sampleFigures()
    this.checkAlive()
    this.say(`round ${round}: ${events.join(', ')}`)
  }

  private checkAlive (): void {
    for (const { failure } of [...this.senders, this.operator]) if (failure !== null) throw failure
    this.processes.checkAlive()
  }

  private async finish (): Promise<void> {
    const { processes, operator } = this
    await Promise.all(this.senders.map(sender => sender.stop()))
    await processes.thawed()
    await operator.stop()
    this.checkAlive()
    await this.drain()
    await operator.redriveAll(DRAIN_MS_MAX)
    for (const { queue, partition, states } of await this.drain()) {
      processes.journal.write({ step: 'leftOver', queue, partition, states })
    }
    await processes.stopWorkers()
    await processes.restartBroker()
    await this.observer.sampleFigures()
    await operator.recordRedrives()
    for (const queue of this.queues) await this.observer.readDeadLetters(queue)
  }

  /** Waits until all records have ended; the answer is what is left, by partition. */
  private async drain (): Promise<LeftOver[]> {
    const deadlineMs = performance.now() + DRAIN_MS_MAX
    for (;;) {
      const left = await this.observer.leftOver()
      if (left.length === 0 || performance.now() > deadlineMs) return left
      await delay(LOOK_MS)
      await this.operator.resumeKeys()
      this.checkAlive()
    }
  }
}
