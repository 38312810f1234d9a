// Finds out what a log holds after a stop that was not clean: from its files first, and from the meta store what it
// still knows of them.
//
//   files      00…0000.log      00…0900.log       (missing)        00…2400.log
//   manifest   [0, 900) sealed  [900, 1700) sealed [1700, 2400)     -
//              taken as it is   shorter than known: scanned         scanned from the checkpoint, or from its start
//                               and its end quarantined
//
// - A segment with a later one behind it was durable to its end before the later file was made: whatever is missing
//   there is damage. Only the last segment has an end to be found, and perhaps a torn tail to be cut.
// - The checkpoint, and what sound batches say was committed, are known to have been durable: nothing of it is cut.
// - No file that might hold data is ever removed: what does not fit is renamed and told. Only the unfinished output of
//   a compaction, and segments that a finished one or the log start has made superfluous, are removed.

import type { BatchHeader } from '@sluice/protocol'
import { type WalkPoint, walkBatches } from './batch-walk.js'
import type { DiskFile } from './disk.js'
import { EpochHistory } from './epoch-history.js'
import { readFile, syncFile } from './file-io.js'
import { logDirectory } from './log-key.js'
import type { LogContents } from './log-core.js'
import { LogMeta, type LogPoint, type StoredLog } from './log-meta.js'
import type { LogConfig, LogEvent, LogId, OffsetRange } from './log-types.js'
import type { MetaWrite } from './meta-store.js'
import { Segment } from './segment.js'
import { createSegmentFile, setAside } from './segment-files.js'
import {
  decodeSegmentHeader, headerBelongs, parseSegmentFileName, SEGMENT_HEADER_BYTES, type SegmentHeader, segmentFileName,
} from './segment-header.js'
import { SegmentIndexer } from './segment-indexer.js'
import { scanSegment, type SegmentScan } from './segment-scan.js'
import type { StoreContext } from './store-context.js'

/** The suffix of a compaction's output before it takes its place. */
export const COMPACTING_SUFFIX = '.compacting'

/** A segment file that was found, and what its header says: null where the header is damaged. */
interface FoundFile {
  readonly baseOffset: number
  readonly path: string
  readonly sizeBytes: number
  readonly modifiedMs: number
  readonly header: SegmentHeader | null
  readonly stored: Segment | null
}

/** What a log holds after a clean stop; null where the meta store does not say, and the log must be recovered. */
export function contentsOf (stored: StoredLog): LogContents | null {
  const { state, segments } = stored
  const last = segments[segments.length - 1]
  if (stored.suspect || state === null || last === undefined || !epochsWhole(stored)) return null
  if (last.baseOffset !== state.checkpoint.segmentBase || segments.some(segment => !segment.created)) return null
  let reached = state.logStartOffset
  for (const segment of segments) {
    const gap = { from: reached, to: segment.baseOffset }
    const explained = gap.from >= gap.to || stored.damaged.some(range => range.from <= gap.from && range.to >= gap.to)
    if (!explained) return null
    reached = segment.endOffset
  }
  last.endOffset = state.checkpoint.offset
  last.endPosition = state.checkpoint.position
  last.endCrc = state.checkpoint.crc
  last.maxTimestamp = state.maxTimestamp
  last.lastAppendMs = state.lastAppendMs
  last.indexedPosition = state.indexedPosition
  for (const segment of segments) segment.preparedPosition = segment.endPosition
  return {
    segments,
    logStartOffset: state.logStartOffset,
    epochs: stored.epochs,
    damaged: stored.damaged,
    end: state.checkpoint,
  }
}

/** False where the newest or the oldest leader epoch that the log must have is not in its history. */
function epochsWhole ({ state, epochs }: StoredLog): boolean {
  if (state === null || state.checkpoint.offset === state.logStartOffset) return true
  const history = new EpochHistory(epochs)
  const firstOffset = history.starts[0]?.startOffset ?? Infinity
  return history.lastEpoch >= state.checkpoint.epoch && firstOffset <= state.logStartOffset
}

/** Reads the files of a log and mends what may be mended; resolves when the outcome is durable. */
export async function recoverLog (
  context: StoreContext, id: LogId, config: LogConfig, stored: StoredLog
): Promise<LogContents> {
  return await new LogRecovery(context, id, config, stored).run()
}

class LogRecovery {
  private readonly context: StoreContext
  private readonly id: LogId
  private readonly config: LogConfig
  private readonly stored: StoredLog
  private readonly meta: LogMeta
  private readonly directory: string
  private readonly segments: Segment[] = []
  private readonly damaged: OffsetRange[]
  private readonly changes: MetaWrite[] = []
  private readonly epochs: EpochHistory
  /** False where the meta store has lost some of what it knew: then every segment is read. */
  private readonly trusted: boolean
  private logStartOffset: number
  private end: LogPoint

