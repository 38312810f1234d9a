// Records at a fixed rate to a queue that is empty, up to the handler of a worker on a connection of its own.

import { connect, type Client, type LeasedRecord, type Queue } from '@sluice/client'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import type { QueueWorkload } from '../queue-workload.js'
import type { Load } from './load.js'
import { Pacer } from './pacer.js'
import { SentTimes } from './sent-times.js'
import { makeQueue, TOPIC } from './sluice-topic.js'
import { makeValues } from './values.js'

export class SluiceQueueLatencyLoad implements Load {
  readonly recordBytes: number
  readonly doneBatches = null
  readonly latencies = { intended: new LatencyRecorder(), service: new LatencyRecorder() }
  doneRecords = 0
  failedRecords = 0
  private readonly address: string
  private readonly workload: QueueWorkload
  private readonly template: Buffer
  private readonly pacer: Pacer
  private readonly sent = new SentTimes()
  private sending: Client | null = null
  private working: Client | null = null
  private queue: Queue | null = null
  private work: Promise<void> | null = null

  constructor (address: string, workload: QueueWorkload) {
    this.address = address
    this.workload = workload
    this.recordBytes = workload.size
    this.template = makeValues(workload.size)[0]!
    this.pacer = new Pacer(workload.rate!, sequence => this.send(sequence))
  }

  async prepare (): Promise<void> {
    this.sending = await makeQueue(this.address, this.workload)
    this.queue = this.sending.queue(TOPIC)
    this.working = connect({ brokers: [this.address], clientId: 'sluice-bench-worker' })
    await this.working.ready()
  }

  start (): void {
    const concurrency = this.workload.concurrency ?? this.workload.receivers
    this.work = this.working!.queue(TOPIC).work(record => this.arrived(record), { concurrency })
    this.pacer.start()
  }

  async stop (): Promise<void> {
    this.pacer.stop()
    await this.sending!.close()
    await this.working!.close()
    await this.work
  }

  private send (sequence: number): boolean {
    const value = Buffer.from(this.template)
    value.writeDoubleBE(sequence)
    this.sent.note(sequence)
    const { keys } = this.workload
    const record = keys === 0 ? { value } : { key: Buffer.from(`key-${sequence % keys}`), value }
    this.queue!.send(record).catch(() => { this.failedRecords++ })
    return true
  }

  private arrived ({ value }: LeasedRecord<Uint8Array, Uint8Array>): void {
    const sequence = (value as Buffer).readDoubleBE(0)
    this.doneRecords++
    const nowMs = performance.now()
    this.latencies.intended.record(nowMs - this.pacer.intendedMs(sequence))
    this.latencies.service.record(nowMs - this.sent.at(sequence))
  }
}
