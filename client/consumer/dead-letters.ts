// Puts records that cannot be handled into the dead letter topic, as they are, with headers that tell where they come
// from and why they are there.
//
//   sluice-origin-topic · -partition · -offset · -timestamp · -group · -attempts · -reason

import { BrokerError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import { Producer } from '../producer/producer.js'
import { bytes } from '../serdes.js'
import type { ConsumerSettings } from './consumer-options.js'
import type { StoredRecord } from './stored-record.js'

const REASON_LENGTH_MAX = 1_000

/** See the head of this file. */
export class DeadLetters {
  private readonly cluster: Cluster
  private readonly settings: ConsumerSettings
  private producer: Producer<Uint8Array, Uint8Array> | null = null

  constructor (cluster: Cluster, settings: ConsumerSettings) {
    this.cluster = cluster
    this.settings = settings
  }

  /** Resolves when the record is durable in the dead letter topic. @throws BrokerError as a rejection. */
  async send (record: StoredRecord<unknown, unknown>, reason: string): Promise<void> {
    const { deadLetter, group } = this.settings
    if (deadLetter === null) {
      throw new BrokerError('INVALID', 'there is no dead letter topic: set option deadLetter of the consumer')
    }
    this.producer ??= new Producer(this.cluster, { name: deadLetter, key: bytes(), value: bytes() }, {})
    const headers: Record<string, string | Uint8Array> = {}
    for (const { name, value } of record.headerList()) headers[name] = value ?? ''
    headers['sluice-origin-topic'] = record.topic
    headers['sluice-origin-partition'] = String(record.partition)
    headers['sluice-origin-offset'] = String(record.offset)
    headers['sluice-origin-timestamp'] = String(record.timestamp)
    headers['sluice-origin-group'] = group
    headers['sluice-origin-attempts'] = String(record.attempt)
    headers['sluice-origin-reason'] = reason.slice(0, REASON_LENGTH_MAX)
    await this.producer.send({ key: record.keyBytes, value: record.valueBytes, headers })
  }

  async close (drainTimeoutMs: number): Promise<void> {
    await this.producer?.close({ drainTimeoutMs })
  }
}
