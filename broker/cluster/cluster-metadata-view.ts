// What a member of a cluster tells clients of it.

import type { BrokerView, ClusterView, PartitionView } from '../control/cluster-view.js'
import type { TopicRecord } from '../control/topic-record.js'
import { isOvertaken, type PartitionRecord } from '../replica/partition-record.js'
import type { ClusterMetadata } from './cluster-metadata.js'

export class ClusterMetadataView implements ClusterView {
  private readonly metadata: ClusterMetadata

  constructor (metadata: ClusterMetadata) {
    this.metadata = metadata
  }

  get controllerId (): number { return this.metadata.controller?.brokerId ?? -1 }

  brokers (): BrokerView[] {
    return [...this.metadata.brokersById().values()].sort((a, b) => a.brokerId - b.brokerId)
      .map(({ brokerId, host, port, clients, rack }) =>
        ({ brokerId, host, port, ...clients, rack: rack === '' ? null : rack }))
  }

  addressOf (brokerId: number): { readonly host: string, readonly port: number } | null {
    return this.metadata.brokers.get(String(brokerId)) ?? null
  }

  reachable (): number[] {
    const deposed = this.metadata.deposed()
    return this.brokers().map(({ brokerId }) => brokerId).filter(brokerId => !deposed.has(brokerId))
  }

  leaderOf (topicId: string, partition: number): number {
    const record = this.metadata.placement(topicId, partition)?.record
    return record === undefined ? -1 : this.leaderIn(record)
  }

  leaderEpochOf (topicId: string, partition: number): number {
    return this.metadata.placement(topicId, partition)?.record.epoch ?? -1
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
      const { epoch, replicas } = record
      const ids = replicas.map(member => member.brokerId)
      views.push({ partition, leader: this.leaderIn(record), leaderEpoch: epoch, replicas: ids })
    }
    return views
  }

  /** A process that is gone answers nobody: better to ask again soon than to call on it until a timeout. */
  private leaderIn (record: PartitionRecord): number {
    const { leader: { brokerId }, leaderIncarnation } = record
    if (isOvertaken(record)) return -1
    return this.metadata.brokers.get(String(brokerId))?.incarnation === leaderIncarnation ? brokerId : -1
  }
}
