// Redis Streams through `ioredis`: pipelines of XADD; XREAD with the next one under way; groups with one XACK for all
// records of an XREADGROUP.

import { loadLibrary } from '../libraries.js'
import { PEER_TOPIC, type PeerAddress, type PeerClient, type PeerValue } from './peer-client.js'

interface Ioredis { Redis: new (options: RedisOptions) => Redis }

interface RedisOptions { host: string, port: number, protocol: 2, maxRetriesPerRequest: null }

interface Redis {
  pipeline (): { xadd (...args: unknown[]): void, exec (): Promise<[Error | null, unknown][]> }
  xreadBuffer (...args: unknown[]): Promise<StreamReply>
  xreadgroupBuffer (...args: unknown[]): Promise<StreamReply>
  xgroup (...args: unknown[]): Promise<unknown>
  xack (...args: unknown[]): Promise<number>
  disconnect (): void
}

/** Of one stream: id and fields of each record. */
type Entry = [id: Buffer, fields: Buffer[]]
type StreamReply = [stream: Buffer, entries: Entry[]][] | null

const READ_RECORDS = 1_000
const GROUP = 'workers'
const GROUP_READ_RECORDS = 100
const WORKERS = 4
const BLOCK_MS = 200

export class RedisStreamClient implements PeerClient {
  private readonly connect: () => Redis
  private readonly connections: Redis[] = []
  private readonly sending: Redis
  private closing = false

  private constructor (connect: () => Redis) {
    this.connect = connect
    this.sending = this.connection()
  }

  static async open ({ port, libraries }: PeerAddress): Promise<RedisStreamClient> {
    const { Redis } = loadLibrary<Ioredis>(libraries, 'ioredis')
    const options: RedisOptions = { host: '127.0.0.1', port, protocol: 2, maxRetriesPerRequest: null }
    const client = new RedisStreamClient(() => new Redis(options))
    await client.sending.xgroup('CREATE', PEER_TOPIC, GROUP, '0', 'MKSTREAM')
    return client
  }

  async send (values: readonly Buffer[]): Promise<void> {
    const pipeline = this.sending.pipeline()
    for (const value of values) pipeline.xadd(PEER_TOPIC, '*', 'v', value)
    for (const [error] of await pipeline.exec()) if (error !== null) throw error
  }

  async readBacklog (count: number, onRecord: (value: PeerValue) => void): Promise<void> {
    const connection = this.connections[1] ?? this.connection()
    let records = 0
    for (let next = this.read(connection, '0-0'); records < count;) {
      const entries = await next
      if (entries.length === 0) throw new Error(`the stream ends after ${records} of ${count} records`)
      next = this.read(connection, entries.at(-1)![0])
      for (const [, [, value]] of entries) onRecord(value!)
      records += entries.length
    }
  }

  async tail (onRecord: (value: PeerValue) => void): Promise<void> {
    const connection = this.connection()
    void this.untilClosed(async () => {
      let last: Buffer | string = '0-0'
      for (;;) {
        const entries: Entry[] = await this.read(connection, last)
        if (entries.length > 0) last = entries.at(-1)![0]
        for (const [, [, value]] of entries) onRecord(value!)
      }
    })
  }

  async work (onDone: (records: number) => void): Promise<void> {
    for (let worker = 0; worker < WORKERS; worker++) {
      const connection = this.connection()
      void this.untilClosed(async () => {
        for (;;) {
          const reply = await connection.xreadgroupBuffer(
            'GROUP', GROUP, `worker-${worker}`, 'COUNT', GROUP_READ_RECORDS, 'BLOCK', BLOCK_MS, 'STREAMS', PEER_TOPIC, '>')
          const entries = reply?.[0]?.[1] ?? []
          if (entries.length > 0) onDone(await connection.xack(PEER_TOPIC, GROUP, ...entries.map(([id]) => id)))
        }
      })
    }
  }

  async close (): Promise<void> {
    this.closing = true
    for (const connection of this.connections) connection.disconnect()
  }

  private connection (): Redis {
    const connection = this.connect()
    this.connections.push(connection)
    return connection
  }

  private async read (connection: Redis, after: Buffer | string): Promise<Entry[]> {
    const reply = await connection.xreadBuffer('COUNT', READ_RECORDS, 'BLOCK', BLOCK_MS, 'STREAMS', PEER_TOPIC, after)
    return reply?.[0]?.[1] ?? []
  }

  /** A failure counts only before the end: closing cuts off what waits. */
  private async untilClosed (loop: () => Promise<void>): Promise<void> {
    try {
      await loop()
    } catch (error) {
      if (!this.closing) throw error
    }
  }
}
