// The replicated state of one (partition, queue group): what the deltas add up to, on the leader, on followers, and
// after a restart.
//
//        terminal            │ examined                                   │ fresh
//   ─────────────────────────┼────────────────────────────────────────────┼──────────────────────┬───────────
//                          floor                                         next              high watermark
//                                  . . R . L L . D . . X . . L            . . E . .
//                                  └ ledger: READY, LEASED, DELAYED,          └ ENDED ahead: settled or cancelled
//                                    DEAD_LETTER_PENDING (X)                    before the group came by
//   delay store: DELAYED for longer than a minute, on disk         lanes: a cursor per busy lane
//
// **Absence.** A record in [floor, next) without an entry in the ledger or the delay store is terminal, unless its lane
// is busy and its offset is at or above the lane's position: then it is still to come. A record at or above `next` is
// fresh. `floor` is the lowest of `next`, the entries and the lanes' positions. So a stuck record costs one entry, and
// a backlog costs nothing.
//
// **How the parts fit.**
//
//   events ─▶ QueueGroup ─ decides: Picker (plain, keyed, weighted), Settlement, Expiry, DeadLetters …
//                │ says what becomes of the state (mutations.ts)
//                ▼
//             Journal ─┬─▶ DeltaWriter ─ a delta per turn ─▶ state log ─ durable ─▶ answers, hard grants, dead letters
//                      └─▶ QueueState ◀─ readDelta ◀─ state log (followers, restart)
//
// Everything a mutation needs is in the mutation: a replay looks at no clock, no random number, no record and no lane
// index. Nothing here decides or answers.
//
// Invariants: counts by state match the ledger; an entry is in at most one wheel, and in its session's list exactly
// while LEASED; `next`, `leaseCounter`, `sequence` and `timeMs` never go back.

import assert from 'node:assert'
import { ByteReader, QueueStateFault } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'
import { LaneTable } from './lane-table.js'
import type { DeltaHeader, Mutations } from './mutations.js'
import {
  DELAY_CLOCK, END_CAUSES, QUEUE_LIMITS, RECORD_STATE, type DelayClock, type DelayStore, type EndCause, type Reason,
} from './queue-types.js'
import { readRecord, writeRecord, type RecordNotes } from './record-image.js'
import { NO_SESSION, NO_SLOT, RECORD_FLAG, RecordLedger } from './record-ledger.js'
import { SESSION_FLAG, SessionTable } from './session-table.js'
import { TimingWheel } from './timing-wheel.js'

const { READY, LEASED, DELAYED, DEAD_LETTER_PENDING, ENDED } = RECORD_STATE
const COUNT_MAX = 0xffff
const SNAPSHOT_VERSION = 2
/** Snapshots of version 1 know fewer causes of an end. */
const END_CAUSES_1 = 8

export class QueueState implements Mutations {
  readonly ledger = new RecordLedger()
  readonly lanes = new LaneTable()
  readonly sessions = new SessionTable()
  /** When leases end and durations of delays are over: queue time. */
  readonly timers = new TimingWheel(this.ledger)
  /** What is delayed to a date: wall clock. */
  readonly dates = new TimingWheel(this.ledger)
  readonly delayed: DelayStore
  /** Of records that have failed, by offset. */
  readonly notes = new Map<number, RecordNotes>()
  /** Offset of the first record never examined. */
  nextOffset = 0
  /** The latest lease sequence. */
  leaseCounter = 0
  epoch = 0
  sequence = 0
  timeMs = 0
  skewMs = 0
  paused = false
  /** No record from here on has an entry but those being leased: spares the scan a look-up per record. */
  aheadEnd = 0
  /** Entries by state, the delay store left out. */
  readonly counts = new Uint32Array(ENDED + 1)
  /** Records that became terminal, by cause. */
  readonly ended = new Float64Array(END_CAUSES)

  /** The leader's own: called before a lease of a session ends, for whatever reason. */
  onLeaseEnd: ((slot: number) => void) | null = null

  private readonly image = new ByteWriter()
  /** Queue time of the delta before this one. */
  private earlierMs = 0

  constructor (delayed: DelayStore) {
    this.delayed = delayed
  }

  /** Lowest offset that is not terminal; everything below is forgotten. */
  get floor (): number {
    return Math.min(this.nextOffset, this.ledger.min(), this.lanes.minPosition(), this.delayed.minOffset())
  }

  /** The entry of a record, fetched from the delay store if need be; `NO_SLOT` where it has none. */
  find (offset: number): number {
    const slot = this.ledger.find(offset)
    if (slot !== NO_SLOT || this.delayed.size === 0) return slot
    return this.load(offset)
  }

