// A member of a stream group through the client. It comes and goes, so that partitions move, and writes down what it
// was given before it commits that.

import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError, bytes, type Client, type Consumer, type RecordBatch } from '@sluice/client'
import type { Journal } from '../queue/journal.js'
import type { SeededRandom } from '../seeded-random.js'
import { laneRecordOf } from './lane-record.js'
import { ReadRuns } from './read-runs.js'
import type { StreamStep } from './stream-journal.js'

export interface GroupTask {
  readonly topic: string
  readonly group: string
  /** Stays for so long at a time, on average, in milliseconds. */
  readonly stayMs: number
}

const COMMIT_SHARE = 0.2
const RECORDS_MAX = 2_000
const SESSION_TIMEOUT_MS = 6_000
const AWAY_MS_MAX = 500

type Batch = RecordBatch<Uint8Array, Uint8Array>

export class GroupReader {
  private readonly client: Client
  private readonly task: GroupTask
  private readonly journal: Journal<StreamStep>
  private readonly random: SeededRandom
  private readonly name: string
  private life = 0

  /** @param name of this reader, of all in the run. */
  constructor (client: Client, task: GroupTask, journal: Journal<StreamStep>, random: SeededRandom, name: string) {
    this.client = client
    this.task = task
    this.journal = journal
    this.random = random
    this.name = name
  }

  /** Reads until it is told to stop; then it commits, leaves the group and resolves. */
  async run (stopping: AbortSignal): Promise<void> {
    const { random, task } = this
    while (!stopping.aborted) {
      const leaving = new AbortController()
      const leave = (): void => leaving.abort()
      const timer = setTimeout(leave, random.between(task.stayMs / 2, task.stayMs * 3 / 2))
      stopping.addEventListener('abort', leave, { once: true })
      await this.attend(leaving.signal)
      stopping.removeEventListener('abort', leave)
      clearTimeout(timer)
      if (!stopping.aborted) await delay(random.between(0, AWAY_MS_MAX))
    }
  }

  private async attend (stay: AbortSignal): Promise<void> {
    const { client, task: { topic, group }, journal } = this
    const reader = `${this.name}.${++this.life}`
    const off = client.on('assigned', event => {
      if (event.group !== group || event.topic !== topic) return
      for (const partition of event.partitions) journal.write({ step: 'began', reader, topic, partition, group })
    })
    // Nothing is lost, and nothing is removed: whoever is told so is told wrong.
    const offReset = client.on('offsetReset', event => {
      if (event.topic !== topic) return
      journal.write({ step: 'wrong', text: `${reader} was moved in ${topic}/${event.partition} from ${event.from} to ${event.to}: ${event.reason}` })
    })
    const consumer = client.topic(topic, { key: bytes(), value: bytes() }).consumer({
      group, from: 'earliest', sessionTimeoutMs: SESSION_TIMEOUT_MS, rebalanceTimeoutMs: SESSION_TIMEOUT_MS,
    })
    const leave = (): void => { consumer.close().catch(error => this.report('did not close', error)) }
    stay.addEventListener('abort', leave, { once: true })
    try {
      await this.consume(consumer, reader)
    } catch (error) {
      this.report('could not go on', error)
    } finally {
      stay.removeEventListener('abort', leave)
      await consumer.close().catch(error => this.report('did not close', error))
      off()
      offReset()
    }
  }

  private async consume (consumer: Consumer<Uint8Array, Uint8Array>, reader: string): Promise<void> {
    for await (const batch of consumer.batches({ maxRecords: RECORDS_MAX })) {
      const end = this.tell(batch, reader)
      if (this.random.chance(COMMIT_SHARE)) await this.commit(batch, end)
    }
  }

  /** @returns the offset behind the batch. */
  private tell (batch: Batch, reader: string): number {
    const { topic, partition } = batch
    const read = new ReadRuns()
    let end = 0
    for (const { offset, value } of batch) {
      const record = laneRecordOf(value)
      if (record === null) this.wrong(`${topic}/${partition}@${offset} holds what nobody has sent`)
      else read.add(offset, record)
      end = offset + 1
    }
    this.journal.write({ step: 'polled', reader, topic, partition, runs: read.runs })
    return end
  }

  private async commit (batch: Batch, offset: number): Promise<void> {
    const { topic, partition } = batch
    try {
      await batch.commit()
      this.journal.write({ step: 'committed', group: this.task.group, topic, partition, offset })
    } catch (error) {
      // Somebody else has the partition now.
      if (!BrokerError.is(error) || !TAKEN.has(error.code)) throw error
    }
  }

  private report (what: string, error: unknown): void {
    if (BrokerError.is(error) && TAKEN.has(error.code)) return
    this.wrong(`a member of group ${this.task.group} ${what}: ${(error as Error).stack}`)
  }

  private wrong (text: string): void { this.journal.write({ step: 'wrong', text }) }
}

const TAKEN: ReadonlySet<string> = new Set(['REBALANCE', 'FENCED', 'CLOSED'])
