// Who looks after the queues while they work: lets stopped keys go on, redrives dead letters, pauses, alters settings.
// What it asks for and is told goes into the journal.

import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError, string, type Client, type Queue, type RedriveOptions } from '@sluice/client'
import { laneOf } from '@sluice/protocol'
import type { SeededRandom } from '../seeded-random.js'
import type { Command, Journal } from './journal.js'
import { QUEUES } from './queue-setups.js'

const PAUSE_MS_MAX = 600
const PAUSED_MS_MAX = 1_500
const VISIBILITY_MS = [1_000, 1_500, 2_000, 3_000, 4_000] as const
const TIMEOUT_MS = 5_000
const REDRIVE_CHANCE = 0.12
const LOOK_MS = 200

export class Operator {
  /** Why it gave up; null while it has not. */
  failure: Error | null = null
  private readonly client: Client
  private readonly journal: Journal
  private readonly random: SeededRandom
  private readonly queues: readonly string[]
  private readonly running: Promise<void>
  private stopping = false
  private command = 0

  constructor (client: Client, journal: Journal, random: SeededRandom, queues: readonly string[]) {
    this.client = client
    this.journal = journal
    this.random = random
    this.queues = queues
    this.running = this.run().catch((error: Error) => { this.failure = error })
  }

  /** Ends it; no queue is paused afterwards. */
  async stop (): Promise<void> {
    this.stopping = true
    await this.running
  }

  /** Lets the keys that are stopped go on, as many as it comes by. */
  async resumeKeys (chance = 1): Promise<void> {
    for (const name of this.queues) {
      const { poison } = QUEUES[name]!.create
      if (poison !== 'hold' && poison !== 'dlq-key') continue
      for (const key of await this.stoppedKeys(name)) {
        if (!this.random.chance(chance)) continue
        await this.tell(name, { action: this.random.chance(0.5) ? 'skipKey' : 'resumeKey', key })
      }
    }
  }

  /** Redrives all dead letters, once the redrives that run have ended; false where they do not within the time. */
  async redriveAll (withinMs: number): Promise<boolean> {
    const deadlineMs = performance.now() + withinMs
    const all = await this.deadLetterQueues()
    if (!await this.untilRedriven(all, deadlineMs)) return false
    for (const { dead } of all) await dead.redrive()
    return await this.untilRedriven(all, deadlineMs)
  }

  /** Writes down how all redrives stand. */
  async recordRedrives (): Promise<void> {
    for (const { queue, dead } of await this.deadLetterQueues()) {
      for (const { redriveId, state, moved } of await dead.redrives()) {
        this.journal.write({ step: 'redrive', queue, redriveId, state, moved })
      }
    }
  }

  private async run (): Promise<void> {
    const { random } = this
    while (!this.stopping) {
      await delay(random.between(0, PAUSE_MS_MAX))
      const drawn = random.next()
      if (drawn < REDRIVE_CHANCE) await passing(this.redriveSome())
      else if (drawn < 0.3) await passing(this.pause())
      else if (drawn < 0.45) await this.setVisibility()
      else await passing(this.resumeKeys(0.5))
    }
  }

  private async stoppedKeys (name: string): Promise<string[]> {
    const keys = Array.from({ length: QUEUES[name]!.sender.keys }, (_, index) => `k${index}`)
    const byLane = new Map(keys.map(key => [laneOf(Buffer.from(key)), key]))
    const { partitions } = await this.queue(name).stats({ timeoutMs: TIMEOUT_MS })
    return partitions.flatMap(({ stopped }) => stopped.map(({ lane }) => byLane.get(lane)!))
  }

  private async pause (): Promise<void> {
    const paused = this.queues.filter(name => QUEUES[name]!.isPaused === true)
    if (paused.length === 0) return
    const name = this.random.pick(paused)
    await this.tell(name, { action: 'pause' })
    await delay(this.random.between(100, PAUSED_MS_MAX))
    while (!await this.tell(name, { action: 'resume' })) await delay(LOOK_MS)
  }

  private async setVisibility (): Promise<void> {
    const altered = this.queues.filter(name => QUEUES[name]!.isAltered === true)
    if (altered.length === 0) return
    await this.tell(this.random.pick(altered), { action: 'setVisibility', visibilityMs: this.random.pick(VISIBILITY_MS) })
  }

  /** Some or all of them, fast or slowly; at times it thinks better of it. */
  private async redriveSome (): Promise<void> {
    const { random } = this
    const all = await this.deadLetterQueues()
    if (all.length === 0) return
    const { dead } = random.pick(all)
    const options: RedriveOptions<string> = {
      ...random.chance(0.3) ? { recordsPerSecond: random.between(5, 50) } : {},
      ...random.chance(0.3) ? { limit: random.between(1, 20) } : {},
      ...random.chance(0.3) ? { reasons: ['reject'] } : {},
    }
    const redrive = await dead.redrive({ ...options, timeoutMs: TIMEOUT_MS })
    if (!random.chance(0.2)) return
    await delay(random.between(0, LOOK_MS))
    await redrive.cancel()
  }

  private async deadLetterQueues (): Promise<{ queue: string, dead: Queue<string, string> }[]> {
    const topics = await this.client.admin.listTopics({ timeoutMs: TIMEOUT_MS })
    return this.queues.flatMap(queue => {
      const { deadLetter } = QUEUES[queue]!.create
      return deadLetter === undefined || !topics.includes(deadLetter) ? [] : [{ queue, dead: this.queue(deadLetter) }]
    })
  }

  private async untilRedriven (
    all: readonly { dead: Queue<string, string> }[], deadlineMs: number,
  ): Promise<boolean> {
    for (const { dead } of all) {
      while ((await dead.redrives()).some(({ state }) => state === 'running')) {
        if (performance.now() > deadlineMs) return false
        await delay(LOOK_MS)
      }
    }
    return true
  }

  /** True where it was answered. */
  private async tell (queue: string, told: Command): Promise<boolean> {
    const command = this.command++
    this.journal.write({ step: 'commanding', queue, command, ...told })
    try {
      this.journal.write({ step: 'commanded', command, changed: await this.ask(queue, told) })
      return true
    } catch (error) {
      if (!BrokerError.is(error)) throw error
      return false
    }
  }

  private async ask (name: string, told: Command): Promise<boolean> {
    const queue = this.queue(name)
    const call = { timeoutMs: TIMEOUT_MS }
    switch (told.action) {
      case 'pause':
        await queue.pause(call)
        return true
      case 'resume':
        await queue.resume(call)
        return true
      case 'setVisibility':
        await this.client.admin.alterTopic(name, { set: { 'visibility.ms': told.visibilityMs }, ...call })
        return true
      default:
        return await queue.resumeKey(told.key, { skip: told.action === 'skipKey', ...call })
    }
  }

  private queue (name: string): Queue<string, string> {
    return this.client.queue(name, { key: string(), value: string() })
  }
}

/** What fails because the broker is away is tried another time. */
async function passing (work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!BrokerError.is(error)) throw error
  }
}
