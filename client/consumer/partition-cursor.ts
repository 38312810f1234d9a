// One partition being read: what is fetched, what is buffered, what was handed out.
//
//        position            batches …             fetchOffset          highWatermark
//   handed out │ buffered: [batch][batch][batch] │ to be fetched          │
//
// Invariants: position <= fetchOffset; offsets handed out rise strictly between two seeks; a seek makes the answer to
// an earlier fetch void.

import { CodecError, RecordReader } from '@sluice/protocol'
import { BrokerError } from '../broker-error.js'

/** A record batch that has arrived. */
export interface FetchedBatch {
  readonly bytes: Buffer
  readonly position: number
  readonly size: number
  readonly baseOffset: number
  readonly nextOffset: number
  readonly leaderEpoch: number
}

/** See the head of this file. */
export class PartitionCursor {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** Stands on the record that was last handed out. */
  readonly reader = new RecordReader()
  /** Next offset to hand out. */
  position: number
  /** Next offset to fetch. */
  fetchOffset: number
  /** Offset after the last committed record; -1 until it is known. */
  highWatermark = -1
  /** Leader epoch of the last batch handed out; -1 before the first. */
  leaderEpoch = -1
  /** Leader epoch of the last batch fetched; -1 before the first. */
  fetchedEpoch = -1
  bufferedBytes = 0
  /** The fetch under way whose answer is wanted; null where there is none. */
  flight: object | null = null
  /** Not fetched and not handed out for now. */
  paused = false
  /** The move into the log, outside of which it stood, that is under way; null where there is none. */
  recovery: object | null = null
  /** No longer read. */
  removed = false
  failures = 0
  retryAtMs = 0
  /** Why it cannot go on; handed out behind all that is buffered. Cleared by a seek. */
  error: BrokerError | null = null
  /** Timestamp of the record last handed out; -1 before the first. */
  lastTimestamp = -1
  private readonly batches: FetchedBatch[] = []
  private opened: FetchedBatch | null = null

  constructor (topic: string, topicId: string, partition: number, offset: number) {
    this.topic = topic
    this.topicId = topicId
    this.partition = partition
    this.position = this.fetchOffset = offset
  }

  /** True where `advance` may have a record. */
  get hasBuffered (): boolean { return this.opened !== null || this.batches.length > 0 }

  /** Takes a batch from a fetch. */
  push (batch: FetchedBatch): void {
    this.fetchOffset = batch.nextOffset
    this.fetchedEpoch = batch.leaderEpoch
    this.batches.push(batch)
    this.bufferedBytes += batch.size
  }

  /** Passes over offsets that hold no records for users. */
  skipTo (nextOffset: number): void {
    this.fetchOffset = nextOffset
    if (!this.hasBuffered) this.position = nextOffset
  }

  /**
   * Moves `reader` to the next record; false where none is buffered.
   *
   * @throws BrokerError CORRUPT or UNSUPPORTED for a batch that cannot be read; seek behind it to go on.
   */
  advance (): boolean {
    for (;;) {
      if (this.opened === null) {
        const batch = this.batches.shift()
        if (batch === undefined) {
          this.position = Math.max(this.position, this.fetchOffset)
          return false
        }
        this.open(batch)
      }
      if (!this.nextInBatch(this.opened!)) {
        this.bufferedBytes -= this.opened!.size
        this.position = Math.max(this.position, this.opened!.nextOffset)
        this.opened = null
        continue
      }
      if (this.reader.offset < this.position) continue
      this.position = this.reader.offset + 1
      this.lastTimestamp = this.reader.timestamp
      return true
    }
  }

  /** True where the record that was handed out last is the last one buffered of its batch. */
  get atBatchEnd (): boolean {
    return this.opened === null || this.position >= this.opened.nextOffset
  }

  /** Drops what is buffered and goes on at `offset`. */
  seek (offset: number): void {
    this.batches.length = 0
    this.opened = null
    this.bufferedBytes = 0
    this.position = this.fetchOffset = offset
    this.fetchedEpoch = -1
    // A fetch may be parked at the broker for long: its answer is of no use any more, another one may go out at once.
    this.flight = null
    this.failures = 0
    this.retryAtMs = 0
    this.recovery = null
    this.error = null
  }

  private open (batch: FetchedBatch): void {
    try {
      this.reader.open(batch.bytes, batch.position)
      this.opened = batch
      this.leaderEpoch = batch.leaderEpoch
    } catch (cause) {
      throw this.unreadable(batch, cause as Error)
    }
  }

  private nextInBatch (batch: FetchedBatch): boolean {
    try {
      return this.reader.next()
    } catch (cause) {
      throw this.unreadable(batch, cause as Error)
    }
  }

  private unreadable (batch: FetchedBatch, cause: Error): BrokerError {
    const code = cause instanceof CodecError && cause.kind === 'unavailable' ? 'UNSUPPORTED' : 'CORRUPT'
    this.batches.length = 0
    this.opened = null
    this.bufferedBytes = 0
    this.error = new BrokerError(code, `topic ${this.topic} partition ${this.partition} offsets ${batch.baseOffset} to ` +
      `${batch.nextOffset - 1} cannot be read (${cause.message}): seek to ${batch.nextOffset} to pass over them`, {
      topic: this.topic, partition: this.partition, offset: batch.baseOffset, resumeOffset: batch.nextOffset, cause,
    })
    return this.error
  }
}
