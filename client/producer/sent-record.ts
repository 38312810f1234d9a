// What a producer tells of a record that has been sent.

import type { BrokerError } from '../broker-error.js'
import type { RecordMeta } from '../records.js'

/** Where a record went. */
export interface SentRecord extends RecordMeta {
  /** True where the dedup id of a queue's record was taken: partition and offset are of the record that has it. */
  readonly duplicate?: true
}

/** What became of one record of a `sendBatch`. */
export type SendResult = ({ ok: true } & SentRecord) | { ok: false, error: BrokerError }

/** Makes what `send` resolves with. */
export function sentRecord (
  topic: string, partition: number, offset: number, timestamp: number, isDuplicate: boolean,
): SentRecord {
  return isDuplicate
    ? { topic, partition, offset, timestamp, duplicate: true }
    : { topic, partition, offset, timestamp }
}
