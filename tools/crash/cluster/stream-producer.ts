// Sends numbered records through the client, batch after batch at a rate, and writes down what it was told of each.

import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError, bytes, type Client, type OutRecord, type Producer, type SendResult } from '@sluice/client'
import type { Journal } from '../queue/journal.js'
import type { SeededRandom } from '../seeded-random.js'
import { keysByPartition, laneValue } from './lane-record.js'
import type { LaneRun, SentRun, StreamStep } from './stream-journal.js'

export interface ProducerTask {
  readonly topic: string
  readonly partitions: number
  /** Its number in the run. */
  readonly producer: number
  readonly acks: 'quorum' | 'leader'
  readonly isKeyed: boolean
  readonly recordsPerSecond: number
  /** Most records of one call. */
  readonly burstMax: number
  /** An error before that is a fault, one after it is not. */
  readonly deliveryTimeoutMs: number
  /** The deadline is so short that errors are to be expected. */
  readonly isImpatient: boolean
}

type Record = OutRecord<Uint8Array, Uint8Array>

/** Calls that may be unanswered at the same time. */
const IN_FLIGHT_MAX = 8

export class StreamProducer {
  private readonly journal: Journal<StreamStep>
  private readonly task: ProducerTask
  private readonly random: SeededRandom
  private readonly producer: Producer<Uint8Array, Uint8Array>
  private readonly keys: Buffer[][]
  /** Next sequence, by partition. */
  private readonly next: number[]
  private readonly inFlight = new Set<Promise<void>>()

  constructor (client: Client, task: ProducerTask, journal: Journal<StreamStep>, random: SeededRandom) {
    const { topic, acks, deliveryTimeoutMs, partitions } = task
    this.task = task
    this.journal = journal
    this.random = random
    this.producer = client.topic(topic, { key: bytes(), value: bytes() }).producer({ acks, deliveryTimeoutMs })
    this.keys = keysByPartition(partitions)
    this.next = Array.from({ length: partitions }, () => 0)
  }

  /** Sends until it is told to stop; resolves when every record has its answer. */
  async run (stopping: AbortSignal): Promise<void> {
    const { task, random } = this
    let dueMs = performance.now()
    while (!stopping.aborted) {
      const count = random.between(1, task.burstMax + 1)
      const sending: Promise<void> = this.sendBurst(count).finally(() => this.inFlight.delete(sending))
      this.inFlight.add(sending)
      dueMs += count / task.recordsPerSecond * 1_000
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await delay(waitMs)
      // What an outage has held up is not made up for.
      else if (waitMs < -1_000) dueMs = performance.now()
      while (this.inFlight.size >= IN_FLIGHT_MAX) await Promise.race(this.inFlight)
    }
    await Promise.all(this.inFlight)
    await this.producer.close()
  }

  private async sendBurst (count: number): Promise<void> {
    const { journal, task: { topic, producer } } = this
    const { records, lanes } = this.draw(count)
    journal.write({ step: 'sending', topic, producer, lanes })
    let results: SendResult[]
    try {
      results = await this.producer.sendBatch(records)
    } catch (error) {
      if (!BrokerError.is(error)) throw error
      results = records.map(() => ({ ok: false, error }))
    }
    this.tell(lanes, results)
  }

  /** Some partitions, and some records for each. */
  private draw (count: number): { records: Record[], lanes: LaneRun[] } {
    const { random, task: { partitions, isKeyed, producer } } = this
    const records: Record[] = []
    const lanes: LaneRun[] = []
    for (let left = count; left > 0;) {
      const partition = random.between(0, partitions)
      if (lanes.some(([taken]) => taken === partition)) break
      const size = random.between(1, left + 1)
      const first = this.next[partition]!
      const keys = this.keys[partition]!
      for (let sequence = first; sequence < first + size; sequence++) {
        const value = laneValue(producer, sequence)
        records.push(isKeyed ? { key: keys[sequence % keys.length]!, value } : { partition, value })
      }
      lanes.push([partition, first, size])
      this.next[partition] = first + size
      left -= size
    }
    return { records, lanes }
  }

  private tell (lanes: readonly LaneRun[], results: readonly SendResult[]): void {
    const { journal, task: { topic, producer, isImpatient: isExpected } } = this
    const runs: SentRun[] = []
    let index = 0
    for (const [partition, first, count] of lanes) {
      for (let sequence = first; sequence < first + count; sequence++) {
        const result = results[index++]!
        if (result.ok) addSent(runs, partition, result.offset, sequence)
        else {
          const { error } = result
          journal.write({
            step: 'notSent',
            topic,
            producer,
            lanes: [[partition, sequence, 1]],
            maybe: error.maybeApplied,
            isExpected,
            error: error.message,
          })
        }
      }
    }
    if (runs.length > 0) journal.write({ step: 'sent', topic, producer, runs })
  }
}

function addSent (runs: SentRun[], partition: number, offset: number, sequence: number): void {
  const last = runs.at(-1)
  const follows = last !== undefined && last[0] === partition && last[2] + last[3] === sequence &&
    (offset < 0 ? last[1] < 0 : last[1] + last[3] === offset)
  if (follows) runs[runs.length - 1] = [partition, last[1], last[2], last[3] + 1]
  else runs.push([partition, offset, sequence, 1])
}
