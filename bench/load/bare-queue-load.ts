// What a queue does at its barest: a batch of a backlog read, its records walked, and a note that they are done made
// durable and answered. Each receiver waits for that answer before it asks for its next batch.
//
//   receiver ── ask ──▶ fetch port ── batch ──▶ walk ── note ──▶ produce port ── durable ──▶ done, ask again
//
// There are no leases: nobody but the asker knows which records are done.

import type { Socket } from 'node:net'
import { BATCH_POSITION, RecordBatchBuilder, RecordReader } from '@sluice/protocol'
import { BareConnection, closeSocket, connectTo } from '../bare-loop/bare-connection.js'
import { FETCH_BYTES } from '../bare-loop/bare-server.js'
import { BatchIntake, intakeOnRead, type BatchRun } from '../bare-loop/batch-intake.js'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import type { Load } from './load.js'

export interface BareQueueOptions {
  readonly ports: { fetch: number, produce: number }
  /** Size of the backlog file in bytes; its batches are all alike in size. */
  readonly fileBytes: number
  /** Batches of the backlog. */
  readonly batches: number
  readonly recordBytes: number
  readonly receivers: number
}

/** A batch on its way through: when it was asked for, and what its note ends at in the stream of notes. */
interface Receive { readonly askedMs: number, records: number, noteEndBytes: number }

/** About what a settle of one run takes. */
const NOTE = Buffer.alloc(32, 1)

export class BareQueueLoad implements Load {
  readonly recordBytes: number
  readonly failedRecords = 0
  readonly latencies = { service: new LatencyRecorder() }
  doneRecords = 0
  doneBatches = 0
  /** Bytes of values looked at. */
  valueBytes = 0
  private readonly options: BareQueueOptions
  private readonly batchBytes: number
  private readonly reader = new RecordReader()
  private readonly builder = new RecordBatchBuilder()
  private readonly intake = new BatchIntake(run => this.onRun(run))
  private asked: Receive[] = []
  private noted: Receive[] = []
  private socket: Socket | null = null
  private notes: BareConnection | null = null
  private position = 0
  private stopping = false

  constructor (options: BareQueueOptions) {
    this.options = options
    this.recordBytes = options.recordBytes
    this.batchBytes = options.fileBytes / options.batches
    if (!Number.isInteger(this.batchBytes)) throw new Error('the batches of the backlog differ in size')
  }

  async prepare (): Promise<void> {
    const { ports } = this.options
    this.socket = await connectTo(ports.fetch, { onread: intakeOnRead(this.intake) })
    this.notes = await BareConnection.open(ports.produce)
    this.notes.onAck = () => this.onAck()
  }

  start (): void {
    for (let receiver = 0; receiver < this.options.receivers; receiver++) this.ask()
  }

  /** What was asked for is waited for: a connection cut in the middle would be a fault to the server. */
  async stop (): Promise<void> {
    this.stopping = true
    while (this.asked.length + this.noted.length > 0) await new Promise(resolve => { setTimeout(resolve, 1) })
    await this.notes!.close()
    await closeSocket(this.socket!)
  }

  private ask (): void {
    if (this.stopping) return
    const request = Buffer.allocUnsafe(FETCH_BYTES)
    request.writeDoubleBE(this.position, 0)
    request.writeDoubleBE(this.batchBytes, 8)
    this.position = (this.position + this.batchBytes) % this.options.fileBytes
    this.asked.push({ askedMs: performance.now(), records: 0, noteEndBytes: 0 })
    this.socket!.write(request)
  }

  private onRun (run: BatchRun): void {
    const { bytes } = run
    for (let position = 0; position < bytes.length; position += bytes.readUInt32BE(position + BATCH_POSITION.size)) {
      const receive = this.asked.shift()!
      const reader = this.reader.open(bytes, position)
      for (; reader.next(); receive.records++) this.valueBytes += reader.valueEnd - reader.valueStart
      this.builder.append(null, NOTE, 0)
      this.notes!.send(this.builder.build())
      receive.noteEndBytes = this.notes!.sentBytes
      this.noted.push(receive)
    }
    this.intake.release(run)
  }

  private onAck (): void {
    const nowMs = performance.now()
    while (this.noted.length > 0 && this.noted[0]!.noteEndBytes <= this.notes!.ackedBytes) {
      const { askedMs, records } = this.noted.shift()!
      this.doneRecords += records
      this.doneBatches++
      this.latencies.service.record(nowMs - askedMs)
      this.ask()
    }
  }
}
