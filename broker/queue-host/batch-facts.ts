// What a queue group needs to know of the records of one batch, column by column: from the header where that is enough,
// from the extras where the client put them, from the records themselves where there is no other way.
//
//   dense batch without extras, lanes not asked for   nothing is read but the header: rows are computed
//   batch with extras                                 extras: delay, time to live, priority, lane
//   lanes asked for and not in the extras             the records are decoded, and decompressed where they must be

import { BATCH_FLAG, EXTRAS_COLUMN, RecordExtrasReader, RecordReader, laneOf, readBatchHeader } from '@sluice/protocol'
import { NO_LANE, type RecordFacts } from '../queue/queue-types.js'

export class BatchFacts {
  baseOffset = 0
  /** Offset after the batch; equal to `baseOffset` where none is open. */
  endOffset = 0
  private count = 0
  /** Bytes of a record, on average. */
  private sizeBytes = 0
  /** Null where record i has offset `baseOffset + i`. The same for the other columns, where no record has any. */
  private offsets: Float64Array | null = null
  private lanes: Float64Array | null = null
  private notBefore: Float64Array | null = null
  private expires: Float64Array | null = null
  private priorities: Uint8Array | null = null
  private readonly reader = new RecordReader()
  private readonly extras = new RecordExtrasReader()
  private readonly withLanes: boolean

  constructor (withLanes: boolean) {
    this.withLanes = withLanes
  }

  get averageBytes (): number { return this.sizeBytes }

  covers (offset: number): boolean { return offset >= this.baseOffset && offset < this.endOffset }

  /** Takes in a batch; nothing of it is held afterwards. */
  open (batch: Buffer): void {
    const { baseOffset, lastOffsetDelta, recordCount, flags, size } = readBatchHeader(batch)
    this.baseOffset = baseOffset
    this.endOffset = baseOffset + lastOffsetDelta + 1
    this.count = (flags & BATCH_FLAG.control) === 0 ? recordCount : 0
    this.sizeBytes = Math.ceil(size / Math.max(1, recordCount))
    this.offsets = this.lanes = this.notBefore = this.expires = this.priorities = null
    if (this.count === 0) return
    const { extras } = this
    // A column of an unknown version is as good as none: such batches are refused when they are produced.
    extras.open(batch)
    const isDense = recordCount === lastOffsetDelta + 1
    const lacksLanes = this.withLanes && (extras.columns & EXTRAS_COLUMN.lane) === 0
    const canRead = (flags & BATCH_FLAG.encrypted) === 0
    if (!isDense || (lacksLanes && canRead)) this.decode(batch)
    if (extras.columns !== 0) this.readExtras()
  }

  /** Fills in the rows of records in [fromOffset, endOffset) as far as there is room; sets how far that is. */
  copyTo (facts: RecordFacts, fromOffset: number, endOffset: number): void {
    const limitOffset = Math.min(endOffset, this.endOffset)
    const { offsets, lanes, notBefore, expires, priorities } = this
    let row = this.rowFrom(fromOffset)
    while (row < this.count && facts.count < facts.capacity) {
      const offset = offsets === null ? this.baseOffset + row : offsets[row]!
      if (offset >= limitOffset) break
      const target = facts.count++
      facts.offsets[target] = offset
      facts.lanes[target] = lanes === null ? NO_LANE : lanes[row]!
      facts.notBeforeMs[target] = notBefore === null ? 0 : notBefore[row]!
      facts.expiresMs[target] = expires === null ? 0 : expires[row]!
      facts.priorities[target] = priorities === null ? 0 : priorities[row]!
      facts.sizes[target] = this.sizeBytes
      row++
    }
    const isFull = row < this.count && facts.count === facts.capacity
    facts.endOffset = isFull ? Math.min(limitOffset, facts.offsets[facts.count - 1]! + 1) : limitOffset
  }

  private rowFrom (offset: number): number {
    const { offsets } = this
    if (offsets === null) return Math.max(0, offset - this.baseOffset)
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (offsets[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Takes the columns of the extras over, for the records that are there: extras have a row for each offset. */
  private readExtras (): void {
    const { extras, count, offsets, baseOffset } = this
    const hasLanes = this.withLanes && (extras.columns & EXTRAS_COLUMN.lane) !== 0
    if (hasLanes) this.lanes = new Float64Array(count)
    if ((extras.columns & EXTRAS_COLUMN.notBefore) !== 0) this.notBefore = new Float64Array(count)
    if ((extras.columns & EXTRAS_COLUMN.expires) !== 0) this.expires = new Float64Array(count)
    if ((extras.columns & EXTRAS_COLUMN.priority) !== 0) this.priorities = new Uint8Array(count)
    const { notBefore, expires, priorities, lanes } = this
    for (let index = 0; index < count; index++) {
      const row = offsets === null ? index : offsets[index]! - baseOffset
      if (hasLanes) lanes![index] = extras.laneOf(row)
      if (notBefore !== null) notBefore[index] = extras.notBeforeOf(row)
      if (expires !== null) expires[index] = extras.expiresOf(row)
      if (priorities !== null) priorities[index] = extras.priorityOf(row)
    }
  }

  private decode (batch: Buffer): void {
    const { count } = this
    const offsets = new Float64Array(count)
    const lanes = this.withLanes ? new Float64Array(count) : null
    let row = 0
    try {
      const reader = this.reader.open(batch)
      while (row < count && reader.next()) {
        offsets[row] = reader.offset
        const { key } = reader
        if (lanes !== null) lanes[row] = key === null ? NO_LANE : laneOf(key)
        row++
      }
    } catch {
      // A batch that a faulty producer wrote: consumers are handed it as it is, and see that for themselves.
      for (; row < count; row++) {
        offsets[row] = row === 0 ? this.baseOffset : offsets[row - 1]! + 1
        if (lanes !== null) lanes[row] = NO_LANE
      }
    }
    this.offsets = offsets
    this.lanes = lanes
  }
}
