// What administrators ask of a cluster: how it is, who is to hold what, and to go on without a majority.
//
// What is asked for is written down (moves, drains) and done by the controller and the leaders, in their time: whoever
// has asked may go.

import { ERROR } from '@sluice/protocol'
import { ControlStoreError, type ControlStore } from '../control/control-store.js'
import type { PlacedMove, Refusal } from '../control/topics.js'
import { unknownTopic } from '../control/topic-rules.js'
import { HashRing } from '../placement/hash-ring.js'
import { planLeaders, planRebalance, type RebalancePlan } from '../placement/rebalance-plan.js'
import { majorityOf, memberName, type Member } from '../replica/member.js'
import { forceRecover, isOvertaken } from '../replica/partition-record.js'
import type { HeldTrouble } from '../replica-host/replica-table.js'
import type { Logger } from '../runtime/logger.js'
import { drainChanges, moveKey, type BrokerRecord, type ReplicaMove } from './cluster-records.js'
import { PARTITION_PREFIX, type ClusterMetadata } from './cluster-metadata.js'
import { ableBroker } from './controller-core.js'
import {
  byPlace, heldTrouble, isLed, lossesOf, mergeTroubles, recordTrouble, type PartitionLoss, type PartitionTrouble,
} from './partition-troubles.js'
import { holdersOf, placedPartitions } from './placed-partitions.js'
import { placementBroker } from './placement-broker.js'
import { commitSwaps, type KeySwap } from './record-commits.js'
import { ReplicaMoves, unknownPartition } from './replica-moves.js'
import { memberOf } from './wanted-members.js'

export interface ClusterAdministrationOptions {
  readonly clusterId: string
  readonly control: ControlStore
  readonly metadata: ClusterMetadata
  readonly makeNonce: () => string
  readonly wallMs: () => number
  readonly logger: Logger
}

export type PlacementAction = 'rebalance' | 'leaders' | 'drain' | 'undrain' | 'cancel'

export interface BrokerStatus {
  readonly brokerId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
  readonly capacity: number
  readonly version: string
  readonly startedAt: number
  readonly state: 'online' | 'impaired' | 'suspected' | 'gone'
  readonly draining: boolean
  readonly replicas: number
  readonly leaders: number
  readonly learners: number
  readonly ringSharePermille: number
}

export interface NamedMove {
  readonly topic: string
  readonly partition: number
  /** The leader first. */
  readonly from: number[]
  /** The first is to lead. */
  readonly to: number[]
}

export interface MoveStatus extends NamedMove { readonly state: 'waiting' | 'copying' }

export interface ClusterStatus {
  readonly clusterId: string
  readonly controllerId: number
  readonly brokers: BrokerStatus[]
  readonly topics: number
  readonly partitions: number
  readonly leaderless: number
  readonly underReplicated: number
  readonly moves: MoveStatus[]
  readonly troubles: PartitionTrouble[]
  readonly losses: PartitionLoss[]
}

export interface PlacementChange extends Omit<RebalancePlan, 'moves'> { readonly moves: NamedMove[] }

export interface ForcedRecovery { readonly epoch: number, readonly leader: number, readonly givenUp: number[] }

const NOTHING: PlacementChange = { moves: [], copies: 0, copiesLeast: 0, leaderChanges: 0 }

export class ClusterAdministration {
  private readonly options: ClusterAdministrationOptions
  private readonly replicaMoves: ReplicaMoves

  constructor (options: ClusterAdministrationOptions) {
    this.options = options
    this.replicaMoves = new ReplicaMoves(options)
  }

  /** The cluster as this broker knows it. @param held what its own replicas wait for, or repair. */
  describe (held: Iterable<HeldTrouble> = []): ClusterStatus {
    const { clusterId, metadata } = this.options
    const view = { brokers: metadata.brokersById(), deposed: metadata.deposed() }
    const troubles: PartitionTrouble[] = []
    const losses: PartitionLoss[] = []
    let leaderless = 0
    let underReplicated = 0
    let partitions = 0
    for (const placement of metadata.allPlacements()) {
      const { topic, record } = placement
      partitions++
      if (!isLed(view, placement)) leaderless++
      const able = record.replicas.filter(member => ableBroker(view, member) !== null).length
      // Until a change of replicas is marked as done, those of before are asked as well: it stands no further loss.
      if (!record.active || able < Math.max(record.replicas.length, topic.replicationFactor)) underReplicated++
      const trouble = recordTrouble(view, placement)
      if (trouble !== null) troubles.push(trouble)
      losses.push(...lossesOf(placement))
    }
    for (const trouble of held) {
      const placement = metadata.placement(trouble.topicId, trouble.partition)
      if (placement !== undefined) troubles.push(heldTrouble(placement, trouble))
    }
    return {
      clusterId,
      controllerId: metadata.controller?.brokerId ?? -1,
      brokers: this.brokers(view.deposed),
      topics: metadata.topics.entries.size,
      partitions,
      leaderless,
      underReplicated,
      moves: this.moves(),
      troubles: mergeTroubles(troubles),
      losses: losses.sort((a, b) => byPlace(a, b) || a.epoch - b.epoch),
    }
  }

