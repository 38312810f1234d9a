// Callers of `await producer.send()`, one record at a time each, on one producer.

import type { Client, Producer } from '@sluice/client'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import type { AwaitSendWorkload } from '../workload.js'
import type { Load } from './load.js'
import { makeTopic, TOPIC } from './sluice-topic.js'
import { makeValues } from './values.js'

export class SluiceAwaitSendLoad implements Load {
  readonly recordBytes: number
  readonly doneBatches = null
  readonly failedRecords = 0
  readonly latencies = { service: new LatencyRecorder() }
  doneRecords = 0
  private readonly address: string
  private readonly workload: AwaitSendWorkload
  private readonly values: Buffer[]
  private client: Client | null = null
  private callers: Promise<void>[] = []
  private stopping = false

  constructor (address: string, workload: AwaitSendWorkload) {
    this.address = address
    this.workload = workload
    this.recordBytes = workload.size
    this.values = makeValues(workload.size)
  }

  async prepare (): Promise<void> {
    this.client = await makeTopic(this.address, 1, this.workload.flush)
  }

  start (): void {
    const producer = this.client!.topic(TOPIC).producer()
    this.callers = Array.from({ length: this.workload.concurrency }, () => this.call(producer))
  }

  async stop (): Promise<void> {
    this.stopping = true
    await Promise.all(this.callers)
    await this.client!.close()
  }

  private async call (producer: Producer): Promise<void> {
    while (!this.stopping) {
      const sentMs = performance.now()
      await producer.send({ value: this.values[this.doneRecords & 63]! })
      this.latencies.service.record(performance.now() - sentMs)
      this.doneRecords++
    }
  }
}
