// Sends records to one queue, in bursts, and writes down what it was told of each.

import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError, string, type ChangeOutcome, type Client, type Queue } from '@sluice/client'
import type { SeededRandom } from '../seeded-random.js'
import { POISON } from './fate.js'
import type { Journal, RecordPlace, SendTerms } from './journal.js'

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
  /** Delayed records that are cancelled, some of them after a while. */
  readonly cancelledShare?: number
  /** Delayed records that are put off or brought forward, once or more often. */
  readonly rescheduledShare?: number
  readonly ttlShare?: number
  /** Dedup ids that are in use at a time; 0 for none. */
  readonly dedupIds?: number
  readonly priorities?: boolean
}

const TTL_MS_MAX = 3_000
const CHANGE_WAIT_MS_MAX = 2_500
/** Dedup ids that are sent again after a restart. */
const RESENT = 15
const PADDING = 'Falsches Üben von Xylophonmusik quält jeden größeren Zwerg. '.repeat(40)

export class SenderLoad {
  private readonly journal: Journal
  private readonly setup: SenderSetup
  private readonly random: SeededRandom
  private readonly queue: Queue<string, string>
  private readonly running: Promise<void>
  private readonly under = new Set<Promise<void>>()
  /** Dedup ids that were sent last, the latest last. */
  private readonly recentIds: string[] = []
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

  /** Sends dedup ids again, as whoever has lost an answer does. */
  resend (): void {
    for (const dedupId of new Set(this.recentIds)) this.track(this.send({ dedupId }))
  }

  private async run (): Promise<void> {
    const { setup, random } = this
    while (!this.stopping) {
      const burst = Array.from({ length: random.between(1, setup.burstMax + 1) }, () => this.send())
      await Promise.all(burst)
      await delay(random.between(0, setup.pauseMsMax + 1))
    }
  }

  private async send (terms = this.drawTerms()): Promise<void> {
    const { random, journal, setup } = this
    const { queue } = setup
    const key = setup.keys === 0 ? null : `k${random.between(0, setup.keys)}`
    const isPoison = random.chance(setup.poisonShare ?? 0)
    const value = `${queue}/${this.sequence++}${isPoison ? POISON : '/'}${PADDING.slice(0, random.between(0, 120))}`
    journal.write({ step: 'sending', queue, value, key, ...terms })
    try {
      const { partition, offset, duplicate } = await this.queue.send({ key, value, ...terms })
      journal.write({ step: 'sent', queue, value, partition, offset, duplicate })
      if (terms.delayMs !== undefined && !duplicate) this.track(this.change({ queue, partition, offset }))
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
      ...(setup.dedupIds ?? 0) > 0 ? { dedupId: this.drawId(setup.dedupIds!) } : {},
      ...setup.priorities === true ? { priority: random.between(0, 10) } : {},
    }
  }

  /** Ids rise, and come again for a while. */
  private drawId (count: number): string {
    const id = `id-${Math.floor(this.sequence / 20) + this.random.between(0, count)}`
    this.recentIds.push(id)
    if (this.recentIds.length > RESENT) this.recentIds.shift()
    return id
  }

  /** Puts a delayed record off or brings it forward, and cancels it, by chance. */
  private async change (place: RecordPlace): Promise<void> {
    const { random, journal, setup, queue } = this
    const id = `${place.partition}:${place.offset}`
    while (random.chance(setup.rescheduledShare ?? 0)) {
      await delay(random.between(0, CHANGE_WAIT_MS_MAX))
      const delayMs = random.between(0, setup.delayMsMax!)
      journal.write({ step: 'rescheduling', ...place, delayMs })
      const answer = await answerOf(queue.reschedule(id, { delayMs }))
      // Without an answer it may count at any time: what is said after it would be ambiguous.
      if (answer === null) return
      journal.write({ step: 'rescheduled', ...place, answer })
    }
    if (!random.chance(setup.cancelledShare ?? 0)) return
    if (random.chance(0.5)) await delay(random.between(0, CHANGE_WAIT_MS_MAX))
    journal.write({ step: 'cancelling', ...place })
    const answer = await answerOf(queue.cancel(id))
    if (answer !== null) journal.write({ step: 'cancelled', ...place, answer })
  }

  private track (work: Promise<void>): void {
    const tracked: Promise<void> = work.catch((error: Error) => { this.failure ??= error })
      .finally(() => { this.under.delete(tracked) })
    this.under.add(tracked)
  }
}

/** Null where the broker gave none, or refused. */
async function answerOf (asked: Promise<ChangeOutcome>): Promise<ChangeOutcome | null> {
  try {
    return await asked
  } catch (error) {
    if (!BrokerError.is(error)) throw error
    return null
  }
}
