// Where the partitions of a new topic go, or those that a topic grows by.
//
// Two bounds hold at once: the fair share with the load factor on all replicas of a broker, and the fair share itself,
// rounded up, on those of the topic, so that a small topic is spread however the others lie. The first replica is to
// lead; it is the one of them whose broker has the fewest to lead, in proportion to its capacity.

import { BrokerLoads } from './broker-loads.js'
import { chooseReplicas } from './choose-replicas.js'
import { HashRing } from './hash-ring.js'
import type { PlacedPartition, PlacementBroker } from './placement-types.js'

export interface NewPartitions {
  readonly topicId: string
  /** Numbers of the partitions to place: `[from, to)`. */
  readonly from: number
  readonly to: number
  readonly replicationFactor: number
}

/**
 * Proposes replicas, the first of them to lead. Fewer than asked for where there are not enough brokers.
 *
 * @param brokers those that may take replicas.
 * @param existing all partitions that there are, those of the topic included.
 */
export function placePartitions (
  brokers: readonly PlacementBroker[], existing: readonly PlacedPartition[], wanted: NewPartitions,
): PlacedPartition[] {
  const { topicId, from, to, replicationFactor } = wanted
  const ring = new HashRing(brokers)
  const ofTopic = existing.filter(placed => placed.topicId === topicId)
  const added = (to - from) * Math.min(replicationFactor, brokers.length)
  const loads = loadsOf(brokers, existing, added)
  const topicLoads = loadsOf(brokers, ofTopic, added)
  const leads = new BrokerLoads(brokers, existing.length + to - from)
  const topicLeads = new BrokerLoads(brokers, ofTopic.length + to - from)
  for (const { replicas } of existing) leads.add(replicas[0]!)
  for (const { replicas } of ofTopic) topicLeads.add(replicas[0]!)
  const hasRoom = (brokerId: number): boolean =>
    loads.hasRoom(brokerId) && topicLoads.count(brokerId) < Math.ceil(topicLoads.fairShare(brokerId))
  const placed: PlacedPartition[] = []
  for (let partition = from; partition < to; partition++) {
    const order = ring.order(topicId, partition)
    const chosen = chooseReplicas({ order, kept: [], count: replicationFactor, hasRoom, loads })
    const replicas = chosen.map(({ brokerId }) => brokerId)
    for (const brokerId of replicas) {
      loads.add(brokerId)
      topicLoads.add(brokerId)
    }
    const leader = leastLeading(replicas, topicLeads, leads)
    topicLeads.add(leader)
    leads.add(leader)
    placed.push({ topicId, partition, replicas: leaderFirst(replicas, leader) })
  }
  return placed
}

/** The same replicas with the one that is to lead in front. */
export function leaderFirst (replicas: readonly number[], leader: number): number[] {
  return [leader, ...replicas.filter(brokerId => brokerId !== leader)]
}

function loadsOf (brokers: readonly PlacementBroker[], placed: readonly PlacedPartition[], added: number): BrokerLoads {
  const total = placed.reduce((sum, { replicas }) => sum + replicas.length, added)
  const loads = new BrokerLoads(brokers, total)
  for (const { replicas } of placed) for (const brokerId of replicas) loads.add(brokerId)
  return loads
}

function leastLeading (replicas: readonly number[], topicLeads: BrokerLoads, leads: BrokerLoads): number {
  let best = replicas[0]!
  for (const brokerId of replicas) {
    const difference = topicLeads.fullness(brokerId) - topicLeads.fullness(best)
    if (difference < 0 || (difference === 0 && leads.fullness(brokerId) < leads.fullness(best))) best = brokerId
  }
  return best
}
