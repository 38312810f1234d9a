// Picks in runs: consecutive records of a key to one session, and nothing more of the key until all of them are
// terminal. So the records of a key become terminal in the order of the log, whatever fails in between.
//
//   lane:   o1 │ o2  o3  o4 │ o5 …        o2 fails:   o1 │ o2 DELAYED   o3, o4 READY again, their handles stale │ o5 …
//      terminal│ run, LEASED│                            └ position: nothing of the lane moves until o2 is terminal
//
// A lane is busy while it has an entry that is not terminal; then the scan writes nothing down for it, and finds its
// records again by the lane index. Records without a key are picked one by one, as in a plain queue.
//
// Invariants: only the record at a lane's position may become terminal, or be given up; a lane's leases are of one
// session.

import type { GrantBatch } from './grant-batch.js'
import { catchUpLanes } from './lane-catch-up.js'
import { LANE_FLAG } from './lane-table.js'
import type { Picker } from './picker.js'
import type { PickerParts } from './picker-parts.js'
import { fillReady, takeFresh } from './plain-picker.js'
import { DELAY_CLOCK, END_CAUSE, NO_LANE, REASON, RECORD_STATE, type Reason } from './queue-types.js'
import { FactsPage, readFactsOf } from './record-facts.js'
import { NO_SLOT, RECORD_FLAG } from './record-ledger.js'

/** What a record of a lane allows. */
const LOOK = { go: 0, stop: 1, passed: 2, unknown: 3 } as const
type Look = typeof LOOK[keyof typeof LOOK]

/** Records of a lane that may turn out to be over before others have their turn. */
const PASSED_MAX = 1_000

export class KeyedPicker implements Picker {
  private readonly parts: PickerParts
  /** Lanes whose next run may be handed out, first come first served. */
  private turns: number[] = []
  private head = 0
  /** Lanes whose next record is being loaded. */
  private loading: number[] = []
  private receives = 0
  private readonly facts = new FactsPage(1)

  constructor (parts: PickerParts) {
    this.parts = parts
  }

  get hasWork (): boolean {
    return this.head < this.turns.length || !this.parts.ready.isEmpty || this.parts.scan.hasMore
  }

  fill (batch: GrantBatch): void {
    const { scan } = this.parts
    this.receives++
    scan.begin()
    fillReady(this.parts, batch, Math.max(1, batch.room >> 1))
    const end = batch.count + (scan.hasRow() ? Math.max(1, batch.room >> 1) : batch.room)
    this.takeTurns(batch, end)
    while (batch.room > 0 && scan.hasRow()) if (!this.takeRow(batch)) break
    this.takeTurns(batch, batch.count + batch.room)
    fillReady(this.parts, batch, batch.room)
    scan.commit()
    this.parts.laneIndex.advanceTo(scan.position)
  }

  onReady (offset: number, lane: number): void {
    if (lane === NO_LANE) this.parts.ready.push(offset)
    else this.offer(lane)
  }

  afterLeaseEnd (offset: number, lane: number): void {
    const { state } = this.parts
    if (lane === NO_LANE) {
      const slot = state.ledger.find(offset)
      if (slot !== NO_SLOT && this.parts.lifecycle.isReady(slot)) this.parts.ready.push(offset)
      return
    }
    this.giveBackAfter(offset, lane)
    this.offer(lane)
  }

  afterEnd (offset: number, lane: number): void {
    if (lane === NO_LANE) return
    const { lanes } = this.parts.state
    const slot = lanes.find(lane)
    if (slot !== NO_SLOT && lanes.positions[slot] === offset) this.advance(lane, offset)
  }

  afterDeath (offset: number, lane: number, reason: Reason): void {
    if (lane === NO_LANE) return
    const { lanes } = this.parts.state
    const slot = lanes.find(lane)
    if (slot === NO_SLOT || lanes.positions[slot] !== offset) return
    const quarantines = this.parts.config.poison === 'dlq-key' && reason !== REASON.ttl
    // In quarantine the next record follows when this one's letter is committed: in order, one at a time.
    if (!quarantines) return this.advance(lane, offset)
    this.parts.journal.lane(lane, offset, lanes.flags[slot]! | LANE_FLAG.quarantined)
    this.giveBackAfter(offset, lane)
  }

  mayEnd (offset: number, lane: number): boolean { return lane === NO_LANE || this.isHead(offset, lane) }

  mayGiveUp (offset: number, lane: number): boolean { return this.mayEnd(offset, lane) }

