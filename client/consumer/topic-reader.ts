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
import { StoredRecord, type RecordOrigin } from './stored-record.js'

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
const NEVER = new AbortController().signal

/**
 * Reads the range, partition by partition in turns; order holds within a partition.
 *
 * @throws BrokerError from the iterator: CORRUPT and OFFSET_OUT_OF_RANGE name the offsets, UNKNOWN_TOPIC.
 */
export async function * readTopic<K, V> (
  cluster: Cluster, topic: { name: string, key: Serde<K>, value: Serde<V> }, options: ReadOptions,
): AsyncGenerator<InRecord<K, V>, void, undefined> {
  const { from = 'earliest', to = 'end', signal } = options
  checkStart(from)
  if (to !== 'end' && !(to >= 0)) throw invalidOption('to', "'end' or an offset of at least 0", to)
  signal?.throwIfAborted()
  const fetcher = new Fetcher(cluster, topic.name, {
    prefetchBytes: options.prefetchBytes ?? PREFETCH_BYTES_DEFAULT,
    maxWaitMs: MAX_WAIT_MS,
    onOutOfRange: (_cursor, error) => Promise.reject(error),
  })
  const onClosing = (): void => fetcher.fail(asBrokerError(cluster.closing.reason))
  cluster.closing.addEventListener('abort', onClosing, { once: true })
  try {
    const ends = await begin(cluster, fetcher, topic.name, from, to, options)
    const origins = new Map(fetcher.cursors.map(cursor => [cursor.partition, originOf(topic, cursor, signal ?? NEVER)]))
    for (;;) {
      const breather = fetcher.breather()
      if (breather !== null) await breather
      const cursor = fetcher.poll()
      if (cursor === null) {
        dropFinished(fetcher, ends)
        if (fetcher.cursors.length === 0) return
        await abortable(fetcher.changed(), signal)
        continue
      }
      signal?.throwIfAborted()
      if (cursor.reader.offset >= ends.get(cursor.partition)!) fetcher.remove(cursor)
      else yield new StoredRecord(origins.get(cursor.partition)!, cursor.reader)
    }
  } finally {
    cluster.closing.removeEventListener('abort', onClosing)
    fetcher.close()
  }
}

/** Puts a cursor for each partition into the fetcher; returns the offsets to end at. */
async function begin (
  cluster: Cluster, fetcher: Fetcher, name: string, from: Start, to: 'end' | number, options: ReadOptions,
): Promise<Map<number, number>> {
  const { signal } = options
  const info = await abortable(cluster.metadata.topic(name), signal)
  const partitions = options.partitions ?? partitionNumbers(info)
  for (const partition of partitions) {
    if (info.partitions[partition] === undefined) {
      throw new BrokerError('INVALID', `partition ${partition} is not one of topic ${name}: use 0 to ${info.partitions.length - 1}`,
        { topic: name })
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
    if (start < ends.get(partition)!) fetcher.add(new PartitionCursor(name, info.id, partition, start))
  }
  return ends
}

function dropFinished (fetcher: Fetcher, ends: ReadonlyMap<number, number>): void {
  for (const cursor of [...fetcher.cursors]) {
    if (!cursor.hasBuffered && cursor.position >= ends.get(cursor.partition)!) fetcher.remove(cursor)
  }
}

function originOf<K, V> (
  topic: { name: string, key: Serde<K>, value: Serde<V> }, cursor: PartitionCursor, signal: AbortSignal,
): RecordOrigin<K, V> {
  const nothing = (): void => {}
  const { name, key, value } = topic
  return { topic: name, partition: cursor.partition, key, value, signal, ack: nothing, nack: nothing }
}
