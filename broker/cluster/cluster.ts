// A broker's side of its cluster, put together: what the control store says, this broker's place in it, and the office
// of the controller.
//
//   open ── who the cluster is, all it knows ──▶ start ── registered, in the running for controller ──▶ stop
//
// What hosts the replicas (ClusterMember) tells of connections that come and go, and is told of brokers and partitions.

import { randomUUID } from 'node:crypto'
import type { ControlStore } from '../control/control-store.js'
import { swap } from '../control/swap.js'
import type { Member } from '../replica/member.js'
import { failOver, isOvertaken, overtake } from '../replica/partition-record.js'
import type { PromisedEpoch } from '../replica/promise-store.js'
import type { PartitionPlacement, PartitionPlacements } from '../replica-host/partition-placements.js'
import { severityOf, type StorageTrouble } from '../replica-host/storage-watch.js'
import type { Clock } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'
import { systemTimers, type Timers } from '../runtime/timers.js'
import { Activations } from './activations.js'
import { CLUSTER_KEY, type BrokerRecord, type ClusterRecord } from './cluster-records.js'
import { ClusterMetadata, PARTITION_PREFIX } from './cluster-metadata.js'
import { Controller } from './controller.js'
import { ableBroker, type ControllerLimits } from './controller-core.js'
import { completedMove } from './move-completion.js'
import { Membership, type MembershipTiming } from './membership.js'
import { USUAL_CAPACITY } from './placement-broker.js'
import { commitSwaps, type KeySwap } from './record-commits.js'
import { memberOf } from './wanted-members.js'

export interface ClusterOptions {
  readonly control: ControlStore
  readonly clock: Clock
  readonly logger: Logger
  readonly timers?: Timers
  /** Makes a text that nobody else makes. Default: a UUID. */
  readonly makeId?: () => string
  /** The share of replicas that this broker is to hold, in proportion to that of the others. Default 100. */
  readonly capacity?: number
  /** Of the program. */
  readonly version?: string
  readonly membershipTiming?: Partial<MembershipTiming>
  readonly controllerLimits?: ControllerLimits
}

/** Where a broker is reached. */
export interface BrokerAddress { readonly host: string, readonly port: number }

/** What this broker is to the others. */
export interface ClusterSelf {
  readonly member: Member
  readonly incarnation: string
  /** Where the other brokers reach it. */
  readonly address: BrokerAddress
  /** Where clients do; left out where that is the same. */
  readonly clients?: BrokerAddress
  readonly rack: string
}

/**
 * A connection that breaks may be a network that stutters: so long is waited for another one before anybody is told, in
 * milliseconds.
 */
const SUSPECT_AFTER_MS = 100
/** Epochs that end with a move begin anew somewhere: so many at once, that nobody waits for thousands of others. */
const COMPLETED_AT_ONCE = 60
/** What could not be handed over since its record had changed is tried again so often. */
const RESIGN_TRIES = 3

/** How much a partition should be led by somebody else. */
export type NeedOf = (topicId: string, partition: number) => 'must' | 'should' | null

export class Cluster {
  readonly clusterId: string
  readonly metadata: ClusterMetadata
  readonly placements: PartitionPlacements
  readonly makeNonce: () => string
  private readonly options: ClusterOptions
  private readonly timers: Timers
  private readonly membership: Membership
  /** What calls off the word that a broker is gone, of those about whom it is not given yet. */
  private readonly doubts = new Map<number, () => void>()
  private self: BrokerRecord | null = null
  private impaired: StorageTrouble | null = null
  private controller: Controller | null = null
  private completing = false

  private constructor (options: ClusterOptions, clusterId: string, metadata: ClusterMetadata) {
    const { control, clock, logger, timers = systemTimers, makeId = randomUUID, membershipTiming = {} } = options
    this.options = options
    this.timers = timers
    this.clusterId = clusterId
    this.metadata = metadata
    this.membership = new Membership({ control, metadata, clock, logger, timers, timing: membershipTiming })
    const process = makeId()
    let count = 0
    this.makeNonce = () => `${process}.${count++}`
    const activations = new Activations(control, metadata.records, this.makeNonce, timers.endOfTurn)
    this.placements = {
      get: (topicId, partition) => metadata.placement(topicId, partition),
      all: (): Iterable<PartitionPlacement> => metadata.allPlacements(),
      wasDeleted: topicId => metadata.wasDeleted(topicId),
      subscribe: onChange => metadata.subscribe({ onPartition: onChange }),
      activate: (topicId, partition, epoch, cutOffset) => activations.note(topicId, partition, epoch, cutOffset),
    }
  }

