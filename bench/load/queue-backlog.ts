// The records that wait in the queue of a load: sent before it begins, and again when they run low.

import type { Client, Queue, QueueRecord } from '@sluice/client'
import type { QueueWorkload } from '../queue-workload.js'
import { TOPIC } from './sluice-topic.js'
import { makeValues } from './values.js'

/** Records of one `sendBatch`, and how many of these are under way while nothing is measured yet. */
const SEND_RECORDS = 2_000
const SENDS = 4
/** How often it is looked at, in milliseconds. */
const POLL_MS = 5

export class QueueBacklog {
  sentRecords = 0
  private readonly backlog: number
  private readonly queue: Queue
  private readonly keys: Buffer[]
  private readonly values: Buffer[]
  private running: Promise<void> | null = null
  private stopping = false

  constructor (client: Client, { size, keys, backlog }: QueueWorkload) {
    this.backlog = backlog
    this.queue = client.queue(TOPIC)
    this.values = makeValues(size)
    this.keys = Array.from({ length: keys }, (_, number) => Buffer.from(`key-${number}`))
  }

  async fill (): Promise<void> {
    const sender = async (): Promise<void> => { while (this.sentRecords < this.backlog) await this.send() }
    await Promise.all(Array.from({ length: SENDS }, sender))
  }

  /** Keeps at least half of it waiting from now on. */
  keepFilled (doneRecords: () => number): void {
    const run = async (): Promise<void> => {
      while (!this.stopping) {
        if (this.sentRecords - doneRecords() < this.backlog / 2) await this.send()
        else await new Promise(resolve => { setTimeout(resolve, POLL_MS) })
      }
    }
    this.running = run()
  }

  async stop (): Promise<void> {
    this.stopping = true
    await this.running
  }

  private async send (): Promise<void> {
    const { keys, values } = this
    const first = this.sentRecords
    const count = Math.min(SEND_RECORDS, this.backlog)
    this.sentRecords += count
    const records = Array.from({ length: count }, (_, index): QueueRecord<Uint8Array, Uint8Array> => {
      const value = values[index & 63]!
      return keys.length === 0 ? { value } : { key: keys[(first + index) % keys.length]!, value }
    })
    for (const result of await this.queue.sendBatch(records)) if (!result.ok) throw result.error
  }
}
