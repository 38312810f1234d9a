// What a queue group needs to know of the records of one batch, column by column: from the header where that is enough,
// from the extras where the client put them, from the records themselves where there is no other way.
//
//   dense batch without extras, lanes not asked for   nothing is read but the header: rows are computed
//   batch with extras                                 extras: delay, time to live, priority, lane
//   lanes asked for and not in the extras             the records are decoded, and decompressed where they must be

import { BATCH_FLAG, RecordReader, readBatchHeader } from '@sluice/protocol'
import { NO_LANE, type RecordFacts } from '../queue/queue-types.js'
import { laneOfKey } from './lane-of-key.js'

export class BatchFacts {
  baseOffset = 0
  /** Offset after the batch; equal to `baseOffset` where none is open. */
  endOffset = 0
  private count = 0
  /** Bytes of a record, on average. */
  private sizeBytes = 0
  /** Null where record i has offset `baseOffset + i` and no lane. */
  private offsets: Float64Array | null = null
  private lanes: Float64Array | null = null
  private readonly reader = new RecordReader()
  private readonly withLanes: boolean

  constructor (withLanes: boolean) {
    this.withLanes = withLanes
  }

  get averageBytes (): number { return this.sizeBytes }

  covers (offset: number): boolean { return offset >= this.baseOffset && offset < this.endOffset }

  close (): void { this.endOffset = this.baseOffset }

  /** Takes in a batch; nothing of it is held afterwards. */
  open (batch: Buffer): void {
    const header = readBatchHeader(batch)
    this.baseOffset = header.baseOffset
    this.endOffset = header.baseOffset + header.lastOffsetDelta + 1
    this.count = (header.flags & BATCH_FLAG.control) === 0 ? header.recordCount : 0
    this.sizeBytes = Math.ceil(header.size / Math.max(1, header.recordCount))
    this.offsets = this.lanes = null
    const isDense = header.recordCount === header.lastOffsetDelta + 1
    const isReadable = (header.flags & BATCH_FLAG.encrypted) === 0
    if (this.count > 0 && (!isDense || (this.withLanes && isReadable))) this.decode(batch, header.recordCount)
  }

  /** Fills in the rows of records in [fromOffset, endOffset) as far as there is room; sets how far that is. */
  copyTo (facts: RecordFacts, fromOffset: number, endOffset: number): void {
    const limitOffset = Math.min(endOffset, this.endOffset)
    let row = this.rowFrom(fromOffset)
    while (row < this.count && facts.count < facts.capacity) {
      const offset = this.offsets === null ? this.baseOffset + row : this.offsets[row]!
      if (offset >= limitOffset) break
      const target = facts.count++
      facts.offsets[target] = offset
      facts.lanes[target] = this.lanes === null ? NO_LANE : this.lanes[row]!
      facts.notBeforeMs[target] = 0
      facts.expiresMs[target] = 0
      facts.priorities[target] = 0
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

  private decode (batch: Buffer, recordCount: number): void {
    const offsets = new Float64Array(recordCount)
    const lanes = this.withLanes ? new Float64Array(recordCount) : null
    let row = 0
    try {
      const reader = this.reader.open(batch)
      while (row < recordCount && reader.next()) {
        offsets[row] = reader.offset
        if (lanes !== null) {
          lanes[row] = reader.keyStart < 0 ? NO_LANE : laneOfKey(reader.bytes, reader.keyStart, reader.keyEnd)
        }
        row++
      }
    } catch {
      // A batch that a faulty producer wrote: consumers are handed it as it is, and see that for themselves.
      for (; row < recordCount; row++) {
        offsets[row] = row === 0 ? this.baseOffset : offsets[row - 1]! + 1
        if (lanes !== null) lanes[row] = NO_LANE
      }
    }
    this.offsets = offsets
    this.lanes = lanes
  }
}
