// How many replicas each broker holds, and how many it should.
//
//   fair share   replicas of all × capacity of this one / capacity of all
//   bound        fair share × 1.25, rounded up: what new replicas may fill a broker to

import { LOAD_FACTOR, type PlacementBroker } from './placement-types.js'

export class BrokerLoads {
  /** Replicas there are, or will be. */
  private readonly total: number
  private readonly capacities: ReadonlyMap<number, number>
  private readonly capacity: number
  private readonly counts = new Map<number, number>()

  /** @param total replicas that there will be when everything is placed: bounds are reckoned by that. */
  constructor (brokers: readonly PlacementBroker[], total: number) {
    this.total = total
    this.capacities = new Map(brokers.map(({ brokerId, capacity }) => [brokerId, capacity]))
    this.capacity = brokers.reduce((sum, { capacity }) => sum + capacity, 0)
  }

  count (brokerId: number): number { return this.counts.get(brokerId) ?? 0 }

  add (brokerId: number, count = 1): void { this.counts.set(brokerId, this.count(brokerId) + count) }

  /** Not rounded; 0 for a broker that is to hold nothing. */
  fairShare (brokerId: number): number {
    return this.capacity === 0 ? 0 : this.total * (this.capacities.get(brokerId) ?? 0) / this.capacity
  }

  bound (brokerId: number): number { return Math.ceil(LOAD_FACTOR * this.fairShare(brokerId)) }

  hasRoom (brokerId: number): boolean { return this.count(brokerId) < this.bound(brokerId) }

  /** Replicas in proportion to capacity: what to compare brokers of different size by. */
  fullness (brokerId: number): number {
    return this.count(brokerId) / (this.capacities.get(brokerId) ?? Number.MIN_VALUE)
  }
}
