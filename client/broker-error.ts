// The one error class of the client.
//
// Whatever fails between a call and the log comes out as a BrokerError: a stable code to branch on, whether trying
// again can help (`retriable`), and whether the operation may have taken effect all the same (`maybeApplied`). The
// message says what went wrong and what to do next, and ends with the code in brackets, once: `[UNKNOWN_TOPIC]`, or
// where the protocol's name for it says more, `[REBALANCE: STALE_GENERATION]`. An aborted call is the exception: it
// rejects with the reason of its signal, as everywhere in Node.

import { inspect } from 'node:util'
import { errorName, errorRow } from '@sluice/protocol'

/** What kind of thing went wrong. Stable: branch on it. */
export const ERROR_CODE = [
  'ALREADY_EXISTS', 'AUTHENTICATION', 'AUTHORIZATION', 'BACKPRESSURE', 'CANCELLED', 'CLOSED', 'CONNECTION', 'CORRUPT',
  'DUPLICATE', 'FENCED', 'INVALID', 'LEASE', 'NOT_LEADER', 'OFFSET_OUT_OF_RANGE', 'PROTOCOL', 'QUOTA', 'REBALANCE',
  'RECORD_TOO_LARGE', 'SERIALIZATION', 'STORAGE', 'TIMEOUT', 'UNKNOWN_GROUP', 'UNKNOWN_TOPIC', 'UNSUPPORTED',
] as const

/** See {@link ERROR_CODE}. */
export type ErrorCode = typeof ERROR_CODE[number]

/** What is known about a failure beside its code and message. */
export interface BrokerErrorDetails {
  retriable?: boolean
  maybeApplied?: boolean
  broker?: number
  topic?: string
  partition?: number
  offset?: number
  resumeOffset?: number
  serverCode?: number
  retryAfterMs?: number
  attempts?: number
  cause?: unknown
}

const BRAND = Symbol.for('sluice.BrokerError')

/** An operation failed; see the fields. */
export class BrokerError extends Error {
  /** What kind of failure. */
  readonly code: ErrorCode
  /** True where the same call may succeed later. The client has tried again already where that was safe. */
  readonly retriable: boolean
  /** True where the operation may have taken effect on the broker although no success was reported. */
  readonly maybeApplied: boolean
  /** Id of the broker that answered or should have. */
  declare readonly broker?: number
  declare readonly topic?: string
  declare readonly partition?: number
  /** First offset that the failure is about. */
  declare readonly offset?: number
  /** Where reading can go on after CORRUPT or OFFSET_OUT_OF_RANGE. */
  declare readonly resumeOffset?: number
  /** Error number of the protocol (errors.json), where a broker answered. */
  declare readonly serverCode?: number
  /** How long the broker asks to wait before a retry, in milliseconds. */
  declare readonly retryAfterMs?: number
  /** How often it was tried. */
  declare readonly attempts?: number

  constructor (code: ErrorCode, message: string, details: BrokerErrorDetails = {}) {
    super(`${message} [${marked(code, details.serverCode)}]`, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'BrokerError'
    this.code = code
    this.retriable = details.retriable ?? false
    this.maybeApplied = details.maybeApplied ?? false
    // Fields that are not known are left out, so that a printed error shows only what says something.
    if (details.broker !== undefined) this.broker = details.broker
    if (details.topic !== undefined) this.topic = details.topic
    if (details.partition !== undefined) this.partition = details.partition
    if (details.offset !== undefined) this.offset = details.offset
    if (details.resumeOffset !== undefined) this.resumeOffset = details.resumeOffset
    if (details.serverCode !== undefined) this.serverCode = details.serverCode
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs
    if (details.attempts !== undefined) this.attempts = details.attempts
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** The message without its code at the end. */
  get reason (): string {
    return this.message.slice(0, this.message.lastIndexOf(' ['))
  }

  /** True for a BrokerError, also one of another copy of this package in the same process. */
  static is (error: unknown): error is BrokerError {
    return error instanceof Error && (error as { [BRAND]?: unknown })[BRAND] === true
  }
}

/** The error that a broker answered with: `number` from the error table, `message` its own words. */
export function serverError (number: number, message: string, details: BrokerErrorDetails = {}): BrokerError {
  const row = errorRow(number)
  const text = message === '' ? `${row.text} ${row.action}` : message
  return new BrokerError(codeOfCategory(row.category), text, {
    retriable: row.retriable, maybeApplied: row.maybeApplied, serverCode: number, ...details,
  })
}

/** What was thrown, in words without a code at the end: for the message of another error. */
export function reasonOf (error: unknown): string {
  if (BrokerError.is(error)) return error.reason
  if (typeof error === 'string') return error
  if (error instanceof Error && typeof error.message === 'string') return error.message === '' ? error.name : error.message
  // Anything can be thrown, also what cannot be made a string of.
  return inspect(error, { depth: 2, breakLength: Infinity, customInspect: false })
}

function marked (code: ErrorCode, serverCode: number | undefined): string {
  if (serverCode === undefined) return code
  const name = errorName(serverCode)
  return name === code ? code : `${code}: ${name}`
}

function codeOfCategory (category: string): ErrorCode {
  return (ERROR_CODE as readonly string[]).includes(category) ? category as ErrorCode : 'PROTOCOL'
}

/** What was thrown, as a BrokerError: itself, or wrapped as a fault of the protocol. */
export function asBrokerError (error: unknown): BrokerError {
  if (BrokerError.is(error)) return error
  return new BrokerError('PROTOCOL', reasonOf(error), { cause: error })
}

/** The error of using something after it was closed. */
export function closedError (what: string): BrokerError {
  return new BrokerError('CLOSED', `the ${what} is closed: make a new one`)
}
