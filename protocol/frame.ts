// Frames: how messages are cut out of a TCP stream. Big-endian.
//
//    0          4      6       7       8             12           16
//    ├ size u32 ┼ api ─┼ ver ──┼ flags ┼ correlation ┼ bodySize ──┼ body (Avro) … ┼ payload (raw bytes) … ┤
//               └────────────────────────── size bytes ────────────────────────────────────────────────┘
//
// A response carries api, version and correlation of its request. Responses leave in request order per connection,
// but for those of requests with the UNORDERED flag, which leave when they are ready and hold up nothing.
//
// FrameReader never holds more than one incomplete frame, grows with the bytes that arrive and not with what a size
// field claims, and refuses a size above its limit before it keeps a byte of it. Its frames are valid for a moment
// only; FrameIntake is for receivers that keep them.

import { ERROR } from './generated/errors.js'

/** Bytes before the body. */
export const FRAME_HEADER_BYTES = 16
/** What `size` counts at least: the header fields behind it. */
export const FRAME_SIZE_MIN = FRAME_HEADER_BYTES - 4
/** Default of the largest `size` that is accepted, in bytes. */
export const FRAME_BYTES_MAX_DEFAULT = 16 * 1024 * 1024

/** Bits of the flags field. Unknown bits are ignored. */
export const FRAME_FLAG = {
  /** From broker to client. */
  response: 1 << 0,
  /** Request and its response: the response need not keep its place in the order. */
  unordered: 1 << 1,
  /** Response: the body is an ErrorResponse, whatever the api. */
  error: 1 << 2,
  /** Together with `response`: a message without a request; correlation is 0. */
  notice: 1 << 3,
  /** Request: passed on by a broker, which has found out who is to answer it: it goes no further. */
  forwarded: 1 << 4,
  /** Request: passed on by a broker to the coordinator of a group, which may ask leaders of partitions in its turn. */
  relayed: 1 << 5,
} as const

/** A frame in some buffer. Readers reuse one object: take out what must outlive the callback. */
export interface Frame {
  bytes: Buffer
  api: number
  version: number
  flags: number
  correlation: number
  bodyStart: number
  bodyEnd: number
  payloadEnd: number
}

/** Header fields of a frame to be sent. */
export interface FrameHead { api: number, version: number, flags: number, correlation: number }

/** The stream cannot be cut into frames any further: the connection has to be closed. */
export class FrameError extends Error {
  readonly code: number
  /** Header fields of the frame at fault, for an answer that its sender can match. */
  readonly head: FrameHead

  constructor (code: number, message: string, head: FrameHead) {
    super(message)
    this.name = 'FrameError'
    this.code = code
    this.head = head
  }
}

/** Writes the 16 header bytes at the start of `bytes`. */
export function writeFrameHeader (bytes: Buffer, head: FrameHead, bodySize: number, payloadSize: number): void {
  bytes.writeUInt32BE(FRAME_SIZE_MIN + bodySize + payloadSize, 0)
  bytes.writeUInt16BE(head.api, 4)
  bytes[6] = head.version
  bytes[7] = head.flags
  bytes.writeUInt32BE(head.correlation, 8)
  bytes.writeUInt32BE(bodySize, 12)
}

/** First size of the buffer for an incomplete frame. */
const FIRST_BYTES = 64 * 1024
/** The buffer may be so many times what has arrived: few copies of a large frame, little for a claim. */
const GROWTH = 4

/** Buffers of incomplete frames that are over, for the next ones of any reader: so many, and none larger than this. */
const SPARES_MAX = 16
const SPARE_BYTES_MAX = 2 * 1024 * 1024
const spares: Buffer[] = []

/** Memory for at least `bytes`, with anything in it. */
function takeBuffer (bytes: number): Buffer {
  for (let index = spares.length - 1; index >= 0; index--) {
    const spare = spares[index]!
    if (spare.length < bytes) continue
    spares[index] = spares[spares.length - 1]!
    spares.length--
    return spare
  }
  return Buffer.allocUnsafeSlow(bytes)
}

/** Takes back memory that nobody looks at any more: where there is enough, in the place of the smallest one. */
function giveBuffer (buffer: Buffer): void {
  if (buffer.length < FIRST_BYTES || buffer.length > SPARE_BYTES_MAX) return
  if (spares.length < SPARES_MAX) {
    spares.push(buffer)
    return
  }
  let smallest = 0
  for (let index = 1; index < SPARES_MAX; index++) {
    if (spares[index]!.length < spares[smallest]!.length) smallest = index
  }
  if (spares[smallest]!.length < buffer.length) spares[smallest] = buffer
}

/** Cuts a stream into frames. */
export class FrameReader {
  private readonly onFrame: (frame: Frame) => void
  private readonly frame: Frame = {
    bytes: Buffer.alloc(0), api: 0, version: 0, flags: 0, correlation: 0, bodyStart: 0, bodyEnd: 0, payloadEnd: 0,
  }

  /** An incomplete frame: `held` bytes of it so far. */
  private partial: Buffer | null = null
  private held = 0
  private stopped = false

  /** Largest size accepted, in bytes; may be changed between frames. */
  maxFrameBytes: number

