// All that the control store says of the cluster, in the memory of each broker: brokers, topics, partitions, moves.
//
//   control store ── watch ──▶ mirrors ──▶ get, all, brokers …       level-triggered: whoever is told of a change looks
//                 ── list ───▶    │                                   at what there is, not at what has happened
//                                 └──▶ listeners
//
// - A watch brings changes at once; lists make sure. What is small and decides who lives is listed every second or two,
//   everything when the watch asks for it (after it may have missed something, and every half minute).
// - Values are committed ones, whichever way they came: a mirror may be late, and never wrong.

import type { ControlEntry, ControlStore } from '../control/control-store.js'
import { Mirror } from '../control/mirror.js'
import { TOPIC_PREFIX, isTopicRecord, type TopicRecord } from '../control/topic-record.js'
import type { PartitionRecord } from '../replica/partition-record.js'
import type { PartitionPlacement } from '../replica-host/partition-placements.js'
import type { Logger } from '../runtime/logger.js'
import { systemTimers, type Timers } from '../runtime/timers.js'
import {
  BROKER_PREFIX, CONTROLLER_KEY, DELETED_TOPIC_PREFIX, DRAIN_PREFIX, DRAINS_CHANGED, MOVE_PREFIX, SUSPICION_PREFIX,
  type BrokerRecord, type ControllerRecord, type DeletedTopic, type DrainRecord, type ReplicaMove, type Suspicion,
} from './cluster-records.js'
import type { PartitionEntry } from './controller-view.js'
import { deposedBrokers, type SuspicionEntry } from './deposed-brokers.js'

export const PARTITION_PREFIX = '/partitions/'

/** How often what decides who lives is listed, in milliseconds. */
const POLL_MS = 2_000

/** What has changed: a partition, or anything else. */
export interface MetadataListener {
  onPartition? (topicId: string, partition: number): void
  onBrokers? (): void
  onTopics? (): void
  /** Anything at all, brokers and partitions included; once a turn of the event loop. */
  onAny? (): void
}

export class ClusterMetadata {
  readonly brokers = new Mirror<BrokerRecord>(BROKER_PREFIX, () => this.onBrokers())
  readonly controllers = new Mirror<ControllerRecord>(CONTROLLER_KEY, () => this.onBrokers())
  readonly suspicions = new Mirror<Suspicion>(SUSPICION_PREFIX, () => this.touch())
  readonly drains = new Mirror<DrainRecord>(DRAIN_PREFIX, () => this.touch())
  readonly moves = new Mirror<ReplicaMove>(MOVE_PREFIX, name => this.onMove(name))
  readonly deletedTopics = new Mirror<DeletedTopic>(DELETED_TOPIC_PREFIX, topicId => this.onDeleted(topicId))
  readonly topics = new Mirror<TopicRecord>(TOPIC_PREFIX, (name, record) => this.onTopic(name, record))
  readonly records = new Mirror<PartitionRecord>(PARTITION_PREFIX, (name, record) => this.onRecord(name, record))

  private readonly control: ControlStore
  private readonly logger: Logger
  private readonly timers: Timers
  private readonly listeners = new Set<MetadataListener>()
  private readonly topicsById = new Map<string, TopicRecord>()
  /** The id under each name: what goes when the name does. */
  private readonly idsByName = new Map<string, string>()
  private readonly placements = new Map<string, Map<number, PartitionPlacement>>()
  private readonly unwatch: (() => void)[] = []
  private endPoll = (): void => {}
  private isTouched = false
  private closed = false
  /** Lists under way, and those to be made anew when they are done. */
  private readonly listing = new Map<Mirror<unknown>, { again: boolean, done: Promise<void> }>()

  constructor (control: ControlStore, logger: Logger, timers = systemTimers) {
    this.control = control
    this.logger = logger
    this.timers = timers
  }

