// The topics of a cluster, and the operations on them. Any broker performs them; what counts is the control store.
//
//   create   records of the partitions ─ COMMIT the topic ─ wait a little until its leaders are there
//   alter    records of new partitions ─ COMMIT the topic ─ ask for the moves that another number of replicas takes
//   delete   COMMIT: the topic goes, and a word that it was deleted comes
//
// Nobody looks at records whose topic is not there, so a crash leaves of a creation a topic or nothing; the controller
// removes the rest. Brokers open and delete replicas by what they see of it: see ReplicaTable.

import { ERROR } from '@sluice/protocol'
import PQueue from 'p-queue'
import { ControlStoreError, type ControlStore } from '../control/control-store.js'
import { swap } from '../control/swap.js'
import {
  changedTopicRecord, newTopicRecord, replicationFault, topicChangedMeanwhile, topicExists, unknownTopic,
  type TopicBounds,
} from '../control/topic-rules.js'
import { topicKey, type TopicRecord } from '../control/topic-record.js'
import type { AlteredTopic, NewTopic, PlacedMove, Refusal, TopicChange, Topics } from '../control/topics.js'
import { LIMITS } from '../limits.js'
import { placePartitions } from '../placement/place-partitions.js'
import type { PlacedPartition } from '../placement/placement-types.js'
import { firstRecord } from '../replica/partition-record.js'
import type { Logger } from '../runtime/logger.js'
import { PARTITION_PREFIX, type ClusterMetadata } from './cluster-metadata.js'
import {
  DRAINS_CHANGED, DRAINS_CHANGED_KEY, deletedTopicKey, type BrokerRecord, type DeletedTopic,
} from './cluster-records.js'
import { takersOf } from './placed-partitions.js'
import { placementBroker } from './placement-broker.js'
import { commitSwaps, type KeySwap } from './record-commits.js'
import { ReplicaMoves } from './replica-moves.js'
import { memberOf } from './wanted-members.js'

export interface ClusterTopicsOptions {
  readonly control: ControlStore
  readonly metadata: ClusterMetadata
  readonly defaultPartitions: number
  readonly wallMs: () => number
  readonly makeNonce: () => string
  readonly logger: Logger
}

/** Replicas of a topic that does not say how many; fewer where there are fewer brokers. */
const DEFAULT_REPLICATION = 3
/** A creation waits so long for leaders; they come all the same. */
const LEADERS_WAIT_MS = 2_000
/** A drain that begins or ends meanwhile has it begin anew. */
const PLACE_TRIES_MAX = 5

export class ClusterTopics implements Topics {
  private readonly options: ClusterTopicsOptions
  private readonly replicaMoves: ReplicaMoves
  private readonly operations = new PQueue({ concurrency: 1 })

  constructor (options: ClusterTopicsOptions) {
    this.options = options
    this.replicaMoves = new ReplicaMoves(options)
  }

  byName (name: string): TopicRecord | undefined { return this.options.metadata.topics.get(name) ?? undefined }

  byId (topicId: string): TopicRecord | undefined { return this.options.metadata.topicById(topicId) }

  all (): TopicRecord[] {
    return [...this.options.metadata.topics.entries.values()].map(({ value }) => value)
      .sort((a, b) => a.name < b.name ? -1 : 1)
  }

  onChanged (listener: () => void): void { this.options.metadata.subscribe({ onTopics: listener }) }

  refresh (): Promise<void> { return this.options.metadata.refreshRecords() }

