// One session of a client: its connection, and the queue groups that know it.

import type { Connection } from '../net/connection.js'
import { SESSION_FLAG } from '../queue/session-table.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'

/** A receive that is not answered. */
export interface OpenReceive {
  /** The client has ended the session, or gone on with it elsewhere: nothing may be leased to it here any more. */
  onSessionClosed (): void
}

export class QueueSession {
  readonly sessionId: number
  readonly flags: number
  readonly clientName: string
  readonly groups = new Set<HostedQueueGroup>()
  /** Groups in which it may hold leases that the client has never heard of. */
  private readonly resumed = new Set<HostedQueueGroup>()
  /** Where the next receive begins among its partitions. */
  rotation = 0
  /** Null once it is gone. */
  connection: Connection | null
  onDisconnected: (() => void) | null = null
  /** Receives that are not answered. */
  readonly receives = new Set<OpenReceive>()
  private readonly onConnectionClosed = (): void => this.disconnect()

  constructor (sessionId: number, flags: number, clientName: string, connection: Connection) {
    this.sessionId = sessionId
    this.flags = flags
    this.clientName = clientName
    this.connection = connection
    connection.onClosed.add(this.onConnectionClosed)
  }

  /** Makes the session known to a group. A turn of the group has begun then. */
  join (group: HostedQueueGroup): void {
    const queue = group.turn()
    const isKnown = queue.state.sessions.find(this.sessionId) !== undefined
    if (this.groups.has(group) && isKnown) return
    // The leader before this one knew it: what that has granted last may never have arrived.
    if (isKnown) this.resumed.add(group)
    queue.openSession(this.sessionId, this.flags)
    this.groups.add(group)
  }

  /**
   * The client has said what it had started before this connection: all else that it holds goes back. Before a receive
   * and with a heartbeat.
   */
  giveBackUnstarted (): void {
    if (this.resumed.size === 0) return
    for (const group of this.resumed) if (!group.isStopped) group.turn().giveBackUnstarted(this.sessionId)
    this.resumed.clear()
  }

  /** This broker does not lead the group's partition any more. */
  forget (group: HostedQueueGroup): void {
    this.groups.delete(group)
    this.resumed.delete(group)
  }

  /** Tells a group that the session is there again. Where it has ended meanwhile, its heartbeat says so. */
  rejoin (group: HostedQueueGroup): void {
    this.groups.add(group)
    this.resumed.add(group)
    if (!group.isStopped) group.turn().heartbeat(this.sessionId)
  }

  /** A third of the shortest session timeout among its groups, in milliseconds; -1 where no heartbeat is needed. */
  get heartbeatMs (): number {
    if ((this.flags & SESSION_FLAG.outlived) !== 0) return -1
    let shortestMs = Infinity
    for (const { config } of this.groups) shortestMs = Math.min(shortestMs, config.sessionTimeoutMs)
    return shortestMs === Infinity ? -1 : Math.floor(shortestMs / 3)
  }

  /**
   * The session goes on elsewhere: nobody begins a grace for this connection any more, and nothing is leased over it.
   * It may long be broken without this broker knowing: what left over it now would be heard of by nobody, and kept by
   * the heartbeats that come over the other one.
   */
  leave (): void {
    this.connection?.onClosed.delete(this.onConnectionClosed)
    this.connection = null
    for (const receive of [...this.receives]) receive.onSessionClosed()
  }

  /** The client ends it. */
  close (): void {
    this.leave()
    for (const group of this.groups) if (!group.isStopped) group.turn().closeSession(this.sessionId)
    this.groups.clear()
  }

  private disconnect (): void {
    this.connection = null
    for (const group of this.groups) if (!group.isStopped) group.turn().sessionDisconnected(this.sessionId)
    this.onDisconnected?.()
  }
}
