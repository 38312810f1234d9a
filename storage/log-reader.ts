// Reads batches of one log from the disk: one look into the index, one read, normally.
//
//    index entry        from                       limit
//        |---skipped---->[batch][batch]…[batch]|
//        |<-- one read: maxBytes, and one index interval more ------->|
//
// - Nothing read is trusted: the batch that an index entry leads to must be there, every batch must continue the one
//   before, and what is handed out has both its checksums checked.
// - Where the index does not lead to the batch, or where a batch is not sound, the whole segment is scanned once: that
//   writes its index anew and finds all its damage. Then the read is tried again.
// - A read that a truncation or a swap of segments overtakes starts again or says so.

import {
  BATCH_HEADER_BYTES, BATCH_POSITION, checkBatchBody, checkBatchStamp, readInt64,
} from '@sluice/protocol'
import type { DiskError } from './disk.js'
import type { FileLease } from './file-cache.js'
import type { IndexEntry } from './log-meta.js'
import type { LogReadError, OffsetRange, ReadDone } from './log-types.js'
import { type Segment, findSegmentIndex } from './segment.js'
import { SEGMENT_HEADER_BYTES } from './segment-header.js'
import type { StoreContext } from './store-context.js'

/** A log as its reader sees it. */
export interface ReadableLog {
  readonly segments: readonly Segment[]
  readonly logStartOffset: number
  readonly nextOffset: number
  /** What the disk holds. */
  readonly writtenOffset: number
  readonly indexIntervalBytes: number
  /** Counts the cuts at the end of the log, and its closing. */
  readonly truncationCount: number
  segmentPath (segment: Segment): string
  /** The damaged range that holds `offset`, or the next one above it. */
  damageFrom (offset: number): OffsetRange | null
  /** The end of the last damaged range at or below `offset`, or 0. */
  damageEndBelow (offset: number): number
  findIndexEntry (segment: Segment, offset: number, lowest: number): IndexEntry | null
  /** Scans a segment, writes its index anew and notes its damage; resolves when both can be used. */
  rescan (segment: Segment, reason: string): Promise<void>
}

/** Where a batch is known to stand. */
interface Hint { segment: Segment, offset: number, position: number }

const HINTS_MAX = 8

export class LogReader {
  readonly context: StoreContext
  readonly log: ReadableLog
  /** Where the last reads ended: who reads on there needs no index. */
  private readonly hints: Hint[] = []
  private nextHint = 0

  constructor (context: StoreContext, log: ReadableLog) {
    this.context = context
    this.log = log
  }

  /** See PartitionLog.read. */
  read (from: number, maxBytes: number, limitOffset: number, done: ReadDone): void {
    new DiskRead(this, from, maxBytes, limitOffset, false, done).start()
  }

  /** As `read`, below the log start too, as far as the first segment reaches. */
  readStored (from: number, maxBytes: number, limitOffset: number, done: ReadDone): void {
    new DiskRead(this, from, maxBytes, limitOffset, true, done).start()
  }

  hintFor (segment: Segment, offset: number): Hint | null {
    for (const hint of this.hints) if (hint.offset === offset && hint.segment === segment) return hint
    return null
  }

  addHint (segment: Segment, offset: number, position: number): void {
    const hint = { segment, offset, position }
    if (this.hints.length < HINTS_MAX) this.hints.push(hint)
    else this.hints[this.nextHint++ % HINTS_MAX] = hint
  }

  dropHints (): void {
    this.hints.length = 0
  }
}

/** One read under way. */
class DiskRead {
  private readonly reader: LogReader
  private readonly from: number
  private readonly maxBytes: number
  private readonly limitOffset: number
  /** Reads below the log start too. */
  private readonly belowStart: boolean
  private readonly done: ReadDone
  private readonly truncationCount: number
  private segment: Segment | null = null
  /** Batches at or above this are not handed out: the limit, the end of what is written, or damage. */
  private stopOffset = 0
  /** The offset of the batch at the start of the bytes to be read. */
  private offset = 0
  private position = 0
  /** What the last read should have brought: fewer bytes mean that the file ends before the log does. */
  private askedBytes = 0
  private walkedBytes = 0
  private rescanned = false
  private restartsLeft = 3
  /** What was read last lies in it. */
  private memory: Buffer | null = null

