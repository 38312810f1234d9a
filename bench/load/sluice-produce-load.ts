// Produces to Sluice the way a program in a hurry does: `write` until it says stop, `drained`, and so on.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect, type Client, type ProduceMessage, type Producer } from '@sluice/client'
import { RecordBatchBuilder, recordBytesMax } from '@sluice/protocol'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import type { ProduceWorkload } from '../workload.js'
import type { Load } from './load.js'
import { makeTopic, TOPIC } from './sluice-topic.js'
import { makeValues, valuesApart } from './values.js'

const BATCH_BYTES_MIN = 1024
const BUFFER_BYTES_MIN = 64 * 1024

/** One connection with its producer. */
interface Lane { readonly client: Client, readonly producer: Producer, written: number, ended: Promise<void> | null }

export class SluiceProduceLoad implements Load {
  readonly recordBytes: number
  /** Of batches, from the moment they were sent. */
  readonly latencies = { service: new LatencyRecorder() }
  doneBatches = 0
  private readonly address: string
  private readonly workload: ProduceWorkload
  private readonly values: Buffer[]
  private readonly lanes: Lane[] = []
  private stopping = false

  constructor (address: string, workload: ProduceWorkload) {
    this.address = address
    this.workload = workload
    this.recordBytes = workload.size
    this.values = workload.compression === 'none' ? makeValues(workload.size) : valuesApart(workload.size)
  }

  get doneRecords (): number {
    let records = 0
    for (const { producer, written } of this.lanes) {
      records += written - producer.pending.records - producer.failedRecords
    }
    return records
  }

  get failedRecords (): number {
    let records = 0
    for (const { producer } of this.lanes) records += producer.failedRecords
    return records
  }

  async prepare (): Promise<void> {
    const { partitions, flush, connections, batch, lingerMs, acks, compression, inFlightBytes } = this.workload
    const admin = await makeTopic(this.address, partitions, flush)
    await admin.close()
    for (let index = 0; index < connections; index++) {
      const client = connect({ brokers: [this.address], clientId: `sluice-bench-${index}` })
      const producer = client.topic(TOPIC).producer({
        acks,
        lingerMs,
        compression,
        ...(batch === null ? {} : { batchBytes: batchBytesFor(batch, this.recordBytes) }),
        ...(inFlightBytes === null ? {} : { bufferBytes: Math.max(BUFFER_BYTES_MIN, inFlightBytes / connections) }),
      })
      await client.ready()
      this.lanes.push({ client, producer, written: 0, ended: null })
    }
    subscribe('sluice:client:produce', this.onProduce)
  }

  start (): void {
    for (const lane of this.lanes) lane.ended = this.run(lane)
  }

  /** Everything written is acknowledged when it returns. */
  async stop (): Promise<void> {
    this.stopping = true
    await Promise.all(this.lanes.map(({ ended }) => ended))
    await Promise.all(this.lanes.map(({ client }) => client.close()))
    unsubscribe('sluice:client:produce', this.onProduce)
  }

  private async run (lane: Lane): Promise<void> {
    const { producer } = lane
    const { values } = this
    const mask = values.length - 1
    while (!this.stopping) {
      const room = producer.write({ value: values[lane.written & mask]! })
      lane.written++
      if (!room) await producer.drained()
    }
    await producer.flush()
  }

  private readonly onProduce = (message: unknown): void => {
    const { error, durationMs } = message as ProduceMessage
    if (error !== null) return
    this.doneBatches++
    this.latencies.service.record(durationMs)
  }
}

/** The `batchBytes` with which batches come out at `records` of `recordBytes` each, as near as the option allows. */
export function batchBytesFor (records: number, recordBytes: number): number {
  const value = Buffer.alloc(recordBytes)
  const builder = new RecordBatchBuilder()
  for (let count = 1; count < records; count++) builder.append(null, value, 0)
  // The producer closes a batch when the next record, counted at its largest, might not fit.
  const last = builder.size + recordBytesMax(null, value)
  return Math.max(BATCH_BYTES_MIN, last + (recordBytes >> 1))
}
