// The consumer: a member of a stream group, as users see it.
//
//   for await (const record of consumer)     one by one
//   consumer.batches()                       by partition, as they came
//   consumer.pull()                          some, on demand
//   consumer.run(handler)                    concurrently, with retries
//
// It joins the group with the first of these calls. With ack `after` a record is done when the next one is asked for
// (loop), when the next batch or pull is, or when its handler returns. What a loop is left with by `break`, `return` or
// an error is not done, since these cannot be told apart: call `ack()` before a break where it is.

import { BrokerError, closedError } from '../broker-error.js'
import { count } from '../client-options.js'
import type { Cluster } from '../connection/cluster.js'
import type { ProducerTopic } from '../producer/producer.js'
import type { InRecord, RecordBatch } from '../records.js'
import { checkStart, listOffsets, type Start } from '../start.js'
import { abortable, delay } from '../waiting.js'
import { resolveConsumerOptions, type ConsumerOptions, type ConsumerSettings } from './consumer-options.js'
import { ConsumerSession } from './consumer-session.js'
import { takenError } from './offset-committer.js'
import { RecordIterator } from './record-iterator.js'
import { RecordRunner, type RunOptions } from './record-runner.js'
import type { StoredRecord } from './stored-record.js'

/** How far a consumer is behind. */
export interface ConsumerLag {
  /** Records between what is done and the end, in all partitions assigned to this consumer. */
  readonly records: number
  /**
   * Age of the last record read in the partition that is furthest behind; 0 without lag, null where nothing was read.
   */
  readonly seconds: number | null
  readonly partitions: readonly { readonly partition: number, readonly records: number }[]
}

const BATCH_RECORDS_DEFAULT = 1_000

/** See the head of this file. Made by `topic.consumer()`. */
export class Consumer<K = Uint8Array, V = Uint8Array> implements AsyncDisposable, AsyncIterable<InRecord<K, V>> {
  /** Called once, when it is closed. */
  onClosed: () => void = () => {}
  private readonly cluster: Cluster
  private readonly settings: ConsumerSettings
  private readonly session: ConsumerSession<K, V>
  private readonly signal: AbortSignal | undefined
  private readonly onAbort = (): void => { this.close({ drainTimeoutMs: 0 }).catch(() => {}) }
  private pulled: StoredRecord<K, V>[] = []
  private closing: Promise<void> | null = null

  constructor (cluster: Cluster, topic: ProducerTopic<K, V>, options: ConsumerOptions) {
    this.cluster = cluster
    this.settings = resolveConsumerOptions(options)
    this.session = new ConsumerSession(cluster, topic, this.settings)
    this.signal = options.signal
    if (this.signal?.aborted === true) this.onAbort()
    else this.signal?.addEventListener('abort', this.onAbort, { once: true })
  }

  /** Partitions that this consumer works on now, sorted. */
  get assignment (): number[] {
    return [...this.session.assignments.keys()].sort((a, b) => a - b)
  }

  /** One record after the other. Ends when the consumer is closed; throws a BrokerError when it cannot go on. */
  [Symbol.asyncIterator] (): AsyncIterableIterator<InRecord<K, V>> {
    const { session, settings } = this
    return new RecordIterator<StoredRecord<K, V>>({
      take: () => this.takeNext(),
      wait: () => session.breather() ?? session.changed(),
      onDone: record => { if (settings.ack === 'after') session.ack(record) },
      onReturn: record => { if (record !== null && settings.ack === 'after') session.giveBack(record) },
    })
  }

