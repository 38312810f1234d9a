// What the controller decides by: the cluster as it is known, at one moment.

import type { PartitionRecord } from '../replica/partition-record.js'
import type { BrokerRecord, ReplicaMove } from './cluster-records.js'

export interface PartitionEntry {
  readonly topicId: string
  readonly partition: number
  readonly record: PartitionRecord
  /** The revision of the last change: what to compare with. */
  readonly revision: number
}

export interface ControllerView {
  /** Brokers that are registered. */
  readonly brokers: ReadonlyMap<number, BrokerRecord>
  /** Those of them that others cannot reach. */
  readonly deposed: ReadonlySet<number>
  readonly draining: ReadonlySet<number>
  readonly partitions: readonly PartitionEntry[]
  moveOf (topicId: string, partition: number): ReplicaMove | null
}

/** What to do with one partition. */
export interface Decision {
  readonly kind: 'fail-over' | 'learners' | 'move-done'
  readonly entry: PartitionEntry
  /** What the record is to be; the one that it is where only the move is done. */
  readonly record: PartitionRecord
}

/** The partition as text, for maps and messages. */
export function partitionName (topicId: string, partition: number): string { return `${topicId}/${partition}` }
