// Keeps the newest record of each key.
//
//   [ cleaned ][ cleaned ][ dirty ][ dirty ][ too new ][ active ]
//                         |<- keys noted ->|
//   |<------ records that a noted key supersedes go ->|
//
// - In rounds: the keys of the dirty part are noted with their newest offsets, as many as memory allows; then every
//   segment up to there that holds something superseded is written anew, the oldest first. A further round begins where
//   the first key found no room. After the last round the dirty part counts as cleaned.
// - The oldest first, so that a newer record, a tombstone above all, is never gone before what it supersedes.
// - A tombstone goes once its segment was cleaned longer ago than `tombstoneRetentionMs`: whoever reads the log from
//   its start in less time than that sees it.
// - Segments with damage stay as they are, and while there are any, so do all tombstones.
// - Work is done a slice at a time, with the event loop free between; `signal` is looked at as often.

import { BATCH_POSITION, type BatchHeader, NO_PRODUCER_ID, readBatchHeader } from '@sluice/protocol'
import { canCompact, compactBatch, type CompactionRules, visitKeys } from './batch-compactor.js'
import { CompactedSegmentWriter } from './compacted-segment-writer.js'
import { KeyOffsets } from './key-offsets.js'
import type { LogCore } from './log-core.js'
import type { CompactionResult, LogSlice } from './log-types.js'
import type { Segment } from './segment.js'

const READ_BYTES = 256 * 1024

type ReadSlice = (from: number, maxBytes: number, limitOffset: number) => Promise<LogSlice>
type VisitBatch = (batch: Buffer, header: BatchHeader) => void

class CalledOff extends Error {}

export async function compactLog (
  core: LogCore, readSlice: ReadSlice, limitOffset: number, signal?: AbortSignal
): Promise<CompactionResult> {
  return await new KeyCompaction(core, readSlice, limitOffset, signal).run()
}

class KeyCompaction {
  readonly #core: LogCore
  readonly #readSlice: ReadSlice
  readonly #limitOffset: number
  readonly #signal: AbortSignal | undefined
  readonly #lastBatches = new Map<number, number>()
  #segments = 0
  #bytesBefore = 0
  #bytesAfter = 0
  #recordsRemoved = 0

  constructor (core: LogCore, readSlice: ReadSlice, limitOffset: number, signal?: AbortSignal) {
    this.#core = core
    this.#readSlice = readSlice
    this.#limitOffset = limitOffset
    this.#signal = signal
  }

  async run (): Promise<CompactionResult> {
    let complete = true
    try {
      if (this.#core.config.cleanup.compact) await this.#compact()
    } catch (error) {
      if (!(error instanceof CalledOff)) throw error
      complete = false
    }
    return {
      segments: this.#segments,
      bytesBefore: this.#bytesBefore,
      bytesAfter: this.#bytesAfter,
      recordsRemoved: this.#recordsRemoved,
      complete,
    }
  }

  async #compact (): Promise<void> {
    const core = this.#core
    const baseOffsets = this.#candidates().map(segment => segment.baseOffset)
    if (baseOffsets.length === 0) return
    const endOffset = this.#segmentAt(baseOffsets[baseOffsets.length - 1]!).endOffset
    const dirty = baseOffsets.find(baseOffset => this.#segmentAt(baseOffset).cleanedMs < 0)
    if (dirty === undefined && !baseOffsets.some(base => this.#tombstonesExpired(this.#segmentAt(base)))) return
    await this.#noteProducers(baseOffsets)
    let from = dirty ?? endOffset
    for (let last = false; !last;) {
      const keys = new KeyOffsets(core.context.limits.compactionBytes)
      await this.#forEachBatch(from, endOffset, (batch, header) => {
        if (canCompact(header)) visitKeys(batch, (key, offset) => { if (offset >= from) keys.note(key, offset) })
      })
      last = keys.fullAtOffset < 0
      for (const baseOffset of baseOffsets) await this.#cleanSegment(this.#segmentAt(baseOffset), keys, last)
      from = keys.fullAtOffset
    }
  }

  /** The segments that may be compacted: a run from the oldest on. */
  #candidates (): Segment[] {
    const { segments, config, context } = this.#core
    const newestMs = context.clock.wallMs() - config.minCompactionLagMs
    const candidates: Segment[] = []
    for (const segment of segments) {
      if (!segment.sealed || segment.endOffset > this.#limitOffset || segment.lastAppendMs > newestMs) break
      candidates.push(segment)
    }
    return candidates
  }

  #segmentAt (baseOffset: number): Segment {
    return this.#core.segments.find(segment => segment.baseOffset === baseOffset)!
  }