  private get mirrors (): Mirror<unknown>[] {
    const { brokers, controllers, suspicions, drains, moves, deletedTopics, topics, records } = this
    return [brokers, controllers, suspicions, drains, moves, deletedTopics, topics, records] as Mirror<unknown>[]
  }

  /** Begins to watch and reads everything once. Rejects where the control store cannot be reached. */
  async open (): Promise<void> {
    for (const mirror of this.mirrors) {
      const onChange = (entry: ControlEntry): void => { if (!this.closed) mirror.apply(entry) }
      this.unwatch.push(this.control.watch(mirror.prefix, onChange, () => this.listAgain(mirror)))
    }
    await this.refresh()
    this.endPoll = this.timers.every(POLL_MS, () => {
      for (const mirror of [this.brokers, this.controllers, this.suspicions]) this.listAgain(mirror as Mirror<unknown>)
    })
  }

  /** Reads everything anew: after it, whatever had been answered before the call is known. */
  async refresh (): Promise<void> {
    await Promise.all(this.mirrors.map(mirror => this.list(mirror)))
  }

  /** Reads what decides about partitions anew. */
  async refreshRecords (): Promise<void> {
    await Promise.all([this.list(this.topics as Mirror<unknown>), this.list(this.records as Mirror<unknown>)])
  }

  close (): void {
    this.closed = true
    this.endPoll()
    for (const end of this.unwatch) end()
    this.listeners.clear()
  }

  /** @returns the function that ends it. */
  subscribe (listener: MetadataListener): () => void {
    this.listeners.add(listener)
    return () => { this.listeners.delete(listener) }
  }

  // Partitions.

  placement (topicId: string, partition: number): PartitionPlacement | undefined {
    return this.placements.get(topicId)?.get(partition)
  }

  * allPlacements (): IterableIterator<PartitionPlacement> {
    for (const partitions of this.placements.values()) yield * partitions.values()
  }

  topicById (topicId: string): TopicRecord | undefined { return this.topicsById.get(topicId) }

  wasDeleted (topicId: string): boolean {
    return this.deletedTopics.entries.has(topicId) && !this.topicsById.has(topicId)
  }

  /** The partitions of topics that exist, with what to compare with. */
  partitionEntries (): PartitionEntry[] {
    const entries: PartitionEntry[] = []
    for (const [topicId, partitions] of this.placements) {
      for (const { partition, record } of partitions.values()) {
        entries.push({ topicId, partition, record, revision: this.records.revisionOf(`${topicId}/${partition}`) })
      }
    }
    return entries
  }

  // Brokers.

  /** Brokers that are registered, by id. */
  brokersById (): Map<number, BrokerRecord> {
    return new Map([...this.brokers.entries.values()].map(({ value }) => [value.brokerId, value]))
  }

  /** Those that others cannot reach. */
  deposed (): Set<number> {
    const suspicions: SuspicionEntry[] = []
    for (const [name, { value, revision }] of this.suspicions.entries) {
      const [suspect, by] = name.split('/').map(Number) as [number, number]
      suspicions.push({ ...value, suspect, by, revision })
    }
    return deposedBrokers(this.brokersById(), suspicions)
  }

  draining (): Set<number> {
    return new Set([...this.drains.entries.keys()].filter(name => name !== DRAINS_CHANGED).map(Number))
  }

  /** The broker that decides; null while there is none. */
  get controller (): ControllerRecord | null { return this.controllers.get('') }

  // What has changed.

  private onBrokers (): void {
    for (const listener of this.listeners) listener.onBrokers?.()
    this.touch()
  }

