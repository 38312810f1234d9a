// Produces to the bare loop: as much as the window takes, always.
//
// All batches have one size, since all records have the same size and the records of a batch the same time: what is
// acknowledged in bytes says how many records that is.

import { RecordBatchBuilder } from '@sluice/protocol'
import { BareConnection } from '../bare-loop/bare-connection.js'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import type { Latencies, Load } from './load.js'
import { makeValues } from './values.js'

export interface BareProduceOptions {
  readonly port: number
  readonly recordBytes: number
  readonly batchRecords: number
  readonly connections: number
  /** What is on its way over all connections; a batch for each connection at least. */
  readonly inFlight: { readonly bytes: number } | { readonly batches: number }
  /** Record how long each batch takes. */
  readonly recordLatency: boolean
}

/** One connection and its window. */
interface Lane { readonly connection: BareConnection, readonly sentAtMs: number[], ackedBatches: number }

export class BareProduceLoad implements Load {
  readonly recordBytes: number
  readonly failedRecords = 0
  readonly latencies: Latencies | null
  private readonly options: BareProduceOptions
  private readonly values: Buffer[]
  private readonly builder: RecordBatchBuilder
  private readonly lanes: Lane[] = []
  private batchBytes = 0
  /** Bytes that may be on their way on each connection. */
  private windowBytes = 0
  private stopping = false

  constructor (options: BareProduceOptions) {
    this.options = options
    this.recordBytes = options.recordBytes
    this.values = makeValues(options.recordBytes)
    this.builder = new RecordBatchBuilder((options.recordBytes + 16) * options.batchRecords + 256)
    this.latencies = options.recordLatency ? { service: new LatencyRecorder() } : null
  }

  get doneBatches (): number {
    let batches = 0
    for (const { connection } of this.lanes) batches += connection.ackedBytes / this.batchBytes
    return batches
  }

  get doneRecords (): number { return this.doneBatches * this.options.batchRecords }

  async prepare (): Promise<void> {
    const { inFlight, connections } = this.options
    this.batchBytes = this.makeBatch().length
    this.windowBytes = ('bytes' in inFlight ? inFlight.bytes : inFlight.batches * this.batchBytes) / connections
    for (let index = 0; index < connections; index++) {
      const lane = { connection: await BareConnection.open(this.options.port), sentAtMs: [], ackedBatches: 0 }
      lane.connection.onAck = () => this.onAck(lane)
      this.lanes.push(lane)
    }
  }

  start (): void {
    for (const lane of this.lanes) this.fill(lane)
  }

  async stop (): Promise<void> {
    this.stopping = true
    await Promise.all(this.lanes.map(lane => lane.connection.close()))
  }

  private onAck (lane: Lane): void {
    if (this.latencies !== null) {
      const nowMs = performance.now()
      for (const acked = lane.connection.ackedBytes / this.batchBytes; lane.ackedBatches < acked; lane.ackedBatches++) {
        this.latencies.service.record(nowMs - lane.sentAtMs.shift()!)
      }
    }
    if (!this.stopping) this.fill(lane)
  }

  private fill (lane: Lane): void {
    do {
      if (this.latencies !== null) lane.sentAtMs.push(performance.now())
      lane.connection.send(this.makeBatch())
    } while (lane.connection.unackedBytes + this.batchBytes <= this.windowBytes)
  }

  private makeBatch (): Buffer {
    const { builder, values } = this
    const nowMs = Date.now()
    for (let count = this.options.batchRecords; count > 0; count--) builder.append(null, values[count & 63]!, nowMs)
    return builder.build()
  }
}
