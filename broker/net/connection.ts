// One client connection: cuts frames out of the socket, hands them on, sends what comes back, and keeps the client
// from making the broker hold more than it should.
//
// Reading stops (the socket is paused, so TCP pushes back) while
//   - the client has too many requests or bytes unanswered,
//   - it does not read its responses (unsent bytes above the limit), or
//   - all connections together hold as much as the broker allows.
// It goes on by itself when the reason is gone. Nothing is buffered beyond one chunk past a limit.
//
// Responses of one turn leave in one write.

import type { Socket } from 'node:net'
import {
  API_KEY, ERROR, FRAME_FLAG, FrameError, FrameReader, messageCodec, type Frame, type HelloRequest,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { EndOfTurn } from '../runtime/turn.js'
import type { ByteBudget } from './byte-budget.js'
import type { Call } from './call.js'
import { ResponseQueue, type ResponseSlot } from './response-queue.js'

/** What a connection needs from its server. */
export interface ConnectionHost {
  readonly maxFrameBytes: number
  readonly maxInFlightRequests: number
  readonly maxInFlightBytes: number
  /** Bytes of incomplete requests, over all connections. */
  readonly held: ByteBudget
  /** Bytes of responses that clients have not taken, over all connections. */
  readonly unsent: ByteBudget
  readonly endOfTurn: EndOfTurn
  monotonicMs (): number
  onFrame (connection: Connection, frame: Frame): void
  onClose (connection: Connection, reason: string): void
}

const ERROR_CODEC = messageCodec('error', 'response')
const GO_AWAY_CODEC = messageCodec('goAway', 'notice')

export class Connection {
  readonly id: number
  readonly remoteAddress: string
  /** What the client said of itself; null until its hello. */
  hello: HelloRequest | null = null
  readonly openedMs: number
  /** Called once when the connection is gone, by whoever parked something on it. */
  readonly onClosed = new Set<() => void>()

  private readonly socket: Socket
  private readonly host: ConnectionHost
  private readonly reader: FrameReader
  private readonly responses = new ResponseQueue(buffers => this.write(buffers))
  private outgoing: Buffer[] = []
  private flushQueued = false
  private inFlightRequests = 0
  private inFlightBytes = 0
  private heldBytes = 0
  private paused = false
  private closing = false
  private closed = false
  /** Bytes handed to the socket whose write has not completed. */
  private unsent = 0
  private readonly drainWaiters = new Set<() => void>()
  /** When the incomplete frame began to arrive; NaN where there is none. */
  private frameSinceMs = NaN
  private readonly resume = (): void => this.updateReading()

  constructor (id: number, socket: Socket, host: ConnectionHost) {
    this.id = id
    this.socket = socket
    this.host = host
    this.openedMs = host.monotonicMs()
    this.remoteAddress = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`
    this.reader = new FrameReader(frame => this.onFrame(frame), { maxFrameBytes: host.maxFrameBytes })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 30_000)
    socket.on('data', chunk => this.onData(chunk))
    socket.on('error', error => this.onSocketClosed(error.message))
    socket.on('end', () => this.onEnd())
    socket.on('close', () => this.onSocketClosed('closed'))
  }

  get clientName (): string { return this.hello?.clientName ?? '' }

  get isClosed (): boolean { return this.closed }

  /** True while the client does not take what it has been sent. */
  get isCongested (): boolean { return this.unsent > LIMITS.unsentBytesPerConnection }

  /** Calls `run` once when the connection is no longer congested, or gone. */
  whenDrained (run: () => void): void { this.drainWaiters.add(run) }

  /** Requests not answered yet. */
  get pendingRequests (): number { return this.inFlightRequests }

  /** Takes the place of a response in the order; null for an unordered request. */
  beginRequest (frame: Frame): ResponseSlot | null {
    this.inFlightRequests++
    this.inFlightBytes += frame.payloadEnd - frame.bodyStart
    return (frame.flags & FRAME_FLAG.unordered) !== 0 ? null : this.responses.take()
  }

  /** Called by `Call` with the response's buffers. */
  finish (call: Call, buffers: readonly Buffer[]): void {
    this.inFlightRequests--
    this.inFlightBytes -= call.requestBytes
    if (this.closed) return
    if (call.slot !== null) this.responses.fill(call.slot, buffers)
    else if (buffers.length > 0) this.write(buffers)
    if (this.closing && this.inFlightRequests === 0) this.endAfterFlush()
    else if (this.paused) this.updateReading()
  }

  /** Tells the client to go; the connection is closed when what is in flight is answered. */
  goAway (reason: string, closesInMs: number): void {
    if (this.closed || this.closing) return
    const head = { api: API_KEY.goAway, version: 1, flags: FRAME_FLAG.response | FRAME_FLAG.notice, correlation: 0 }
    this.write([GO_AWAY_CODEC.encodeFrame(head, { reason, closesInMs })])
  }

  /** Sends an error about the connection itself, then closes it. */
  closeWithError (code: number, message: string, correlation = 0, api = 0): void {
    if (this.closed || this.closing) return
    const head = { api, version: 1, flags: FRAME_FLAG.response | FRAME_FLAG.error, correlation }
    this.write([ERROR_CODEC.encodeFrame(head, { code, message, retryAfterMs: 0 })])
    this.closing = true
    this.endAfterFlush()
  }

  /** Ends the connection after the responses in hand have left. */
  end (): void {
    if (this.closed) return
    this.closing = true
    if (this.inFlightRequests === 0) this.endAfterFlush()
  }

  destroy (): void { this.socket.destroy() }

  /** Closes a connection that keeps a frame or its hello waiting for too long. */
  tick (nowMs: number): void {
    if (this.closing) return
    if (this.hello === null && nowMs - this.openedMs > LIMITS.helloMs) {
      this.closeWithError(ERROR.HELLO_REQUIRED, `no hello within ${LIMITS.helloMs} ms; send it first on every connection`)
    } else if (nowMs - this.frameSinceMs > LIMITS.frameArrivalMs && !this.paused) {
      this.closeWithError(ERROR.MALFORMED_FRAME, `a frame was begun and not completed within ${LIMITS.frameArrivalMs} ms`)
    }
  }

  private onData (chunk: Buffer): void {
    if (this.closing) return
    try {
      this.reader.push(chunk)
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      return this.closeWithError(error.code, error.message)
    }
    this.accountHeld()
    this.updateReading()
  }

  private onFrame (frame: Frame): void {
    if (!this.closing) this.host.onFrame(this, frame)
  }

  private accountHeld (): void {
    const held = this.reader.heldBytes
    if (held === this.heldBytes) return
    this.host.held.add(Math.max(0, held - this.heldBytes))
    if (held < this.heldBytes) this.host.held.release(this.heldBytes - held)
    if (held === 0) this.frameSinceMs = NaN
    else if (Number.isNaN(this.frameSinceMs)) this.frameSinceMs = this.host.monotonicMs()
    this.heldBytes = held
  }

  private updateReading (): void {
    if (this.closing || this.closed) return
    const overBudget = this.host.held.exhausted && this.heldBytes > LIMITS.heldBytesFree
    const pause = overBudget ||
      this.inFlightRequests >= this.host.maxInFlightRequests ||
      this.inFlightBytes >= this.host.maxInFlightBytes ||
      this.isCongested
    if (overBudget) this.host.held.whenRoom(this.resume)
    if (pause === this.paused) return
    this.paused = pause
    if (pause) {
      this.socket.pause()
    } else {
      if (!Number.isNaN(this.frameSinceMs)) this.frameSinceMs = this.host.monotonicMs()
      this.socket.resume()
    }
  }

  private write (buffers: readonly Buffer[]): void {
    for (const buffer of buffers) this.outgoing.push(buffer)
    if (this.flushQueued) return
    this.flushQueued = true
    this.host.endOfTurn(() => this.flush())
  }

  private flush (): void {
    this.flushQueued = false
    const { outgoing, socket } = this
    if (outgoing.length === 0 || this.closed) return
    this.outgoing = []
    let bytes = 0
    for (const buffer of outgoing) bytes += buffer.length
    this.unsent += bytes
    this.host.unsent.add(bytes)
    const last = outgoing.length - 1
    socket.cork()
    for (let index = 0; index < last; index++) socket.write(outgoing[index]!)
    socket.write(outgoing[last]!, () => this.onSent(bytes))
    socket.uncork()
    if (this.isCongested) this.updateReading()
  }

  private onSent (bytes: number): void {
    if (this.closed) return
    this.unsent -= bytes
    this.host.unsent.release(bytes)
    if (this.isCongested) return
    this.runDrainWaiters()
    if (this.paused) this.updateReading()
  }

  private runDrainWaiters (): void {
    for (const run of this.drainWaiters) {
      this.drainWaiters.delete(run)
      run()
    }
  }

  /** Sends what there is, then ends. What still comes in is read and dropped, so that it resets nothing. */
  private endAfterFlush (): void {
    this.host.endOfTurn(() => {
      this.flush()
      if (this.closed) return
      this.socket.end()
      this.socket.resume()
      setTimeout(() => this.socket.destroy(), LIMITS.lingerMs).unref()
    })
  }

  /** The client has sent all it wanted; it may still wait for answers. */
  private onEnd (): void {
    this.end()
  }

  private onSocketClosed (reason: string): void {
    if (this.closed) return
    this.closed = true
    this.host.held.release(this.heldBytes)
    this.host.held.forget(this.resume)
    this.host.unsent.release(this.unsent)
    this.heldBytes = 0
    this.unsent = 0
    this.outgoing = []
    this.socket.destroy()
    this.runDrainWaiters()
    for (const run of this.onClosed) run()
    this.onClosed.clear()
    this.host.onClose(this, reason)
  }
}
