// Reads what waits in a peer from its start to its end, again and again.

import type { Load } from '../../load/load.js'
import type { FetchWorkload } from '../../workload.js'
import { closeSoon, openPeerClient } from '../clients/open-client.js'
import type { PeerClient } from '../clients/peer-client.js'
import { peerOf, type PeerTarget } from '../peer-table.js'
import { RecordSender } from './record-sender.js'

/** A slow peer gets a shorter backlog. */
const FILL_TIMEOUT_MS = 15_000

export class PeerFetchLoad implements Load {
  readonly recordBytes: number
  readonly doneBatches = null
  readonly failedRecords = 0
  readonly latencies = null
  doneRecords = 0
  /** Bytes of values looked at. */
  valueBytes = 0
  private readonly target: PeerTarget
  private readonly workload: FetchWorkload
  private client: PeerClient | null = null
  private backlog = 0
  private stopping = false

  constructor (target: PeerTarget, workload: FetchWorkload) {
    this.target = target
    this.workload = workload
    this.recordBytes = workload.size
  }

  async prepare (): Promise<void> {
    this.client = await openPeerClient(this.target)
    const sender = new RecordSender(this.client, this.recordBytes, peerOf(this.target.peer).send)
    this.backlog = await sender.fill(this.workload.backlog, FILL_TIMEOUT_MS)
  }

  start (): void { void this.run() }

  /** The pass under way is cut off. */
  async stop (): Promise<void> {
    this.stopping = true
    await closeSoon(this.client!)
  }

  private async run (): Promise<void> {
    try {
      while (!this.stopping) {
        await this.client!.readBacklog!(this.backlog, value => {
          this.valueBytes += value.length
          this.doneRecords++
        })
      }
    } catch (error) {
      if (!this.stopping) throw error
    }
  }
}
