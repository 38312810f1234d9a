// Options of a client: what the user gives, checked, with the defaults filled in.

import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { BrokerError } from './broker-error.js'
import type { Backoff } from './waiting.js'

/** Where the client writes what a person should know. pino and console-like loggers of this shape fit. */
export interface Logger {
  debug (fields: object, message: string): void
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
  error (fields: object, message: string): void
}

/** Who the client is. A function is called for every new connection. */
export type Auth =
  | { mechanism: 'plain' | 'scram-sha-256', username: string, password: string | (() => string | Promise<string>) }
  | { mechanism: 'token', token: string | (() => string | Promise<string>) }

/** How failed requests are tried again. */
export interface RetryOptions {
  /** Most attempts of one request, 1 or more. Default: no bound but the deadline of the call. */
  maxAttempts?: number
  /** Upper bound of the first delay, in milliseconds, at least 1. Default 50. */
  initialDelayMs?: number
  /** Upper bound of every delay, in milliseconds. Default 5,000. */
  maxDelayMs?: number
  /** Share of the delay that is random, 0 to 1. Default 1: full jitter. */
  jitter?: number
}

/** Options of `connect`. */
export interface ClientOptions {
  /**
   * Addresses to begin with: `host`, `host:port`, `[v6]:port`; port 7400 where none is given. All brokers are found
   * from any.
   */
  brokers: string[] | (() => string[] | Promise<string[]>)
  /** Name of this program in the logs and connection listings of the broker. Default: `sluice-client`. */
  clientId?: string
  /** True or the options of `tls.connect` to encrypt. */
  tls?: boolean | TlsOptions
  auth?: Auth
  /** How failed requests are tried again; false for one attempt only. */
  retry?: RetryOptions | false
  /** Deadline of one request with all its retries, in milliseconds. Default 30,000. */
  requestTimeoutMs?: number
  /** Deadline of one attempt to connect, handshake included, in milliseconds. Default 10,000. */
  connectTimeoutMs?: number
  /** How long `close` lets work in progress finish, in milliseconds. Default 30,000. */
  drainTimeoutMs?: number
  /** Age at which knowledge of topics and leaders is renewed, in milliseconds. Default 300,000. */
  metadataMaxAgeMs?: number
  logger?: Logger
  /** Aborts everything of this client, as `close({ drainTimeoutMs: 0 })` does. */
  signal?: AbortSignal
}

/** Options with nothing left open. */
export interface Settings extends Backoff {
  readonly brokers: () => string[] | Promise<string[]>
  readonly clientId: string
  readonly tls: TlsOptions | null
  readonly auth: Auth | null
  readonly maxAttempts: number
  readonly requestTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly metadataMaxAgeMs: number
  readonly logger: Logger
}

/** Port of a broker address that names none. */
export const DEFAULT_PORT = 7400

const silent = (): void => {}
const SILENT_LOGGER: Logger = { debug: silent, info: silent, warn: silent, error: silent }

/** Checks options and fills in the defaults. @throws BrokerError INVALID, naming the option. */
export function resolveOptions (options: ClientOptions): Settings {
  if (options === null || typeof options !== 'object') throw invalidOption('options', 'an object with brokers', options)
  const { brokers } = options
  if (typeof brokers !== 'function') {
    if (!Array.isArray(brokers) || brokers.length === 0) {
      throw invalidOption('brokers', 'a list of addresses such as localhost:7400, or a function that returns one', brokers)
    }
    for (const address of brokers) parseAddress(address)
  }
  const retry = options.retry === false ? { maxAttempts: 1 } : options.retry ?? {}
  const jitter = retry.jitter ?? 1
  if (!(jitter >= 0 && jitter <= 1)) throw invalidOption('retry.jitter', 'a number from 0 to 1', jitter)
  return {
    brokers: typeof brokers === 'function' ? brokers : () => brokers,
    clientId: options.clientId ?? 'sluice-client',
    tls: options.tls === true ? {} : options.tls === undefined || options.tls === false ? null : options.tls,
    auth: options.auth ?? null,
    maxAttempts: count('retry.maxAttempts', retry.maxAttempts, Infinity, 1),
    initialDelayMs: count('retry.initialDelayMs', retry.initialDelayMs, 50, 1),
    maxDelayMs: count('retry.maxDelayMs', retry.maxDelayMs, 5_000, 1),
    jitter,
    requestTimeoutMs: count('requestTimeoutMs', options.requestTimeoutMs, 30_000, 1),
    connectTimeoutMs: count('connectTimeoutMs', options.connectTimeoutMs, 10_000, 1),
    drainTimeoutMs: count('drainTimeoutMs', options.drainTimeoutMs, 30_000, 0),
    metadataMaxAgeMs: count('metadataMaxAgeMs', options.metadataMaxAgeMs, 300_000, 1),
    logger: options.logger ?? SILENT_LOGGER,
  }
}

/** The number given, or the default. @throws BrokerError INVALID where it is not a number from `min` to `max`. */
export function count (name: string, given: number | undefined, fallback: number, min: number, max = Infinity): number {
  if (given === undefined) return fallback
  if (typeof given !== 'number' || !(given >= min && given <= max)) {
    throw invalidOption(name, max === Infinity ? `a number of at least ${min}` : `a number from ${min} to ${max}`, given)
  }
  return given
}

/** The choice given, or the default. @throws BrokerError INVALID where it is none of `choices`. */
export function choice<T extends string> (name: string, given: T | undefined, fallback: T, choices: readonly T[]): T {
  if (given === undefined) return fallback
  if (!choices.includes(given)) throw invalidOption(name, `one of ${choices.join(', ')}`, given)
  return given
}

/** The error of an option with a value that it cannot have. */
export function invalidOption (name: string, wanted: string, given: unknown): BrokerError {
  return new BrokerError('INVALID', `option ${name} must be ${wanted}, not ${show(given)}`)
}

function show (value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** A place to connect to. */
export interface Address { readonly host: string, readonly port: number }

/** Reads `host`, `host:port`, `[v6]` or `[v6]:port`. @throws BrokerError INVALID */
export function parseAddress (text: string): Address {
  const wanted = 'an address such as localhost:7400 or [::1]:7400'
  if (typeof text !== 'string') throw invalidOption('brokers', wanted, text)
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s/]+))(?::(\d{1,5}))?$/.exec(text.trim())
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3])
  if (match === null || port < 1 || port > 65535) throw invalidOption('brokers', wanted, text)
  return { host: match[1] ?? match[2]!, port }
}

/** An address as people write it. */
export function formatAddress (address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}
