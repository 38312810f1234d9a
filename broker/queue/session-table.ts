// The sessions that have had leases here. A session is a client's, across its connections: it outlives a connection by
// the queue's grace, and takes its leases along.
//
//   open ── heartbeat ── heartbeat ──┬── closed: leases given back at once, not counted
//                                    └── silent or disconnected ── grace ──┬── resumed: as if nothing had been
//                                                                          └── gone: started ones failed, others back
//
// Which sessions there are, with their numbers and flags, is replicated; when they were last heard of is not: a new
// leader gives each its grace anew.

import { NO_SLOT, type RecordLedger } from './record-ledger.js'

/** Bits of a session's flags. Part of the encoding. */
export const SESSION_FLAG = {
  /** The session says when a handler starts on a record; until then its time does not count. */
  explicitStart: 1 << 0,
  /** Heartbeats renew the leases of started records. */
  renews: 1 << 1,
  /** Leases last for their visibility time, whatever becomes of the session: it is forgotten when they are over. */
  outlived: 1 << 2,
} as const

export interface Session {
  /** Small number that stands for the session in the ledger. */
  readonly number: number
  /** The session's id: a safe integer, hard to guess. */
  readonly sessionId: number
  flags: number
  /** First of the list of its leases. */
  firstLease: number
  leaseCount: number
  /** When it was last heard of: queue time, milliseconds. Leader only. */
  heardMs: number
  /** When it counts as gone: queue time, milliseconds; Infinity while nothing is known against it. Leader only. */
  goneAtMs: number
}

export class SessionTable {
  private readonly byId = new Map<number, Session>()
  private readonly byNumber = new Map<number, Session>()
  private highest = 0

  get size (): number { return this.byId.size }

  /** A number that no session had before. */
  get nextNumber (): number { return this.highest + 1 }

  all (): IterableIterator<Session> { return this.byNumber.values() }

  find (sessionId: number): Session | undefined { return this.byId.get(sessionId) }

  numbered (number: number): Session | undefined { return this.byNumber.get(number) }

  put (number: number, sessionId: number, flags: number): Session {
    const known = this.byNumber.get(number)
    if (known !== undefined) {
      known.flags = flags
      return known
    }
    const session: Session = {
      number, sessionId, flags, firstLease: NO_SLOT, leaseCount: 0, heardMs: 0, goneAtMs: Infinity,
    }
    this.byId.set(sessionId, session)
    this.byNumber.set(number, session)
    this.highest = Math.max(this.highest, number)
    return session
  }

  /** Numbers up to this one are used up, even of sessions that are gone. */
  raiseHighest (number: number): void { this.highest = Math.max(this.highest, number) }

  remove (number: number): void {
    const session = this.byNumber.get(number)
    if (session === undefined) return
    this.byNumber.delete(number)
    this.byId.delete(session.sessionId)
  }

  link (session: Session, ledger: RecordLedger, slot: number): void {
    const first = session.firstLease
    ledger.sessions[slot] = session.number
    ledger.mateNext[slot] = first
    ledger.matePrevious[slot] = NO_SLOT
    if (first !== NO_SLOT) ledger.matePrevious[first] = slot
    session.firstLease = slot
    session.leaseCount++
  }

  unlink (ledger: RecordLedger, slot: number): void {
    const session = this.byNumber.get(ledger.sessions[slot]!)!
    const next = ledger.mateNext[slot]!
    const previous = ledger.matePrevious[slot]!
    if (previous === NO_SLOT) session.firstLease = next
    else ledger.mateNext[previous] = next
    if (next !== NO_SLOT) ledger.matePrevious[next] = previous
    ledger.sessions[slot] = 0
    session.leaseCount--
  }

  /** Offsets leased by a session, ascending. */
  leasesOf (session: Session, ledger: RecordLedger): number[] {
    const offsets: number[] = []
    for (let slot = session.firstLease; slot !== NO_SLOT; slot = ledger.mateNext[slot]!) {
      offsets.push(ledger.offsets[slot]!)
    }
    return offsets.sort((a, b) => a - b)
  }
}
