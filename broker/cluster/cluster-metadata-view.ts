// What a member of a cluster tells clients of it.

import type { BrokerView, ClusterView, PartitionView } from '../control/cluster-view.js'
import type { TopicRecord } from '../control/topic-record.js'
import type { ClusterMetadata } from './cluster-metadata.js'

export class ClusterMetadataView implements ClusterView {
  private readonly metadata: ClusterMetadata

  constructor (metadata: ClusterMetadata) {
    this.metadata = metadata
  }

  get controllerId (): number { return this.metadata.controller?.brokerId ?? -1 }

  brokers (): BrokerView[] {
    return [...this.metadata.brokersById().values()].sort((a, b) => a.brokerId - b.brokerId)
      .map(({ brokerId, host, port, rack }) => ({ brokerId, host, port, rack: rack === '' ? null : rack }))
  }

  partitionsOf ({ topicId, partitions }: TopicRecord): PartitionView[] {
    const { metadata } = this
    const views: PartitionView[] = []
    for (let partition = 0; partition < partitions; partition++) {
      const record = metadata.placement(topicId, partition)?.record
      if (record === undefined) {
        views.push({ partition, leader: -1, leaderEpoch: -1, replicas: [] })
        continue
      }
      const { leader: { brokerId }, leaderIncarnation, epoch, replicas } = record
      // A process that is gone answers nobody: better to ask again soon than to call on it until its timeout.
      const isThere = metadata.brokers.get(String(brokerId))?.incarnation === leaderIncarnation
      const leader = isThere ? brokerId : -1
      views.push({ partition, leader, leaderEpoch: epoch, replicas: replicas.map(member => member.brokerId) })
    }
    return views
  }
}