  mayEndLate (offset: number, lane: number): boolean {
    if (lane === NO_LANE) return true
    const { lanes } = this.parts.state
    return this.isHead(offset, lane) && lanes.leased[lanes.find(lane)] === 0
  }

  holdsAtDeath (offset: number, lane: number, reason: Reason): boolean {
    if (lane === NO_LANE || this.parts.config.poison !== 'hold' || reason === REASON.ttl) return false
    const { lanes } = this.parts.state
    this.parts.journal.lane(lane, offset, lanes.flags[lanes.find(lane)]! | LANE_FLAG.held)
    return true
  }

  isAhead (offset: number, lane: number): boolean {
    const { state, scan } = this.parts
    if (offset >= scan.position) return true
    const slot = lane === NO_LANE ? NO_SLOT : state.lanes.find(lane)
    return slot !== NO_SLOT && offset > state.lanes.positions[slot]!
  }

  trimLanes (endOffset: number): void {
    const { lanes } = this.parts.state
    for (const slot of lanes.sortedSlots()) {
      if (lanes.positions[slot]! >= endOffset) break
      this.advance(lanes.lanes[slot]!, endOffset - 1)
    }
  }

  rebuild (): void {
    const { state, scan } = this.parts
    scan.reset()
    this.turns = []
    this.head = 0
    this.loading = []
    for (const slot of state.lanes.sortedSlots()) {
      state.lanes.queued[slot] = 0
      this.offer(state.lanes.lanes[slot]!)
    }
    for (const offset of state.ledger.sortedOffsets()) {
      const slot = state.ledger.find(offset)
      if (state.ledger.lanes[slot] === NO_LANE) this.afterLeaseEnd(offset, NO_LANE)
    }
  }

  catchUp (): boolean { return catchUpLanes(this.parts, (facts, row) => facts.lanes[row]!) }

  onFactsLoaded (): void {
    const lanes = this.loading
    this.loading = []
    for (const lane of lanes) this.offer(lane)
  }

  onRateDue (lane: number): void { this.offer(lane) }

  resumeLane (lane: number, skip: boolean): boolean {
    const { state, journal, lifecycle } = this.parts
    const slot = state.lanes.find(lane)
    if (slot === NO_SLOT || state.lanes.flags[slot] === 0) return false
    const position = state.lanes.positions[slot]!
    journal.lane(lane, position, 0)
    // A lane in quarantine that has nothing to come stands at somebody else's record.
    const record = this.nextIn(lane, position - 1) === position ? state.find(position) : NO_SLOT
    if (record === NO_SLOT || state.ledger.states[record] === RECORD_STATE.DEAD_LETTER_PENDING) {
      // In quarantine: the record on its way to the dead letters stays there, and those behind it are free again.
      this.advance(lane, record === NO_SLOT ? position - 1 : position)
    } else if (skip) lifecycle.finish(record, END_CAUSE.cancelled)
    else {
      journal.clearFailures(position)
      this.offer(lane)
    }
    return true
  }

  /** The lane's next record that the scan has passed, or -1. The index may know more. */
  private nextIn (lane: number, after: number): number {
    const offset = this.parts.laneIndex.nextOffsetOf(lane, after)
    return offset < this.parts.scan.position ? offset : -1
  }

  /** The rest of a run comes after the record that failed: its leases end, uncounted. */
  private giveBackAfter (offset: number, lane: number): void {
    const { state, journal } = this.parts
    for (let later = this.nextIn(lane, offset); later >= 0; later = this.nextIn(lane, later)) {
      const slot = state.ledger.find(later)
      if (slot !== NO_SLOT && state.ledger.states[slot] === RECORD_STATE.ENDED) continue
      if (slot === NO_SLOT || state.ledger.states[slot] !== RECORD_STATE.LEASED) break
      if ((state.ledger.flags[slot]! & RECORD_FLAG.cancelRequested) !== 0) journal.endAhead(later, END_CAUSE.cancelled)
      else journal.release(later, 1)
    }
  }

  private isHead (offset: number, lane: number): boolean {
    const { lanes } = this.parts.state
    const slot = lanes.find(lane)
    return slot !== NO_SLOT && lanes.positions[slot] === offset
  }

  /** Queues a lane whose next record may be handed out; what is still delayed comes by when it is due. */
  private offer (lane: number): void {
    const { lanes, ledger } = this.parts.state
    const slot = lanes.find(lane)
    if (slot === NO_SLOT || lanes.queued[slot] !== 0 || lanes.leased[slot] !== 0 || lanes.flags[slot] !== 0) return
    const position = lanes.positions[slot]!
    const record = ledger.find(position)
    if (record === NO_SLOT && this.parts.state.delayed.get(position) !== null) return
    if (record !== NO_SLOT && ledger.states[record] !== RECORD_STATE.READY) return
    if (this.parts.rates.holdsBack(lane)) return
    lanes.queued[slot] = 1
    this.turns.push(lane)
  }

