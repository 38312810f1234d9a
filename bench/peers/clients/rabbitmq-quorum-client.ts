// RabbitMQ quorum queues through `amqplib`: a channel with confirms, a consumer that acknowledges many at once.

import { loadLibrary } from '../libraries.js'
import { PEER_TOPIC, type PeerAddress, type PeerClient, type PeerValue } from './peer-client.js'

interface Amqp { connect (url: string): Promise<AmqpConnection> }

interface AmqpConnection {
  createConfirmChannel (): Promise<ConfirmChannel>
  createChannel (): Promise<Channel>
  close (): Promise<void>
}

interface Channel {
  assertQueue (name: string, options: object): Promise<unknown>
  prefetch (records: number): Promise<unknown>
  consume (queue: string, onMessage: (message: Message | null) => void): Promise<unknown>
  ack (message: Message, allUpTo: boolean): void
}

interface ConfirmChannel extends Channel {
  sendToQueue (
    queue: string, content: Buffer, options: { persistent: boolean }, onConfirm: (error: Error | null) => void,
  ): boolean
}

interface Message { readonly content: Buffer }

/** Records that may be unacknowledged. */
const PREFETCH_RECORDS = 2_000
const ACK_RECORDS = 100

export class RabbitmqQuorumClient implements PeerClient {
  private readonly connections: readonly AmqpConnection[]
  private readonly sending: ConfirmChannel
  private readonly receiving: Channel

  private constructor (connections: readonly AmqpConnection[], sending: ConfirmChannel, receiving: Channel) {
    this.connections = connections
    this.sending = sending
    this.receiving = receiving
  }

  static async open ({ port, replicas, libraries }: PeerAddress): Promise<RabbitmqQuorumClient> {
    const amqp = loadLibrary<Amqp>(libraries, 'amqplib')
    const connections = await Promise.all([1, 2].map(() => amqp.connect(`amqp://guest:guest@127.0.0.1:${port}`)))
    const sending = await connections[0]!.createConfirmChannel()
    const receiving = await connections[1]!.createChannel()
    const settings = { 'x-queue-type': 'quorum', 'x-quorum-initial-group-size': replicas }
    await sending.assertQueue(PEER_TOPIC, { durable: true, arguments: settings })
    await receiving.prefetch(PREFETCH_RECORDS)
    return new RabbitmqQuorumClient(connections, sending, receiving)
  }

  send (values: readonly Buffer[]): Promise<void> {
    return new Promise((resolve, reject) => {
      let missing = values.length
      const onConfirm = (error: Error | null): void => {
        if (error !== null) reject(error)
        else if (--missing === 0) resolve()
      }
      for (const value of values) this.sending.sendToQueue(PEER_TOPIC, value, { persistent: true }, onConfirm)
    })
  }

  async tail (onRecord: (value: PeerValue) => void): Promise<void> {
    await this.receiving.consume(PEER_TOPIC, message => {
      onRecord(message!.content)
      this.receiving.ack(message!, false)
    })
  }

  async work (onDone: (records: number) => void): Promise<void> {
    let unacked = 0
    await this.receiving.consume(PEER_TOPIC, message => {
      if (++unacked < ACK_RECORDS) return
      this.receiving.ack(message!, true)
      onDone(unacked)
      unacked = 0
    })
  }

  async close (): Promise<void> {
    await Promise.all(this.connections.map(connection => connection.close()))
  }
}
