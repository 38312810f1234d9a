// Records at a fixed rate through Sluice: written by a producer, read at the end of the log by a reader on a connection
// of its own.

import { connect, type Client, type Producer } from '@sluice/client'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import type { EndToEndWorkload } from '../workload.js'
import type { Load } from './load.js'
import { Pacer } from './pacer.js'
import { SentTimes } from './sent-times.js'
import { makeTopic, TOPIC } from './sluice-topic.js'
import { makeValues } from './values.js'

export class SluiceEndToEndLoad implements Load {
  readonly recordBytes: number
  readonly doneBatches = null
  readonly latencies = { intended: new LatencyRecorder(), service: new LatencyRecorder() }
  doneRecords = 0
  private readonly address: string
  private readonly workload: EndToEndWorkload
  private readonly template: Buffer
  private readonly pacer: Pacer
  private readonly sent = new SentTimes()
  private readonly abort = new AbortController()
  private writing: Client | null = null
  private reading: Client | null = null
  private producer: Producer | null = null
  private reader: Promise<void> | null = null

  constructor (address: string, workload: EndToEndWorkload) {
    this.address = address
    this.workload = workload
    this.recordBytes = workload.size
    this.template = makeValues(workload.size)[0]!
    this.pacer = new Pacer(workload.rate, sequence => this.send(sequence))
  }

  get failedRecords (): number { return this.producer?.failedRecords ?? 0 }

  async prepare (): Promise<void> {
    this.writing = await makeTopic(this.address, 1, this.workload.flush)
    this.producer = this.writing.topic(TOPIC).producer()
    this.reading = connect({ brokers: [this.address], clientId: 'sluice-bench-reader' })
    await this.reading.ready()
  }

  start (): void {
    this.reader = this.read()
    this.pacer.start()
  }

  async stop (): Promise<void> {
    this.pacer.stop()
    this.abort.abort()
    await this.reader
    await Promise.all([this.writing!.close(), this.reading!.close()])
  }

  /** Holds the schedule where the producer has no room: what waits is late, and its latency says so. */
  private send (sequence: number): boolean {
    const value = Buffer.from(this.template)
    value.writeDoubleBE(sequence)
    this.sent.note(sequence)
    if (this.producer!.write({ value })) return true
    this.producer!.drained().then(() => this.pacer.resume())
    return false
  }

  private async read (): Promise<void> {
    const { signal } = this.abort
    try {
      for await (const { value } of this.reading!.topic(TOPIC).read({ from: 'earliest', to: Infinity, signal })) {
        this.arrived((value as Buffer).readDoubleBE(0))
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  private arrived (sequence: number): void {
    if (sequence !== this.doneRecords) throw new Error(`record ${sequence} came where ${this.doneRecords} was due`)
    this.doneRecords++
    const nowMs = performance.now()
    this.latencies.intended.record(nowMs - this.pacer.intendedMs(sequence))
    this.latencies.service.record(nowMs - this.sent.at(sequence))
  }
}
