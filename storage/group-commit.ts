// Writes and syncs what was appended to one log.
//
//   append --> queue --> commit: [write][fdatasync] --> durable
//                        commit:    [write][fdatasync]            two under way at once, advancing in order
//
// - A commit is what is queued when it begins, up to `commitBytes`, out of one segment: one write, one sync. What comes
//   meanwhile joins the next. When nothing is under way, a commit begins at the end of the turn.
// - Commits advance in order. A later sync covers an earlier write, but Linux tells a failed write-back to one sync
//   only: so a sync counts when those begun before it have come back sound.
// - Over the border of a segment there is one thing at a time: all of the old one durable, cut to its end, then the new
//   file with its header, then its name. So the next file's being there proves everything below it.
// - A write that finds no space is tried again, the same bytes at the same place, until it works or the log is closed:
//   what is appended may have been replicated already. Any other failure, and any failed sync, ends the log.

import type { DiskError } from './disk.js'
import type { FileLease } from './file-cache.js'
import type { LogPoint } from './log-meta.js'
import type { FlushPolicy, LogId } from './log-types.js'
import type { Segment } from './segment.js'
import { createSegmentFile, diskErrorOf, sealSegmentFile } from './segment-files.js'
import { SegmentPreparer } from './segment-preparer.js'
import type { StoreContext } from './store-context.js'
import type { TailRun } from './tail-run.js'

/** The log as its commits see it. */
export interface CommitHost {
  readonly id: LogId
  readonly directory: string
  readonly flush: FlushPolicy
  readonly segmentBytes: number
  segmentPath (segment: Segment): string
  /** Written, and durable where `durable`, up to here. */
  onCommitted (point: LogPoint, durable: boolean): void
  /** After one or several `onCommitted`. */
  onAdvanced (): void
  onSealed (segment: Segment): void
  onCreated (segment: Segment): void
  onBlocked (error: DiskError): void
  onUnblocked (): void
  onFailed (error: DiskError): void
}

interface Commit {
  readonly segment: Segment
  readonly runs: TailRun[]
  readonly buffers: Buffer[]
  readonly sizeBytes: number
  readonly sync: boolean
  written: boolean
  done: boolean
  /** The write found no space and waits to be tried again. */
  blocked: boolean
}

export class GroupCommit {
  private readonly context: StoreContext
  private readonly host: CommitHost
  private readonly preparer: SegmentPreparer
  private queue: TailRun[] = []
  private inFlight: Commit[] = []
  /** The segment whose file takes commits. */
  private segment: Segment | null
  private openingSegment = false
  /** A segment whose file is to be made without an append. */
  private wanted: Segment | null = null
  /** The segment could not be opened for want of space or handles. */
  private openBlocked = false
  private retryDelayMs = 0
  private cancelRetry: (() => void) | null = null
  private paused = false
  private stopped = false
  private written: LogPoint
  private durableOffset: number
  private syncingInterval = false
  /** In the turn's list: its commit begins at the end of the turn. */
  private scheduled = false
  /** Bytes appended and not written yet. */
  unwrittenBytes = 0
  private waiters: Array<() => void> = []
  private onPiece: (() => void) | null = null

  constructor (context: StoreContext, host: CommitHost, active: Segment | null, end: LogPoint) {
    this.context = context
    this.host = host
    this.segment = active
    this.written = end
    this.durableOffset = end.offset
    this.preparer = new SegmentPreparer(context, () => this.onPrepared())
  }

  /** Takes in a new run. Bytes added to it before it is closed belong to it. */
  add (run: TailRun): void {
    run.slab.unwritten++
    this.queue.push(run)
  }

  /** After each append: a commit begins at the end of the turn, unless as many as may are under way. */
  onAppended (bytes: number): void {
    this.unwrittenBytes += bytes
    this.context.tail.unwrittenBytes += bytes
    if (this.scheduled) return
    this.scheduled = true
    this.context.turn.add(this)
  }

  onTurnEnd (): void {
    this.scheduled = false
    this.pump()
  }

  /** True where what is written is not all synced. */
  get unsynced (): boolean {
    return this.durableOffset < this.written.offset
  }

  /** Begins as many commits as may be under way. */
  pump (): void {
    if (this.paused || this.openingSegment || this.cancelRetry !== null) return
    while (!this.stopped && this.queue.length > 0 && this.inFlight.length < this.context.limits.commitsInFlight) {
      const segment = this.queue[0]!.segment
      if (segment !== this.segment || !segment.created) {
        if (this.inFlight.length === 0 && !this.syncingInterval) this.openSegment(segment)
        return
      }
      const commit = this.take(segment)
      if (commit === null) return // waits for the zeros under way
      this.write(commit)
    }
    const wanted = this.wanted
    if (wanted === null || this.stopped || this.queue.length > 0 || this.inFlight.length > 0) return
    if (wanted.created) this.wanted = null
    else if (!this.syncingInterval) this.openSegment(wanted)
  }

