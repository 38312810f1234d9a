// The way to one broker: its connection while there is one, and the making of a new one when there is none.
//
//   idle ── connection() ──▶ connecting ──▶ connected ── lost, go-away ──▶ idle
//     ▲                          │ failed
//     └── back-off, full jitter ◀┘           the next connection() waits until the back-off is over
//
// Attempts are shared: however many callers wait, one socket is opened. The link never gives up by itself; callers
// do, by their signals and deadlines.

import { asBrokerError, closedError, type BrokerError } from '../broker-error.js'
import { formatAddress, type Address, type Settings } from '../client-options.js'
import type { EventHub } from '../events.js'
import { backoffDelayMs, delay } from '../waiting.js'
import { Connection } from './connection.js'

/** A broker that had gone silent has so long to greet anew, in milliseconds: it may accept and say nothing more. */
const SILENT_CONNECT_TIMEOUT_MS = 1_000

/** See the head of this file. */
export class BrokerLink {
  /** Id of the broker; -1 until the first handshake where it is not known before. */
  brokerId: number
  /** Called after each handshake, before anyone gets the connection. */
  onConnected: (link: BrokerLink, connection: Connection) => void = () => {}
  private readonly addresses: Address[]
  private readonly settings: Settings
  private readonly events: EventHub
  private readonly stop = new AbortController()
  private readonly retired = new Set<Connection>()
  private connection: Connection | null = null
  private connecting: Promise<Connection> | null = null
  private failures = 0
  /** The last connection ended since nothing came any more. */
  private wasSilent = false
  private retryAtMs = 0

  constructor (address: Address, brokerId: number, settings: Settings, events: EventHub) {
    this.addresses = [address]
    this.brokerId = brokerId
    this.settings = settings
    this.events = events
  }

  /** The connection that stands and takes requests, or null. */
  get current (): Connection | null {
    return this.connection !== null && this.connection.usable ? this.connection : null
  }

  /** Milliseconds until the next attempt is due; 0 for now. */
  get backoffLeftMs (): number { return Math.max(0, this.retryAtMs - performance.now()) }

  /** Adds an address that leads to the same broker. */
  addAddress (address: Address): void {
    if (!this.addresses.some(known => known.host === address.host && known.port === address.port)) {
      this.addresses.push(address)
    }
  }

  /**
   * The connection, made where there is none: one attempt, shared by all who wait.
   *
   * @throws BrokerError as a rejection: why the attempt failed.
   */
  connect (): Promise<Connection> {
    const current = this.current
    if (current !== null) return Promise.resolve(current)
    if (this.connecting === null) {
      this.connecting = this.attempt().finally(() => { this.connecting = null })
      // Those who wait may all have given up.
      this.connecting.catch(() => {})
    }
    return this.connecting
  }

  /** Lets answers in flight arrive, sends nothing new. */
  end (): void {
    this.connection?.end()
  }

  /** Ends everything at once. */
  close (): void {
    const error = closedError('client')
    this.stop.abort(error)
    for (const connection of this.retired) connection.close(error)
    this.connection?.close(error)
  }

  private async attempt (): Promise<Connection> {
    if (this.stop.signal.aborted) throw this.stop.signal.reason
    const waitMs = this.backoffLeftMs
    if (waitMs > 0) await delay(waitMs, this.stop.signal)
    const address = this.addresses[0]!
    const timeoutMs = this.wasSilent ? SILENT_CONNECT_TIMEOUT_MS : Infinity
    const connectTimeoutMs = Math.min(this.settings.connectTimeoutMs, timeoutMs)
    try {
      const connection = await Connection.open(address, { ...this.settings, connectTimeoutMs }, this)
      if (this.stop.signal.aborted) {
        connection.close(null)
        throw this.stop.signal.reason
      }
      this.failures = 0
      this.wasSilent = false
      this.connection = connection
      this.onConnected(this, connection)
      this.brokerId = connection.hello.brokerId
      this.settings.logger.debug({ broker: this.brokerId, address: formatAddress(address) }, 'connected')
      this.events.emit('connect', { broker: this.brokerId })
      return connection
    } catch (error) {
      if (this.stop.signal.aborted) throw this.stop.signal.reason
      this.failures++
      this.retryAtMs = performance.now() + backoffDelayMs(this.settings, this.failures)
      this.addresses.push(this.addresses.shift()!)
      const level = this.failures === 1 || this.failures % 10 === 0 ? 'warn' : 'debug'
      this.settings.logger[level]({ error: asBrokerError(error).message, failures: this.failures }, 'no connection; trying again')
      throw error
    }
  }

  onGoAway (connection: Connection, reason: string): void {
    this.settings.logger.info({ broker: this.brokerId, reason }, 'the broker is about to stop')
    if (this.connection === connection) this.connection = null
    this.retired.add(connection)
    connection.end()
  }

  onClose (connection: Connection, error: BrokerError | null): void {
    if (this.connection === connection) this.connection = null
    this.retired.delete(connection)
    this.wasSilent = connection.wentSilent
    if (error !== null && error.code !== 'CLOSED') {
      this.failures = Math.max(this.failures, 1)
      this.retryAtMs = performance.now() + backoffDelayMs(this.settings, 1)
      this.settings.logger.warn({ broker: connection.hello.brokerId, error: error.message }, 'the connection was lost')
      this.events.emit('disconnect', { broker: connection.hello.brokerId, error })
    } else {
      this.events.emit('disconnect', { broker: connection.hello.brokerId })
    }
  }
}
