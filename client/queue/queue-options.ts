// Options of a queue and what may be said about its records, checked.
//
// Ranges are those of the broker; they are checked here too, so that the mistake is told where it is made.

import { DEDUP_ID_BYTES_MAX, DELAY_MS_MAX, PRIORITY_MAX } from '@sluice/protocol'
import { BrokerError } from '../broker-error.js'
import { count, invalidOption } from '../client-options.js'
import type { QueueRecord } from './queue-records.js'

/** Longest extension of a lease at once, in milliseconds. */
export const EXTENSION_MS_MAX = 12 * 60 * 60 * 1_000
/** Longest wait of a `receive`, in milliseconds. */
export const WAIT_MS_MAX = 60_000
/** Most records of a `receive`. */
export const RECEIVE_RECORDS_MAX = 10_000
/** Characters of a reason that are kept. */
export const REASON_LENGTH_MAX = 256
const MIB = 1024 * 1024
const RECEIVE_BYTES_MAX = 8 * MIB

/** Options of `queue.receive`. */
export interface ReceiveOptions {
  /** Most records, 1 to 10,000. Default 500. */
  maxRecords?: number
  /** Most bytes of records, 1 to 8 MiB; one record comes whatever its size. Default 1 MiB. */
  maxBytes?: number
  /** How long to wait for the first record, in milliseconds, 0 to 60,000. Default 20,000. */
  waitMs?: number
  /** Ends the wait. Records that come too late for it are released. */
  signal?: AbortSignal
}

/** Options of `queue.work`. */
export interface WorkOptions {
  /** Most handlers that run at a time, 1 to 100,000. Default 1. */
  concurrency?: number
  /**
   * Most records held that no handler has started, 0 to 10,000. Default: what the handlers finish in a quarter of a
   * second, so that slow ones leave the records to other workers.
   */
  prefetch?: number
  /** Most bytes of such records, 64 KiB or more. Default 16 MiB. */
  prefetchBytes?: number
  /**
   * Time for one handler, in milliseconds; then the record's signal is aborted and the record counts as failed.
   * Default none: leases are renewed for as long as a handler runs, up to the queue's `lease.total.ms`.
   */
  timeoutMs?: number
  /** Ends the work: running handlers finish, nothing new begins, and `work` rejects with the signal's reason. */
  signal?: AbortSignal
}

/** {@link ReceiveOptions} with nothing left open. */
export interface ReceiveSettings { readonly maxRecords: number, readonly maxBytes: number, readonly waitMs: number }

/** {@link WorkOptions} with nothing left open. */
export interface WorkSettings {
  readonly concurrency: number
  /** Null to adapt. */
  readonly prefetch: number | null
  readonly prefetchBytes: number
  readonly timeoutMs: number
}

/** @throws BrokerError INVALID naming the option and its range. */
export function resolveReceiveOptions (options: ReceiveOptions): ReceiveSettings {
  checkObject('the options of receive', options)
  return {
    maxRecords: whole('maxRecords', options.maxRecords, 500, 1, RECEIVE_RECORDS_MAX),
    maxBytes: whole('maxBytes', options.maxBytes, MIB, 1, RECEIVE_BYTES_MAX),
    waitMs: count('waitMs', options.waitMs, 20_000, 0, WAIT_MS_MAX),
  }
}

/** @throws BrokerError INVALID naming the option and its range. */
export function resolveWorkOptions (options: WorkOptions): WorkSettings {
  checkObject('the options of work', options)
  return {
    concurrency: whole('concurrency', options.concurrency, 1, 1, 100_000),
    prefetch: options.prefetch === undefined ? null : whole('prefetch', options.prefetch, 0, 0, RECEIVE_RECORDS_MAX),
    prefetchBytes: count('prefetchBytes', options.prefetchBytes, 16 * MIB, 64 * 1024),
    timeoutMs: count('timeoutMs', options.timeoutMs, Infinity, 1),
  }
}

/** Checks what a record says beside its data. @throws BrokerError INVALID naming the field and its range. */
export function checkQueueRecord (record: QueueRecord<unknown, unknown>): void {
  checkObject('a record', record)
  if ((record as { partition?: unknown }).partition !== undefined) {
    throw invalidOption('partition', 'left out: key or dedup id choose the partition of a queue', 'given')
  }
  if (record.delayMs !== undefined && record.at !== undefined) {
    throw invalidOption('delayMs', 'left out where `at` is given', record.delayMs)
  }
  whole('delayMs', record.delayMs, 0, 0, DELAY_MS_MAX)
  whole('ttlMs', record.ttlMs, 1, 1, DELAY_MS_MAX)
  whole('priority', record.priority, 0, 0, PRIORITY_MAX)
  if (record.at !== undefined) checkTime('at', record.at)
  if (record.dedupId !== undefined) checkDedupId(record.dedupId)
}

/** @throws BrokerError INVALID naming the range. */
export function checkDedupId (dedupId: string): void {
  const bytes = typeof dedupId === 'string' ? Buffer.byteLength(dedupId) : 0
  if (bytes < 1 || bytes > DEDUP_ID_BYTES_MAX) {
    throw invalidOption('dedupId', `text of 1 to ${DEDUP_ID_BYTES_MAX} bytes in UTF-8`, dedupId)
  }
}

/** @throws BrokerError INVALID where a program without types gives something else. */
export function checkObject (what: string, given: unknown): void {
  if (typeof given === 'object' && given !== null) return
  throw new BrokerError('INVALID', `${what} must be an object, not ${given === null ? 'null' : typeof given}`)
}

/** A time in milliseconds since 1970-01-01 UTC. @throws BrokerError INVALID where it is none, or too far ahead. */
export function checkTime (name: string, at: Date | number): number {
  const ms = at instanceof Date ? at.getTime() : at
  if (!Number.isSafeInteger(ms) || ms < 0 || ms > Date.now() + DELAY_MS_MAX) {
    throw invalidOption(name, 'a Date or whole milliseconds since 1970, at most 365 days from now', ms)
  }
  return ms
}

/** A delay in whole milliseconds. @throws BrokerError INVALID naming the range. */
export function checkDelay (name: string, delayMs: number): number {
  return whole(name, delayMs, 0, 0, DELAY_MS_MAX)
}

/** As `count`, of whole numbers only. */
export function whole (name: string, given: number | undefined, fallback: number, min: number, max: number): number {
  if (given !== undefined && !Number.isInteger(given)) {
    throw invalidOption(name, `a whole number from ${min} to ${max}`, given)
  }
  return count(name, given, fallback, min, max)
}

/** A reason as it is kept. */
export function checkReason (reason: string | undefined): string {
  if (reason === undefined) return ''
  if (typeof reason !== 'string') throw new BrokerError('INVALID', `a reason is text, not a ${typeof reason}`)
  return reason.slice(0, REASON_LENGTH_MAX)
}
