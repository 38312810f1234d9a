// What a queue group has read from the disk last: it looks at records before it leases them, and sends them next. So a
// backlog is read once, and not once more for each receive.
//
// Invariant: bounded in pieces, and in bytes together with all other groups of the broker; the log gives whole batches,
// of a piece's size or one.

import { BATCH_POSITION, readInt64, ThinCursor } from '@sluice/protocol'
import type { LogSlice } from '@sluice/storage'
import type { PieceOwner, ReadBudget } from './read-budget.js'

const PIECES_MAX = 4

export class RecentReads implements PieceOwner {
  private readonly budget: ReadBudget
  /** The latest first. */
  private pieces: LogSlice[] = []
  /** Where receives of a few records each have come to. */
  readonly thinCursor = new ThinCursor()

  constructor (budget: ReadBudget) {
    this.budget = budget
  }

  keep (slice: LogSlice): void {
    if (slice.sizeBytes === 0) return
    const all = [slice, ...this.pieces]
    for (const old of all.slice(PIECES_MAX)) this.budget.remove(old)
    this.pieces = all.slice(0, PIECES_MAX)
    this.budget.add(slice, this)
  }

  drop (piece: LogSlice): void { this.pieces = this.pieces.filter(kept => kept !== piece) }

  clear (): void {
    for (const piece of this.pieces) this.budget.remove(piece)
    this.pieces = []
  }

  /** The piece with the batch that holds an offset, or null. */
  find (offset: number): LogSlice | null {
    for (const piece of this.pieces) if (offset >= piece.baseOffset && offset < piece.nextOffset) return piece
    return null
  }

  /** The batch that holds an offset, or null. */
  batchAt (offset: number): Buffer | null {
    const piece = this.find(offset)
    if (piece === null) return null
    for (const bytes of piece.buffers) {
      for (let at = 0; at < bytes.length;) {
        const size = bytes.readUInt32BE(at + BATCH_POSITION.size)
        const nextOffset = readInt64(bytes, at) + bytes.readUInt32BE(at + BATCH_POSITION.lastOffsetDelta) + 1
        if (offset < nextOffset) return bytes.subarray(at, at + size)
        at += size
      }
    }
    return null
  }
}
