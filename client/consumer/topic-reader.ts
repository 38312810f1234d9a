// Reading a range of a topic without a group: replay, tests, time travel.

import { asBrokerError, BrokerError } from '../broker-error.js'
import { invalidOption } from '../client-options.js'
import type { Cluster } from '../connection/cluster.js'
import { partitionNumbers } from '../partition-numbers.js'
import type { InRecord } from '../records.js'
import type { Serde } from '../serdes.js'
import { checkStart, listOffsets, resolveStart, type Start } from '../start.js'
import { abortable } from '../waiting.js'
import { Fetcher } from './fetcher.js'
import { PartitionCursor } from './partition-cursor.js'
import { RecordIterator, type RecordSource } from './record-iterator.js'
import type { RecordOrigin, StoredRecord } from './stored-record.js'

/** Options of `topic.read`. */
export interface ReadOptions {
  /** Where to begin. Default earliest. Partitions that an object leaves out begin at the earliest. */
  from?: Exclude<Start, 'committed'>
  /**
   * Where to end: `end` (the default) is the end as it is when the reading starts; a number is the offset after the
   * last one read of each partition; Infinity goes on for ever.
   */
  to?: 'end' | number
  /** Default all. */
  partitions?: number[]
  /** Most bytes fetched ahead. Default 32 MiB. */
  prefetchBytes?: number
  signal?: AbortSignal
}

const PREFETCH_BYTES_DEFAULT = 32 * 1024 * 1024
const MAX_WAIT_MS = 1_000
/** Records taken out of the buffer together. */
const RECORDS_AT_ONCE = 256
const NEVER = new AbortController().signal

/**
 * Reads the range, partition by partition in turns; order holds within a partition.
 *
 * @throws BrokerError from the iterator: CORRUPT and OFFSET_OUT_OF_RANGE name the offsets, UNKNOWN_TOPIC.
 */
export function readTopic<K, V> (
  cluster: Cluster, topic: ReadableTopic<K, V>, options: ReadOptions,
): AsyncGenerator<InRecord<K, V>, void, undefined> {
  return new RecordIterator<InRecord<K, V>>(new TopicReader(cluster, topic, options))
}

/** What is known of a topic by its name alone. */
interface ReadableTopic<K, V> { readonly name: string, readonly key: Serde<K>, readonly value: Serde<V> }

/** Reads one range, from the first `wait` on until it gave its last record, failed, or nobody asks any more. */
class TopicReader<K, V> implements RecordSource<StoredRecord<K, V>> {
  private readonly cluster: Cluster
  private readonly topic: ReadableTopic<K, V>
  private readonly options: ReadOptions
  private readonly fetcher: Fetcher<K, V>
  /** Records taken together, the next one to hand out, and the offset at which their partition ends. */
  private taken: StoredRecord<K, V>[] = []
  private index = 0
  private end = 0
  /** Offsets to end at, by partition; null until they are known. */
  private ends: Map<number, number> | null = null
  private ended = false
  private readonly onClosing = (): void => {
    this.taken = []
    this.index = 0
    this.fetcher.fail(asBrokerError(this.cluster.closing.reason))
  }

  constructor (cluster: Cluster, topic: ReadableTopic<K, V>, options: ReadOptions) {
    this.cluster = cluster
    this.topic = topic
    this.options = options
    this.fetcher = new Fetcher<K, V>(cluster, topic.name, {
      prefetchBytes: options.prefetchBytes ?? PREFETCH_BYTES_DEFAULT,
      maxWaitMs: MAX_WAIT_MS,
      onOutOfRange: (_cursor, error) => Promise.reject(error),
    })
  }

  take (): StoredRecord<K, V> | null | undefined {
    if (this.ended) return undefined
    if (this.ends === null) return null
    try {
      this.options.signal?.throwIfAborted()
      const record = this.taken[this.index]
      if (record !== undefined && record.offset < this.end) {
        this.index++
        return record
      }
      return this.takeMore(this.ends)
    } catch (error) {
      this.close()
      throw error
    }
  }

  async wait (): Promise<void> {
    try {
      if (this.ends === null) return await this.begin()
      await (this.fetcher.breather() ?? abortable(this.fetcher.changed(), this.options.signal))
    } catch (error) {
      this.close()
      throw error
    }
  }

  onDone (): void {}

  onReturn (): void { this.close() }

  private takeMore (ends: ReadonlyMap<number, number>): StoredRecord<K, V> | null | undefined {
    const { fetcher } = this
    this.taken = []
    this.index = 0
    while (!fetcher.breatherIsDue) {
      if (fetcher.take(this.taken, RECORDS_AT_ONCE) === 0) {
        dropFinished(fetcher, ends)
        if (fetcher.cursors.length > 0) return null
        this.close()
        return undefined
      }
      const first = this.taken[0]!
      this.end = ends.get(first.partition)!
      if (first.offset < this.end) {
        this.index = 1
        return first
      }
      this.taken = []
      fetcher.remove(fetcher.cursors.find(cursor => cursor.partition === first.partition)!)
    }
    return null
  }

  private close (): void {
    if (this.ended) return
    this.ended = true
    this.taken = []
    this.cluster.closing.removeEventListener('abort', this.onClosing)
    this.fetcher.close()
  }

  /** Puts a cursor for each partition into the fetcher, and finds the offsets to end at. */
  private async begin (): Promise<void> {
    const { cluster, options, fetcher } = this
    const { from = 'earliest', to = 'end', signal } = options
    checkStart(from)
    if (to !== 'end' && !(to >= 0)) throw invalidOption('to', "'end' or an offset of at least 0", to)
    signal?.throwIfAborted()
    cluster.closing.addEventListener('abort', this.onClosing, { once: true })
    const info = await abortable(cluster.metadata.topic(this.topic.name), signal)
    const partitions = options.partitions ?? partitionNumbers(info)
    for (const partition of partitions) {
      if (info.partitions[partition] === undefined) {
        throw new BrokerError('INVALID', `partition ${partition} is not one of topic ${info.name}: use 0 to ` +
          `${info.partitions.length - 1}`, { topic: info.name })
      }
    }
    const ends = to === 'end'
      ? await listOffsets(cluster, info, partitions, 'latest', { signal })
      : new Map(partitions.map(partition => [partition, to]))
    const starts = await resolveStart(cluster, info, partitions, from, { signal })
    const missing = partitions.filter(partition => !starts.has(partition))
    for (const [partition, offset] of await resolveStart(cluster, info, missing, 'earliest', { signal })) {
      starts.set(partition, offset)
    }
    for (const partition of partitions) {
      const start = starts.get(partition)!
      if (start >= ends.get(partition)!) continue
      fetcher.add(new PartitionCursor(info.id, start, originOf(this.topic, partition, signal ?? NEVER)))
    }
    this.ends = ends
  }
}

function dropFinished<K, V> (fetcher: Fetcher<K, V>, ends: ReadonlyMap<number, number>): void {
  for (const cursor of [...fetcher.cursors]) {
    if (!cursor.hasBuffered && cursor.position >= ends.get(cursor.partition)!) fetcher.remove(cursor)
  }
}

function originOf<K, V> (topic: ReadableTopic<K, V>, partition: number, signal: AbortSignal): RecordOrigin<K, V> {
  const nothing = (): void => {}
  const { name, key, value } = topic
  return { topic: name, partition, key, value, signal, ack: nothing, nack: nothing }
}
