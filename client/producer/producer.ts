// The producer of one topic: what users call.
//
//   send, write, sendBatch ──▶ encode ──▶ partition ──▶ BatchSender
//                               │  room?        └ staged until the topic's partitions are known
//                               └─ send waits in `blocked`, in order, while the buffer is full
//
// Invariants: what waits for an acknowledgement is at most bufferBytes and one record; records of one caller reach
// their partition in the order of the calls; a failure is told exactly once: to the promise of its `send`, or, for
// `write`, by the next flush, drained or close.

import type { Writable } from 'node:stream'
import { recordBytesMax, type RecordBytes, type RecordExtras, type RecordHeader } from '@sluice/protocol'
import { asBrokerError, BrokerError, closedError, reasonOf } from '../broker-error.js'
import { invalidOption } from '../client-options.js'
import type { Cluster } from '../connection/cluster.js'
import type { TopicInfo } from '../connection/metadata.js'
import { CHANNEL } from '../diagnostics.js'
import type { OutRecord } from '../records.js'
import { serializationError, type Serde } from '../serdes.js'
import { abortable, deferred, delay, settledWithin, type Deferred } from '../waiting.js'
import { BatchResults } from './batch-results.js'
import { BatchSender } from './batch-sender.js'
import type { SendWaiter } from './outgoing-batch.js'
import { partitionOfKey, StickyChoice } from './partitioner.js'
import { resolveProducerOptions, type ProducerOptions, type ProducerSettings } from './producer-options.js'
import { producerWritable } from './producer-writable.js'
import { SentPromise } from './sent-promise.js'
import type { SendResult, SentRecord } from './sent-record.js'

/** So much is written in one turn of the event loop before `write` asks to wait: a millisecond's work. */
const TURN_BYTES = 512 * 1024

/** What the records of a queue have beside those of a stream. */
export interface RecordRouting<K, V> {
  /** Why such records cannot go to the topic, or null. */
  faultOf (topic: TopicInfo): BrokerError | null
  /** The partition of a record, or null where any will do. */
  partitionOf (record: OutRecord<K, V>, key: RecordBytes, partitions: number): number | null
  /** What the broker is told of a record beside its bytes. */
  extrasOf (record: OutRecord<K, V>, key: RecordBytes): RecordExtras | undefined
}

/** Options of calls that wait. */
export interface WaitOptions { signal?: AbortSignal }

/** The parts of a topic that its producers need. */
export interface ProducerTopic<K, V> { readonly name: string, readonly key: Serde<K>, readonly value: Serde<V> }

/** A record on its way into a batch. */
interface Staged<K, V> {
  readonly record: OutRecord<K, V>
  readonly key: RecordBytes
  readonly value: RecordBytes
  readonly headers: readonly RecordHeader[] | undefined
  readonly bytes: number
  readonly waiter: SendWaiter | null
}

/** A `send` that waits for room. */
interface Blocked<K, V> { readonly record: OutRecord<K, V>, readonly waiter: SendWaiter }

/** See the head of this file. Made by `topic.producer()`. */
export class Producer<K = Uint8Array, V = Uint8Array> implements AsyncDisposable {
  /** Called once, when it is closed. */
  onClosed: () => void = () => {}
  private readonly cluster: Cluster
  private readonly topic: ProducerTopic<K, V>
  private readonly settings: ProducerSettings
  private readonly partitioner: ((record: OutRecord<K, V>, partitions: number) => number) | null
  private readonly queueRouting: RecordRouting<K, V> | null
  private readonly sender: BatchSender
  private readonly sticky = new StickyChoice()
  private staged: Staged<K, V>[] = []
  private stagedBytes = 0
  private routing: Promise<void> | null = null
  private blocked: Blocked<K, V>[] = []
  /** How many blocked sends have been let in, ever. */
  private admitted = 0
  private drainWaiters: Deferred<void>[] = []
  private failure: BrokerError | null = null
  private failedCount = 0
  private closing: Promise<void> | null = null
  private closed = false
  private inTurn = false
  private turnStartBytes = 0

