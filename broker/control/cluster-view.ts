// Who the brokers are and who leads what: the part of the metadata that clients ask for. A single broker answers for
// itself (SingleBrokerView), a member of a cluster by what the control store says (ClusterMetadataView).

import type { TopicRecord } from './topic-record.js'

export interface BrokerView {
  readonly brokerId: number
  /** Where clients reach it. */
  readonly host: string
  readonly port: number
  /** Null where it has none. */
  readonly rack: string | null
}

export interface PartitionView {
  readonly partition: number
  /** Id of the broker that leads; -1 where none does. */
  readonly leader: number
  readonly leaderEpoch: number
  /** Ids of the brokers that hold it. */
  readonly replicas: number[]
}

export interface ClusterView {
  /** The broker that decides for the cluster; -1 while there is none. */
  readonly controllerId: number
  /** Those that are there, by id. */
  brokers (): BrokerView[]
  /** Where other brokers reach one; null where it is not there. */
  addressOf (brokerId: number): { readonly host: string, readonly port: number } | null
  /** Ids of those that the others can reach, in order. */
  reachable (): readonly number[]
  /** Id of the broker that leads a partition; -1 where nobody does, or it is not known. */
  leaderOf (topicId: string, partition: number): number
  /** Under which epoch it is led; -1 where that is not known. */
  leaderEpochOf (topicId: string, partition: number): number
  /** In order; a partition that has no record yet is told as one without a leader. */
  partitionsOf (topic: TopicRecord): PartitionView[]
}
