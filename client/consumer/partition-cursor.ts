// One partition being read: what is fetched, what is buffered, what was handed out.
//
//        position            batches …             fetchOffset          highWatermark
//   handed out │ buffered: [batch][batch][batch] │ to be fetched          │
//
// Invariants: position <= fetchOffset; offsets handed out rise strictly between two seeks; a seek makes the answer to
// an earlier fetch void. The epochs of positions are never older than what was read last below them, the brokers' own
// batches included: an older one would pass what came since for lost.

import { CodecError, RecordReader } from '@sluice/protocol'
import { BrokerError } from '../broker-error.js'
import { StoredRecord, type RecordOrigin } from './stored-record.js'

/** A record batch that has arrived. */
export interface FetchedBatch {
  readonly bytes: Buffer
  readonly position: number
  readonly size: number
  readonly baseOffset: number
  readonly nextOffset: number
  readonly leaderEpoch: number
}

const FETCH_BYTES_MIN = 1024 * 1024
const FETCH_BYTES_MAX = 8 * 1024 * 1024
const FAST_BYTES_PER_MS = 100 * 1024

/** See the head of this file. */
export class PartitionCursor<K = unknown, V = unknown> {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** Of the records handed out. */
  origin: RecordOrigin<K, V>
  /** Next offset to hand out. */
  position: number
  /** Next offset to fetch. */
  fetchOffset: number
  /** Offset after the last committed record; -1 until it is known. */
  highWatermark = -1
  /** Leader epoch of the last batch read below `position`; -1 where it is not known. */
  leaderEpoch: number
  /** Leader epoch of the last batch fetched, below `fetchOffset`; -1 where it is not known. */
  fetchedEpoch: number
  bufferedBytes = 0
  /**
   * How much a fetch asks for, and how little has to be buffered for the next one to go out. As little as keeps the
   * reader busy: what is handed out while it is still in the processor's cache, and dies young, costs a third less.
   */
  fetchBytes = FETCH_BYTES_MIN
  /** The fetch under way whose answer is wanted; null where there is none. */
  flight: object | null = null
  /** Not fetched and not handed out for now. */
  paused = false
  /** The move into the log, outside of which it stood, that is under way; null where there is none. */
  recovery: object | null = null
  /** It stands outside of its log: why. To be looked after when all that is buffered is handed out. */
  outOfRange: BrokerError | null = null
  /** No longer read. */
  removed = false
  failures = 0
  retryAtMs = 0
  /** Why it cannot go on; handed out behind all that is buffered. Cleared by a seek. */
  error: BrokerError | null = null
  /** Timestamp of the record last handed out; -1 before the first. */
  lastTimestamp = -1
  /** Stands on the record that was last handed out. */
  private readonly reader = new RecordReader()
  private readonly batches: FetchedBatch[] = []
  private opened: FetchedBatch | null = null

