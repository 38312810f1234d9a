// Runs a handler over the records of a consumer, several at a time, with retries.
//
//   take ──▶ lane (partition, key, or none) ──▶ handler ──┬─ done ──▶ ack
//                                               ▲         └─ throws ─┬─ again, after the back-off
//                                               └────────────────────┘ └─ poison: throw, skip, dead letter
//
// Invariants: at most `concurrency` handlers run; of one lane at most one, in the order of the log; what is taken and
// waits in lanes is bounded.

import { asBrokerError, BrokerError } from '../broker-error.js'
import { choice, count } from '../client-options.js'
import { HANDLE_CHANNEL } from '../diagnostics.js'
import type { InRecord } from '../records.js'
import { backoffDelayMs, deferred, delay } from '../waiting.js'
import type { ConsumerSession } from './consumer-session.js'
import type { StoredRecord } from './stored-record.js'

/** Options of `consumer.run`. */
export interface RunOptions {
  /** Most handlers that run at a time, 1 or more. Default 1. */
  concurrency?: number
  /**
   * What keeps its order: the records of a partition (default), those of a key, or nothing. Records without a key
   * have no order among themselves under `key`.
   */
  ordering?: 'partition' | 'key' | 'none'
  /** How often a record is tried before it counts as poison, 1 or more. Default 5. */
  attempts?: number
  /** Milliseconds before the next attempt. Default: 100 ms doubling up to 30 s, with full jitter. */
  backoff?: (attempt: number, error: unknown) => number
  /**
   * Time for one attempt, in milliseconds; then the record's signal is aborted and the attempt has failed. Default
   * none.
   */
  timeoutMs?: number
  /** Ends the run: running handlers finish, nothing new begins, and `run` rejects with the signal's reason. */
  signal?: AbortSignal
}

const BACKOFF = { initialDelayMs: 100, maxDelayMs: 30_000, jitter: 1 }

/** Records that wait behind another one of their key. */
type Lane<K, V> = StoredRecord<K, V>[]

/** See the head of this file. */
export class RecordRunner<K, V> {
  private readonly session: ConsumerSession<K, V>
  private readonly handler: (record: InRecord<K, V>) => unknown
  private readonly concurrency: number
  private readonly ordering: 'partition' | 'key' | 'none'
  private readonly attempts: number
  private readonly backoff: (attempt: number, error: unknown) => number
  private readonly timeoutMs: number
  private readonly waitingMax: number
  private readonly busyPartitions = new Set<number>()
  private readonly lanes = new Map<string, Lane<K, V>>()
  private readonly waitingByPartition = new Map<number, number>()
  private active = 0
  private waiting = 0
  private failure: { error: unknown } | null = null
  private idle = deferred()

  constructor (session: ConsumerSession<K, V>, handler: (record: InRecord<K, V>) => unknown, options: RunOptions) {
    this.session = session
    this.handler = handler
    this.concurrency = count('concurrency', options.concurrency, 1, 1)
    this.ordering = choice('ordering', options.ordering, 'partition', ['partition', 'key', 'none'])
    this.attempts = count('attempts', options.attempts, 5, 1)
    this.timeoutMs = count('timeoutMs', options.timeoutMs, Infinity, 1)
    this.backoff = options.backoff ?? (attempt => backoffDelayMs(BACKOFF, attempt))
    this.waitingMax = this.concurrency * 8
  }

