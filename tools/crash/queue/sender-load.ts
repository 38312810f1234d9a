// Sends records to one queue, in bursts, and writes down what it was told of each.

import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError, string, type Client, type Queue } from '@sluice/client'
import type { SeededRandom } from '../seeded-random.js'
import { POISON } from './fate.js'
import type { Journal, SendTerms } from './journal.js'

export interface SenderSetup {
  readonly queue: string
  /** Number of keys; 0 for records without. */
  readonly keys: number
  readonly burstMax: number
  readonly pauseMsMax: number
  readonly poisonShare?: number
  /** Records with a delay, of up to `delayMsMax`. */
  readonly delayedShare?: number
  readonly delayMsMax?: number
  /** Delayed records that are cancelled right away. */
  readonly cancelledShare?: number
  readonly ttlShare?: number
  /** Dedup ids that are in use at a time; 0 for none. */
  readonly dedupIds?: number
  readonly priorities?: boolean
}

const TTL_MS_MAX = 3_000
const PADDING = 'Falsches Üben von Xylophonmusik quält jeden größeren Zwerg. '.repeat(40)

export class SenderLoad {
  private readonly journal: Journal
  private readonly setup: SenderSetup
  private readonly random: SeededRandom
  private readonly queue: Queue<string, string>
  private readonly running: Promise<void>
  private readonly under = new Set<Promise<void>>()
  private sequence = 0
  private stopping = false
  /** Why it gave up; null while it has not. */
  failure: Error | null = null

  constructor (client: Client, journal: Journal, random: SeededRandom, setup: SenderSetup) {
    this.journal = journal
    this.setup = setup
    this.random = random
    this.queue = client.queue(setup.queue, { key: string(), value: string() })
    this.running = this.run().catch((error: Error) => { this.failure = error })
  }

  /** Ends the load; resolves when every record has its answer. */
  async stop (): Promise<void> {
    this.stopping = true
    await this.running
    await Promise.all(this.under)
    await this.queue.close()
  }

  private async run (): Promise<void> {
    const { setup, random } = this
    while (!this.stopping) {
      const burst = Array.from({ length: random.between(1, setup.burstMax + 1) }, () => this.send())
      await Promise.all(burst)
      await delay(random.between(0, setup.pauseMsMax + 1))
    }
  }

  private async send (): Promise<void> {
    const { random, journal, setup } = this
    const { queue } = setup
    const terms = this.drawTerms()
    const key = setup.keys === 0 ? null : `k${random.between(0, setup.keys)}`
    const isPoison = random.chance(setup.poisonShare ?? 0)
    const value = `${queue}/${this.sequence++}${isPoison ? POISON : '/'}${PADDING.slice(0, random.between(0, 120))}`
    journal.write({ step: 'sending', queue, value, key, ...terms })
    try {
      const { partition, offset, duplicate } = await this.queue.send({ key, value, ...terms })
      journal.write({ step: 'sent', queue, value, partition, offset, duplicate })
      if (terms.delayMs === undefined || duplicate || !random.chance(setup.cancelledShare ?? 0)) return
      const cancel = this.cancel({ queue, partition, offset }).finally(() => { this.under.delete(cancel) })
      this.under.add(cancel)
    } catch (error) {
      if (!BrokerError.is(error)) throw error
      journal.write({ step: 'notSent', queue, value, maybe: error.maybeApplied })
    }
  }

  private drawTerms (): SendTerms {
    const { setup, random } = this
    const isDelayed = random.chance(setup.delayedShare ?? 0)
    return {
      ...isDelayed ? { delayMs: random.between(1, setup.delayMsMax!) } : {},
      ...random.chance(setup.ttlShare ?? 0) ? { ttlMs: random.between(50, TTL_MS_MAX) } : {},
      // Ids rise, and come again for a while.
      ...(setup.dedupIds ?? 0) > 0 ? { dedupId: `id-${Math.floor(this.sequence / 20) + random.between(0, setup.dedupIds!)}` } : {},
      ...setup.priorities === true ? { priority: random.between(0, 10) } : {},
    }
  }

  private async cancel (place: { queue: string, partition: number, offset: number }): Promise<void> {
    this.journal.write({ step: 'cancelling', ...place })
    try {
      const answer = await this.queue.cancel(`${place.partition}:${place.offset}`)
      this.journal.write({ step: 'cancelled', ...place, answer })
    } catch (error) {
      if (!BrokerError.is(error)) throw error
    }
  }
}
