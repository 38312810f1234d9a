// A topic as seen from a client: how to write to it and read from it. Making one costs nothing and asks nobody.

import type { Cluster } from './connection/cluster.js'
import { Consumer } from './consumer/consumer.js'
import type { ConsumerOptions } from './consumer/consumer-options.js'
import { readTopic, type ReadOptions } from './consumer/topic-reader.js'
import { Producer } from './producer/producer.js'
import type { ProducerOptions } from './producer/producer-options.js'
import type { InRecord } from './records.js'
import type { Serde } from './serdes.js'

/** Something that is closed with its client. */
export interface Closable { close (options?: { drainTimeoutMs?: number }): Promise<void>, onClosed: () => void }

/** See the head of this file. Made by `client.topic()`. */
export class Topic<K = Uint8Array, V = Uint8Array> {
  readonly name: string
  /** How keys become bytes. */
  readonly key: Serde<K>
  /** How values become bytes. */
  readonly value: Serde<V>
  private readonly cluster: Cluster
  private readonly adopt: (child: Closable) => void

  /** @param adopt called with everything that has to be closed with the client. */
  constructor (cluster: Cluster, name: string, key: Serde<K>, value: Serde<V>, adopt: (child: Closable) => void) {
    this.cluster = cluster
    this.name = name
    this.key = key
    this.value = value
    this.adopt = adopt
  }

  /**
   * A producer for this topic. One serves a whole process; more do no harm.
   *
   * @throws BrokerError INVALID, UNSUPPORTED
   */
  producer (options: ProducerOptions<K, V> = {}): Producer<K, V> {
    const producer = new Producer<K, V>(this.cluster, this, options)
    this.adopt(producer)
    return producer
  }

  /** A member of a stream group: it joins when it is first asked for records. @throws BrokerError INVALID */
  consumer (options: ConsumerOptions): Consumer<K, V> {
    const consumer = new Consumer<K, V>(this.cluster, this, options)
    this.adopt(consumer)
    return consumer
  }

  /** Reads a range without a group: replay, tests, time travel. See {@link ReadOptions}. */
  read (options: ReadOptions = {}): AsyncGenerator<InRecord<K, V>, void, undefined> {
    return readTopic(this.cluster, this, options)
  }
}
