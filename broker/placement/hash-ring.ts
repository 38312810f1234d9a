// The consistent-hash ring: brokers stand on it many times, in proportion to their capacity, and a partition goes to
// the brokers that follow clockwise.
//
//        b2 · · b1                 a partition at ▲ has the order b1, b3, b2
//      b3         ▲
//        b1 · · b2                 a broker that joins or leaves moves what lies in front of its own points, and
//           b3                     nothing else
//
// Where a point lies depends on the id of its broker alone: the same brokers make the same ring everywhere.

import assert from 'node:assert'
import type { PlacementBroker } from './placement-types.js'
import { ringHash } from './ring-hash.js'

/** Points of a broker of capacity 1. */
export const POINTS_PER_CAPACITY = 256
const POINTS_MAX = 16_384

export class HashRing {
  readonly brokers: readonly PlacementBroker[]
  /** Points by position; the broker of each as an index into `brokers`. */
  private readonly positions: Float64Array
  private readonly owners: Uint32Array

  constructor (brokers: readonly PlacementBroker[]) {
    this.brokers = [...brokers].sort((a, b) => a.brokerId - b.brokerId)
    const points: { position: number, owner: number }[] = []
    for (const [owner, { brokerId, capacity }] of this.brokers.entries()) {
      assert(capacity > 0, `the capacity of broker ${brokerId} is ${capacity}`)
      assert(owner === 0 || this.brokers[owner - 1]!.brokerId !== brokerId, `broker ${brokerId} is there twice`)
      const count = Math.min(POINTS_MAX, Math.max(1, Math.round(POINTS_PER_CAPACITY * capacity)))
      for (let point = 0; point < count; point++) points.push({ position: ringHash(`${brokerId}#${point}`), owner })
    }
    points.sort((a, b) => a.position - b.position || a.owner - b.owner)
    this.positions = Float64Array.from(points, ({ position }) => position)
    this.owners = Uint32Array.from(points, ({ owner }) => owner)
  }

  /** Points on the ring. */
  get size (): number { return this.positions.length }

  /** All brokers in the order in which they follow a partition clockwise. */
  order (topicId: string, partition: number): PlacementBroker[] {
    const { brokers, owners } = this
    const found: PlacementBroker[] = []
    const seen = new Uint8Array(brokers.length)
    let index = this.firstFrom(ringHash(`${topicId}/${partition}`))
    for (let steps = 0; steps < owners.length && found.length < brokers.length; steps++) {
      const owner = owners[index]!
      if (seen[owner] === 0) {
        seen[owner] = 1
        found.push(brokers[owner]!)
      }
      if (++index === owners.length) index = 0
    }
    return found
  }

  /** The share of the ring that each broker owns, by broker id: 0 to 1, together 1. */
  shares (): Map<number, number> {
    const { brokers, owners, positions } = this
    const shares = new Map(brokers.map(({ brokerId }) => [brokerId, 0]))
    const whole = 2 ** 53
    for (let index = 0; index < owners.length; index++) {
      // A point owns what lies between the point before it and itself; the first one what lies behind the last, too.
      const before = index === 0 ? positions[owners.length - 1]! - whole : positions[index - 1]!
      const { brokerId } = brokers[owners[index]!]!
      shares.set(brokerId, shares.get(brokerId)! + (positions[index]! - before) / whole)
    }
    return shares
  }

  /** Index of the first point at or behind a position. */
  private firstFrom (position: number): number {
    const { positions } = this
    let low = 0
    let high = positions.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (positions[middle]! < position) low = middle + 1
      else high = middle
    }
    return low === positions.length ? 0 : low
  }
}