  constructor (
    reader: LogReader, from: number, maxBytes: number, limitOffset: number, belowStart: boolean, done: ReadDone
  ) {
    this.reader = reader
    this.from = from
    this.belowStart = belowStart
    this.maxBytes = maxBytes
    this.limitOffset = limitOffset
    this.done = done
    this.truncationCount = reader.log.truncationCount
  }

  start (): void {
    const { log } = this.reader
    // The log start may have moved since the read began.
    if (this.from < (this.belowStart ? 0 : log.logStartOffset) || this.from > log.nextOffset) {
      return this.fail({ kind: 'out-of-range', logStartOffset: log.logStartOffset, nextOffset: log.nextOffset })
    }
    const damage = log.damageFrom(this.from)
    if (damage !== null && damage.from <= this.from) {
      return this.fail({ kind: 'corrupt', from: damage.from, to: damage.to })
    }
    const segment = log.segments[findSegmentIndex(log.segments, this.from)]
    this.stopOffset = Math.min(this.limitOffset, log.writtenOffset, segment?.endOffset ?? 0)
    if (damage !== null) this.stopOffset = Math.min(this.stopOffset, damage.from)
    if (segment === undefined || this.from >= this.stopOffset) return this.finish([], this.from, this.from)
    this.segment = segment
    this.locate(segment)
    const slackBytes = this.offset === this.from ? 0 : log.indexIntervalBytes
    this.read(segment, this.maxBytes + slackBytes)
  }

  /** Finds a place at or before the batch that holds `from`. */
  private locate (segment: Segment): void {
    const { log } = this.reader
    const hint = this.reader.hintFor(segment, this.from)
    const lowest = Math.max(segment.baseOffset, log.damageEndBelow(this.from))
    this.walkedBytes = 0
    if (hint !== null) {
      this.offset = hint.offset
      this.position = hint.position
      return
    }
    const entry = log.findIndexEntry(segment, this.from, lowest)
    const usable = entry !== null && entry.segmentBase === segment.baseOffset &&
      entry.generation === segment.generation && entry.position >= SEGMENT_HEADER_BYTES &&
      entry.position < segment.endPosition
    this.offset = usable ? entry.offset : segment.baseOffset
    this.position = usable ? entry.position : SEGMENT_HEADER_BYTES
  }

  private read (segment: Segment, wantedBytes: number): void {
    const size = Math.min(Math.max(wantedBytes, BATCH_HEADER_BYTES), segment.endPosition - this.position)
    this.askedBytes = Math.max(size, 0)
    const { files } = this.reader.context
    files.acquire(this.reader.log.segmentPath(segment), (openError, lease) => {
      if (openError !== null) return this.onRead(openError, null, Buffer.alloc(0))
      this.giveMemory()
      this.memory = this.reader.context.readMemory.take(this.askedBytes)
      const target = this.memory.subarray(0, this.askedBytes)
      lease!.file.read(target, this.position, (error, bytesRead) => {
        this.onRead(error, lease, target.subarray(0, bytesRead))
      })
    })
  }

  private onRead (error: DiskError | null, lease: FileLease | null, bytes: Buffer): void {
    const { log, context } = this.reader
    if (lease !== null) context.files.release(lease)
    if (log.truncationCount !== this.truncationCount) return this.fail({ kind: 'truncated' })
    const segment = this.segment!
    const current = log.segments[findSegmentIndex(log.segments, this.from)]
    if (current !== segment && this.restartsLeft-- > 0) return this.start()
    if (error !== null) {
      if (error.code === 'ENOENT') return this.rescan('the file is missing')
      return this.fail({ kind: 'io', code: error.code, message: error.message })
    }
    this.collect(segment, bytes)
  }

