import { type BatchHeader, nextOffsetOf } from '@sluice/protocol'
import type { IndexEntry, LogMeta } from './log-meta.js'
import { NO_TIMESTAMP, type Segment } from './segment.js'
import { SEGMENT_HEADER_BYTES } from './segment-header.js'

const WRITE_ENTRIES = 256

/** Gathers the index of a segment while its batches are walked through. */
export class SegmentIndexer {
  private readonly meta: LogMeta
  private readonly segment: Pick<Segment, 'baseOffset' | 'generation'>
  private readonly intervalBytes: number
  private entries: IndexEntry[] = []
  private expectedOffset = -1
  /** Where the last entry points. */
  indexedPosition: number
  maxTimestamp: number

  constructor (
    meta: LogMeta, segment: Pick<Segment, 'baseOffset' | 'generation'>, intervalBytes: number,
    from: { indexedPosition: number, maxTimestamp: number } =
    { indexedPosition: SEGMENT_HEADER_BYTES, maxTimestamp: NO_TIMESTAMP }
  ) {
    this.meta = meta
    this.segment = segment
    this.intervalBytes = intervalBytes
    this.indexedPosition = from.indexedPosition
    this.maxTimestamp = from.maxTimestamp
  }

  onBatch (header: BatchHeader, position: number): void {
    // The first batch behind damage gets an entry whatever the interval: it is found by the index alone.
    const resumes = this.expectedOffset >= 0 && header.baseOffset !== this.expectedOffset
    if (resumes || position - this.indexedPosition >= this.intervalBytes) this.add(header.baseOffset, position)
    if (header.recordCount > 0 && header.maxTimestamp > this.maxTimestamp) this.maxTimestamp = header.maxTimestamp
    this.expectedOffset = nextOffsetOf(header)
  }

  private add (offset: number, position: number): void {
    this.indexedPosition = position
    this.entries.push({
      offset,
      segmentBase: this.segment.baseOffset,
      generation: this.segment.generation,
      position,
      maxTimestampBefore: this.maxTimestamp,
    })
  }

  /** Writes what was gathered. */
  write (): void {
    for (let from = 0; from < this.entries.length; from += WRITE_ENTRIES) {
      this.meta.write(this.entries.slice(from, from + WRITE_ENTRIES).map(entry => this.meta.indexChange(entry)))
    }
    this.entries = []
  }
}