  private onTopic (name: string, record: TopicRecord | null): void {
    if (record !== null && !isTopicRecord(record)) {
      this.logger.error({ topic: name }, 'the control store holds something that is no topic; it is passed over')
      return
    }
    const before = this.idsByName.get(name)
    if (before !== undefined && before !== record?.topicId) {
      this.topicsById.delete(before)
      this.idsByName.delete(name)
      this.dropTopic(before)
    }
    if (record !== null) {
      this.topicsById.set(record.topicId, record)
      this.idsByName.set(name, record.topicId)
      for (let partition = 0; partition < record.partitions; partition++) this.place(record.topicId, partition)
    }
    for (const listener of this.listeners) listener.onTopics?.()
    this.touch()
  }

  private dropTopic (topicId: string): void {
    const partitions = this.placements.get(topicId)
    this.placements.delete(topicId)
    for (const partition of partitions?.keys() ?? []) this.tellPartition(topicId, partition)
  }

  private onRecord (name: string, _record: PartitionRecord | null): void {
    const at = name.lastIndexOf('/')
    this.place(name.slice(0, at), Number(name.slice(at + 1)))
  }

  private onMove (name: string): void {
    const at = name.lastIndexOf('/')
    this.tellPartition(name.slice(0, at), Number(name.slice(at + 1)))
  }

  private onDeleted (topicId: string): void {
    // The name goes in the same commit, and may become known after this.
    const partitions = this.deletedTopics.get(topicId)?.partitions ?? 0
    for (let partition = 0; partition < partitions; partition++) this.tellPartition(topicId, partition)
    this.touch()
  }

  /** Puts together what topic and record say of a partition. */
  private place (topicId: string, partition: number): void {
    const topic = this.topicsById.get(topicId)
    const record = this.records.get(`${topicId}/${partition}`)
    let partitions = this.placements.get(topicId)
    const known = partitions?.get(partition)
    if (topic === undefined || record === null || partition >= topic.partitions) {
      if (known === undefined) return
      partitions!.delete(partition)
    } else {
      if (known?.topic === topic && known.record === record) return
      if (partitions === undefined) this.placements.set(topicId, partitions = new Map())
      partitions.set(partition, { topic, partition, record })
    }
    this.tellPartition(topicId, partition)
  }

  private tellPartition (topicId: string, partition: number): void {
    for (const listener of this.listeners) listener.onPartition?.(topicId, partition)
    this.touch()
  }

  private touch (): void {
    if (this.isTouched) return
    this.isTouched = true
    this.timers.endOfTurn(() => {
      this.isTouched = false
      for (const listener of this.listeners) listener.onAny?.()
    })
  }

  // Lists.

  private listAgain (mirror: Mirror<unknown>): void {
    this.list(mirror).catch((cause: Error) => {
      if (!this.closed) this.logger.debug({ prefix: mirror.prefix, err: cause }, 'the control store could not be read; it is tried again')
    })
  }

  /** Joins a list that has not begun; a list under way may miss what was just answered, so another follows it. */
  private list (mirror: Mirror<unknown>): Promise<void> {
    const underWay = this.listing.get(mirror)
    if (underWay !== undefined) {
      underWay.again = true
      return underWay.done
    }
    const state = { again: true, done: Promise.resolve() }
    const run = async (): Promise<void> => {
      while (state.again && !this.closed) {
        state.again = false
        const { entries, revision } = await this.control.list(mirror.prefix)
        if (this.closed) return
        if (revision < mirror.listedAt) return this.onWentBack(revision, mirror.listedAt)
        mirror.replace(entries, revision)
      }
    }
    state.done = run().finally(() => this.listing.delete(mirror))
    this.listing.set(mirror, state)
    return state.done
  }

  /**
   * Lists follow each other, and none may know less than the one before: the control store was put back to an older
   * state under this process. What it knows and what there is do not go together any more; the next process compares
   * what it has promised with what there is (see Cluster).
   */
  private onWentBack (revision: number, knownRevision: number): void {
    this.close()
    this.timers.endOfTurn(() => {
      throw new Error(`the control store was put back from revision ${knownRevision} to ${revision} while this broker was ` +
        'at work: stop all brokers before it is restored, and start them after it')
    })
  }
}
