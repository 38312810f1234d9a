// What is committed, read for the checkers of groups: records of data logs, deltas and offsets of state logs. A batch
// is kept when a store first appends it, and read when a leader first calls it committed.

import { type GroupOffset, ORDER, type QueueConfig, STATE_KEY, visitStateRecords } from '@sluice/broker/simulation'
import {
  BATCH_FLAG, BATCH_POSITION, laneOf, NO_LANE, readBatchHeader, RecordExtrasReader, RecordReader,
} from '@sluice/protocol'
import type { ShadowBatch } from './log-shadow.js'
import { OffsetsChecker } from './offsets-checker.js'
import { QueueChecker, type QueueCheckerOptions } from './queue-checker.js'

export const STREAM_GROUP = 'readers'
const DATA_LOG = 0

export class GroupChecker {
  readonly queues: readonly QueueChecker[]
  readonly offsets: readonly OffsetsChecker[]
  private readonly config: QueueConfig
  private readonly nowMs: () => number
  private readonly contents = new Map<string, { readonly bytes: Buffer, readonly appendedMs: number }>()
  private readonly reader = new RecordReader()
  private readonly extras = new RecordExtrasReader()

  /** @param highWatermark end of what is committed in the data log of a partition */
  constructor (options: QueueCheckerOptions, partitions: number, highWatermark: (partition: number) => number) {
    this.config = options.config
    this.nowMs = options.nowMs
    this.queues = Array.from({ length: partitions }, (_, partition) => new QueueChecker({
      ...options, fail: (invariant, message) => options.fail(invariant, `partition ${partition}: ${message}`),
    }))
    this.offsets = this.queues.map((_, partition) => new OffsetsChecker(() => highWatermark(partition),
      (invariant, message) => options.fail(invariant, `partition ${partition}: ${message}`)))
  }

  /** A store has appended the batch at `at`. */
  onAppend (partition: number, log: number, bytes: Buffer, at: number): void {
    const { baseOffset, leaderEpoch } = readBatchHeader(bytes, at)
    const key = `${partition}:${log}:${baseOffset}:${leaderEpoch}`
    if (this.contents.has(key)) return
    const batch = Buffer.from(bytes.subarray(at, at + bytes.readUInt32BE(at + BATCH_POSITION.size)))
    this.contents.set(key, { bytes: batch, appendedMs: this.nowMs() })
  }

  /** A leader is the first to call a batch committed. */
  onCommitted (partition: number, log: number, { baseOffset, epoch }: ShadowBatch): void {
    const key = `${partition}:${log}:${baseOffset}:${epoch}`
    const { bytes, appendedMs } = this.contents.get(key)!
    this.contents.delete(key)
    if (log === DATA_LOG) this.onData(this.queues[partition]!, bytes, appendedMs)
    else this.onState(partition, bytes)
  }

  private onData (queue: QueueChecker, batch: Buffer, appendedMs: number): void {
    const { reader, extras, config } = this
    const { flags, leaderEpoch: epoch } = readBatchHeader(batch)
    if ((flags & BATCH_FLAG.control) !== 0) return
    extras.open(batch)
    reader.open(batch)
    for (let row = 0; reader.next(); row++) {
      const words = [0, 1, 2, 3].map(word => extras.hasDedup(row) ? extras.dedupWordOf(row, word) : 0)
      queue.onRecord({
        offset: reader.offset,
        lane: reader.key === null || config.order !== ORDER.key ? NO_LANE : laneOf(reader.key),
        notBeforeMs: extras.notBeforeOf(row),
        expiresMs: extras.expiresOf(row),
        dedupId: extras.hasDedup(row) ? words.join() : '',
        epoch,
        appendedMs,
      })
    }
  }

  private onState (partition: number, batch: Buffer): void {
    visitStateRecords(batch, this.reader, (key, value) => {
      if (value === null) return
      if (key.startsWith(STATE_KEY.delta)) this.queues[partition]!.onDelta(Buffer.from(value))
      if (key !== STATE_KEY.offset + STREAM_GROUP) return
      this.offsets[partition]!.onCommitted(JSON.parse(value.toString()) as GroupOffset)
    })
  }
}
