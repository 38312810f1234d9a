// The connection over which this broker passes requests of clients on to one other broker: a client's connection like
// any other, but that its frames say so: the other one does not pass them on again.
//
//   request ─▶ [connecting: hello] ─▶ up ── answer ──▶ resolved
//                    └── broken ──────┴───────────────▶ all that wait are refused; the next request connects anew
//
// Answers come in any order: a heartbeat that waits holds up nothing.

import { connect, type Socket } from 'node:net'
import {
  API_KEY, decodeBody, ERROR, FRAME_FLAG, FrameReader, messageCodec, type ApiName, type Frame, type MessageCodec,
  type MessageOf,
} from '@sluice/protocol'

export interface ForwardAddress { readonly host: string, readonly port: number }

/** How a request is made. */
export interface ForwardTerms {
  /** Of FRAME_FLAG: forwarded or relayed. */
  readonly flag: number
  /** How long the other broker may take. */
  readonly timeoutMs: number
  /** Monotonic. */
  readonly nowMs: number
}

/** The other broker has refused the request as a whole, or could not be reached. */
export class ForwardError extends Error {
  readonly code: number
  readonly retryAfterMs: number

  constructor (code: number, message: string, retryAfterMs = 0) {
    super(message)
    this.name = 'ForwardError'
    this.code = code
    this.retryAfterMs = retryAfterMs
  }
}

interface Waiting {
  readonly codec: MessageCodec<unknown>
  readonly dueMs: number
  resolve (message: unknown): void
  reject (error: ForwardError): void
}

const HELLO = messageCodec('hello', 'request')
const ERROR_RESPONSE = messageCodec('error', 'response')
/** A request that is not answered so long after its own time has an answer that nobody waits for. */
const SLACK_MS = 1_000
const HELLO_CORRELATION = 0

export class ForwardLink {
  readonly address: ForwardAddress
  private readonly clientName: string
  private socket: Socket | null = null
  private readonly waiting = new Map<number, Waiting>()
  private nextCorrelation = 1

  constructor (address: ForwardAddress, clientName: string) {
    this.address = address
    this.clientName = clientName
  }

  /** @throws ForwardError as a rejection. */
  request<A extends ApiName> (
    api: A, message: MessageOf<A, 'request'>, { flag, timeoutMs, nowMs }: ForwardTerms, payload: Buffer | null = null,
  ): Promise<MessageOf<A, 'response'>> {
    const socket = this.socket ??= this.dial()
    const correlation = this.nextCorrelation
    this.nextCorrelation = correlation % 0x7fffffff + 1
    const head = { api: API_KEY[api], version: 1, flags: FRAME_FLAG.unordered | flag, correlation }
    const frame = messageCodec(api, 'request').encodeFrame(head, message, payload?.length ?? 0)
    return new Promise((resolve, reject) => {
      const codec = messageCodec(api, 'response') as MessageCodec<unknown>
      const dueMs = nowMs + timeoutMs + SLACK_MS
      this.waiting.set(correlation, { codec, dueMs, resolve: resolve as (message: unknown) => void, reject })
      socket.cork()
      socket.write(frame)
      if (payload !== null) socket.write(payload)
      socket.uncork()
    })
  }

  /** To be called now and then: gives up what is not answered. */
  tick (nowMs: number): void {
    for (const [correlation, { dueMs, reject }] of this.waiting) {
      if (nowMs < dueMs) continue
      this.waiting.delete(correlation)
      reject(this.unreachable('it did not answer in time'))
    }
  }

  close (): void { this.drop('closed') }

  private dial (): Socket {
    const socket = connect(this.address)
    socket.setNoDelay(true)
    const reader = new FrameReader(frame => { if (socket === this.socket) this.onFrame(frame) })
    socket.on('data', chunk => {
      try {
        reader.push(chunk)
      } catch (error) {
        if (socket === this.socket) this.drop((error as Error).message)
      }
    })
    socket.on('error', error => { if (socket === this.socket) this.drop(error.message) })
    socket.on('close', () => { if (socket === this.socket) this.drop('the connection has ended') })
    socket.write(HELLO.encodeFrame({ api: API_KEY.hello, version: 1, flags: 0, correlation: HELLO_CORRELATION },
      { clientName: this.clientName, clientVersion: '', apis: [], features: 0, mechanism: null }))
    return socket
  }

  private onFrame (frame: Frame): void {
    if ((frame.flags & FRAME_FLAG.notice) !== 0) return
    const { correlation } = frame
    const isError = (frame.flags & FRAME_FLAG.error) !== 0
    if (correlation === HELLO_CORRELATION) {
      if (isError) this.drop(decodeBody(ERROR_RESPONSE, frame).message)
      return
    }
    const waiting = this.waiting.get(correlation)
    if (waiting === undefined) return
    this.waiting.delete(correlation)
    if (!isError) return waiting.resolve(decodeBody(waiting.codec, frame))
    const { code, message, retryAfterMs } = decodeBody(ERROR_RESPONSE, frame)
    waiting.reject(new ForwardError(code, message, retryAfterMs))
  }

  private drop (reason: string): void {
    const { socket } = this
    this.socket = null
    socket?.destroy()
    const waiting = [...this.waiting.values()]
    this.waiting.clear()
    for (const { reject } of waiting) reject(this.unreachable(reason))
  }

  private unreachable (reason: string): ForwardError {
    const { host, port } = this.address
    return new ForwardError(ERROR.LEADER_NOT_AVAILABLE, `the broker at ${host}:${port} could not be asked: ${reason}; retry`)
  }
}
