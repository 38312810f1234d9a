// A broker as placement reckons with it.

import type { PlacementBroker } from '../placement/placement-types.js'
import type { BrokerRecord } from './cluster-records.js'

/** The capacity of a broker that says nothing of it. */
export const USUAL_CAPACITY = 100

export function placementBroker ({ brokerId, rack, capacity }: BrokerRecord): PlacementBroker {
  return { brokerId, rack, capacity: capacity / USUAL_CAPACITY }
}
