// The brokers as the client sees them: one link to each, found from the addresses given, and requests with retries.
//
// Any broker takes any request and forwards what it does not lead, so what does not matter where it goes uses the
// connection that is there. Produce and fetch go to the leader.

import { setMaxListeners } from 'node:events'
import type { ApiName, BrokerAddress, MessageOf, TopicMetadata } from '@sluice/protocol'
import { asBrokerError, BrokerError, closedError } from '../broker-error.js'
import { formatAddress, parseAddress, type Address, type Settings } from '../client-options.js'
import type { EventHub } from '../events.js'
import { abortable, delay, retryDelayMs } from '../waiting.js'
import { BrokerClock } from './broker-clock.js'
import { BrokerLink } from './broker-link.js'
import type { Connection, Reply, RequestOptions } from './connection.js'
import { Metadata } from './metadata.js'

/** How to carry out a request with its retries. */
export interface CallOptions extends Partial<RequestOptions> {
  /** Id of the broker to ask; any where it is left out or not known. */
  broker?: number
  signal?: AbortSignal
  /** True where doing it twice is the same as doing it once, so that a lost answer may be answered by a retry. */
  repeatable?: boolean
  /** Default: that of the client. 1 where the caller has to look at each failure itself. */
  maxAttempts?: number
  /** Called whenever the request is about to be sent: a connection is there. */
  onSend?: () => void
}

/** See the head of this file. */
export class Cluster {
  readonly settings: Settings
  readonly events: EventHub
  readonly metadata: Metadata
  /** What time it is at the brokers. */
  readonly clock = new BrokerClock()
  private readonly linksByAddress = new Map<string, BrokerLink>()
  /** Several brokers may share a link: those behind a load balancer, which pass on what they do not lead. */
  private readonly linksById = new Map<number, BrokerLink>()
  /** Where the metadata says that each broker is. */
  private readonly addressesById = new Map<number, string>()
  private readonly stop = new AbortController()
  private rotation = 0

  constructor (settings: Settings, events: EventHub) {
    this.settings = settings
    this.events = events
    // As many wait on it as there are requests; each takes its listener off again.
    setMaxListeners(0, this.stop.signal)
    this.metadata = new Metadata(names => this.fetchTopics(names), settings.metadataMaxAgeMs)
  }

  /** Aborted when the client closes for good. */
  get closing (): AbortSignal { return this.stop.signal }

  /**
   * Sends a request and tries again, with back-off, for as long as that may help: until `timeoutMs` (default
   * requestTimeoutMs) or maxAttempts are used up or the signal is aborted.
   *
   * @throws BrokerError as a rejection: the last failure.
   */
  async request<A extends ApiName> (
    api: A, message: MessageOf<A, 'request'>, options: CallOptions = {},
  ): Promise<Reply<A>> {
    const { broker, signal, repeatable = true, timeoutMs = this.settings.requestTimeoutMs } = options
    const { maxAttempts = this.settings.maxAttempts } = options
    const deadlineMs = performance.now() + timeoutMs
    let last: BrokerError | null = null
    for (let attempts = 1; ; attempts++) {
      try {
        signal?.throwIfAborted()
        const connection = await this.within(this.connectionTo(broker, deadlineMs), signal, deadlineMs, last)
        options.onSend?.()
        const leftMs = deadlineMs - performance.now()
        const reply = connection.request(api, message, { ...options, timeoutMs: Math.max(1, leftMs) })
        return await abortable(reply, signal)
      } catch (cause) {
        if (signal?.aborted === true && cause === signal.reason) throw cause
        const error = asBrokerError(cause)
        if (!error.retriable || (error.maybeApplied && !repeatable)) throw error
        last = error
        const waitMs = retryDelayMs(this.settings, error, attempts)
        if (attempts >= maxAttempts || performance.now() + waitMs >= deadlineMs) {
          throw gaveUp(api, error, attempts)
        }
        await delay(waitMs, signal)
      }
    }
  }

  /** The connection to a broker by id if it stands, or null. */
  currentConnection (broker: number): Connection | null {
    return this.linksById.get(broker)?.current ?? null
  }

  /**
   * A connection to the broker of this id, or to any where `broker` is undefined, negative or unknown. Tries each
   * candidate once.
   *
   * @throws BrokerError as a rejection.
   */
  async connectionTo (broker?: number, deadlineMs = Infinity): Promise<Connection> {
    if (this.stop.signal.aborted) throw this.stop.signal.reason
    if (broker !== undefined && broker >= 0) {
      const link = this.linksById.get(broker)
      if (link !== undefined) return link.connect()
    }
    return this.anyConnection(deadlineMs)
  }

