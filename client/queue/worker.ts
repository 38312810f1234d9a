// Runs a handler over the records of a queue, several at a time: a return is an ack, a throw a nack.
//
//   poll ──▶ waiting ──▶ begun: `start` is on its way ──▶ handler ──┬─ returns ──▶ ack
//              │ close, disconnect                                  └─ throws ───▶ nack: again after the back-off
//              └──▶ given back                                                    of the queue, or dead letter
//
// `start` leaves for the broker before the handler is called, so that a record which ends the process counts as
// failed. Until then its time does not run, and it lives with the connection that it came over: when that is lost, the
// broker gives it to others.
//
// On an ordered queue the records of a key come in runs. They wait for each other here, each begins only when the
// broker has confirmed its start (and with it the ack before it), and when one does not end well the rest of its run is
// given back: the broker hands it out again, in order.
//
// Invariants: at most `concurrency` records are begun and not finished; what is taken leaves by exactly one of ack,
// nack, release, or the loss of its lease.

import { asBrokerError, BrokerError, reasonOf } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import type { TopicInfo } from '../connection/metadata.js'
import { LoopWatch } from '../consumer/loop-watch.js'
import { HANDLE_CHANNEL } from '../diagnostics.js'
import { deferred, retryDelayMs } from '../waiting.js'
import type { Lease } from './lease.js'
import { PrefetchTarget } from './prefetch-target.js'
import type { QueueTraits } from './queue-control.js'
import { REASON_LENGTH_MAX, type WorkSettings } from './queue-options.js'
import type { LeasedRecord } from './queue-records.js'
import { Receiver, type QueueSource } from './receiver.js'
import type { Settler } from './settler.js'
import { StartSender } from './start-sender.js'

/** How long a poll waits at the broker, in milliseconds. */
const POLL_WAIT_MS = 20_000
const RECEIVE_BYTES_MAX = 8 * 1024 * 1024
/** Stands for the leader where there is none. */
const NO_LEADER = -1
/** A queue that has fewer records under leases at once may be waiting for every single ack. */
const HOLD_IN_FLIGHT_MIN = 1_000
/** Session timeout of queues until one is known, in milliseconds. */
const SESSION_TIMEOUT_MS_DEFAULT = 10_000

/** Records of a key that wait behind another one, which is begun. */
type Lane<K, V> = Lease<K, V>[]

/** See the head of this file. */
export class Worker<K, V> {
  private readonly cluster: Cluster
  private readonly source: QueueSource<K, V>
  private readonly settler: Settler
  private readonly handler: (record: LeasedRecord<K, V>) => unknown
  private readonly settings: WorkSettings
  private readonly isOrdered: boolean
  /** Acks may wait for company: nothing waits for them at the broker. */
  private readonly holdsAcks: boolean
  private readonly receiver: Receiver<K, V>
  private readonly starts: StartSender
  private readonly target: PrefetchTarget
  private readonly watch: LoopWatch
  private readonly lanes = new Map<string, Lane<K, V>>()
  private readonly polling = new Set<number>()
  private readonly failures = new Map<number, number>()
  /** Until a leader is asked again. */
  private readonly timers = new Set<NodeJS.Timeout>()
  private info: TopicInfo | undefined
  private knownLeaders: number[] = []
  private waiting: Lease<K, V>[] = []
  private waitingHead = 0
  /** Records that wait, those in lanes included. */
  private waitingCount = 0
  private waitingBytes = 0
  private requested = 0
  /** Begun and not finished. */
  private active = 0
  private stopped = false
  private failure: { error: unknown } | null = null
  private readonly ending = deferred()
  private idle = deferred()

