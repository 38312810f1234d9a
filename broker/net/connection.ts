// One client connection: cuts frames out of the socket, hands them on, sends what comes back, and keeps the client
// from making the broker hold more than it should.
//
// Reading stops (the socket is paused, so TCP pushes back) while
//   - the client has too many requests or bytes unanswered,
//   - it does not read its responses (bytes not taken above the limit),
//   - it has had its share of this turn: what a socket has ready may be tens of thousands of small requests, whose
//     responses would all wait for the end of the turn, and all other clients with them, or
//   - it is in the middle of a large frame, and all connections together hold as much as the broker allows. One at a
//     time goes on all the same: otherwise all could wait for each other.
// It goes on by itself when the reason is gone. What is left of a chunk when a limit is met waits, not begun.
//
//   open ── end(), the client's end ──▶ closing: answers what is in flight ──▶ ended: lingers ──▶ closed
//     └──── closeWithError() ─────────────────────────────────────────────────▶   for the client's end
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
import { joinSmall } from './join-small.js'
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
  private readonly responses = new ResponseQueue((buffers, sizeBytes, onSent) => this.write(buffers, sizeBytes, onSent))
  private outgoing: Buffer[] = []
  private outgoingBytes = 0
  /** To be called when they are sent. */
  private outgoingOnSent: (() => void)[] = []
  /** What had come already when a limit was met, a read of the socket at most; null where nothing had. */
  private rest: Buffer | null = null
  private flushQueued = false
  /** Requests begun since the end of a turn; more than one turn where nothing was answered. */
  private begunInTurn = 0
  private turnEndQueued = false
  private inFlightRequests = 0
  private inFlightBytes = 0
  private heldBytes = 0
  private paused = false
  private closing = false
  /** The end of the connection is on its way; then nothing is sent any more. */
  private ending = false
  private ended = false
  private closed = false
  /** Bytes on their way out that the socket has not taken. */
  private unsent = 0
  /** Bytes that may come on their way soon: those of responses being read. */
  private reserved = 0
  private draining = false
  /** When the client last took something, or should have begun to. */
  private progressMs: number
  private readonly drainWaiters = new Set<() => void>()
  /** When the incomplete frame began to arrive; NaN where there is none. */
  private frameSinceMs = NaN
  private readonly resume = (): void => this.updateReading()
  private readonly flushAtEndOfTurn = (): void => this.flush()
  private readonly atTurnEnd = (): void => this.onTurnEnd()

  constructor (id: number, socket: Socket, host: ConnectionHost) {
    this.id = id
    this.socket = socket
    this.host = host
    this.openedMs = this.progressMs = host.monotonicMs()
    this.remoteAddress = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`
    this.reader = new FrameReader(frame => this.onFrame(frame), { maxFrameBytes: host.maxFrameBytes })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 30_000)
    socket.on('error', error => this.onSocketClosed(error.message))
    socket.on('end', () => this.onEnd())
    socket.on('close', () => this.onSocketClosed('closed'))
  }

  get clientName (): string { return this.hello?.clientName ?? '' }

  /** Largest frame, in bytes, that is taken from the client or sent to it. */
  get maxFrameBytes (): number { return this.host.maxFrameBytes }

  get isClosed (): boolean { return this.closed }

  /** True while the client does not take what it has been sent. */
  get isCongested (): boolean { return this.unsent + this.reserved > LIMITS.unsentBytesPerConnection }

  /** True where the client has taken all that it was sent, and nothing is being read for it. */
  get isDrained (): boolean { return this.unsent + this.reserved === 0 }

  /** Counts bytes of a response that is being read as if they had been sent, until `unreserve`. */
  reserve (bytes: number): void { this.reserved += bytes }

  unreserve (bytes: number): void {
    this.reserved -= bytes
    this.runDrainWaiters()
  }

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

  /** True where no response has to leave before that of `slot`. */
  isFirst (slot: ResponseSlot): boolean { return this.responses.isFirst(slot) }

  /** Called by `Call` with the response's buffers. */
  finish (call: Call, buffers: readonly Buffer[], onSent: (() => void) | null = null): void {
    this.inFlightRequests--
    this.inFlightBytes -= call.requestBytes
    if (this.closed) return
    let sizeBytes = 0
    for (const buffer of buffers) sizeBytes += buffer.length
    if (call.slot !== null) this.responses.fill(call.slot, buffers, sizeBytes, onSent)
    else if (sizeBytes > 0) this.write(buffers, sizeBytes, onSent)
    if (this.closing) {
      this.progressMs = this.host.monotonicMs()
      if (this.inFlightRequests === 0) this.endAfterFlush()
    } else if (this.paused) {
      this.updateReading()
    }
  }

  /** Tells the client to go; the connection is closed when what is in flight is answered. */
  goAway (reason: string, closesInMs: number): void {
    if (this.closed || this.closing) return
    const head = { api: API_KEY.goAway, version: 1, flags: FRAME_FLAG.response | FRAME_FLAG.notice, correlation: 0 }
    this.writeFrame(GO_AWAY_CODEC.encodeFrame(head, { reason, closesInMs }))
  }

  /** Sends an error about the connection itself, then closes it. */
  closeWithError (code: number, message: string, correlation = 0, api = 0): void {
    if (this.closed || this.closing) return
    const head = { api, version: 1, flags: FRAME_FLAG.response | FRAME_FLAG.error, correlation }
    this.writeFrame(ERROR_CODEC.encodeFrame(head, { code, message, retryAfterMs: 0 }))
    this.beginClosing()
    this.endAfterFlush()
  }

  /** Ends the connection after the responses in hand have left. */
  end (): void {
    if (this.closed) return
    this.beginClosing()
    if (this.inFlightRequests === 0) this.endAfterFlush()
  }

  destroy (): void { this.socket.destroy() }

  /** For how long the client has taken nothing of what is there for it, in milliseconds; 0 where nothing is. */
  stalledMs (nowMs: number): number { return this.unsent === 0 ? 0 : nowMs - this.progressMs }

  /** Closes a connection that keeps a frame or its hello waiting for too long, or its own end. */
  tick (nowMs: number): void {
    if (this.closing) {
      if (nowMs - this.progressMs > LIMITS.closingMs) this.destroy()
    } else if (this.hello === null && nowMs - this.openedMs > LIMITS.helloMs) {
      this.closeWithError(ERROR.HELLO_REQUIRED, `no hello within ${LIMITS.helloMs} ms; send it first on every connection`)
    } else if (nowMs - this.frameSinceMs > LIMITS.frameArrivalMs && !this.paused) {
      this.closeWithError(ERROR.MALFORMED_FRAME, `a frame was begun and not completed within ${LIMITS.frameArrivalMs} ms`)
    }
  }

  /** Takes what the client has sent; the bytes are valid during the call only. */
  onBytes (chunk: Buffer): void {
    if (this.closing || this.closed) return
    if (this.rest !== null) this.rest = Buffer.concat([this.rest, chunk])
    else if (this.overLimit) this.rest = Buffer.from(chunk)
    else if (!this.take(chunk)) return
    this.accountHeld()
    this.updateReading()
  }

  /** Begins what is complete in `bytes`, until a limit is met; false where the stream makes no sense. */
  private take (bytes: Buffer): boolean {
    try {
      const taken = this.reader.push(bytes)
      // A copy even of a rest: what is left of it may be little.
      if (taken < bytes.length && !this.closing && !this.closed) this.rest = Buffer.from(bytes.subarray(taken))
      return true
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.closeWithError(error.code, error.message, error.head.correlation, error.head.api)
      return false
    }
  }

  private onFrame (frame: Frame): void {
    if (this.closing || this.closed) return this.reader.stop()
    this.host.onFrame(this, frame)
    if (++this.begunInTurn >= LIMITS.requestsPerTurn || this.overLimit) this.reader.stop()
  }

  private onTurnEnd (): void {
    this.turnEndQueued = false
    this.begunInTurn = 0
    const { rest } = this
    if (rest !== null && !this.overLimit && !this.closing && !this.closed) {
      this.rest = null
      if (!this.take(rest)) return
      this.accountHeld()
    }
    this.updateReading()
  }

  /** True while no further request is begun. */
  private get overLimit (): boolean {
    return this.inFlightRequests >= this.host.maxInFlightRequests ||
      this.inFlightBytes >= this.host.maxInFlightBytes ||
      this.unsent + this.responses.waitingBytes > LIMITS.unsentBytesPerConnection
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
    const goesOn = this.rest !== null || this.begunInTurn >= LIMITS.requestsPerTurn
    if (goesOn && !this.overLimit && !this.turnEndQueued) {
      this.turnEndQueued = true
      this.host.endOfTurn(this.atTurnEnd)
    }
    const waits = goesOn || this.turnEndQueued || this.overLimit
    if (waits) this.host.held.endOverdraft(this.resume)
    const pause = waits || !this.mayHoldMore()
    if (pause === this.paused) return
    this.paused = pause
    if (pause) {
      this.socket.pause()
    } else {
      if (!Number.isNaN(this.frameSinceMs)) this.frameSinceMs = this.host.monotonicMs()
      this.socket.resume()
    }
  }

  /** Whether more of an incomplete frame may be read now; where not, `resume` is called when it may. */
  private mayHoldMore (): boolean {
    const { held } = this.host
    if (this.heldBytes <= LIMITS.heldBytesFree || !held.exhausted) {
      held.endOverdraft(this.resume)
      return true
    }
    if (held.overdraw(this.resume)) return true
    held.whenRoom(this.resume)
    return false
  }

  private writeFrame (frame: Buffer): void { this.write([frame], frame.length, null) }

  private write (buffers: readonly Buffer[], sizeBytes: number, onSent: (() => void) | null): void {
    if (this.ended || this.closed) return
    if (onSent !== null) this.outgoingOnSent.push(onSent)
    for (const buffer of buffers) this.outgoing.push(buffer)
    this.outgoingBytes += sizeBytes
    if (this.unsent === 0) this.progressMs = this.host.monotonicMs()
    this.unsent += sizeBytes
    this.host.unsent.add(sizeBytes)
    if (this.flushQueued) return
    this.flushQueued = true
    this.host.endOfTurn(this.flushAtEndOfTurn)
  }

  private flush (): void {
    this.flushQueued = false
    if (!this.turnEndQueued) this.begunInTurn = 0
    const { outgoing, outgoingBytes, outgoingOnSent, socket } = this
    if (outgoing.length === 0 || this.ended || this.closed) return
    this.outgoing = []
    this.outgoingBytes = 0
    if (outgoingOnSent.length > 0) this.outgoingOnSent = []
    const writes = joinSmall(outgoing)
    const last = writes.length - 1
    socket.cork()
    for (let index = 0; index < last; index++) socket.write(writes[index]!)
    socket.write(writes[last]!, error => {
      // Where the write failed some of it may still be looked at.
      if (error == null) for (const run of outgoingOnSent) run()
      this.onSent(outgoingBytes)
    })
    socket.uncork()
    if (!this.paused && this.overLimit) this.updateReading()
  }

  private onSent (bytes: number): void {
    if (this.closed) return
    this.progressMs = this.host.monotonicMs()
    this.unsent -= bytes
    this.host.unsent.release(bytes)
    this.runDrainWaiters()
    if (this.paused && !this.isCongested) this.updateReading()
  }

  private runDrainWaiters (): void {
    // Who is woken may reserve, send and unreserve in turn: the loop below goes on then, instead of going deeper.
    if (this.draining) return
    this.draining = true
    for (const run of this.drainWaiters) {
      if (this.isCongested && !this.closed) break
      this.drainWaiters.delete(run)
      run()
    }
    this.draining = false
  }

  private beginClosing (): void {
    this.closing = true
    this.rest = null
    this.progressMs = this.host.monotonicMs()
    this.host.held.endOverdraft(this.resume)
  }

  /** Sends what there is, then ends. What still comes in is read and dropped, so that it resets nothing. */
  private endAfterFlush (): void {
    if (this.ending) return
    this.ending = true
    this.host.endOfTurn(() => {
      this.flush()
      if (this.closed) return
      this.ended = true
      this.socket.end(() => { setTimeout(() => this.socket.destroy(), LIMITS.lingerMs).unref() })
      this.socket.resume()
    })
  }

  /** The client has sent all it wanted; it may still wait for answers. */
  private onEnd (): void {
    this.end()
  }

  private onSocketClosed (reason: string): void {
    if (this.closed) return
    this.closed = true
    const { heldBytes, unsent } = this
    this.heldBytes = 0
    this.unsent = 0
    this.outgoing = []
    this.rest = null
    this.socket.destroy()
    this.host.held.forget(this.resume)
    this.host.held.endOverdraft(this.resume)
    this.host.held.release(heldBytes)
    this.host.unsent.release(unsent)
    this.runDrainWaiters()
    for (const run of this.onClosed) run()
    this.onClosed.clear()
    this.host.onClose(this, reason)
  }
}
