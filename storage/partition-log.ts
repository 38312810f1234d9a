// One log: batches appended at one end, read anywhere, removed from the other.
//
//   logStartOffset          durableOffset      writtenOffset       nextOffset
//        [batch] … [batch][batch]|[batch][batch] … |[batch][batch] … |
//         survives a power cut   | survives kill -9 | in memory only
//   [ segment ][ segment ][ segment: active ............................]
//
// - durableOffset <= writtenOffset <= nextOffset, and logStartOffset <= nextOffset.
// - An append only copies, into the tail, stamped. Writing and syncing is GroupCommit's, from the end of the turn on.
// - Offsets never come again: what is unwritten when the disk fails is lost with the process, not given to others.
// - Truncation, retention, delete-records and compaction take turns.

import assert from 'node:assert'
import { BATCH_HEADER_BYTES, BATCH_POSITION, type BatchHeader, readBatchHeader, readInt64, stampBatch } from '@sluice/protocol'
import { type LogContents, LogCore } from './log-core.js'
import { LogReadFailure } from './log-read-failure.js'
import { LogReader } from './log-reader.js'
import { restartLog } from './log-restart.js'
import { truncateLog } from './log-truncation.js'
import { compactLog } from './key-compaction.js'
import type {
  CompactionResult, EpochStart, LogConfig, LogId, LogReadError, LogSegment, LogSlice, LogState, OffsetAtTime,
  OffsetRange, ReadDone, RetentionResult,
} from './log-types.js'
import { removeOldSegments } from './retention.js'
import { evacuateSegment } from './straggler-evacuation.js'
import { findOffsetByTime } from './time-lookup.js'
import type { StoreContext } from './store-context.js'

const REPLAY_BYTES = 1024 * 1024
const SMALL_REPLAY_BYTES = 64 * 1024

/** Written anew for every append: see BatchStamp. */
const STAMP = { baseOffset: 0, leaderEpoch: 0, committedOffset: 0, prevCrc: 0 }

export class PartitionLog {
  /** After writtenOffset or durableOffset moved. */
  onAdvance: ((log: PartitionLog) => void) | null = null
  /** After `state` or `stateReason` changed. */
  onStateChange: ((log: PartitionLog) => void) | null = null
  /** After retention or delete-records moved logStartOffset. */
  onStartOffsetChange: ((log: PartitionLog) => void) | null = null
  /** Retention removes nothing at or above this: the broker sets it to the high watermark. -1: durableOffset. */
  retentionLimitOffset = -1
  /** Retention removes sealed segments that end at or below this, however new they are: nobody needs their records. */
  releasedOffset = 0
  private readonly core: LogCore
  private reader: LogReader | null = null

  /** Only LogStore makes logs. */
  constructor (context: StoreContext, id: LogId, config: LogConfig, contents: LogContents) {
    this.core = new LogCore(context, id, config, contents)
    this.core.listener = {
      onAdvance: () => this.onAdvance?.(this),
      onStateChange: () => this.onStateChange?.(this),
      onStartOffsetChange: () => this.onStartOffsetChange?.(this),
    }
  }

  get id (): LogId { return this.core.id }
  get config (): Readonly<LogConfig> { return this.core.config }
  /** The first offset that can be read. */
  get logStartOffset (): number { return this.core.logStartOffset }
  /** The offset that the next record gets: the log end offset. */
  get nextOffset (): number { return this.core.nextOffset }
  /** Everything below survives the end of the process. */
  get writtenOffset (): number { return this.core.written.offset }
  /** Everything below survives a power cut. */
  get durableOffset (): number { return this.core.durable.offset }
  /** Everything below is safe by the log's flush policy. */
  get acknowledgedOffset (): number {
    return this.core.config.flush === 'sync' ? this.core.durable.offset : this.core.written.offset
  }

  /** Leader epoch of the last batch; 0 in an empty log. */
  get lastEpoch (): number { return this.core.lastEpoch }
  /** `crc` of the last batch: what the next one names as `prevCrc`. */
  get lastCrc (): number { return this.core.lastCrc }
  get segmentCount (): number { return this.core.segments.length }
  /** Bytes of batches in all segments. */
  get sizeBytes (): number {
    let bytes = 0
    for (const segment of this.core.segments) bytes += segment.batchBytes
    return bytes
  }