  /** The lane is done with everything up to `after`: to its next record, or no longer busy. */
  private advance (lane: number, after: number): void {
    const { state, journal } = this.parts
    // What the lane was held at has ended: nothing is left to wait for, or to be skipped.
    const flags = state.lanes.flags[state.lanes.find(lane)]! & ~LANE_FLAG.held
    let offset = this.nextIn(lane, after)
    while (offset >= 0) {
      const slot = state.find(offset)
      if (slot === NO_SLOT || state.ledger.states[slot] !== RECORD_STATE.ENDED) break
      journal.forget(offset)
      offset = this.nextIn(lane, offset)
    }
    if (offset < 0) {
      if ((flags & LANE_FLAG.quarantined) === 0) return journal.laneEnd(lane)
      return journal.lane(lane, this.parts.scan.position, flags)
    }
    journal.lane(lane, offset, flags)
    if ((flags & LANE_FLAG.quarantined) !== 0) this.quarantine(offset, lane)
    else this.offer(lane)
  }

  private quarantine (offset: number, lane: number): void {
    this.parts.journal.place(offset, lane, 0)
    this.parts.lifecycle.die(offset, REASON.quarantine, '')
  }

  private takeTurns (batch: GrantBatch, end: number): void {
    const { lanes } = this.parts.state
    while (this.head < this.turns.length && batch.count < end && batch.room > 0) {
      const lane = this.turns[this.head++]!
      const slot = lanes.find(lane)
      if (slot === NO_SLOT || lanes.queued[slot] === 0) continue
      lanes.queued[slot] = 0
      if (!this.takeRun(batch, lane)) {
        lanes.queued[slot] = 1
        this.head--
        break
      }
    }
    if (this.head > 1024 && this.head * 2 > this.turns.length) {
      this.turns = this.turns.slice(this.head)
      this.head = 0
    }
  }

  /** Hands out the next run of a lane; false where not even one record fits. */
  private takeRun (batch: GrantBatch, lane: number): boolean {
    const { state, feed, rates } = this.parts
    let slot = state.lanes.find(lane)
    if (slot === NO_SLOT || state.lanes.leased[slot] !== 0 || state.lanes.flags[slot] !== 0) return true
    let offset = state.lanes.positions[slot]!
    let passed = 0
    for (let count = 0; count < this.parts.config.runMax && offset >= 0;) {
      const look = this.look(offset, lane, count === 0)
      if (look === LOOK.passed) {
        slot = state.lanes.find(lane)
        // After very many the lane waits for another turn, for which it is queued already.
        if (slot === NO_SLOT || state.lanes.queued[slot] === 0 || ++passed === PASSED_MAX) return true
        state.lanes.queued[slot] = 0
        offset = state.lanes.positions[slot]!
        continue
      }
      if (look === LOOK.unknown && count === 0) this.loading.push(lane)
      if (look !== LOOK.go) return true
      if (count === 0 ? rates.holdsBack(lane) : rates.waitMs(lane) > 0) return true
      const bytes = feed.sizeOf(offset)
      if (!batch.fits(bytes)) return count > 0
      if (state.ledger.find(offset) === NO_SLOT) this.parts.journal.place(offset, lane, this.facts.expiresMs[0]!)
      batch.lease(offset, bytes)
      rates.take(lane)
      count++
      offset = this.nextIn(lane, offset)
    }
    return true
  }

  /** Whether a record of a run may be handed out. The first of a run is also dealt with if it may not. */
  private look (offset: number, lane: number, first: boolean): Look {
    const { state, journal, lifecycle } = this.parts
    const slot = state.find(offset)
    if (slot === NO_SLOT) {
      if (!readFactsOf(this.parts.feed, this.facts, offset)) return LOOK.unknown
      const expiresMs = this.facts.count === 0 ? 1 : this.facts.expiresMs[0]!
      const isOver = expiresMs !== 0 && !lifecycle.isLater(expiresMs)
      const isLater = this.facts.count > 0 && lifecycle.isLater(this.facts.notBeforeMs[0]!)
      if (!isOver && !isLater) return LOOK.go
      if (!first) return LOOK.stop
      if (isOver) {
        lifecycle.expire(offset, lane)
        return LOOK.passed
      }
      journal.place(offset, lane, expiresMs)
      journal.defer(offset, DELAY_CLOCK.wall, this.facts.notBeforeMs[0]!)
      return LOOK.stop
    }
    if (!lifecycle.isReady(slot)) return LOOK.stop
    const isExpired = lifecycle.isExpired(slot)
    if (!isExpired && !lifecycle.isExhausted(slot)) return LOOK.go
    if (!first) return LOOK.stop
    if (isExpired) lifecycle.expire(offset, lane)
    else lifecycle.giveUp(offset, REASON.exhausted, '')
    return LOOK.passed
  }