  create (topic: NewTopic, validateOnly: boolean): Promise<TopicRecord | Refusal> {
    return this.inTurn(async () => {
      const { control, metadata, wallMs } = this.options
      if (this.byName(topic.name) !== undefined) return topicExists(topic.name)
      const takers = takersOf(metadata).length
      const isDefault = topic.replicationFactor === 0
      // Two brokers get two replicas: no record is lost with one of them, though the other one then waits for it.
      const replicationFactor = isDefault ? Math.min(DEFAULT_REPLICATION, Math.max(1, takers)) : topic.replicationFactor
      const fault = isDefault && takers > 0 ? null : replicationFault(replicationFactor, takers)
      if (fault !== null) return fault
      const record = newTopicRecord(topic, { ...this.bounds, replicationFactor, wallMs: wallMs() })
      if ('error' in record || validateOnly) return record
      if (!await this.place(record, 0)) return topicChangedMeanwhile(record.name)
      const isOurs = (value: unknown): boolean => (value as TopicRecord).topicId === record.topicId
      const key = topicKey(record.name)
      const made = await swap(control, key, record, 0, isOurs)
      if (made === null) {
        await metadata.refreshRecords()
        return topicExists(record.name)
      }
      metadata.topics.apply({ key, value: record, revision: made })
      await this.leadersOf(record)
      return record
    })
  }

  alter (change: TopicChange, validateOnly: boolean): Promise<AlteredTopic | Refusal> {
    return this.inTurn(async () => {
      const { metadata } = this.options
      const known = this.byName(change.name)
      if (known === undefined) return unknownTopic(change.name)
      const takers = takersOf(metadata).length
      const fault = change.replicationFactor === 0 ? null : replicationFault(change.replicationFactor, takers)
      if (fault !== null) return fault
      const record = changedTopicRecord(known, change, this.bounds)
      if ('error' in record) return record
      const isResized = change.replicationFactor !== 0
      if (validateOnly) return { record, moves: isResized ? this.replicaMoves.resized(record) : [] }
      const isGrowing = record.partitions > known.partitions
      if (isGrowing && takers < record.replicationFactor) return replicationFault(record.replicationFactor, takers)!
      if (isGrowing && !await this.place(record, known.partitions)) {
        await metadata.refreshRecords()
        return topicChangedMeanwhile(record.name)
      }
      const made = await this.replace(record)
      if (made === null) return topicChangedMeanwhile(record.name)
      const moves = isResized ? await this.resize(record, made) : []
      if (moves === null) return topicChangedMeanwhile(record.name)
      if (isGrowing) await this.leadersOf(record)
      return { record, moves }
    })
  }

  /** @returns the revision of the topic's new record; null where somebody else has changed it. */
  private async replace (record: TopicRecord): Promise<number | null> {
    const { control, metadata } = this.options
    const revision = metadata.topics.revisionOf(record.name)
    const text = JSON.stringify(record)
    const isOurs = (value: unknown): boolean => JSON.stringify(value) === text
    const key = topicKey(record.name)
    const made = await swap(control, key, record, revision, isOurs)
    if (made === null) await metadata.refreshRecords()
    else metadata.topics.apply({ key, value: record, revision: made })
    return made
  }

  /** The topic says how many replicas there are to be; here they are asked for. */
  private async resize (record: TopicRecord, revision: number): Promise<PlacedMove[] | null> {
    // What is held and moved now, not when this broker last heard of it.
    await this.options.metadata.refresh()
    return await this.replicaMoves.resize(record, revision)
  }

  delete (name: string): Promise<TopicRecord | Refusal> {
    return this.inTurn(async () => {
      const { control, metadata, wallMs } = this.options
      const known = this.byName(name)
      if (known === undefined) return unknownTopic(name)
      const { topicId, partitions } = known
      const deleted: DeletedTopic = { name, partitions, deletedAt: wallMs() }
      const changes = [{ key: topicKey(name), value: null }, { key: deletedTopicKey(topicId), value: deleted }]
      let revision: number | null = null
      try {
        revision = await control.commit(changes, [{ key: topicKey(name), revision: metadata.topics.revisionOf(name) }])
      } catch (error) {
        if (!(error instanceof ControlStoreError) || error.fault !== 'ambiguous') throw error
        revision = (await control.get(deletedTopicKey(topicId)))?.revision ?? null
        if (revision === null) throw error
      }
      await metadata.refresh()
      return revision === null ? topicChangedMeanwhile(name) : known
    })
  }

  async atRest (): Promise<void> { await this.operations.onIdle() }

