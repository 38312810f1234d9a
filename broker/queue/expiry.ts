// What time alone brings about: leases that end, delays that are over, sessions that are gone.
//
// What is due in the same tick is dealt with in the order of the offsets: when several leases of a run end together,
// the first counts as failed and takes the others back with it, uncounted.

import type { Journal } from './journal.js'
import type { LeaseNotices } from './lease-notices.js'
import type { Lifecycle } from './lifecycle.js'
import type { Picker } from './picker.js'
import type { QueueClock } from './queue-clock.js'
import type { QueueState } from './queue-state.js'
import { DELAY_CLOCK, ORDER, QUEUE_LIMITS, REASON, RECORD_STATE, type DelayClock } from './queue-types.js'
import { NO_SLOT, RECORD_FLAG } from './record-ledger.js'
import { SESSION_FLAG, type Session } from './session-table.js'

export class Expiry {
  private readonly state: QueueState
  private readonly journal: Journal
  private readonly clock: QueueClock
  private readonly lifecycle: Lifecycle
  private readonly picker: Picker
  private readonly notices: LeaseNotices
  /** Sessions that are losing their leases, by number: the offsets that are left, ascending, from `position` on. */
  private readonly leaving = new Map<number, { readonly offsets: readonly number[], position: number }>()
  /** Sessions whose end is not durable yet: its delta, by session id. */
  private readonly ended = new Map<number, number>()
  /** No session is silent or gone before this queue time. */
  private sessionsDueMs = 0

  constructor (parts: {
    state: QueueState,
    journal: Journal,
    clock: QueueClock,
    lifecycle: Lifecycle,
    picker: Picker,
    notices: LeaseNotices,
  }) {
    this.state = parts.state
    this.journal = parts.journal
    this.clock = parts.clock
    this.lifecycle = parts.lifecycle
    this.picker = parts.picker
    this.notices = parts.notices
  }

  /** Queue time of the next thing to do that is a matter of durations; a date is `firstDateMs`. */
  get nextDueMs (): number {
    const storeMs = this.loadDueMs(DELAY_CLOCK.queue)
    const sessionsMs = this.state.sessions.size === 0 ? Infinity : this.sessionsDueMs
    return Math.min(this.state.timers.nextDueMs(), storeMs, sessionsMs)
  }

  /** Wall-clock time of the next thing to do that is a matter of dates. */
  get firstDateMs (): number {
    const storeMs = this.loadDueMs(DELAY_CLOCK.wall)
    return Math.min(this.state.dates.nextDueMs(), storeMs)
  }

  tick (): void {
    this.checkSessions()
    this.loadNear(DELAY_CLOCK.queue, this.clock.passedMs)
    this.loadNear(DELAY_CLOCK.wall, this.clock.wallMs)
    const due: number[] = []
    this.state.timers.takeDue(this.clock.passedMs, QUEUE_LIMITS.recordsPerTick, due)
    this.state.dates.takeDue(this.clock.wallMs, QUEUE_LIMITS.recordsPerTick, due)
    due.sort((a, b) => a - b)
    for (const offset of due) this.onDue(offset)
  }

  /** A session is there, on a connection. */
  heard (session: Session): void {
    session.heardMs = this.clock.nowMs
    session.goneAtMs = Infinity
    this.leaving.delete(session.number)
    this.sessionsDueMs = Math.min(this.sessionsDueMs, session.heardMs + this.lifecycle.config.sessionTimeoutMs)
  }

  /** False while nobody may be told that a session has ended: the next leader might know nothing of it. */
  isEndDurable (sessionId: number): boolean { return !this.ended.has(sessionId) }

  /** Everything up to this delta is durable. */
  onDurable (sequence: number): void {
    for (const [sessionId, endedAt] of this.ended) if (endedAt <= sequence) this.ended.delete(sessionId)
  }

  /** A session has lost its connection. */
  disconnected (session: Session): void {
    session.goneAtMs = Math.min(session.goneAtMs, this.clock.nowMs + this.lifecycle.config.disconnectGraceMs)
    this.sessionsDueMs = Math.min(this.sessionsDueMs, session.goneAtMs)
  }

  /** A leader begins: nobody has been heard of yet, everybody has a grace. */
  rebuild (): void {
    this.sessionsDueMs = Infinity
    for (const session of this.state.sessions.all()) {
      session.heardMs = this.clock.nowMs
      session.goneAtMs = Infinity
      this.disconnected(session)
    }
  }

  /** A session ends by its own word: its leases are given back, but for those that outlive it. */
  close (session: Session): void {
    if (!isOutlived(session)) {
      this.endLeases(session, false, Infinity)
      return
    }
    session.goneAtMs = this.clock.nowMs
    this.sessionsDueMs = Math.min(this.sessionsDueMs, session.goneAtMs)
  }

  /** Gives back what the session holds and has not started, where it says itself what it starts. */
  giveBackUnstarted (session: Session): void {
    if ((session.flags & SESSION_FLAG.explicitStart) === 0) return
    const { ledger } = this.state
    for (const offset of this.state.sessions.leasesOf(session, ledger)) {
      const slot = ledger.find(offset)
      // It may have gone with an earlier record of its run.
      if (slot === NO_SLOT || ledger.sessions[slot] !== session.number) continue
      if ((ledger.flags[slot]! & RECORD_FLAG.started) === 0) this.lifecycle.giveBack(slot)
    }
  }

