// Records at a fixed rate through the bare loop: a batch for each, out on one connection, back on a tail connection
// when it is durable.

import type { Socket } from 'node:net'
import { BATCH_POSITION, RecordBatchBuilder, RecordReader } from '@sluice/protocol'
import { BareConnection, closeSocket, connectTo } from '../bare-loop/bare-connection.js'
import { BatchIntake, intakeOnRead, type BatchRun } from '../bare-loop/batch-intake.js'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import type { Load } from './load.js'
import { Pacer } from './pacer.js'
import { SentTimes } from './sent-times.js'
import { makeValues } from './values.js'

export class BareEndToEndLoad implements Load {
  readonly recordBytes: number
  readonly failedRecords = 0
  readonly latencies = { intended: new LatencyRecorder(), service: new LatencyRecorder() }
  doneRecords = 0
  private readonly ports: { produce: number, tail: number }
  private readonly value: Buffer
  private readonly builder = new RecordBatchBuilder()
  private readonly reader = new RecordReader()
  private readonly intake = new BatchIntake(run => this.onRun(run))
  private readonly pacer: Pacer
  private readonly sent = new SentTimes()
  private connection: BareConnection | null = null
  private tail: Socket | null = null

  constructor (options: { ports: { produce: number, tail: number }, recordBytes: number, rate: number }) {
    this.ports = options.ports
    this.recordBytes = options.recordBytes
    this.value = makeValues(options.recordBytes)[0]!
    this.pacer = new Pacer(options.rate, sequence => this.send(sequence))
  }

  get doneBatches (): number { return this.doneRecords }

  async prepare (): Promise<void> {
    this.tail = await connectTo(this.ports.tail, { onread: intakeOnRead(this.intake) })
    this.connection = await BareConnection.open(this.ports.produce)
  }

  start (): void { this.pacer.start() }

  async stop (): Promise<void> {
    this.pacer.stop()
    await this.connection!.close()
    await closeSocket(this.tail!)
  }

  private send (sequence: number): boolean {
    this.value.writeDoubleBE(sequence)
    this.sent.note(sequence)
    this.builder.append(null, this.value, Date.now())
    this.connection!.send(this.builder.build())
    return true
  }

  private onRun (run: BatchRun): void {
    const nowMs = performance.now()
    const { bytes } = run
    for (let position = 0; position < bytes.length; position += bytes.readUInt32BE(position + BATCH_POSITION.size)) {
      const reader = this.reader.open(bytes, position)
      while (reader.next()) this.arrived(bytes.readDoubleBE(reader.valueStart), nowMs)
    }
    this.intake.release(run)
  }

  private arrived (sequence: number, nowMs: number): void {
    if (sequence !== this.doneRecords) throw new Error(`record ${sequence} came where ${this.doneRecords} was due`)
    this.doneRecords++
    this.latencies.intended.record(nowMs - this.pacer.intendedMs(sequence))
    this.latencies.service.record(nowMs - this.sent.at(sequence))
  }
}