  /** @param routing of a queue; null for a stream. */
  constructor (
    cluster: Cluster, topic: ProducerTopic<K, V>, options: ProducerOptions<K, V>,
    routing: RecordRouting<K, V> | null = null,
  ) {
    this.cluster = cluster
    this.topic = topic
    this.settings = resolveProducerOptions(options)
    this.partitioner = typeof options.partitioner === 'function' ? options.partitioner : null
    this.queueRouting = routing
    this.sender = new BatchSender(cluster, this.settings, {
      topic: topic.name,
      onSettled: () => this.onSettled(),
      onUnwatchedFailure: (error, records) => this.onUnwatchedFailure(error, records),
    })
  }

  /** What is not acknowledged yet. */
  get pending (): { records: number, bytes: number } {
    return {
      records: this.sender.pendingRecords + this.staged.length + this.blocked.length,
      bytes: this.pendingBytes,
    }
  }

  /** Records given to `write` that have failed, ever. */
  get failedRecords (): number { return this.failedCount }

  /**
   * Sends one record; resolves when it counts as sent (`acks`). An abort stops the wait, not the record once it is in a
   * batch.
   *
   * @throws BrokerError as a rejection.
   */
  send (record: OutRecord<K, V>, options: WaitOptions = {}): Promise<SentRecord> {
    const { signal } = options
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const waiter = new SentPromise(this.topic.name)
    this.submit(record, waiter)
    if (signal === undefined) return waiter.sent
    return abortable(waiter.sent, signal).catch((error: unknown) => {
      this.blocked = this.blocked.filter(blocked => blocked.waiter !== waiter)
      throw error
    })
  }

  /**
   * Sends many records and resolves with one result for each, in order; it rejects only by its signal.
   *
   * @param options atomic: all records go into one batch of one partition, that of the first record, so that either
   *   all of them are stored or none is.
   */
  async sendBatch (
    records: readonly OutRecord<K, V>[], options: WaitOptions & { atomic?: boolean } = {},
  ): Promise<SendResult[]> {
    if (records.length === 0) return []
    options.signal?.throwIfAborted()
    if (options.atomic === true) return this.sendAtomically(records, options.signal)
    const results = new BatchResults(this.topic.name, records.length)
    for (let index = 0; index < records.length; index++) this.submit(records[index]!, results.waiter(index))
    return abortable(results.done, options.signal)
  }

  /**
   * Takes a record without a promise of its own: the fast way. A failure comes out of the next flush, drained or close.
   *
   * @returns true while there is room, and while the event loop has not been held for long; after false wait for
   *   `drained()` before the next call.
   * @throws BrokerError SERIALIZATION or INVALID for the record, CLOSED, and BACKPRESSURE where the last false was
   *   ignored.
   */
  write (record: OutRecord<K, V>): boolean {
    if (this.closing !== null) throw closedError('producer')
    if (this.isFull) throw this.fullError('await drained() after write() has returned false')
    if (!this.inTurn) this.beginTurn()
    this.accept(record, null)
    return !this.isFull && !this.isTurnOver
  }

  /**
   * Resolves when half of the buffer is free again, and what was written in this turn of the event loop has been sent.
   *
   * @throws BrokerError as a rejection: the first failed `write`.
   */
  async drained (options: WaitOptions = {}): Promise<void> {
    if (this.isTurnOver) await abortable(new Promise(resolve => setImmediate(resolve)), options.signal)
    if (!this.isDrained) {
      const waiter = deferred()
      this.drainWaiters.push(waiter)
      await abortable(waiter.promise, options.signal)
    }
    this.throwFailure()
  }

  /**
   * Sends all that waits without delay; resolves when everything given before this call is settled.
   *
   * @throws BrokerError as a rejection: the first failed `write` since the last time one was told.
   */
  async flush (options: WaitOptions = {}): Promise<void> {
    const admittedTarget = this.admitted + this.blocked.length
    for (;;) {
      if (this.routing !== null) await abortable(this.routing, options.signal)
      const done = deferred()
      this.sender.flush({ remaining: 0, done: done.resolve })
      await abortable(done.promise, options.signal)
      if (this.admitted >= admittedTarget || this.blocked.length === 0) break
    }
    this.throwFailure()
  }

