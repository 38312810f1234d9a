// A group that catches up with a backlog while records keep coming.
//
//   prepare: [ warm-up topic, read once ] [ backlog written ]     start: consumer begins, Pacer goes on writing
//
// It has caught up when what it has read is all that was written so far. The code of the reader is warm by then from
// another topic, so that the time counts from the first record of the backlog.

import { connect, type Client, type Producer } from '@sluice/client'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import type { BacklogWorkload } from '../workload.js'
import type { Load } from './load.js'
import { Pacer } from './pacer.js'
import { batchBytesFor } from './sluice-produce-load.js'
import { makeTopic, TOPIC } from './sluice-topic.js'
import { makeValues } from './values.js'

const WARMUP_TOPIC = 'warm-up'
const WARMUP_RECORDS = 200_000
/** Marks records that no latency is taken of: those of the backlog. */
const NO_MOMENT = -1

export class SluiceBacklogLoad implements Load {
  readonly recordBytes: number
  readonly doneBatches = null
  readonly latencies = { intended: new LatencyRecorder(), service: new LatencyRecorder() }
  doneRecords = 0
  private readonly address: string
  private readonly workload: BacklogWorkload
  private readonly template: Buffer
  private readonly pacer: Pacer
  private readonly abort = new AbortController()
  private writing: Client | null = null
  private reading: Client | null = null
  private producer: Producer | null = null
  private ended: Promise<void> | null = null

  constructor (address: string, workload: BacklogWorkload) {
    this.address = address
    this.workload = workload
    this.recordBytes = workload.size
    this.template = makeValues(workload.size)[0]!
    this.pacer = new Pacer(workload.rate, sequence => this.send(sequence))
  }

  get failedRecords (): number { return this.producer?.failedRecords ?? 0 }

  /** All of the backlog has been read, and nothing that was acknowledged since waits. */
  get isFinished (): boolean {
    const { backlog } = this.workload
    const written = backlog + this.pacer.count - this.producer!.pending.records
    return this.doneRecords >= Math.max(backlog, written)
  }

  async prepare (): Promise<void> {
    const { size, batch, backlog, partitions } = this.workload
    this.writing = await makeTopic(this.address, partitions, 'sync')
    await this.writing.admin.createTopic(WARMUP_TOPIC, { partitions: 1, config: { flush: 'interval' } })
    await this.fill(WARMUP_TOPIC, Math.min(WARMUP_RECORDS, backlog), batchBytesFor(batch, size))
    await this.fill(TOPIC, backlog, batchBytesFor(batch, size))
    this.producer = this.writing.topic(TOPIC).producer()
    this.reading = connect({ brokers: [this.address], clientId: 'sluice-bench-reader' })
    for await (const { value } of this.reading.topic(WARMUP_TOPIC).read()) this.arrived(value as Buffer, 0)
    this.doneRecords = 0
  }

  start (): void {
    this.pacer.start()
    this.ended = this.read()
  }

  async stop (): Promise<void> {
    this.pacer.stop()
    await this.producer!.flush()
    this.abort.abort()
    await this.ended
    await Promise.all([this.writing!.close(), this.reading!.close()])
  }

  private async fill (topic: string, records: number, batchBytes: number): Promise<void> {
    const producer = this.writing!.topic(topic).producer({ batchBytes })
    const value = Buffer.from(this.template)
    value.writeDoubleBE(NO_MOMENT, 0)
    for (let count = 0; count < records; count++) if (!producer.write({ value })) await producer.drained()
    await producer.flush()
    await producer.close()
  }

  private send (sequence: number): boolean {
    const value = Buffer.from(this.template)
    value.writeDoubleBE(this.pacer.intendedMs(sequence), 0)
    value.writeDoubleBE(performance.now(), 8)
    if (this.producer!.write({ value })) return true
    this.producer!.drained().then(() => this.pacer.resume())
    return false
  }

  private async read (): Promise<void> {
    const { signal } = this.abort
    const consumer = this.reading!.topic(TOPIC).consumer({ group: 'bench', from: 'earliest', signal })
    try {
      for await (const batch of consumer.batches()) {
        const nowMs = performance.now()
        for (const { value } of batch) this.arrived(value as Buffer, nowMs)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  private arrived (value: Buffer, nowMs: number): void {
    this.doneRecords++
    const intendedMs = value.readDoubleBE(0)
    if (intendedMs === NO_MOMENT) return
    this.latencies.intended.record(nowMs - intendedMs)
    this.latencies.service.record(nowMs - value.readDoubleBE(8))
  }
}
