// A record under a lease: what was read, who has it until when, and the ways to settle it.
//
//   held ──ack, nack, release, reject──▶ settled
//     └─── expired, taken, cancelled ──▶ lost: `signal` is aborted; an ack may still be accepted late
//
// Nothing is made for a record that is not asked for: key, value and headers are decoded, the signal and the handle are
// made when they are first looked at.

import type { RecordReader, SettleKind } from '@sluice/protocol'
import type { BrokerError } from '../broker-error.js'
import type { Connection } from '../connection/connection.js'
import { StoredRecord, type RecordOrigin } from '../consumer/stored-record.js'
import { formatHandle } from './lease-handle.js'
import { checkDelay, checkReason, EXTENSION_MS_MAX, whole } from './queue-options.js'
import type { LeasedRecord, SettleOutcome } from './queue-records.js'
import type { LeaseName } from './settle-lane.js'

/** What all leases of one partition have in common. */
export interface LeaseOrigin<K, V> extends RecordOrigin<K, V> {
  readonly topicId: string
  /** Of the leadership that has granted it. */
  readonly leaderEpoch: number
  readonly group: string
  /** Says something about a lease to the broker. @throws BrokerError as a rejection. */
  settle (lease: Lease<K, V>, kind: SettleKind, delayMs: number, reason: string): Promise<SettleOutcome>
}

/** What the broker said about the leases of a run: one object for all of them. */
export interface LeaseTerms {
  readonly leaseEpoch: number
  readonly deliveries: number
  /** When it ends by itself, on the monotonic clock, in milliseconds; Infinity where a session keeps it. */
  readonly deadlineMs: number
  /** What it came over. */
  readonly connection: Connection
}

/** What came of a lease that somebody watches, or that was lost. */
interface LeaseEnding { controller: AbortController | null, error: BrokerError | null }

/** See the head of this file. */
export class Lease<K, V> extends StoredRecord<K, V> implements LeasedRecord<K, V>, LeaseName {
  // Declared, not defined: see StoredRecord.
  declare readonly origin: LeaseOrigin<K, V>
  declare readonly leaseSequence: number
  /** What was said here about the record; null while nothing was. */
  declare settledAs: SettleKind | null
  /** Its handler is running, or about to be called. */
  declare isStarted: boolean
  declare private terms: LeaseTerms
  declare private ending: LeaseEnding | null

  /** Takes the record that `reader` stands on. */
  constructor (origin: LeaseOrigin<K, V>, reader: RecordReader, terms: LeaseTerms, leaseSequence: number) {
    super(origin, reader)
    this.leaseSequence = leaseSequence
    this.settledAs = null
    this.isStarted = false
    this.terms = terms
    this.ending = null
    this.attempt = terms.deliveries
  }

  get leaseEpoch (): number { return this.terms.leaseEpoch }

  /** What it came over: a lease of which nobody has begun to make use goes with its connection. */
  get connection (): Connection { return this.terms.connection }

  /** When it ends by itself, on the monotonic clock, in milliseconds; Infinity where a session keeps it. */
  get deadlineMs (): number { return this.terms.deadlineMs }

  /** It was prolonged. */
  set deadlineMs (deadlineMs: number) { this.terms = { ...this.terms, deadlineMs } }

  get topicId (): string { return this.origin.topicId }

  get id (): string { return `${this.partition}:${this.offset}` }

  get deliveries (): number { return this.attempt }

  get handle (): string {
    const { topicId, group } = this.origin
    return formatHandle({ ...this.name, topicId, group })
  }

  /** Why it is known that the lease is over or the record cancelled; null where it is not. */
  get lostBy (): BrokerError | null { return this.ending?.error ?? null }

  /** It was said here what becomes of the record. */
  get isSettled (): boolean { return this.settledAs !== null }

  override get signal (): AbortSignal {
    if (this.handlerSignal !== null) return this.handlerSignal
    return this.leaseSignal
  }

  /** Aborted when the lease is lost; `signal` but for the time limit of a handler. */
  get leaseSignal (): AbortSignal {
    const ending = this.ending ??= { controller: null, error: null }
    if (ending.controller === null) {
      ending.controller = new AbortController()
      if (ending.error !== null) ending.controller.abort(ending.error)
    }
    return ending.controller.signal
  }

  /** The lease is over, or the record was cancelled. */
  lose (error: BrokerError): void {
    const ending = this.ending ??= { controller: null, error: null }
    if (ending.error !== null) return
    ending.error = error
    ending.controller?.abort(error)
  }

  override ack (): Promise<SettleOutcome> {
    return this.settle('ack', -1, '')
  }

  override nack (options: { delayMs?: number, reason?: string, deadLetter?: boolean } = {}): Promise<SettleOutcome> {
    if (options.deadLetter === true) return this.reject(options.reason)
    return attempt(() => {
      const delayMs = options.delayMs === undefined ? -1 : checkDelay('delayMs', options.delayMs)
      return this.settle('nack', delayMs, checkReason(options.reason))
    })
  }

  release (): Promise<SettleOutcome> {
    return this.settle('release', -1, '')
  }

  reject (reason?: string): Promise<SettleOutcome> {
    return attempt(() => this.settle('reject', -1, checkReason(reason)))
  }

  override extend (ms: number): Promise<SettleOutcome> {
    return attempt(() => {
      const delayMs = whole('ms', ms, 0, 0, EXTENSION_MS_MAX)
      return this.origin.settle(this, 'extend', delayMs, '')
    })
  }

  private get name (): LeaseName {
    const { topicId, partition, offset, leaseEpoch, leaseSequence } = this
    return { topicId, partition, offset, leaseEpoch, leaseSequence }
  }

  private settle (kind: SettleKind, delayMs: number, reason: string): Promise<SettleOutcome> {
    this.settledAs = kind
    return this.origin.settle(this, kind, delayMs, reason)
  }
}

/** What it throws, as a rejection: bad arguments are a mistake in the program and should not pass in silence. */
function attempt (call: () => Promise<SettleOutcome>): Promise<SettleOutcome> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(error)
  }
}