  /** @param leaderEpoch of what was read last below `offset`; -1 where it is not known. */
  constructor (topicId: string, offset: number, origin: RecordOrigin<K, V>, leaderEpoch = -1) {
    this.topic = origin.topic
    this.topicId = topicId
    this.partition = origin.partition
    this.origin = origin
    this.position = this.fetchOffset = offset
    this.leaderEpoch = this.fetchedEpoch = leaderEpoch
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

  /**
   * An answer of `size` bytes has come after `tookMs` milliseconds and is not buffered yet. Where the reader had to
   * wait for it and it came slowly, more is asked for from now on: the way to the broker is long. Where the reader had
   * plenty left, less.
   */
  adapt (size: number, tookMs: number): void {
    const { bufferedBytes, fetchBytes } = this
    if (bufferedBytes > fetchBytes / 2) {
      this.fetchBytes = Math.max(FETCH_BYTES_MIN, fetchBytes / 2)
    } else if (bufferedBytes === 0 && size > fetchBytes / 2 && size < tookMs * FAST_BYTES_PER_MS) {
      this.fetchBytes = Math.min(FETCH_BYTES_MAX, fetchBytes * 2)
    }
  }

  /** Passes over offsets that hold no records for users, up to `nextOffset`: a batch of `leaderEpoch`. */
  skipTo (nextOffset: number, leaderEpoch: number): void {
    this.fetchOffset = nextOffset
    this.fetchedEpoch = leaderEpoch
    if (!this.hasBuffered) this.toFetched()
  }

  /** Drops what is buffered at and above `offset`: the log was cut there, and holds something else. */
  cutAt (offset: number): void {
    while (this.batches.length > 0 && this.batches[this.batches.length - 1]!.nextOffset > offset) {
      this.bufferedBytes -= this.batches.pop()!.size
    }
    if (this.opened !== null && this.opened.nextOffset > offset) {
      this.bufferedBytes -= this.opened.size
      this.letGo()
    }
    const last = this.batches[this.batches.length - 1] ?? this.opened
    this.fetchOffset = last?.nextOffset ?? this.position
    this.fetchedEpoch = last?.leaderEpoch ?? this.leaderEpoch
  }

  /**
   * Adds the next records of one batch to `records`, at most `countMax`; returns how many, 0 where none is buffered.
   * Where there are some before a record that cannot be read, they are all there is; `error` says why.
   *
   * @throws BrokerError CORRUPT or UNSUPPORTED for a batch that cannot be read, where nothing comes before it; seek
   *   behind it to go on.
   */
  take (records: StoredRecord<K, V>[], countMax: number): number {
    if (!this.advance()) return 0
    const { reader, origin } = this
    const batch = this.opened!
    let last: StoredRecord<K, V>
    let count = 0
    let isOver = false
    try {
      do {
        records.push(last = new StoredRecord(origin, reader))
        count++
      } while (count < countMax && !(isOver = !this.nextInBatch(batch)))
      isOver ||= last.offset + 1 >= batch.nextOffset && !this.nextInBatch(batch)
    } catch (error) {
      if (error !== this.error) throw error
    }
    this.position = last!.offset + 1
    this.lastTimestamp = last!.timestamp
    if (isOver) this.closeBatch()
    return count
  }

  /** True where the record that was handed out last is the last one buffered of its batch. */
  get atBatchEnd (): boolean {
    return this.opened === null || this.position >= this.opened.nextOffset
  }

  /** Drops what is buffered and goes on at `offset`. */
  seek (offset: number): void {
    this.batches.length = 0
    this.letGo()
    this.bufferedBytes = 0
    if (offset !== this.position) this.leaderEpoch = -1
    this.position = this.fetchOffset = offset
    this.fetchedEpoch = this.leaderEpoch
    // A fetch may be parked at the broker for long: its answer is of no use any more, another one may go out at once.
    this.flight = null
    this.failures = 0
    this.retryAtMs = 0
    this.recovery = null
    this.outOfRange = null
    this.error = null
  }

  /** Moves `reader` to the next record; false where none is buffered. */
  private advance (): boolean {
    for (;;) {
      if (this.opened === null) {
        const batch = this.batches.shift()
        if (batch === undefined) {
          this.toFetched()
          return false
        }
        this.open(batch)
      }
      if (!this.nextInBatch(this.opened!)) this.closeBatch()
      else if (this.reader.offset >= this.position) return true
    }
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

  private closeBatch (): void {
    const { size, nextOffset } = this.opened!
    this.bufferedBytes -= size
    // What was fetched behind the last batch and is not buffered holds no records.
    if (this.batches.length === 0) this.toFetched()
    else this.position = Math.max(this.position, nextOffset)
    this.letGo()
  }

  private toFetched (): void {
    this.position = Math.max(this.position, this.fetchOffset)
    this.leaderEpoch = this.fetchedEpoch
  }

  /** Partitions at rest should keep no memory: a batch is a view of all that came with it. */
  private letGo (): void {
    this.opened = null
    this.reader.close()
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
    this.letGo()
    this.bufferedBytes = 0
    this.error = new BrokerError(code, `topic ${this.topic} partition ${this.partition} offsets ${batch.baseOffset} to ` +
      `${batch.nextOffset - 1} cannot be read (${cause.message}): seek to ${batch.nextOffset} to pass over them`, {
      topic: this.topic, partition: this.partition, offset: batch.baseOffset, resumeOffset: batch.nextOffset, cause,
    })
    return this.error
  }
}
