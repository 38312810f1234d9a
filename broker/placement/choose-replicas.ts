// Picks brokers for one partition from those that follow it on the ring: distinct racks first, then distinct brokers,
// passing over those that have no room.
//
//   1. with room, of a rack that has no replica yet
//   2. of such a rack, without room     what fails together must not hold two: worth more than an even load
//   3. with room
//   4. any                              rather full than not replicated
//
// Without room they are taken by how full they are, not by the ring.

import type { BrokerLoads } from './broker-loads.js'
import type { PlacementBroker } from './placement-types.js'

export interface Choice {
  /** Brokers in the order of the ring. */
  readonly order: readonly PlacementBroker[]
  /** Those that hold the partition already, and keep it. */
  readonly kept: readonly PlacementBroker[]
  /** How many there are to be in all. */
  readonly count: number
  readonly hasRoom: (brokerId: number) => boolean
  readonly loads: BrokerLoads
}

/** @returns the new ones, at most as many as are missing; fewer where there are not enough brokers. */
export function chooseReplicas (choice: Choice): PlacementBroker[] {
  const { order, kept, count, hasRoom, loads } = choice
  const chosen: PlacementBroker[] = []
  const taken = new Set(kept.map(({ brokerId }) => brokerId))
  const racks = new Set(kept.map(rackOf))
  const take = (from: readonly PlacementBroker[], isWanted: (broker: PlacementBroker) => boolean): void => {
    for (const broker of from) {
      if (kept.length + chosen.length >= count) return
      if (taken.has(broker.brokerId) || !isWanted(broker)) continue
      chosen.push(broker)
      taken.add(broker.brokerId)
      racks.add(rackOf(broker))
    }
  }
  take(order, broker => hasRoom(broker.brokerId) && !racks.has(rackOf(broker)))
  const byFullness = [...order].sort((a, b) => loads.fullness(a.brokerId) - loads.fullness(b.brokerId))
  take(byFullness, broker => !racks.has(rackOf(broker)))
  take(order, broker => hasRoom(broker.brokerId))
  take(byFullness, () => true)
  return chosen
}

/** A broker without a rack is one by itself. */
export function rackOf ({ brokerId, rack }: PlacementBroker): string {
  return rack === '' ? `#${brokerId}` : rack
}
