// The workloads: what is done to a server, as plain data that goes into the result.

import type { Acks } from '@sluice/protocol'
import type { QueueWorkload } from './queue-workload.js'

/** Records as fast as they are acknowledged. */
export interface ProduceWorkload {
  readonly name: 'produce'
  /** Bytes of a value, 1 or more. */
  readonly size: number
  /** Records of a batch, or null for what the client makes of it by itself. */
  readonly batch: number | null
  readonly acks: Acks
  /** When the broker syncs. */
  readonly flush: FlushChoice
  readonly partitions: number
  /** Connections, each with a producer of its own. */
  readonly connections: number
  /** Most bytes that wait for their acknowledgement, over all connections; null for the client's default. */
  readonly inFlightBytes: number | null
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

export type FlushChoice = 'sync' | 'interval' | 'none'
export type Workload = ProduceWorkload | FetchWorkload | EndToEndWorkload | AwaitSendWorkload | QueueWorkload

/** Size of a batch that the bare loop makes where the client makes its own: the client's default, in bytes. */
export const OWN_BATCH_BYTES = 256 * 1024
/** Bytes that a record adds to its value in a batch without keys, at most. */
export const RECORD_OVERHEAD_BYTES = 12

/** Records of a batch of the bare loop. */
export function bareBatchRecords (workload: ProduceWorkload): number {
  return workload.batch ?? Math.max(1, Math.floor(OWN_BATCH_BYTES / (workload.size + RECORD_OVERHEAD_BYTES)))
}