  /** Syncs what is written, where the policy leaves that to a timer. */
  syncWritten (): void {
    const segment = this.segment
    if (this.stopped || this.syncingInterval || segment === null || !this.unsynced || this.openingSegment) return
    this.syncingInterval = true
    const point = this.written
    this.context.files.acquire(this.host.segmentPath(segment), (error, lease) => {
      if (error !== null) return this.onIntervalSynced(point, error.passing ? null : error, false)
      lease!.file.sync((syncError) => {
        this.context.files.release(lease!)
        this.onIntervalSynced(point, syncError, true)
      })
    })
  }

  /** Resolves when nothing is under way: everything durable, or the log blocked, paused or stopped. */
  settled (): Promise<void> {
    return new Promise((resolve) => {
      this.waiters.push(resolve)
      this.wakeWaiters()
    })
  }

  /** Seals the segment before and makes the file of `segment`, though nothing is queued for it yet. */
  wantSegment (segment: Segment): void {
    this.wanted = segment
    this.pump()
  }

  /** Begins no more commits; `settled` tells when those under way are through. */
  pause (): void {
    this.paused = true
    this.preparer.stop()
  }

  resume (): void {
    this.paused = false
    this.pump()
  }

  /** Tries at once what waits for space. */
  retryNow (): void {
    this.cancelRetry?.()
    this.cancelRetry = null
    if (this.stopped) return
    this.openBlocked = false
    for (const commit of this.inFlight) {
      if (!commit.blocked) continue
      commit.blocked = false
      this.write(commit)
    }
    this.pump()
  }

  /** Gives up all that is not written, and answers the offset up to which it is. */
  stop (): number {
    this.stopped = true
    this.cancelRetry?.()
    this.cancelRetry = null
    for (const run of this.queue) this.settleRun(run)
    for (const commit of this.inFlight) {
      for (const run of commit.runs) {
        // A write may still be under way, and nobody waits for it any more.
        run.slab.lent = true
        if (!commit.written) this.settleRun(run)
      }
    }
    this.queue = []
    this.inFlight = []
    this.wakeWaiters()
    return this.written.offset
  }

  private take (segment: Segment): Commit | null {
    const runs: TailRun[] = []
    const buffers: Buffer[] = []
    let sizeBytes = 0
    let last: TailRun | null = null
    for (const run of this.queue) {
      const size = run.end - run.start
      if (run.segment !== segment || (sizeBytes > 0 && sizeBytes + size > this.context.limits.commitBytes)) break
      if (this.preparer.blocks(segment, run.position + size)) break
      run.closed = true
      const bytes = run.slab.bytes!
      if (last !== null && last.slab === run.slab && last.end === run.start) {
        const joined = buffers[buffers.length - 1]!
        buffers[buffers.length - 1] = bytes.subarray(run.start - joined.length, run.end)
      } else {
        buffers.push(bytes.subarray(run.start, run.end))
      }
      runs.push(run)
      sizeBytes += size
      last = run
    }
    if (last === null) return null
    this.queue.splice(0, runs.length)
    const path = this.host.segmentPath(segment)
    this.preparer.onCommit(segment, path, last.position + last.end - last.start, sizeBytes, this.host.segmentBytes)
    const sync = this.host.flush === 'sync'
    const commit = { segment, runs, buffers, sizeBytes, sync, written: false, done: false, blocked: false }
    this.inFlight.push(commit)
    return commit
  }

  private write (commit: Commit): void {
    const { files } = this.context
    files.acquire(this.host.segmentPath(commit.segment), (openError, lease) => {
      if (openError !== null) return this.onWritten(commit, openError, null)
      lease!.file.write(commit.buffers, commit.runs[0]!.position, error => this.onWritten(commit, error, lease))
    })
  }

  private onWritten (commit: Commit, error: DiskError | null, lease: FileLease | null): void {
    if (this.stopped || error !== null) {
      if (lease !== null) this.context.files.release(lease)
      if (this.stopped) return
      if (!error!.passing) return this.fail(error!)
      commit.blocked = true
      return this.block(error!)
    }
    commit.written = true
    for (const run of commit.runs) this.settleRun(run)
    if (commit.sync) {
      lease!.file.sync((syncError) => {
        this.context.files.release(lease!)
        if (this.stopped) return
        if (syncError !== null) return this.fail(syncError)
        commit.done = true
        this.advance()
      })
    } else {
      this.context.files.release(lease!)
      commit.done = true
    }
    this.advance()
  }

