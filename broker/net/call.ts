// One request on its way through the broker: what the handler needs to answer it, exactly once.

import { ERROR, FRAME_FLAG, FRAME_HEADER_BYTES, messageCodec, type ApiName, type Frame, type MessageCodec } from '@sluice/protocol'
import type { Connection } from './connection.js'
import type { ResponseSlot } from './response-queue.js'

const ERROR_CODEC = messageCodec('error', 'response')
const NOTHING: readonly Buffer[] = []
const FLAGS_POSITION = 7
const CORRELATION_POSITION = 8

export class Call<Response = unknown> {
  readonly connection: Connection
  readonly api: number
  readonly version: number
  readonly flags: number
  readonly correlation: number
  /** Bytes of the request that count as in flight until it is answered. */
  readonly requestBytes: number
  /** Null for an unordered request. */
  readonly slot: ResponseSlot | null
  answered = false
  private readonly codec: MessageCodec<Response>

  constructor (connection: Connection, frame: Frame, codec: MessageCodec<Response>, slot: ResponseSlot | null) {
    this.connection = connection
    this.api = frame.api
    this.version = frame.version
    this.flags = frame.flags
    this.correlation = frame.correlation
    this.requestBytes = frame.payloadEnd - frame.bodyStart
    this.slot = slot
    this.codec = codec
  }

  /**
   * Sends the response; without effect where the call is answered already.
   *
   * @param onSent called when the system has taken all of it, so that the payload's memory may be used again. Not
   *   called where it could not be sent.
   */
  respond (
    response: Response, payload: readonly Buffer[] = NOTHING, payloadBytes = 0, onSent: (() => void) | null = null,
  ): void {
    if (this.answered) return
    const head = this.codec.encodeFrame(this.head(0), response, payloadBytes)
    // The client would have to take it for a broken stream. Nothing that changes anything has answers of this size.
    const size = head.length + payloadBytes
    if (size > this.connection.maxFrameBytes) {
      return this.fail(ERROR.FRAME_TOO_LARGE,
        `the answer has ${size} bytes, above the limit of ${this.connection.maxFrameBytes} bytes; ask for less at once`)
    }
    this.finish(payload.length === 0 ? [head] : [head, ...payload], onSent)
  }

  /** Answers that the request failed as a whole. */
  fail (code: number, message: string, retryAfterMs = 0): void {
    if (this.answered) return
    this.finish([ERROR_CODEC.encodeFrame(this.head(FRAME_FLAG.error), { code, message, retryAfterMs })])
  }

  /** Answers with a frame that another broker made for this request; it becomes the call's. */
  pass ({ bytes, flags, bodyStart, payloadEnd }: Frame): void {
    if (this.answered) return
    const frame = bytes.subarray(bodyStart - FRAME_HEADER_BYTES, payloadEnd)
    frame[FLAGS_POSITION] = (flags & ~FRAME_FLAG.unordered) | (this.flags & FRAME_FLAG.unordered)
    frame.writeUInt32BE(this.correlation, CORRELATION_POSITION)
    this.finish([frame])
  }

  /** Ends a request to which no answer is sent. */
  finishSilently (): void {
    if (!this.answered) this.finish(NOTHING)
  }

  /** True where the answer can leave as soon as it is there: nothing asked for before holds it up. */
  get isInTurn (): boolean { return this.slot === null || this.connection.isFirst(this.slot) }

  /** Calls `run` once when the call has come in turn. Not for one that is. */
  whenInTurn (run: () => void): void { this.slot!.onFirst = run }

  private head (extraFlags: number): { api: number, version: number, flags: number, correlation: number } {
    const flags = FRAME_FLAG.response | (this.flags & FRAME_FLAG.unordered) | extraFlags
    return { api: this.api, version: this.version, flags, correlation: this.correlation }
  }

  private finish (buffers: readonly Buffer[], onSent: (() => void) | null = null): void {
    this.answered = true
    this.connection.finish(this, buffers, onSent)
  }
}

/** A handler of one api. The payload lies in `frame` and is valid during the call only. */
export interface ApiHandler<Request, Response> {
  readonly api: ApiName
  /** True where requests are never answered, unless with an error. */
  readonly isOneWay?: boolean
  /** True where requests are served while the broker stops. */
  readonly isServedToTheEnd?: boolean
  handle (request: Request, call: Call<Response>, frame: Frame): void
}
