// The queue sessions of one process: the product's, over connections of which there is nothing but whether they are
// there. A client counts its connections, so that what was sent on an old one is known as such.

import { type Connection, type HostedQueueGroup, type PartitionTable, QueueSession } from '@sluice/broker/simulation'

export interface SessionName {
  readonly sessionId: number
  readonly flags: number
  /** Counted by the client. */
  readonly connection: number
}

interface OpenSession { readonly connection: number, readonly closed: Set<() => void>, readonly session: QueueSession }

export class SimSessions {
  private readonly table: PartitionTable
  private readonly sessions = new Map<number, OpenSession>()

  constructor (table: PartitionTable) {
    this.table = table
  }

  /** The session on this connection, taken up again where it is new; null where there is a later one. */
  find ({ sessionId, flags, connection }: SessionName): QueueSession | null {
    const known = this.sessions.get(sessionId)
    if (known?.connection === connection) return known.session
    if (known !== undefined && known.connection > connection) return null
    const groups = known?.session.groups ?? this.groupsOf(sessionId)
    known?.session.leave()
    const closed = new Set<() => void>()
    const session = new QueueSession(sessionId, flags, '', { onClosed: closed } as unknown as Connection)
    this.sessions.set(sessionId, { connection, closed, session })
    for (const group of groups) session.rejoin(group)
    return session
  }

  /** The connection has broken. */
  disconnect ({ sessionId, connection }: SessionName): void {
    const known = this.sessions.get(sessionId)
    if (known?.connection === connection) for (const tell of [...known.closed]) tell()
  }

  close (name: SessionName): void {
    this.find(name)?.close()
    this.sessions.delete(name.sessionId)
  }

  private groupsOf (sessionId: number): HostedQueueGroup[] {
    const groups: HostedQueueGroup[] = []
    for (const { queues } of this.table.all()) {
      for (const group of queues!.all()) if (group.idle.state.sessions.find(sessionId) !== undefined) groups.push(group)
    }
    return groups
  }
}