  /** Moves the written and the durable end over the commits that are through, in order. */
  private advance (): void {
    let moved = false
    let writtenUpTo = 0
    while (writtenUpTo < this.inFlight.length && this.inFlight[writtenUpTo]!.written) writtenUpTo++
    if (writtenUpTo > 0) {
      const point = endOf(this.inFlight[writtenUpTo - 1]!)
      if (point.offset > this.written.offset) {
        this.written = point
        this.host.onCommitted(point, false)
        moved = true
      }
    }
    while (this.inFlight.length > 0 && this.inFlight[0]!.done) {
      const commit = this.inFlight.shift()!
      moved = true
      if (!commit.sync) continue
      const point = endOf(commit)
      this.setDurable(point)
    }
    if (this.inFlight.every(commit => !commit.blocked) && !this.openBlocked) this.unblock()
    if (moved) this.host.onAdvanced()
    this.pump()
    this.wakeWaiters()
  }

  private setDurable (point: LogPoint): void {
    if (point.offset <= this.durableOffset) return
    this.durableOffset = point.offset
    this.host.onCommitted(point, true)
  }

  private onIntervalSynced (point: LogPoint, error: DiskError | null, synced: boolean): void {
    this.syncingInterval = false
    if (this.stopped) return this.wakeWaiters()
    if (error !== null) return this.fail(error)
    if (synced) this.setDurable(point)
    this.host.onAdvanced()
    this.pump()
    this.wakeWaiters()
  }

  private openSegment (segment: Segment): void {
    this.openingSegment = true
    this.moveTo(segment).then(
      () => {
        this.openingSegment = false
        if (this.stopped) return this.wakeWaiters()
        this.openBlocked = false
        this.unblock()
        this.host.onAdvanced()
        this.pump()
        this.wakeWaiters()
      },
      (cause) => {
        this.openingSegment = false
        if (this.stopped) return this.wakeWaiters()
        const error = diskErrorOf(cause)
        if (!mayRetry(error)) return this.fail(error)
        this.openBlocked = true
        this.block(error)
      }).catch((bug) => { queueMicrotask(() => { throw bug }) })
  }

  private async moveTo (segment: Segment): Promise<void> {
    const previous = this.segment
    if (previous !== null && previous !== segment && !previous.sealed) {
      this.preparer.stop()
      while (this.preparer.busy) await new Promise<void>(resolve => { this.onPiece = resolve })
      await sealSegmentFile(this.context, this.host.segmentPath(previous), previous)
      if (this.stopped) return
      this.setDurable(this.written)
      this.host.onSealed(previous)
    }
    if (!segment.created) {
      await createSegmentFile(this.context, this.host, segment, this.host.segmentPath(segment))
      this.host.onCreated(segment)
    }
    this.segment = segment
  }

  private block (error: DiskError): void {
    if (this.cancelRetry === null) {
      const { retryDelayMsMin, retryDelayMsMax } = this.context.limits
      this.retryDelayMs = Math.min(retryDelayMsMax, Math.max(retryDelayMsMin, this.retryDelayMs * 2))
      this.cancelRetry = this.context.after(this.retryDelayMs, () => this.retryNow())
    }
    this.host.onBlocked(error)
    this.wakeWaiters()
  }

  private unblock (): void {
    if (this.retryDelayMs === 0) return
    this.retryDelayMs = 0
    this.host.onUnblocked()
  }

  private fail (error: DiskError): void {
    this.stop()
    this.host.onFailed(error)
  }

  private settleRun (run: TailRun): void {
    run.slab.unwritten--
    this.unwrittenBytes -= run.end - run.start
    this.context.tail.unwrittenBytes -= run.end - run.start
    run.closed = true
  }

  private onPrepared (): void {
    this.onPiece?.()
    this.onPiece = null
    this.pump()
    this.wakeWaiters()
  }

  private wakeWaiters (): void {
    if (this.waiters.length === 0 || !this.quiet) return
    const waiters = this.waiters
    this.waiters = []
    for (const wake of waiters) wake()
  }

  private get quiet (): boolean {
    if (this.openingSegment || this.syncingInterval || this.preparer.busy) return false
    if (this.stopped) return true
    if (this.inFlight.some(commit => !commit.blocked)) return false
    return (this.queue.length === 0 && this.wanted === null) || this.paused || this.cancelRetry !== null
  }
}

/** Whether making a segment's file may be tried again. A failed sync never: what it was to make durable is unknown. */
function mayRetry (error: DiskError): boolean {
  if (error.operation === 'sync') return false
  if (error.operation === 'syncDirectory') return error.code === 'EMFILE' || error.code === 'ENFILE'
  return error.passing
}

function endOf (commit: Commit): LogPoint {
  const last = commit.runs[commit.runs.length - 1]!
  return {
    offset: last.nextOffset,
    segmentBase: commit.segment.baseOffset,
    position: last.position + (last.end - last.start),
    crc: last.lastCrc,
    epoch: last.lastEpoch,
  }
}
