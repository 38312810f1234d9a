// The cluster as placement reckons with it.

import type { PlacedPartition } from '../placement/placement-types.js'
import type { BrokerRecord } from './cluster-records.js'
import type { ClusterMetadata } from './cluster-metadata.js'
import type { PartitionEntry } from './controller-view.js'

/** Who is to hold what, by moves that were asked for and by what is. */
export function placedPartitions (metadata: ClusterMetadata): PlacedPartition[] {
  return metadata.partitionEntries().map(entry => {
    const { topicId, partition } = entry
    const held = holdersOf(entry)
    const replicas = metadata.moves.get(`${topicId}/${partition}`)?.replicas ?? held
    const topic = metadata.topicById(topicId)
    const factor = topic === undefined ? {} : { replicationFactor: topic.replicationFactor }
    return { topicId, partition, replicas, held, ...factor }
  })
}

/** Brokers that hold a partition, the leader first. */
export function holdersOf ({ record: { replicas, leader } }: Pick<PartitionEntry, 'record'>): number[] {
  const others = replicas.map(({ brokerId }) => brokerId).filter(brokerId => brokerId !== leader.brokerId)
  return [leader.brokerId, ...others]
}

/** Brokers that new replicas may go to: they can be reached, and are not drained. */
export function takersOf (metadata: ClusterMetadata): BrokerRecord[] {
  const deposed = metadata.deposed()
  const draining = metadata.draining()
  return [...metadata.brokersById().values()]
    .filter(({ brokerId }) => !deposed.has(brokerId) && !draining.has(brokerId))
}
