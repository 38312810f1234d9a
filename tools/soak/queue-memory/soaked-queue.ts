// A queue under soak: fills it, receives from it, and asks how it stands, by the client that users have.

import type { Client, CreateQueueOptions, Queue, QueueRecord, QueueStatistics } from '@sluice/client'
import type { SoakedBroker } from '../soaked-broker.js'

/** Records of one `sendBatch`, and how many of these are under way. */
const SEND_RECORDS = 2_000
const SENDS = 4
/** Records of one `receive`. */
const RECEIVE_RECORDS = 10_000
const RECEIVE_BYTES = 8 * 1024 * 1024
/** A client keeps what it has received: so many, and another one goes on. */
const RECORDS_PER_CLIENT = 100_000
const POLL_MS = 100
const PASS_MS_MAX = 1_200_000

type Options = Partial<QueueRecord<Uint8Array, Uint8Array>>

export class SoakedQueue {
  private readonly broker: SoakedBroker
  readonly name: string
  sentRecords = 0

  constructor (broker: SoakedBroker, name: string) {
    this.broker = broker
    this.name = name
  }

  async create (options: CreateQueueOptions = {}): Promise<void> {
    await this.use(({ admin }) => admin.createQueue(this.name, options))
  }

  /** Sends `count` records of 100 bytes, each with what `optionsOf` says of its number. */
  async fill (count: number, optionsOf: (number: number) => Options = () => ({})): Promise<{ ms: number }> {
    const value = Buffer.alloc(100, 'x')
    const end = this.sentRecords + count
    const startedMs = performance.now()
    await this.use(async client => {
      await using queue = client.queue(this.name)
      const sender = async (): Promise<void> => {
        while (this.sentRecords < end) {
          const first = this.sentRecords
          const length = Math.min(SEND_RECORDS, end - first)
          this.sentRecords += length
          const records = Array.from({ length }, (_, index) => ({ value, ...optionsOf(first + index) }))
          for (const result of await queue.sendBatch(records)) if (!result.ok) throw result.error
        }
      }
      await Promise.all(Array.from({ length: SENDS }, sender))
    })
    return { ms: performance.now() - startedMs }
  }

  /** Leases `count` records, which nobody settles. */
  async lease (count: number): Promise<{ ms: number }> {
    const startedMs = performance.now()
    let leased = 0
    while (leased < count) {
      const end = Math.min(count, leased + RECORDS_PER_CLIENT)
      leased = await this.useQueue(async queue => {
        let done = leased
        while (done < end) {
          const maxRecords = Math.min(RECEIVE_RECORDS, end - done)
          const records = await queue.receive({ maxRecords, maxBytes: RECEIVE_BYTES, waitMs: 60_000 })
          if (records.length === 0) throw new Error(`only ${done} of ${count} records of ${this.name} could be leased`)
          done += records.length
        }
        return done
      })
    }
    return { ms: performance.now() - startedMs }
  }

  /** Has somebody receive until the group has come by every record; none of them may be handed out. */
  async pass (isPassed: (stats: QueueStatistics) => boolean): Promise<{ ms: number }> {
    const startedMs = performance.now()
    await this.useQueue(async queue => {
      const stopping = new AbortController()
      let received = 0
      const receiver = (async () => {
        while (!stopping.signal.aborted) {
          received += (await queue.receive({ waitMs: 1_000, signal: stopping.signal })).length
        }
      })().catch(error => { if (!stopping.signal.aborted) throw error })
      while (!isPassed(await queue.stats())) {
        if (performance.now() - startedMs > PASS_MS_MAX) throw new Error(`it stands: ${JSON.stringify(await queue.stats())}`)
        await new Promise(resolve => { setTimeout(resolve, POLL_MS) })
      }
      stopping.abort()
      await receiver
      if (received > 0) throw new Error(`${received} records of ${this.name} came that should not have`)
    })
    return { ms: performance.now() - startedMs }
  }

  /** How long it takes until a record is received, from now on. */
  async firstReceive (): Promise<{ ms: number }> {
    const startedMs = performance.now()
    await this.useQueue(async queue => {
      const [record] = await queue.receive({ maxRecords: 1, waitMs: 60_000 })
      if (record === undefined) throw new Error(`nothing could be received from ${this.name}`)
      await record.ack()
    })
    return { ms: performance.now() - startedMs }
  }

  async stats (): Promise<QueueStatistics> { return await this.useQueue(queue => queue.stats()) }

  async purge (): Promise<void> { await this.useQueue(queue => queue.purge()) }

  async delete (): Promise<void> { await this.use(({ admin }) => admin.deleteTopic(this.name)) }

  async useQueue<T> (run: (queue: Queue) => Promise<T>): Promise<T> {
    return await this.use(async client => await run(client.queue(this.name)))
  }

  private async use<T> (run: (client: Client) => Promise<T>): Promise<T> {
    await using client = this.broker.connect()
    return await run(client)
  }
}
