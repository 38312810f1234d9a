// What people ask for of the replicas of a topic: more of them, fewer, or certain brokers. It is written down as moves;
// the controller and the leaders make them: learners are filled, then one change of epoch takes them in and the others
// out. So a wish may be changed, or called off, at any time until then.
//
//   number of replicas ─ COMMIT the topic ─▶ plan ─▶ moves   nothing of a plan is written once the topic has changed
//   brokers of one partition ──────────────▶ move            again, or a drain has begun or ended: it is planned anew

import { ERROR } from '@sluice/protocol'
import type { ControlCompare, ControlStore } from '../control/control-store.js'
import { topicKey, type TopicRecord } from '../control/topic-record.js'
import { topicChangedMeanwhile } from '../control/topic-rules.js'
import type { PlacedMove, Refusal } from '../control/topics.js'
import { planResize } from '../placement/resize-plan.js'
import type { ClusterMetadata } from './cluster-metadata.js'
import { DRAINS_CHANGED, DRAINS_CHANGED_KEY, moveKey, type ReplicaMove } from './cluster-records.js'
import { holdersOf, placedPartitions, takersOf } from './placed-partitions.js'
import { placementBroker } from './placement-broker.js'
import { commitSwaps, type KeySwap } from './record-commits.js'

export interface ReplicaMovesOptions {
  readonly control: ControlStore
  readonly metadata: ClusterMetadata
  readonly wallMs: () => number
}

/** Moves, drains or the topic may change while a plan is written down: then it is made anew, so often. */
const TRIES_MAX = 10

export class ReplicaMoves {
  private readonly options: ReplicaMovesOptions

  constructor (options: ReplicaMovesOptions) {
    this.options = options
  }

  /** What is going to be moved so that there are as many replicas as the topic says. */
  resized (topic: TopicRecord): PlacedMove[] { return this.plan(topic).filter(isChange) }

  /**
   * Asks for as many replicas as the topic says. Nothing is written that is asked for already, so it may be called
   * again where it was broken off.
   *
   * @param revision of the topic's record.
   * @returns what is going to be moved; null where the topic has changed meanwhile. Rejects as ControlStore.commit
   *   does; some of it may be asked for then.
   */
  async resize (topic: TopicRecord, revision: number): Promise<PlacedMove[] | null> {
    const { metadata } = this.options
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const moves = this.plan(topic)
      if (await this.ask(topic, revision, moves)) return moves.filter(isChange)
      await metadata.refresh()
      if (metadata.topics.revisionOf(topic.name) !== revision) return null
    }
    return null
  }

  /** Asks for certain brokers; the first is to lead. With `dryRun` nothing is written down. */
  async move (
    topic: TopicRecord, partition: number, replicas: readonly number[], dryRun: boolean,
  ): Promise<PlacedMove | Refusal> {
    const { metadata } = this.options
    const { topicId, name } = topic
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const revision = metadata.topics.revisionOf(name)
      const placement = metadata.placement(topicId, partition)
      if (placement === undefined) return unknownPartition(name, partition)
      const from = holdersOf(placement)
      const refusal = this.refusalOf(placement.topic, partition, from, replicas)
      if (refusal !== null) return refusal
      const move = { partition, from, to: [...replicas] }
      if (dryRun || await this.ask(topic, revision, [move])) return move
      await metadata.refresh()
    }
    return topicChangedMeanwhile(name)
  }

  /** For all partitions, also those that stay as they are. */
  private plan ({ topicId, replicationFactor }: TopicRecord): PlacedMove[] {
    const { metadata } = this.options
    return planResize(takersOf(metadata).map(placementBroker), placedPartitions(metadata), topicId, replicationFactor)
  }

  private refusalOf (
    { name, replicationFactor }: TopicRecord, partition: number, from: readonly number[], replicas: readonly number[],
  ): Refusal | null {
    const { metadata } = this.options
    if (replicas.length !== replicationFactor || new Set(replicas).size !== replicas.length) {
      const are = replicationFactor === 1 ? '1 replica' : `${replicationFactor} replicas`
      return {
        error: ERROR.INVALID_REPLICATION,
        message: `partitions of ${name} have ${are}: name as many different brokers, or change that first with ` +
          `sluice topic alter ${name} --replicas`,
      }
    }
    const takers = new Set(takersOf(metadata).map(({ brokerId }) => brokerId))
    for (const id of replicas) {
      if (takers.has(id) || from.includes(id)) continue
      const why = metadata.draining().has(id)
        ? 'is being drained: undrain it first, or name another one'
        : metadata.brokersById().has(id)
          ? 'cannot be reached by the others: see sluice cluster status'
          : 'is not there: see sluice cluster status'
      return { error: ERROR.INVALID_REPLICATION, message: `${name}/${partition} cannot go to broker ${id}, which ${why}` }
    }
    return null
  }

  /** Writes down those that are not asked for yet, and calls off what stands against them. False: not all of it. */
  private async ask (topic: TopicRecord, revision: number, moves: readonly PlacedMove[]): Promise<boolean> {
    const { control, metadata } = this.options
    const guard: ControlCompare[] = [
      { key: topicKey(topic.name), revision },
      { key: DRAINS_CHANGED_KEY, revision: metadata.drains.revisionOf(DRAINS_CHANGED) },
    ]
    const swaps = moves.flatMap(move => this.swapOf(topic.topicId, move) ?? [])
    const made = await commitSwaps(control, swaps, guard, ({ change }, revision) => {
      metadata.moves.apply({ ...change, revision })
    })
    return made === swaps.length
  }

  private swapOf (topicId: string, move: PlacedMove): KeySwap | null {
    const { metadata, wallMs } = this.options
    const name = `${topicId}/${move.partition}`
    const asked = metadata.moves.get(name)
    const wanted: ReplicaMove | null = isChange(move) ? { replicas: move.to, askedAt: wallMs() } : null
    if (String(asked?.replicas) === String(wanted?.replicas)) return null
    const change = { key: moveKey(topicId, move.partition), value: wanted }
    return { change, revision: metadata.moves.revisionOf(name) }
  }
}

export function unknownPartition (topic: string, partition: number): Refusal {
  return { error: ERROR.UNKNOWN_PARTITION, message: `there is no partition ${partition} of a topic ${topic}; see sluice topic describe` }
}

/** False where the same brokers hold it and the same one leads. */
function isChange ({ from, to }: PlacedMove): boolean {
  return from[0] !== to[0] || from.length !== to.length || !to.every(id => from.includes(id))
}
