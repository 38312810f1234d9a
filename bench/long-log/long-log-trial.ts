// One measurement of a long log, from the empty folder to the last start.
//
//   broker ─ idle ─ long log, short log written ─ short │ start │ middle │ end, in turns ─ lag
//     ─ SIGTERM ─ start ─ last record read ─ more written ─ SIGKILL ─ start ─ last record read
//
// This process is the client.

import os from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Client } from '@sluice/client'
import { BenchError } from '../bench-error.js'
import { makeValues } from '../load/values.js'
import { describeMachine, describeSource } from '../measure/machine.js'
import { startBrokerProcess } from '../process/broker-process.js'
import { spread } from '../summarize.js'
import {
  LONG_LOG_FORMAT, READ_PLACES, type LongLogPlan, type LongLogResult, type PlaceReading, type ReadPlace,
  type StartTimes,
} from './long-log-result.js'

export interface LongLogSettings {
  /** Folder for the data of the broker. */
  readonly folder: string
  readonly brokerOptions: Readonly<Record<string, string>>
  readonly onProgress?: (text: string) => void
}

type BrokerChild = Awaited<ReturnType<typeof startBrokerProcess>>['child']

const SHORT = 'short'
const LONG = 'long'
const GROUP = 'bench'
/** How long the memory of an idle broker is looked at, in milliseconds. */
const IDLE_MS = 2_000
/** Records written right before the broker is killed, at most. */
const LAST_RECORDS = 100_000

/** See the head of this file. */
export class LongLogTrial {
  private readonly plan: LongLogPlan
  private readonly folder: string
  private readonly settings: LongLogSettings
  private broker: BrokerChild | null = null
  private client: Client | null = null
  /** Records of the long log. */
  private written = 0
  /** So far: each has a group of its own, which begins where it is told to. */
  private readingCount = 0

  constructor (plan: LongLogPlan, folder: string, settings: LongLogSettings) {
    this.plan = plan
    this.folder = folder
    this.settings = settings
  }

  /** @throws BenchError as a rejection, where something is missing that was written. */
  async run (): Promise<LongLogResult> {
    const { plan, settings } = this
    const startedAt = new Date().toISOString()
    const loadAverageAtStart = os.loadavg()[0]!
    await this.start()
    const [, idle] = await this.watched(() => delay(IDLE_MS))
    for (const topic of [SHORT, LONG]) await this.client!.admin.createTopic(topic, { partitions: 1 })
    this.tell(`writing ${plan.records} records`)
    const [seconds, writing] = await this.watched(() => this.write(LONG, plan.records))
    // Behind the long one, so that its batches are those of a producer that is warm too.
    await this.write(SHORT, plan.readRecords)
    const [readings, reading] = await this.watched(() => this.readPlaces())
    const { lagMs, lagRecords } = await this.askLag()
    const afterStop = await this.startAgain(broker => broker.stop())
    await this.write(LONG, Math.min(LAST_RECORDS, plan.records))
    const afterKill = await this.startAgain(broker => broker.kill())
    const [, restarted] = await this.watched(() => delay(IDLE_MS))
    return {
      format: LONG_LOG_FORMAT,
      startedAt,
      plan,
      machine: await describeMachine(settings.folder),
      loadAverageAtStart,
      source: await describeSource(),
      writtenPerSecond: plan.records / seconds,
      readings,
      lagMs,
      lagRecords,
      afterStop,
      afterKill,
      rssBytes: { idle, writing, reading, restarted },
    }
  }

  /** Ends the broker, wherever it stands. */
  async end (): Promise<void> {
    await this.client?.close({ drainTimeoutMs: 0 }).catch(() => {})
    await this.broker?.stop()
  }

  private async start (): Promise<void> {
    const { child, address } = await startBrokerProcess({
      'log-level': 'warn', ...this.settings.brokerOptions, data: join(this.folder, 'data'), listen: '127.0.0.1:0',
    }, {})
    this.broker = child
    this.client = connect({ brokers: [address], clientId: 'sluice-bench' })
  }

