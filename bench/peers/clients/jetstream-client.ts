// NATS JetStream through `nats`: publishes with one subscription for all of their acknowledgements, as its client for
// Go has them (`publish` of JetStream makes a request of its own for each, at a fifth of the rate); pull consumers
// with callbacks.

import { setTimeout as delay } from 'node:timers/promises'
import { loadLibrary } from '../libraries.js'
import { PEER_TOPIC, type PeerAddress, type PeerClient, type PeerValue } from './peer-client.js'

interface Nats {
  connect (options: { servers: string }): Promise<Connection>
  AckPolicy: { Explicit: string }
  createInbox (): string
}

interface Connection {
  jetstream (): JetStream
  publish (subject: string, payload: Uint8Array, options: { reply: string }): void
  subscribe (subject: string, options: { callback (error: Error | null, message: { data: Uint8Array }): void }): unknown
  jetstreamManager (): Promise<{
    streams: { add (config: object): Promise<unknown> }
    consumers: { add (stream: string, config: object): Promise<unknown> }
  }>
  close (): Promise<void>
}

interface JetStream {
  consumers: { get (stream: string, name?: string): Promise<Consumer> }
}

interface Consumer {
  consume (options: { max_messages: number, callback: (message: Message) => void }): Promise<{ stop (): void }>
}

interface Message { readonly data: Uint8Array, ack (): void }

/** Records that the server may send ahead: more gains nothing. */
const PREFETCH_RECORDS = 2_000
const UNACKED_RECORDS_MAX = 50_000
/** Of an acknowledgement that is none. */
const REFUSAL = Buffer.from('"error"')

/** A cluster takes some seconds before it has a leader, and refuses until then. */
const MAKE_TIMEOUT_MS = 20_000
const MAKE_PAUSE_MS = 100

/** Who waits until so many records are acknowledged. */
interface Waiter { readonly records: number, resolve (): void }

export class JetstreamClient implements PeerClient {
  private readonly nats: Nats
  private readonly sending: Connection
  private readonly receiving: Connection
  private readonly acks: string
  private readonly waiting: Waiter[] = []
  private sentRecords = 0
  private ackedRecords = 0

  private constructor (nats: Nats, sending: Connection, receiving: Connection) {
    this.nats = nats
    this.sending = sending
    this.receiving = receiving
    this.acks = nats.createInbox()
    sending.subscribe(this.acks, { callback: (error, { data }) => this.onAck(error, data) })
  }

  static async open ({ port, replicas, libraries }: PeerAddress): Promise<JetstreamClient> {
    const nats = loadLibrary<Nats>(libraries, 'nats')
    const [sending, receiving] = await Promise.all([1, 2].map(() => nats.connect({ servers: `127.0.0.1:${port}` })))
    await makeStream(sending!, replicas)
    return new JetstreamClient(nats, sending!, receiving!)
  }

  send (values: readonly Buffer[]): Promise<void> {
    for (const value of values) this.sending.publish(PEER_TOPIC, value, { reply: this.acks })
    this.sentRecords += values.length
    const records = this.sentRecords
    return new Promise(resolve => { this.waiting.push({ records, resolve }) })
  }

  /** By an ordered consumer, which is what the library makes where none is named. */
  async readBacklog (count: number, onRecord: (value: PeerValue) => void): Promise<void> {
    const consumer = await this.receiving.jetstream().consumers.get(PEER_TOPIC)
    let records = 0
    await new Promise<void>((resolve, reject) => {
      const messages = consumer.consume({
        max_messages: PREFETCH_RECORDS,
        callback: ({ data }) => {
          onRecord(data)
          if (++records === count) messages.then(found => found.stop()).then(resolve, reject)
        },
      })
      messages.catch(reject)
    })
  }

  async tail (onRecord: (value: PeerValue) => void): Promise<void> {
    const consumer = await this.receiving.jetstream().consumers.get(PEER_TOPIC)
    await consumer.consume({ max_messages: PREFETCH_RECORDS, callback: ({ data }) => onRecord(data) })
  }

  async work (onDone: (records: number) => void): Promise<void> {
    const admin = await this.receiving.jetstreamManager()
    await admin.consumers.add(PEER_TOPIC, {
      durable_name: 'workers', ack_policy: this.nats.AckPolicy.Explicit, max_ack_pending: UNACKED_RECORDS_MAX,
    })
    const consumer = await this.receiving.jetstream().consumers.get(PEER_TOPIC, 'workers')
    await consumer.consume({
      max_messages: PREFETCH_RECORDS,
      callback: message => {
        message.ack()
        onDone(1)
      },
    })
  }

  /** Acknowledgements come in the order of the records, since they are of one connection. */
  private onAck (error: Error | null, data: Uint8Array): void {
    if (error !== null) throw error
    const text = Buffer.from(data.buffer, data.byteOffset, data.length)
    if (text.includes(REFUSAL)) throw new Error(`the server refused a record: ${text}`)
    this.ackedRecords++
    const { waiting } = this
    while (waiting.length > 0 && waiting[0]!.records <= this.ackedRecords) waiting.shift()!.resolve()
  }

  async close (): Promise<void> {
    await Promise.all([this.sending.close(), this.receiving.close()])
  }
}

async function makeStream (connection: Connection, replicas: number): Promise<void> {
  const config = { name: PEER_TOPIC, subjects: [PEER_TOPIC], storage: 'file', num_replicas: replicas }
  const endMs = performance.now() + MAKE_TIMEOUT_MS
  for (;;) {
    try {
      await (await connection.jetstreamManager()).streams.add(config)
      return
    } catch (error) {
      if (replicas === 1 || performance.now() > endMs) throw error
      await delay(MAKE_PAUSE_MS)
    }
  }
}