  get state (): LogState { return this.core.state }
  /** Why the log is not online; '' where it is. */
  get stateReason (): string { return this.core.stateReason }
  /** Ranges of offsets that cannot be read. */
  get quarantined (): readonly OffsetRange[] { return this.core.damage.ranges }

  /** False while no batch of this size is taken: not online, or too much is unwritten. Ask again after onAdvance. */
  hasRoom (bytes: number): boolean {
    const core = this.core
    if (core.state !== 'online' || core.frozen || core.closed) return false
    const { limits, tail } = core.context
    const own = core.unwrittenBytes
    return own === 0 || // one batch always: a batch larger than the limits must not wait for ever
      (own + bytes <= limits.unwrittenBytesPerLog && tail.unwrittenBytes + bytes <= limits.unwrittenBytesTotal)
  }

  /**
   * Appends a batch that was checked with checkBatchBody: copies it, stamps the copy and answers its base offset. It is
   * written from the end of this turn on.
   *
   * @param leaderEpoch at or above `lastEpoch`.
   * @param committedOffset all below it is durable in this log: recovery takes a hole below it for damage, and what is
   *   torn above it for what a crash left over. Not above `nextOffset`.
   */
  append (batch: Buffer, leaderEpoch: number, committedOffset: number): number {
    const core = this.core
    const size = batch.length
    this.assertAppendable(batch)
    assert(leaderEpoch >= core.lastEpoch, `append of epoch ${leaderEpoch} to a log of epoch ${core.lastEpoch}`)
    const baseOffset = core.nextOffset
    assert(committedOffset >= 0 && committedOffset <= baseOffset, 'committedOffset above the log end')
    const run = core.place(size)
    const bytes = run.slab.bytes!
    const at = run.slab.end
    bytes.set(batch, at)
    STAMP.baseOffset = baseOffset
    STAMP.leaderEpoch = leaderEpoch
    STAMP.committedOffset = committedOffset
    STAMP.prevCrc = core.lastCrc
    stampBatch(bytes, STAMP, at)
    this.onCopied(run, bytes, at, size, leaderEpoch)
    return baseOffset
  }

  /**
   * Appends a batch as a leader stamped it, checked with checkBatch; it must continue this log. Only `committedOffset`
   * is stamped anew: what is durable elsewhere says nothing about a hole in this log.
   */
  appendStamped (batch: Buffer): void {
    const core = this.core
    this.assertAppendable(batch)
    const { baseOffset, prevCrc, leaderEpoch } = readBatchHeader(batch)
    assert(baseOffset === core.nextOffset, `batch at ${baseOffset} appended at ${core.nextOffset}`)
    assert(prevCrc === core.lastCrc, `batch at ${baseOffset} does not continue the chain`)
    assert(leaderEpoch >= core.lastEpoch, `batch of epoch ${leaderEpoch} in a log of epoch ${core.lastEpoch}`)
    const run = core.place(batch.length)
    const bytes = run.slab.bytes!
    const at = run.slab.end
    bytes.set(batch, at)
    STAMP.baseOffset = baseOffset
    STAMP.leaderEpoch = leaderEpoch
    STAMP.committedOffset = core.durable.offset
    STAMP.prevCrc = prevCrc
    stampBatch(bytes, STAMP, at)
    this.onCopied(run, bytes, at, batch.length, leaderEpoch)
  }

  private assertAppendable (batch: Buffer): void {
    const { state, frozen, closed } = this.core
    assert(state === 'online' && !frozen && !closed, 'append to a log that takes none: ask hasRoom first')
    assert(batch.length >= BATCH_HEADER_BYTES && batch.length === batch.readUInt32BE(BATCH_POSITION.size), 'one batch')
  }

  private onCopied (run: ReturnType<LogCore['place']>, bytes: Buffer, at: number, size: number, epoch: number): void {
    const nextOffset = this.core.nextOffset + bytes.readUInt32BE(at + BATCH_POSITION.lastOffsetDelta) + 1
    const crc = bytes.readUInt32BE(at + BATCH_POSITION.crc)
    const maxTimestamp = readInt64(bytes, at + BATCH_POSITION.maxTimestamp)
    this.core.onAppended(run, size, nextOffset, crc, epoch, maxTimestamp)
  }

