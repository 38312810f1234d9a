// The workloads: what is done to a server, as plain data that goes into the result.

import type { Acks, CodecName } from '@sluice/protocol'
import type { QueueWorkload } from './queue-workload.js'

export const ACKS = ['leader', 'quorum'] as const satisfies readonly Acks[]
export const FLUSHES = ['sync', 'interval', 'none'] as const
/** When the broker syncs. */
export type FlushChoice = typeof FLUSHES[number]

/** Records as fast as they are acknowledged. */
export interface ProduceWorkload {
  readonly name: 'produce'
  /** Bytes of a value, 1 or more. */
  readonly size: number
  /** Records of a batch, or null for what the client makes of it by itself. */
  readonly batch: number | null
  /** How long a batch waits for company, in milliseconds. */
  readonly lingerMs: number
  readonly acks: Acks
  readonly compression: CodecName
  /** When the broker syncs. */
  readonly flush: FlushChoice
  readonly partitions: number
  /** Connections, each with a producer of its own. */
  readonly connections: number
  /** Most bytes that wait for their acknowledgement, over all connections; null for the client's default. */
  readonly inFlightBytes: number | null
}

/** Producing without any choice made: records of 100 bytes, one producer, one partition, all else as by default. */
export const PLAIN_PRODUCE: ProduceWorkload = {
  name: 'produce',
  size: 100,
  batch: null,
  lingerMs: 0,
  acks: 'quorum',
  compression: 'none',
  flush: 'sync',
  partitions: 1,
  connections: 1,
  inFlightBytes: null,
}

/** How far the reader of a fetch goes with what it is given. */
export const FETCH_DEPTHS = ['records', 'batches', 'raw'] as const
export type FetchDepth = typeof FETCH_DEPTHS[number]

/** A backlog, read from its start to its end again and again. */
export interface FetchWorkload {
  readonly name: 'fetch'
  /** Bytes of a value, 1 or more. */
  readonly size: number
  /** Records in a batch of the backlog. */
  readonly batch: number
  /** Records of the backlog. */
  readonly backlog: number
  readonly partitions: number
  /**
   * `records`: one by one from the iterator of `read`, each value looked at. `batches`: batch by batch from a consumer
   * of a group, each value looked at. `raw`: the same, no value looked at; the bare loop then walks no records either.
   */
  readonly depth: FetchDepth
}

/** Records at a fixed rate, from the intended moment of sending to their arrival at a reader. */
export interface EndToEndWorkload {
  readonly name: 'e2e'
  /** Bytes of a value, 8 or more: the number of the record is in it. */
  readonly size: number
  /** Records a second. */
  readonly rate: number
  readonly flush: FlushChoice
}

/** Callers that each wait for their record before they send the next. */
export interface AwaitSendWorkload {
  readonly name: 'await-send'
  /** Bytes of a value, 1 or more. */
  readonly size: number
  /** Callers at once. */
  readonly concurrency: number
  readonly flush: FlushChoice
}

/** Topics, groups and a rate, in the shape of the OpenMessaging Benchmark. */
export interface MessagingWorkload {
  readonly name: 'messaging'
  readonly topics: number
  readonly partitionsPerTopic: number
  /** Bytes of a value, 16 or more: the moments of sending are in it. */
  readonly size: number
  readonly keys: KeyDistribution
  readonly producersPerTopic: number
  /** Groups that read each topic: every record goes to each of them. */
  readonly subscriptionsPerTopic: number
  readonly consumersPerSubscription: number
  /** Records a second over all producers. */
  readonly rate: number
  readonly flush: FlushChoice
}

/** Which keys records have: none, or one of 10,000, in turn or at random. */
export const KEY_DISTRIBUTIONS = ['none', 'round-robin', 'random'] as const
export type KeyDistribution = typeof KEY_DISTRIBUTIONS[number]

/** A group that catches up with a backlog while records keep coming. */
export interface BacklogWorkload {
  readonly name: 'backlog'
  /** Bytes of a value, 16 or more: the moments of sending are in it. */
  readonly size: number
  /** Records in a batch of the backlog. */
  readonly batch: number
  /** Records that wait at the start. */
  readonly backlog: number
  /** Records a second that keep coming. */
  readonly rate: number
  readonly partitions: number
}

/** Workloads that the bare loop can do too. */
export type BareWorkload = ProduceWorkload | FetchWorkload | EndToEndWorkload | AwaitSendWorkload | QueueWorkload
export type Workload = BareWorkload | MessagingWorkload | BacklogWorkload

/** Whether the bare loop can do it. */
export function isBareWorkload (workload: Workload): workload is BareWorkload {
  return workload.name !== 'messaging' && workload.name !== 'backlog'
}

/** Size of a batch that the bare loop makes where the client makes its own: the client's default, in bytes. */
export const OWN_BATCH_BYTES = 256 * 1024
/** Bytes that a record adds to its value in a batch without keys, at most. */
export const RECORD_OVERHEAD_BYTES = 12

/** Records of a batch of the bare loop. */
export function bareBatchRecords (workload: ProduceWorkload): number {
  return workload.batch ?? Math.max(1, Math.floor(OWN_BATCH_BYTES / (workload.size + RECORD_OVERHEAD_BYTES)))
}
