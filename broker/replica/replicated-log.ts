// One log of a partition as its replica handles it: what may be read of it, what is cut off it, and in which order.
//
//   startOffset                highWatermark        durable            nextOffset
//       [ committed …………………………][ on some replicas …………][ in memory …………]
//
// - Cutting and starting over take the disk's time; only one goes on at once, and nothing is appended meanwhile.
// - Appends of a leader's batches are checked one by one: checksums, offset, epoch, and the chain.

import assert from 'node:assert'
import { BATCH_POSITION, checkBatch, readBatchHeader } from '@sluice/protocol'
import type { LogSlice, PartitionLog } from '@sluice/storage'
import type { LogClaim, LogEnd } from './replica-message.js'
import type { LogTail } from './safety-rules.js'

/** What became of a leader's batches: `unsound` where one does not continue this log, whatever the reason. */
export type AppendVerdict = 'appended' | 'full' | 'unsound'

export class ReplicatedLog {
  /** 0: the data log; 1: the state log. */
  readonly index: number
  readonly log: PartitionLog
  /** Everything below is committed. */
  highWatermark: number
  /** A sync has failed, and from here on nobody knows what is on the disk, whatever can be read; -1: nowhere. */
  suspectFrom = -1
  /** Everything from here on is void, and this was appended last: told of each cut. */
  onTruncate: (offset: number) => void = () => {}
  private isMoving = false
  private waiting: Array<() => void> = []

  constructor (index: number, log: PartitionLog) {
    this.index = index
    this.log = log
    this.highWatermark = log.logStartOffset
  }

  get nextOffset (): number { return this.log.nextOffset }
  get acknowledgedOffset (): number { return this.log.acknowledgedOffset }
  get startOffset (): number { return this.log.logStartOffset }
  /** True where there has been nothing yet, or all was cut off. */
  get empty (): boolean { return this.log.epochs().length === 0 }
  /** Leader epoch of the last batch; 0 where there is none. */
  get lastEpoch (): number { return this.empty ? 0 : this.log.lastEpoch }
  /** True while the end is being moved. */
  get busy (): boolean { return this.isMoving }
  /** What may be read: a replica that is being mended holds less than it knows to be committed. */
  get readableOffset (): number { return Math.min(this.highWatermark, this.nextOffset) }

  get tail (): LogTail {
    return { offset: this.nextOffset, lastEpoch: this.lastEpoch }
  }

  /** The first offset that cannot be read, or not be trusted to be durable; -1 where all can. */
  get damagedFrom (): number {
    const suspectFrom = this.suspectFrom < this.nextOffset ? this.suspectFrom : -1
    const damaged = this.log.quarantined[0]?.from ?? -1
    return suspectFrom >= 0 && damaged >= 0 ? Math.min(suspectFrom, damaged) : Math.max(suspectFrom, damaged)
  }

  /** What this log holds, for a candidate. A log whose disk takes nothing offers what it is sure of. */
  claim (owed: LogEnd | null): LogClaim {
    const { log } = this
    const endOffset = log.state === 'online' ? log.nextOffset : log.acknowledgedOffset
    const damagedFrom = this.damagedFrom
    return {
      startOffset: log.logStartOffset,
      endOffset,
      lastEpoch: epochBelow(log, endOffset),
      lastCrc: log.lastCrc,
      epochs: log.epochs().filter(({ startOffset }) => startOffset < endOffset),
      damagedFrom: damagedFrom < endOffset ? damagedFrom : -1,
      owed,
    }
  }

  /** The part of a log up to which it can be read, as an end to compare. */
  static soundEnd (claim: LogClaim): LogEnd {
    if (claim.damagedFrom < 0) return claim
    let lastEpoch = 0
    for (const start of claim.epochs) if (start.startOffset < claim.damagedFrom) lastEpoch = start.epoch
    return { lastEpoch, endOffset: claim.damagedFrom }
  }

  /** Calls back when no cut is under way and what was appended is durable, or the disk does not allow it. */
  settle (done: () => void): void {
    if (this.isMoving) {
      this.waiting.push(() => this.settle(done))
      return
    }
    this.log.flush().then(() => {
      if (this.isMoving) this.settle(done)
      else done()
    }, () => {})
  }

  /** Cuts everything from `offset` on off; `done` runs later. An offset at or above the end is nothing to do. */
  cut (offset: number, done: (error: Error | null) => void): void {
    assert(offset >= this.startOffset, `cut at ${offset} below the log start ${this.startOffset}`)
    this.exclusive(() => this.log.truncateTo(offset), done)
  }

  /** Empties the log: it goes on at `offset`, behind a batch with the checksum `prevCrc`. */
  restart (offset: number, prevCrc: number, done: (error: Error | null) => void): void {
    this.exclusive(() => this.log.restartAt(offset, prevCrc), done)
  }

  private exclusive (change: () => Promise<void>, done: (error: Error | null) => void): void {
    assert(!this.isMoving, 'the end of the log is being moved already')
    this.isMoving = true
    const finish = (error: Error | null): void => {
      this.isMoving = false
      if (error === null && this.suspectFrom >= this.nextOffset) this.suspectFrom = -1
      this.onTruncate(this.nextOffset)
      const waiting = this.waiting
      this.waiting = []
      done(error)
      for (const wake of waiting) wake()
    }
    change().then(() => finish(null), finish)
  }

  /** Appends what the leader sent for the end of this log. */
  appendFromLeader (buffers: readonly Buffer[]): AppendVerdict {
    for (const bytes of buffers) {
      for (let at = 0; at < bytes.length;) {
        if (checkBatch(bytes, at) !== null) return 'unsound'
        const { size, baseOffset, prevCrc, leaderEpoch } = readBatchHeader(bytes, at)
        const continues = baseOffset === this.nextOffset && prevCrc === this.log.lastCrc &&
          leaderEpoch >= this.lastEpoch
        if (!continues) return 'unsound'
        if (this.isMoving || !this.log.hasRoom(size)) return 'full'
        this.log.appendStamped(bytes.subarray(at, at + size))
        at += size
      }
    }
    return 'appended'
  }

  /** Reads whole batches from `offset` to the end of the log; `done` may run before the call has returned. */
  read (offset: number, maxBytes: number, done: (slice: LogSlice | null, isDamaged: boolean) => void): void {
    const limit = this.log.state === 'online' ? this.nextOffset : this.acknowledgedOffset
    const cached = this.log.readCached(offset, maxBytes, limit)
    if (cached !== null) return done(cached, false)
    this.log.read(offset, maxBytes, limit, (error, slice) => done(slice, error?.kind === 'corrupt'))
  }
}

/** Moves `highWatermark` up to `offset`; false where it is there already. */
export function raiseHighWatermark (log: ReplicatedLog, offset: number): boolean {
  if (offset <= log.highWatermark) return false
  log.highWatermark = offset
  log.log.retentionLimitOffset = offset
  return true
}

/** The header of the first batch; null where there is none. */
export function firstHeader (buffers: readonly Buffer[]): { baseOffset: number, prevCrc: number } | null {
  const first = buffers[0]
  return first === undefined || first.length < BATCH_POSITION.crc ? null : readBatchHeader(first)
}

function epochBelow (log: PartitionLog, offset: number): number {
  let epoch = 0
  for (const start of log.epochs()) if (start.startOffset < offset) epoch = start.epoch
  return epoch
}