  /**
   * A stream in object mode that takes records, with backpressure. Ending it flushes; it does not close the producer.
   */
  writable (): Writable {
    return producerWritable(this)
  }

  /**
   * Takes no more records, delivers those it has, for at most `drainTimeoutMs` (default: that of the client), and
   * fails the rest with CLOSED. Calling it again gives the same promise.
   *
   * @throws BrokerError as a rejection: the first failed `write` that was not told before.
   */
  close (options: { drainTimeoutMs?: number } = {}): Promise<void> {
    this.closing ??= this.shut(options.drainTimeoutMs ?? this.cluster.settings.drainTimeoutMs)
    return this.closing
  }

  [Symbol.asyncDispose] (): Promise<void> {
    return this.close()
  }

  private async shut (drainTimeoutMs: number): Promise<void> {
    const flushed = this.flush()
    flushed.catch(() => {})
    const drained = drainTimeoutMs > 0 && await settledWithin(flushed, drainTimeoutMs)
    this.closed = true
    const error = closedError('producer')
    this.rejectBlocked(error)
    this.rejectStaged(error)
    this.sender.stop(error)
    this.releaseDrainWaiters()
    this.onClosed()
    if (drained) return flushed
    this.throwFailure()
  }

  private get pendingBytes (): number { return this.sender.pendingBytes + this.stagedBytes }

  private get isFull (): boolean {
    return this.pendingBytes >= this.settings.bufferBytes || this.blocked.length > 0
  }

  private get isDrained (): boolean {
    return this.closed || (this.blocked.length === 0 && this.pendingBytes <= this.settings.bufferBytes / 2)
  }

  /** A turn of the event loop in which `write` is called: answers are read only after it. */
  private beginTurn (): void {
    this.inTurn = true
    this.turnStartBytes = this.pendingBytes
    setImmediate(this.endTurn)
  }

  private readonly endTurn = (): void => { this.inTurn = false }

  private get isTurnOver (): boolean {
    return this.inTurn && this.pendingBytes - this.turnStartBytes >= TURN_BYTES
  }

  private submit (record: OutRecord<K, V>, waiter: SendWaiter): void {
    if (this.closing !== null) return waiter.reject(closedError('producer'))
    if (this.isFull) {
      if (this.settings.onFull === 'wait') this.blocked.push({ record, waiter })
      else waiter.reject(this.fullError('wait for records to be acknowledged, or use onFull wait'))
      return
    }
    try {
      this.accept(record, waiter)
    } catch (error) {
      waiter.reject(asBrokerError(error))
    }
  }

  private accept (record: OutRecord<K, V>, waiter: SendWaiter | null): void {
    const headers = this.headersOf(record)
    const key = record.key === null || record.key === undefined ? null : encode(this.topic.key, record.key, 'key')
    const value = record.value === null || record.value === undefined ? null : encode(this.topic.value, record.value, 'value')
    checkTimestamp(record.timestamp)
    if (this.sender.topic === null || this.staged.length > 0) this.stage(record, key, value, headers, waiter)
    else this.route(record, key, value, headers, waiter)
  }

  private route (
    record: OutRecord<K, V>, key: RecordBytes, value: RecordBytes, headers: readonly RecordHeader[] | undefined,
    waiter: SendWaiter | null,
  ): void {
    const partition = this.partitionOf(record, key) ?? this.stickyPartition(recordBytesMax(key, value, headers))
    const extras = this.queueRouting?.extrasOf(record, key)
    this.sender.append(partition, key, value, record.timestamp, headers, waiter, extras)
  }

  /** Null where any partition will do. */
  private partitionOf (record: OutRecord<K, V>, key: RecordBytes): number | null {
    const partitions = this.sender.topic!.partitions.length
    let partition = record.partition
    if (partition === undefined) {
      if (this.queueRouting !== null) return this.queueRouting.partitionOf(record, key, partitions)
      if (this.partitioner !== null) partition = this.partitioner(record, partitions)
      else if (key !== null) return partitionOfKey(key, partitions)
      else return null
    }
    if (!Number.isInteger(partition) || partition < 0 || partition >= partitions) {
      throw new BrokerError('INVALID', `partition ${partition} is not one of topic ${this.topic.name}: use 0 to ${partitions - 1}`,
        { topic: this.topic.name })
    }
    return partition
  }

