// A broker that is alone: it leads whatever there is.

import type { PartitionTable } from '../partition/partition-table.js'
import type { BrokerView, ClusterView, PartitionView } from './cluster-view.js'
import type { TopicRecord } from './topic-record.js'

export class SingleBrokerView implements ClusterView {
  readonly controllerId: number
  private readonly self: BrokerView
  private readonly partitions: PartitionTable

  constructor (self: BrokerView, partitions: PartitionTable) {
    this.controllerId = self.brokerId
    this.self = self
    this.partitions = partitions
  }

  brokers (): BrokerView[] { return [this.self] }

  addressOf (): BrokerView { return this.self }

  reachable (): number[] { return [this.self.brokerId] }

  leaderOf (): number { return this.self.brokerId }

  leaderEpochOf (topicId: string, partition: number): number {
    return this.partitions.find(topicId, partition)?.leaderEpoch ?? -1
  }

  partitionsOf ({ topicId }: TopicRecord): PartitionView[] {
    const { brokerId } = this.self
    return this.partitions.partitionsOf(topicId).map(({ index, leaderEpoch }) =>
      ({ partition: index, leader: brokerId, leaderEpoch, replicas: [brokerId] }))
  }
}