  /**
   * Records of one partition at a time, in batches.
   *
   * @param options maxRecords: most records of a batch, default 1,000; maxWaitMs: how long an incomplete batch waits
   *   for more, in milliseconds, default 0.
   */
  async * batches (
    options: { maxRecords?: number, maxWaitMs?: number } = {},
  ): AsyncGenerator<RecordBatch<K, V>, void, undefined> {
    const maxRecords = count('maxRecords', options.maxRecords, BATCH_RECORDS_DEFAULT, 1)
    const maxWaitMs = count('maxWaitMs', options.maxWaitMs, 0, 0)
    for (;;) {
      const first = await this.next()
      if (first === null) return
      const records = [first]
      const isOther = (cursor: { partition: number }): boolean => cursor.partition !== first.partition
      const deadlineMs = performance.now() + maxWaitMs
      this.gather(records, maxRecords, isOther)
      while (records.length < maxRecords && performance.now() < deadlineMs && !this.session.isStopped) {
        await this.changedBy(deadlineMs)
        this.gather(records, maxRecords, isOther)
      }
      let isDone = false
      try {
        yield this.batchOf(records)
        isDone = true
      } finally {
        if (this.settings.ack === 'after') {
          if (isDone) this.session.ackBatch(records)
          else this.session.giveBack(first)
        }
      }
    }
  }

  /**
   * Some records, of any partitions. With ack `after` they are done when the next pull begins; those of the last pull
   * before `close` come again, unless they were acknowledged one by one.
   *
   * @param options maxRecords: default 1,000; maxWaitMs: how long to wait for the first one, default for ever.
   * @returns no records where none came in time, or the consumer was closed.
   */
  async pull (
    options: { maxRecords?: number, maxWaitMs?: number, signal?: AbortSignal } = {},
  ): Promise<InRecord<K, V>[]> {
    const maxRecords = count('maxRecords', options.maxRecords, BATCH_RECORDS_DEFAULT, 1)
    const maxWaitMs = count('maxWaitMs', options.maxWaitMs, Infinity, 0)
    options.signal?.throwIfAborted()
    if (this.closing !== null) throw closedError('consumer')
    if (this.settings.ack === 'after') this.session.ackAll(this.pulled)
    this.pulled = []
    const deadlineMs = performance.now() + maxWaitMs
    const records: StoredRecord<K, V>[] = []
    const breather = this.session.breather()
    if (breather !== null) await breather
    this.gather(records, maxRecords)
    while (records.length === 0 && performance.now() < deadlineMs && !this.session.isStopped) {
      await abortable(this.changedBy(deadlineMs), options.signal)
      this.gather(records, maxRecords)
    }
    this.pulled = records
    return records.slice()
  }

  /**
   * Calls `handler` for each record, as {@link RunOptions} say. Resolves when the consumer is closed.
   *
   * @throws as a rejection: what the handler threw for a poison record (onPoison `throw`), or a BrokerError.
   */
  async run (handler: (record: InRecord<K, V>) => unknown, options: RunOptions = {}): Promise<void> {
    if (this.closing !== null) throw closedError('consumer')
    await new RecordRunner(this.session, handler, options).run(options.signal)
  }

  /**
   * Commits what is done, or these offsets (of the next record to read) by partition; resolves when it is durable.
   *
   * @throws BrokerError as a rejection; REBALANCE where a partition was taken before it was: its next owner begins at
   *   what was committed before.
   */
  async commit (offsets?: Record<number, number>): Promise<void> {
    if (this.closing !== null) throw closedError('consumer')
    const all = [...this.session.assignments.values()]
    if (offsets === undefined) return this.session.committer.commitAll(all)
    const exact = new Map(Object.entries(offsets).map(([partition, offset]) => [Number(partition), offset]))
    for (const [partition, offset] of exact) {
      if (!Number.isSafeInteger(offset) || offset < 0) {
        throw new BrokerError('INVALID', `offset ${offset} of partition ${partition} is not one: use 0 or more`)
      }
      if (!this.session.assignments.has(partition)) {
        throw new BrokerError('REBALANCE', `partition ${partition} is not assigned to this consumer: only its owner commits`,
          { partition })
      }
    }
    return this.session.committer.commitAll(all, exact)
  }

  /** Goes on elsewhere in all partitions assigned now, or, before the first assignment, in those of it. */
  async seek (to: Start, options: { signal?: AbortSignal } = {}): Promise<void> {
    if (this.closing !== null) throw closedError('consumer')
    checkStart(to, 'to')
    await this.session.seek(to, options.signal)
  }

  /** Hands out nothing of these partitions, or of all; membership goes on. */
  pause (partitions?: number[]): void { this.session.setPaused(partitions, true) }

