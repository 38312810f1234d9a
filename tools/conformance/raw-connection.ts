// One TCP connection for a conformance dialogue: it can say what no client would, and shows every frame that comes
// back, in order.

import { connect, type Socket } from 'node:net'
import {
  API_KEY, errorName, FRAME_FLAG, FrameReader, messageCodec, MessageError, type ApiName, type ErrorResponse, type Frame,
  type HelloResponse, type MessageOf,
} from '@sluice/protocol'
import { Deviation } from './deviation.js'

/** A frame as it came: its bytes are its own. */
export interface ArrivedFrame {
  readonly api: number
  readonly version: number
  readonly flags: number
  readonly correlation: number
  readonly body: Buffer
  readonly payload: Buffer
}

/** A response: `error` where the request failed as a whole, otherwise `fields`. */
export interface Answer<T> {
  readonly frame: ArrivedFrame
  readonly fields: T
  readonly error: ErrorResponse | null
}

export interface SendOptions {
  payload?: Buffer
  unordered?: boolean
  version?: number
  /** Flags beside UNORDERED. */
  flags?: number
  /** The next unused id where it is left out. */
  correlation?: number
}

/** Larger than any broker's limit on a response. */
const MAX_FRAME_BYTES = 256 * 1024 * 1024

export class RawConnection {
  private readonly socket: Socket
  private readonly timeoutMs: number
  private readonly reader = new FrameReader(frame => this.onFrame(frame), { maxFrameBytes: MAX_FRAME_BYTES })
  private readonly arrived: ArrivedFrame[] = []
  private fault: Error | null = null
  private closed = false
  private correlation = 0
  /** Called when a frame has come or the connection has gone. */
  private wake: () => void = () => {}

