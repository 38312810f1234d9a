// Which brokers are to hold the partitions of a topic that gets more replicas, or fewer.
//
//   more    who holds it keeps it; the ring adds the rest, as for a new partition
//   fewer   the worst placed go: see cut-replicas.ts
//
// A partition that is being moved already counts with where it is and with where it goes: what has been copied is kept
// before anything is copied anew. So setting the number back asks for exactly what there is.

import { BrokerLoads } from './broker-loads.js'
import { chooseReplicas } from './choose-replicas.js'
import { cutReplicas } from './cut-replicas.js'
import { HashRing } from './hash-ring.js'
import { leaderFirst } from './place-partitions.js'
import type { PlacedPartition, PlacementBroker } from './placement-types.js'
import type { Move } from './rebalance-plan.js'

/**
 * The placement of each partition of a topic, also of those that stay as they are: `from` is who holds it, `to` who is
 * to. Fewer than asked for where there are not enough brokers.
 *
 * @param brokers those that may take replicas.
 * @param partitions all that there are.
 */
export function planResize (
  brokers: readonly PlacementBroker[], partitions: readonly PlacedPartition[], topicId: string,
  replicationFactor: number,
): Move[] {
  return new Resize(brokers, partitions, topicId, replicationFactor).plan()
}

class Resize {
  private readonly brokers: ReadonlyMap<number, PlacementBroker>
  private readonly ring: HashRing
  private readonly count: number
  private readonly ofTopic: readonly PlacedPartition[]
  private readonly loads: BrokerLoads
  /** Of this topic alone: it is spread, however the others lie. */
  private readonly topicLoads: BrokerLoads

  constructor (
    brokers: readonly PlacementBroker[], partitions: readonly PlacedPartition[], topicId: string, count: number,
  ) {
    this.brokers = new Map(brokers.map(broker => [broker.brokerId, broker]))
    this.ring = new HashRing(brokers)
    this.count = count
    this.ofTopic = partitions.filter(placed => placed.topicId === topicId).sort((a, b) => a.partition - b.partition)
    const added = this.ofTopic.reduce((sum, { replicas }) => sum + count - replicas.length, 0)
    const total = partitions.reduce((sum, { replicas }) => sum + replicas.length, added)
    this.loads = new BrokerLoads(brokers, total)
    this.topicLoads = new BrokerLoads(brokers, this.ofTopic.length * count)
    for (const { replicas } of partitions) this.add(this.loads, replicas)
    for (const { replicas } of this.ofTopic) this.add(this.topicLoads, replicas)
  }

  plan (): Move[] {
    return this.ofTopic.map(placed => {
      const { topicId, partition, replicas, held = replicas } = placed
      const to = this.resized(placed, held)
      for (const loads of [this.loads, this.topicLoads]) {
        this.add(loads, replicas, -1)
        this.add(loads, to)
      }
      return { topicId, partition, from: held, to }
    })
  }

  private resized ({ topicId, partition, replicas }: PlacedPartition, held: readonly number[]): number[] {
    const { brokers, count, loads, topicLoads } = this
    if (replicas.length === count && replicas.every(id => brokers.has(id))) return [...replicas]
    const order = this.ring.order(topicId, partition)
    const there = replicas.filter(id => held.includes(id) || brokers.has(id))
    const known = [...there, ...held.filter(id => brokers.has(id) && !there.includes(id))]
    if (known.length > count) {
      const kept = cutReplicas({ replicas: known, held, count, brokers, order, loads })
      const [leader] = [replicas[0]!, held[0]!, ...kept.filter(id => brokers.has(id))].filter(id => kept.includes(id))
      return leaderFirst(kept, leader ?? kept[0]!)
    }
    const hasRoom = (id: number): boolean =>
      loads.hasRoom(id) && topicLoads.count(id) < Math.ceil(topicLoads.fairShare(id))
    const kept = known.flatMap(id => brokers.get(id) ?? [])
    const missing = count - known.length
    const chosen = chooseReplicas({ order, kept, count: kept.length + missing, hasRoom, loads })
    return [...known, ...chosen.map(({ brokerId }) => brokerId)]
  }

  private add (loads: BrokerLoads, replicas: readonly number[], count = 1): void {
    for (const id of replicas) loads.add(id, count)
  }
}