  constructor (context: StoreContext, id: LogId, config: LogConfig, stored: StoredLog) {
    this.context = context
    this.id = id
    this.config = config
    this.stored = stored
    this.directory = logDirectory(context.logsDirectory, id)
    this.meta = new LogMeta(context.meta, id, error => this.report('metaFailed', error.message))
    this.damaged = [...stored.damaged]
    this.trusted = !stored.suspect && epochsWhole(stored)
    this.epochs = new EpochHistory(this.trusted ? stored.epochs : [])
    this.logStartOffset = stored.state?.logStartOffset ?? 0
    this.end = { offset: 0, segmentBase: 0, position: SEGMENT_HEADER_BYTES, crc: 0, epoch: 0 }
  }

  async run (): Promise<LogContents> {
    const files = await this.findFiles()
    if (files.length > 0) {
      if (this.stored.state === null) this.logStartOffset = files[0]!.baseOffset
      await this.scanAll(files)
      // A process that was killed may have made the last file and not yet its name durable: what goes into it from now
      // on must not be lost with the name.
      await this.context.disk.syncDirectory(this.directory)
    }
    await this.reachKnownEnd()
    await this.save()
    return {
      segments: this.segments,
      logStartOffset: this.logStartOffset,
      epochs: this.epochs.starts,
      damaged: this.damaged,
      end: this.end,
    }
  }

  // What files there are.

  private async findFiles (): Promise<FoundFile[]> {
    const files: FoundFile[] = []
    for (const name of await this.context.disk.list(this.directory)) {
      const path = `${this.directory}/${name}`
      const baseOffset = parseSegmentFileName(name)
      if (name.endsWith(COMPACTING_SUFFIX)) {
        await this.remove(path, 'the unfinished output of a compaction')
      } else if (baseOffset >= 0) {
        const file = await this.examine(path, baseOffset)
        if (file !== null) files.push(file)
      }
    }
    return await this.withoutOverlaps(files)
  }

  private async examine (path: string, baseOffset: number): Promise<FoundFile | null> {
    const stat = await this.context.disk.stat(path)
    if (stat === null || stat.isDirectory) return null
    const stored = this.stored.segments.find(segment => segment.baseOffset === baseOffset) ?? null
    const file = await this.context.disk.open(path, { create: 'never' })
    let header
    try {
      header = decodeSegmentHeader(await readFile(file, 0, SEGMENT_HEADER_BYTES))
    } finally {
      await file.close()
    }
    const found = { baseOffset, path, sizeBytes: stat.size, modifiedMs: stat.modifiedMs, stored }
    if (typeof header === 'object') {
      if (headerBelongs(header, this.id, baseOffset)) return { ...found, header }
      await setAside(this.context, this.id, path, 'belongs to another log or another place')
      return null
    }
    if (header === 'version') throw new Error(`${path} has a format that this version does not know`)
    if (stored !== null || stat.size > SEGMENT_HEADER_BYTES) return { ...found, header: null }
    // A crash while the file was made: it has never held a batch.
    await this.remove(path, 'a segment that was never begun')
    return null
  }

  /** Takes out what a finished compaction or the log start has made superfluous, and what lies across another. */
  private async withoutOverlaps (files: FoundFile[]): Promise<FoundFile[]> {
    const kept: FoundFile[] = []
    for (const [index, file] of files.entries()) {
      const previous = kept[kept.length - 1]
      const next = files[index + 1]
      if (next !== undefined && next.baseOffset <= this.logStartOffset && file.stored === null) {
        await this.remove(file.path, 'all of it is below the log start')
        continue
      }
      const covered = previous?.header?.endOffset ?? -1
      if (covered > file.baseOffset) {
        if (file.header === null || file.header.generation < previous!.header!.generation) {
          await this.remove(file.path, 'a compaction has replaced it')
        } else {
          await setAside(this.context, this.id, file.path, 'lies across the segment before it')
        }
        continue
      }
      kept.push(file)
    }
    return kept
  }

  private async remove (path: string, reason: string): Promise<void> {
    await this.context.disk.remove(path)
    await this.context.disk.syncDirectory(this.directory)
    this.context.report({ kind: 'removed', id: this.id, message: `${path}: ${reason}`, file: path })
  }

  // What is in them.

  private async scanAll (files: FoundFile[]): Promise<void> {
    this.missing(Math.min(this.logStartOffset, files[0]!.baseOffset), files[0]!.baseOffset)
    for (const [index, file] of files.entries()) {
      const next = files[index + 1]
      const segment = await this.takeSegment(file, next?.baseOffset ?? -1)
      this.segments.push(segment)
      this.moveEnd(segment)
      if (next !== undefined) this.missing(segment.endOffset, next.baseOffset)
    }
  }