  /** Brings a record back from the delay store; `NO_SLOT` where it is not there. */
  load (offset: number): number {
    const bytes = this.delayed.take(offset)
    if (bytes === null) return NO_SLOT
    const { slot, notes } = readRecord(new ByteReader(bytes), this.ledger)
    if (notes !== null) this.notes.set(offset, notes)
    this.counts[DELAYED]!++
    this.wheelOf(slot).add(slot)
    return slot
  }

  /** Opens the next delta. */
  begin (header: DeltaHeader): this {
    if (header.sequence !== this.sequence + 1) {
      throw new QueueStateFault(`delta ${header.sequence} follows delta ${this.sequence}: one is missing or out of place`)
    }
    if (header.epoch < this.epoch) throw new QueueStateFault(`a delta of epoch ${header.epoch} after one of epoch ${this.epoch}`)
    this.epoch = header.epoch
    this.sequence = header.sequence
    this.earlierMs = this.timeMs
    this.timeMs = Math.max(this.timeMs, header.timeMs)
    this.skewMs = header.skewMs
    return this
  }

  lead (): void {
    // What passed without a leader is not counted: late, never early.
    const missedMs = this.timeMs - this.earlierMs
    for (const offset of this.ledger.sortedOffsets()) {
      const slot = this.ledger.find(offset)
      if (this.ledger.states[slot] !== LEASED) continue
      this.ledger.leasedAt[slot]! += missedMs
      if (this.ledger.buckets[slot] === 0) continue
      this.timers.remove(slot)
      this.ledger.times[slot]! += missedMs
      this.timers.add(slot)
    }
  }

  session (number: number, sessionId: number, flags: number): void { this.sessions.put(number, sessionId, flags) }

  sessionEnd (number: number): void { this.sessions.remove(number) }

  next (offset: number): void { this.nextOffset = Math.max(this.nextOffset, offset) }

  place (offset: number, lane: number, expiresMs: number): void {
    const slot = this.obtain(offset)
    this.ledger.lanes[slot] = lane
    this.ledger.expires[slot] = expiresMs
  }

  lease (offset: number, count: number, session: number, durationMs: number): void {
    const { ledger } = this
    const holder = this.sessions.numbered(session)
    if (holder === undefined) throw new QueueStateFault(`a lease for session ${session}, which is not known`)
    const timed = (holder.flags & SESSION_FLAG.explicitStart) === 0
    for (let index = 0; index < count; index++) {
      const slot = this.obtain(offset + index)
      this.leave(slot)
      this.enter(slot, LEASED)
      ledger.deliveries[slot] = Math.min(COUNT_MAX, ledger.deliveries[slot]! + 1)
      ledger.leaseEpochs[slot] = this.epoch
      ledger.leaseSequences[slot] = ++this.leaseCounter
      ledger.leasedAt[slot] = this.timeMs
      ledger.flags[slot] = timed ? RECORD_FLAG.started : 0
      ledger.times[slot] = timed ? this.timeMs + durationMs : 0
      if (timed) this.timers.add(slot)
      this.sessions.link(holder, ledger, slot)
      this.countLane(slot, 1)
    }
  }

  start (offset: number, count: number, durationMs: number): void {
    for (let index = 0; index < count; index++) {
      const slot = this.ledger.find(offset + index)
      if (slot === NO_SLOT) continue
      this.ledger.flags[slot]! |= RECORD_FLAG.started
      this.retime(slot, this.timeMs + durationMs)
    }
  }

  extend (offset: number, count: number, durationMs: number): void {
    for (let index = 0; index < count; index++) {
      const slot = this.ledger.find(offset + index)
      if (slot !== NO_SLOT) this.retime(slot, this.timeMs + durationMs)
    }
  }

  release (offset: number, count: number): void {
    for (let index = 0; index < count; index++) {
      const slot = this.ledger.find(offset + index)
      if (slot === NO_SLOT) continue
      this.leave(slot)
      this.makeReady(slot)
    }
  }

  retry (offset: number, reason: Reason, dueMs: number, text: string): void {
    const slot = this.find(offset)
    if (slot === NO_SLOT) return
    this.noteAttempt(slot, reason, text)
    this.ledger.failures[slot] = Math.min(COUNT_MAX, this.ledger.failures[slot]! + 1)
    this.leave(slot)
    if (dueMs === 0) this.makeReady(slot)
    else this.makeDelayed(slot, DELAY_CLOCK.queue, dueMs)
  }

  defer (offset: number, clock: DelayClock, dueMs: number): void {
    const slot = this.obtain(offset)
    this.aheadEnd = Math.max(this.aheadEnd, offset + 1)
    this.leave(slot)
    this.makeDelayed(slot, clock, dueMs)
  }