  constructor (parts: {
    cluster: Cluster
    source: QueueSource<K, V>
    settler: Settler
    handler: (record: LeasedRecord<K, V>) => unknown
    settings: WorkSettings
    traits: QueueTraits
  }) {
    this.cluster = parts.cluster
    this.source = parts.source
    this.settler = parts.settler
    this.handler = parts.handler
    this.settings = parts.settings
    this.isOrdered = parts.traits.keepsOrder
    this.holdsAcks = !this.isOrdered && parts.traits.inFlightMax >= HOLD_IN_FLIGHT_MIN
    this.receiver = new Receiver(parts.cluster, parts.source, 'started', parts.settler)
    this.receiver.onDisconnected = () => this.dropDisconnected()
    this.receiver.onResumed = connection => {
      this.dropDisconnected()
      this.starts.repeat(this.receiver.keeper.all(), connection)
    }
    this.starts = new StartSender(parts.source.group)
    this.starts.onReady = (lease, nowMs) => this.call(lease, null, nowMs)
    this.starts.onVoid = lease => this.forget(lease, null)
    this.target = new PrefetchTarget(parts.settings.prefetch, performance.now())
    this.watch = new LoopWatch(parts.cluster, parts.source.name, SESSION_TIMEOUT_MS_DEFAULT)
  }