  private moveEnd (segment: Segment): void {
    const { endOffset: offset, baseOffset: segmentBase, endPosition: position, endCrc: crc } = segment
    this.end = { offset, segmentBase, position, crc, epoch: this.end.epoch }
  }

  /** Notes that no file holds the offsets from `from` to `to`. */
  private missing (from: number, to: number): void {
    if (to > from && to > this.logStartOffset) this.quarantine({ from, to }, 'no segment holds them')
  }

  private async takeSegment (file: FoundFile, nextBase: number): Promise<Segment> {
    const { stored, header } = file
    const endOffset = header !== null && header.generation > 0 ? header.endOffset : nextBase
    const generation = header?.generation ?? stored?.generation ?? 0
    const known = this.trusted && stored !== null && stored.sealed && stored.generation === generation &&
      nextBase >= 0 && stored.endOffset <= nextBase && file.sizeBytes >= stored.endPosition
    if (known) {
      stored.created = true
      stored.preparedPosition = stored.endPosition
      this.end.epoch = epochBefore(this.epochs, stored.endOffset) ?? this.end.epoch
      return stored
    }
    const handle = await this.context.disk.open(file.path, { create: 'never' })
    try {
      return await this.scan(file, handle, endOffset, generation, nextBase >= 0)
    } finally {
      await handle.close()
    }
  }

  private async scan (
    file: FoundFile, handle: DiskFile, endOffset: number, generation: number, sealed: boolean
  ): Promise<Segment> {
    const prevCrc = file.header?.prevCrc ?? file.stored?.prevCrc ?? this.end.crc
    const prevEpoch = file.header?.epoch ?? file.stored?.prevEpoch ?? this.end.epoch
    const segment = new Segment(file.baseOffset, prevCrc, prevEpoch, generation, file.modifiedMs)
    const start = await this.scanStart(file, handle, segment)
    const indexer = new SegmentIndexer(this.meta, segment, this.config.indexIntervalBytes, {
      indexedPosition: segment.indexedPosition, maxTimestamp: segment.maxTimestamp,
    })
    const durableOffset = this.stored.state?.checkpoint.offset ?? 0
    const options = { limitPosition: Math.max(file.sizeBytes, SEGMENT_HEADER_BYTES), durableOffset, endOffset }
    const scan = await scanSegment(handle, start, options, (batch, _bytes, _at, position) => {
      this.onBatch(batch, position, indexer)
    })
    await this.meta.dropIndex(start.offset, scan.end.offset)
    indexer.write()
    for (const range of scan.damage) this.quarantine(range, scan.endFault ?? 'no sound batch')
    this.report('recovered', `${file.path}: read from offset ${start.offset}`, start.offset, scan.end.offset)
    await this.endSegment(file, handle, segment, scan, indexer, sealed || (endOffset >= 0))
    return segment
  }

  /** Where to begin: at the checkpoint where the batches before it lead there, else at the start of the segment. */
  private async scanStart (file: FoundFile, handle: DiskFile, segment: Segment): Promise<WalkPoint> {
    const state = this.stored.state
    const fromStart = {
      position: SEGMENT_HEADER_BYTES, offset: segment.baseOffset, crc: segment.prevCrc, epoch: segment.prevEpoch,
    }
    if (!this.trusted || state === null || file.stored === null || state.checkpoint.segmentBase !== file.baseOffset ||
      segment.generation > 0 || file.sizeBytes < state.checkpoint.position) return fromStart
    const { position, offset, crc, epoch } = state.checkpoint
    const lowest = this.damaged.reduce((end, range) => range.to < offset ? Math.max(end, range.to) : end, 0)
    const entry = this.meta.findIndexEntry(offset - 1, Math.max(segment.baseOffset, lowest))
    const anchor = entry !== null && entry.segmentBase === segment.baseOffset && entry.generation === 0
      ? { position: entry.position, offset: entry.offset, crc: null, epoch: 0 }
      : fromStart
    const end = await walkBatches(handle, anchor, position, () => {})
    const leadsThere = end.fault === null && end.position === position && end.offset === offset &&
      (end.crc === crc || offset === segment.baseOffset)
    if (!leadsThere) return fromStart
    segment.maxTimestamp = state.maxTimestamp
    segment.lastAppendMs = Math.max(state.lastAppendMs, segment.lastAppendMs)
    segment.indexedPosition = state.indexedPosition
    return { position, offset, crc, epoch }
  }

  private onBatch (batch: BatchHeader, position: number, indexer: SegmentIndexer): void {
    indexer.onBatch(batch, position)
    if (batch.leaderEpoch > this.epochs.lastEpoch || this.epochs.starts.length === 0) {
      const start = this.epochs.begin(batch.leaderEpoch, batch.baseOffset)
      if (start !== null) this.changes.push(this.meta.epochChange(start))
    }
  }

