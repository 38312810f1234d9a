// A client down to the wire: says what it is told to say, also what no sound client would. The other side of the
// client SDK in these tests: what both see has to agree.

import { connect, type Socket } from 'node:net'
import {
  API_KEY, API_VERSIONS, ERROR, FRAME_FLAG, FrameIntake, decodeBody, errorName, messageCodec,
  type ApiName, type ErrorResponse, type Frame, type GoAwayNotice, type HelloResponse, type MessageOf,
} from '@sluice/protocol'

/** The broker answered a request with an error; `code` is its number. */
export class WireError extends Error {
  readonly code: number
  readonly api: ApiName | null

  constructor (api: ApiName | null, { code, message }: ErrorResponse) {
    super(`${api ?? 'request'}: ${message} (${errorName(code)})`)
    this.name = 'WireError'
    this.code = code
    this.api = api
  }
}

/** Throws what an item of an answer says is wrong. @throws WireError */
export function throwOnError (api: ApiName, { error, message }: { error: number, message: string }): void {
  if (error !== 0) throw new WireError(api, { code: error, message, retryAfterMs: 0 })
}

/** The connection ended before the answer came. */
export class ConnectionLostError extends Error {}

export interface WireAnswer<T> { readonly message: T, readonly payload: Buffer }

interface Pending {
  /** Null where the answer is not looked into. */
  readonly api: ApiName | null
  readonly resolve: (answer: WireAnswer<unknown>) => void
  readonly reject: (error: Error) => void
}

export interface WireRequestOptions {
  payload?: Buffer
  unordered?: boolean
  /** The broker is to answer by itself, and to pass nothing on. */
  forwarded?: boolean
}

export class WirePeer {
  readonly socket: Socket
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>
  /** Errors about the connection itself, which belong to no request. */
  readonly connectionErrors: ErrorResponse[] = []
  readonly goAways: GoAwayNotice[] = []
  private readonly reader: FrameIntake
  private readonly pending = new Map<number, Pending>()
  private nextCorrelation = 1
  private gone = false

  private constructor (socket: Socket) {
    this.socket = socket
    this.reader = new FrameIntake(frame => this.onFrame(frame))
    socket.setNoDelay(true)
    socket.on('data', chunk => this.reader.push(chunk))
    socket.on('error', () => {})
    this.closed = new Promise(resolve => socket.once('close', () => {
      this.gone = true
      for (const { reject, api } of this.pending.values()) reject(new ConnectionLostError(`connection lost during ${api}`))
      this.pending.clear()
      resolve()
    }))
  }

  /** Connects and says hello. @throws where nobody listens, WireError where the hello is refused. */
  static async connect (port: number): Promise<WirePeer> {
    const peer = await WirePeer.connectSilently(port)
    await peer.hello()
    return peer
  }

  /** Connects and says nothing. */
  static async connectSilently (port: number): Promise<WirePeer> {
    const socket = connect({ port, host: '127.0.0.1' })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new WirePeer(socket)
  }

  get isClosed (): boolean { return this.gone }

  async hello (): Promise<HelloResponse> {
    const apis = Object.entries(API_VERSIONS).map(([name, { min, max }]) =>
      ({ api: API_KEY[name as ApiName], minVersion: min, maxVersion: max }))
    const { message } = await this.request('hello', {
      clientName: 'wire-peer', clientVersion: '0', apis, features: 0, mechanism: null,
    })
    return message
  }

  /** Sends a request and waits for its answer. @throws WireError, ConnectionLostError */
  request<A extends ApiName> (
    api: A, message: MessageOf<A, 'request'>, options: WireRequestOptions = {},
  ): Promise<WireAnswer<MessageOf<A, 'response'>>> {
    if (this.gone) return Promise.reject(new ConnectionLostError('the connection is gone'))
    const correlation = this.nextCorrelation++
    const answer = new Promise<WireAnswer<unknown>>((resolve, reject) => {
      this.pending.set(correlation, { api, resolve, reject })
    })
    this.send(frameOf(api, message, correlation, options))
    return answer as Promise<WireAnswer<MessageOf<A, 'response'>>>
  }

  /** A correlation id for a request that the caller sends by itself; `error` is the error name of its answer. */
  reserve (): { id: number, error: Promise<string> } {
    const id = this.nextCorrelation++
    const error = new Promise<string>((resolve, reject) => {
      this.pending.set(id, {
        api: null,
        resolve: () => resolve(errorName(ERROR.NONE)),
        reject: failure => failure instanceof WireError ? resolve(errorName(failure.code)) : reject(failure),
      })
    })
    return { id, error }
  }

  /** Sends bytes as they are. */
  send (bytes: Uint8Array): void { this.socket.write(bytes) }

  async close (): Promise<void> {
    this.socket.destroy()
    await this.closed
  }

  async [Symbol.asyncDispose] (): Promise<void> { await this.close() }

  private onFrame (frame: Frame): void {
    if ((frame.flags & FRAME_FLAG.notice) !== 0) {
      if (frame.api === API_KEY.goAway) this.goAways.push(decodeBody(messageCodec('goAway', 'notice'), frame))
      return
    }
    const waiting = this.pending.get(frame.correlation)
    this.pending.delete(frame.correlation)
    if ((frame.flags & FRAME_FLAG.error) !== 0) {
      const error = decodeBody(messageCodec('error', 'response'), frame)
      if (waiting === undefined) this.connectionErrors.push(error)
      else waiting.reject(new WireError(waiting.api, error))
      return
    }
    if (waiting === undefined) throw new Error(`the broker answered request ${frame.correlation}, which nobody sent`)
    waiting.resolve({
      message: waiting.api === null ? null : decodeBody(messageCodec(waiting.api, 'response'), frame),
      payload: frame.bytes.subarray(frame.bodyEnd, frame.payloadEnd),
    })
  }
}

/** The bytes of a request. */
export function frameOf<A extends ApiName> (
  api: A, message: MessageOf<A, 'request'>, correlation: number, options: WireRequestOptions = {},
): Buffer {
  const payload = options.payload ?? Buffer.alloc(0)
  const flags = (options.unordered === true ? FRAME_FLAG.unordered : 0) |
    (options.forwarded === true ? FRAME_FLAG.forwarded : 0)
  const frameHead = { api: API_KEY[api], version: 1, flags, correlation }
  const head = messageCodec(api, 'request').encodeFrame(frameHead, message, payload.length)
  return payload.length === 0 ? head : Buffer.concat([head, payload])
}
