// A cluster of brokers in one process: real brokers, real sockets between them, and metadata in the hands of the test,
// which is the controller too.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { Broker } from './broker.js'
import type { BrokerCluster, ClusterSelf } from './cluster-member.js'
import { parseConfig } from './config.js'
import type { TopicRecord } from './control/topic-record.js'
import type { Partition } from './partition/partition.js'
import type { BrokerAddress } from './peer/peer-link.js'
import { activate, failOver, firstRecord, type PartitionRecord } from './replica/partition-record.js'
import type { HostedReplica } from './replica-host/hosted-replica.js'
import type { PartitionPlacement, PartitionPlacements } from './replica-host/partition-placements.js'
import { silentLogger, type Logger } from './runtime/logger.js'
import { TestClient } from './test-client.js'

const CLUSTER_ID = 'c0ffee00-0000-4000-8000-000000000001'

/** The metadata as one broker sees it. */
class TestMember implements BrokerCluster, PartitionPlacements {
  readonly clusterId = CLUSTER_ID
  readonly placements = this
  self: ClusterSelf | null = null
  setAddresses: (addresses: ReadonlyMap<number, BrokerAddress>) => void = () => {}
  readonly lost: number[] = []
  readonly found: number[] = []
  /** Runs when the broker has given up what it leads, and is about to leave. */
  onStop: () => Promise<void> = async () => {}
  readonly listeners = new Set<(topicId: string, partition: number) => void>()
  private readonly world: ClusterWorld

  constructor (world: ClusterWorld) { this.world = world }

  async start (self: ClusterSelf, setAddresses: TestMember['setAddresses']): Promise<void> {
    this.self = self
    this.setAddresses = setAddresses
    this.world.connect()
  }

  onPeerLost (brokerId: number): void { this.lost.push(brokerId) }

  onPeerFound (brokerId: number): void { this.found.push(brokerId) }

  async completeMoves (): Promise<void> {}

  setImpaired (): void {}

  async resign (): Promise<void> {}

  async stop (): Promise<void> { await this.onStop() }

  get (topicId: string, partition: number): PartitionPlacement | undefined {
    return this.world.placements.get(`${topicId}/${partition}`)
  }

  all (): Iterable<PartitionPlacement> { return this.world.placements.values() }

  wasDeleted (topicId: string): boolean { return this.world.deleted.has(topicId) }

  subscribe (onChange: (topicId: string, partition: number) => void): () => void {
    this.listeners.add(onChange)
    return () => { this.listeners.delete(onChange) }
  }

  async activate (topicId: string, partition: number, epoch: number): Promise<PartitionRecord | null> {
    const placement = this.get(topicId, partition)
    const after = placement === undefined ? null : activate(placement.record, epoch, randomUUID())
    if (after !== null) this.world.put(topicId, partition, after)
    return after
  }
}

/** One broker; its data outlives it. */
export class WorldBroker {
  readonly id: number
  readonly data: string
  broker: Broker | null = null
  member: TestMember
  private readonly world: ClusterWorld
  private port = 0

  constructor (world: ClusterWorld, id: number, data: string) {
    this.world = world
    this.id = id
    this.data = data
    this.member = new TestMember(world)
  }

  async start (): Promise<void> {
    this.member = new TestMember(this.world)
    const flags = { data: this.data, listen: `127.0.0.1:${this.port}`, id: String(this.id), 'checkpoint-interval': '100ms' }
    this.broker = await Broker.start(parseConfig({ flags }), { logger: this.world.logger, cluster: this.member })
    this.port = this.broker.address.port
    this.world.connect()
  }

  async stop (): Promise<void> {
    const { broker } = this
    this.broker = null
    await broker?.stop()
  }

  get address (): BrokerAddress { return { host: '127.0.0.1', port: this.port } }

  connect (): Promise<TestClient> { return TestClient.connect(this.port) }

  replica (topicId: string, partition = 0): HostedReplica {
    return this.broker!.services.replicas!.find(topicId, partition)!
  }

  /** What it leads; undefined where it does not. */
  led (topicId: string, partition = 0): Partition | undefined {
    return this.broker!.services.partitions.find(topicId, partition)
  }
}

