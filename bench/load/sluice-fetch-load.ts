// Reads a backlog of Sluice from its start to its end, again and again. The backlog is made before, in batches of the
// size asked for.

import { connect, type Client } from '@sluice/client'
import type { FetchWorkload } from '../workload.js'
import type { Load } from './load.js'
import { batchBytesFor } from './sluice-produce-load.js'
import { makeTopic, TOPIC } from './sluice-topic.js'
import { makeValues } from './values.js'

/** A pass ends with a fetch that finds nothing: it must not be waited for until the next pass may begin. */
const WAIT_MS = 5

export class SluiceFetchLoad implements Load {
  readonly recordBytes: number
  readonly doneBatches = null
  readonly failedRecords = 0
  readonly latencies = null
  doneRecords = 0
  /** Bytes of values looked at. */
  valueBytes = 0
  private readonly address: string
  private readonly workload: FetchWorkload
  private readonly abort = new AbortController()
  private client: Client | null = null
  private ended: Promise<void> | null = null

  constructor (address: string, workload: FetchWorkload) {
    this.address = address
    this.workload = workload
    this.recordBytes = workload.size
  }

  async prepare (): Promise<void> {
    const { size, batch, backlog, partitions } = this.workload
    const writing = await makeTopic(this.address, partitions, 'interval')
    const producer = writing.topic(TOPIC).producer({ batchBytes: batchBytesFor(batch, size) })
    const values = makeValues(size)
    for (let count = 0; count < backlog; count++) {
      if (!producer.write({ value: values[count & 63]! })) await producer.drained()
    }
    await producer.flush()
    await writing.close()
    this.client = connect({ brokers: [this.address], clientId: 'sluice-bench' })
    await this.client.ready()
  }

  start (): void {
    this.ended = this.run()
  }

  async stop (): Promise<void> {
    this.abort.abort()
    await this.ended
    await this.client!.close()
  }

  private async run (): Promise<void> {
    const { signal } = this.abort
    try {
      if (this.workload.depth === 'records') while (!signal.aborted) await this.readRecords(signal)
      else await this.readBatches(signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  private async readRecords (signal: AbortSignal): Promise<void> {
    let records = 0
    for await (const { value } of this.client!.topic(TOPIC).read({ signal })) {
      this.valueBytes += value!.length
      this.doneRecords++
      records++
    }
    this.checkPass(records)
  }

  /** Goes back to the start when the backlog is through; it ends when the consumer is closed by the signal. */
  private async readBatches (signal: AbortSignal): Promise<void> {
    const { backlog, depth } = this.workload
    const consumer = this.client!.topic(TOPIC).consumer({ group: 'bench', from: 'earliest', maxWaitMs: WAIT_MS, signal })
    let records = 0
    for await (const batch of consumer.batches()) {
      if (depth === 'batches') for (const { value } of batch) this.valueBytes += value!.length
      records += batch.size
      this.doneRecords += batch.size
      if (records < backlog) continue
      this.checkPass(records)
      records = 0
      await consumer.seek('earliest')
    }
  }

  private checkPass (records: number): void {
    const { backlog } = this.workload
    if (records !== backlog) throw new Error(`a pass over the backlog of ${backlog} records gave ${records}`)
  }
}