  /** What `work` gives, and the highest resident memory of the broker meanwhile, in bytes. */
  private async watched<T> (work: () => Promise<T>): Promise<[T, number]> {
    await this.broker!.call('begin', null)
    const result = await work()
    const { rssBytesMax } = await this.broker!.call('end', null)
    return [result, rssBytesMax]
  }

  /** Resolves with the seconds that it took until all were acknowledged. */
  private async write (topic: string, records: number): Promise<number> {
    const values = makeValues(this.plan.size)
    const producer = this.client!.topic(topic).producer()
    const startMs = performance.now()
    for (let count = 0; count < records; count++) {
      if (!producer.write({ value: values[count & 63]! })) await producer.drained()
    }
    await producer.close()
    if (topic === LONG) this.written += records
    return (performance.now() - startMs) / 1000
  }

  private async readPlaces (): Promise<PlaceReading[]> {
    const rates = new Map<ReadPlace, number[]>(READ_PLACES.map(place => [place, []]))
    for (const place of READ_PLACES) await this.read(place) // until all code is compiled
    for (let round = 1; round <= this.plan.rounds; round++) {
      for (const place of READ_PLACES) {
        this.tell(`round ${round} of ${this.plan.rounds}, ${place}`)
        rates.get(place)!.push(await this.read(place))
      }
    }
    const short = rates.get('short')!
    return READ_PLACES.map(place => {
      const list = rates.get(place)!
      return { place, recordsPerSecond: spread(list), byShort: spread(list.map((rate, index) => rate / short[index]!)) }
    })
  }

  /** Reads one place; resolves with records a second, from the first record on. */
  private async read (place: ReadPlace): Promise<number> {
    const { readRecords } = this.plan
    const offset = this.offsetOf(place)
    const topic = this.client!.topic(place === 'short' ? SHORT : LONG)
    await using consumer = topic.consumer({ group: `${GROUP}-${this.readingCount++}`, from: { 0: offset } })
    let records = 0
    let valueBytes = 0
    let startMs = 0
    let first = 0
    for await (const batch of consumer.batches()) {
      for (const { value } of batch) valueBytes += value!.length
      records += batch.size
      if (startMs === 0) {
        startMs = performance.now()
        first = records
      }
      if (records >= readRecords) break
    }
    if (valueBytes !== records * this.plan.size) throw new BenchError(1, `values of ${valueBytes} bytes came with ${records} records`)
    return (records - first) / (performance.now() - startMs) * 1000
  }

  private offsetOf (place: ReadPlace): number {
    const { written, plan: { readRecords } } = this
    switch (place) {
      case 'short':
      case 'start': return 0
      case 'middle': return Math.floor((written - readRecords) / 2)
      case 'end': return written - readRecords
    }
  }

  private async askLag (): Promise<{ lagMs: number, lagRecords: number }> {
    await using consumer = this.client!.topic(LONG).consumer({ group: `${GROUP}-lag`, ack: 'explicit', from: 'earliest' })
    await consumer.lag() // joins the group
    const startMs = performance.now()
    const { records } = await consumer.lag()
    if (records !== this.written) throw new BenchError(1, `the lag is said to be ${records} where ${this.written} records wait`)
    return { lagMs: performance.now() - startMs, lagRecords: records }
  }

  /** Ends the broker, starts it again and reads the last record. */
  private async startAgain (end: (broker: BrokerChild) => Promise<void>): Promise<StartTimes> {
    await this.client!.close({ drainTimeoutMs: 0 })
    await end(this.broker!)
    const startMs = performance.now()
    await this.start()
    const readyMs = performance.now() - startMs
    let last = -1
    for await (const { offset } of this.client!.topic(LONG).read({ from: -1 })) last = offset
    if (last !== this.written - 1) throw new BenchError(1, `the last record is ${last} where ${this.written - 1} was acknowledged`)
    return { readyMs, readMs: performance.now() - startMs }
  }

  private tell (text: string): void { this.settings.onProgress?.(`long-log: ${text}`) }
}
