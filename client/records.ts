// Records as users see them.

/** Where a record is and when it was made. */
export interface RecordMeta {
  readonly topic: string
  readonly partition: number
  /** -1 where the broker did not tell: with acks `none`, and for a very late duplicate. */
  readonly offset: number
  /** Milliseconds since 1970-01-01 UTC. */
  readonly timestamp: number
}

/** A record to send. */
export interface OutRecord<K, V> {
  /** Records with the same key go to the same partition, in order. null and undefined: no key, any partition. */
  key?: K | null
  /** null is a tombstone: compaction removes the key. */
  value: V | null
  headers?: Record<string, string | Uint8Array>
  /** Overrides the partitioner. */
  partition?: number
  /** Milliseconds since 1970-01-01 UTC, an integer. Default now; records of one turn of the event loop may share it. */
  timestamp?: number
}

/** A record that was read. Key, value and headers are decoded when they are first looked at. */
export interface InRecord<K, V> extends RecordMeta {
  /** @throws BrokerError SERIALIZATION where the serde cannot make sense of it. */
  readonly key: K | null
  /** @throws BrokerError SERIALIZATION where the serde cannot make sense of it. */
  readonly value: V | null
  /** By name; of headers with one name the last one. A null value comes as no bytes. */
  readonly headers: ReadonlyMap<string, Uint8Array>
  /** 1 for the first delivery to this consumer, then one more for each retry. */
  readonly attempt: number
  /** Aborted when the partition is taken from this consumer, the consumer closes, or the handler's time is up. */
  readonly signal: AbortSignal
  /** Marks it as done. Committed is what is done without a gap. */
  ack (): void
  /**
   * Gives it back: its partition is read again from here, after `delayMs`. With `deadLetter` it goes to the dead letter
   * topic instead and counts as done.
   */
  nack (options?: { delayMs?: number, reason?: string, deadLetter?: boolean }): void
  /** Asks for more time. A stream group has no leases, so there it does nothing. */
  extend (ms: number): void
}

/** Records of one partition that came together. */
export interface RecordBatch<K, V> extends Iterable<InRecord<K, V>> {
  readonly topic: string
  readonly partition: number
  /** Number of records. */
  readonly size: number
  /**
   * Marks all of them as done and commits; resolves when that is durable.
   *
   * @throws BrokerError as a rejection; REBALANCE where the partition was taken before: the records come again at its
   *   next owner.
   */
  commit (): Promise<void>
}
