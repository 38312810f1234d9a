// One TCP or TLS connection to one broker: handshake, pipelined requests, answers by correlation.
//
//   request ──▶ waiting (over the broker's limits, or the socket is full)
//          └──▶ pending ── written, corked once a callback ──▶ answer │ error frame │ timeout │ connection lost
//
// A process that stands still, or a network that swallows everything, keeps a connection open: where answers are due
// and nothing comes, the broker is asked for a sign of life, and without one the connection is closed. A broker that
// only waits for its disk gives it.
//
// Invariants:
// - Every request settles exactly once: it is taken out of `pending` or `waiting` before its promise is settled.
// - What is unanswered stays within maxInFlightRequests and maxInFlightBytes of the hello answer, and what the socket
//   has not taken yet within SOCKET_BYTES_MAX and one request.
// - A request that was never written fails with maybeApplied false.
// - After `onClose` nothing is pending, no timer is armed, the socket is destroyed.

import net from 'node:net'
import tls from 'node:tls'
import {
  API_KEY, API_VERSIONS, apiName, decodeBody, ERROR, FRAME_FLAG, FRAME_SIZE_MIN, FrameError, FrameIntake, messageCodec,
  type ApiName, type Frame, type HelloResponse, type MessageCodec, type MessageOf,
} from '@sluice/protocol'
import { asBrokerError, BrokerError, serverError } from '../broker-error.js'
import { formatAddress, type Address, type Settings } from '../client-options.js'
import { CHANNEL } from '../diagnostics.js'
import { deferred } from '../waiting.js'
import { checkMechanism } from './authentication.js'

/** An answer: the decoded body and the payload that came with it, a Buffer of its own. */
export interface Reply<A extends ApiName> {
  readonly message: MessageOf<A, 'response'>
  readonly payload: Buffer
}

/** How to send one request. */
export interface RequestOptions {
  /** Deadline of the answer, in milliseconds. */
  timeoutMs: number
  /** Bytes that follow the body. */
  payload?: readonly Buffer[]
  /** The answer may overtake others: for long polls. */
  unordered?: boolean
  /** Leaves at once, not with all that is sent in this turn of the event loop. */
  urgent?: boolean
  /** No answer will come: settles as soon as the request is handed to the socket, with an empty reply. */
  oneWay?: boolean
  /** Leaves before all that waits for room: the connection asks whether the broker is there. */
  probe?: boolean
}

/** What a connection tells its owner. */
export interface ConnectionListener {
  /** The broker is about to stop: nothing new should be sent here. */
  onGoAway (connection: Connection, reason: string): void
  /** The end, once. `error` is null where this side closed it in good order. */
  onClose (connection: Connection, error: BrokerError | null): void
}

interface Outgoing {
  readonly api: ApiName
  readonly frame: Buffer
  readonly payload: readonly Buffer[] | undefined
  readonly sizeBytes: number
  readonly correlation: number
  readonly deadlineMs: number
  readonly oneWay: boolean
  /** The broker may take its time. */
  readonly unordered: boolean
  readonly codec: MessageCodec<unknown>
  resolve (reply: Reply<ApiName>): void
  reject (error: BrokerError): void
}

/** Apis that change something: an answer that went missing leaves open whether they did. */
const CHANGING_APIS: ReadonlySet<ApiName> = new Set<ApiName>([
  'produce', 'createTopics', 'deleteTopics', 'alterTopics', 'deleteRecords', 'commitOffsets', 'deleteGroups', 'receive', 'settle',
  'cancelRecords', 'rescheduleRecords', 'controlQueue', 'startRedrive', 'cancelRedrive', 'changePlacement', 'moveReplicas',
  'forceRecover',
])