  private async endSegment (
    file: FoundFile, handle: DiskFile, segment: Segment, scan: SegmentScan, indexer: SegmentIndexer, sealed: boolean
  ): Promise<void> {
    segment.created = true
    segment.cleanedMs = file.header?.cleanedMs ?? -1
    segment.endOffset = scan.end.offset
    segment.endPosition = scan.end.position
    segment.endCrc = file.header !== null && file.header.generation > 0 ? file.header.endCrc : scan.end.crc ?? 0
    segment.maxTimestamp = Math.max(segment.maxTimestamp, indexer.maxTimestamp)
    segment.indexedPosition = Math.max(SEGMENT_HEADER_BYTES, indexer.indexedPosition)
    segment.sealed = sealed || scan.endDamaged
    this.end.epoch = Math.max(this.end.epoch, scan.end.epoch)
    if (scan.bytesBehind > 0 && !segment.sealed) {
      await handle.truncate(segment.endPosition)
      const message = `${file.path}: ${scan.bytesBehind} bytes behind offset ${scan.end.offset} removed`
      this.report('cut', message, scan.end.offset)
    }
    // What is read here may be in the page cache only: after a kill the kernel still holds what was not synced.
    await syncFile(handle)
    segment.preparedPosition = segment.endPosition
  }

  // What should be there and is not.

  /** Where the log ends below what is known to have been durable, or without a segment to append to, mends that. */
  private async reachKnownEnd (): Promise<void> {
    let known = this.stored.state?.checkpoint.offset ?? 0
    for (const segment of this.stored.segments) if (segment.sealed) known = Math.max(known, segment.endOffset)
    const last = this.segments[this.segments.length - 1]
    if (this.end.offset >= known && (last === undefined || !last.sealed)) return
    if (known > this.end.offset) {
      this.missing(Math.max(this.end.offset, this.logStartOffset), known)
      if (last !== undefined) last.sealed = true
    }
    // A file of its own, at once: it says where the log goes on even when the meta store is lost.
    const offset = Math.max(known, this.end.offset)
    const epoch = Math.max(this.end.epoch, this.stored.state?.checkpoint.epoch ?? 0)
    const segment = new Segment(offset, last?.endCrc ?? 0, epoch, 0, this.context.clock.wallMs())
    const path = `${this.directory}/${segmentFileName(offset)}`
    await createSegmentFile(this.context, { id: this.id, directory: this.directory }, segment, path)
    this.segments.push(segment)
    this.end = { offset, segmentBase: offset, position: SEGMENT_HEADER_BYTES, crc: segment.prevCrc, epoch }
  }

  private quarantine (range: OffsetRange, reason: string): void {
    const from = Math.max(range.from, this.logStartOffset)
    if (range.to <= from) return
    if (this.damaged.some(known => known.from <= from && known.to >= range.to)) return
    this.damaged.push({ from, to: range.to })
    this.changes.push(this.meta.damageChange({ from, to: range.to }))
    const message = `offsets ${from} to ${range.to - 1} are damaged: ${reason}`
    this.report('quarantined', message, from, range.to)
  }

  private async save (): Promise<void> {
    const segments = this.segments
    // An epoch is noted when it begins, and may never have come to the disk.
    const lost = this.epochs.truncateTo(this.end.offset)
    for (const { epoch } of lost) this.changes.push(this.meta.epochRemoval(epoch))
    if (segments.length === 0) {
      if (this.changes.length > 0) await this.meta.writeDurable(this.changes)
      return
    }
    for (const stored of this.stored.segments) {
      if (!segments.some(segment => segment.baseOffset === stored.baseOffset)) {
        this.changes.push(this.meta.segmentRemoval(stored.baseOffset))
      }
    }
    for (const segment of segments) this.changes.push(this.meta.segmentChange(segment))
    const last = segments[segments.length - 1]!
    const state = {
      logStartOffset: this.logStartOffset,
      checkpoint: this.end,
      lastAppendMs: last.lastAppendMs,
      maxTimestamp: last.maxTimestamp,
      indexedPosition: last.indexedPosition,
    }
    this.changes.push(this.meta.stateChange(state))
    await this.meta.dropIndex(this.end.offset, Number.MAX_SAFE_INTEGER)
    await this.meta.writeDurable(this.changes)
  }

  private report (kind: LogEvent['kind'], message: string, from?: number, to?: number): void {
    this.context.report({ kind, id: this.id, message, from, to })
  }
}

/** The epoch of the last batch below `offset`, as far as the history says. */
function epochBefore (epochs: EpochHistory, offset: number): number | null {
  let epoch: number | null = null
  for (const start of epochs.starts) if (start.startOffset < offset) epoch = start.epoch
  return epoch
}