  /** Moves that are to be made; with `dryRun` nothing is written down. */
  async change (action: PlacementAction, brokerId: number, dryRun: boolean): Promise<PlacementChange | Refusal> {
    return await this.guarded(async () => {
      const { metadata, control, wallMs } = this.options
      await metadata.refresh()
      if (action === 'cancel') return await this.cancel(dryRun)
      const draining = metadata.draining()
      if (action === 'drain' || action === 'undrain') {
        if (!this.isKnown(brokerId)) {
          return { error: ERROR.INVALID_REQUEST, message: `there is no broker ${brokerId} in this cluster; see sluice cluster status` }
        }
        if (action === 'drain') draining.add(brokerId)
        else draining.delete(brokerId)
      }
      const takers = [...metadata.brokersById().values()].filter(broker => !draining.has(broker.brokerId))
      if (takers.length === 0) {
        return { error: ERROR.INVALID_REQUEST, message: 'no broker would be left to hold anything; start another one first' }
      }
      // What is created from here on goes elsewhere, and what was is there to be seen.
      if (action === 'drain' && !dryRun) {
        await control.commit(drainChanges(brokerId, true, wallMs()))
        await metadata.refresh()
      }
      const brokers = takers.map(placementBroker)
      const placed = placedPartitions(metadata)
      const plan = action === 'undrain'
        ? { ...NOTHING, moves: [] }
        : action === 'leaders' ? planLeaders(brokers, placed) : planRebalance(brokers, placed)
      const change = this.named(plan)
      if (dryRun) return change
      if (action === 'undrain') {
        await control.commit(drainChanges(brokerId, false, wallMs()))
      }
      await this.ask(plan)
      await metadata.refresh()
      return change
    })
  }

  /** Says which brokers are to hold a partition, the first to lead it; with `dryRun` nothing is written down. */
  async move (
    topic: string, partition: number, replicas: readonly number[], dryRun: boolean,
  ): Promise<PlacedMove | Refusal> {
    return await this.guarded(async () => {
      const { metadata } = this.options
      await metadata.refresh()
      const record = metadata.topics.get(topic)
      if (record === null) return unknownTopic(topic)
      return await this.replicaMoves.move(record, partition, replicas, dryRun)
    })
  }

  /** Lets `survivors` go on by themselves. What only the others have is lost. */
  async forceRecover (
    topic: string, partition: number, survivors: readonly number[], dryRun: boolean,
  ): Promise<ForcedRecovery | Refusal> {
    return await this.guarded(async () => {
      const { control, metadata, makeNonce, wallMs, logger } = this.options
      await metadata.refresh()
      const topicId = metadata.topics.get(topic)?.topicId
      const placement = topicId === undefined ? undefined : metadata.placement(topicId, partition)
      if (topicId === undefined || placement === undefined) {
        return unknownPartition(topic, partition)
      }
      const { record } = placement
      const view = { brokers: metadata.brokersById(), deposed: metadata.deposed() }
      // Where the control store has forgotten who took part, those who know more may be others than it names.
      const able = distinct([...record.overtaken?.by ?? [], ...record.replicas])
        .filter(member => ableBroker(view, member) !== null)
      if (able.length >= majorityOf(record.replicas.length) && record.active && !isOvertaken(record)) {
        return { error: ERROR.INVALID_REQUEST, message: `${able.length} of ${record.replicas.length} replicas of ${topic}/${partition} are there, a majority: it goes on by itself and loses nothing` }
      }
      const kept = able.filter(({ brokerId }) => survivors.includes(brokerId))
      if (kept.length === 0 || kept.length < survivors.length) {
        const names = able.map(({ brokerId }) => brokerId).join(', ')
        return { error: ERROR.INVALID_REQUEST, message: `replicas of ${topic}/${partition} that are there are on brokers ${names === '' ? '(none)' : names}; name one or more of these` }
      }
      const leader = ableBroker(view, kept[0]!)!
      const after = forceRecover(record, kept, memberOf(leader), leader.incarnation, makeNonce(), wallMs())
      const { givenUp } = after.losses!.at(-1)!
      const recovery = { epoch: after.epoch, leader: leader.brokerId, givenUp: [...givenUp] }
      if (dryRun) return recovery
      const name = `${topicId}/${partition}`
      const swap: KeySwap = {
        change: { key: PARTITION_PREFIX + name, value: after }, revision: metadata.records.revisionOf(name),
      }
      if (await commitSwaps(control, [swap]) === 0) {
        return { error: ERROR.BUSY, message: `${topic}/${partition} was changed by the controller just now; look at it and retry` }
      }
      logger.error({ topic, partition, ...recovery }, 'an administrator let a partition go on without a majority; records may be lost')
      await metadata.refresh()
      return recovery
    })
  }

