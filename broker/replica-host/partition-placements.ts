// What the cluster's metadata says of partitions, as the replicas on a broker need it. The cluster side of a broker
// implements it (a cache of the control store); a test may do so with a map.

import type { TopicRecord } from '../control/topic-record.js'
import type { PartitionRecord } from '../replica/partition-record.js'

/** A partition, what its topic is, and who leads and holds it. */
export interface PartitionPlacement {
  readonly topic: TopicRecord
  readonly partition: number
  /** As it was read from the control store: a watch alone does not count. */
  readonly record: PartitionRecord
}

export interface PartitionPlacements {
  /** Undefined where there is no such partition, as far as this broker knows. The same object until it changes. */
  get (topicId: string, partition: number): PartitionPlacement | undefined
  /** Of all partitions of the cluster. */
  all (): Iterable<PartitionPlacement>
  /**
   * True where the control store says that the topic was deleted, so that its files go. A topic that it merely does not
   * know, since it was lost or put back from an older copy, is left alone.
   */
  wasDeleted (topicId: string): boolean
  /** Calls back after a placement, the topic in it, or `wasDeleted` has changed. Returns the function that ends it. */
  subscribe (onChange: (topicId: string, partition: number) => void): () => void
  /**
   * Notes that the epoch is active (`activate` of replica/partition-record.ts). Resolves with the record as it then is;
   * null where somebody was faster. Rejects where the control store cannot be reached: the leader asks again.
   *
   * @param cutOffset where the log goes on after a forced recovery; null where the epoch follows none.
   */
  activate (
    topicId: string, partition: number, epoch: number, cutOffset?: number | null,
  ): Promise<PartitionRecord | null>
}
