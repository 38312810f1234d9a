// A session that leases belong to: opened on the connection of every broker that it receives from, kept alive there by
// heartbeats, taken up again on a new connection when one is lost.
//
//   idle ──▶ open ── connection lost ──▶ resuming ──┬── in time ──▶ open, with its leases
//             │ heartbeats, on timers of their own  ├── refused ──▶ lost
//             │                                     └── grace over ▶ lost
//             ├── a broker may not have heard what became of a lease ──▶ lost
//             └── close ──▶ closed: the broker gives what is leased to others
//
// A lost session is forgotten and its leases with it, whatever is answered about it later; the next request begins a
// new one. Nothing here waits for a handler; one that blocks the event loop for less than the broker's patience costs a
// late heartbeat, no lease.

import { ERROR, type LeaseMode, type LeaseNotice } from '@sluice/protocol'
import { asBrokerError, BrokerError, closedError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import type { Connection } from '../connection/connection.js'
import { delay, retryDelayMs, settledWithin } from '../waiting.js'

/** What a session tells its owner. */
export interface SessionListener {
  /** True where there are leases worth a reconnect that nobody asked for. */
  hasLeases (): boolean
  onNotice (notice: LeaseNotice): void
  /** All leases are over, by what is known here. */
  onLost (why: string): void
  /** The connection to this broker is gone; the session may be taken up again. */
  onDisconnected (broker: number): void
  /** Taken up again on this connection; what is sent now goes before anything else of the session. */
  onResumed (connection: Connection): void
  /**
   * Opens the session with whoever leads the partitions of its leases by now. True where none of them is led by
   * `broker` (-1: whatever). Rejects where that cannot be found out or done for now.
   */
  follow (broker: number): Promise<boolean>
}

/** The session on one connection. */
interface Binding {
  readonly connection: Connection
  /** Time between heartbeats, in milliseconds; negative where none is needed. */
  heartbeatMs: number
  timer: NodeJS.Timeout | null
  isBeating: boolean
  /** When what the broker has affirmed last was sent, on the monotonic clock, in milliseconds. */
  affirmedAtMs: number
}

/** Share of the time that the broker gives for a heartbeat after which it is sent. */
const HEARTBEAT_SHARE = 0.7
/** Share of the grace after which heartbeats that a broker does not affirm have ended the session. */
const UNAFFIRMED_SHARE = 0.5
/** The broker asks for a heartbeat within a third of its patience. */
const HEARTBEATS_PER_TIMEOUT = 3
/** Grace until a broker has told one, in milliseconds: the default of queues. */
const GRACE_MS_DEFAULT = 10_000
const CLOSE_TIMEOUT_MS = 2_000

/** See the head of this file. */
export class LeaseSession {
  /** How long leases outlive a connection, in milliseconds. */
  graceMs = GRACE_MS_DEFAULT
  private readonly cluster: Cluster
  private readonly queue: string
  private readonly mode: LeaseMode
  private readonly listener: SessionListener
  private readonly bindings = new Map<number, Binding>()
  private readonly openings = new Map<number, Promise<Connection>>()
  private readonly stop = new AbortController()
  private readonly offDisconnect: () => void
  private beginning: Promise<void> | null = null
  private sessionId = 0
  private token = ''
  /** When it began, on the monotonic clock, in milliseconds. */
  private beganAtMs = 0
  /** Rises when the session is lost: what was under way for the old one is of no use. */
  private generation = 0

  constructor (cluster: Cluster, queue: string, mode: LeaseMode, listener: SessionListener) {
    this.cluster = cluster
    this.queue = queue
    this.mode = mode
    this.listener = listener
    this.offDisconnect = cluster.events.on('disconnect', ({ broker }) => this.onDisconnect(broker))
  }

  /** Its id; 0 while there is none. */
  get id (): number { return this.sessionId }

  /** Silence after which a broker gives it up, in milliseconds: the shortest of all; Infinity where none does. */
  get sessionTimeoutMs (): number {
    let shortestMs = Infinity
    for (const { heartbeatMs } of this.bindings.values()) {
      if (heartbeatMs >= 0) shortestMs = Math.min(shortestMs, heartbeatMs * HEARTBEATS_PER_TIMEOUT)
    }
    return shortestMs
  }

  /** Brokers that it is open at. */
  get brokers (): number[] { return [...this.bindings.keys()] }

  /** The connection to a broker where the session is open on it, or null. */
  current (broker: number): Connection | null {
    const connection = this.bindings.get(broker)?.connection
    return connection !== undefined && connection === this.cluster.currentConnection(broker) ? connection : null
  }

  /** True where the session is open on this connection. */
  isOpenOn (connection: Connection): boolean {
    return this.current(connection.hello.brokerId) === connection
  }

  /**
   * A connection to the broker on which the session is open.
   *
   * @throws BrokerError as a rejection: one attempt has failed.
   */
  at (broker: number): Promise<Connection> {
    const current = this.current(broker)
    if (current !== null) return Promise.resolve(current)
    let opening = this.openings.get(broker)
    if (opening === undefined) {
      opening = this.open(broker).finally(() => { this.openings.delete(broker) })
      opening.catch(() => {})
      this.openings.set(broker, opening)
    }
    return opening
  }

  /** Opens it at a broker also where it is open there: what that one leads only now knows of the session then. */
  async reopen (broker: number): Promise<void> {
    const connection = this.current(broker)
    if (connection === null) await this.at(broker)
    else await this.openOn(broker, connection)
  }

  /** What a receive has said about heartbeats and grace. */
  learn (broker: number, heartbeatMs: number, graceMs: number): void {
    if (graceMs >= 0) this.graceMs = graceMs
    const binding = this.bindings.get(broker)
    if (binding === undefined) return
    const isSooner = heartbeatMs >= 0 && (binding.heartbeatMs < 0 || heartbeatMs < binding.heartbeatMs)
    binding.heartbeatMs = heartbeatMs
    if (isSooner || binding.timer === null) this.schedule(binding)
  }

  /** A request has found that the session is not known on its connection: opens it again there, or loses it. */
  async renew (broker: number): Promise<void> {
    this.unbind(broker)
    await this.at(broker)
  }

  /**
   * What became of a lease could not be told: with the session it goes back to the queue, instead of being kept by
   * heartbeats for nobody. A lease of an earlier session has gone with that.
   *
   * @param saidAtMs when it was said, on the monotonic clock, in milliseconds.
   */
  onUnheard (saidAtMs: number): void {
    if (this.sessionId === 0 || saidAtMs < this.beganAtMs || this.stop.signal.aborted) return
    this.lose('no broker could be told what became of a record')
  }

  /** Ends the session where it is open; leases that it kept go back to the queue. */
  async close (): Promise<void> {
    if (this.stop.signal.aborted) return
    this.stop.abort(closedError('queue'))
    this.offDisconnect()
    const { sessionId } = this
    const closing = this.brokers.map(broker => {
      const connection = this.current(broker)
      this.unbind(broker)
      return connection?.request('closeSession', { sessionId }, { timeoutMs: CLOSE_TIMEOUT_MS, unordered: true })
    })
    await settledWithin(Promise.allSettled(closing), CLOSE_TIMEOUT_MS)
  }

  private async open (broker: number): Promise<Connection> {
    for (;;) {
      this.stop.signal.throwIfAborted()
      const connection = await this.cluster.connectionTo(broker)
      if (this.cluster.currentConnection(broker) !== connection) {
        throw new BrokerError('NOT_LEADER', `broker ${broker} is not among the known brokers`, { retriable: true })
      }
      // The first broker gives the id; the others take it up.
      while (this.sessionId === 0 && this.beginning !== null) await this.beginning
      const { generation } = this
      const isNew = this.sessionId === 0
      try {
        const opening = this.openOn(broker, connection)
        if (isNew) {
          // Whoever waits for it looks at what came of it; there may be nobody.
          const done = (): void => { this.beginning = null }
          this.beginning = opening.then(done, done)
        }
        await opening
        return connection
      } catch (cause) {
        const error = asBrokerError(cause)
        if (error.serverCode !== ERROR.UNKNOWN_SESSION || isNew) throw error
        if (this.generation === generation) this.lose('the broker does not know the session any more')
      }
    }
  }

  private async openOn (broker: number, connection: Connection): Promise<void> {
    const { sessionId, token, generation } = this
    const { clientId, requestTimeoutMs } = this.cluster.settings
    const affirmedAtMs = performance.now()
    const { message } = await connection.request('openSession', { sessionId, token, clientName: clientId, leases: this.mode }, {
      timeoutMs: requestTimeoutMs, unordered: true,
    })
    this.stop.signal.throwIfAborted()
    // Its leases were given up here meanwhile: heartbeats would keep them from everybody, as long as leases may last.
    if (this.generation !== generation) {
      throw new BrokerError('LEASE', 'the session was lost while it was being taken up again', { retriable: true })
    }
    if (sessionId === 0) this.beganAtMs = performance.now()
    this.sessionId = message.sessionId
    this.token = message.token
    this.unbind(broker)
    const binding = { connection, heartbeatMs: message.heartbeatMs, timer: null, isBeating: false, affirmedAtMs }
    this.bindings.set(broker, binding)
    this.schedule(binding)
    if (sessionId !== 0) this.listener.onResumed(connection)
  }

  private lose (why: string): void {
    this.generation++
    this.sessionId = 0
    this.token = ''
    for (const broker of this.brokers) this.unbind(broker)
    this.cluster.settings.logger.warn({ queue: this.queue, why }, 'the session of the leases is lost')
    this.listener.onLost(why)
  }

  private unbind (broker: number): void {
    const binding = this.bindings.get(broker)
    if (binding === undefined) return
    if (binding.timer !== null) clearTimeout(binding.timer)
    binding.timer = null
    binding.heartbeatMs = -1
    this.bindings.delete(broker)
  }

  private schedule (binding: Binding): void {
    if (binding.timer !== null) clearTimeout(binding.timer)
    binding.timer = null
    if (binding.heartbeatMs < 0 || binding.isBeating) return
    binding.timer = setTimeout(() => {
      binding.timer = null
      this.beat(binding)
    }, Math.max(1, binding.heartbeatMs * HEARTBEAT_SHARE)).unref()
  }

  private beat (binding: Binding): void {
    const { connection } = binding
    const broker = connection.hello.brokerId
    const { generation, sessionId } = this
    const sentAtMs = performance.now()
    binding.isBeating = true
    // Leaders change without a word to who is not asking for records: a worker may have all that it can take.
    if (this.listener.hasLeases()) this.listener.follow(-1).catch(() => {})
    const timeoutMs = Math.max(1_000, binding.heartbeatMs)
    connection.request('heartbeatSession', { sessionId }, { timeoutMs, unordered: true }).then(({ message }) => {
      binding.isBeating = false
      if (this.generation !== generation || this.bindings.get(broker) !== binding) return
      binding.heartbeatMs = message.heartbeatMs
      binding.affirmedAtMs = sentAtMs
      for (const notice of message.notices) this.listener.onNotice(notice)
      if (message.more) this.beat(binding)
      else this.schedule(binding)
    }, (cause: unknown) => {
      binding.isBeating = false
      if (this.generation !== generation || this.bindings.get(broker) !== binding) return
      const error = asBrokerError(cause)
      this.cluster.settings.logger.debug({ queue: this.queue, broker, error: error.message }, 'a heartbeat has failed')
      if (error.serverCode === ERROR.UNKNOWN_SESSION) this.resume(broker)
      else if (error.serverCode === ERROR.NOT_ENOUGH_REPLICAS) this.onUnaffirmed(binding)
      else if (this.current(broker) !== null) this.schedule(binding)
      // Otherwise the connection is gone, or about to go: its end is told apart.
    })
  }

  /**
   * The broker does not know whether it leads. Another one may, and gives the leases to others once the session was
   * silent there for the grace: unless it is open there, it is given up before.
   */
  private onUnaffirmed (binding: Binding): void {
    const broker = binding.connection.hello.brokerId
    const isDue = performance.now() - binding.affirmedAtMs >= this.graceMs * UNAFFIRMED_SHARE
    if (!isDue || !this.listener.hasLeases()) return this.schedule(binding)
    const { generation } = this
    this.listener.follow(broker).catch(() => false).then(isElsewhere => {
      if (this.generation !== generation || this.bindings.get(broker) !== binding) return
      if (isElsewhere) this.unbind(broker)
      else this.lose(`broker ${broker} cannot tell whether it leads, for ${Math.round(this.graceMs * UNAFFIRMED_SHARE)} ms`)
    }).catch(() => {})
  }

  private onDisconnect (broker: number): void {
    const binding = this.bindings.get(broker)
    // Another connection to the same broker may have ended.
    if (binding === undefined || this.current(broker) !== null) return
    this.resume(broker)
  }

  /** Takes the session up again before the grace is over, where it has leases. */
  private resume (broker: number): void {
    this.unbind(broker)
    if (this.stop.signal.aborted) return
    this.listener.onDisconnected(broker)
    if (!this.listener.hasLeases()) return
    const { generation, graceMs } = this
    const isVoid = (): boolean => this.generation !== generation || this.stop.signal.aborted
    settledWithin(this.retry(broker, isVoid), graceMs).then(isDone => {
      if (isDone || isVoid()) return
      // The answer may lie unread in the socket where this process stood still: read first, then judge.
      setImmediate(() => {
        if (!isVoid() && this.current(broker) === null) this.lose(`no connection to broker ${broker} within ${graceMs} ms`)
      })
    }, () => {})
  }

  /** Until it is open at this broker again, or at those that lead the partitions of its leases instead. */
  private async retry (broker: number, isVoid: () => boolean): Promise<void> {
    for (let failures = 1; !isVoid(); failures++) {
      try {
        // Its process may be there again at once; only where it is not others can have taken over.
        if (failures > 1 && await this.listener.follow(broker)) return
        await this.at(broker)
        return
      } catch (cause) {
        const error = asBrokerError(cause)
        if (isVoid()) return
        if (!error.retriable) return this.lose(error.reason)
        const waitMs = Math.min(retryDelayMs(this.cluster.settings, error, failures), this.graceMs / 4)
        await delay(waitMs, this.stop.signal).catch(() => {})
      }
    }
  }
}