  /** The leader's own: a delay is over. Followers need not know, since the due time is still there. */
  wakeUp (slot: number): void {
    this.leave(slot)
    this.enter(slot, READY)
  }

  die (offset: number, reason: Reason, text: string): void {
    const slot = this.obtain(offset)
    if (this.ledger.states[slot] === LEASED) this.noteAttempt(slot, reason, text)
    const notes = this.notes.get(offset) ?? { attempts: [], death: null }
    notes.death = { reason, text, diedMs: this.timeMs }
    this.notes.set(offset, notes)
    this.leave(slot)
    this.ledger.flags[slot] = 0
    this.ledger.times[slot] = 0
    this.enter(slot, DEAD_LETTER_PENDING)
  }

  end (offset: number, count: number, cause: EndCause): void {
    for (let index = 0; index < count; index++) this.drop(offset + index)
    this.ended[cause]! += count
  }

  endAhead (offset: number, cause: EndCause): void {
    const slot = this.obtain(offset)
    this.aheadEnd = Math.max(this.aheadEnd, offset + 1)
    this.leave(slot)
    this.notes.delete(offset)
    this.ledger.flags[slot] = 0
    this.ledger.times[slot] = 0
    this.enter(slot, ENDED)
    this.ended[cause]!++
  }

  forget (offset: number): void { this.drop(offset) }

  lane (lane: number, position: number, flags: number): void {
    let slot = this.lanes.find(lane)
    if (slot === NO_SLOT) slot = this.lanes.insert(lane, position)
    this.lanes.positions[slot] = Math.max(this.lanes.positions[slot]!, position)
    this.lanes.flags[slot] = flags
  }

  laneEnd (lane: number): void {
    const slot = this.lanes.find(lane)
    if (slot !== NO_SLOT) this.lanes.remove(slot)
  }

  trim (endOffset: number, fresh: number, cause: EndCause): void {
    let count = fresh
    for (let offset = this.ledger.min(); offset < endOffset; offset = this.ledger.min()) {
      // What had ended ahead was counted then.
      if (this.ledger.states[this.ledger.find(offset)] !== ENDED) count++
      this.drop(offset)
    }
    this.ended[cause]! += count + this.delayed.removeBelow(endOffset)
    this.next(endOffset)
  }

  pause (paused: boolean): void { this.paused = paused }

  cancelRequest (offset: number): void {
    const slot = this.ledger.find(offset)
    if (slot !== NO_SLOT) this.ledger.flags[slot]! |= RECORD_FLAG.cancelRequested
  }

  clearFailures (offset: number): void {
    const slot = this.find(offset)
    if (slot !== NO_SLOT) this.ledger.failures[slot] = 0
  }

  /** Everything but the content of the delay store: for checkpoints. */
  snapshot (): Uint8Array {
    const writer = new ByteWriter()
    writer.byte(SNAPSHOT_VERSION)
    const { epoch, sequence, timeMs, nextOffset, leaseCounter, aheadEnd } = this
    for (const value of [epoch, sequence, timeMs, nextOffset, leaseCounter, aheadEnd]) writer.count(value)
    writer.signed(this.skewMs)
    writer.byte(this.paused ? 1 : 0)
    for (const count of this.ended) writer.count(count)
    writer.count(this.sessions.nextNumber - 1)
    writer.count(this.sessions.size)
    for (const { number, sessionId, flags } of this.sessions.all()) {
      writer.count(number)
      writer.count(sessionId)
      writer.byte(flags)
    }
    writer.count(this.lanes.size)
    for (const slot of this.lanes.sortedSlots()) {
      writer.count(this.lanes.lanes[slot]!)
      writer.count(this.lanes.positions[slot]!)
      writer.byte(this.lanes.flags[slot]!)
    }
    writer.count(this.ledger.size)
    for (const offset of this.ledger.sortedOffsets()) {
      writeRecord(writer, this.ledger, this.ledger.find(offset), this.notes.get(offset))
    }
    return writer.take()
  }

  /** Takes over a snapshot; the state must be new, and the delay store be as it was then. */
  restore (bytes: Uint8Array): void {
    assert(this.sequence === 0 && this.ledger.size === 0, 'only a new state is restored')
    const reader = new ByteReader(bytes)
    const version = reader.byte()
    if (version < 1 || version > SNAPSHOT_VERSION) throw new QueueStateFault(`a snapshot of version ${version}, which is not known here`)
    this.epoch = reader.count()
    this.sequence = reader.count()
    this.timeMs = reader.count()
    this.nextOffset = reader.count()
    this.leaseCounter = reader.count()
    this.aheadEnd = reader.count()
    this.skewMs = reader.signed()
    this.paused = reader.byte() === 1
    const causes = version === 1 ? END_CAUSES_1 : END_CAUSES
    for (let cause = 0; cause < causes; cause++) this.ended[cause] = reader.count()
    this.sessions.raiseHighest(reader.count())
    for (let left = reader.count(); left > 0; left--) this.session(reader.count(), reader.count(), reader.byte())
    for (let left = reader.count(); left > 0; left--) this.lane(reader.count(), reader.count(), reader.byte())
    for (let left = reader.count(); left > 0; left--) this.restoreRecord(reader)
    if (!reader.atEnd) throw new QueueStateFault('a snapshot with something behind its end')
  }

