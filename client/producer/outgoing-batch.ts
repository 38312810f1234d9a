// One record batch on its way from the producer to the log.
//
//   open ── full, or its turn has come ──▶ closed ── first sent ──▶ sealed ── answered ──▶ settled
//   (takes records)                       (takes none)             (bytes, sequence)
//
// A batch gets its sequence when it is first sent, and is then sent again byte for byte until its fate is known. Only
// when the broker has said that it is not in the log, and never will be under its old number, it is stamped anew.

import {
  readBatchHeader, RecordExtrasBuilder, SEQUENCE_MAX, writeBatchHeader, type CodecName, type ProducerStamp,
  type RecordBatchBuilder, type RecordExtras,
} from '@sluice/protocol'
import type { BrokerError } from '../broker-error.js'

/** Someone who wants to know what becomes of one record. */
export interface SendWaiter {
  /** Number of the record in its batch; set when it is put there. */
  index: number
  timestamp: number
  /** @param isDuplicate the offset is that of another record, which has its dedup id. */
  resolve (partition: number, offset: number, timestamp: number, isDuplicate: boolean): void
  reject (error: BrokerError): void
}

/** Counts down the batches that a `flush` waits for. */
export interface FlushTicket { remaining: number, done: () => void }

/** See the head of this file. */
export class OutgoingBatch {
  /** On the monotonic clock, in milliseconds. */
  readonly createdAtMs: number
  /** Takes records while the batch is open or closed; null once it is sealed. */
  builder: RecordBatchBuilder | null
  /** What is sent; null until it is sealed. */
  bytes: Buffer | null = null
  recordCount = 0
  /** What the broker is told of the records beside their bytes; null where there is nothing. */
  private extras: RecordExtrasBuilder | null = null
  /** Bytes that count against the buffer of the producer. */
  pendingBytes = 0
  /** One per record that was sent by `send`, in order; null where there is none. */
  waiters: SendWaiter[] | null = null
  tickets: FlushTicket[] | null = null
  /** Takes no more records. */
  closed = false
  /** Goes out as soon as it may, without waiting for company. */
  urgent = false
  /** A request with it is under way. */
  outstanding = false
  /** Its fate was reported as a failure while a request was still under way. */
  abandoned = false
  attempts = 0
  /** Some attempt may have stored it. */
  maybeApplied = false
  lastError: BrokerError | null = null

  constructor (builder: RecordBatchBuilder, createdAtMs: number) {
    this.builder = builder
    this.createdAtMs = createdAtMs
  }

  /** Size that it has or would have uncompressed, in bytes. */
  get size (): number { return this.bytes?.length ?? this.builder!.size + (this.extras?.sizeBytes ?? 0) }

  /** Records that nobody waits for one by one. */
  get unwatchedCount (): number { return this.recordCount - (this.waiters?.length ?? 0) }

  /** Adds the extras of the record that is put in next, before `recordCount` counts it. */
  addExtras (extras: RecordExtras | undefined): void {
    if (this.extras === null) {
      if (extras === undefined) return
      this.extras = new RecordExtrasBuilder()
      for (let record = 0; record < this.recordCount; record++) this.extras.append()
    }
    this.extras.append(extras)
  }

  /** Turns the records into bytes; the builder is free for the next batch afterwards. */
  seal (codec: CodecName, producer: ProducerStamp | undefined): RecordBatchBuilder {
    const builder = this.builder!
    this.bytes = builder.build({ codec, producer, extras: this.extras?.build() })
    this.builder = null
    this.closed = true
    return builder
  }

  /** Gives a sealed batch a new identity and sequence: in a copy, since a socket may still hold the old bytes. */
  restamp (producer: ProducerStamp): void {
    const bytes = this.bytes = Buffer.from(this.bytes!)
    writeBatchHeader(bytes, { ...readBatchHeader(bytes), ...producer })
    this.maybeApplied = false
  }
}

/** The sequence that follows a batch of `count` records which begins with `base`. */
export function nextSequence (base: number, count: number): number {
  const next = base + count
  return next > SEQUENCE_MAX ? next - SEQUENCE_MAX - 1 : next
}
