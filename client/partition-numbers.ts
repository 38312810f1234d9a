// Numbers of the partitions of a topic.

import type { TopicInfo } from './connection/metadata.js'

/** 0, 1, … up to the number of partitions. */
export function partitionNumbers (topic: TopicInfo): number[] {
  return topic.partitions.map((_leader, partition) => partition)
}