  private constructor (socket: Socket, timeoutMs: number) {
    this.socket = socket
    this.timeoutMs = timeoutMs
    socket.on('data', chunk => this.onData(chunk))
    // A reset is a close, too: the server had unread bytes of ours.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.wake()
    })
  }

  /** @param timeoutMs how long any one answer may take. */
  static open (host: string, port: number, timeoutMs: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true })
      const onError = (cause: Error): void => {
        reject(new Error(`cannot connect to ${host}:${port}: ${cause.message}; is a broker listening there?`, { cause }))
      }
      socket.setTimeout(timeoutMs, () => socket.destroy(new Error('timed out')))
      socket.once('error', onError)
      socket.once('connect', () => {
        socket.off('error', onError)
        socket.setTimeout(0)
        resolve(new RawConnection(socket, timeoutMs))
      })
    })
  }

  /** Sends bytes as they are. */
  sendBytes (bytes: Uint8Array): void { this.socket.write(bytes) }

  /** Sends a request; returns its correlation id. */
  send<A extends ApiName> (api: A, fields: MessageOf<A, 'request'>, options: SendOptions = {}): number {
    const frame = this.frameOf(api, fields, options)
    this.sendBytes(frame)
    return frame.readUInt32BE(8)
  }

  /** The bytes of a request. */
  frameOf<A extends ApiName> (api: A, fields: MessageOf<A, 'request'>, options: SendOptions = {}): Buffer {
    const { payload = Buffer.alloc(0), unordered = false, version = 1, flags = 0 } = options
    const correlation = options.correlation ?? ++this.correlation
    const head = { api: API_KEY[api], version, flags: flags | (unordered ? FRAME_FLAG.unordered : 0), correlation }
    const frame = messageCodec(api, 'request').encodeFrame(head, fields, payload.length)
    return Buffer.concat([frame, payload])
  }

  /** Sends a request and takes the next frame as its answer. */
  async ask<A extends ApiName> (
    api: A, fields: MessageOf<A, 'request'>, options: SendOptions = {},
  ): Promise<Answer<MessageOf<A, 'response'>>> {
    const correlation = this.send(api, fields, options)
    const answer = await this.answer(api)
    if (answer.frame.correlation !== correlation) {
      throw new Deviation(`an answer to request ${correlation} (${api})`, `one to request ${answer.frame.correlation}`)
    }
    return answer
  }

  /** Sends a request that must succeed as a whole; returns what the answer says. */
  async tell<A extends ApiName> (
    api: A, fields: MessageOf<A, 'request'>, options: SendOptions = {},
  ): Promise<MessageOf<A, 'response'> & { payload: Buffer }> {
    const { fields: response, error, frame } = await this.ask(api, fields, options)
    if (error !== null) throw new Deviation(`success of ${api}`, `${errorName(error.code)}: ${error.message}`)
    return Object.assign(response as object, { payload: frame.payload }) as MessageOf<A, 'response'> & { payload: Buffer }
  }

  /** The next frame, as a response to a request of this api. */
  async answer<A extends ApiName> (api: A): Promise<Answer<MessageOf<A, 'response'>>> {
    const frame = await this.next()
    if ((frame.flags & FRAME_FLAG.response) === 0) throw new Deviation('a frame with the RESPONSE flag', `flags ${frame.flags}`)
    if ((frame.flags & FRAME_FLAG.error) !== 0) {
      const error = decode('error', frame)
      return { frame, fields: null as never, error }
    }
    if (frame.api !== API_KEY[api]) throw new Deviation(`a response of api ${API_KEY[api]}, ${api}`, `api ${frame.api}`)
    return { frame, fields: decode(api, frame) as MessageOf<A, 'response'>, error: null }
  }

  /** The next frame. */
  async next (): Promise<ArrivedFrame> {
    await this.until(() => this.arrived.length > 0, 'a frame')
    return this.arrived.shift()!
  }

  /** Waits until the server has closed the connection. */
  async expectClose (): Promise<void> {
    await this.until(() => this.closed || this.arrived.length > 0, 'the end of the connection')
    if (this.arrived.length > 0) throw new Deviation('the end of the connection', `a frame of api ${this.arrived[0]!.api}`)
  }

  /** Says hello as an ordinary client. From then on a frame above the server's own limit is a deviation. */
  async hello (): Promise<HelloResponse> {
    const hello = await this.tell('hello',
      { clientName: 'conformance', clientVersion: '1', apis: [], features: 0, mechanism: null })
    this.reader.maxFrameBytes = hello.maxFrameBytes
    return hello
  }

  /** Stops reading, as a client does that is busy with something else. */
  pause (): void { this.socket.pause() }

  resume (): void { this.socket.resume() }

  close (): void { this.socket.destroy() }

  private async until (done: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + this.timeoutMs
    while (!done()) {
      if (this.fault !== null) throw this.fault
      if (this.closed) throw new Deviation(what, 'the connection was closed')
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) throw new Deviation(what, `nothing within ${this.timeoutMs} ms`)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, leftMs)
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  private onData (chunk: Buffer): void {
    try {
      this.reader.push(chunk)
    } catch (cause) {
      this.fault = new Deviation('frames', `bytes that are none: ${(cause as Error).message}`)
    }
    this.wake()
  }

  private onFrame (frame: Frame): void {
    const { api, version, flags, correlation, bytes, bodyStart, bodyEnd, payloadEnd } = frame
    if ((flags & FRAME_FLAG.notice) !== 0) return
    this.arrived.push({
      api,
      version,
      flags,
      correlation,
      body: Buffer.from(bytes.subarray(bodyStart, bodyEnd)),
      payload: Buffer.from(bytes.subarray(bodyEnd, payloadEnd)),
    })
  }
}

function decode<A extends ApiName | 'error'> (api: A, { body }: ArrivedFrame): MessageOf<A, 'response'> {
  try {
    return messageCodec(api, 'response').decode(body, 0, body.length)
  } catch (cause) {
    if (cause instanceof MessageError) throw new Deviation(`a body by the schema of ${api}.v1.response`, cause.message)
    throw cause
  }
}