  /** Which batch is the last of each producer, anywhere in the log: those in the candidates must stay. */
  async #noteProducers (baseOffsets: readonly number[]): Promise<void> {
    await this.#forEachBatch(baseOffsets[0]!, this.#core.writtenOffset, (_batch, header) => {
      if (header.producerId !== NO_PRODUCER_ID) this.#lastBatches.set(header.producerId, header.baseOffset)
    })
  }

  #tombstonesExpired (segment: Segment): boolean {
    const { config, context, damage } = this.#core
    return segment.cleanedMs >= 0 && damage.ranges.length === 0 &&
      context.clock.wallMs() - segment.cleanedMs > config.tombstoneRetentionMs
  }

  #damaged (segment: Segment): boolean {
    const damage = this.#core.damageFrom(segment.baseOffset)
    return damage !== null && damage.from < segment.endOffset
  }

  async #cleanSegment (segment: Segment, keys: KeyOffsets, last: boolean): Promise<void> {
    if (this.#damaged(segment)) return
    const core = this.#core
    const rules = { keys, dropTombstones: this.#tombstonesExpired(segment), lastBatches: this.#lastBatches }
    const cleanedMs = segment.cleanedMs >= 0 || !last ? segment.cleanedMs : core.context.clock.wallMs()
    if (await this.#hasSuperseded(segment, rules)) {
      await this.#rewrite(segment, rules, cleanedMs)
    } else if (cleanedMs !== segment.cleanedMs) {
      segment.cleanedMs = cleanedMs
      core.meta.write([core.meta.segmentChange(segment)])
    }
  }

  async #hasSuperseded (segment: Segment, rules: CompactionRules): Promise<boolean> {
    let found = false
    await this.#forEachBatch(segment.baseOffset, segment.endOffset, (batch, header) => {
      found ||= (compactBatch(batch, header, rules)?.recordsRemoved ?? 0) > 0
      return !found
    })
    return found
  }

  async #rewrite (segment: Segment, rules: CompactionRules, cleanedMs: number): Promise<void> {
    const writer = new CompactedSegmentWriter(this.#core, segment, cleanedMs)
    let nextOffset = segment.baseOffset
    let recordsRemoved = 0
    try {
      await writer.open()
      await this.#forEachBatch(segment.baseOffset, segment.endOffset, (batch, header) => {
        if (header.baseOffset !== nextOffset) throw new CalledOff('damage came to light')
        nextOffset = header.baseOffset + header.lastOffsetDelta + 1
        const compacted = compactBatch(batch, header, rules)
        recordsRemoved += compacted?.recordsRemoved ?? 0
        const mergeable = compacted?.mergeable ?? (header.recordCount === 0 && header.producerId === NO_PRODUCER_ID)
        writer.add(compacted?.bytes ?? Buffer.from(batch), header, mergeable)
      }, async () => {
        if (writer.bufferedBytes >= CompactedSegmentWriter.writeBytes) await writer.write()
      })
      if (nextOffset !== segment.endOffset) throw new CalledOff('damage came to light')
      const after = await writer.finish()
      this.#segments++
      this.#bytesBefore += segment.batchBytes
      this.#bytesAfter += after.batchBytes
      this.#recordsRemoved += recordsRemoved
    } catch (error) {
      await writer.abandon()
      throw error
    }
  }

  /** Visits the batches between two offsets that are borders of batches, as far as they are sound. */
  async #forEachBatch (
    from: number, endOffset: number, visit: (...args: Parameters<VisitBatch>) => boolean | void,
    afterSlice?: () => Promise<void>
  ): Promise<void> {
    let offset = Math.max(from, 0)
    while (offset < endOffset) {
      if (this.#signal?.aborted === true || this.#core.closed || this.#core.frozen) throw new CalledOff('called off')
      const slice = await this.#sliceFrom(offset, endOffset)
      for (const bytes of slice.buffers) {
        for (let at = 0; at < bytes.length;) {
          const size = bytes.readUInt32BE(at + BATCH_POSITION.size)
          const batch = bytes.subarray(at, at + size)
          if (visit(batch, readBatchHeader(batch)) === false) return
          at += size
        }
      }
      if (slice.nextOffset <= offset) return
      offset = slice.nextOffset
      await afterSlice?.()
      await new Promise<void>(resolve => { setImmediate(resolve) })
    }
  }

  async #sliceFrom (offset: number, endOffset: number): Promise<LogSlice> {
    const damage = this.#core.damageFrom(offset)
    if (damage === null || damage.from > offset) return await this.#readSlice(offset, READ_BYTES, endOffset)
    return { buffers: [], sizeBytes: 0, baseOffset: offset, nextOffset: damage.to }
  }
}