  /** Lets answers in flight arrive on all connections, then closes them. */
  close (): void {
    if (this.stop.signal.aborted) return
    this.stop.abort(closedError('client'))
    for (const link of this.allLinks()) link.close()
  }

  private async anyConnection (deadlineMs: number): Promise<Connection> {
    for (const link of this.allLinks()) {
      if (link.current !== null) return link.current
    }
    await this.addBootstrapLinks()
    const links = [...this.allLinks()]
    let failure: BrokerError | null = null
    // Those that may be tried now come first, in rotation; among the rest the one that is due soonest.
    const rotation = this.rotation++
    const order = links
      .map((link, index) => ({ link, waitMs: link.backoffLeftMs, turn: (index + rotation) % links.length }))
      .sort((a, b) => a.waitMs - b.waitMs || a.turn - b.turn)
    for (const { link } of order) {
      if (performance.now() >= deadlineMs && failure !== null) break
      try {
        return await link.connect()
      } catch (cause) {
        const error = asBrokerError(cause)
        if (!error.retriable) throw error
        failure = error
      }
    }
    throw failure ?? new BrokerError('CONNECTION', 'there is no broker address to connect to', { retriable: true })
  }

  private async addBootstrapLinks (): Promise<void> {
    const addresses = await this.settings.brokers()
    if (addresses.length === 0) {
      throw new BrokerError('CONNECTION', 'option brokers gave no addresses: it must return at least one', { retriable: true })
    }
    for (const text of addresses) {
      const address = parseAddress(text)
      if (!this.linksByAddress.has(formatAddress(address))) this.addLink(address, -1)
    }
  }

  private addLink (address: Address, brokerId: number): BrokerLink {
    const link = new BrokerLink(address, brokerId, this.settings, this.events)
    link.onConnected = (link, connection) => this.onConnected(link, connection)
    this.linksByAddress.set(formatAddress(address), link)
    if (brokerId >= 0) this.linksById.set(brokerId, link)
    return link
  }

  private onConnected (link: BrokerLink, connection: Connection): void {
    const id = connection.hello.brokerId
    this.clock.learn(connection.hello.timeMs, connection.greetedAtMs)
    // An address may lead to another broker than it did: a machine set up anew. Or to any of several: a load balancer.
    const isElsewhere = this.linksByAddress.get(this.addressesById.get(link.brokerId) ?? '') !== link
    if (link.brokerId !== id && isElsewhere && this.linksById.get(link.brokerId) === link) {
      this.linksById.delete(link.brokerId)
    }
    if (this.linksById.get(id)?.current == null) this.linksById.set(id, link)
  }

  /** Each once, those to known brokers first. */
  private allLinks (): Iterable<BrokerLink> {
    return new Set([...this.linksById.values(), ...this.linksByAddress.values()])
  }

  private async fetchTopics (names: string[]): Promise<readonly TopicMetadata[]> {
    let askedAtMs = 0
    const { message } = await this.request('metadata', { topics: names }, {
      signal: this.stop.signal, onSend: () => { askedAtMs = performance.now() },
    })
    this.clock.learn(message.timeMs, askedAtMs)
    this.learnBrokers(message.brokers)
    return message.topics
  }

  private learnBrokers (brokers: readonly BrokerAddress[]): void {
    for (const { brokerId, host, port } of brokers) {
      const address = { host, port }
      this.addressesById.set(brokerId, formatAddress(address))
      const link = this.linksById.get(brokerId)
      if (link !== undefined) {
        link.addAddress(address)
        continue
      }
      const known = this.linksByAddress.get(formatAddress(address))
      if (known === undefined) this.addLink(address, brokerId)
      else if (known.brokerId < 0) this.linksById.set(known.brokerId = brokerId, known)
      else this.linksById.set(brokerId, known)
    }
  }

  /**
   * Waits for a connection, but no longer than the caller would; then the failure before it says more than the wait.
   */
  private async within<T> (
    promise: Promise<T>, signal: AbortSignal | undefined, deadlineMs: number, last: BrokerError | null,
  ): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(last ?? new BrokerError('TIMEOUT', 'no broker could be reached in time: check the addresses and the network',
          { retriable: true }))
      }, Math.max(1, deadlineMs - performance.now()))
    })
    try {
      return await abortable(Promise.race([promise, late]), signal)
    } finally {
      clearTimeout(timer)
      promise.catch(() => {})
    }
  }
}

function gaveUp (api: string, error: BrokerError, attempts: number): BrokerError {
  if (attempts === 1) return error
  return new BrokerError(error.code, `${api} failed ${attempts} times, last: ${error.reason}`, {
    retriable: error.retriable,
    maybeApplied: error.maybeApplied,
    broker: error.broker,
    serverCode: error.serverCode,
    attempts,
    cause: error,
  })
}
