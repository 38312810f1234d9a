// Cuts a stream of bytes into lines.
//
//   push(chunk) ─▶ next() next() next() … null ─▶ push(chunk) …  ─▶ end() next() null
//
// A line ends before its newline (byte 10); nothing else is taken off, so `\r` stays. What follows the last newline
// is a line too, unless it is empty. Lines are views of the chunk where they lie in one, else they are joined.
//
// Invariant: what is kept from one chunk to the next is at most `bytesMax` bytes. A longer line is passed over: it
// comes out empty, with `lineSize` above its length.

const NEWLINE = 10
const EMPTY = Buffer.alloc(0)

export class LineSplitter {
  /** Bytes of the line that `next` returned last, all of them counted. */
  lineSize = 0
  private readonly bytesMax: number
  private chunk: Buffer = EMPTY
  private position = 0
  /** Pieces of the line that is not finished, from earlier chunks. */
  private pieces: Buffer[] = []
  private piecesSize = 0
  private ended = false

  /** @param bytesMax longest line that is kept, in bytes. */
  constructor (bytesMax: number) {
    this.bytesMax = bytesMax
  }

  /** Gives it more; only after `next` has returned null. */
  push (chunk: Buffer): void {
    this.chunk = chunk
    this.position = 0
  }

  /** No more will come. */
  end (): void {
    this.ended = true
  }

  /** The next line, without its newline, or null where more bytes are needed. */
  next (): Buffer | null {
    const { chunk, position } = this
    const newline = position < chunk.length ? chunk.indexOf(NEWLINE, position) : -1
    if (newline < 0) {
      this.keep(chunk.subarray(position))
      this.chunk = EMPTY
      this.position = 0
      return this.ended && this.piecesSize > 0 ? this.join() : null
    }
    this.position = newline + 1
    if (this.piecesSize === 0) {
      this.lineSize = newline - position
      return this.lineSize > this.bytesMax ? EMPTY : chunk.subarray(position, newline)
    }
    this.keep(chunk.subarray(position, newline))
    return this.join()
  }

  private keep (piece: Buffer): void {
    if (piece.length === 0) return
    this.piecesSize += piece.length
    if (this.piecesSize > this.bytesMax) this.pieces = []
    else this.pieces.push(piece)
  }

  private join (): Buffer {
    const { pieces, piecesSize } = this
    this.pieces = []
    this.piecesSize = 0
    this.lineSize = piecesSize
    if (piecesSize > this.bytesMax) return EMPTY
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, piecesSize)
  }
}
