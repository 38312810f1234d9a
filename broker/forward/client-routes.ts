// The ways of clients to other brokers: for each connection of a client the upstreams that it needs, and the sessions
// that it has open, which are opened over there as well before something is asked in their name.

import { API_KEY, messageCodec, type OpenSessionRequest } from '@sluice/protocol'
import type { ClusterView } from '../control/cluster-view.js'
import type { Connection } from '../net/connection.js'
import type { Clock } from '../runtime/clock.js'
import { Upstream } from './upstream.js'

const OPEN_SESSION = messageCodec('openSession', 'request')
const TICK_MS = 250
const SESSION_TIMEOUT_MS = 30_000
/** Where nobody listens: a broker that is not known is refused at once. */
const NOWHERE = { host: '127.0.0.1', port: 1 }

/** The ways of one client. */
export class ClientRoute {
  /** What the sessions of the client were opened with, by id. */
  readonly sessions = new Map<number, OpenSessionRequest>()
  private readonly upstreams = new Map<number, Upstream>()
  private readonly client: Connection
  private readonly view: ClusterView
  private readonly clock: Clock
  private closed = false

  constructor (client: Connection, view: ClusterView, clock: Clock) {
    this.client = client
    this.view = view
    this.clock = clock
  }

  /** The connection to a broker, made where there is none. */
  to (brokerId: number): Upstream {
    const known = this.upstreams.get(brokerId)
    const { host, port } = this.view.addressOf(brokerId) ?? NOWHERE
    if (known?.isGone === false && known.address.host === host && known.address.port === port) return known
    known?.close()
    const upstream = new Upstream({ brokerId, host, port }, this.client)
    // Who asks in the name of a client that has gone is told so, and nothing stays open.
    if (this.closed) upstream.close()
    this.upstreams.set(brokerId, upstream)
    return upstream
  }

  /** As `to`; what is sent next finds the session open. */
  inSession (brokerId: number, sessionId: number): Upstream {
    const upstream = this.to(brokerId)
    const session = this.sessions.get(sessionId)
    if (session === undefined || upstream.sessions.has(sessionId)) return upstream
    upstream.sessions.add(sessionId)
    const head = upstream.headOf(API_KEY.openSession, 1)
    const dueMs = this.clock.monotonicMs() + SESSION_TIMEOUT_MS
    // Where it is refused, what is asked in its name is refused too, and says so.
    upstream.send(head, [OPEN_SESSION.encodeFrame(head, session)], dueMs, ({ frame }) => {
      if (frame === null) upstream.sessions.delete(sessionId)
    })
    return upstream
  }

  /** Brokers at which a session is open, besides this one. */
  upstreamsOf (sessionId: number): Upstream[] {
    return [...this.upstreams.values()].filter(upstream => !upstream.isGone && upstream.sessions.has(sessionId))
  }

  tick (nowMs: number): void {
    for (const upstream of this.upstreams.values()) upstream.tick(nowMs)
  }

  close (): void {
    this.closed = true
    for (const upstream of this.upstreams.values()) upstream.close()
  }
}

/** See the head of this file. */
export class ClientRoutes {
  private readonly view: ClusterView
  private readonly clock: Clock
  private readonly routes = new Map<Connection, ClientRoute>()
  private readonly timer: NodeJS.Timeout

  constructor (view: ClusterView, clock: Clock) {
    this.view = view
    this.clock = clock
    this.timer = setInterval(() => this.tick(), TICK_MS)
  }

  /** The ways of a client, until its connection is gone. */
  of (client: Connection): ClientRoute {
    const known = this.routes.get(client)
    if (known !== undefined) return known
    const route = new ClientRoute(client, this.view, this.clock)
    this.routes.set(client, route)
    client.onClosed.add(() => {
      this.routes.delete(client)
      route.close()
    })
    return route
  }

  close (): void {
    clearInterval(this.timer)
    for (const route of this.routes.values()) route.close()
  }

  private tick (): void {
    const nowMs = this.clock.monotonicMs()
    for (const route of this.routes.values()) route.tick(nowMs)
  }
}