const SOCKET_BYTES_MAX = 4 * 1024 * 1024
/** Corked bytes that are worth a system call of their own before the turn ends. */
const CORK_BYTES_MAX = 128 * 1024
const NO_BYTES = Buffer.alloc(0)
/** Answers are due and nothing has come for so long: the broker is asked for a sign of life, in milliseconds. */
const PROBE_AFTER_MS = 1_000
/** The same where all that is due may take its time. */
const PROBE_LONG_POLLS_AFTER_MS = 5_000
/** The broker has so long for a sign of life, in milliseconds. */
const PROBE_TIMEOUT_MS = 2_000
/** Of the limits of the broker, for the request that asks for it: a broker reads nothing from who is at his limits. */
const PROBE_REQUESTS = 1
const PROBE_BYTES = 1024
const CLIENT_VERSION = '0.1.0'

/** See the head of this file. */
export class Connection {
  /** Where it leads. */
  readonly address: Address
  /** The broker's answer to the handshake: its id, apis and limits. Set once, before anyone gets the connection. */
  hello: HelloResponse = EMPTY_HELLO
  /** When the handshake was sent, on the monotonic clock, in milliseconds. */
  greetedAtMs = 0
  /** It was closed since nothing came any more. */
  wentSilent = false
  private readonly listener: ConnectionListener
  private readonly socket: net.Socket
  private readonly intake: FrameIntake
  private readonly pending = new Map<number, Outgoing>()
  private waiting: Outgoing[] = []
  private waitingHead = 0
  private pendingBytes = 0
  private nextCorrelation = 1
  private corked = false
  private corkedBytes = 0
  private timer: NodeJS.Timeout | null = null
  private timerAtMs = Infinity
  private lastReceivedMs = performance.now()
  /** When something began to be due of which nothing was before, on the monotonic clock, in milliseconds. */
  private dueSinceMs = 0
  /** When the broker was last asked for a sign of life, on the monotonic clock, in milliseconds. */
  private probedMs = 0
  private goingAway = false
  private ending = false
  private closed = false

  /**
   * Connects and shakes hands.
   *
   * @throws BrokerError CONNECTION or TIMEOUT where that fails (retriable), AUTHENTICATION or UNSUPPORTED where it
   *   will not get better.
   */
  static async open (address: Address, settings: Settings, listener: ConnectionListener): Promise<Connection> {
    const opened = deferred<void>()
    const timer = setTimeout(() => {
      opened.reject(new BrokerError('TIMEOUT',
        `no connection to ${formatAddress(address)} within ${settings.connectTimeoutMs} ms: check address and network`,
        { retriable: true }))
    }, settings.connectTimeoutMs)
    const connection = new Connection(address, settings, {
      onGoAway: (connection, reason) => listener.onGoAway(connection, reason),
      onClose: (connection, error) => {
        opened.reject(error ?? connectionLost(address))
        if (connection.hello !== EMPTY_HELLO) listener.onClose(connection, error)
      },
    }, opened.resolve)
    try {
      await opened.promise
      await connection.shakeHands(settings)
    } catch (error) {
      connection.close(asBrokerError(error))
      throw error
    } finally {
      clearTimeout(timer)
    }
    return connection
  }

  private constructor (address: Address, settings: Settings, listener: ConnectionListener, onOpen: () => void) {
    this.address = address
    this.listener = listener
    this.intake = new FrameIntake(frame => this.onFrame(frame))
    if (settings.tls === null) {
      this.socket = net.connect({
        ...address,
        noDelay: true,
        keepAlive: true,
        onread: {
          buffer: () => this.intake.target(),
          callback: size => { this.onReceived(size, null); return true },
        },
      }, onOpen)
    } else {
      const servername = net.isIP(address.host) === 0 ? { servername: address.host } : {}
      this.socket = tls.connect({ ...address, ...servername, ...settings.tls }, onOpen)
      this.socket.setNoDelay(true).setKeepAlive(true)
      this.socket.on('data', chunk => this.onReceived(0, chunk as Buffer))
    }
    this.socket.on('error', error => this.close(socketError(address, error)))
    this.socket.on('end', () => this.close(this.ending ? null : connectionLost(address)))
    this.socket.on('close', () => this.close(this.ending ? null : connectionLost(address)))
    this.socket.on('drain', () => this.sendWaiting())
  }

