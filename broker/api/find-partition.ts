// The partition that a request item names, or the error to answer.

import { ERROR } from '@sluice/protocol'
import type { Partition } from '../partition/partition.js'
import type { BrokerServices } from './services.js'

export type FoundPartition = { partition: Partition } | { partition: null, error: number, message: string }

export function findPartition (services: BrokerServices, topicId: string, index: number): FoundPartition {
  const partition = services.partitions.find(topicId, index)
  if (partition !== undefined) {
    const { closedBy } = partition
    return closedBy === null ? { partition } : { partition: null, ...closedBy }
  }
  const topic = services.topics.byId(topicId)
  if (topic === undefined) {
    return { partition: null, error: ERROR.UNKNOWN_TOPIC, message: `there is no topic with id ${topicId.slice(0, 40)}; refresh the metadata` }
  }
  const message = `topic ${topic.name} has partitions 0 to ${topic.partitions - 1}, not ${index}; refresh the metadata`
  return { partition: null, error: ERROR.UNKNOWN_PARTITION, message }
}