  private get bounds (): TopicBounds {
    const { metadata, defaultPartitions } = this.options
    const brokers = Math.max(1, metadata.brokers.entries.size)
    let partitionsHeld = 0
    for (const { value } of metadata.topics.entries.values()) partitionsHeld += value.partitions
    return { defaultPartitions, partitionsHeld, partitionsMax: brokers * LIMITS.partitionsPerBroker }
  }

  /**
   * Writes the first records of the partitions `[from, topic.partitions)`. Nothing is written once a drain has begun
   * that this broker has not heard of: so a drain that looks around when its word is written finds all that there will
   * be. False where somebody else was faster.
   *
   * What was written is known with that. To list it, while thousands of partitions begin on the same disk, might find a
   * control store that has no time for it, and make a failure of what is done.
   */
  private async place (topic: TopicRecord, from: number): Promise<boolean> {
    const { control, metadata } = this.options
    for (let tries = 0; tries < PLACE_TRIES_MAX; tries++) {
      const takers = takersOf(metadata)
      if (takers.length < topic.replicationFactor) return false
      const swaps = this.recordsOf(topic, from, takers)
      const revision = metadata.drains.revisionOf(DRAINS_CHANGED)
      const guard = [{ key: DRAINS_CHANGED_KEY, revision }]
      const made = await commitSwaps(control, swaps, guard, ({ change: { key, value } }, revision) => {
        metadata.records.apply({ key, value, revision })
      })
      if (made === swaps.length) return true
      if (made > 0) return false
      await metadata.refresh()
    }
    return false
  }

  /** First records of the partitions `[from, topic.partitions)`. */
  private recordsOf (topic: TopicRecord, from: number, takers: readonly BrokerRecord[]): KeySwap[] {
    const { metadata, makeNonce } = this.options
    const brokers = new Map(takers.map(broker => [broker.brokerId, broker]))
    const existing: PlacedPartition[] = metadata.partitionEntries().map(({ topicId, partition, record }) =>
      ({ topicId, partition, replicas: record.replicas.map(({ brokerId }) => brokerId) }))
    const { topicId, partitions: to, replicationFactor } = topic
    const wanted = { topicId, from, to, replicationFactor }
    return placePartitions(takers.map(placementBroker), existing, wanted).map(({ partition, replicas }) => {
      const holders = replicas.map(brokerId => brokers.get(brokerId)!)
      const [leader] = holders
      const record = firstRecord(holders.map(memberOf), memberOf(leader!), leader!.incarnation, makeNonce())
      const name = `${topicId}/${partition}`
      return { change: { key: PARTITION_PREFIX + name, value: record }, revision: metadata.records.revisionOf(name) }
    })
  }

  /** Resolves when all partitions have begun, so that who creates a topic can use it; after a while in any case. */
  private leadersOf ({ topicId, partitions }: TopicRecord): Promise<void> {
    const { metadata } = this.options
    const isReady = (): boolean => {
      for (let partition = 0; partition < partitions; partition++) {
        if (metadata.placement(topicId, partition)?.record.active !== true) return false
      }
      return true
    }
    if (isReady()) return Promise.resolve()
    return new Promise(resolve => {
      const end = (): void => {
        clearTimeout(timer)
        unsubscribe()
        resolve()
      }
      const timer = setTimeout(end, LEADERS_WAIT_MS)
      const unsubscribe = metadata.subscribe({ onAny: () => { if (isReady()) end() } })
    })
  }

  private async inTurn<T> (operation: () => Promise<T>): Promise<T | Refusal> {
    try {
      return await this.operations.add(operation)
    } catch (cause) {
      const { logger } = this.options
      logger.error({ err: cause }, 'a topic operation failed')
      const isAmbiguous = cause instanceof ControlStoreError && cause.fault === 'ambiguous'
      const outcome = isAmbiguous ? 'it may have been made all the same: look, and retry' : 'nothing was changed; retry'
      return {
        error: ERROR.STORAGE_UNAVAILABLE,
        message: `the control store of the cluster did not do it: ${(cause as Error).message}; ${outcome}`,
      }
    }
  }
}
