// The topics that there are, and the operations on them: what requests, groups and dead letters need of a catalog.
// TopicCatalog is that of a single broker, ClusterTopics that of a cluster.

import type { TopicRecord } from './topic-record.js'

/** A refused operation: an error number and its text. */
export interface Refusal { error: number, message: string }

export interface NewTopic {
  name: string
  kind: 'stream' | 'queue'
  /** 0 for the default. */
  partitions: number
  /** 0 for the default. */
  replicationFactor: number
  config: Readonly<Record<string, string>>
}

export interface TopicChange {
  name: string
  /** New number of partitions; 0 to leave it. */
  partitions: number
  /** New number of replicas; 0 to leave it. */
  replicationFactor: number
  set: Readonly<Record<string, string>>
  unset: readonly string[]
}

/** One partition, as it is and as it is to be. */
export interface PlacedMove {
  readonly partition: number
  /** Brokers that hold it, the leader first. */
  readonly from: readonly number[]
  /** Brokers that are to hold it; the first is to lead. */
  readonly to: readonly number[]
}

/** What became of a topic. */
export interface AlteredTopic {
  readonly record: TopicRecord
  /** What a new number of replicas brings about. */
  readonly moves: readonly PlacedMove[]
}

export interface Topics {
  byName (name: string): TopicRecord | undefined
  byId (topicId: string): TopicRecord | undefined
  /** All topics by name. */
  all (): TopicRecord[]
  /** Calls `listener` after topics or their partitions have changed. */
  onChanged (listener: () => void): void
  /** After it, whatever other brokers had done before the call is known. Rejects where that cannot be told for now. */
  refresh (): Promise<void>
  create (topic: NewTopic, validateOnly: boolean): Promise<TopicRecord | Refusal>
  alter (change: TopicChange, validateOnly: boolean): Promise<AlteredTopic | Refusal>
  delete (name: string): Promise<TopicRecord | Refusal>
  /** Resolves when no operation is under way. */
  atRest (): Promise<void>
}
