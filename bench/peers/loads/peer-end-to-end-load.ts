// Records at a fixed rate through a peer, to a reader that waits for them on a connection of its own. What is due in
// one turn of the event loop goes in one call.

import type { Load } from '../../load/load.js'
import { Pacer } from '../../load/pacer.js'
import { SentTimes } from '../../load/sent-times.js'
import { makeValues } from '../../load/values.js'
import { LatencyRecorder } from '../../measure/latency-recorder.js'
import type { EndToEndWorkload } from '../../workload.js'
import { closeSoon, openPeerClient } from '../clients/open-client.js'
import type { PeerClient, PeerValue } from '../clients/peer-client.js'
import type { PeerTarget } from '../peer-table.js'

/** A value begins with its number in decimal digits, since some libraries take text only. */
export const SEQUENCE_DIGITS = 10

export class PeerEndToEndLoad implements Load {
  readonly recordBytes: number
  readonly doneBatches = null
  readonly failedRecords = 0
  readonly latencies = { intended: new LatencyRecorder(), service: new LatencyRecorder() }
  doneRecords = 0
  private readonly target: PeerTarget
  private readonly template: Buffer
  private readonly pacer: Pacer
  private readonly sent = new SentTimes()
  private client: PeerClient | null = null
  private due: Buffer[] = []
  private stopping = false

  constructor (target: PeerTarget, { size, rate }: EndToEndWorkload) {
    this.target = target
    this.recordBytes = size
    this.template = makeValues(size)[0]!
    this.pacer = new Pacer(rate, sequence => this.add(sequence))
  }

  async prepare (): Promise<void> {
    this.client = await openPeerClient(this.target)
    await this.client.tail(value => this.arrived(value))
  }

  start (): void { this.pacer.start() }

  async stop (): Promise<void> {
    this.stopping = true
    this.pacer.stop()
    await closeSoon(this.client!)
  }

  private add (sequence: number): boolean {
    const value = Buffer.from(this.template)
    value.write(String(sequence).padStart(SEQUENCE_DIGITS, '0'), 'latin1')
    this.sent.note(sequence)
    if (this.due.push(value) === 1) queueMicrotask(this.flush)
    return true
  }

  private readonly flush = (): void => {
    const values = this.due
    this.due = []
    this.client!.send(values).catch((error: Error) => { if (!this.stopping) throw error })
  }

  private arrived (value: PeerValue): void {
    const digits = typeof value === 'string' ? value.slice(0, SEQUENCE_DIGITS) : textOf(value)
    const sequence = Number(digits)
    if (!(sequence < this.pacer.count)) throw new Error(`record ${JSON.stringify(digits)} came, which was never sent`)
    this.doneRecords++
    const nowMs = performance.now()
    this.latencies.intended.record(nowMs - this.pacer.intendedMs(sequence))
    this.latencies.service.record(nowMs - this.sent.at(sequence))
  }
}

function textOf (value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, SEQUENCE_DIGITS).toString('latin1')
}
