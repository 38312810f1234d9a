// Bounds what the queue groups of a broker keep of their reads from the disk, all together: what was kept first goes
// first. A group whose piece is gone reads it again.
//
// Invariant: `sizeBytes` is at most `maxBytes`, or that of the one piece that was kept last.

import type { LogSlice } from '@sluice/storage'

/** Who keeps pieces. */
export interface PieceOwner {
  /** A piece has to go: nothing may point to it any more. */
  drop (piece: LogSlice): void
}

export class ReadBudget {
  private readonly maxBytes: number
  /** In the order in which they were kept. */
  private readonly owners = new Map<LogSlice, PieceOwner>()
  private bytes = 0

  constructor (maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get sizeBytes (): number { return this.bytes }

  add (piece: LogSlice, owner: PieceOwner): void {
    this.owners.set(piece, owner)
    this.bytes += memoryOf(piece)
    for (const [oldest, holder] of this.owners) {
      if (this.bytes <= this.maxBytes || oldest === piece) return
      this.remove(oldest)
      holder.drop(oldest)
    }
  }

  remove (piece: LogSlice): void {
    if (this.owners.delete(piece)) this.bytes -= memoryOf(piece)
  }
}

/** Bytes that a piece keeps alive: those of the memory that it lies in. */
function memoryOf ({ buffers }: LogSlice): number {
  let bytes = 0
  let last: ArrayBufferLike | null = null
  for (const { buffer } of buffers) {
    if (buffer !== last) bytes += buffer.byteLength
    last = buffer
  }
  return bytes
}
