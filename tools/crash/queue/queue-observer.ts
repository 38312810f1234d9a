// Asks queues what they hold, and writes it down.

import { string, type Client } from '@sluice/client'
import { DEAD_LETTER_HEADER, decodeDeadLetterNote } from '@sluice/protocol'
import type { Journal } from './journal.js'
import { QUEUES } from './queue-setups.js'

/** Records of a partition that are not done with, by state. */
export interface LeftOver { readonly queue: string, readonly partition: number, readonly states: string }

const STATS_TIMEOUT_MS = 1_000
const PEEKED_MAX = 1_000
const REASONS_MAX = 3

export class QueueObserver {
  private readonly client: Client
  private readonly journal: Journal
  private readonly queues: readonly string[]

  constructor (client: Client, journal: Journal, queues: readonly string[]) {
    this.client = client
    this.journal = journal
    this.queues = queues
  }

  /** Writes down what the queues say of themselves, where they answer in time. */
  async sampleFigures (): Promise<void> {
    await Promise.all(this.queues.map(async name => {
      const stats = await this.client.queue(name).stats({ timeoutMs: STATS_TIMEOUT_MS }).catch(() => null)
      for (const figures of stats?.partitions ?? []) {
        const { partition, floor, nextOffset, acknowledged, cancelled, expired, dead, archived, purged } = figures
        this.journal.write({
          step: 'figures', queue: name, partition, floor, nextOffset, acknowledged, cancelled, expired, dead, archived, purged,
        })
      }
    }))
  }

  /** What has not ended. */
  async leftOver (): Promise<LeftOver[]> {
    const left: LeftOver[] = []
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

  /** What some of the records that have not ended wait for, for people. */
  async reasonsOf ({ queue: name, partition }: LeftOver): Promise<string[]> {
    const queue = this.client.queue(name)
    const peeked = await queue.peek({ partitions: [partition], maxRecords: REASONS_MAX })
    return await Promise.all(peeked.map(async ({ id }) => `${name} ${id}: ${JSON.stringify(await queue.explain(id))}`))
  }

  /** Writes down what is in the dead-letter queue of a queue. */
  async readDeadLetters (queue: string): Promise<void> {
    const name = QUEUES[queue]!.create.deadLetter
    if (name === undefined || !(await this.client.admin.listTopics()).includes(name)) return
    const left = await this.lettersLeft(name)
    for await (const record of this.client.topic(name, { key: string(), value: string() }).read()) {
      const note = decodeDeadLetterNote(record.headers.get(DEAD_LETTER_HEADER) ?? null)
      if (note === null) throw new Error(`record ${record.offset} of ${name} does not say why it is there`)
      const { partition, offset, reason, failures, deliveries } = note
      const letter = { partition: record.partition, offset: record.offset }
      const isLeft = left.has(`${letter.partition}:${letter.offset}`)
      const { value } = record
      this.journal.write({
        step: 'deadLetter', queue, partition, offset, letter, isLeft, value, reason, failures, deliveries,
      })
    }
  }

  /** Letters that nobody has moved, by id. */
  private async lettersLeft (name: string): Promise<Set<string>> {
    const queue = this.client.queue(name)
    const { partitions } = await queue.stats()
    const left = new Set<string>()
    for (const { partition } of partitions) {
      for (let from = 0; from >= 0;) {
        const peeked = await queue.peek({ partitions: [partition], maxRecords: PEEKED_MAX, from })
        for (const { id } of peeked) left.add(id)
        from = peeked.length < PEEKED_MAX ? -1 : peeked.at(-1)!.offset + 1
      }
    }
    return left
  }
}