  /**
   * Batches still in memory, from the one that holds `from`: whole ones, up to `maxBytes` but at least one, none that
   * ends above `limitOffset`. An empty slice where there is none below the limit. Null where they are not in memory or
   * `from` is not in the log: `read` tells.
   */
  readCached (from: number, maxBytes: number, limitOffset: number): LogSlice | null {
    const core = this.core
    if (from < core.logStartOffset || from > core.nextOffset || core.closed) return null
    const limit = core.state === 'failed' ? Math.min(limitOffset, core.durable.offset) : limitOffset
    if (from >= limit || from === core.nextOffset) {
      const damage = core.damageFrom(from)
      if (damage !== null && damage.from <= from) return null
      return { buffers: [], sizeBytes: 0, baseOffset: from, nextOffset: from }
    }
    return core.ring.read(from, maxBytes, limit)
  }

  /**
   * As `readCached`, and from the disk what is not in memory. A slice ends at the end of a segment or before damage at
   * the latest. `done` never runs before the call has returned.
   */
  read (from: number, maxBytes: number, limitOffset: number, done: ReadDone): void {
    const core = this.core
    const cached = this.readCached(from, maxBytes, limitOffset)
    if (cached !== null) return core.context.endOfTurn(() => done(null, cached))
    if (core.closed) return core.context.endOfTurn(() => done({ kind: 'truncated' }, null))
    this.diskReader.read(from, maxBytes, limitOffset, done)
  }

  /** As `read`, as a promise; rejects with a LogReadFailure. */
  readSlice (from: number, maxBytes: number, limitOffset: number): Promise<LogSlice> {
    return new Promise((resolve, reject) => {
      this.read(from, maxBytes, limitOffset, (error, slice) => {
        if (error === null) resolve(slice!)
        else reject(new LogReadFailure(this.id, error))
      })
    })
  }

  /**
   * Visits every batch from the one that holds `from` to the log end, in order, with bounded memory. Damaged ranges are
   * left out. `between` is waited for after a few batches each: whoever keeps what it is given can put that away.
   */
  async replay (from: number, visit: (batch: Buffer) => void, between?: () => Promise<void>): Promise<void> {
    const sliceBytes = between === undefined ? REPLAY_BYTES : SMALL_REPLAY_BYTES
    await this.visitSlices(from, sliceBytes, async slice => {
      for (const bytes of slice.buffers) visitBatches(bytes, visit)
      if (slice.sizeBytes > 0) await between?.()
    })
  }

  /** The same for headers alone. What was read is used again: nobody keeps any of it. */
  async replayHeaders (from: number, visit: (header: BatchHeader) => void): Promise<void> {
    const visitHeader = (batch: Buffer): void => visit(readBatchHeader(batch))
    await this.visitSlices(from, REPLAY_BYTES, async slice => {
      for (const bytes of slice.buffers) visitBatches(bytes, visitHeader)
      slice.release?.()
    })
  }

  /** Reads what lies between `from` and the log end, in order, without what is damaged. */
  private async visitSlices (
    from: number, sliceBytes: number, visit: (slice: LogSlice) => Promise<void>,
  ): Promise<void> {
    let offset = Math.max(from, this.logStartOffset)
    const endOffset = this.nextOffset
    while (offset < endOffset) {
      try {
        const slice = await this.readSlice(offset, sliceBytes, endOffset)
        const { sizeBytes, nextOffset } = slice
        await visit(slice)
        if (sizeBytes === 0) return
        offset = nextOffset
      } catch (error) {
        if (!(error instanceof LogReadFailure)) throw error
        if (error.reason.kind === 'corrupt') offset = error.reason.to
        else if (error.reason.kind === 'out-of-range' && offset < this.logStartOffset) offset = this.logStartOffset
        else throw error
      }
    }
  }

  /**
   * The first record at or after a time, in the order of the log; null where all are older. Of a batch whose records
   * cannot be decoded, its base offset.
   */
  findOffsetByTime (timestampMs: number, done: (error: LogReadError | null, found: OffsetAtTime | null) => void): void {
    const readSlice = this.readSlice.bind(this)
    findOffsetByTime(this.core, readSlice, timestampMs).then(
      found => done(null, found),
      (error) => {
        if (!(error instanceof LogReadFailure)) throw error
        done(error.reason, null)
      })
  }

  /**
   * Cuts everything from `offset` on off the log, at the border of batches at or below it, on the disk too. `offset` is
   * not below the log start or what was committed. Until it resolves the log takes no appends, and reads under way end
   * as `truncated`.
   */
  truncateTo (offset: number): Promise<void> {
    return this.core.exclusive(() => truncateLog(this.core, offset))
  }

