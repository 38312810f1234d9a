// A connection to another broker in the name of one client: what that client asks for and this broker does not lead
// goes over it, frame by frame, and so do its sessions. When the client goes, it goes too, and the other broker does
// what it does when a client is gone.
//
//   client ══ connection ══▶ this broker ── upstream, one for each client and broker ──▶ the leader
//
// Frames are passed on as they are, but for flags and correlation. A client that does not take its answers stops this
// connection from being read, as it would stop its own.

import { connect, type Socket } from 'node:net'
import {
  API_KEY, ERROR, FRAME_FLAG, FRAME_HEADER_BYTES, FrameIntake, decodeBody, messageCodec, type Frame, type FrameHead,
} from '@sluice/protocol'
import type { Connection } from '../net/connection.js'

/** What came back: a frame, whose bytes belong to whoever gets it, or why none did. */
export type UpstreamAnswer =
  | { readonly frame: Frame }
  | { readonly frame: null, readonly code: number, readonly message: string, readonly retryAfterMs: number }

export type TakeAnswer = (answer: UpstreamAnswer) => void

export interface UpstreamAddress { readonly brokerId: number, readonly host: string, readonly port: number }

interface Waiting { readonly take: TakeAnswer, readonly dueMs: number }

const HELLO = messageCodec('hello', 'request')
const ERROR_RESPONSE = messageCodec('error', 'response')
const HELLO_CORRELATION = 0
const FLAGS_POSITION = 7
const CORRELATION_POSITION = 8

export class Upstream {
  readonly address: UpstreamAddress
  /** Sessions of the client that are open over there. */
  readonly sessions = new Set<number>()
  private readonly client: Connection
  private readonly socket: Socket
  private readonly waiting = new Map<number, Waiting>()
  private nextCorrelation = 1
  private isUp = false
  private gone = false

  constructor (address: UpstreamAddress, client: Connection) {
    this.address = address
    this.client = client
    const intake = new FrameIntake(frame => this.onFrame(frame), { maxFrameBytes: client.maxFrameBytes })
    const socket = this.socket = connect({
      host: address.host,
      port: address.port,
      noDelay: true,
      keepAlive: true,
      onread: {
        buffer: () => intake.target(),
        callback: size => {
          try {
            intake.took(size)
          } catch (error) {
            this.drop((error as Error).message)
          }
          this.holdBack()
          return true
        },
      },
    })
    socket.on('connect', () => { this.isUp = true })
    socket.on('error', error => this.drop(error.message))
    socket.on('end', () => this.drop('it closed the connection'))
    socket.on('close', () => this.drop('the connection has ended'))
    const { clientName = '', clientVersion = '' } = client.hello ?? {}
    socket.write(HELLO.encodeFrame({ api: API_KEY.hello, version: 1, flags: 0, correlation: HELLO_CORRELATION },
      { clientName, clientVersion, apis: [], features: 0, mechanism: null }))
  }

  get isGone (): boolean { return this.gone }

  /** The head of a frame that is sent next, by `send` of what is made with it. */
  headOf (api: number, version: number): FrameHead {
    const correlation = this.nextCorrelation
    this.nextCorrelation = correlation % 0x7fffffff + 1
    return { api, version, flags: FRAME_FLAG.unordered | FRAME_FLAG.forwarded, correlation }
  }

  /** Sends a frame made with `headOf`; `take` is called once, by `dueMs` of the monotonic clock or a little later. */
  send (head: FrameHead, buffers: readonly Buffer[], dueMs: number, take: TakeAnswer): void {
    if (this.gone) return take(this.failure('the connection has ended'))
    this.waiting.set(head.correlation, { take, dueMs })
    this.write(buffers)
  }

  /** Sends a frame that is never answered; `done` is called when it has left, or never will. */
  sendSilently (buffers: readonly Buffer[], done: () => void): void {
    this.write(buffers, done)
  }

  /** Passes a request of the client on as it is. */
  pass (frame: Frame, dueMs: number, take: TakeAnswer): void {
    const head = this.headOf(frame.api, frame.version)
    this.send(head, [passable(frame, head)], dueMs, take)
  }

  /** As `pass`, for a request that is never answered. */
  passSilently (frame: Frame, done: () => void): void {
    this.sendSilently([passable(frame, this.headOf(frame.api, frame.version))], done)
  }

  /** To be called now and then: gives up what is not answered. */
  tick (nowMs: number): void {
    for (const [correlation, { take, dueMs }] of this.waiting) {
      if (nowMs < dueMs) continue
      this.waiting.delete(correlation)
      take(this.failure('it did not answer in time'))
    }
  }

  close (): void { this.drop('the client has gone') }

  private write (buffers: readonly Buffer[], done?: () => void): void {
    if (this.gone) return done?.()
    const { socket } = this
    const last = buffers.length - 1
    socket.cork()
    for (const [index, buffer] of buffers.entries()) {
      if (index === last && done !== undefined) socket.write(buffer, () => done())
      else socket.write(buffer)
    }
    socket.uncork()
  }

  private onFrame (frame: Frame): void {
    if ((frame.flags & FRAME_FLAG.notice) !== 0) return
    const { correlation } = frame
    if (correlation === HELLO_CORRELATION) {
      if ((frame.flags & FRAME_FLAG.error) !== 0) this.drop(decodeBody(ERROR_RESPONSE, frame).message)
      return
    }
    const waiting = this.waiting.get(correlation)
    if (waiting === undefined) return
    this.waiting.delete(correlation)
    if ((frame.flags & FRAME_FLAG.error) === 0) return waiting.take({ frame })
    waiting.take({ frame: null, ...decodeBody(ERROR_RESPONSE, frame) })
  }

  /** Reads on when the client has taken what there is. */
  private holdBack (): void {
    const { socket, client } = this
    if (this.gone || !client.isCongested || socket.isPaused()) return
    socket.pause()
    client.whenDrained(() => { socket.resume() })
  }

  private drop (reason: string): void {
    if (this.gone) return
    this.gone = true
    this.socket.destroy()
    const waiting = [...this.waiting.values()]
    this.waiting.clear()
    for (const { take } of waiting) take(this.failure(reason))
  }

  /** What was sent over a connection that stood may have been done. */
  private failure (reason: string): UpstreamAnswer {
    const { brokerId, host, port } = this.address
    const message = this.isUp
      ? `broker ${brokerId} at ${host}:${port} was asked and did not answer (${reason}); it may have done it: retry`
      : `broker ${brokerId} at ${host}:${port} could not be asked: ${reason}; retry`
    const code = this.isUp ? ERROR.REQUEST_TIMED_OUT : ERROR.LEADER_NOT_AVAILABLE
    return { frame: null, code, message, retryAfterMs: 0 }
  }
}

/** A copy of a frame with another head. */
function passable (frame: Frame, head: FrameHead): Buffer {
  const bytes = Buffer.from(frame.bytes.subarray(frame.bodyStart - FRAME_HEADER_BYTES, frame.payloadEnd))
  bytes[FLAGS_POSITION] = head.flags
  bytes.writeUInt32BE(head.correlation, CORRELATION_POSITION)
  return bytes
}
