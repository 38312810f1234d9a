// The queue group that a request item names, or the error to answer.

import { ERROR } from '@sluice/protocol'
import type { Partition } from '../partition/partition.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import { findPartition } from './find-partition.js'
import type { BrokerServices } from './services.js'

/** How requests name a queue group. */
export interface QueueGroupName { readonly topicId: string, readonly partition: number, readonly group: string }

export type FoundQueueGroup =
  | { group: HostedQueueGroup, partition: Partition }
  | { group: null, partition: Partition | null, error: number, message: string }

/** Finds the group. */
export function findQueueGroup (services: BrokerServices, name: QueueGroupName): FoundQueueGroup {
  const found = findPartition(services, name.topicId, name.partition)
  if (found.partition === null) return { group: null, ...found }
  const { partition } = found
  const { queues } = partition
  const group = queues?.find(name.group)
  if (group === undefined || queues === null) {
    return { group: null, partition, error: ERROR.NOT_A_QUEUE, message: refusalOf(partition, name.group) }
  }
  const { blockedBy } = queues
  if (blockedBy === null) return { group, partition }
  if (blockedBy === 'no-quorum') {
    return {
      group: null,
      partition,
      error: ERROR.NOT_ENOUGH_REPLICAS,
      message: `a majority of the replicas of ${partition.label} cannot be reached; retry with back-off`,
    }
  }
  return {
    group: null,
    partition,
    error: blockedBy === 'busy' ? ERROR.BUSY : ERROR.STORAGE_UNAVAILABLE,
    message: blockedBy === 'busy'
      ? `the disk does not keep up with ${partition.label}; retry with back-off`
      : `the state log of ${partition.label} takes nothing for now: ${partition.stateLog?.stateReason ?? 'it is not open'}`,
  }
}

function refusalOf ({ isQueue, topicName }: Partition, group: string): string {
  if (isQueue) {
    return `queue ${topicName} has one group, its own, which is named by the empty string, and none named ${JSON.stringify(group.slice(0, 100))}; for several groups of consumers create a queue for each and send to all of them`
  }
  return `topic ${topicName} is a stream, whose records have no leases; read it by fetch with a stream group, or create a topic of the kind queue and send there`
}
