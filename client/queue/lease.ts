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
  readonly group: string
  /** Says something about a lease to the broker. @throws BrokerError as a rejection. */
  settle (lease: Lease<K, V>, kind: SettleKind, delayMs: number, reason: string): Promise<SettleOutcome>
}

/** What the broker said about the leases of a run. */
export interface LeaseTerms {
  readonly leaseEpoch: number
  readonly deliveries: number
  /** When it ends by itself, on the monotonic clock, in milliseconds; Infinity where a session keeps it. */
  readonly deadlineMs: number
  /** What it came over. */
  readonly connection: Connection
}

/** See the head of this file. */
export class Lease<K, V> extends StoredRecord<K, V> implements LeasedRecord<K, V>, LeaseName {
  // Declared, not defined: see StoredRecord.
  declare readonly origin: LeaseOrigin<K, V>
  declare readonly leaseEpoch: number
  declare readonly leaseSequence: number
  /** When it ends by itself, on the monotonic clock, in milliseconds; Infinity where a session keeps it. */
  declare deadlineMs: number
  /** What it came over: a lease of which nobody has begun to make use goes with its connection. */
  declare readonly connection: Connection
  /** What was said here about the record; null while nothing was. */
  declare settledAs: SettleKind | null
  /** Its handler is running, or about to be called. */
  declare isStarted: boolean
  /** Bytes of key and value. */
  declare readonly sizeBytes: number
  declare private controller: AbortController | null
  declare private lossError: BrokerError | null

  /** Takes the record that `reader` stands on. */
  constructor (origin: LeaseOrigin<K, V>, reader: RecordReader, terms: LeaseTerms, leaseSequence: number) {
    super(origin, reader)
    this.leaseEpoch = terms.leaseEpoch
    this.leaseSequence = leaseSequence
    this.deadlineMs = terms.deadlineMs
    this.connection = terms.connection
    this.settledAs = null
    this.isStarted = false
    this.controller = null
    this.lossError = null
    this.sizeBytes = reader.recordEnd - reader.headersStart + sizeOf(reader.keyStart, reader.keyEnd) +
      sizeOf(reader.valueStart, reader.valueEnd)
    this.attempt = terms.deliveries
  }

  get topicId (): string { return this.origin.topicId }

  get id (): string { return `${this.partition}:${this.offset}` }

  get deliveries (): number { return this.attempt }

  get handle (): string {
    const { topicId, group } = this.origin
    return formatHandle({ ...this.name, topicId, group })
  }

  /** Why it is known that the lease is over or the record cancelled; null where it is not. */
  get lostBy (): BrokerError | null { return this.lossError }

  /** It was said here what becomes of the record. */
  get isSettled (): boolean { return this.settledAs !== null }

  override get signal (): AbortSignal {
    if (this.handlerSignal !== null) return this.handlerSignal
    return this.leaseSignal
  }

  /** Aborted when the lease is lost; `signal` but for the time limit of a handler. */
  get leaseSignal (): AbortSignal {
    if (this.controller === null) {
      this.controller = new AbortController()
      if (this.lossError !== null) this.controller.abort(this.lossError)
    }
    return this.controller.signal
  }

  /** The lease is over, or the record was cancelled. */
  lose (error: BrokerError): void {
    if (this.lossError !== null) return
    this.lossError = error
    this.controller?.abort(error)
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

function sizeOf (start: number, end: number): number {
  return start < 0 ? 0 : end - start
}

/** What it throws, as a rejection: bad arguments are a mistake in the program and should not pass in silence. */
function attempt (call: () => Promise<SettleOutcome>): Promise<SettleOutcome> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(error)
  }
}