  /**
   * Resolves when the consumer is closed; rejects with what a poison record's handler threw, or why it cannot go on.
   */
  async run (signal?: AbortSignal): Promise<void> {
    const onAbort = (): void => this.fail(signal!.reason)
    if (signal?.aborted === true) throw signal.reason
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      while (this.failure === null && !this.session.isStopped) {
        const changed = this.session.changed()
        this.fill()
        if (this.failure === null && !this.session.isStopped) await changed
      }
      this.dropWaiting()
      while (this.active > 0) {
        this.idle = deferred()
        await this.idle.promise
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
    if (this.failure !== null) throw (this.failure as { error: unknown }).error
  }

  /** Starts as many handlers as there may be. */
  private fill (): void {
    try {
      while (this.failure === null && this.active < this.concurrency && this.waiting < this.waitingMax) {
        const record = this.session.take(this.isBlocked)
        if (record === null) return
        this.place(record)
      }
    } catch (error) {
      this.fail(error)
    }
  }

  private readonly isBlocked = (cursor: { readonly partition: number }): boolean => {
    if (this.ordering === 'partition') return this.busyPartitions.has(cursor.partition)
    // One slow key must not fill the room that all share.
    if (this.ordering === 'key') return (this.waitingByPartition.get(cursor.partition) ?? 0) >= this.concurrency
    return false
  }

  private place (record: StoredRecord<K, V>): void {
    const lane = this.laneOf(record)
    if (lane === null) return this.begin(record, null)
    const held = this.lanes.get(lane)
    if (held === undefined) {
      this.lanes.set(lane, [])
      this.begin(record, lane)
    } else {
      held.push(record)
      this.countWaiting(record, 1)
    }
  }

  private laneOf (record: StoredRecord<K, V>): string | null {
    if (this.ordering !== 'key') return null
    const key = record.keyBytes
    return key === null ? null : `${record.partition}:${key.toString('latin1')}`
  }

  private begin (record: StoredRecord<K, V>, lane: string | null): void {
    this.active++
    if (this.ordering === 'partition') this.busyPartitions.add(record.partition)
    this.process(record).catch(error => this.fail(error)).finally(() => {
      this.active--
      if (this.ordering === 'partition') this.busyPartitions.delete(record.partition)
      if (lane !== null) this.nextInLane(lane)
      if (this.active === 0) this.idle.resolve()
      this.session.notify()
    })
  }

  private nextInLane (lane: string): void {
    const held = this.lanes.get(lane)!
    const next = held.shift()
    if (next === undefined) {
      this.lanes.delete(lane)
      return
    }
    this.countWaiting(next, -1)
    if (this.failure === null && !this.session.isStopped) this.begin(next, lane)
    else this.session.giveBack(next)
  }

  private countWaiting (record: StoredRecord<K, V>, change: number): void {
    this.waiting += change
    const { partition } = record
    this.waitingByPartition.set(partition, (this.waitingByPartition.get(partition) ?? 0) + change)
  }

  /** What was taken and not begun goes back. */
  private dropWaiting (): void {
    for (const lane of this.lanes.values()) {
      for (const record of lane.splice(0).reverse()) {
        this.countWaiting(record, -1)
        this.session.giveBack(record)
      }
    }
  }

  private async process (record: StoredRecord<K, V>): Promise<void> {
    const stopping = this.session.stoppingSignal(record)
    // Taken away or given back while it waited in its lane.
    if (stopping === undefined) return
    for (;;) {
      try {
        await this.attempt(record)
        if (this.session.settings.ack === 'after') this.session.ack(record)
        return
      } catch (error) {
        if (record.origin.signal.aborted) return
        const isHopeless = BrokerError.is(error) && error.code === 'SERIALIZATION'
        if (isHopeless || record.attempt >= this.attempts) return this.onPoison(record, error)
        if (!await this.pause(record, error, stopping)) return this.session.giveBack(record)
        record.attempt++
      }
    }
  }

  private async attempt (record: StoredRecord<K, V>): Promise<void> {
    if (this.timeoutMs === Infinity) {
      await this.call(record)
      return
    }
    const limit = new AbortController()
    record.handlerSignal = AbortSignal.any([record.origin.signal, limit.signal])
    const late = deferred<never>()
    const timer = setTimeout(() => {
      const error = new BrokerError('TIMEOUT', `the handler of ${record.topic} partition ${record.partition} offset ` +
        `${record.offset} took longer than timeoutMs (${this.timeoutMs} ms)`, { topic: record.topic, partition: record.partition })
      limit.abort(error)
      late.reject(error)
    }, this.timeoutMs)
    try {
      await Promise.race([this.call(record), late.promise])
    } finally {
      clearTimeout(timer)
      record.handlerSignal = null
    }
  }

  private async call (record: StoredRecord<K, V>): Promise<void> {
    if (!HANDLE_CHANNEL.start.hasSubscribers) {
      await this.handler(record)
      return
    }
    const message = { group: this.session.settings.group, record }
    await HANDLE_CHANNEL.tracePromise(async () => this.handler(record), message)
  }

  /** Waits for the next attempt; false where it should be made elsewhere or later. */
  private async pause (record: StoredRecord<K, V>, error: unknown, stopping: AbortSignal): Promise<boolean> {
    if (this.failure !== null || stopping.aborted) return false
    const { topic, partition, offset, attempt } = record
    this.session.cluster.settings.logger.warn({ topic, partition, offset, attempt, error: textOf(error) },
      'a handler has failed; trying again')
    return delay(this.backoff(attempt, error), stopping).then(() => this.failure === null, () => false)
  }

  private async onPoison (record: StoredRecord<K, V>, error: unknown): Promise<void> {
    const { onPoison } = this.session.settings
    const { topic, partition, offset, attempt } = record
    if (onPoison === 'throw') {
      this.session.giveBack(record)
      throw error
    }
    this.session.cluster.settings.logger.error({ topic, partition, offset, attempt, error: textOf(error) },
      onPoison === 'skip' ? 'a record was skipped: its handler has failed for the last time' : 'a record goes to the dead letter topic')
    if (onPoison === 'skip') return this.session.ack(record)
    try {
      await this.session.bury(record, textOf(error))
    } catch (cause) {
      this.session.giveBack(record)
      throw asBrokerError(cause)
    }
  }

  private fail (error: unknown): void {
    this.failure ??= { error }
    this.session.notify()
  }
}

function textOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