export class ClusterWorld {
  readonly brokers: WorldBroker[] = []
  readonly placements = new Map<string, PartitionPlacement>()
  readonly deleted = new Set<string>()
  readonly logger: Logger
  /** Ids of brokers that nobody can reach, and that reach nobody. */
  private readonly cut = new Set<number>()
  private folder = ''

  private constructor (logger: Logger) { this.logger = logger }

  static async start (count: number, logger: Logger = silentLogger): Promise<ClusterWorld> {
    const world = new ClusterWorld(logger)
    world.folder = await mkdtemp(join(tmpdir(), 'sluice-cluster-'))
    for (let id = 1; id <= count; id++) {
      const broker = new WorldBroker(world, id, join(world.folder, String(id)))
      world.brokers.push(broker)
      await broker.start()
    }
    return world
  }

  async stop (): Promise<void> {
    for (const broker of this.brokers) await broker.stop()
    await rm(this.folder, { recursive: true, force: true })
  }

  broker (id: number): WorldBroker { return this.brokers.find(broker => broker.id === id)! }

  /** Tells all brokers where the others are, but for those that are cut off. */
  connect (): void {
    const running = this.brokers.filter(({ broker, member }) => broker !== null && member.self !== null)
    for (const { id, member } of running) {
      const others = this.cut.has(id) ? [] : running.filter(other => !this.cut.has(other.id))
      member.setAddresses(new Map(others.map(other => [other.id, other.address])))
    }
  }

  /** Takes a broker off the network of the brokers; clients still reach it. */
  isolate (id: number): void {
    this.cut.add(id)
    this.connect()
  }

  heal (): void {
    this.cut.clear()
    this.connect()
    for (const { topic: { topicId }, partition } of this.placements.values()) this.tell(topicId, partition)
  }

  isCut (id: number): boolean { return this.cut.has(id) }

  /** A topic with a replica on each broker, or on some, led by the first. Resolves when it is open. */
  async createTopic (
    kind: 'stream' | 'queue' = 'stream', overrides: Record<string, string> = {}, ids = this.brokers.map(({ id }) => id),
  ): Promise<string> {
    const topicId = randomUUID()
    const replicationFactor = ids.length
    const name = `t-${topicId.slice(0, 8)}`
    const topic: TopicRecord =
      { topicId, name, kind, partitions: 1, replicationFactor, overrides, createdAt: 0, version: 1 }
    const selves = ids.map(id => this.broker(id).member.self!)
    const [leader] = selves
    const record = firstRecord(selves.map(({ member }) => member), leader!.member, leader!.incarnation, randomUUID())
    this.placements.set(`${topicId}/0`, { topic, partition: 0, record })
    this.tell(topicId, 0)
    await this.opened(topicId, ids[0]!)
    return topicId
  }

  record (topicId: string, partition = 0): PartitionRecord { return this.placements.get(`${topicId}/${partition}`)!.record }

  put (topicId: string, partition: number, record: PartitionRecord): void {
    const before = this.placements.get(`${topicId}/${partition}`)!
    this.placements.set(`${topicId}/${partition}`, { ...before, record })
    this.tell(topicId, partition)
  }

  delete (topicId: string): void {
    this.deleted.add(topicId)
    this.placements.delete(`${topicId}/0`)
    this.tell(topicId, 0)
  }

  /** Makes another broker the leader; resolves when it is open. */
  async failOver (topicId: string, to: number): Promise<void> {
    const { member, incarnation } = this.broker(to).member.self!
    this.put(topicId, 0, failOver(this.record(topicId), member, incarnation, randomUUID()))
    await this.opened(topicId, to)
  }

  /** Resolves when the broker leads the partition and is open. */
  async opened (topicId: string, id: number): Promise<void> {
    await until(() => this.broker(id).led(topicId) !== undefined)
  }

  private tell (topicId: string, partition: number): void {
    for (const { broker, member } of this.brokers) {
      // One that is cut off has not heard of it.
      if (broker === null || this.cut.has(member.self?.member.brokerId ?? -1)) continue
      for (const listener of member.listeners) listener(topicId, partition)
    }
  }
}

/** Waits for something that must come; a test that waits in vain ends by tap's timeout. */
export async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 2))
}
