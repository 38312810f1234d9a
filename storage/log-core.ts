// The state of one log and what keeps it: its segments, how far it is written and durable, its index and checkpoint.
//
// PartitionLog is the face of it; GroupCommit, LogReader, truncation, retention and compaction work on it.
//
// - `segments` is in offset order without gaps but for damage; only the last may be unsealed.
// - The checkpoint says less than what is durable, never more.
// - Index entries wait in `pendingIndex` until there is a handful: whoever looks one up looks there first.

import { DamageMap } from './damage-map.js'
import type { DiskError } from './disk.js'
import { EpochHistory } from './epoch-history.js'
import { type CommitHost, GroupCommit } from './group-commit.js'
import { logDirectory } from './log-key.js'
import { type IndexEntry, LogMeta, type LogPoint, type StoredState } from './log-meta.js'
import type { ReadableLog } from './log-reader.js'
import type { EpochStart, FlushPolicy, LogConfig, LogId, LogState, OffsetRange } from './log-types.js'
import type { MetaWrite } from './meta-store.js'
import { Segment } from './segment.js'
import { SEGMENT_HEADER_BYTES, segmentFileName } from './segment-header.js'
import { rescanSegment } from './segment-rescan.js'
import type { StoreContext } from './store-context.js'
import { TailRing } from './tail-ring.js'
import type { TailRun } from './tail-run.js'

const PENDING_INDEX_MAX = 64
/** A run grows no further: it bounds the walk to a batch inside it. */
const RUN_BYTES_MAX = 64 * 1024

/** What is known of a log when it is opened. */
export interface LogContents {
  readonly segments: Segment[]
  readonly logStartOffset: number
  readonly epochs: readonly EpochStart[]
  readonly damaged: readonly OffsetRange[]
  /** The end of the log: all below is on the disk. */
  readonly end: LogPoint
}

export interface LogListener {
  onAdvance (): void
  onStateChange (): void
  onStartOffsetChange (): void
}

export class LogCore implements CommitHost, ReadableLog {
  readonly id: LogId
  readonly context: StoreContext
  readonly meta: LogMeta
  readonly ring = new TailRing()
  readonly damage = new DamageMap()
  readonly epochs: EpochHistory
  config: LogConfig
  segments: Segment[]
  logStartOffset: number
  nextOffset: number
  written: LogPoint
  durable: LogPoint
  /** `crc` and leader epoch of the last batch appended. */
  lastCrc: number
  lastEpoch: number
  state: LogState = 'online'
  stateReason = ''
  truncationCount = 0
  listener: LogListener | null = null
  /** True while the end of the log is being moved: nothing may be appended. */
  frozen = false
  closed = false
  private groupCommit: GroupCommit | null = null
  private pendingIndex: IndexEntry[] = []
  private cancelCheckpoint: (() => void) | null = null
  private cancelFlush: (() => void) | null = null
  private lastTurn: Promise<unknown> = Promise.resolve()
  private rescans: Map<Segment, Promise<void>> | null = null

  constructor (context: StoreContext, id: LogId, config: LogConfig, contents: LogContents) {
    this.id = id
    this.context = context
    this.config = config
    this.meta = new LogMeta(context.meta, id, error => this.onMetaError(error))
    this.segments = contents.segments
    this.logStartOffset = contents.logStartOffset
    this.epochs = new EpochHistory(contents.epochs)
    for (const range of contents.damaged) this.damage.add(range)
    this.written = this.durable = contents.end
    this.nextOffset = contents.end.offset
    this.lastCrc = contents.end.crc
    this.lastEpoch = contents.end.epoch
  }

  get directory (): string {
    return logDirectory(this.context.logsDirectory, this.id)
  }

  get flush (): FlushPolicy {
    return this.config.flush
  }

  get segmentBytes (): number {
    return this.config.segmentBytes
  }

  get indexIntervalBytes (): number {
    return this.config.indexIntervalBytes
  }

  get writtenOffset (): number {
    return this.state === 'failed' ? this.durable.offset : this.written.offset
  }

  get durableOffset (): number {
    return this.durable.offset
  }

  get active (): Segment | null {
    const last = this.segments[this.segments.length - 1]
    return last === undefined || last.sealed ? null : last
  }

  /** Made at the first append: an idle log has none. */
  get commits (): GroupCommit {
    if (this.groupCommit === null) {
      const last = this.segments[this.segments.length - 1] ?? null
      this.groupCommit = new GroupCommit(this.context, this, last?.created ? last : null, this.written)
    }
    return this.groupCommit
  }

  get unwrittenBytes (): number {
    return this.groupCommit === null ? 0 : this.groupCommit.unwrittenBytes
  }

