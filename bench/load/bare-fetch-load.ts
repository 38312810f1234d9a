// Reads the backlog file of the bare loop from its start to its end, again and again: checks the CRC-32C of each batch,
// as any client has to, and, if asked to, walks its records and looks at the size of each value.

import type { Socket } from 'node:net'
import { RecordReader, BATCH_POSITION } from '@sluice/protocol'
import { closeSocket, connectTo } from '../bare-loop/bare-connection.js'
import { FETCH_BYTES } from '../bare-loop/bare-server.js'
import { BatchIntake, intakeOnRead, type BatchRun } from '../bare-loop/batch-intake.js'
import type { Load } from './load.js'

export interface BareFetchOptions {
  readonly port: number
  /** Size of the backlog file, in bytes. */
  readonly fileBytes: number
  readonly recordBytes: number
  /** Walk the records, not only the batches. */
  readonly walk: boolean
}

const CHUNK_BYTES = 256 * 1024
/** Requests under way: one is on its way out while the next is read. */
const REQUESTS = 4

export class BareFetchLoad implements Load {
  readonly recordBytes: number
  readonly failedRecords = 0
  readonly latencies = null
  doneRecords = 0
  doneBatches = 0
  /** Bytes of values looked at; it keeps the walk from being optimised away, and the test counts it. */
  valueBytes = 0
  private readonly options: BareFetchOptions
  private readonly reader = new RecordReader()
  private readonly intake = new BatchIntake(run => this.onRun(run))
  private socket: Socket | null = null
  private askedPosition = 0
  private owedBytes = 0
  private stopping = false

  constructor (options: BareFetchOptions) {
    this.options = options
    this.recordBytes = options.recordBytes
  }

  async prepare (): Promise<void> {
    const { buffer, callback } = intakeOnRead(this.intake)
    const onread = {
      buffer,
      callback: (size: number): boolean => {
        callback(size)
        this.owedBytes -= size
        this.ask()
        return true
      },
    }
    this.socket = await connectTo(this.options.port, { onread })
  }

  start (): void { this.ask() }

  /** What was asked for is waited for: a connection cut in the middle would be a fault to the server. */
  async stop (): Promise<void> {
    this.stopping = true
    while (this.owedBytes > 0) await new Promise(resolve => { setTimeout(resolve, 1) })
    await closeSocket(this.socket!)
  }

  private ask (): void {
    while (!this.stopping && this.owedBytes <= CHUNK_BYTES * (REQUESTS - 1)) {
      const size = Math.min(CHUNK_BYTES, this.options.fileBytes - this.askedPosition)
      const request = Buffer.allocUnsafe(FETCH_BYTES)
      request.writeDoubleBE(this.askedPosition, 0)
      request.writeDoubleBE(size, 8)
      this.socket!.write(request)
      this.owedBytes += size
      this.askedPosition += size
      if (this.askedPosition === this.options.fileBytes) this.askedPosition = 0
    }
  }

  private onRun (run: BatchRun): void {
    const { bytes } = run
    for (let position = 0; position < bytes.length; position += bytes.readUInt32BE(position + BATCH_POSITION.size)) {
      if (this.options.walk) this.walk(bytes, position)
      else this.doneRecords += bytes.readUInt32BE(position + BATCH_POSITION.recordCount)
      this.doneBatches++
    }
    this.intake.release(run)
  }

  private walk (bytes: Buffer, position: number): void {
    const reader = this.reader.open(bytes, position)
    let valueBytes = 0
    let records = 0
    while (reader.next()) {
      valueBytes += reader.valueEnd - reader.valueStart
      records++
    }
    this.valueBytes += valueBytes
    this.doneRecords += records
  }
}
