// Sends records to a peer: so many in a call, so many calls under way.

import { makeValues } from '../../load/values.js'
import type { PeerClient } from '../clients/peer-client.js'
import type { Peer } from '../peer-table.js'

export class RecordSender {
  sentRecords = 0
  private readonly client: PeerClient
  private readonly values: Buffer[]
  private readonly calls: number
  private running: Promise<unknown> | null = null
  private stopping = false

  constructor (client: PeerClient, recordBytes: number, { records, calls }: Peer['send']) {
    this.client = client
    this.calls = calls
    const values = makeValues(recordBytes)
    this.values = Array.from({ length: records }, (_, index) => values[index % values.length]!)
  }

  /** Sends until `count` records are through, or `timeoutMs` are over; resolves with how many there are now. */
  async fill (count: number, timeoutMs: number): Promise<number> {
    const endMs = performance.now() + timeoutMs
    const run = async (): Promise<void> => {
      while (this.sentRecords < count && performance.now() < endMs) await this.send()
    }
    await this.atOnce(run)
    return this.sentRecords
  }

  /** Sends without end; `onDone` is told of each call. */
  start (onDone: (records: number, ms: number) => void): void {
    this.running = this.atOnce(async () => {
      while (!this.stopping) {
        const startMs = performance.now()
        onDone(await this.send(), performance.now() - startMs)
      }
    })
  }

  /** Sends while `isDue` says so, and looks again after `pollMs` where it does not. */
  keep (isDue: () => boolean, pollMs: number): void {
    this.running = this.atOnce(async () => {
      while (!this.stopping) {
        if (isDue()) await this.send()
        else await new Promise(resolve => { setTimeout(resolve, pollMs) })
      }
    })
  }

  /** Ends when the calls under way have ended. */
  async stop (): Promise<void> {
    this.stopping = true
    await this.running
  }

  private async send (): Promise<number> {
    const records = this.values.length
    this.sentRecords += records
    await this.client.send(this.values)
    return records
  }

  private atOnce (run: () => Promise<void>): Promise<unknown> {
    return Promise.all(Array.from({ length: this.calls }, run))
  }
}