  /** Skips to the batch that holds `from` and takes what follows. */
  private collect (segment: Segment, bytes: Buffer): void {
    let at = 0
    let start = -1
    let baseOffset = this.from
    let offset = this.offset
    let prevCrc = -1
    while (offset < this.stopOffset) {
      const room = bytes.length - at
      if (room < BATCH_HEADER_BYTES) break
      const size = bytes.readUInt32BE(at + BATCH_POSITION.size)
      const next = offset + bytes.readUInt32BE(at + BATCH_POSITION.lastOffsetDelta) + 1
      const sound = checkBatchStamp(bytes, at) === null && readInt64(bytes, at) === offset &&
        (prevCrc < 0 || bytes.readUInt32BE(at + BATCH_POSITION.prevCrc) === prevCrc)
      if (!sound) return start >= 0 ? this.take(segment, bytes, start, at, baseOffset, offset) : this.onBad(offset)
      if (next > this.from) {
        const isBeyond = next > this.stopOffset
        if (size > room || (!isBeyond && start >= 0 && at + size - start > this.maxBytes)) break
        // Also where it seems to end above the limit: that it does is part of what may be damaged.
        if (checkBatchBody(bytes, at) !== null) {
          return start >= 0 ? this.take(segment, bytes, start, at, baseOffset, offset) : this.onBad(offset)
        }
        if (isBeyond) break
        if (start < 0) {
          start = at
          baseOffset = offset
        }
      }
      prevCrc = bytes.readUInt32BE(at + BATCH_POSITION.crc)
      at += size
      offset = next
    }
    if (start >= 0) return this.take(segment, bytes, start, at, baseOffset, offset)
    this.readOn(segment, bytes, at, offset)
  }

  /** Nothing to hand out yet: the batch lies further on, or is larger than what was read. */
  private readOn (segment: Segment, bytes: Buffer, at: number, offset: number): void {
    const room = bytes.length - at
    const size = room >= BATCH_HEADER_BYTES ? bytes.readUInt32BE(at + BATCH_POSITION.size) : BATCH_HEADER_BYTES
    const whole = room >= BATCH_HEADER_BYTES
    const next = whole ? offset + bytes.readUInt32BE(at + BATCH_POSITION.lastOffsetDelta) + 1 : offset
    if (offset >= this.stopOffset || (whole && size <= room && next > this.stopOffset)) {
      return this.finish([], this.from, this.from) // the batch that holds `from` ends above the limit
    }
    const fileEnds = bytes.length < this.askedBytes ||
      this.position + at + Math.max(size, BATCH_HEADER_BYTES) > segment.endPosition
    if (fileEnds) return this.onBad(offset)
    this.walkedBytes += at
    if (this.walkedBytes > 4 * this.reader.log.indexIntervalBytes + this.maxBytes && !this.rescanned) {
      return this.rescan('its index has gaps')
    }
    this.position += at
    this.offset = offset
    this.read(segment, Math.max(size, this.maxBytes) + this.reader.log.indexIntervalBytes)
  }

  private take (
    segment: Segment, bytes: Buffer, start: number, end: number, baseOffset: number, nextOffset: number,
  ): void {
    this.reader.addHint(segment, nextOffset, this.position + end)
    this.finish([bytes.subarray(start, end)], baseOffset, nextOffset)
  }

  private onBad (offset: number): void {
    if (!this.rescanned) return this.rescan(`no sound batch where the one at offset ${offset} should be`)
    const to = Math.max(offset + 1, this.segment!.endOffset)
    this.fail({ kind: 'corrupt', from: offset, to })
  }

  private rescan (reason: string): void {
    if (this.rescanned) return this.fail({ kind: 'io', code: 'ENOENT', message: reason })
    this.rescanned = true
    this.reader.dropHints()
    this.reader.log.rescan(this.segment!, reason).then(
      () => {
        if (this.reader.log.truncationCount !== this.truncationCount) return this.fail({ kind: 'truncated' })
        this.start()
      },
      (error: DiskError) => this.fail({ kind: 'io', code: error.code, message: error.message }))
  }

  private finish (buffers: Buffer[], baseOffset: number, nextOffset: number): void {
    if (buffers.length === 0) {
      this.giveMemory()
      return this.done(null, { buffers, sizeBytes: 0, baseOffset, nextOffset })
    }
    const release = (): void => this.giveMemory()
    this.done(null, { buffers, sizeBytes: buffers[0]!.length, baseOffset, nextOffset, release })
  }

  private giveMemory (): void {
    if (this.memory === null) return
    this.reader.context.readMemory.give(this.memory)
    this.memory = null
  }

  private fail (error: LogReadError): void {
    this.giveMemory()
    this.done(error, null)
  }
}
