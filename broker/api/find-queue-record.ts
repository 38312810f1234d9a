// The record that an item of a request names: by offset or by dedup id.

import { DEDUP_ID_BYTES_MAX, dedupKeyOf } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { Partition } from '../partition/partition.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import { findQueueGroup, type QueueGroupName } from './find-queue-group.js'
import type { BrokerServices } from './services.js'

/** How requests name a record; one of the two. */
export interface QueueRecordName extends QueueGroupName { readonly offset: number, readonly dedupId: string | null }

export type FoundQueueRecord =
  /** `offset` is -1 where no record has the dedup id. */
  | { group: HostedQueueGroup, partition: Partition, offset: number }
  | { group: null, error: number, message: string }

/** @param name checked by `targetsFault` */
export function findQueueRecord (services: BrokerServices, name: QueueRecordName): FoundQueueRecord {
  const found = findQueueGroup(services, name)
  if (found.group === null) return found
  const { group, partition } = found
  const offset = name.dedupId === null ? name.offset : partition.queues!.dedup?.offsetOf(dedupKeyOf(name.dedupId)) ?? -1
  return { group, partition, offset }
}

/** What is wrong with the targets of a request; null where they are well formed. */
export function targetsFault (
  targets: readonly { offset: number, dedupId: string | null, lane?: number }[], timeoutMs = 1,
): string | null {
  if (timeoutMs < 1 || timeoutMs > LIMITS.requestTimeoutMs) return `timeoutMs is ${timeoutMs}; it must be 1 to ${LIMITS.requestTimeoutMs}`
  if (targets.length === 0) return 'targets is empty; name at least one record'
  if (targets.length > LIMITS.itemsPerQueueRequest) {
    return `the request names ${targets.length} records; at most ${LIMITS.itemsPerQueueRequest} go into one`
  }
  for (const { offset, dedupId, lane = -1 } of targets) {
    const names = Number(offset >= 0) + Number(dedupId !== null) + Number(lane >= 0)
    if (names !== 1) return 'a target must be named in one way; set the others to -1 or null'
    const bytes = dedupId === null ? 1 : Buffer.byteLength(dedupId)
    if (bytes < 1 || bytes > DEDUP_ID_BYTES_MAX) return `a dedup id has ${bytes} bytes; it must have 1 to ${DEDUP_ID_BYTES_MAX}`
  }
  return null
}
