// A partition's log as a queue group sees it: facts about records, from the tail in memory where they are there, from
// segments on disk otherwise.
//
//   read ── the batch that was read last ── the tail cache ── pieces loaded before ── none: load, later `onLoaded`
//                                                                └ the last of them: load the next one ahead
//
// Offsets that the log does not hold any more hold no record for a group, once it has been told: then it has counted
// them as expired. Before that their deletion may still fail, and is waited for. Damaged ones are said to be damaged,
// and each range is told to whoever runs the broker when it is met first.

import type { LogReadError, OffsetRange, PartitionLog } from '@sluice/storage'
import type { RecordFacts, RecordFeed } from '../queue/queue-types.js'
import { BatchFacts } from './batch-facts.js'
import type { ReadBudget } from './read-budget.js'
import { RecentReads } from './recent-reads.js'

export interface FeedOptions {
  readonly log: PartitionLog
  /** Offset after the last committed record. */
  highWatermark (): number
  /** Where the log starts, as far as the group was told. */
  startOffset (): number
  /** Keys are needed: the order is by key, or fair. */
  readonly withLanes: boolean
  /** For what is kept of reads. */
  readonly budget: ReadBudget
  /** What was not at hand may be now. */
  onLoaded (): void
  /** Runs something a while later: the disk failed, and is asked again. */
  later (run: () => void): void
  /** A range was found damaged: once for each, as far as is remembered. */
  onDamaged (range: OffsetRange): void
}

/** Bytes read from disk at once. */
const PIECE_BYTES = 128 * 1024
const ESTIMATED_BYTES = 256
/** Damaged ranges that are remembered; one that is forgotten costs a read. */
const GAPS_MAX = 64

export class LogRecordFeed implements RecordFeed {
  private readonly options: FeedOptions
  private readonly batch: BatchFacts
  /** What was read from the disk. */
  readonly recent: RecentReads
  private gaps: OffsetRange[] = []
  private loading = false
  private isClosed = false

  constructor (options: FeedOptions) {
    this.options = options
    this.recent = new RecentReads(options.budget)
    this.batch = new BatchFacts(options.withLanes)
  }

  read (fromOffset: number, endOffset: number, facts: RecordFacts): boolean {
    const { log } = this.options
    const startOffset = this.options.startOffset()
    if (fromOffset < startOffset) {
      facts.endOffset = Math.min(endOffset, startOffset)
      return true
    }
    if (fromOffset < log.logStartOffset) {
      this.options.later(() => this.onLater())
      return false
    }
    const gap = this.gaps.find(({ from, to }) => fromOffset >= from && fromOffset < to)
    if (gap !== undefined) {
      facts.isDamaged = true
      facts.endOffset = Math.min(endOffset, gap.to)
      return true
    }
    if (!this.batch.covers(fromOffset) && !this.openBatch(fromOffset)) {
      this.load(fromOffset)
      return false
    }
    this.batch.copyTo(facts, fromOffset, endOffset)
    return true
  }

  sizeOf (offset: number): number {
    if (this.batch.covers(offset) || this.batch.averageBytes > 0) return this.batch.averageBytes
    return ESTIMATED_BYTES
  }

  /** True while something is being read from disk that was asked for. */
  get isLoading (): boolean { return this.loading }

  close (): void {
    this.isClosed = true
    this.recent.clear()
  }

  private openBatch (offset: number): boolean {
    const { log } = this.options
    const cached = log.readCached(offset, 1, this.options.highWatermark())
    if (cached !== null && cached.sizeBytes > 0) {
      this.batch.open(cached.buffers.length === 1 ? cached.buffers[0]! : Buffer.concat(cached.buffers))
      return true
    }
    const batch = this.recent.batchAt(offset)
    if (batch === null) return false
    const isNext = offset === this.batch.endOffset
    this.batch.open(batch)
    if (isNext) this.readAhead(offset)
    return true
  }

  /** A backlog is being gone through: reads what comes after the batches at hand, before anybody waits for it. */
  private readAhead (offset: number): void {
    const { log, highWatermark } = this.options
    const { nextOffset } = this.recent.find(offset)!
    const isLast = this.batch.endOffset === nextOffset && nextOffset < highWatermark()
    if (!isLast || this.recent.find(nextOffset) !== null) return
    if (log.readCached(nextOffset, 1, highWatermark()) === null) this.load(nextOffset)
  }

  private load (offset: number): void {
    // One at a time: who asked for another place is told when this one has come, and asks again.
    if (this.isClosed || this.loading) return
    this.loading = true
    const { log } = this.options
    log.read(offset, PIECE_BYTES, this.options.highWatermark(), (error, slice) => {
      this.loading = false
      if (this.isClosed) return
      if (error !== null) return this.onError(offset, error)
      this.recent.keep(slice!)
      this.options.onLoaded()
    })
  }

  private onError (offset: number, error: LogReadError): void {
    switch (error.kind) {
      case 'corrupt':
        this.addGap({ from: Math.min(offset, error.from), to: error.to })
        return this.options.onLoaded()
      case 'out-of-range':
        return this.options.onLoaded()
      case 'io':
      case 'truncated':
        this.options.later(() => this.onLater())
    }
  }

  private onLater (): void {
    if (!this.isClosed) this.options.onLoaded()
  }

  private addGap (range: OffsetRange): void {
    this.gaps = [range, ...this.gaps].slice(0, GAPS_MAX)
    this.options.onDamaged(range)
  }
}
