// The connection that this broker makes to one other broker, over which its replicas speak to the other's.
//
//   waiting ── dial ──▶ greeting: hello, peerHello ── answered ──▶ up ── broken ──▶ waiting, longer each time
//
// One way: what the others' replicas say comes over the connections that they make. What cannot be sent is dropped, as
// replicas expect: while there is no connection, or while the other does not read. So nothing is kept for a later
// process of the other broker, and memory is bounded.
//
// Letters of one turn leave in one frame, or in several where they carry much. With nothing to say an empty frame goes
// out now and then, so that the other knows that this one is alive.

import { connect, type Socket } from 'node:net'
import {
  API_KEY, API_VERSIONS, decodeBody, FRAME_FLAG, FrameReader, messageCodec, type Frame, type PeerHelloResponse,
} from '@sluice/protocol'
import type { EndOfTurn } from '../runtime/turn.js'
import { encodeLetters, payloadBytesOf, releasesOf, type ReplicaLetter } from './replica-frame.js'

export interface BrokerAddress { readonly host: string, readonly port: number }

/** Who dials. */
export interface PeerIdentity {
  readonly clusterId: string
  readonly brokerId: number
  /** Made at the start of the process. */
  readonly incarnation: string
  readonly version: string
}

export interface PeerLinkHost {
  readonly identity: PeerIdentity
  readonly endOfTurn: EndOfTurn
  monotonicMs (): number
  /** The other broker has answered: what is sent from now on reaches that process. */
  onUp (link: PeerLink): void
  /** The connection is gone. Where it was up, the process behind it most likely is too. */
  onDown (link: PeerLink, reason: string, wasUp: boolean): void
}

export const PEER_LIMITS = {
  /** Between two attempts to connect, in milliseconds: doubled with each failure in a row. */
  redialMsMin: 50,
  redialMsMax: 1_000,
  /** To connect and to be greeted, in milliseconds. */
  greetingMs: 3_000,
  /** With nothing to say an empty frame is sent so often, in milliseconds. */
  idleFrameMs: 500,
  /** Batches of one frame, in bytes; a message that carries more goes alone. */
  framePayloadBytes: 2 * 1024 * 1024,
  /** Messages of one frame. */
  frameLetters: 2_000,
  /** What the other does not read, in bytes, above which letters are dropped. */
  unsentBytes: 32 * 1024 * 1024,
} as const

/** Around the batches of one message in a frame, in bytes, at most. */
const FRAME_OVERHEAD_BYTES = 1024
const HELLO = messageCodec('hello', 'request')
const HELLO_RESPONSE = messageCodec('hello', 'response')
const PEER_HELLO = messageCodec('peerHello', 'request')
const PEER_HELLO_RESPONSE = messageCodec('peerHello', 'response')
const REPLICATE = messageCodec('replicate', 'request')
const ERROR_RESPONSE = messageCodec('error', 'response')

export class PeerLink {
  readonly brokerId: number
  address: BrokerAddress
  /** Of the process that was reached; null while none is. */
  incarnation: string | null = null
  /** Sent since the start, greetings aside. */
  readonly sent = { frames: 0, bytes: 0 }
  private readonly host: PeerLinkHost
  private socket: Socket | null = null
  private letters: ReplicaLetter[] = []
  private flushScheduled = false
  /** Largest frame that the other takes, in bytes. */
  private maxFrameBytes = 0
  private dialledMs = 0
  private redialMs: number = PEER_LIMITS.redialMsMin
  private dialAtMs = 0
  private sentMs = 0
  private closed = false
  private readonly flushAtEndOfTurn = (): void => this.flush()

  constructor (host: PeerLinkHost, brokerId: number, address: BrokerAddress) {
    this.host = host
    this.brokerId = brokerId
    this.address = address
  }

  get isUp (): boolean { return this.incarnation !== null }

  /** Sends a letter with the others of this turn, or drops it. */
  send (letter: ReplicaLetter): void {
    if (this.incarnation === null) return release([letter])
    this.letters.push(letter)
    if (this.flushScheduled) return
    this.flushScheduled = true
    this.host.endOfTurn(this.flushAtEndOfTurn)
  }

  /** To be called every few tens of milliseconds. */
  tick (nowMs: number): void {
    if (this.closed) return
    if (this.socket === null) {
      if (nowMs >= this.dialAtMs) this.dial(nowMs)
    } else if (this.incarnation === null) {
      if (nowMs - this.dialledMs > PEER_LIMITS.greetingMs) this.drop('no answer to the greeting')
    } else if (nowMs - this.sentMs >= PEER_LIMITS.idleFrameMs) {
      this.write([])
    }
  }

  /** The other broker is to be found elsewhere now. */
  moveTo (address: BrokerAddress): void {
    if (address.host === this.address.host && address.port === this.address.port) return
    this.address = address
    this.dialAtMs = 0
    if (this.socket !== null) this.drop('the broker has moved')
  }

  close (): void {
    this.closed = true
    if (this.socket !== null) this.drop('closed')
  }

