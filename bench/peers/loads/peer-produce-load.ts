// Records to a peer, as fast as it acknowledges them.

import type { Load } from '../../load/load.js'
import { LatencyRecorder } from '../../measure/latency-recorder.js'
import type { ProduceWorkload } from '../../workload.js'
import type { PeerClient } from '../clients/peer-client.js'
import { closeSoon, openPeerClient } from '../clients/open-client.js'
import { peerOf, type PeerTarget } from '../peer-table.js'
import { RecordSender } from './record-sender.js'

export class PeerProduceLoad implements Load {
  readonly recordBytes: number
  readonly failedRecords = 0
  /** Of a call with all its records. */
  readonly latencies = { service: new LatencyRecorder() }
  doneRecords = 0
  doneBatches = 0
  private readonly target: PeerTarget
  private client: PeerClient | null = null
  private sender: RecordSender | null = null

  constructor (target: PeerTarget, { size }: ProduceWorkload) {
    this.target = target
    this.recordBytes = size
  }

  async prepare (): Promise<void> {
    this.client = await openPeerClient(this.target)
    this.sender = new RecordSender(this.client, this.recordBytes, peerOf(this.target.peer).send)
  }

  start (): void {
    this.sender!.start((records, ms) => {
      this.doneRecords += records
      this.doneBatches++
      this.latencies.service.record(ms)
    })
  }

  async stop (): Promise<void> {
    await this.sender!.stop()
    await closeSoon(this.client!)
  }
}