  /** @param onFrame called for each frame, in order, inside `push`. Its bytes are valid during the call only. */
  constructor (onFrame: (frame: Frame) => void, options: { maxFrameBytes?: number } = {}) {
    this.onFrame = onFrame
    this.maxFrameBytes = options.maxFrameBytes ?? FRAME_BYTES_MAX_DEFAULT
  }

  /** Bytes of an incomplete frame that are held. */
  get heldBytes (): number { return this.held }

  /**
   * Takes the next bytes of the stream. They are not kept: the caller may reuse the chunk afterwards.
   *
   * @returns how many of them it took: all, unless `stop` was called. The rest is to be pushed before anything else.
   * @throws FrameError when the stream makes no sense; the reader is of no use afterwards.
   */
  push (chunk: Buffer): number {
    let position = 0
    this.stopped = false
    while (position < chunk.length && !this.stopped) {
      if (this.partial !== null) {
        position = this.fill(chunk, position)
        continue
      }
      const available = chunk.length - position
      const total = available >= FRAME_HEADER_BYTES ? frameBytesAt(chunk, position, this.maxFrameBytes) : 0
      if (total === 0 || total > available) {
        this.begin(chunk, position, total)
        return chunk.length
      }
      this.emit(chunk, position, total)
      position += total
    }
    return position
  }

  /** To be called inside `onFrame`: this frame is the last one of the running `push`. */
  stop (): void { this.stopped = true }

  /** Keeps the start of a frame; `total` is 0 while its header is incomplete. */
  private begin (chunk: Buffer, position: number, total: number): void {
    const size = chunk.length - position
    const capacity = total === 0 ? FRAME_HEADER_BYTES : Math.min(total, Math.max(FIRST_BYTES, size * GROWTH))
    this.partial = takeBuffer(capacity)
    chunk.copy(this.partial, 0, position)
    this.held = size
  }

  /** Adds bytes to the incomplete frame; returns the position in `chunk` after those taken. */
  private fill (chunk: Buffer, position: number): number {
    let partial = this.partial!
    if (this.held < FRAME_HEADER_BYTES) {
      const taken = Math.min(FRAME_HEADER_BYTES - this.held, chunk.length - position)
      chunk.copy(partial, this.held, position, position + taken)
      this.held += taken
      position += taken
      if (this.held < FRAME_HEADER_BYTES) return position
    }
    const total = frameBytesAt(partial, 0, this.maxFrameBytes)
    const taken = Math.min(total - this.held, chunk.length - position)
    if (this.held + taken > partial.length) {
      const capacity = Math.min(total, (this.held + taken) * GROWTH)
      const grown = takeBuffer(capacity)
      partial.copy(grown, 0, 0, this.held)
      giveBuffer(partial)
      this.partial = partial = grown
    }
    chunk.copy(partial, this.held, position, position + taken)
    this.held += taken
    if (this.held === total) {
      this.partial = null
      this.held = 0
      this.emit(partial, 0, total)
      giveBuffer(partial)
    }
    return position + taken
  }

  private emit (bytes: Buffer, position: number, total: number): void {
    placeFrame(this.frame, bytes, position, total)
    this.onFrame(this.frame)
  }
}

/**
 * Size of the frame at `position`, header and all, in bytes. Its header is there.
 *
 * @throws FrameError where it makes no sense, or `size` is above `maxFrameBytes`.
 */
export function frameBytesAt (bytes: Buffer, position: number, maxFrameBytes: number): number {
  const size = bytes.readUInt32BE(position)
  if (size < FRAME_SIZE_MIN) {
    throw frameError(ERROR.MALFORMED_FRAME, `frame size ${size} is below the ${FRAME_SIZE_MIN} bytes of its header fields`, bytes, position)
  }
  if (size > maxFrameBytes) {
    throw frameError(ERROR.FRAME_TOO_LARGE, `frame of ${size} bytes is above the limit of ${maxFrameBytes} bytes; send less at once`, bytes, position)
  }
  const bodySize = bytes.readUInt32BE(position + 12)
  if (bodySize > size - FRAME_SIZE_MIN) {
    throw frameError(ERROR.MALFORMED_FRAME, `body of ${bodySize} bytes does not fit a frame of size ${size}`, bytes, position)
  }
  return size + 4
}

/** Sets `frame` onto the `total` bytes of a frame at `position`. */
export function placeFrame (frame: Frame, bytes: Buffer, position: number, total: number): void {
  frame.bytes = bytes
  frame.api = bytes.readUInt16BE(position + 4)
  frame.version = bytes[position + 6]!
  frame.flags = bytes[position + 7]!
  frame.correlation = bytes.readUInt32BE(position + 8)
  frame.bodyStart = position + FRAME_HEADER_BYTES
  frame.bodyEnd = frame.bodyStart + bytes.readUInt32BE(position + 12)
  frame.payloadEnd = position + total
}

function frameError (code: number, message: string, bytes: Buffer, position: number): FrameError {
  return new FrameError(code, message, {
    api: bytes.readUInt16BE(position + 4),
    version: bytes[position + 6]!,
    flags: bytes[position + 7]!,
    correlation: bytes.readUInt32BE(position + 8),
  })
}
