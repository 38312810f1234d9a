// A queue as seen from a client: what users call.
//
//   send ───────▶ Producer, with the options of each record beside the batch
//   receive ────▶ Inbox ─────┐
//   work ───────▶ Worker ────┴▶ Receiver: session, long polls, leases
//   ack, nack, … ─▶ Settler: one request per turn and leader
//   cancel, explain, stats, … ─▶ QueueControl: one request per call
//
// Making one costs nothing and asks nobody. Its parts are made when they are first needed and closed with it.

import type { SettleKind } from '@sluice/protocol'
import { asBrokerError, BrokerError, closedError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import { Producer } from '../producer/producer.js'
import type { ProducerOptions } from '../producer/producer-options.js'
import type { SendResult } from '../producer/sent-record.js'
import type { Serde } from '../serdes.js'
import type { Closable } from '../topic.js'
import { abortable, delay, retryDelayMs, settledWithin } from '../waiting.js'
import { Inbox } from './inbox.js'
import { parseHandle } from './lease-handle.js'
import { QueueControl, type CallOptions, type QueueTraits } from './queue-control.js'
import {
  checkDelay, checkQueueRecord, checkReason, EXTENSION_MS_MAX, resolveReceiveOptions, resolveWorkOptions, whole,
  type ReceiveOptions, type WorkOptions,
} from './queue-options.js'
import type { LeasedRecord, QueuedRecord, QueueRecord, QueueSendResult, SettleOutcome } from './queue-records.js'
import { QueueRouting } from './queue-routing.js'
import type { QueueSource } from './receiver.js'
import { Settler } from './settler.js'
import { Worker } from './worker.js'

/** Options of `client.queue`. */
export interface QueueOptions {
  /** How records are sent. */
  producer?: Omit<ProducerOptions, 'acks' | 'idempotent' | 'partitioner'>
}

/** See the head of this file. Made by `client.queue()`. */
export class Queue<K = Uint8Array, V = Uint8Array> extends QueueControl<K, V>
  implements AsyncDisposable, Closable, QueueSource<K, V> {
  /** Called once, when it is closed. */
  onClosed: () => void = () => {}
  private readonly options: QueueOptions
  private readonly adopt: (child: Closable) => void
  private readonly settler: Settler
  private readonly workers = new Map<Worker<K, V>, Promise<void>>()
  private producer: Producer<K, V> | null = null
  private inbox: Inbox<K, V> | null = null
  private adopted = false
  private closing: Promise<void> | null = null
  private readonly stopping = new AbortController()

  /** @param adopt called when there is something that has to be closed with the client. */
  constructor (
    cluster: Cluster, name: string, key: Serde<K>, value: Serde<V>, options: QueueOptions,
    adopt: (child: Closable) => void,
  ) {
    super(cluster, name, key, value)
    this.options = options
    this.adopt = adopt
    this.settler = new Settler(cluster, name, this.group)
  }

  /**
   * Puts a record into the queue; resolves when it is durable. An abort stops the wait, not the record once it is in a
   * batch.
   *
   * @throws BrokerError as a rejection: INVALID naming the field and its range, SERIALIZATION, among others.
   */
  async send (record: QueueRecord<K, V>, options: { signal?: AbortSignal } = {}): Promise<QueuedRecord> {
    checkQueueRecord(record)
    const { topic, partition, offset, timestamp, duplicate } = await this.openProducer().send(record, options)
    return { topic, partition, offset, timestamp, id: `${partition}:${offset}`, duplicate: duplicate === true }
  }

  /** Sends many records and resolves with one result for each, in order; it rejects only by its signal, or closed. */
  async sendBatch (
    records: readonly QueueRecord<K, V>[], options: { signal?: AbortSignal } = {},
  ): Promise<QueueSendResult[]> {
    if (!Array.isArray(records)) throw new BrokerError('INVALID', `sendBatch takes an array of records, not ${typeof records}`)
    const results = new Array<QueueSendResult>(records.length)
    const sound: QueueRecord<K, V>[] = []
    const places: number[] = []
    records.forEach((record, index) => {
      try {
        checkQueueRecord(record)
        sound.push(record)
        places.push(index)
      } catch (error) {
        results[index] = { ok: false, error: asBrokerError(error) }
      }
    })
    const sent = await this.openProducer().sendBatch(sound, options)
    sent.forEach((result, index) => { results[places[index]!] = result.ok ? queued(result) : result })
    return results
  }

  /**
   * Leases records to settle by `ack`, `nack` and so on, within the queue's `visibility.ms`; `extend` prolongs that.
   * The leases outlive this queue object and its process: who has the handle can settle the record.
   *
   * @returns no records where none came within `waitMs`.
   * @throws BrokerError as a rejection: UNKNOWN_TOPIC, INVALID naming the option and its range, among others.
   */
  async receive (options: ReceiveOptions = {}): Promise<LeasedRecord<K, V>[]> {
    const settings = resolveReceiveOptions(options)
    options.signal?.throwIfAborted()
    this.checkOpen()
    this.inbox ??= new Inbox(this.cluster, this, this.settler)
    return this.inbox.receive(settings, options.signal)
  }

  /**
   * Calls `handler` for each record: a return acknowledges it, a throw has it tried again after the queue's back-off,
   * unless the handler has settled it itself. Leases are renewed for as long as their handlers run. Resolves when the
   * queue is closed.
   *
   * @throws as a rejection: the signal's reason, or a BrokerError where trying again is of no use.
   */
  async work (handler: (record: LeasedRecord<K, V>) => unknown, options: WorkOptions = {}): Promise<void> {
    const settings = resolveWorkOptions(options)
    if (typeof handler !== 'function') throw new BrokerError('INVALID', 'work takes a function that handles one record')
    options.signal?.throwIfAborted()
    this.checkOpen()
    const traits = await this.traitsOrClosed(options.signal)
    if (traits === null) return
    const { cluster, settler } = this
    const worker = new Worker({ cluster, source: this, settler, handler, settings, traits })
    const run = worker.run(options.signal)
    this.workers.set(worker, run)
    try {
      await run
    } finally {
      this.workers.delete(worker)
    }
  }

  /** As `record.ack()`, by handle. */
  ack (handle: string): Promise<SettleOutcome> {
    return this.settle(handle, 'ack', -1, '')
  }

  /** As `record.nack()`, by handle. */
  async nack (handle: string, options: { delayMs?: number, reason?: string } = {}): Promise<SettleOutcome> {
    const delayMs = options.delayMs === undefined ? -1 : checkDelay('delayMs', options.delayMs)
    return this.settle(handle, 'nack', delayMs, checkReason(options.reason))
  }

  /** As `record.release()`, by handle. */
  release (handle: string): Promise<SettleOutcome> {
    return this.settle(handle, 'release', -1, '')
  }

  /** As `record.reject()`, by handle. */
  async reject (handle: string, reason?: string): Promise<SettleOutcome> {
    return this.settle(handle, 'reject', -1, checkReason(reason))
  }

  /** As `record.extend()`, by handle. */
  async extend (handle: string, ms: number): Promise<SettleOutcome> {
    return this.settle(handle, 'extend', whole('ms', ms, 0, 0, EXTENSION_MS_MAX), '')
  }

  /**
   * Takes and hands out nothing more, releases what no handler has started, lets handlers finish for at most
   * `drainTimeoutMs` (default: that of the client) and their outcomes be stored, sends what was to be sent. After that
   * the signals of handlers that still run are aborted, and their records go to others. Calling it again gives the same
   * promise.
   */
  close (options: { drainTimeoutMs?: number } = {}): Promise<void> {
    this.closing ??= this.shut(options.drainTimeoutMs ?? this.cluster.settings.drainTimeoutMs)
    return this.closing
  }

  [Symbol.asyncDispose] (): Promise<void> {
    return this.close()
  }

  private async shut (drainTimeoutMs: number): Promise<void> {
    const endMs = performance.now() + drainTimeoutMs
    const leftMs = (): number => Math.max(0, endMs - performance.now())
    this.stopping.abort(closedError('queue'))
    const runs = [...this.workers.values()]
    for (const worker of this.workers.keys()) worker.stop()
    const inboxClosed = this.inbox?.close()
    if (drainTimeoutMs > 0) await settledWithin(Promise.allSettled(runs), leftMs())
    for (const worker of this.workers.keys()) worker.abandon()
    const producerClosed = this.producer?.close({ drainTimeoutMs: leftMs() })
    const rest = [...runs, inboxClosed, producerClosed, this.settler.idle()]
    if (drainTimeoutMs > 0) await settledWithin(Promise.allSettled(rest), leftMs())
    this.settler.stop(closedError('queue'))
    try {
      await Promise.allSettled(rest)
      await producerClosed
    } finally {
      this.onClosed()
    }
  }

  private checkOpen (): void {
    if (this.closing !== null) throw closedError('queue')
    if (this.adopted) return
    this.adopt(this)
    this.adopted = true
  }

  private openProducer (): Producer<K, V> {
    this.checkOpen()
    const { cluster, options } = this
    this.producer ??= new Producer<K, V>(cluster, this, options.producer ?? {}, new QueueRouting(cluster.clock))
    return this.producer
  }

  /** What a worker has to know; null where the queue was closed meanwhile. */
  private async traitsOrClosed (signal: AbortSignal | undefined): Promise<QueueTraits | null> {
    for (let failures = 1; ; failures++) {
      try {
        return await abortable(this.traits({ signal: this.stopping.signal }), signal)
      } catch (cause) {
        if (signal?.aborted === true) throw signal.reason
        if (this.closing !== null) return null
        const error = asBrokerError(cause)
        if (!error.retriable || failures >= this.cluster.settings.maxAttempts) throw error
        await delay(retryDelayMs(this.cluster.settings, error, failures), signal)
      }
    }
  }

  private async settle (text: string, kind: SettleKind, delayMs: number, reason: string): Promise<SettleOutcome> {
    const handle = parseHandle(text)
    this.checkOpen()
    await this.checkHandle(handle)
    if (kind !== 'extend') this.inbox?.forget(handle)
    return this.settler.settle(handle, kind, delayMs, reason)
  }
}

/** Field by field: to spread each result took longer than to send its record. */
function queued (result: SendResult & { ok: true }): QueueSendResult {
  const { topic, partition, offset, timestamp, duplicate } = result
  return { ok: true, topic, partition, offset, timestamp, id: `${partition}:${offset}`, duplicate: duplicate === true }
}

/** Calls on a queue take these options. */
export type { CallOptions }