  /** Reads all that the control store says. Rejects with a ControlStoreError where it cannot be reached. */
  static async open (options: ClusterOptions): Promise<Cluster> {
    const { control, logger, timers, makeId = randomUUID } = options
    const clusterId = await clusterIdOf(control, makeId)
    const metadata = new ClusterMetadata(control, logger, timers)
    try {
      await metadata.open()
    } catch (error) {
      metadata.close()
      throw error
    }
    return new Cluster(options, clusterId, metadata)
  }

  /**
   * Joins: from here on the others know this broker.
   *
   * @param setAddresses called with the addresses of all brokers, again after each change.
   * @param promised what this broker's store has promised.
   */
  async start (
    { member, incarnation, address, clients, rack }: ClusterSelf,
    setAddresses: (addresses: ReadonlyMap<number, BrokerAddress>) => void, promised: Iterable<PromisedEpoch> = [],
  ): Promise<void> {
    const { control, clock, logger, controllerLimits, capacity = USUAL_CAPACITY, version = '' } = this.options
    const { brokerId } = member
    const startedAt = clock.wallMs()
    const self: BrokerRecord = {
      ...member,
      incarnation,
      ...address,
      ...(clients === undefined ? {} : { clients }),
      rack,
      capacity,
      startedAt,
      version,
    }
    const { metadata, membership, makeNonce, timers } = this
    const tell = (): void => setAddresses(metadata.brokersById())
    await this.compare(member, promised)
    metadata.subscribe({ onBrokers: tell })
    await membership.join(self)
    await metadata.refresh()
    tell()
    this.self = self
    const limits = controllerLimits === undefined ? {} : { limits: controllerLimits }
    this.controller = new Controller(
      { control, metadata, membership, self: { brokerId, incarnation }, clock, logger, makeNonce, timers, ...limits })
    this.controller.start()
  }

  /**
   * Tells where the control store has forgotten epochs, having been put back to an older state. Before this broker
   * joins: no epoch begins without a majority of brokers that have joined, and each of those that began a forgotten one
   * had the promise of a majority. So the controller knows before it could give an epoch a second time.
   */
  private async compare (member: Member, promised: Iterable<PromisedEpoch>): Promise<void> {
    const { metadata, makeNonce } = this
    const { control, logger } = this.options
    await metadata.refreshRecords()
    const left = new Map([...promised].map(each => [`${each.topicId}/${each.partition}`, each.epoch]))
    while (left.size > 0) {
      const swaps: KeySwap[] = []
      for (const [name, epoch] of left) {
        const record = metadata.records.get(name)
        const overtaken = record === null ? null : overtake(record, epoch, member, makeNonce())
        const change = { key: PARTITION_PREFIX + name, value: overtaken }
        if (overtaken === null) left.delete(name)
        else swaps.push({ change, revision: metadata.records.revisionOf(name) })
      }
      if (swaps.length === 0) return
      logger.error({ partitions: swaps.length }, 'the control store was put back to an older state: it knows nothing of epochs ' +
        'that this broker has promised; these partitions wait for sluice cluster force-recover, see cluster status')
      await commitSwaps(control, swaps)
      await metadata.refreshRecords()
    }
  }

  /** True while this broker decides for the cluster. */
  get isController (): boolean { return this.controller?.inOffice === true }

  /** A connection to or from a process has broken, or it has not been heard of for too long. */
  onPeerLost (brokerId: number, incarnation: string): void {
    if (this.doubts.has(brokerId)) return
    this.doubts.set(brokerId, this.timers.after(SUSPECT_AFTER_MS, () => {
      this.doubts.delete(brokerId)
      this.membership.suspect(brokerId, incarnation)
    }))
  }

  /** A process can be spoken to. */
  onPeerFound (brokerId: number): void {
    this.doubts.get(brokerId)?.()
    this.doubts.delete(brokerId)
    this.membership.clear(brokerId)
  }

