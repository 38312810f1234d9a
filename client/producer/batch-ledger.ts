// What is on its way and what became of it: counts the unsettled, and tells everybody concerned of each outcome.
//
// Invariants: a batch settles exactly once, for its `send` waiters, for the flushes that wait for it and for the count
// of failed `write` records alike; `pendingBytes` and `pendingRecords` are those of batches whose outcome is not told.

import type { DuplicateRecord } from '@sluice/protocol'
import { BrokerError } from '../broker-error.js'
import { CHANNEL } from '../diagnostics.js'
import type { OutgoingBatch } from './outgoing-batch.js'
import type { PartitionQueue } from './partition-queue.js'

/** What the producer is told. */
export interface LedgerListener {
  /** The topic, for messages. */
  readonly topic: string
  /** Room has come free. */
  onSettled (): void
  /** Records that nobody waits for one by one have failed. */
  onUnwatchedFailure (error: BrokerError, records: number): void
}

/** See the head of this file. */
export class BatchLedger {
  pendingBytes = 0
  pendingRecords = 0
  /** Queues with batches. */
  readonly active = new Set<PartitionQueue>()
  private readonly listener: LedgerListener

  constructor (listener: LedgerListener) {
    this.listener = listener
  }

  /** A record of so many bytes was put into the batch. */
  add (queue: PartitionQueue, batch: OutgoingBatch, bytes: number): void {
    batch.recordCount++
    batch.pendingBytes += bytes
    queue.pendingBytes += bytes
    this.pendingBytes += bytes
    this.pendingRecords++
  }

  /**
   * The batch is in the log.
   *
   * @param baseOffset -1 where it is not known.
   * @param duplicates records whose dedup ids were taken, by their place in the batch.
   */
  succeed (
    queue: PartitionQueue, batch: OutgoingBatch, baseOffset: number, duplicates: readonly DuplicateRecord[] = [],
  ): void {
    this.drop(queue, batch)
    this.discount(queue, batch)
    this.publish(queue, batch, baseOffset, null)
    if (batch.waiters !== null) {
      for (const waiter of batch.waiters) {
        const duplicate = duplicates.length === 0 ? undefined : duplicates.find(({ index }) => index === waiter.index)
        const offset = duplicate?.offset ?? (baseOffset < 0 ? -1 : baseOffset + waiter.index)
        waiter.resolve(queue.partition, offset, waiter.timestamp, duplicate !== undefined)
      }
    }
    this.release(batch)
  }

  /** The batch counts as failed. One that is outstanding keeps its place in the order until its answer is in. */
  fail (queue: PartitionQueue, batch: OutgoingBatch, cause: BrokerError): void {
    if (batch.abandoned) return
    if (batch.outstanding) batch.abandoned = true
    else this.drop(queue, batch)
    if (queue.open === batch) queue.closeOpen()
    this.discount(queue, batch)
    const error = placed(cause, this.listener.topic, queue.partition, batch)
    this.publish(queue, batch, -1, error)
    if (batch.waiters !== null) for (const waiter of batch.waiters) waiter.reject(error)
    if (batch.unwatchedCount > 0) this.listener.onUnwatchedFailure(error, batch.unwatchedCount)
    this.release(batch)
  }

  /** Takes a batch out of its queue. */
  drop (queue: PartitionQueue, batch: OutgoingBatch): void {
    queue.remove(batch)
    if (queue.batches.length === 0) this.active.delete(queue)
  }

  private discount (queue: PartitionQueue, batch: OutgoingBatch): void {
    queue.pendingBytes -= batch.pendingBytes
    this.pendingBytes -= batch.pendingBytes
    this.pendingRecords -= batch.recordCount
  }

  private release (batch: OutgoingBatch): void {
    if (batch.tickets !== null) for (const ticket of batch.tickets) if (--ticket.remaining === 0) ticket.done()
    batch.tickets = null
    this.listener.onSettled()
  }

  private publish (queue: PartitionQueue, batch: OutgoingBatch, baseOffset: number, error: BrokerError | null): void {
    if (!CHANNEL.produce.hasSubscribers) return
    CHANNEL.produce.publish({
      topic: this.listener.topic,
      partition: queue.partition,
      records: batch.recordCount,
      bytes: batch.size,
      baseOffset,
      attempts: batch.attempts,
      durationMs: performance.now() - batch.createdAtMs,
      error,
    })
  }
}

/** The error with the place and the history of the batch that it befell. */
function placed (cause: BrokerError, topic: string, partition: number, batch: OutgoingBatch): BrokerError {
  return new BrokerError(cause.code, `topic ${topic} partition ${partition}: ${cause.reason}`, {
    retriable: cause.retriable,
    maybeApplied: cause.maybeApplied || batch.maybeApplied || batch.outstanding,
    topic,
    partition,
    broker: cause.broker,
    serverCode: cause.serverCode,
    attempts: batch.attempts,
    cause: cause.cause ?? cause,
  })
}

/** The error of a batch that no broker would take. */
export function tooLarge (topic: string, size: number, limit: number): BrokerError {
  return new BrokerError('RECORD_TOO_LARGE', `a record batch of ${size} bytes is above the broker's limit of ${limit} ` +
    'bytes: send smaller records, compress them, or raise the limit of the broker', { topic })
}
