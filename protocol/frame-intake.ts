// Takes in a stream of frames and hands each one to a receiver that may keep it, with as little copying as can be.
//
//   scratch:  [frame][frame][head of a large one … end of what was read]
//               │      │       └──▶ memory of its own, the rest of it is read straight into that
//               └──────┴──▶ memory of its own, each
//
// The socket reads into `target()`. A frame that lies whole in the scratch memory is small and copied out of it. The
// memory of one that does not is made as soon as its header is there, and is the target until the frame is complete:
// but for its first bytes a large frame is never copied.
//
// Invariants: large frames share no memory, small ones a few KiB, so that keeping one keeps little else; at most one
// frame is incomplete; a size above the limit is refused before memory is made for it; memory is made on the word of a
// header up to FIRST_BYTES_MAX (the system gives it page by page, as bytes arrive), beyond that it grows with them.

import { FRAME_BYTES_MAX_DEFAULT, FRAME_HEADER_BYTES, frameBytesAt, placeFrame, type Frame } from './frame.js'

const SCRATCH_BYTES = 64 * 1024
const FIRST_BYTES_MAX = FRAME_BYTES_MAX_DEFAULT
const GROWTH = 4

/** See the head of this file. */
export class FrameIntake {
  /** Largest size accepted, in bytes; may be changed between frames. */
  maxFrameBytes: number
  private readonly onFrame: (frame: Frame) => void
  private readonly frame: Frame = {
    bytes: Buffer.alloc(0), api: 0, version: 0, flags: 0, correlation: 0, bodyStart: 0, bodyEnd: 0, payloadEnd: 0,
  }

  private readonly scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  /** Memory of the frame that is incomplete; null where there is none, or its header has not come whole. */
  private partial: Buffer | null = null
  private partialTotal = 0
  /** Bytes of an incomplete frame so far, in `partial` or at the start of the scratch memory. */
  private held = 0

  /** @param onFrame called for each frame, in order, inside `took` and `push`. Its `bytes` are the receiver's. */
  constructor (onFrame: (frame: Frame) => void, options: { maxFrameBytes?: number } = {}) {
    this.onFrame = onFrame
    this.maxFrameBytes = options.maxFrameBytes ?? FRAME_BYTES_MAX_DEFAULT
  }

  /** Bytes of an incomplete frame that are held. */
  get heldBytes (): number { return this.held }

  /** Where the next bytes of the stream have to be put, at its start; never empty. Valid until the next call. */
  target (): Buffer {
    return this.partial === null ? this.scratch.subarray(this.held) : this.partial.subarray(this.held)
  }

  /**
   * `size` more bytes of the stream are in the target.
   *
   * @throws FrameError when the stream makes no sense; the intake is of no use afterwards.
   */
  took (size: number): void {
    this.held += size
    const { partial } = this
    if (partial === null) return this.cut(this.held)
    if (this.held < partial.length) return
    if (this.held < this.partialTotal) {
      this.partial = Buffer.allocUnsafeSlow(Math.min(this.partialTotal, this.held * GROWTH))
      partial.copy(this.partial, 0, 0, this.held)
      return
    }
    this.partial = null
    this.held = 0
    this.emit(partial)
  }

  /**
   * Takes bytes that lie elsewhere, for streams that cannot read into the target. They are not kept.
   *
   * @throws FrameError as `took` does.
   */
  push (chunk: Buffer): void {
    for (let position = 0; position < chunk.length;) {
      const target = this.target()
      const end = Math.min(chunk.length, position + target.length)
      chunk.copy(target, 0, position, end)
      this.took(end - position)
      position = end
    }
  }

  /** Takes the frames out of the first `end` bytes of the scratch memory, and begins the one that they end in. */
  private cut (end: number): void {
    const { scratch } = this
    let position = 0
    while (end - position >= FRAME_HEADER_BYTES) {
      const total = frameBytesAt(scratch, position, this.maxFrameBytes)
      const available = end - position
      if (total > available) {
        this.partial = Buffer.allocUnsafeSlow(Math.min(total, FIRST_BYTES_MAX))
        this.partialTotal = total
        this.held = available
        scratch.copy(this.partial, 0, position, end)
        return
      }
      const bytes = Buffer.allocUnsafe(total)
      scratch.copy(bytes, 0, position, position + total)
      position += total
      this.emit(bytes)
    }
    scratch.copyWithin(0, position, end)
    this.held = end - position
  }

  private emit (bytes: Buffer): void {
    placeFrame(this.frame, bytes, 0, bytes.length)
    this.onFrame(this.frame)
  }
}
