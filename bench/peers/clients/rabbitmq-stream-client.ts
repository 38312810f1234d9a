// RabbitMQ streams through `rabbitmq-stream-js-client`, in publishes of their own or in sub-batches, which are stored,
// confirmed and delivered as one.

import { loadLibrary } from '../libraries.js'
import { PEER_TOPIC, type PeerAddress, type PeerClient, type PeerValue } from './peer-client.js'

interface StreamLibrary {
  connect (options: object, logger: object): Promise<StreamConnection>
  Offset: { first (): unknown }
}

interface StreamConnection {
  createStream (options: { stream: string, arguments: object }): Promise<unknown>
  declarePublisher (options: { stream: string, maxChunkLength: number }): Promise<Publisher>
  declareConsumer (
    options: { stream: string, offset: unknown, creditPolicy: unknown },
    onMessage: (message: { content: Buffer }) => void,
  ): Promise<{ close (): Promise<void> }>
  close (): Promise<void>
}

interface Publisher {
  send (value: Buffer): Promise<unknown>
  sendSubEntries (messages: { content: Buffer }[]): Promise<void>
  on (event: 'publish_confirm', listener: (error: number | null, ids: bigint[]) => void): void
}

/** Parts of the library that are not at its face. */
interface ConnectionModule {
  Connection: { prototype: { exchangeCommandVersions (): Promise<boolean>, peerProperties: { version: string } } }
}
interface CreditModule { creditsOnChunkReceived (first: number, step: number): unknown }

const LIBRARY = 'rabbitmq-stream-js-client'
const CHUNK_RECORDS = 1_000
const SUB_BATCH_RECORDS = 100
/** Chunks that the server may send ahead. */
const CREDITS = 10

/** Who waits until so many publishes are confirmed. */
interface Waiter { readonly publishes: number, resolve (): void }

export class RabbitmqStreamClient implements PeerClient {
  private readonly library: StreamLibrary
  private readonly credits: unknown
  private readonly connection: StreamConnection
  private readonly publisher: Publisher
  private readonly subBatches: boolean
  private readonly waiting: Waiter[] = []
  private sentPublishes = 0
  private confirmedPublishes = 0

  private constructor (
    library: StreamLibrary, credits: unknown, connection: StreamConnection, publisher: Publisher, subBatches: boolean,
  ) {
    this.library = library
    this.credits = credits
    this.connection = connection
    this.publisher = publisher
    this.subBatches = subBatches
    publisher.on('publish_confirm', (error, ids) => this.onConfirm(error, ids.length))
  }

  static async open ({ port, libraries }: PeerAddress, subBatches: boolean): Promise<RabbitmqStreamClient> {
    const library = loadLibrary<StreamLibrary>(libraries, LIBRARY)
    welcomeOldServers(loadLibrary<ConnectionModule>(libraries, `${LIBRARY}/dist/connection.js`))
    const { creditsOnChunkReceived } = loadLibrary<CreditModule>(libraries, `${LIBRARY}/dist/consumer_credit_policy.js`)
    const options = { hostname: '127.0.0.1', port, username: 'guest', password: 'guest', vhost: '/', heartbeat: 0 }
    const nothing = (): void => {}
    const connection = await library.connect(options, { debug: nothing, info: nothing, warn: nothing, error: nothing })
    await connection.createStream({ stream: PEER_TOPIC, arguments: {} })
    const publisher = await connection.declarePublisher({ stream: PEER_TOPIC, maxChunkLength: CHUNK_RECORDS })
    return new RabbitmqStreamClient(library, creditsOnChunkReceived(CREDITS, 1), connection, publisher, subBatches)
  }

  async send (values: readonly Buffer[]): Promise<void> {
    if (this.subBatches) {
      for (let first = 0; first < values.length; first += SUB_BATCH_RECORDS) {
        const messages = values.slice(first, first + SUB_BATCH_RECORDS).map(content => ({ content }))
        this.sentPublishes++
        await this.publisher.sendSubEntries(messages)
      }
    } else {
      this.sentPublishes += values.length
      await Promise.all(values.map(value => this.publisher.send(value)))
    }
    const publishes = this.sentPublishes
    if (this.confirmedPublishes >= publishes) return
    await new Promise<void>(resolve => this.waiting.push({ publishes, resolve }))
  }

  async readBacklog (count: number, onRecord: (value: PeerValue) => void): Promise<void> {
    let records = 0
    let finish = (): void => {}
    const finished = new Promise<void>(resolve => { finish = resolve })
    const consumer = await this.consume(value => {
      // Chunks that were on their way come to their end behind the last record.
      if (records === count) return
      onRecord(value)
      if (++records === count) finish()
    })
    await finished
    await consumer.close()
  }

  async tail (onRecord: (value: PeerValue) => void): Promise<void> {
    await this.consume(onRecord)
  }

  /** The window is over: cut off in a pass, the library asks for more chunks all the same, and looks at no failure. */
  async close (): Promise<void> {
    process.on('unhandledRejection', () => {})
    await this.connection.close()
  }

  private consume (onRecord: (value: PeerValue) => void): Promise<{ close (): Promise<void> }> {
    const options = { stream: PEER_TOPIC, offset: this.library.Offset.first(), creditPolicy: this.credits }
    return this.connection.declareConsumer(options, ({ content }) => onRecord(content))
  }

  private onConfirm (error: number | null, publishes: number): void {
    if (error !== null) throw new Error(`the server refused a publish with code ${error}`)
    this.confirmedPublishes += publishes
    const { waiting } = this
    while (waiting.length > 0 && waiting[0]!.publishes <= this.confirmedPublishes) waiting.shift()!.resolve()
  }
}

/** Servers before 3.11 hang up when they are asked for the versions of their commands, as the library always does. */
function welcomeOldServers ({ Connection }: ConnectionModule): void {
  const { exchangeCommandVersions } = Connection.prototype
  Connection.prototype.exchangeCommandVersions = async function () {
    const [major, minor] = this.peerProperties.version.split('.').map(Number)
    return major === 3 && minor! < 11 ? true : exchangeCommandVersions.call(this)
  }
}
