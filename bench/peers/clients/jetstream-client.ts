// NATS JetStream through `nats`: publishes that wait for their acknowledgement, pull consumers with callbacks.

import { loadLibrary } from '../libraries.js'
import { PEER_TOPIC, type PeerAddress, type PeerClient, type PeerValue } from './peer-client.js'

interface Nats {
  connect (options: { servers: string }): Promise<Connection>
  AckPolicy: { Explicit: string }
}

interface Connection {
  jetstream (): JetStream
  jetstreamManager (): Promise<{
    streams: { add (config: object): Promise<unknown> }
    consumers: { add (stream: string, config: object): Promise<unknown> }
  }>
  close (): Promise<void>
}

interface JetStream {
  publish (subject: string, payload: Uint8Array): Promise<unknown>
  consumers: { get (stream: string, name?: string): Promise<Consumer> }
}

interface Consumer {
  consume (options: { max_messages: number, callback: (message: Message) => void }): Promise<{ stop (): void }>
}

interface Message { readonly data: Uint8Array, ack (): void }

/** Records that the server may send ahead: more gains nothing. */
const PREFETCH_RECORDS = 2_000
const UNACKED_RECORDS_MAX = 50_000

export class JetstreamClient implements PeerClient {
  private readonly nats: Nats
  private readonly sending: Connection
  private readonly receiving: Connection
  private readonly publisher: JetStream

  private constructor (nats: Nats, sending: Connection, receiving: Connection) {
    this.nats = nats
    this.sending = sending
    this.receiving = receiving
    this.publisher = sending.jetstream()
  }

  static async open ({ port, libraries }: PeerAddress): Promise<JetstreamClient> {
    const nats = loadLibrary<Nats>(libraries, 'nats')
    const [sending, receiving] = await Promise.all([1, 2].map(() => nats.connect({ servers: `127.0.0.1:${port}` })))
    const admin = await sending!.jetstreamManager()
    await admin.streams.add({ name: PEER_TOPIC, subjects: [PEER_TOPIC], storage: 'file' })
    return new JetstreamClient(nats, sending!, receiving!)
  }

  async send (values: readonly Buffer[]): Promise<void> {
    await Promise.all(values.map(value => this.publisher.publish(PEER_TOPIC, value)))
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

  async close (): Promise<void> {
    await Promise.all([this.sending.close(), this.receiving.close()])
  }
}
