// A backlog of a queue, received and acknowledged, or worked on. A record is done when it is acknowledged durably:
// with `receive` that is when the promise of its ack resolves; with `work` it is counted when its handler returns, and
// acks follow within the bound of leases in flight.
//
//   receive:  receiver ──▶ receive ──▶ ack, ack, … ──▶ all durable ──▶ receive …       each receiver by itself
//   work:     handler ──▶ handler …        every so many of them hang for the visibility time
//
// The latency with `receive` is that of a receive with the acks of all that it gave.

import { connect, type Client, type LeasedRecord, type Queue } from '@sluice/client'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import type { QueueWorkload } from '../queue-workload.js'
import type { Load } from './load.js'
import { QueueBacklog } from './queue-backlog.js'
import { makeQueue, TOPIC } from './sluice-topic.js'

/** How long a receiver waits where the queue is empty, in milliseconds. */
const WAIT_MS = 200

export class SluiceQueueLoad implements Load {
  readonly recordBytes: number
  readonly latencies: { service: LatencyRecorder } | null
  doneRecords = 0
  doneBatches: number | null
  failedRecords = 0
  /** Bytes of values looked at. */
  valueBytes = 0
  private readonly address: string
  private readonly workload: QueueWorkload
  private sending: Client | null = null
  private receiving: Client | null = null
  private backlog: QueueBacklog | null = null
  private running: Promise<void>[] = []
  private calls = 0
  private stopping = false
  private readonly hanging = new Set<() => void>()

  constructor (address: string, workload: QueueWorkload) {
    this.address = address
    this.workload = workload
    this.recordBytes = workload.size
    this.latencies = workload.concurrency === null ? { service: new LatencyRecorder() } : null
    this.doneBatches = workload.concurrency === null ? 0 : null
  }

  async prepare (): Promise<void> {
    this.sending = await makeQueue(this.address, this.workload)
    this.backlog = new QueueBacklog(this.sending, this.workload)
    await this.backlog.fill()
    this.receiving = connect({ brokers: [this.address], clientId: 'sluice-bench-receiver' })
    await this.receiving.ready()
  }

  start (): void {
    const { concurrency, receivers } = this.workload
    const queue = this.receiving!.queue(TOPIC)
    this.running = concurrency === null
      ? Array.from({ length: receivers }, () => this.receive(queue))
      : [queue.work(record => this.handle(record), { concurrency })]
    this.backlog!.keepFilled(() => this.doneRecords)
  }

  async stop (): Promise<void> {
    this.stopping = true
    await this.backlog!.stop()
    for (const release of this.hanging) release()
    await this.receiving!.close()
    await Promise.all(this.running)
    await this.sending!.close()
  }

  private async receive (queue: Queue): Promise<void> {
    const { receiveRecords } = this.workload
    while (!this.stopping) {
      const startedMs = performance.now()
      const records = await queue.receive({ maxRecords: receiveRecords, waitMs: WAIT_MS })
      if (records.length === 0) continue
      for (const { value } of records) this.valueBytes += value!.length
      const outcomes = await Promise.all(records.map(record => record.ack()))
      for (const outcome of outcomes) if (outcome !== 'ok') this.failedRecords++
      this.doneRecords += records.length
      this.doneBatches!++
      this.latencies!.service.record(performance.now() - startedMs)
    }
  }

  private handle ({ value }: LeasedRecord<Uint8Array, Uint8Array>): Promise<void> | undefined {
    this.valueBytes += value!.length
    const { hangEvery } = this.workload
    if (hangEvery !== null && ++this.calls % hangEvery === 0) return this.hang()
    this.doneRecords++
    return undefined
  }

  private async hang (): Promise<void> {
    await new Promise<void>(resolve => {
      const release = (): void => {
        clearTimeout(timer)
        this.hanging.delete(release)
        resolve()
      }
      const timer = setTimeout(release, this.workload.visibilityMs)
      this.hanging.add(release)
    })
    this.doneRecords++
  }
}
