// Listens, accepts, and keeps the list of connections.

import { createServer, type Server, type Socket } from 'node:net'
import { ERROR, FRAME_FLAG, messageCodec, type Frame } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { Logger } from '../runtime/logger.js'
import type { EndOfTurn } from '../runtime/turn.js'
import { ByteBudget } from './byte-budget.js'
import { Connection, type ConnectionHost } from './connection.js'
import { readInto } from './read-into.js'

export interface TcpServerOptions {
  maxConnections: number
  maxFrameBytes: number
  maxInFlightRequests: number
  maxInFlightBytes: number
  /** Bytes of incomplete requests over all connections. */
  maxHeldBytes: number
  /** Bytes of responses that clients have not taken, over all connections. */
  maxUnsentBytes: number
  endOfTurn: EndOfTurn
  monotonicMs: () => number
  logger: Logger
  onFrame: (connection: Connection, frame: Frame) => void
}

/** The address cannot be listened on. */
export class ListenError extends Error {
  readonly code: string

  constructor (code: string, host: string, port: number, cause: unknown) {
    super(`cannot listen on ${host}:${port}: ${LISTEN_ADVICE[code] ?? code}`, { cause })
    this.name = 'ListenError'
    this.code = code
  }
}

const LISTEN_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken (EADDRINUSE); stop the other process or choose another port with --listen',
  EACCES: 'not allowed (EACCES); choose a port above 1023 or grant the right',
  EADDRNOTAVAIL: 'no such address on this machine (EADDRNOTAVAIL); use an address of this host, or 0.0.0.0 for all',
  ENOTFOUND: 'the host name is not known (ENOTFOUND)',
}

const ERROR_CODEC = messageCodec('error', 'response')
const DRAIN_POLL_MS = 10

export class TcpServer implements ConnectionHost {
  readonly maxFrameBytes: number
  readonly maxInFlightRequests: number
  readonly maxInFlightBytes: number
  readonly held: ByteBudget
  readonly unsent: ByteBudget
  readonly endOfTurn: EndOfTurn
  readonly connections = new Set<Connection>()

  private readonly options: TcpServerOptions
  private readonly server: Server
  private nextId = 1
  /** Connections too many that are being told so. */
  private readonly turnedAway = new Set<Socket>()
  /** Since the last tick. */
  private turnedAwayCount = 0

  constructor (options: TcpServerOptions) {
    this.options = options
    this.maxFrameBytes = options.maxFrameBytes
    this.maxInFlightRequests = options.maxInFlightRequests
    this.maxInFlightBytes = options.maxInFlightBytes
    this.held = new ByteBudget(options.maxHeldBytes)
    this.unsent = new ByteBudget(options.maxUnsentBytes)
    this.endOfTurn = options.endOfTurn
    this.server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, socket => this.onSocket(socket))
  }

  monotonicMs (): number { return this.options.monotonicMs() }

  /** Resolves with the port in use. @throws ListenError */
  listen (host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => {
        reject(new ListenError(error.code ?? 'UNKNOWN', host, port, error))
      })
      this.server.listen({ host, port, backlog: 1024 }, () => {
        this.server.removeAllListeners('error')
        // An accept that fails, for want of file handles, leaves the other connections alone.
        this.server.on('error', error => this.options.logger.error({ err: error }, 'accepting a connection failed'))
        resolve((this.server.address() as { port: number }).port)
      })
    })
  }

  onFrame (connection: Connection, frame: Frame): void { this.options.onFrame(connection, frame) }

  onClose (connection: Connection, reason: string): void {
    this.connections.delete(connection)
    this.options.logger.debug({ connection: connection.id, reason }, 'connection closed')
  }

  tick (nowMs: number): void {
    for (const connection of this.connections) connection.tick(nowMs)
    if (this.unsent.exhausted) this.cutStalled(nowMs)
    if (this.turnedAwayCount === 0) return
    this.options.logger.warn({ turnedAway: this.turnedAwayCount, connections: this.connections.size },
      'too many connections; some were turned away')
    this.turnedAwayCount = 0
  }

  /** Takes no new connections and tells the clients there are to go. */
  stopAccepting (reason: string, closesInMs: number): void {
    this.server.close()
    for (const connection of this.connections) connection.goAway(reason, closesInMs)
  }

  /**
   * Gives clients a moment to take what is under way and go, then ends their connections once they have their answers.
   * Resolves when all are gone, after `withinMs` at the latest.
   */
  async closeAll (withinMs: number): Promise<void> {
    const startMs = this.monotonicMs()
    await this.allGone(startMs + Math.min(withinMs, LIMITS.goAwayGraceMs))
    for (const connection of this.connections) connection.end()
    await this.allGone(startMs + withinMs)
    for (const connection of this.connections) connection.destroy()
    for (const socket of this.turnedAway) socket.destroy()
  }

  private async allGone (deadlineMs: number): Promise<void> {
    while (this.connections.size > 0 && this.monotonicMs() < deadlineMs) {
      await new Promise(resolve => setTimeout(resolve, DRAIN_POLL_MS))
    }
  }

  /** Clients that take nothing hold memory that others wait for. */
  private cutStalled (nowMs: number): void {
    for (const connection of this.connections) {
      const stalledMs = connection.stalledMs(nowMs)
      if (stalledMs <= LIMITS.stalledMs) continue
      const { remoteAddress: client, clientName } = connection
      this.options.logger.warn({ client, clientName, stalledMs: Math.round(stalledMs) },
        'memory for responses is used up; a client that does not take its own was cut off')
      connection.destroy()
    }
  }

  private onSocket (accepted: Socket): void {
    if (this.connections.size >= this.options.maxConnections) return this.turnAway(accepted)
    const socket = readInto(accepted, bytes => connection.onBytes(bytes))
    const connection = new Connection(this.nextId++, socket, this)
    this.connections.add(connection)
    socket.resume()
  }

  /** Says why, and gives the client time to read it: closing at once would reset the connection first. */
  private turnAway (socket: Socket): void {
    this.turnedAwayCount++
    socket.on('error', () => {})
    if (this.turnedAway.size >= LIMITS.turnedAwayAtOnce) {
      socket.destroy()
      return
    }
    this.turnedAway.add(socket)
    socket.on('close', () => this.turnedAway.delete(socket))
    const head = { api: 0, version: 1, flags: FRAME_FLAG.response | FRAME_FLAG.error, correlation: 0 }
    const message = `the broker has its ${this.options.maxConnections} connections; close some or raise max-connections`
    socket.resume()
    socket.end(ERROR_CODEC.encodeFrame(head, { code: ERROR.BUSY, message, retryAfterMs: 1000 }))
    setTimeout(() => socket.destroy(), LIMITS.lingerMs).unref()
  }
}