  private stickyPartition (recordBytes: number): number {
    const { sender, sticky } = this
    const before = sticky.partition
    const partition = sticky.choose(sender.queues, sender.isAvailable, recordBytes, this.settings.batchBytes)
    if (partition !== before) sender.completeOpen(before)
    return partition
  }

  private headersOf (record: OutRecord<K, V>): RecordHeader[] | undefined {
    let headers = record.headers
    if (CHANNEL.send.hasSubscribers) {
      const message = { topic: this.topic.name, key: record.key ?? null, headers: { ...headers } }
      CHANNEL.send.publish(message)
      headers = message.headers
    }
    if (headers === undefined) return undefined
    const list: RecordHeader[] = []
    for (const name in headers) list.push({ name, value: headers[name]! })
    return list.length === 0 ? undefined : list
  }

  /** Keeps a record until the partitions are known. */
  private stage (
    record: OutRecord<K, V>, key: RecordBytes, value: RecordBytes, headers: readonly RecordHeader[] | undefined,
    waiter: SendWaiter | null,
  ): void {
    const bytes = recordBytesMax(key, value, headers)
    // The caller may use its buffers for something else as soon as the call is over.
    this.staged.push({ record, key: owned(key), value: owned(value), headers, bytes, waiter })
    this.stagedBytes += bytes
    this.routing ??= this.routeStaged()
  }

  private async routeStaged (): Promise<void> {
    const deadlineMs = performance.now() + this.settings.deliveryTimeoutMs
    try {
      await this.learnTopic(deadlineMs)
      const staged = this.staged
      this.staged = []
      this.stagedBytes = 0
      for (const { record, key, value, headers, waiter } of staged) {
        try {
          this.route(record, key, value, headers, waiter)
        } catch (error) {
          this.rejectOne(waiter, asBrokerError(error))
        }
      }
    } catch (error) {
      this.rejectStaged(asBrokerError(error))
    } finally {
      this.routing = null
      this.onSettled()
    }
  }

  private async learnTopic (deadlineMs: number): Promise<void> {
    for (;;) {
      try {
        this.sender.setTopic(await this.sendableTopic())
        return
      } catch (cause) {
        const error = asBrokerError(cause)
        const isFinal = this.closed || this.cluster.settings.maxAttempts === 1 || performance.now() >= deadlineMs
        if (!error.retriable || isFinal) throw error
        await delay(this.cluster.settings.initialDelayMs, this.cluster.closing)
      }
    }
  }

  /** @throws BrokerError as a rejection. */
  private async sendableTopic (): Promise<TopicInfo> {
    const { cluster: { metadata }, topic: { name }, queueRouting } = this
    const known = await metadata.topic(name)
    if (queueRouting === null || queueRouting.faultOf(known) === null) return known
    // What is remembered may be of another topic, which had the name before.
    const topic = await metadata.refresh(name)
    const fault = queueRouting.faultOf(topic)
    if (fault !== null) throw fault
    return topic
  }

