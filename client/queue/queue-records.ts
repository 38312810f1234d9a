// Records of a queue as users see them: what is sent, what comes back, what can be said about it.

import type { BrokerError } from '../broker-error.js'
import type { InRecord, OutRecord, RecordMeta } from '../records.js'

/** A record to put into a queue. Its partition follows from its key, without one from its dedup id. */
export interface QueueRecord<K, V> extends Omit<OutRecord<K, V>, 'partition'> {
  /** Hands it out after so long at the earliest, in milliseconds, 0 to 365 days. Counts on the broker's clock. */
  delayMs?: number
  /** Hands it out at this time at the earliest: a Date, or milliseconds since 1970-01-01 UTC, up to 365 days ahead. */
  at?: Date | number
  /**
   * A record with an id that is taken is never handed out: the answer names the one that has it. For how long it is
   * taken is a setting of the queue (`dedupScope`). 1 to 128 bytes of UTF-8; ids are compared within a partition, so
   * give records of one id the same key, or none.
   */
  dedupId?: string
  /** Of no use after so long, in milliseconds, 1 to 365 days: then it expires instead of being handed out. */
  ttlMs?: number
  /** 0 (low) to 9 (high). Counts where the queue's order is `priority`. Default 0. */
  priority?: number
}

/** Where a record went. */
export interface QueuedRecord extends RecordMeta {
  /** `partition:offset`: names the record to cancel, reschedule, explain. */
  readonly id: string
  /** True where the dedup id was taken: partition and offset are those of the record that has it. */
  readonly duplicate: boolean
}

/** What became of one record of a `sendBatch`. */
export type QueueSendResult = ({ ok: true } & QueuedRecord) | { ok: false, error: BrokerError }

/**
 * How a settle went:
 *
 * - `ok`: done.
 * - `late`: the lease had ended, but nobody else had the record since, so it was accepted.
 * - `already-settled`: it was settled before, or this lease was given back before; nothing changed. Also the answer to
 *   a retry whose first answer went missing.
 */
export type SettleOutcome = 'ok' | 'late' | 'already-settled'

/** A record that this process has a lease on. Key, value and headers are decoded when they are first looked at. */
export interface LeasedRecord<K, V> extends InRecord<K, V> {
  /** `partition:offset`. */
  readonly id: string
  /** How often it has been handed out, this time included. */
  readonly deliveries: number
  /** The lease as text, for `queue.ack(handle)` and the like in another process. */
  readonly handle: string
  /** Aborted when the lease is lost or the record was cancelled: stop working on it. Its reason says which. */
  readonly signal: AbortSignal
  /**
   * Done: it is never handed out again once this resolves. As with all of these, a promise that nobody waits for does
   * no harm when it rejects; the failure is logged.
   *
   * @throws BrokerError as a rejection: LEASE where it was, or will be, handed out to somebody else, among others.
   */
  ack (): Promise<SettleOutcome>
  /**
   * Failed: it is tried again after `delayMs` (0 to 365 days; default: the queue's back-off), or given up where that
   * was the last attempt. `reason` is kept with the attempt, up to 256 characters. `deadLetter`: as `reject`.
   *
   * @throws BrokerError as a rejection: LEASE, among others.
   */
  nack (options?: { delayMs?: number, reason?: string, deadLetter?: boolean }): Promise<SettleOutcome>
  /** Not begun: others may have it at once. Does not count as a failure. */
  release (): Promise<SettleOutcome>
  /** Given up for good: it goes to the dead letters, or is dropped where the queue has none. */
  reject (reason?: string): Promise<SettleOutcome>
  /** Keeps the lease for `ms` milliseconds from now, 0 to 12 hours and within the queue's `lease.total.ms`. */
  extend (ms: number): Promise<SettleOutcome>
}
