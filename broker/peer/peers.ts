// The other brokers of the cluster: a connection to each, and those that they have made to this one.
//
//   replicas ── send ──▶ PeerLink ──────────▶ the other broker
//            ◀─ onLetter ── PeerSession ◀──── a connection with peerHello
//
// - A letter reaches the process that was connected to when it was sent, or nobody.
// - Of each broker the newest connection counts: what still comes over an older one, perhaps of a process that is gone,
//   is dropped.

import type { ReplicateRequest } from '@sluice/protocol'
import type { ReplicaMessage } from '../replica/replica-message.js'
import type { Logger } from '../runtime/logger.js'
import type { EndOfTurn } from '../runtime/turn.js'
import { PeerLink, type BrokerAddress, type PeerIdentity, type PeerLinkHost } from './peer-link.js'
import { visitLetters } from './replica-frame.js'

export interface PeersOptions {
  readonly identity: PeerIdentity
  readonly endOfTurn: EndOfTurn
  readonly monotonicMs: () => number
  readonly logger: Logger
  /** What another broker's replica says. Buffers are valid during the call only. */
  readonly onLetter: (from: number, topicId: string, partition: number, message: ReplicaMessage) => void
}

/** How a broker is known by its connections. */
export interface PeerState {
  readonly brokerId: number
  /** Of the process at the other end; null while there is no connection. */
  readonly incarnation: string | null
  /** When something last came from it, on the monotonic clock; -Infinity: never. */
  readonly heardMs: number
}

/** What a connection from another broker is known by. */
interface PeerSession { readonly brokerId: number, readonly incarnation: string, heardMs: number }

export class Peers implements PeerLinkHost {
  readonly identity: PeerIdentity
  readonly endOfTurn: EndOfTurn
  /**
   * A connection to or from a process has broken that was there: most likely it is gone. Deposing what it leads is
   * always safe.
   */
  onLost: (brokerId: number, incarnation: string) => void = () => {}
  /** A broker can be spoken to, and speaks. */
  onFound: (brokerId: number, incarnation: string) => void = () => {}
  private readonly options: PeersOptions
  private readonly links = new Map<number, PeerLink>()
  private readonly sessions = new Map<object, PeerSession>()
  /** The newest of each broker. */
  private readonly current = new Map<number, PeerSession>()
  private readonly incarnations = new Map<number, string>()
  private closed = false

  constructor (options: PeersOptions) {
    this.options = options
    this.identity = options.identity
    this.endOfTurn = options.endOfTurn
  }

  monotonicMs (): number { return this.options.monotonicMs() }

  /** Where the other brokers are. Those that are missing are forgotten; this broker itself is passed over. */
  setAddresses (addresses: ReadonlyMap<number, BrokerAddress>): void {
    if (this.closed) return
    for (const [brokerId, link] of this.links) {
      if (addresses.has(brokerId)) continue
      this.links.delete(brokerId)
      link.close()
    }
    for (const [brokerId, address] of addresses) {
      if (brokerId === this.identity.brokerId) continue
      const link = this.links.get(brokerId)
      if (link !== undefined) link.moveTo(address)
      else this.links.set(brokerId, new PeerLink(this, brokerId, address))
    }
    this.tick()
  }

  /** Sends what a replica says; it may be lost. */
  send (to: number, topicId: string, partition: number, message: ReplicaMessage): void {
    this.links.get(to)?.send({ topicId, partition, message })
  }

  /** To be called every few tens of milliseconds. */
  tick (): void {
    const nowMs = this.monotonicMs()
    for (const link of this.links.values()) link.tick(nowMs)
  }

  /** How each broker stands. */
  states (): PeerState[] {
    return [...this.links.values()].map(({ brokerId, incarnation }) =>
      ({ brokerId, incarnation, heardMs: this.current.get(brokerId)?.heardMs ?? -Infinity }))
  }

  /** What was sent to other brokers since the start; that to brokers which have left is forgotten. */
  sent (): { frames: number, bytes: number } {
    const sum = { frames: 0, bytes: 0 }
    for (const { sent } of this.links.values()) {
      sum.frames += sent.frames
      sum.bytes += sent.bytes
    }
    return sum
  }

  close (): void {
    this.closed = true
    for (const link of this.links.values()) link.close()
    this.links.clear()
  }

  // What comes from the other brokers.

  /**
   * Another broker says who it is.
   *
   * @param connection what it is known by later.
   * @returns what speaks against it, for people; null where it may go on.
   */
  accept (
    connection: object, clusterId: string, brokerId: number, incarnation: string, targetId: number,
  ): string | null {
    const { identity } = this
    if (clusterId !== identity.clusterId) {
      return `this broker belongs to cluster ${identity.clusterId}, not ${clusterId.slice(0, 100)}; check the addresses of the brokers`
    }
    if (targetId !== identity.brokerId) {
      return `this is broker ${identity.brokerId}, not ${targetId}; another broker has taken its address`
    }
    if (brokerId === identity.brokerId) return `broker id ${brokerId} is that of this broker; give each broker its own`
    const session = { brokerId, incarnation, heardMs: this.monotonicMs() }
    this.sessions.set(connection, session)
    this.current.set(brokerId, session)
    this.findBothWays(brokerId)
    return null
  }

  /** A connection is gone. */
  onClosed (connection: object): void {
    const session = this.sessions.get(connection)
    if (session === undefined) return
    this.sessions.delete(connection)
    if (this.current.get(session.brokerId) !== session) return
    this.current.delete(session.brokerId)
    if (!this.closed) this.onLost(session.brokerId, session.incarnation)
  }

  /**
   * Takes in a frame. The payload is [start, end) of `bytes`.
   *
   * @returns what is wrong with it, for people; null where nothing is.
   */
  receive (connection: object, body: ReplicateRequest, bytes: Buffer, start: number, end: number): string | null {
    const session = this.sessions.get(connection)
    if (session === undefined) return 'replicate came before peerHello; it is for brokers of the same cluster only'
    if (this.closed || this.current.get(session.brokerId) !== session) return null
    session.heardMs = this.monotonicMs()
    const { onLetter } = this.options
    const { brokerId } = session
    return visitLetters(body, bytes, start, end, (topicId, partition, message) => {
      onLetter(brokerId, topicId, partition, message)
    })
  }

  // What links tell.

  onUp ({ brokerId, incarnation }: PeerLink): void {
    this.incarnations.set(brokerId, incarnation!)
    this.options.logger.info({ brokerId }, 'connected to a broker')
    this.findBothWays(brokerId)
  }

  /** A broker is found when it can be spoken to and speaks: whichever way was broken, the other may have been there. */
  private findBothWays (brokerId: number): void {
    const incarnation = this.links.get(brokerId)?.incarnation ?? null
    if (incarnation === null || this.current.get(brokerId)?.incarnation !== incarnation) return
    this.onFound(brokerId, incarnation)
  }

  onDown ({ brokerId }: PeerLink, reason: string, wasUp: boolean): void {
    if (!wasUp) return
    this.options.logger.warn({ brokerId, reason }, 'the connection to a broker has broken')
    if (!this.closed) this.onLost(brokerId, this.incarnations.get(brokerId)!)
  }
}
