// This broker as a member of a cluster: its name and store, its replicas, and its connections to the other brokers.
//
//   BrokerCluster (metadata, addresses) ──▶ ReplicaTable ◀──▶ Peers ◀──▶ the other brokers
//                                              └▶ PartitionTable: what this broker leads

import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { LogStore, MetaStore } from '@sluice/storage'
import { peerHelloHandler } from './api/peer-hello.js'
import { replicateHandler } from './api/replicate.js'
import { whenAvailable, type StartWait } from './control/when-available.js'
import type { ApiHandler } from './net/call.js'
import type { PartitionTable } from './partition/partition-table.js'
import type { BrokerAddress } from './peer/peer-link.js'
import { Peers } from './peer/peers.js'
import { SilenceWatch } from './peer/silence-watch.js'
import type { Member } from './replica/member.js'
import { PromiseStore, type PromisedEpoch } from './replica/promise-store.js'
import type { PartitionPlacements } from './replica-host/partition-placements.js'
import { HandOverWatch } from './replica-host/hand-over-watch.js'
import { HostedReplica } from './replica-host/hosted-replica.js'
import type { ReplicaSurroundings } from './replica-host/replica-surroundings.js'
import { ReplicaTable } from './replica-host/replica-table.js'
import type { StorageTrouble } from './replica-host/storage-watch.js'
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
  /** Where the other brokers reach it. */
  readonly address: BrokerAddress
  /** Where clients do; left out where that is the same. */
  readonly clients?: BrokerAddress
  readonly rack: string
}

/** The cluster's side of a broker: metadata, membership, who is where. */
export interface BrokerCluster {
  readonly clusterId: string
  readonly placements: PartitionPlacements
  /**
   * Joins: from here on the others know this broker. Resolves when `placements` is complete; where the control store
   * does not answer it rejects, and may be called again.
   *
   * @param setAddresses to be called with the addresses of all brokers, again after each change.
   * @param promised what the store of this broker has promised: more than the control store knows, where that was put
   *   back to an older state.
   */
  start (
    self: ClusterSelf, setAddresses: (addresses: ReadonlyMap<number, BrokerAddress>) => void,
    promised: readonly PromisedEpoch[],
  ): Promise<void>
  /** A connection to or from a process has broken: most likely it is gone. */
  onPeerLost (brokerId: number, incarnation: string): void
  /** A process can be spoken to. */
  onPeerFound (brokerId: number, incarnation: string): void
  /**
   * To be called now and then, so that moves end.
   *
   * @param hasCaughtUp whether a learner of a partition that this broker leads has what the others have.
   */
  completeMoves (hasCaughtUp: (topicId: string, partition: number, member: Member) => boolean): Promise<void>
  /** What is wrong with this broker's disk; null: nothing. The others have it lead only where nobody else can. */
  setImpaired (trouble: StorageTrouble | null): void
  /**
   * Hands what this broker leads to others, as far as there are any.
   *
   * @param needOf `should`: only to who is in less trouble; null: not at all. Default: all of it must go.
   */
  resign (needOf?: (topicId: string, partition: number) => 'must' | 'should' | null): Promise<void>
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
/** How often it is looked whether learners have caught up, and how the disk is, in milliseconds. */
const LOOK_MS = 250

export class ClusterMember {
  readonly peers: Peers
  readonly replicas: ReplicaTable
  readonly member: Member
  readonly incarnation: string
  private readonly cluster: BrokerCluster
  private readonly logger: Logger
  private readonly clock: Clock
  private readonly promises: PromiseStore
  private timer: NodeJS.Timeout | null = null
  private lookedMs = 0
  private readonly handOver: HandOverWatch
  private readonly silence: SilenceWatch

  private constructor (options: ClusterMemberOptions, member: Member, incarnation: string, bootId: string) {
    const { cluster, meta, logs, partitions, clock, logger } = options
    this.cluster = cluster
    this.logger = logger
    this.clock = clock
    this.member = member
    this.incarnation = incarnation
    const peers = this.peers = new Peers({
      identity: { clusterId: cluster.clusterId, brokerId: member.brokerId, incarnation, version: VERSION },
      endOfTurn,
      monotonicMs: () => clock.monotonicMs(),
      logger,
      onLetter: (from, topicId, partition, message) => this.replicas.onMessage(from, topicId, partition, message),
    })
    this.promises = new PromiseStore(meta)
    const surroundings: ReplicaSurroundings = {
      self: member,
      incarnation,
      bootId,
      clock,
      endOfTurn,
      promises: this.promises,
      placements: cluster.placements,
      partitions,
      logger,
      send: (brokerId, topicId, partition, message) => peers.send(brokerId, topicId, partition, message),
    }
    this.replicas = new ReplicaTable(surroundings, logs, (placement, replicaLogs, stored) =>
      new HostedReplica(surroundings, placement, replicaLogs, stored))
    this.handOver = new HandOverWatch(cluster, logger)
    this.silence = new SilenceWatch((brokerId, lost) => cluster.onPeerLost(brokerId, lost),
      (brokerId, found) => cluster.onPeerFound(brokerId, found))
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

  /** Joins the cluster, as soon as the control store answers, and opens the replicas. */
  async start (at: Pick<ClusterSelf, 'address' | 'clients'>, rack: string, wait: StartWait): Promise<void> {
    const { member, incarnation, peers } = this
    this.timer = setInterval(() => this.tick(), TICK_MS)
    const self = { member, incarnation, ...at, rack }
    const promised = [...this.promises.promisedEpochs()]
    await whenAvailable(() => this.cluster.start(self, addresses => peers.setAddresses(addresses), promised), wait)
    await this.replicas.start()
  }

  /** Hands over what is led, then leaves, so that nobody has to wait for a lease to end. */
  async stop (): Promise<void> {
    try {
      await this.cluster.resign().catch((cause: Error) => {
        this.logger.warn({ err: cause }, 'what this broker leads could not be handed over; others take over in a while')
      })
      if (this.timer !== null) clearInterval(this.timer)
      await this.replicas.close()
      await this.cluster.stop()
    } finally {
      this.peers.close()
    }
  }

  private tick (): void {
    const nowMs = this.clock.monotonicMs()
    this.peers.tick()
    this.replicas.tick()
    this.silence.tick(nowMs, this.peers.states())
    if (nowMs - this.lookedMs < LOOK_MS) return
    this.lookedMs = nowMs
    this.cluster.completeMoves((topicId, partition, member) => this.replicas.hasCaughtUp(topicId, partition, member))
      .catch((cause: Error) => this.logger.debug({ err: cause }, 'a move could not be ended; it is tried again'))
    this.handOver.tick(nowMs, this.replicas)
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