  /** Resolves when it is closed and all is settled; rejects with the signal's reason or why it cannot go on. */
  async run (signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const onAbort = (): void => this.fail(signal!.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.watch.start()
    try {
      this.pump()
      await this.ending.promise
      while (this.active > 0) {
        this.idle = deferred()
        await this.idle.promise
      }
      await this.settler.idle()
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.watch.stop()
      await this.receiver.close()
    }
    if (this.failure !== null) throw (this.failure as { error: unknown }).error
  }

  /** Begins nothing more and gives back what was not begun. Running handlers go on. */
  stop (): void {
    if (this.stopped) return
    this.stopped = true
    for (const lease of this.waiting.slice(this.waitingHead)) this.giveBack(lease)
    this.waiting = []
    this.waitingHead = 0
    for (const lane of this.lanes.values()) for (const lease of lane.splice(0)) this.giveBack(lease)
    this.waitingCount = this.waitingBytes = 0
    for (const timer of this.timers) clearTimeout(timer)
    this.ending.resolve()
  }

  /** Waits no longer: what handlers still work on is given up, their signals are aborted. */
  abandon (): void {
    this.receiver.keeper.loseAll('the queue was closed here before the handler was done')
    this.active = 0
    this.idle.resolve()
  }

  private fail (error: unknown): void {
    this.failure ??= { error }
    this.stop()
  }

  /** Asks every leader that is not being asked, where there is room for records. */
  private pump (nowMs = performance.now()): void {
    if (this.stopped) return
    const room = this.settings.concurrency - this.active + this.target.records(nowMs)
    if (this.waitingCount + this.requested >= room || this.waitingBytes >= this.settings.prefetchBytes) return
    const leaders = this.leaders()
    if (leaders.length === 0) return this.pumpLater(NO_LEADER, null)
    for (const leader of leaders) {
      if (this.polling.has(leader)) continue
      const maxRecords = Math.min(Math.ceil(room / leaders.length), room - this.waitingCount - this.requested)
      if (maxRecords < 1) return
      this.poll(leader, maxRecords, Math.min(this.settings.prefetchBytes - this.waitingBytes, RECEIVE_BYTES_MAX))
    }
  }

  private leaders (): readonly number[] {
    const info = this.cluster.metadata.peek(this.source.name)
    if (info !== this.info) {
      this.info = info
      const all = new Set(info?.partitions.map(({ leader }) => leader))
      all.delete(NO_LEADER)
      this.knownLeaders = [...all]
    }
    return this.knownLeaders
  }

  private poll (leader: number, maxRecords: number, maxBytes: number): void {
    this.polling.add(leader)
    this.requested += maxRecords
    const land = (): void => {
      this.polling.delete(leader)
      this.requested -= maxRecords
    }
    this.receiver.poll(leader, { maxRecords, maxBytes, maxWaitMs: POLL_WAIT_MS }).then(leases => {
      land()
      this.failures.clear()
      const { sessionTimeoutMs } = this.receiver.session
      if (sessionTimeoutMs !== Infinity) this.watch.setSessionTimeout(sessionTimeoutMs)
      this.onLeases(leases)
      this.pump()
    }, (cause: unknown) => {
      land()
      const error = asBrokerError(cause)
      if (this.stopped) return
      if (!error.retriable) return this.fail(error)
      this.cluster.settings.logger.debug({ queue: this.source.name, leader, error: error.message }, 'a receive has failed')
      this.pumpLater(leader, error)
    })
  }

  /** Asks again after the back-off, knowing who leads. */
  private pumpLater (leader: number, error: BrokerError | null): void {
    if (this.polling.has(leader) || this.stopped) return
    const failures = (this.failures.get(leader) ?? 0) + 1
    this.failures.set(leader, failures)
    this.polling.add(leader)
    const again = (): void => {
      this.polling.delete(leader)
      this.pump()
    }
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      this.cluster.metadata.refresh(this.source.name).then(again, (cause: unknown) => {
        const failure = asBrokerError(cause)
        if (failure.retriable) again()
        else if (!this.stopped) this.fail(failure)
      })
    }, retryDelayMs(this.cluster.settings, error, failures))
    this.timers.add(timer)
  }

  private onLeases (leases: readonly Lease<K, V>[]): void {
    for (const lease of leases) {
      if (this.stopped) {
        this.giveBack(lease)
        continue
      }
      this.waiting.push(lease)
      this.waitingCount++
      this.waitingBytes += lease.sizeBytes
    }
    this.fill()
  }

  /** Begins as many records as may be. */
  private fill (): void {
    while (!this.stopped && this.active < this.settings.concurrency && this.waitingHead < this.waiting.length) {
      const lease = this.waiting[this.waitingHead++]!
      if (this.waitingHead === this.waiting.length) {
        this.waiting = []
        this.waitingHead = 0
      }
      this.place(lease)
    }
  }

  private place (lease: Lease<K, V>): void {
    const lane = this.laneOf(lease)
    if (lane !== null) {
      const held = this.lanes.get(lane)
      if (held !== undefined) {
        held.push(lease)
        return
      }
      this.lanes.set(lane, [])
    }
    this.begin(lease, lane)
  }

  private laneOf (lease: Lease<K, V>): string | null {
    if (!this.isOrdered) return null
    const key = lease.keyBytes
    return key === null ? null : `${lease.partition}:${key.toString('latin1')}`
  }

  private begin (lease: Lease<K, V>, lane: string | null): void {
    this.waitingCount--
    this.waitingBytes -= lease.sizeBytes
    if (lease.lostBy !== null) {
      if (lane !== null) this.nextInLane(lane, true)
      return
    }
    this.active++
    if (lane !== null) return this.beginInOrder(lease, lane)
    this.starts.send(lease)
  }

  /** Waits until the broker has confirmed that the lease holds, and that the record before it is settled. */
  private beginInOrder (lease: Lease<K, V>, lane: string): void {
    this.settler.settle(lease, 'start').then(
      outcome => outcome === 'ok' ? this.call(lease, lane) : this.forget(lease, lane),
      () => this.forget(lease, lane))
  }

  /** The lease turned out to be over before its handler was called. */
  private forget (lease: Lease<K, V>, lane: string | null): void {
    this.receiver.keeper.remove(lease)
    this.finish(lane, false)
  }

  private call (lease: Lease<K, V>, lane: string | null, nowMs?: number): void {
    if (lease.lostBy !== null) {
      // Its start is said by now: where the broker holds it all the same, nobody else would ever end it.
      this.settler.tell(lease, 'release')
      return this.finish(lane, false)
    }
    lease.isStarted = true
    this.watch.current = lease
    let running: Promise<unknown> | null
    try {
      const result = this.settings.timeoutMs === Infinity && !HANDLE_CHANNEL.start.hasSubscribers
        ? this.handler(lease)
        : this.callWatched(lease)
      // Of a thenable that is no promise nobody knows how often it calls back, and whether it throws.
      running = isThenable(result) ? Promise.resolve(result) : null
    } catch (error) {
      return this.onThrown(lease, lane, error)
    }
    if (running === null) return this.onReturned(lease, lane, nowMs)
    running.then(() => this.onReturned(lease, lane), error => this.onThrown(lease, lane, error))
  }

  private async callWatched (lease: Lease<K, V>): Promise<void> {
    const { timeoutMs } = this.settings
    if (timeoutMs === Infinity) return this.callTraced(lease)
    const limit = new AbortController()
    lease.handlerSignal = AbortSignal.any([lease.leaseSignal, limit.signal])
    const late = deferred<never>()
    const timer = setTimeout(() => {
      const { topic, partition, offset } = lease
      const error = new BrokerError('TIMEOUT', `the handler of record ${lease.id} of queue ${topic} took longer than ` +
        `timeoutMs (${timeoutMs} ms)`, { topic, partition, offset })
      limit.abort(error)
      late.reject(error)
    }, timeoutMs)
    try {
      await Promise.race([this.callTraced(lease), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  private async callTraced (lease: Lease<K, V>): Promise<void> {
    const call = async (): Promise<unknown> => this.handler(lease)
    if (!HANDLE_CHANNEL.start.hasSubscribers) await call()
    else await HANDLE_CHANNEL.tracePromise(call, { group: this.source.group || this.source.name, record: lease })
  }

  private onReturned (lease: Lease<K, V>, lane: string | null, nowMs?: number): void {
    const isAcked = !lease.isSettled || lease.settledAs === 'ack'
    if (!lease.isSettled) this.tell(lease, 'ack')
    this.finish(lane, isAcked, nowMs)
  }

  private onThrown (lease: Lease<K, V>, lane: string | null, error: unknown): void {
    // A lost lease has been counted by the broker; a cancelled record still has to be let go.
    const isOver = lease.lostBy?.code === 'LEASE'
    if (!lease.isSettled && !isOver) {
      const { topic: queue, partition, offset, deliveries } = lease
      const reason = reasonOf(error)
      this.cluster.settings.logger.warn({ queue, partition, offset, deliveries, error: reason }, 'a handler has failed')
      this.tell(lease, 'nack', reason.slice(0, REASON_LENGTH_MAX))
    }
    this.finish(lane, false)
  }

  private tell (lease: Lease<K, V>, kind: 'ack' | 'nack' | 'release', reason = ''): void {
    lease.settledAs = kind
    this.receiver.keeper.remove(lease)
    if (kind === 'ack' && this.holdsAcks) this.settler.tellSoon(lease, kind)
    else this.settler.tell(lease, kind, -1, reason)
  }

  /** @param isDone the record is acknowledged, so that the next one of its key may follow. */
  private finish (lane: string | null, isDone: boolean, nowMs = performance.now()): void {
    if (this.active === 0) return // abandoned
    this.active--
    this.target.onFinished(nowMs)
    if (lane !== null) this.nextInLane(lane, isDone)
    if (this.active === 0) this.idle.resolve()
    this.fill()
    this.pump(nowMs)
  }

  private nextInLane (lane: string, isDone: boolean): void {
    const held = this.lanes.get(lane)
    if (held === undefined) return
    if (!isDone) {
      for (const lease of held.splice(0)) {
        this.waitingCount--
        this.waitingBytes -= lease.sizeBytes
        this.giveBack(lease)
      }
    }
    const next = held.shift()
    if (next === undefined) this.lanes.delete(lane)
    else this.begin(next, lane)
  }

  /** What was not begun lives with its connection and its leader: the next one gives it to others. */
  private dropDisconnected (): void {
    const { session, keeper } = this.receiver
    const isKept = (lease: Lease<K, V>): boolean => {
      if (session.isOpenOn(lease.connection) && !this.receiver.isMoved(lease)) return true
      this.waitingCount--
      this.waitingBytes -= lease.sizeBytes
      keeper.remove(lease)
      return false
    }
    this.waiting = this.waiting.slice(this.waitingHead).filter(isKept)
    this.waitingHead = 0
    for (const [lane, held] of this.lanes) this.lanes.set(lane, held.filter(isKept))
    this.pump()
  }

  private giveBack (lease: Lease<K, V>): void {
    if (lease.lostBy === null && !lease.isSettled) this.tell(lease, 'release')
  }
}

function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