  /** Deals with the fresh record at the scan; false where it does not fit. */
  private takeRow (batch: GrantBatch): boolean {
    const { scan, state, laneIndex } = this.parts
    const { facts, row } = scan
    const lane = facts.lanes[row]!
    if (lane === NO_LANE) return takeFresh(this.parts, batch)
    const offset = facts.offsets[row]!
    const slot = state.lanes.find(lane)
    const taken = slot === NO_SLOT ? this.takeFirst(batch, offset, lane, row) : this.takeNext(batch, offset, lane, slot)
    if (!taken) return false
    laneIndex.add(lane, offset)
    scan.consume()
    return true
  }

  /** A fresh record of a lane that is not busy. */
  private takeFirst (batch: GrantBatch, offset: number, lane: number, row: number): boolean {
    const { scan, state, journal, lifecycle, rates } = this.parts
    const { facts } = scan
    const expiresMs = facts.expiresMs[row]!
    const known = offset < state.aheadEnd ? state.find(offset) : NO_SLOT
    if (known !== NO_SLOT) {
      const recordState = state.ledger.states[known]!
      if (recordState === RECORD_STATE.ENDED) journal.forget(offset)
      else if (recordState !== RECORD_STATE.DEAD_LETTER_PENDING) {
        journal.lane(lane, offset, 0)
        this.offer(lane)
      }
      return true
    }
    if (expiresMs !== 0 && !lifecycle.isLater(expiresMs)) {
      lifecycle.expire(offset, lane)
      return true
    }
    const isLater = lifecycle.isLater(facts.notBeforeMs[row]!)
    if (!isLater && !batch.fits(facts.sizes[row]!)) return false
    journal.lane(lane, offset, 0)
    if (!isLater && rates.holdsBack(lane)) return true
    journal.place(offset, lane, expiresMs)
    if (isLater) journal.defer(offset, DELAY_CLOCK.wall, facts.notBeforeMs[row]!)
    else {
      batch.lease(offset, facts.sizes[row]!)
      rates.take(lane)
      const slot = state.lanes.find(lane)
      state.lanes.runMarks[slot] = this.receives
      state.lanes.runCounts[slot] = 1
    }
    return true
  }

  /** A fresh record of a busy lane: part of the run just begun, or left for later, with nothing written down. */
  private takeNext (batch: GrantBatch, offset: number, lane: number, slot: number): boolean {
    const { scan, state, journal, lifecycle, rates } = this.parts
    const { lanes } = state
    const { facts, row } = scan
    if ((lanes.flags[slot]! & LANE_FLAG.quarantined) !== 0) {
      // Quarantined, with nothing of the lane on its way: this record is the next to go.
      if (lanes.positions[slot]! <= offset && this.nextIn(lane, lanes.positions[slot]! - 1) < 0) {
        const record = state.find(offset)
        const isEnded = record !== NO_SLOT && state.ledger.states[record] === RECORD_STATE.ENDED
        journal.lane(lane, isEnded ? offset + 1 : offset, lanes.flags[slot]!)
        if (isEnded) journal.forget(offset)
        else this.quarantine(offset, lane)
      }
      return true
    }
    const expiresMs = facts.expiresMs[row]!
    const joins = lanes.runMarks[slot] === this.receives && lanes.runCounts[slot]! < this.parts.config.runMax &&
      (offset >= state.aheadEnd || state.find(offset) === NO_SLOT) &&
      !lifecycle.isLater(facts.notBeforeMs[row]!) && (expiresMs === 0 || lifecycle.isLater(expiresMs)) &&
      rates.waitMs(lane) === 0
    if (!joins) {
      lanes.runMarks[slot] = 0
      return true
    }
    if (!batch.fits(facts.sizes[row]!)) return false
    journal.place(offset, lane, expiresMs)
    batch.lease(offset, facts.sizes[row]!)
    rates.take(lane)
    lanes.runCounts[slot]!++
    return true
  }
}
