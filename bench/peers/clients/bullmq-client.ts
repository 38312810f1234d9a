// BullMQ: jobs added in bulk, a worker with many at once; a job is done when BullMQ says that it is completed.

import { loadLibrary } from '../libraries.js'
import { PEER_TOPIC, type PeerAddress, type PeerClient, type PeerValue } from './peer-client.js'

interface Bullmq {
  Queue: new (name: string, options: { connection: Address }) => Queue
  Worker: new (name: string, handler: (job: { data: string }) => Promise<void>, options: object) => Worker
}

interface Address { host: string, port: number, maxRetriesPerRequest: null }

interface Queue {
  waitUntilReady (): Promise<unknown>
  addBulk (jobs: { name: string, data: string, opts: { removeOnComplete: boolean } }[]): Promise<unknown>
  close (): Promise<void>
}

interface Worker {
  on (event: 'completed', listener: () => void): void
  on (event: 'error', listener: (error: Error) => void): void
  waitUntilReady (): Promise<unknown>
  close (force: boolean): Promise<void>
}

const CONCURRENCY = 100
const JOB_OPTIONS = { removeOnComplete: true }

export class BullmqClient implements PeerClient {
  private readonly bullmq: Bullmq
  private readonly connection: Address
  private readonly queue: Queue
  private worker: Worker | null = null
  private closing = false

  private constructor (bullmq: Bullmq, connection: Address) {
    this.bullmq = bullmq
    this.connection = connection
    this.queue = new bullmq.Queue(PEER_TOPIC, { connection })
  }

  static async open ({ port, libraries }: PeerAddress): Promise<BullmqClient> {
    const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null }
    const client = new BullmqClient(loadLibrary<Bullmq>(libraries, 'bullmq'), connection)
    await client.queue.waitUntilReady()
    return client
  }

  async send (values: readonly Buffer[]): Promise<void> {
    await this.queue.addBulk(values.map(value => ({ name: 'record', data: value.toString('latin1'), opts: JOB_OPTIONS })))
  }

  tail (onRecord: (value: PeerValue) => void): Promise<void> {
    return this.run(async ({ data }) => onRecord(data)).waitUntilReady() as Promise<void>
  }

  async work (onDone: (records: number) => void): Promise<void> {
    const worker = this.run(async () => {})
    worker.on('completed', () => onDone(1))
    await worker.waitUntilReady()
  }

  async close (): Promise<void> {
    this.closing = true
    await this.worker?.close(true)
    await this.queue.close()
  }

  private run (handler: (job: { data: string }) => Promise<void>): Worker {
    const { bullmq, connection } = this
    const worker = new bullmq.Worker(PEER_TOPIC, handler, { connection, concurrency: CONCURRENCY })
    worker.on('error', error => { if (!this.closing) throw error })
    this.worker = worker
    return worker
  }
}