  /**
   * Ends the moves of partitions that this broker leads and whose learners have everything. To be called now and then,
   * by who hosts the replicas.
   */
  async completeMoves (
    hasCaughtUp: (topicId: string, partition: number, member: Member) => boolean,
  ): Promise<void> {
    const { metadata, makeNonce, self } = this
    if (self === null || this.completing) return
    const moving = metadata.partitionEntries().filter(({ topicId, partition, record }) =>
      record.leaderIncarnation === self.incarnation && !isOvertaken(record) &&
      (record.learners.length > 0 || metadata.moves.get(`${topicId}/${partition}`) !== null))
    if (moving.length === 0) return
    const view = { brokers: metadata.brokersById(), deposed: metadata.deposed() }
    const swaps: KeySwap[] = []
    for (const { topicId, partition, record, revision } of moving) {
      const move = metadata.moves.get(`${topicId}/${partition}`)
      const isReady = (member: Member): boolean => hasCaughtUp(topicId, partition, member)
      const completed = completedMove(record, move, view, isReady, makeNonce())
      if (completed === null) continue
      swaps.push({ change: { key: `${PARTITION_PREFIX}${topicId}/${partition}`, value: completed }, revision })
      if (swaps.length === COMPLETED_AT_ONCE) break
    }
    if (swaps.length === 0) return
    this.completing = true
    try {
      await commitSwaps(this.options.control, swaps)
    } finally {
      this.completing = false
    }
  }

  /** What is wrong with this broker's disk; null: nothing. The others have it lead only where nobody else can. */
  setImpaired (trouble: StorageTrouble | null): void {
    this.impaired = trouble
    this.membership.setImpaired(trouble)
  }

  /**
   * Hands what this broker leads to others that have it too and can be reached: of those whose disks are well to who
   * leads least.
   *
   * @param needOf `must`: to anybody; `should`: to somebody whose disk is in less trouble than this broker's; null: not
   * at all. Default: all of it must go.
   */
  async resign (needOf: NeedOf = () => 'must'): Promise<void> {
    const { control } = this.options
    for (let tries = 1; tries <= RESIGN_TRIES; tries++) {
      const swaps = this.handOvers(needOf)
      if (await commitSwaps(control, swaps) === swaps.length) return
      // A record has changed meanwhile, its epoch noted as active most likely: it is looked at anew.
      await this.metadata.refreshRecords()
    }
  }

  private handOvers (needOf: NeedOf): KeySwap[] {
    const { metadata, makeNonce, self } = this
    if (self === null) return []
    const view = { brokers: metadata.brokersById(), deposed: metadata.deposed() }
    const entries = metadata.partitionEntries()
    const leads = new Map<number, number>()
    for (const { record: { leader: { brokerId } } } of entries) leads.set(brokerId, (leads.get(brokerId) ?? 0) + 1)
    const swaps: KeySwap[] = []
    for (const { topicId, partition, record, revision } of entries) {
      const isOurs = record.leaderIncarnation === self.incarnation && !isOvertaken(record)
      const need = isOurs ? needOf(topicId, partition) : null
      if (need === null) continue
      const able = record.replicas.flatMap(member => ableBroker(view, member) ?? [])
        .filter(({ brokerId }) => brokerId !== self.brokerId)
        .filter(({ impaired }) => need === 'must' || severityOf(impaired) < severityOf(this.impaired))
        .sort((a, b) => severityOf(a.impaired) - severityOf(b.impaired) ||
          (leads.get(a.brokerId) ?? 0) - (leads.get(b.brokerId) ?? 0))
      const [next] = able
      if (next === undefined) continue
      leads.set(next.brokerId, (leads.get(next.brokerId) ?? 0) + 1)
      const after = failOver(record, memberOf(next), next.incarnation, makeNonce())
      swaps.push({ change: { key: `${PARTITION_PREFIX}${topicId}/${partition}`, value: after }, revision })
    }
    return swaps
  }

  /** Leaves: the others know at once. */
  async stop (): Promise<void> {
    for (const callOff of this.doubts.values()) callOff()
    this.doubts.clear()
    await this.controller?.stop()
    await this.membership.leave()
    this.metadata.close()
  }
}

async function clusterIdOf (control: ControlStore, makeId: () => string): Promise<string> {
  const fresh: ClusterRecord = { clusterId: makeId() }
  const entry = await control.get(CLUSTER_KEY)
  if (entry !== null) return (entry.value as ClusterRecord).clusterId
  const isOurs = (value: unknown): boolean => (value as ClusterRecord).clusterId === fresh.clusterId
  if (await swap(control, CLUSTER_KEY, fresh, 0, isOurs) !== null) return fresh.clusterId
  return ((await control.get(CLUSTER_KEY))!.value as ClusterRecord).clusterId
}