  segmentPath (segment: Segment): string {
    return `${this.directory}/${segmentFileName(segment.baseOffset)}`
  }

  /** The run that the next `size` bytes go to; they go to the `end` of its slab. */
  place (size: number): TailRun {
    let segment = this.active
    if (segment === null ||
      (segment.endPosition + size > this.config.segmentBytes && segment.endOffset > segment.baseOffset)) {
      segment = this.roll()
    }
    const slab = this.context.tail.slabFor(size)
    const last = this.ring.last
    if (last !== null && !last.closed && last.slab === slab && last.end === slab.end && last.segment === segment &&
      last.end - last.start + size <= RUN_BYTES_MAX) return last
    const run: TailRun = {
      slab,
      segment,
      start: slab.end,
      end: slab.end,
      position: segment.endPosition,
      baseOffset: this.nextOffset,
      nextOffset: this.nextOffset,
      lastCrc: this.lastCrc,
      lastEpoch: this.lastEpoch,
      closed: false,
    }
    this.ring.push(run)
    this.commits.add(run)
    return run
  }

  /** Takes in the batch that was put at the end of a run's slab. */
  onAppended (run: TailRun, size: number, nextOffset: number, crc: number, epoch: number, maxTimestamp: number): void {
    const { segment, slab } = run
    if (epoch !== this.lastEpoch || this.epochs.starts.length === 0) {
      const start = this.epochs.begin(epoch, this.nextOffset)
      if (start !== null) this.meta.write([this.meta.epochChange(start)])
    }
    if (segment.endPosition - segment.indexedPosition >= this.config.indexIntervalBytes) {
      this.addIndexEntry(segment, this.nextOffset, segment.endPosition)
    }
    run.end += size
    slab.end += size
    run.nextOffset = segment.endOffset = this.nextOffset = nextOffset
    run.lastCrc = segment.endCrc = this.lastCrc = crc
    run.lastEpoch = this.lastEpoch = epoch
    segment.endPosition += size
    if (maxTimestamp > segment.maxTimestamp) segment.maxTimestamp = maxTimestamp
    segment.lastAppendMs = this.context.clock.wallMs()
    this.commits.onAppended(size)
  }

  /** Ends the active segment; the answer is the one that follows, which has no file yet. */
  roll (): Segment {
    const segment = new Segment(this.nextOffset, this.lastCrc, this.lastEpoch, 0, this.context.clock.wallMs())
    this.segments.push(segment)
    return segment
  }

  // What GroupCommit tells.

  onCommitted (point: LogPoint, durable: boolean): void {
    if (durable) this.durable = point
    if (point.offset > this.written.offset) this.written = point
  }

  onAdvanced (): void {
    if (this.durable.offset < this.written.offset && this.config.flush === 'interval' && this.cancelFlush === null) {
      this.cancelFlush = this.context.after(this.config.flushIntervalMs, () => {
        this.cancelFlush = null
        this.commits.syncWritten()
      })
    }
    this.cancelCheckpoint ??= this.context.after(this.context.limits.checkpointIntervalMs, () => this.checkpoint())
    this.listener?.onAdvance()
  }

  onSealed (segment: Segment): void {
    this.meta.write([this.meta.segmentChange(segment), ...this.takePendingIndex()])
  }

  onCreated (segment: Segment): void {
    // Everything below is durable by now: the end of the log is the beginning of this file.
    const { baseOffset: offset, prevCrc: crc, prevEpoch: epoch } = segment
    this.written = this.durable = { offset, segmentBase: offset, position: SEGMENT_HEADER_BYTES, crc, epoch }
    this.meta.write([this.meta.segmentChange(segment)])
  }

  onBlocked (error: DiskError): void {
    if (this.state === 'readOnly' && this.stateReason === error.message) return
    this.setState('readOnly', error.message)
  }

  onUnblocked (): void {
    this.setState('online', '')
  }

  onFailed (error: DiskError): void {
    this.cancelTimers()
    this.setState('failed', error.message)
  }

  private setState (state: LogState, reason: string): void {
    if (this.state === state && this.stateReason === reason) return
    this.state = state
    this.stateReason = reason
    const message = reason === '' ? 'the log takes appends again' : reason
    this.context.report({ kind: state, id: this.id, message })
    this.listener?.onStateChange()
  }

  private onMetaError (error: Error): void {
    this.context.report({ kind: 'metaFailed', id: this.id, message: error.message })
  }

  // The checkpoint and the index.

  /** Notes the durable end of the log and the index entries that wait. */
  checkpoint (): void {
    this.cancelCheckpoint?.()
    this.cancelCheckpoint = null
    if (this.closed || this.segments.length === 0) return
    this.meta.write([this.stateChange(), ...this.takePendingIndex()])
  }

