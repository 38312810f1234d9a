// The dead letters in a partition of a queue, as they lie in its log. What is no letter (users may send anything to the
// queue) and what is damaged is passed over.

import { BATCH_POSITION, DEAD_LETTER_HEADER, RecordReader, decodeDeadLetterNote, readInt64, type DeadLetterNote } from '@sluice/protocol'
import { LogReadFailure, type LogSlice } from '@sluice/storage'
import { LIMITS } from '../limits.js'
import type { Partition } from '../partition/partition.js'

/** A record with a note of its death. Bytes are views: to be used at once. */
export interface StoredLetter {
  readonly offset: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** All of them, that of the note too. */
  readonly headers: readonly { readonly name: string, readonly value: Buffer | null }[]
  readonly timestampMs: number
  readonly note: DeadLetterNote
}

const SLICES_KEPT = 4

export class RedriveLetters {
  private readonly partition: Partition
  /** Read last, the latest first: letters of a chunk mostly lie together. */
  private slices: LogSlice[] = []

  constructor (partition: Partition) {
    this.partition = partition
  }

  /** Letters from `fromOffset` on, some or all of those below `endOffset`; rejects where the disk failed. */
  async read (fromOffset: number, endOffset: number): Promise<{ letters: StoredLetter[], nextOffset: number }> {
    const slice = await this.sliceAt(fromOffset, endOffset)
    if ('skipTo' in slice) return { letters: [], nextOffset: Math.min(endOffset, slice.skipTo) }
    const letters: StoredLetter[] = []
    forEachBatch(slice, batch => { lettersIn(batch, fromOffset, endOffset, letters) })
    return { letters, nextOffset: slice.sizeBytes === 0 ? endOffset : Math.min(endOffset, slice.nextOffset) }
  }

  /** The letter at an offset; null where there is none, or none any more. Rejects where the disk failed. */
  async find (offset: number): Promise<StoredLetter | null> {
    let slice = this.slices.find(({ baseOffset, nextOffset }) => baseOffset <= offset && offset < nextOffset)
    if (slice === undefined) {
      const read = await this.sliceAt(offset, this.partition.highWatermark)
      if ('skipTo' in read) return null
      slice = read
      this.slices = [slice, ...this.slices].slice(0, SLICES_KEPT)
    }
    const letters: StoredLetter[] = []
    forEachBatch(slice, batch => {
      const endOffset = readInt64(batch, 0) + batch.readUInt32BE(BATCH_POSITION.lastOffsetDelta) + 1
      if (readInt64(batch, 0) <= offset && offset < endOffset) lettersIn(batch, offset, offset + 1, letters)
    })
    return letters[0] ?? null
  }

  /** Lets go of what was read. */
  forget (): void { this.slices = [] }

  private async sliceAt (offset: number, endOffset: number): Promise<LogSlice | { skipTo: number }> {
    const { log, highWatermark } = this.partition
    try {
      return await log.readSlice(offset, LIMITS.redriveReadBytes, Math.min(endOffset, highWatermark))
    } catch (error) {
      if (!(error instanceof LogReadFailure)) throw error
      const { reason } = error
      if (reason.kind === 'corrupt') return { skipTo: reason.to }
      if (reason.kind === 'out-of-range') return { skipTo: offset < log.logStartOffset ? log.logStartOffset : Infinity }
      throw error
    }
  }
}

function forEachBatch ({ buffers }: LogSlice, visit: (batch: Buffer) => void): void {
  for (const bytes of buffers) {
    for (let at = 0; at < bytes.length;) {
      const size = bytes.readUInt32BE(at + BATCH_POSITION.size)
      visit(bytes.subarray(at, at + size))
      at += size
    }
  }
}

function lettersIn (batch: Buffer, fromOffset: number, endOffset: number, letters: StoredLetter[]): void {
  const reader = new RecordReader()
  try {
    reader.open(batch)
    while (reader.next()) {
      if (reader.offset < fromOffset || reader.offset >= endOffset) continue
      const headers = reader.headers()
      const note = decodeDeadLetterNote(headers.findLast(({ name }) => name === DEAD_LETTER_HEADER)?.value ?? null)
      // A letter without content stays where people see it: there is nothing to move.
      if (note === null || note.damaged === true) continue
      const { offset, key, value, timestamp: timestampMs } = reader
      letters.push({ offset, key, value, headers, timestampMs, note })
    }
  } catch {
    // Not one of ours: an encrypted batch, or one of a faulty producer.
  }
}