  /** True while new requests may be sent here. */
  get usable (): boolean { return !this.closed && !this.goingAway && !this.ending }

  /** Requests without an answer so far, those that wait for room included. */
  get unsettledCount (): number { return this.pending.size + this.waiting.length - this.waitingHead }

  /**
   * Sends a request; resolves with its answer.
   *
   * @throws BrokerError as a rejection: what the broker answered, TIMEOUT, or CONNECTION.
   */
  request<A extends ApiName> (api: A, message: MessageOf<A, 'request'>, options: RequestOptions): Promise<Reply<A>> {
    if (this.closed || this.ending) return Promise.reject(connectionLost(this.address))
    let payloadBytes = 0
    if (options.payload !== undefined) for (const part of options.payload) payloadBytes += part.length
    const correlation = this.nextCorrelation
    this.nextCorrelation = correlation === 0xffffffff ? 1 : correlation + 1
    const flags = options.unordered === true ? FRAME_FLAG.unordered : 0
    const version = API_VERSIONS[api].max
    const head = { api: API_KEY[api], version, flags, correlation }
    const frame = messageCodec(api, 'request', version).encodeFrame(head, message, payloadBytes)
    const sizeBytes = frame.length + payloadBytes
    if (this.hello !== EMPTY_HELLO && sizeBytes - 4 > this.hello.maxFrameBytes) {
      return Promise.reject(new BrokerError('INVALID',
        `a ${api} request of ${sizeBytes} bytes is above the broker's frame limit of ${this.hello.maxFrameBytes} bytes: ` +
        'ask for less at once or raise the limit'))
    }
    const answer = new Promise<Reply<A>>((resolve, reject) => {
      const outgoing: Outgoing = {
        api,
        frame,
        payload: options.payload,
        sizeBytes,
        correlation,
        deadlineMs: performance.now() + options.timeoutMs,
        oneWay: options.oneWay ?? false,
        unordered: options.unordered ?? false,
        codec: messageCodec(api, 'response', version) as MessageCodec<unknown>,
        resolve: resolve as (reply: Reply<ApiName>) => void,
        reject,
      }
      const isHeld = this.waitingHead < this.waiting.length || !this.hasRoomFor(outgoing)
      if (isHeld && options.probe !== true) this.waiting.push(outgoing)
      else this.send(outgoing)
      if (options.urgent === true) this.flushCorked()
      this.arm(Math.min(outgoing.deadlineMs, performance.now() + probeAfterMs(outgoing)))
    })
    if (CHANNEL.request.hasSubscribers) this.publish(api, answer)
    return answer
  }

  /** Sends nothing more, waits for the answers still due, then closes. */
  end (): void {
    if (this.ending || this.closed) return
    this.ending = true
    if (this.unsettledCount === 0) this.close(null)
  }

  /** Closes at once; what is unanswered fails with `error`, or with CONNECTION. */
  close (error: BrokerError | null): void {
    if (this.closed) return
    this.closed = true
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.socket.destroy()
    const cause = error ?? connectionLost(this.address)
    const pending = [...this.pending.values()]
    const waiting = this.waiting.slice(this.waitingHead)
    this.pending.clear()
    this.waiting = []
    this.waitingHead = 0
    for (const outgoing of pending) outgoing.reject(this.lost(outgoing, cause, true))
    for (const outgoing of waiting) outgoing.reject(this.lost(outgoing, cause, false))
    this.listener.onClose(this, error)
  }

  /** Tells the diagnostics channel how a request goes. */
  private publish (api: ApiName, answer: Promise<unknown>): void {
    const startedAtMs = performance.now()
    const tell = (error: BrokerError | null): void => {
      const durationMs = performance.now() - startedAtMs
      CHANNEL.request.publish({ api, broker: this.hello.brokerId, durationMs, error })
    }
    answer.then(() => tell(null), tell)
  }