  /** What the meta store should say of the log now. */
  stateChange (): MetaWrite {
    const end = this.durable
    const segment = this.segments.find(each => each.baseOffset === end.segmentBase)
    const state: StoredState = {
      logStartOffset: this.logStartOffset,
      checkpoint: end,
      lastAppendMs: segment?.lastAppendMs ?? this.context.clock.wallMs(),
      maxTimestamp: segment?.maxTimestamp ?? 0,
      indexedPosition: Math.min(segment?.indexedPosition ?? SEGMENT_HEADER_BYTES, end.position),
    }
    return this.meta.stateChange(state)
  }

  /** Notes that the batch at `offset` stands at `position`, behind all that the segment holds so far. */
  addIndexEntry (segment: Segment, offset: number, position: number): void {
    segment.indexedPosition = position
    this.pendingIndex.push({
      offset,
      segmentBase: segment.baseOffset,
      generation: segment.generation,
      position,
      maxTimestampBefore: segment.maxTimestamp,
    })
    if (this.pendingIndex.length >= PENDING_INDEX_MAX) this.meta.write(this.takePendingIndex())
  }

  findIndexEntry (segment: Segment, offset: number, lowest: number): IndexEntry | null {
    for (let index = this.pendingIndex.length - 1; index >= 0; index--) {
      const entry = this.pendingIndex[index]!
      if (entry.offset < lowest) break
      if (entry.offset <= offset && entry.segmentBase === segment.baseOffset) return entry
    }
    return this.meta.findIndexEntry(offset, lowest)
  }

  /** Puts the waiting index entries where searches over the whole index see them. */
  flushIndex (): void {
    if (this.pendingIndex.length > 0) this.meta.write(this.takePendingIndex())
  }

  private takePendingIndex (): MetaWrite[] {
    if (this.pendingIndex.length === 0) return []
    const entries = this.pendingIndex
    this.pendingIndex = []
    return entries.map(entry => this.meta.indexChange(entry))
  }

  // Damage.

  damageFrom (offset: number): OffsetRange | null {
    return this.damage.atOrAbove(offset)
  }

  damageEndBelow (offset: number): number {
    return this.damage.endBelow(offset)
  }

  addDamage (range: OffsetRange, reason: string): void {
    if (!this.damage.add(range)) return
    const message = `offsets ${range.from} to ${range.to - 1} are damaged: ${reason}`
    this.context.report({ kind: 'quarantined', id: this.id, message, from: range.from, to: range.to })
  }

  rescan (segment: Segment, reason: string): Promise<void> {
    this.rescans ??= new Map()
    let running = this.rescans.get(segment)
    if (running === undefined) {
      running = rescanSegment(this, segment, reason).finally(() => this.rescans!.delete(segment))
      this.rescans.set(segment, running)
    }
    return running
  }

  // Changes of what segments there are.

  /** Runs after all work given to it before. */
  exclusive<Result> (work: () => Promise<Result>): Promise<Result> {
    const result = this.lastTurn.then(work)
    this.lastTurn = result.catch(() => {})
    return result
  }

  /** Resolves when everything appended is durable, or when the state of the log, or its end, does not allow it. */
  async drain (): Promise<void> {
    if (this.groupCommit === null) return
    for (;;) {
      this.groupCommit.pump()
      await this.groupCommit.settled()
      if (this.state !== 'online' || this.closed) return
      if (this.durable.offset === this.nextOffset) return
      if (this.written.offset === this.nextOffset) {
        this.groupCommit.syncWritten()
        await this.groupCommit.settled()
        if (this.durable.offset < this.nextOffset && this.groupCommit.unsynced) return
      }
    }
  }

  /** Makes `offset` the log start, durably. */
  async moveStart (offset: number): Promise<void> {
    if (offset <= this.logStartOffset) return
    await this.dropSegments([], offset)
  }

  /** Makes `startOffset` the log start and forgets segments, durably; their files are the caller's to remove. */
  async dropSegments (gone: readonly Segment[], startOffset: number): Promise<void> {
    const previousOffset = this.logStartOffset
    this.logStartOffset = startOffset
    const changes = [this.stateChange(), ...gone.map(segment => this.meta.segmentRemoval(segment.baseOffset))]
    try {
      await this.meta.writeDurable(changes)
    } catch (error) {
      this.logStartOffset = previousOffset
      throw error
    }
    this.segments = this.segments.filter(segment => !gone.includes(segment))
    const forgotten = this.epochs.trimTo(startOffset).map(start => this.meta.epochRemoval(start.epoch))
    for (const range of this.damage.keep(startOffset, Number.MAX_SAFE_INTEGER)) {
      forgotten.push(this.meta.damageRemoval(range.from))
    }
    for (const range of this.damage.ranges) forgotten.push(this.meta.damageChange(range))
    if (forgotten.length > 0) this.meta.write(forgotten)
    if (startOffset > previousOffset) this.listener?.onStartOffsetChange()
  }