  private isKnown (brokerId: number): boolean {
    const { metadata } = this.options
    if (metadata.brokersById().has(brokerId)) return true
    for (const { record } of metadata.allPlacements()) {
      if (record.replicas.some(member => member.brokerId === brokerId)) return true
    }
    return metadata.draining().has(brokerId)
  }

  private async ask ({ moves }: RebalancePlan): Promise<void> {
    const { control, metadata, wallMs } = this.options
    const askedAt = wallMs()
    await commitSwaps(control, moves.map(({ topicId, partition, to }) => {
      const value: ReplicaMove = { replicas: to, askedAt }
      const revision = metadata.moves.revisionOf(`${topicId}/${partition}`)
      return { change: { key: moveKey(topicId, partition), value }, revision }
    }))
  }

  private async cancel (dryRun: boolean): Promise<PlacementChange> {
    const { control, metadata } = this.options
    const moves = this.moves().map(({ topic, partition, from, to }) => ({ topic, partition, from: to, to: from }))
    if (!dryRun) {
      await commitSwaps(control, [...metadata.moves.entries].map(([name, { revision }]) =>
        ({ change: { key: metadata.moves.prefix + name, value: null }, revision })))
      await metadata.refresh()
    }
    return { ...NOTHING, moves }
  }

  private named ({ moves, ...counts }: RebalancePlan): PlacementChange {
    const { metadata } = this.options
    const named = moves.map(({ topicId, partition, from, to }) =>
      ({ topic: metadata.topicById(topicId)?.name ?? topicId, partition, from: [...from], to: [...to] }))
    return { ...counts, moves: named.sort(byPlace) }
  }

  private moves (): MoveStatus[] {
    const { metadata } = this.options
    const moves: MoveStatus[] = []
    for (const { topic, partition, record } of metadata.allPlacements()) {
      const move = metadata.moves.get(`${topic.topicId}/${partition}`)
      if (move === null) continue
      const from = holdersOf({ record })
      const state = record.learners.length > 0 ? 'copying' : 'waiting'
      moves.push({ topic: topic.name, partition, from, to: [...move.replicas], state })
    }
    return moves.sort(byPlace)
  }

  private brokers (deposed: ReadonlySet<number>): BrokerStatus[] {
    const { metadata } = this.options
    const registered = metadata.brokersById()
    const draining = metadata.draining()
    const counts = new Map<number, { replicas: number, leaders: number, learners: number }>()
    const count = (brokerId: number): { replicas: number, leaders: number, learners: number } => {
      const known = counts.get(brokerId) ?? { replicas: 0, leaders: 0, learners: 0 }
      counts.set(brokerId, known)
      return known
    }
    for (const { record } of metadata.allPlacements()) {
      for (const { brokerId } of record.replicas) count(brokerId).replicas++
      for (const { brokerId } of record.learners) count(brokerId).learners++
      count(record.leader.brokerId).leaders++
    }
    const takers = [...registered.values()].filter(({ brokerId }) => !draining.has(brokerId))
    const shares = new HashRing(takers.map(placementBroker)).shares()
    const ids = new Set([...registered.keys(), ...counts.keys()])
    return [...ids].sort((a, b) => a - b).map(brokerId => {
      const broker = registered.get(brokerId)
      return {
        brokerId,
        host: broker?.host ?? '',
        port: broker?.port ?? 0,
        rack: broker === undefined || broker.rack === '' ? null : broker.rack,
        capacity: broker?.capacity ?? 0,
        version: broker?.version ?? '',
        startedAt: broker?.startedAt ?? -1,
        state: stateOf(broker, deposed),
        draining: draining.has(brokerId),
        ...count(brokerId),
        ringSharePermille: Math.round(1000 * (shares.get(brokerId) ?? 0)),
      }
    })
  }

  private async guarded<T> (operation: () => Promise<T | Refusal>): Promise<T | Refusal> {
    try {
      return await operation()
    } catch (cause) {
      if (!(cause instanceof ControlStoreError)) throw cause
      return {
        error: ERROR.STORAGE_UNAVAILABLE,
        message: `the control store of the cluster cannot be reached: ${cause.message}; some of it may be done: look, and retry`,
      }
    }
  }
}

function stateOf (broker: BrokerRecord | undefined, deposed: ReadonlySet<number>): BrokerStatus['state'] {
  if (broker === undefined) return 'gone'
  if (deposed.has(broker.brokerId)) return 'suspected'
  return broker.impaired === undefined ? 'online' : 'impaired'
}

function distinct (members: readonly Member[]): Member[] {
  return [...new Map(members.map(member => [memberName(member), member])).values()]
}
