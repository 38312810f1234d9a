// Topics, producers, groups and a rate, in the shape of the OpenMessaging Benchmark.
//
//   Pacer ─▶ producers, one after the other ─▶ topics ─▶ every group of the topic ─▶ consumers ─▶ latencies
//
// A value begins with two moments on the clock of this process, as doubles: when it should have been sent, and when it
// was. Each record has to reach each group of its topic exactly once: what is missing or too many is a fault.

import { setMaxListeners } from 'node:events'
import { connect, type Client, type Consumer, type Producer } from '@sluice/client'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import type { KeyDistribution, MessagingWorkload } from '../workload.js'
import type { Load } from './load.js'
import { Pacer } from './pacer.js'
import { makeValues } from './values.js'

/** Keys that records may have. */
const KEYS = 10_000
/** Groups that have not got everything by then have lost something. */
const SETTLE_TIMEOUT_MS = 30_000
const ASSIGN_TIMEOUT_MS = 30_000
const POLL_MS = 10

export class SluiceMessagingLoad implements Load {
  readonly recordBytes: number
  readonly doneBatches = null
  readonly latencies = { intended: new LatencyRecorder(), service: new LatencyRecorder() }
  private readonly address: string
  private readonly workload: MessagingWorkload
  private readonly template: Buffer
  private readonly pacer: Pacer
  private readonly clients: Client[] = []
  private readonly producers: Producer[] = []
  private readonly reading: Promise<void>[] = []
  private readonly consumers: Consumer[] = []
  private readonly abort = new AbortController()
  private received = 0
  private readonly random = makeRandom()

  constructor (address: string, workload: MessagingWorkload) {
    this.address = address
    this.workload = workload
    this.recordBytes = workload.size
    this.template = makeValues(workload.size)[0]!
    this.pacer = new Pacer(workload.rate, sequence => this.send(sequence))
    // All consumers listen to it.
    setMaxListeners(0, this.abort.signal)
  }

  /** Records that have reached all groups, on average. */
  get doneRecords (): number { return Math.floor(this.received / this.workload.subscriptionsPerTopic) }

  get failedRecords (): number {
    return this.producers.reduce((sum, producer) => sum + producer.failedRecords, 0)
  }

  async prepare (): Promise<void> {
    const { topics, partitionsPerTopic, producersPerTopic, flush } = this.workload
    const admin = this.client('admin')
    for (let topic = 0; topic < topics; topic++) {
      await admin.admin.createTopic(topicName(topic), { partitions: partitionsPerTopic, config: { flush } })
      for (let index = 0; index < producersPerTopic; index++) {
        const client = this.client(`producer-${topic}-${index}`)
        await client.ready()
        this.producers.push(client.topic(topicName(topic)).producer())
      }
      await this.subscribe(topic)
    }
    await this.assigned()
  }

  start (): void { this.pacer.start() }

  async stop (): Promise<void> {
    this.pacer.stop()
    await Promise.all(this.producers.map(producer => producer.flush()))
    const expected = (this.pacer.count - this.failedRecords) * this.workload.subscriptionsPerTopic
    await until(() => this.received >= expected, SETTLE_TIMEOUT_MS)
    const { received } = this
    this.abort.abort()
    await Promise.all(this.reading)
    await Promise.all(this.clients.map(client => client.close()))
    if (received !== expected) throw new Error(`${expected} records were due at the groups and ${received} came`)
  }

  private client (name: string): Client {
    const client = connect({ brokers: [this.address], clientId: `sluice-bench-${name}` })
    this.clients.push(client)
    return client
  }

  private async subscribe (topic: number): Promise<void> {
    const { subscriptionsPerTopic, consumersPerSubscription } = this.workload
    for (let group = 0; group < subscriptionsPerTopic; group++) {
      for (let index = 0; index < consumersPerSubscription; index++) {
        const client = this.client(`consumer-${topic}-${group}-${index}`)
        await client.ready()
        const consumer = client.topic(topicName(topic))
          .consumer({ group: `bench-${topic}-${group}`, from: 'earliest', signal: this.abort.signal })
        this.consumers.push(consumer)
        this.reading.push(this.read(consumer))
      }
    }
  }

  /** Resolves when the groups have dealt out all partitions. */
  private async assigned (): Promise<void> {
    const { topics, partitionsPerTopic, subscriptionsPerTopic } = this.workload
    const all = topics * partitionsPerTopic * subscriptionsPerTopic
    const dealt = (): number => this.consumers.reduce((sum, consumer) => sum + consumer.assignment.length, 0)
    if (!await until(() => dealt() === all, ASSIGN_TIMEOUT_MS)) {
      throw new Error(`${dealt()} of ${all} partitions were assigned after ${ASSIGN_TIMEOUT_MS / 1000} s`)
    }
  }

  private send (sequence: number): boolean {
    const value = Buffer.from(this.template)
    value.writeDoubleBE(this.pacer.intendedMs(sequence), 0)
    value.writeDoubleBE(performance.now(), 8)
    const producer = this.producers[sequence % this.producers.length]!
    const key = keyOf(this.workload.keys, sequence, this.random)
    if (producer.write(key === null ? { value } : { key, value })) return true
    producer.drained().then(() => this.pacer.resume())
    return false
  }

  private async read (consumer: Consumer): Promise<void> {
    const { intended, service } = this.latencies
    try {
      for await (const batch of consumer.batches()) {
        const nowMs = performance.now()
        for (const { value } of batch) {
          const bytes = value as Buffer
          intended.record(nowMs - bytes.readDoubleBE(0))
          service.record(nowMs - bytes.readDoubleBE(8))
        }
        this.received += batch.size
      }
    } catch (error) {
      if (!this.abort.signal.aborted) throw error
    }
  }
}

const KEY_TABLE = Array.from({ length: KEYS }, (_, number) => Buffer.from(`key-${number}`))

function keyOf (distribution: KeyDistribution, sequence: number, random: () => number): Buffer | null {
  switch (distribution) {
    case 'none': return null
    case 'round-robin': return KEY_TABLE[sequence % KEYS]!
    case 'random': return KEY_TABLE[Math.floor(random() * KEYS)]!
  }
}

/** The same numbers in every run, 0 to below 1. */
function makeRandom (): () => number {
  let state = 0x2545f491
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

function topicName (topic: number): string { return `bench-${topic}` }

/** Waits until something holds; resolves with whether it did in time. */
async function until (holds: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs
  while (!holds()) {
    if (performance.now() > deadlineMs) return false
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
  return true
}
