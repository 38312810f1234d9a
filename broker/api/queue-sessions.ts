// The sessions of this broker: which client holds each, on which connection, and in which queue groups it is known.
//
//   open ── receive: joins groups ── connection closed: every group begins the grace ── open again: all is as before
//
// The groups keep what must last: ids, flags, leases. What is here is about connections and can be lost; a session that
// is taken up again after a restart is found in the groups by its id.

import { randomBytes } from 'node:crypto'
import { ERROR, type LeaseMode } from '@sluice/protocol'
import type { ControlStore } from '../control/control-store.js'
import { swap } from '../control/swap.js'
import type { Connection } from '../net/connection.js'
import type { PartitionTable } from '../partition/partition-table.js'
import { SESSION_FLAG } from '../queue/session-table.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import type { Clock } from '../runtime/clock.js'
import type { DeadlineQueue } from '../runtime/deadline-queue.js'
import { QueueSession } from './queue-session.js'
import { SECRET_BYTES, isTokenOf, newSessionId, tokenOf } from './session-token.js'

const SECRET_KEY = '/session-secret'
/** A session without a connection is remembered for so long, for its name: longer than any grace. Milliseconds. */
const REMEMBERED_MS = 6 * 60_000

const FLAGS: Readonly<Record<LeaseMode, number>> = {
  visibility: SESSION_FLAG.outlived,
  session: SESSION_FLAG.renews,
  started: SESSION_FLAG.renews | SESSION_FLAG.explicitStart,
}

export interface QueueSessionsOptions {
  control: ControlStore
  partitions: PartitionTable
  clock: Clock
  deadlines: DeadlineQueue
}

export interface SessionRequest { sessionId: number, token: string, clientName: string, leases: LeaseMode }

export type OpenedSession = { session: QueueSession, token: string } | { error: number, message: string }

export class QueueSessions {
  private readonly options: QueueSessionsOptions
  private readonly secret: Buffer
  private readonly sessions = new Map<number, QueueSession>()

  private constructor (options: QueueSessionsOptions, secret: Buffer) {
    this.options = options
    this.secret = secret
  }

  static async start (options: QueueSessionsOptions): Promise<QueueSessions> {
    return new QueueSessions(options, await secretOf(options.control))
  }

  open (request: SessionRequest, connection: Connection): OpenedSession {
    const flags = FLAGS[request.leases]
    if (request.sessionId === 0) return this.begin(newSessionId(), flags, request, connection)
    const { sessionId, token } = request
    if (!Number.isSafeInteger(sessionId) || sessionId < 1 || !isTokenOf(this.secret, sessionId, token)) {
      return { error: ERROR.UNKNOWN_SESSION, message: `session ${sessionId} is not known, or its token is wrong; begin a new one` }
    }
    const known = this.sessions.get(sessionId)
    // It has lost nothing: a client that takes this one for several brokers opens it for each of them.
    if (known?.connection === connection && known.flags === flags) {
      // But it may have held leases of partitions that this broker leads since.
      for (const group of this.groupsOf(sessionId)) if (!known.groups.has(group)) known.rejoin(group)
      return { session: known, token: tokenOf(this.secret, sessionId) }
    }
    const groups = known?.groups ?? this.groupsOf(sessionId)
    for (const group of groups) {
      const held = group.idle.state.sessions.find(sessionId)
      if (held !== undefined && held.flags !== flags) {
        return { error: ERROR.INVALID_REQUEST, message: `session ${sessionId} was begun with other leases than ${request.leases}; they cannot be changed` }
      }
    }
    known?.leave()
    const opened = this.begin(sessionId, flags, request, connection)
    for (const group of groups) opened.session.rejoin(group)
    return opened
  }

  /** The session, where it is open on this connection. */
  find (sessionId: number, connection: Connection): QueueSession | null {
    const session = this.sessions.get(sessionId)
    return session?.connection === connection ? session : null
  }

  /** Whoever the session belongs to, as far as known: for explanations. */
  holderOf (sessionId: number): { clientName: string, clientAddress: string } {
    const session = this.sessions.get(sessionId)
    return { clientName: session?.clientName ?? '', clientAddress: session?.connection?.remoteAddress ?? '' }
  }

  close (session: QueueSession): void {
    session.close()
    this.sessions.delete(session.sessionId)
  }

  private begin (
    sessionId: number, flags: number, { clientName }: SessionRequest, connection: Connection,
  ): { session: QueueSession, token: string } {
    const session = new QueueSession(sessionId, flags, clientName || connection.clientName, connection)
    this.sessions.set(sessionId, session)
    session.onDisconnected = () => this.forgetLater(session)
    return { session, token: tokenOf(this.secret, sessionId) }
  }

  private forgetLater (session: QueueSession): void {
    const { clock, deadlines } = this.options
    deadlines.add(clock.monotonicMs() + REMEMBERED_MS, () => {
      if (this.sessions.get(session.sessionId) === session) this.sessions.delete(session.sessionId)
    })
  }

  /** Looks at every group: once for each session that comes back after a restart. */
  private groupsOf (sessionId: number): Set<HostedQueueGroup> {
    const groups = new Set<HostedQueueGroup>()
    for (const { queues } of this.options.partitions.all()) {
      if (queues === null) continue
      for (const group of queues.all()) {
        if (group.idle.state.sessions.find(sessionId) !== undefined) groups.add(group)
      }
    }
    return groups
  }
}

/** The cluster's secret, made by whoever needs it first. */
async function secretOf (control: ControlStore): Promise<Buffer> {
  const entry = await control.get(SECRET_KEY)
  if (entry !== null) return Buffer.from(entry.value as string, 'base64')
  const secret = randomBytes(SECRET_BYTES)
  const text = secret.toString('base64')
  const revision = await swap(control, SECRET_KEY, text, 0, value => value === text)
  return revision === null ? await secretOf(control) : secret
}
