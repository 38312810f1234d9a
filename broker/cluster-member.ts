// This broker as a member of a cluster: its name and store, its replicas, and its connections to the other brokers.
//
//   BrokerCluster (metadata, addresses) ──▶ ReplicaTable ◀──▶ Peers ◀──▶ the other brokers
//                                              └▶ PartitionTable: what this broker leads

import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { LogStore, MetaStore } from '@sluice/storage'
import { peerHelloHandler } from './api/peer-hello.js'
import { replicateHandler } from './api/replicate.js'
import type { ApiHandler } from './net/call.js'
import type { PartitionTable } from './partition/partition-table.js'
import type { BrokerAddress } from './peer/peer-link.js'
import { Peers } from './peer/peers.js'
import type { Member } from './replica/member.js'
import { PromiseStore } from './replica/promise-store.js'
import type { PartitionPlacements } from './replica-host/partition-placements.js'
import { ReplicaTable } from './replica-host/replica-table.js'
import type { Clock } from './runtime/clock.js'
import type { Logger } from './runtime/logger.js'
import { endOfTurn } from './runtime/turn.js'
import { VERSION } from './version.js'

/** What a broker is to the others of its cluster. */
export interface ClusterSelf {
  /** Broker id, and the name of its store. */
  readonly member: Member
  /** Made at the start of the process: what a PartitionRecord names as `leaderIncarnation`. */
  readonly incarnation: string
  readonly address: BrokerAddress
  readonly rack: string
}

/** The cluster's side of a broker: metadata, membership, who is where. */
export interface BrokerCluster {
  readonly clusterId: string
  readonly placements: PartitionPlacements
  /**
   * Joins: from here on the others know this broker. Resolves when `placements` is complete.
   *
   * @param setAddresses to be called with the addresses of all brokers, again after each change.
   */
  start (self: ClusterSelf, setAddresses: (addresses: ReadonlyMap<number, BrokerAddress>) => void): Promise<void>
  /** A connection to or from a process has broken: most likely it is gone. */
  onPeerLost (brokerId: number, incarnation: string): void
  /** A process can be spoken to. */
  onPeerFound (brokerId: number, incarnation: string): void
  /** Leaves; this broker leads nothing any more. */
  stop (): Promise<void>
}

export interface ClusterMemberOptions {
  readonly cluster: BrokerCluster
  readonly brokerId: number
  readonly meta: MetaStore
  readonly logs: LogStore
  readonly partitions: PartitionTable
  readonly clock: Clock
  readonly logger: Logger
}

/** How often replicas and connections look at the time, in milliseconds. */
const TICK_MS = 25

export class ClusterMember {
  readonly peers: Peers
  readonly replicas: ReplicaTable
  readonly member: Member
  readonly incarnation: string
  private readonly cluster: BrokerCluster
  private timer: NodeJS.Timeout | null = null

  private constructor (options: ClusterMemberOptions, member: Member, incarnation: string, bootId: string) {
    const { cluster, meta, logs, partitions, clock, logger } = options
    this.cluster = cluster
    this.member = member
    this.incarnation = incarnation
    const peers = this.peers = new Peers({
      identity: { clusterId: cluster.clusterId, brokerId: member.brokerId, incarnation, version: VERSION },
      endOfTurn,
      monotonicMs: () => clock.monotonicMs(),
      logger,
      onLetter: (from, topicId, partition, message) => this.replicas.onMessage(from, topicId, partition, message),
    })
    this.replicas = new ReplicaTable({
      self: member,
      incarnation,
      bootId,
      clock,
      endOfTurn,
      promises: new PromiseStore(meta),
      placements: cluster.placements,
      partitions,
      logger,
      send: (brokerId, topicId, partition, message) => peers.send(brokerId, topicId, partition, message),
    }, logs)
    peers.onLost = (brokerId, lost) => cluster.onPeerLost(brokerId, lost)
    peers.onFound = (brokerId, found) => cluster.onPeerFound(brokerId, found)
  }

  /** Finds out, or makes, what this broker is called. Nobody knows of it yet. */
  static async open (options: ClusterMemberOptions): Promise<ClusterMember> {
    const promises = new PromiseStore(options.meta)
    const storeId = await new Promise<string>((resolve, reject) => {
      promises.openStore(randomUUID(), (error, id) => error === null ? resolve(id) : reject(error))
    })
    return new ClusterMember(options, { brokerId: options.brokerId, storeId }, randomUUID(), await bootId())
  }

  handlers (): ApiHandler<never, never>[] {
    return [peerHelloHandler(this.peers), replicateHandler(this.peers)] as ApiHandler<never, never>[]
  }

  /** Joins the cluster and opens the replicas. `address`: where the other brokers reach this one. */
  async start (address: BrokerAddress, rack: string): Promise<void> {
    const { member, incarnation, peers } = this
    this.timer = setInterval(() => {
      peers.tick()
      this.replicas.tick()
    }, TICK_MS)
    await this.cluster.start({ member, incarnation, address, rack }, addresses => peers.setAddresses(addresses))
    await this.replicas.start()
  }

  /** Gives up what is led, then leaves, so that others take over at once. */
  async stop (): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer)
    try {
      await this.replicas.close()
      await this.cluster.stop()
    } finally {
      this.peers.close()
    }
  }
}

/** The start of the operating system. Where it does not tell, every start of the process counts as one. */
async function bootId (): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim()
  } catch {
    return randomUUID()
  }
}