  /** Ends the active segment and makes the file of the next, at once. */
  async rollNow (): Promise<void> {
    await this.drain()
    const active = this.active
    if (this.state !== 'online' || active === null || active.endOffset === active.baseOffset) return
    this.commits.wantSegment(this.roll())
    await this.drain()
  }

  /**
   * Makes `cut`, in the segment at `index`, the end of the log in memory, and answers what has to follow on the disk.
   */
  takeBack (cut: LogPoint, index: number): { segments: Segment[], changes: MetaWrite[] } {
    const segment = this.segments[index]!
    const segments = this.segments.splice(index + 1)
    this.truncationCount++
    this.groupCommit?.stop()
    this.groupCommit = null
    this.ring.clear()
    this.pendingIndex = this.pendingIndex.filter(entry => entry.offset < cut.offset)
    segment.endOffset = this.nextOffset = cut.offset
    segment.endPosition = cut.position
    segment.endCrc = this.lastCrc = cut.crc
    segment.indexedPosition = Math.min(segment.indexedPosition, cut.position)
    segment.sealed = false
    this.lastEpoch = cut.epoch
    this.written = this.durable = cut
    const changes = [this.stateChange(), this.meta.segmentChange(segment), ...this.takePendingIndex()]
    for (const later of segments) changes.push(this.meta.segmentRemoval(later.baseOffset))
    for (const start of this.epochs.truncateTo(cut.offset)) changes.push(this.meta.epochRemoval(start.epoch))
    for (const range of this.damage.keep(0, cut.offset)) changes.push(this.meta.damageRemoval(range.from))
    for (const range of this.damage.ranges) changes.push(this.meta.damageChange(range))
    return { segments, changes }
  }

  /**
   * Makes the log in memory an empty one that goes on at `offset`, and answers what has to follow on the disk. The
   * segment that begins there is the only one, and has no file yet.
   */
  startOver (offset: number, prevCrc: number): { segments: Segment[], changes: MetaWrite[] } {
    const { segments } = this
    const segment = new Segment(offset, prevCrc, 0, 0, this.context.clock.wallMs())
    this.segments = [segment]
    this.truncationCount++
    this.groupCommit?.stop()
    this.groupCommit = null
    this.ring.clear()
    this.pendingIndex = []
    this.logStartOffset = this.nextOffset = offset
    this.lastCrc = prevCrc
    this.lastEpoch = 0
    this.written = this.durable = {
      offset, segmentBase: offset, position: SEGMENT_HEADER_BYTES, crc: prevCrc, epoch: 0,
    }
    const changes = [this.stateChange(), ...segments.map(gone => this.meta.segmentRemoval(gone.baseOffset))]
    for (const start of this.epochs.truncateTo(0)) changes.push(this.meta.epochRemoval(start.epoch))
    for (const range of this.damage.keep(0, 0)) changes.push(this.meta.damageRemoval(range.from))
    return { segments, changes }
  }

  /** Puts a compacted segment in the place of the one it was made from. */
  replaceSegment (before: Segment, after: Segment): void {
    this.segments = this.segments.map(segment => segment === before ? after : segment)
    this.ring.dropBelow(after.endOffset) // what was removed must not be read any more
  }

  /** Writes and syncs everything and notes it, where the disk allows. */
  async close (): Promise<void> {
    this.frozen = true
    await this.lastTurn
    this.frozen = true // also after a truncation that has just ended
    if (this.state === 'readOnly') this.commits.retryNow()
    await this.drain()
    const lost = this.nextOffset - this.written.offset
    if (lost > 0) {
      const message = `${lost} offsets were never written: ${this.stateReason}`
      this.context.report({ kind: 'lost', id: this.id, message, from: this.written.offset, to: this.nextOffset })
    }
    if (this.state !== 'failed' && this.groupCommit !== null) this.checkpoint()
    this.closed = true
    this.truncationCount++
    this.cancelTimers()
    this.groupCommit?.stop()
    this.ring.clear()
  }

  /** Ends the log without writing anything: its files are about to go. */
  async discard (): Promise<void> {
    this.frozen = this.closed = true
    this.truncationCount++
    await this.lastTurn
    this.cancelTimers()
    this.groupCommit?.stop()
    await this.groupCommit?.settled()
    this.ring.clear()
  }

  private cancelTimers (): void {
    this.cancelCheckpoint?.()
    this.cancelCheckpoint = null
    this.cancelFlush?.()
    this.cancelFlush = null
  }
}
