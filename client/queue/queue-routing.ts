// Where a record of a queue goes, and what the broker is told of it beside the batch.
//
// The key decides the partition, so that its records have one home and one order; without a key the dedup id does, so
// that two records of one id meet. Delays and times to live become dates on the broker's clock: the client's may be
// wrong, and a date holds over a restart of the broker.

import { dedupKeyOf, ERROR, laneOf, NO_LANE, type RecordBytes, type RecordExtras } from '@sluice/protocol'
import { BrokerError } from '../broker-error.js'
import type { BrokerClock } from '../connection/broker-clock.js'
import type { TopicInfo } from '../connection/metadata.js'
import { partitionOfKey } from '../producer/partitioner.js'
import type { RecordRouting } from '../producer/producer.js'
import { checkTime } from './queue-options.js'
import type { QueueRecord } from './queue-records.js'

/** See the head of this file. */
export class QueueRouting<K, V> implements RecordRouting<K, V> {
  private readonly clock: BrokerClock

  constructor (clock: BrokerClock) {
    this.clock = clock
  }

  faultOf ({ kind, name }: TopicInfo): BrokerError | null {
    if (kind === 'queue') return null
    return new BrokerError('INVALID', `topic ${name} is a stream, not a queue: nobody would receive the record; send it with ` +
      'client.topic(), or create a queue', { topic: name, serverCode: ERROR.NOT_A_QUEUE })
  }

  partitionOf (record: QueueRecord<K, V>, key: RecordBytes, partitions: number): number | null {
    if (key !== null) return partitionOfKey(key, partitions)
    return record.dedupId === undefined ? null : partitionOfKey(record.dedupId, partitions)
  }

  extrasOf (record: QueueRecord<K, V>, key: RecordBytes): RecordExtras | undefined {
    const { delayMs, at, ttlMs, dedupId, priority = 0 } = record
    const isTimed = delayMs !== undefined || at !== undefined || ttlMs !== undefined
    const isPlain = !isTimed && dedupId === undefined && priority === 0
    if (isPlain && key === null) return undefined
    const lane = key === null ? NO_LANE : laneOf(typeof key === 'string' ? Buffer.from(key, 'utf8') : key)
    if (isPlain) return { lane }
    return {
      lane,
      notBefore: at === undefined ? this.dateAfter(delayMs ?? 0) : checkTime('at', at),
      expires: this.dateAfter(ttlMs ?? 0),
      priority,
      dedupKey: dedupId === undefined ? undefined : dedupKeyOf(dedupId),
    }
  }

  /** 0 for no time at all. */
  private dateAfter (ms: number): number {
    return ms === 0 ? 0 : this.clock.latestMs() + ms
  }
}