  /** Ends a pause. */
  resume (partitions?: number[]): void { this.session.setPaused(partitions, false) }

  /** How far this consumer is behind, by a question to the broker. Joins the group where that has not happened yet. */
  async lag (options: { signal?: AbortSignal } = {}): Promise<ConsumerLag> {
    if (this.closing !== null) throw closedError('consumer')
    await abortable(this.session.whenAssigned(), options.signal)
    if (this.session.error !== null) throw this.session.error
    const active = [...this.session.assignments.values()].filter(assignment => assignment.cursor !== null)
    const info = await this.cluster.metadata.topic(this.session.topic.name)
    const ends = await listOffsets(this.cluster, info, active.map(assignment => assignment.partition), 'latest', options)
    let seconds: number | null = 0
    let records = 0
    const partitions = active.map(({ partition, tracker, cursor }) => {
      if (tracker.outstanding === 0) tracker.passTo(cursor!.position)
      const behind = Math.max(0, ends.get(partition)! - tracker.committable)
      if (behind > 0 && seconds !== null) {
        seconds = cursor!.lastTimestamp < 0 ? null : Math.max(seconds, (Date.now() - cursor!.lastTimestamp) / 1000)
      }
      records += behind
      return { partition, records: behind }
    })
    return { records, seconds, partitions }
  }

  /**
   * Hands out nothing more, lets records in hand finish for at most `drainTimeoutMs` (default: that of the client),
   * commits and leaves the group. Calling it again gives the same promise.
   *
   * @throws BrokerError as a rejection, where the last commit fails.
   */
  close (options: { drainTimeoutMs?: number } = {}): Promise<void> {
    this.closing ??= this.shut(options.drainTimeoutMs ?? this.cluster.settings.drainTimeoutMs)
    return this.closing
  }

  [Symbol.asyncDispose] (): Promise<void> {
    return this.close()
  }

  private async shut (drainTimeoutMs: number): Promise<void> {
    this.signal?.removeEventListener('abort', this.onAbort)
    // Only the next pull would have said that these are done, and it will not come: they come again.
    if (this.settings.ack === 'after') for (const record of this.pulled) this.session.giveBack(record)
    this.pulled = []
    try {
      await this.session.close(drainTimeoutMs)
    } finally {
      this.onClosed()
    }
  }

  private async next (): Promise<StoredRecord<K, V> | null> {
    for (;;) {
      const record = this.takeNext()
      if (record !== null) return record ?? null
      await (this.session.breather() ?? this.session.changed())
    }
  }

  /** The next record; null where there is none now, or the event loop has to come round first; undefined at the end. */
  private takeNext (): StoredRecord<K, V> | null | undefined {
    this.signal?.throwIfAborted()
    if (this.session.isStopped) return undefined
    return this.session.breatherIsDue ? null : this.session.take()
  }

  private gather (
    records: StoredRecord<K, V>[], maxRecords: number, isBlocked?: (cursor: { partition: number }) => boolean,
  ): void {
    try {
      while (records.length < maxRecords && this.session.takeInto(records, maxRecords, isBlocked) > 0);
    } catch (error) {
      // First what is there; the error comes with the next call.
      if (records.length === 0) throw error
    }
  }

  private async changedBy (deadlineMs: number): Promise<void> {
    const leftMs = deadlineMs - performance.now()
    if (leftMs === Infinity) return this.session.changed()
    const stop = new AbortController()
    await Promise.race([this.session.changed(), delay(Math.max(0, leftMs), stop.signal).catch(() => {})])
    stop.abort()
  }

  private batchOf (records: readonly StoredRecord<K, V>[]): RecordBatch<K, V> {
    const first = records[0]!
    return {
      topic: first.topic,
      partition: first.partition,
      size: records.length,
      [Symbol.iterator]: () => records[Symbol.iterator](),
      commit: async () => {
        const { partition } = first
        if (this.session.stoppingSignal(first) === undefined) throw takenError(partition)
        this.session.ackBatch(records)
        await this.commit()
      },
    }
  }
}