  private async shakeHands (settings: Settings): Promise<void> {
    this.greetedAtMs = performance.now()
    const { message } = await this.request('hello', {
      clientName: settings.clientId,
      clientVersion: CLIENT_VERSION,
      apis: OWN_APIS,
      features: 0,
      mechanism: settings.auth?.mechanism ?? null,
    }, { timeoutMs: settings.connectTimeoutMs })
    checkMechanism(settings.auth, message.mechanisms, this.address)
    for (const range of message.apis) {
      const name = apiName(range.api)
      if (name === undefined) continue
      const own = API_VERSIONS[name]
      if (range.minVersion > own.max || range.maxVersion < own.min) {
        throw new BrokerError('UNSUPPORTED', `broker ${formatAddress(this.address)} (version ${message.brokerVersion}) ` +
          `speaks ${name} in versions ${range.minVersion} to ${range.maxVersion}, this client ${CLIENT_VERSION} in ` +
          `${own.min} to ${own.max}: upgrade the older of the two`)
      }
    }
    this.hello = message
    this.intake.maxFrameBytes = Math.max(message.maxFrameBytes, FRAME_SIZE_MIN)
  }

  private hasRoomFor (outgoing: Outgoing): boolean {
    if (this.socket.writableLength >= SOCKET_BYTES_MAX) return false
    if (this.pending.size === 0 || this.hello === EMPTY_HELLO) return true
    return this.pending.size + PROBE_REQUESTS < this.hello.maxInFlightRequests &&
      this.pendingBytes + outgoing.sizeBytes + PROBE_BYTES <= this.hello.maxInFlightBytes
  }

  private send (outgoing: Outgoing): void {
    if (!this.corked) {
      this.corked = true
      this.socket.cork()
      process.nextTick(this.uncork)
    }
    this.socket.write(outgoing.frame)
    if (outgoing.payload !== undefined) for (const part of outgoing.payload) this.socket.write(part)
    this.corkedBytes += outgoing.sizeBytes
    if (outgoing.oneWay) {
      outgoing.resolve({ message: undefined as never, payload: NO_BYTES })
    } else {
      if (this.pending.size === 0) this.dueSinceMs = performance.now()
      this.pending.set(outgoing.correlation, outgoing)
      this.pendingBytes += outgoing.sizeBytes
    }
    if (this.corkedBytes >= CORK_BYTES_MAX) this.flushCorked()
  }

  /** Hands what is corked to the system now. */
  private flushCorked (): void {
    if (this.corkedBytes === 0) return
    this.corkedBytes = 0
    this.socket.uncork()
    this.socket.cork()
  }

  /** After the callback that sent something, not at the end of the turn: what goes together was sent in one go. */
  private readonly uncork = (): void => {
    this.corked = false
    this.corkedBytes = 0
    this.socket.uncork()
  }

  private sendWaiting (): void {
    while (this.waitingHead < this.waiting.length && !this.closed) {
      const next = this.waiting[this.waitingHead]!
      if (!this.hasRoomFor(next)) break
      this.waitingHead++
      this.send(next)
    }
    if (this.waitingHead === this.waiting.length) {
      this.waiting = []
      this.waitingHead = 0
    } else if (this.waitingHead > 1024) {
      this.waiting = this.waiting.slice(this.waitingHead)
      this.waitingHead = 0
    }
  }

  /** So many bytes are in the target of the intake, or these came in another way. */
  private onReceived (size: number, chunk: Buffer | null): void {
    if (this.closed) return
    this.lastReceivedMs = performance.now()
    try {
      if (chunk === null) this.intake.took(size)
      else this.intake.push(chunk)
    } catch (error) {
      const what = error instanceof FrameError ? error.message : String(error)
      this.close(new BrokerError('PROTOCOL', `${formatAddress(this.address)} does not speak the Sluice protocol: ${what}`,
        { retriable: true, cause: error }))
      return
    }
    if (this.waiting.length > 0) this.sendWaiting()
    if (this.ending && this.unsettledCount === 0) this.close(null)
  }

