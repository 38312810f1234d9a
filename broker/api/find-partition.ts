// The partition that a request item names, or the error to answer.

import { ERROR } from '@sluice/protocol'
import type { PartitionLog } from '@sluice/storage'
import type { LogRefusal } from '../log/led-log.js'
import type { Partition } from '../partition/partition.js'
import type { PartitionPlacement } from '../replica-host/partition-placements.js'
import type { BrokerServices } from './services.js'

/** Why there is none here, and who leads it as far as that is known (-1). */
export interface MissingPartition {
  readonly partition: null
  readonly error: number
  readonly message: string
  readonly leader: number
  readonly leaderEpoch: number
}

export type FoundPartition = { partition: Partition } | MissingPartition

/** What can be read of a partition: by its leader or, up to what it knows to be committed, by another replica. */
export interface ReadablePartition {
  readonly label: string
  readonly log: PartitionLog
  readonly highWatermark: number
  readonly leaderEpoch: number
  /** Left out by the leader. */
  readonly leaderId?: number
  readonly closedBy: { readonly error: number, readonly message: string } | null
  /** The leader's alone; see Partition. */
  confirmLeadership? (done: (refusal: LogRefusal | null) => void): void
  addWaiter (wake: () => void): void
  removeWaiter (wake: () => void): void
}

/** The partition at its leader, open for everything. */
export function findPartition (services: BrokerServices, topicId: string, index: number): FoundPartition {
  const partition = services.partitions.find(topicId, index)
  if (partition === undefined) return missing(services, topicId, index)
  const { closedBy } = partition
  return closedBy === null ? { partition } : { partition: null, leader: -1, leaderEpoch: -1, ...closedBy }
}

/** The partition, or another replica of it. */
export function findReadable (
  services: BrokerServices, topicId: string, index: number,
): { partition: ReadablePartition } | MissingPartition {
  const found = findPartition(services, topicId, index)
  if (found.partition !== null) return found
  const replica = services.replicas?.find(topicId, index)
  return replica === undefined || replica.closedBy !== null ? found : { partition: replica }
}

function missing (services: BrokerServices, topicId: string, index: number): MissingPartition {
  const placement = services.replicas?.placementOf(topicId, index)
  if (placement !== undefined) return notLed(services, placement, topicId, index)
  const topic = services.topics.byId(topicId)
  if (topic === undefined) {
    return { ...NOWHERE, error: ERROR.UNKNOWN_TOPIC, message: `there is no topic with id ${topicId.slice(0, 40)}; refresh the metadata` }
  }
  if (services.replicas !== null && index >= 0 && index < topic.partitions) {
    return { ...NOWHERE, error: ERROR.LEADER_NOT_AVAILABLE, message: `partition ${topic.name}/${index} has no leader yet; retry` }
  }
  const message = `topic ${topic.name} has partitions 0 to ${topic.partitions - 1}, not ${index}; refresh the metadata`
  return { ...NOWHERE, error: ERROR.UNKNOWN_PARTITION, message }
}

/** A replica here may know of a newer leader than the metadata. */
function notLed (
  services: BrokerServices, { topic, record }: PartitionPlacement, topicId: string, index: number,
): MissingPartition {
  const replica = services.replicas!.find(topicId, index)
  const leader = replica?.leaderId ?? record.leader.brokerId
  const leaderEpoch = replica?.leaderEpoch ?? record.epoch
  const label = `partition ${topic.name}/${index}`
  if (leader === -1 || leader === services.brokerId) {
    return { ...NOWHERE, error: ERROR.LEADER_NOT_AVAILABLE, message: `${label} has no leader for now; retry with back-off`, leaderEpoch }
  }
  const message = `${label} is led by broker ${leader}, not by this one; refresh the metadata`
  return { partition: null, error: ERROR.NOT_LEADER, message, leader, leaderEpoch }
}

const NOWHERE = { partition: null, leader: -1, leaderEpoch: -1 } as const