  private restoreRecord (reader: ByteReader): void {
    const { slot, session, notes } = readRecord(reader, this.ledger)
    if (notes !== null) this.notes.set(this.ledger.offsets[slot]!, notes)
    const state = this.ledger.states[slot]!
    this.counts[state]!++
    if (state === DELAYED) this.wheelOf(slot).add(slot)
    if (state !== LEASED) return
    const holder = this.sessions.numbered(session)
    if (holder === undefined) throw new QueueStateFault(`a lease of session ${session}, which is not known`)
    this.sessions.link(holder, this.ledger, slot)
    if (this.ledger.times[slot] !== 0) this.timers.add(slot)
    this.countLane(slot, 1)
  }

  /** The entry of a record, new and READY where it had none. */
  private obtain (offset: number): number {
    let slot = this.find(offset)
    if (slot !== NO_SLOT) return slot
    slot = this.ledger.insert(offset)
    this.enter(slot, READY)
    return slot
  }

  private enter (slot: number, state: number): void {
    this.ledger.states[slot] = state
    this.counts[state]!++
  }

  /** Takes a record out of all lists and counts of its state. */
  private leave (slot: number): void {
    const { ledger } = this
    const state = ledger.states[slot]!
    this.counts[state]!--
    if (ledger.buckets[slot] !== 0) this.wheelOf(slot).remove(slot)
    if (ledger.sessions[slot] === NO_SESSION) return
    this.onLeaseEnd?.(slot)
    this.sessions.unlink(ledger, slot)
    this.countLane(slot, -1)
  }

  private drop (offset: number): void {
    const slot = this.find(offset)
    if (slot === NO_SLOT) return
    this.leave(slot)
    this.ledger.remove(slot)
    if (this.notes.size > 0) this.notes.delete(offset)
  }

  private makeReady (slot: number): void {
    this.ledger.flags[slot] = 0
    this.ledger.times[slot] = 0
    this.enter(slot, READY)
  }

  private makeDelayed (slot: number, clock: DelayClock, dueMs: number): void {
    const { ledger } = this
    ledger.flags[slot] = clock === DELAY_CLOCK.wall ? RECORD_FLAG.wallClock : 0
    ledger.times[slot] = dueMs
    const nowMs = clock === DELAY_CLOCK.wall ? this.timeMs - this.skewMs : this.timeMs
    if (dueMs - nowMs <= QUEUE_LIMITS.nearWindowMs) {
      this.enter(slot, DELAYED)
      return this.wheelOf(slot).add(slot)
    }
    const offset = ledger.offsets[slot]!
    ledger.states[slot] = DELAYED
    writeRecord(this.image, ledger, slot, this.notes.get(offset))
    this.delayed.put(offset, clock, dueMs, this.image.take())
    this.notes.delete(offset)
    ledger.remove(slot)
  }

  private retime (slot: number, timeMs: number): void {
    if (this.ledger.buckets[slot] !== 0) this.timers.remove(slot)
    this.ledger.times[slot] = timeMs
    this.timers.add(slot)
  }

  private wheelOf (slot: number): TimingWheel {
    return (this.ledger.flags[slot]! & RECORD_FLAG.wallClock) === 0 ? this.timers : this.dates
  }

  private countLane (slot: number, change: number): void {
    const lane = this.ledger.lanes[slot]!
    const laneSlot = lane < 0 ? NO_SLOT : this.lanes.find(lane)
    if (laneSlot !== NO_SLOT) this.lanes.leased[laneSlot]! += change
  }

  private noteAttempt (slot: number, reason: Reason, text: string): void {
    const { ledger } = this
    const offset = ledger.offsets[slot]!
    const notes = this.notes.get(offset) ?? { attempts: [], death: null }
    const attempts = notes.attempts
    if (attempts.length === QUEUE_LIMITS.attemptsKept) attempts.splice(1, 1)
    const session = this.sessions.numbered(ledger.sessions[slot]!)
    attempts.push({
      sessionId: session?.sessionId ?? 0, startedMs: ledger.leasedAt[slot]!, endedMs: this.timeMs, reason, text,
    })
    this.notes.set(offset, notes)
  }
}