  private onFrame (frame: Frame): void {
    if (this.closed) return
    if ((frame.flags & FRAME_FLAG.notice) !== 0) return this.onNotice(frame)
    if ((frame.flags & FRAME_FLAG.response) === 0) {
      throw new FrameError(ERROR.MALFORMED_FRAME, 'a frame is neither a response nor a notice', frame)
    }
    const outgoing = this.pending.get(frame.correlation)
    if (outgoing === undefined) {
      // An error that belongs to no request is the last word of a broker that hangs up.
      if ((frame.flags & FRAME_FLAG.error) !== 0) this.close(this.errorOf(frame))
      return // otherwise the answer to a request that has timed out
    }
    this.pending.delete(frame.correlation)
    this.pendingBytes -= outgoing.sizeBytes
    let message: unknown
    try {
      if ((frame.flags & FRAME_FLAG.error) !== 0) return outgoing.reject(this.errorOf(frame))
      message = decodeBody(outgoing.codec, frame)
    } catch (error) {
      return outgoing.reject(new BrokerError('PROTOCOL', (error as Error).message, {
        broker: this.hello.brokerId, maybeApplied: CHANGING_APIS.has(outgoing.api), cause: error,
      }))
    }
    outgoing.resolve({ message: message as never, payload: frame.bytes.subarray(frame.bodyEnd, frame.payloadEnd) })
  }

  private errorOf (frame: Frame): BrokerError {
    const { code, message, retryAfterMs } = decodeBody(messageCodec('error', 'response'), frame)
    return serverError(code, message, {
      broker: this.hello.brokerId, ...(retryAfterMs > 0 ? { retryAfterMs } : {}),
    })
  }

  private onNotice (frame: Frame): void {
    if (frame.api !== API_KEY.goAway) return // of a newer broker; notices may be ignored
    const { reason } = decodeBody(messageCodec('goAway', 'notice'), frame)
    this.goingAway = true
    this.listener.onGoAway(this, reason)
  }

  /** Sees to it that a timer fires at `deadlineMs` at the latest. */
  private arm (deadlineMs: number): void {
    if (deadlineMs >= this.timerAtMs || this.closed) return
    if (this.timer !== null) clearTimeout(this.timer)
    this.timerAtMs = deadlineMs
    // After a stall of this process the answers may be there already, unread: read first, then judge.
    this.timer = setTimeout(() => setImmediate(() => this.expire()), Math.max(1, deadlineMs - performance.now()))
  }

