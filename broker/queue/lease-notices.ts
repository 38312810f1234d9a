// What holders of leases are to be told with their next heartbeats: leases that ended without their own word, and
// records that were cancelled while leased.
//
//   lease ends by time, ttl, purge, retention, an earlier record of its key ─▶ lost ──┐
//   somebody cancels a leased record ─▶ cancelRequested ─────────────────────────────┴▶ heartbeat, TELLINGS_MAX times
//
// Soft state of the leader: a notice that is lost with it costs work done twice, which the settle then says. An answer
// to a heartbeat may get lost, where the connection goes: so a notice is told with a few of them, and then forgotten.
//
// Invariants: nothing is told before the delta that it rests on is durable, since the next leader might not know of it
// and keep for the session what nobody there holds any more; at most one notice per lease, and NOTICES_MAX per session,
// of which the oldest are forgotten first.

import { forgetOldest } from './forget-oldest.js'
import type { Session } from './session-table.js'

export const NOTICE_KIND = { cancelRequested: 0, lost: 1 } as const
export type NoticeKind = typeof NOTICE_KIND[keyof typeof NOTICE_KIND]

export interface Notice {
  readonly kind: NoticeKind
  readonly offset: number
  readonly leaseEpoch: number
  readonly leaseSequence: number
}

/** Notices of one heartbeat; `more` where there are others that were never told. */
export interface ToldNotices { readonly notices: readonly Notice[], readonly more: boolean }

interface KeptNotice extends Notice { readonly sequence: number, tellings: number }

/** How many heartbeats tell of the same. */
const TELLINGS_MAX = 3
const NOTICES_MAX = 10_000
const NOTHING: ToldNotices = { notices: [], more: false }

export class LeaseNotices {
  /** By the session's number, then by lease sequence. */
  private readonly sessions = new Map<number, Map<number, KeptNotice>>()
  private durableSequence = 0

  /** @param sequence of the delta that has brought it about. */
  add (session: number, notice: Notice, sequence: number): void {
    let kept = this.sessions.get(session)
    if (kept === undefined) this.sessions.set(session, kept = new Map())
    // A lease that is lost is lost: that it was cancelled as well does not matter any more.
    kept.delete(notice.leaseSequence)
    kept.set(notice.leaseSequence, { ...notice, sequence, tellings: 0 })
    forgetOldest(kept, NOTICES_MAX)
  }

  /** The next notices of a session: first those that it was never told. */
  take ({ number }: Session, max: number): ToldNotices {
    const kept = this.sessions.get(number)
    if (kept === undefined) return NOTHING
    const all = [...kept.values()].filter(({ sequence }) => sequence <= this.durableSequence)
    const untold = all.filter(({ tellings }) => tellings === 0)
    const notices = untold.length >= max
      ? untold.slice(0, max)
      : [...untold, ...all.filter(({ tellings }) => tellings > 0).slice(0, max - untold.length)]
    for (const notice of notices) {
      notice.tellings++
      kept.delete(notice.leaseSequence)
      // Behind the others: all have their turn.
      if (notice.tellings < TELLINGS_MAX) kept.set(notice.leaseSequence, notice)
    }
    if (kept.size === 0) this.sessions.delete(number)
    return { notices, more: untold.length > max }
  }

  /** Everything up to this delta is durable. */
  onDurable (sequence: number): void { this.durableSequence = sequence }

  /** A session has ended. */
  forget (session: number): void { this.sessions.delete(session) }

  /** Notices that are kept: for tests. */
  get size (): number {
    let size = 0
    for (const kept of this.sessions.values()) size += kept.size
    return size
  }
}