  private dial (nowMs: number): void {
    this.dialledMs = nowMs
    const socket = this.socket = connect(this.address)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 5_000)
    const reader = new FrameReader(frame => { if (socket === this.socket) this.onFrame(frame) })
    socket.on('connect', () => this.greet(socket))
    socket.on('data', chunk => {
      try {
        reader.push(chunk)
      } catch (error) {
        if (socket === this.socket) this.drop((error as Error).message)
      }
    })
    socket.on('error', error => { if (socket === this.socket) this.drop(error.message) })
    socket.on('close', () => { if (socket === this.socket) this.drop('closed by the other side') })
  }

  private greet (socket: Socket): void {
    const { clusterId, brokerId, incarnation, version } = this.host.identity
    const { min, max } = API_VERSIONS.replicate
    const apis = [{ api: API_KEY.replicate, minVersion: min, maxVersion: max }]
    socket.write(HELLO.encodeFrame({ api: API_KEY.hello, version: 1, flags: 0, correlation: 1 },
      { clientName: `broker-${brokerId}`, clientVersion: version, apis, features: 0, mechanism: null }))
    socket.write(PEER_HELLO.encodeFrame({ api: API_KEY.peerHello, version: 1, flags: 0, correlation: 2 },
      { clusterId, brokerId, incarnation, targetId: this.brokerId }))
  }

  private onFrame (frame: Frame): void {
    if ((frame.flags & FRAME_FLAG.error) !== 0) return this.drop(decodeBody(ERROR_RESPONSE, frame).message)
    if ((frame.flags & FRAME_FLAG.notice) !== 0) return // a broker that stops says so, and ends the connection
    if (frame.correlation === 1) this.maxFrameBytes = decodeBody(HELLO_RESPONSE, frame).maxFrameBytes
    else if (frame.correlation === 2) this.onGreeted(decodeBody(PEER_HELLO_RESPONSE, frame))
  }

  private onGreeted ({ incarnation }: PeerHelloResponse): void {
    this.incarnation = incarnation
    this.redialMs = PEER_LIMITS.redialMsMin
    this.sentMs = this.host.monotonicMs()
    this.host.onUp(this)
  }

  /** Ends the connection; the next attempt comes a while later. */
  private drop (reason: string): void {
    const wasUp = this.incarnation !== null
    const socket = this.socket!
    this.socket = null
    this.incarnation = null
    release(this.letters)
    this.letters = []
    socket.destroy()
    if (!wasUp) this.redialMs = Math.min(2 * this.redialMs, PEER_LIMITS.redialMsMax)
    this.dialAtMs = this.host.monotonicMs() + this.redialMs
    this.host.onDown(this, reason, wasUp)
  }

  private flush (): void {
    this.flushScheduled = false
    const { letters } = this
    if (letters.length === 0 || this.incarnation === null) return
    this.letters = []
    this.socket!.cork()
    let from = 0
    let bytes = 0
    for (let index = 0; index < letters.length; index++) {
      const payloadBytes = payloadBytesOf(letters[index]!.message)
      const isFull = index - from >= PEER_LIMITS.frameLetters || bytes + payloadBytes > PEER_LIMITS.framePayloadBytes
      if (index > from && isFull) {
        this.write(letters.slice(from, index))
        from = index
        bytes = 0
      }
      bytes += payloadBytes
    }
    this.write(from === 0 ? letters : letters.slice(from))
    this.socket?.uncork()
  }

  private write (letters: readonly ReplicaLetter[]): void {
    const socket = this.socket!
    // The other does not read: it will ask again for what it needs.
    if (socket.writableLength > PEER_LIMITS.unsentBytes) return release(letters)
    const room = this.maxFrameBytes - FRAME_OVERHEAD_BYTES
    const isTooMuch = letters.length === 1 && payloadBytesOf(letters[0]!.message) > room
    const { body, payload, payloadBytes } = encodeLetters(isTooMuch ? [shortened(letters[0]!)] : letters)
    const head = { api: API_KEY.replicate, version: 1, flags: FRAME_FLAG.unordered, correlation: 0 }
    const frame = REPLICATE.encodeFrame(head, body, payloadBytes)
    this.sent.frames++
    this.sent.bytes += frame.length + payloadBytes
    socket.write(frame)
    for (let index = 0; index < payload.length; index++) {
      if (index < payload.length - 1) socket.write(payload[index]!)
      else socket.write(payload[index]!, error => { if (error == null) release(letters) })
    }
    this.sentMs = this.host.monotonicMs()
  }
}

/** The batches of letters that have left, or never will, are looked at no more. */
function release (letters: readonly ReplicaLetter[]): void {
  for (const { message } of letters) for (const done of releasesOf(message)) done()
}

/** The same answer with the records of one log only: those of the others come with the next. */
function shortened (letter: ReplicaLetter): ReplicaLetter {
  const { message } = letter
  if (message.kind !== 'fetched') return letter
  let hasRecords = false
  const parts = message.parts.map(part => {
    if (part.kind !== 'records' || part.buffers.length === 0) return part
    if (hasRecords) return { ...part, buffers: [] }
    hasRecords = true
    return part
  })
  return { ...letter, message: { ...message, parts } }
}