  private expire (): void {
    if (this.closed) return
    this.timer = null
    this.timerAtMs = Infinity
    const nowMs = performance.now()
    let nextMs = Infinity
    let probeAtMs = Infinity
    for (const outgoing of this.pending.values()) {
      if (outgoing.deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, outgoing.deadlineMs)
        probeAtMs = Math.min(probeAtMs, probeAfterMs(outgoing))
        continue
      }
      this.pending.delete(outgoing.correlation)
      this.pendingBytes -= outgoing.sizeBytes
      outgoing.reject(this.timedOut(outgoing, true))
    }
    probeAtMs += Math.max(this.lastReceivedMs, this.dueSinceMs)
    const kept: Outgoing[] = []
    for (let index = this.waitingHead; index < this.waiting.length; index++) {
      const outgoing = this.waiting[index]!
      if (outgoing.deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, outgoing.deadlineMs)
        kept.push(outgoing)
      } else {
        outgoing.reject(this.timedOut(outgoing, false))
      }
    }
    this.waiting = kept
    this.waitingHead = 0
    nextMs = Math.min(nextMs, this.listen(nowMs, probeAtMs))
    if (this.closed) return
    this.sendWaiting()
    if (nextMs !== Infinity) this.arm(nextMs)
    if (this.ending && this.unsettledCount === 0) this.close(null)
  }

  /**
   * Asks for a sign of life where it is time, and closes the connection where there was none.
   *
   * @returns when to look again.
   */
  private listen (nowMs: number, probeAtMs: number): number {
    const isProbed = this.probedMs > this.lastReceivedMs
    if (isProbed && nowMs - this.probedMs >= PROBE_TIMEOUT_MS) {
      this.wentSilent = true
      this.close(connectionLost(this.address, 'it has gone silent'))
      return Infinity
    }
    if (isProbed) return this.probedMs + PROBE_TIMEOUT_MS
    if (this.hello === EMPTY_HELLO) return Infinity // to greet has a deadline of its own
    if (nowMs < probeAtMs) return probeAtMs
    this.probedMs = nowMs
    this.request('metadata', { topics: [] }, { timeoutMs: 2 * PROBE_TIMEOUT_MS, unordered: true, probe: true })
      .catch(() => {})
    return nowMs + PROBE_TIMEOUT_MS
  }

  private timedOut (outgoing: Outgoing, written: boolean): BrokerError {
    return new BrokerError('TIMEOUT', `broker ${formatAddress(this.address)} did not answer ${outgoing.api} in time: ` +
      'it is overloaded or cannot be reached; try again', {
      retriable: true, maybeApplied: written && CHANGING_APIS.has(outgoing.api), broker: this.hello.brokerId,
    })
  }

  private lost (outgoing: Outgoing, cause: BrokerError, written: boolean): BrokerError {
    if (!cause.retriable) return cause
    return new BrokerError(cause.code, `${outgoing.api} was not answered: ${cause.reason}`, {
      retriable: true, maybeApplied: written && CHANGING_APIS.has(outgoing.api), broker: this.hello.brokerId, cause,
    })
  }
}

/** How long nothing may come while an answer is due before the broker is asked for a sign of life, in milliseconds. */
function probeAfterMs ({ unordered }: Outgoing): number {
  return unordered ? PROBE_LONG_POLLS_AFTER_MS : PROBE_AFTER_MS
}

const OWN_APIS = (Object.keys(API_KEY) as ApiName[]).map(name => ({
  api: API_KEY[name], minVersion: API_VERSIONS[name].min, maxVersion: API_VERSIONS[name].max,
}))

const EMPTY_HELLO: HelloResponse = {
  clusterId: '',
  brokerId: -1,
  brokerVersion: '',
  apis: [],
  features: 0,
  mechanisms: [],
  maxFrameBytes: 0,
  maxRecordBatchBytes: 0,
  maxInFlightRequests: 0,
  maxInFlightBytes: 0,
  rememberedBatches: 0,
  maxRecordsPerReceive: 0,
  maxRecordsPerSettle: 0,
  maxItemsPerRequest: 0,
  timeMs: 0,
}

function connectionLost (address: Address, why = 'the connection was closed'): BrokerError {
  return new BrokerError('CONNECTION', `broker ${formatAddress(address)} is gone: ${why}; it is tried again`, { retriable: true })
}

function socketError (address: Address, error: Error & { code?: string }): BrokerError {
  const detail = error.message === '' ? error.code ?? error.name : error.message
  const isCertificate = error.code !== undefined && /CERT|SIGNATURE|ERR_TLS/.test(error.code)
  if (isCertificate) {
    return new BrokerError('AUTHENTICATION', `the certificate of ${formatAddress(address)} is not trusted (${detail}): ` +
      'check tls.ca and the host name', { cause: error })
  }
  return new BrokerError('CONNECTION', `cannot talk to broker ${formatAddress(address)} (${detail}): ` +
    'check that it runs and that the address is right', { retriable: true, cause: error })
}