  private async sendAtomically (
    records: readonly OutRecord<K, V>[], signal: AbortSignal | undefined,
  ): Promise<SendResult[]> {
    if (this.closing !== null) throw closedError('producer')
    const encoded = records.map(record => ({
      record,
      headers: this.headersOf(record),
      key: record.key === null || record.key === undefined ? null : encode(this.topic.key, record.key, 'key'),
      value: record.value === null || record.value === undefined ? null : encode(this.topic.value, record.value, 'value'),
    }))
    let bytes = 0
    for (const { key, value, headers } of encoded) bytes += recordBytesMax(key, value, headers)
    if (bytes > this.settings.batchBytes / 2) {
      throw new BrokerError('RECORD_TOO_LARGE', `an atomic batch of up to ${bytes} bytes does not fit into half of batchBytes ` +
        `(${this.settings.batchBytes}): send fewer records at once or raise batchBytes`, { topic: this.topic.name })
    }
    while (this.sender.topic === null || this.isFull || this.staged.length > 0) {
      const deadlineMs = performance.now() + this.settings.deliveryTimeoutMs
      if (this.sender.topic === null) await abortable(this.learnTopic(deadlineMs), signal)
      if (this.routing !== null) await abortable(this.routing, signal)
      if (this.isFull) await abortable(this.roomMade(), signal)
    }
    const partition = this.partitionOf(encoded[0]!.record, encoded[0]!.key) ?? this.stickyPartition(bytes)
    const results = new BatchResults(this.topic.name, records.length)
    this.sender.closeOpen(partition)
    encoded.forEach(({ record, key, value, headers }, index) => {
      const waiter = results.waiter(index)
      const extras = this.queueRouting?.extrasOf(record, key)
      this.sender.append(partition, key, value, record.timestamp, headers, waiter, extras)
    })
    this.sender.closeOpen(partition)
    return abortable(results.done, signal)
  }

  private async roomMade (): Promise<void> {
    const waiter = deferred()
    this.drainWaiters.push(waiter)
    await waiter.promise
  }

  private onSettled (): void {
    if (this.blocked.length > 0 && !this.closed) this.admitBlocked()
    if (this.drainWaiters.length > 0 && this.isDrained) this.releaseDrainWaiters()
  }

  private admitBlocked (): void {
    let count = 0
    while (count < this.blocked.length && this.pendingBytes < this.settings.bufferBytes) {
      const { record, waiter } = this.blocked[count++]!
      try {
        this.accept(record, waiter)
      } catch (error) {
        waiter.reject(asBrokerError(error))
      }
    }
    this.admitted += count
    if (count > 0) this.blocked = this.blocked.slice(count)
  }

  private releaseDrainWaiters (): void {
    const waiters = this.drainWaiters
    this.drainWaiters = []
    for (const waiter of waiters) waiter.resolve()
  }

  private onUnwatchedFailure (error: BrokerError, records: number): void {
    this.failedCount += records
    this.failure ??= error
    // Whoever waits for room should hear of it now, not when all else has failed too.
    if (this.drainWaiters.length > 0) this.releaseDrainWaiters()
  }

  private rejectOne (waiter: SendWaiter | null, error: BrokerError): void {
    if (waiter !== null) waiter.reject(error)
    else this.onUnwatchedFailure(error, 1)
  }

  private rejectStaged (error: BrokerError): void {
    const staged = this.staged
    this.staged = []
    this.stagedBytes = 0
    for (const { waiter } of staged) this.rejectOne(waiter, error)
  }

  private rejectBlocked (error: BrokerError): void {
    const blocked = this.blocked
    this.blocked = []
    for (const { waiter } of blocked) waiter.reject(error)
  }

  private throwFailure (): void {
    const { failure } = this
    this.failure = null
    if (failure !== null) throw failure
  }

  private fullError (advice: string): BrokerError {
    return new BrokerError('BACKPRESSURE', `the buffer of ${this.settings.bufferBytes} bytes is full: ${advice}`, {
      retriable: true, topic: this.topic.name,
    })
  }
}

function encode<T> (serde: Serde<T>, value: T, what: 'key' | 'value'): RecordBytes {
  try {
    return serde.encodeText !== undefined ? serde.encodeText(value) : serde.encode(value)
  } catch (error) {
    if (BrokerError.is(error)) throw error
    throw serializationError(serde.name, `cannot encode a ${what}: ${reasonOf(error)}`, error)
  }
}

function owned (bytes: RecordBytes): RecordBytes {
  return bytes instanceof Uint8Array ? Buffer.from(bytes) : bytes
}

function checkTimestamp (timestamp: number | undefined): void {
  if (timestamp !== undefined && (!Number.isSafeInteger(timestamp) || Math.abs(timestamp) > 2 ** 51)) {
    throw invalidOption('timestamp', 'whole milliseconds since 1970-01-01 UTC', timestamp)
  }
}
