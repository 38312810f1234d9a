// What waits in a queue of a peer, received and acknowledged; more is sent while fewer than half wait.

import type { Load } from '../../load/load.js'
import type { QueueWorkload } from '../../queue-workload.js'
import { closeSoon, openPeerClient } from '../clients/open-client.js'
import type { PeerClient } from '../clients/peer-client.js'
import { peerOf, type PeerTarget } from '../peer-table.js'
import { RecordSender } from './record-sender.js'

/** A slow peer gets a shorter backlog. */
const FILL_TIMEOUT_MS = 15_000
const POLL_MS = 5

export class PeerQueueLoad implements Load {
  readonly recordBytes: number
  readonly doneBatches = null
  readonly failedRecords = 0
  readonly latencies = null
  doneRecords = 0
  private readonly target: PeerTarget
  private readonly workload: QueueWorkload
  private client: PeerClient | null = null
  private sender: RecordSender | null = null
  private backlog = 0

  constructor (target: PeerTarget, workload: QueueWorkload) {
    this.target = target
    this.workload = workload
    this.recordBytes = workload.size
  }

  async prepare (): Promise<void> {
    this.client = await openPeerClient(this.target)
    this.sender = new RecordSender(this.client, this.recordBytes, peerOf(this.target.peer).send)
    this.backlog = await this.sender.fill(this.workload.backlog, FILL_TIMEOUT_MS)
  }

  start (): void {
    void this.client!.work!(records => { this.doneRecords += records })
    this.sender!.keep(() => this.sender!.sentRecords - this.doneRecords < this.backlog / 2, POLL_MS)
  }

  async stop (): Promise<void> {
    await this.sender!.stop()
    await closeSoon(this.client!)
  }
}