  /**
   * Ends the leases of a session, at most `max`, and the session when none is left.
   *
   * @returns how many it has looked at
   */
  private endLeases (session: Session, isGone: boolean, max: number): number {
    const { ledger, sessions } = this.state
    const { number } = session
    const list = this.leaving.get(number) ?? { offsets: sessions.leasesOf(session, ledger), position: 0 }
    const { offsets, position } = list
    const count = Math.min(max, offsets.length - position)
    for (let index = position; index < position + count; index++) {
      const slot = ledger.find(offsets[index]!)
      // It may have gone with an earlier record of its run.
      if (slot === NO_SLOT || ledger.sessions[slot] !== number) continue
      const hadStarted = (ledger.flags[slot]! & RECORD_FLAG.started) !== 0
      if (isGone && hadStarted) this.lifecycle.fail(slot, REASON.disconnect, -1, '')
      else this.lifecycle.giveBack(slot)
    }
    list.position += count
    this.leaving.delete(number)
    if (list.position < offsets.length) this.leaving.set(number, list)
    else if (session.leaseCount === 0) {
      this.journal.sessionEnd(number)
      this.ended.set(session.sessionId, this.journal.sequence)
      this.notices.forget(number)
    }
    return count
  }

  private checkSessions (): void {
    if (this.clock.passedMs < this.sessionsDueMs) return
    const { sessionTimeoutMs, disconnectGraceMs } = this.lifecycle.config
    let dueMs = Infinity
    let left = QUEUE_LIMITS.recordsPerTick as number
    for (const session of [...this.state.sessions.all()]) {
      const silentAtMs = session.heardMs + sessionTimeoutMs
      const isSilent = session.goneAtMs === Infinity && this.clock.passedMs >= silentAtMs
      if (isSilent) session.goneAtMs = silentAtMs + disconnectGraceMs
      if (this.clock.passedMs >= session.goneAtMs) {
        if (isOutlived(session)) dueMs = Math.min(dueMs, this.clock.passedMs + sessionTimeoutMs)
        else {
          left -= this.endLeases(session, true, left)
          // What is left of it has its turn at once, after others.
          if (this.state.sessions.numbered(session.number) !== undefined) dueMs = this.clock.passedMs
        }
      } else dueMs = Math.min(dueMs, session.goneAtMs, session.goneAtMs === Infinity ? silentAtMs : Infinity)
    }
    this.sessionsDueMs = dueMs
  }

  /** Brings what is due within a minute, or at least what is due, from the delay store into memory. */
  private loadNear (clock: DelayClock, nowMs: number): void {
    const { delayed, ledger } = this.state
    for (let left = QUEUE_LIMITS.loadsPerTick; left > 0 && this.mayLoad; left--) {
      const dueMs = delayed.firstDueMs(clock)
      if (dueMs > nowMs + this.loadAheadMs) return
      const offset = delayed.firstDueOffset(clock)
      const slot = this.state.load(offset)
      if (dueMs > nowMs) continue
      this.state.wakeUp(slot)
      this.picker.onReady(offset, ledger.lanes[slot]!)
    }
  }

  /** When the delay store is to be looked at next, by a clock; Infinity where something else has to happen first. */
  private loadDueMs (clock: DelayClock): number {
    return this.mayLoad ? this.state.delayed.firstDueMs(clock) - this.loadAheadMs : Infinity
  }

  /**
   * False while the disk has to catch up, or very many records are ready. The latter where all of these can be handed
   * out: with keys or priorities the one that is needed next may be on the disk.
   */
  private get mayLoad (): boolean {
    const { delayed, counts } = this.state
    const isSated = counts[RECORD_STATE.READY]! >= QUEUE_LIMITS.readyRecordsMax &&
      this.lifecycle.config.order === ORDER.none
    return !delayed.isFull && !isSated
  }

  private get loadAheadMs (): number {
    const isCrowded = this.state.counts[RECORD_STATE.DELAYED]! >= QUEUE_LIMITS.nearRecordsMax
    return isCrowded ? 0 : QUEUE_LIMITS.nearWindowMs
  }

  private onDue (offset: number): void {
    const { ledger } = this.state
    const slot = ledger.find(offset)
    if (slot === NO_SLOT || ledger.buckets[slot] !== 0) return
    const state = ledger.states[slot]!
    if (state === RECORD_STATE.DELAYED) {
      this.state.wakeUp(slot)
      this.picker.onReady(offset, ledger.lanes[slot]!)
    } else if (state === RECORD_STATE.LEASED) this.onLeaseDue(offset, slot)
  }

  private onLeaseDue (offset: number, slot: number): void {
    const { ledger } = this.state
    const session = this.state.sessions.numbered(ledger.sessions[slot]!)!
    const endMs = this.renewedUntil(session, ledger.leasedAt[slot]!)
    if (endMs > this.clock.nowMs) this.journal.extend(offset, 1, endMs - this.journal.timeMs)
    else this.lifecycle.fail(slot, REASON.timeout, -1, '')
  }

  /**
   * Heartbeats renew leases without a word in the deltas; it is written down when a lease would have ended. A session
   * is asked for heartbeats by its own timeout: until that is over no silence costs a lease, however short a lease is.
   */
  private renewedUntil (session: Session, leasedAtMs: number): number {
    if ((session.flags & SESSION_FLAG.renews) === 0) return 0
    const { visibilityMs, leaseTotalMs, sessionTimeoutMs } = this.lifecycle.config
    const isThere = session.goneAtMs === Infinity
    const heldMs = isThere ? session.heardMs + Math.max(visibilityMs, sessionTimeoutMs) : session.goneAtMs
    return Math.min(heldMs, leasedAtMs + leaseTotalMs)
  }
}

/** True while leases of the session are there that do not end with it. */
function isOutlived (session: Session): boolean {
  return (session.flags & SESSION_FLAG.outlived) !== 0 && session.leaseCount > 0
}
