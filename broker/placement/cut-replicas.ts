// Which replicas of a partition go where there are too many. The worst placed goes first, then the next:
//
//   1. nobody has copied it yet                       nothing is lost with it
//   2. its broker takes no replicas                   it is drained, or cannot be reached
//   3. its rack has another replica of the partition
//   4. its broker is the fullest, in proportion
//   5. the last one on the ring
//
// The leader stays, unless its broker takes no replicas.

import type { BrokerLoads } from './broker-loads.js'
import { rackOf } from './choose-replicas.js'
import type { PlacementBroker } from './placement-types.js'

export interface Cut {
  readonly replicas: readonly number[]
  /** Those that have the records; the leader first. */
  readonly held: readonly number[]
  /** How many are to be left, at least 1. */
  readonly count: number
  /** Brokers that take replicas, by id. */
  readonly brokers: ReadonlyMap<number, PlacementBroker>
  /** The same as the ring has them for this partition. */
  readonly order: readonly PlacementBroker[]
  readonly loads: BrokerLoads
}

/** @returns those that stay, in the order in which they were given. */
export function cutReplicas (cut: Cut): number[] {
  const { brokers, held, loads, order } = cut
  const kept = [...cut.replicas]
  const rackDoubled = (id: number): boolean => {
    const broker = brokers.get(id)
    return broker !== undefined && kept.some(other => {
      const known = brokers.get(other)
      return other !== id && known !== undefined && rackOf(known) === rackOf(broker)
    })
  }
  const rank = (id: number): number => order.findIndex(({ brokerId }) => brokerId === id)
  /** Above zero where `a` goes before `b`. */
  const compare = (a: number, b: number): number =>
    Number(held.includes(b)) - Number(held.includes(a)) ||
    Number(brokers.has(b)) - Number(brokers.has(a)) ||
    Number(rackDoubled(a)) - Number(rackDoubled(b)) ||
    (brokers.has(a) ? loads.fullness(a) - loads.fullness(b) : 0) ||
    rank(a) - rank(b)
  while (kept.length > cut.count) {
    const free = kept.filter(id => id !== held[0] || !brokers.has(id))
    const worst = free.reduce((a, b) => compare(b, a) > 0 ? b : a)
    kept.splice(kept.indexOf(worst), 1)
  }
  return kept
}
