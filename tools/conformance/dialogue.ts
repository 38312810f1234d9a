// A dialogue: something PROTOCOL.md promises, and a scripted conversation that finds out whether a server keeps it.

import { randomBytes } from 'node:crypto'
import { expectItem } from './deviation.js'
import { RawConnection } from './raw-connection.js'

export interface Dialogue {
  /** Area and behaviour, such as `Frame: a malformed frame ends its connection and no other`. */
  readonly name: string
  run (stage: Stage): Promise<void>
}

export interface TestTopic { readonly name: string, readonly topicId: string }

/** Where a dialogue happens: connections and topics of its own, all gone afterwards. */
export class Stage {
  readonly host: string
  readonly port: number
  private readonly timeoutMs: number
  private readonly connections: RawConnection[] = []
  private readonly topics: string[] = []
  private readonly groups: string[] = []

  constructor (host: string, port: number, timeoutMs: number) {
    this.host = host
    this.port = port
    this.timeoutMs = timeoutMs
  }

  /** A connection that has not said anything yet. */
  async connect (): Promise<RawConnection> {
    const connection = await RawConnection.open(this.host, this.port, this.timeoutMs)
    this.connections.push(connection)
    return connection
  }

  /** A connection that has said hello. */
  async greeted (): Promise<RawConnection> {
    const connection = await this.connect()
    await connection.hello()
    return connection
  }

  /** A name that nobody else uses. */
  newName (): string { return `conformance-${randomBytes(6).toString('hex')}` }

  /** A group name; the group is deleted afterwards. */
  newGroup (): string {
    const name = this.newName()
    this.groups.push(name)
    return name
  }

  /** A new topic. */
  async topic (connection: RawConnection, partitions = 1, config: Record<string, string> = {}): Promise<TestTopic> {
    return await this.create(connection, 'stream', partitions, config)
  }

  /** A new queue. */
  async queue (connection: RawConnection, partitions = 1, config: Record<string, string> = {}): Promise<TestTopic> {
    return await this.create(connection, 'queue', partitions, config)
  }

  private async create (
    connection: RawConnection, kind: 'stream' | 'queue', partitions: number, config: Record<string, string>,
  ): Promise<TestTopic> {
    const name = this.newName()
    this.topics.push(name)
    const { topics } = await connection.tell('createTopics', {
      timeoutMs: 30_000,
      validateOnly: false,
      topics: [{ name, kind, partitions, replicationFactor: 0, config }],
    })
    expectItem(topics[0], 'NONE')
    return { name, topicId: topics[0]!.topicId }
  }

  /** Closes all connections and deletes what was made; a server that cannot do that has failed other dialogues. */
  async leave (): Promise<void> {
    for (const connection of this.connections) connection.close()
    if (this.topics.length + this.groups.length === 0) return
    const connection = await RawConnection.open(this.host, this.port, this.timeoutMs)
    try {
      await connection.hello()
      await connection.ask('deleteTopics', { timeoutMs: 30_000, names: this.topics })
      await connection.ask('deleteGroups', { groups: this.groups })
    } finally {
      connection.close()
    }
  }
}