  /**
   * Empties the log: it then begins, and goes on, at `offset`, behind a batch whose `crc` was `prevCrc`. For a follower
   * whose log ends before its leader's begins, or has nothing in common with it. A crash on the way may leave some of
   * what there was.
   */
  restartAt (offset: number, prevCrc: number): Promise<void> {
    return this.core.exclusive(() => restartLog(this.core, offset, prevCrc))
  }

  /**
   * Moves the log start up to `offset`, for good once it resolves; the segments below it go with the next retention.
   * Nothing happens where the log starts above it already.
   *
   * @param offset at or below `durableOffset`.
   */
  setStartOffset (offset: number): Promise<void> {
    assert(offset <= this.durableOffset, `log start ${offset} above what is durable, ${this.durableOffset}`)
    return this.core.exclusive(() => this.core.moveStart(offset))
  }

  /** Removes what is too old or too much; see LogConfig. Nothing at or above `retentionLimitOffset`. */
  applyRetention (): Promise<RetentionResult> {
    return this.core.exclusive(() => removeOldSegments(this.core, this.removalLimit(), this.releasedOffset))
  }

  /** Keeps the newest record of each key where the log is compacted; see LogConfig. `signal` calls it off. */
  compact (signal?: AbortSignal): Promise<CompactionResult> {
    return this.core.exclusive(() => compactLog(this.core, this.readStored, this.removalLimit(), signal))
  }

  /** The segments, oldest first. */
  listSegments (): LogSegment[] {
    return this.core.segments.map(({ baseOffset, endOffset, batchBytes, lastAppendMs, sealed }) =>
      ({ baseOffset, endOffset, sizeBytes: batchBytes, lastAppendMs, sealed }))
  }

  /**
   * Takes everything but the records of given offsets out of one sealed segment; the others stay at their offsets.
   * Does nothing where there is no such segment any more, or where it is damaged or not wholly below
   * `retentionLimitOffset`. `signal` calls it off.
   *
   * @param range of a segment, as `listSegments` told.
   * @param live ascending. Everything else in the range must be of no use to anybody, for good: also after a crash.
   */
  evacuate (range: OffsetRange, live: Float64Array, signal?: AbortSignal): Promise<CompactionResult> {
    return this.core.exclusive(() =>
      evacuateSegment(this.core, this.readStored, { range, live }, this.removalLimit(), signal))
  }

  private get diskReader (): LogReader {
    this.reader ??= new LogReader(this.core.context, this.core)
    return this.reader
  }

  /** What is in the files, for those that write segments anew: also what lies below the log start in the first one. */
  private readonly readStored = (from: number, maxBytes: number, limitOffset: number): Promise<LogSlice> =>
    new Promise((resolve, reject) => {
      this.diskReader.readStored(from, maxBytes, limitOffset, (error, slice) => {
        if (error === null) resolve(slice!)
        else reject(new LogReadFailure(this.id, error))
      })
    })

  private removalLimit (): number {
    const { durableOffset } = this
    return this.retentionLimitOffset < 0 ? durableOffset : Math.min(this.retentionLimitOffset, durableOffset)
  }

  /** The newest epoch at or below `epoch`, and where it ends; `epoch: -1` where all known ones are newer. */
  epochEndOffset (epoch: number): { epoch: number, endOffset: number } {
    return this.core.epochs.endOffset(epoch, this.nextOffset)
  }

  /** The epoch history, oldest first. */
  epochs (): readonly EpochStart[] {
    return this.core.epochs.starts
  }

  configure (config: LogConfig): void {
    this.core.config = { ...config, cleanup: { ...config.cleanup } }
  }

  /** Notes the durable end now, instead of within the second. */
  checkpoint (): void {
    this.core.checkpoint()
  }

  /** Resolves when everything appended is durable, or the log's state does not allow it. */
  flush (): Promise<void> {
    return this.core.drain()
  }

  /** Only LogStore deletes logs: ends this one without writing anything. */
  discard (): Promise<void> {
    return this.core.discard()
  }

  /** Only LogStore closes logs. */
  close (): Promise<void> {
    return this.core.close()
  }
}

function visitBatches (bytes: Buffer, visit: (batch: Buffer) => void): void {
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32BE(at + BATCH_POSITION.size)
    visit(bytes.subarray(at, at + size))
    at += size
  }
}
