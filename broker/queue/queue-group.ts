// One queue group on one partition, on the leader: where events come in. `queue-state.ts` has the picture of the state,
// and how the parts fit.
//
//   restart, failover:   new QueueGroup ─▶ restore(snapshot)? ─▶ replay(delta) … ─▶ lead(epoch, …)
//   a turn:              tick(clocks) ─▶ events … ─▶ endTurn() ─▶ a delta to append to the state log, or null
//   later:               onDeltaDurable(sequence) ─▶ answers, hard grants, dead letters of that turn
//
// The core is synchronous: it waits for nothing, reads no clock, and is as random as `random` is. What must not be said
// before it is durable (answers to settles, grants of ordered keys, dead letters) is held back here, so that whoever
// calls cannot get it wrong.
//
// What is not to be trusted before it is durable: `floor`; trim a log by `durableFloor`.
//
// Not known to the group: connections, long polls (`receive` again after `QueueHost.wake`), the records themselves.

import assert from 'node:assert'
import { DeadLetters } from './dead-letters.js'
import { readDelta } from './delta-reader.js'
import { Endings, type LetterPlace } from './endings.js'
import { Expiry } from './expiry.js'
import { FreshScan } from './fresh-scan.js'
import { GrantBatch, roomInFlight } from './grant-batch.js'
import { Journal } from './journal.js'
import { KeyedPicker } from './keyed-picker.js'
import { LaneRates } from './lane-rates.js'
import { LeaseNotices, type ToldNotices } from './lease-notices.js'
import { Lifecycle } from './lifecycle.js'
import { liveOffsetsIn } from './live-records.js'
import { PendingAnswers, type Release } from './pending-answers.js'
import type { Picker } from './picker.js'
import type { PickerParts } from './picker-parts.js'
import { PlainPicker } from './plain-picker.js'
import { QueueClock } from './queue-clock.js'
import { deathOf, explainRecord, type Explanation } from './queue-explain.js'
import type { QueueConfig } from './queue-settings.js'
import { QueueState } from './queue-state.js'
import { oldestOffsetIn, statsOf, type QueueStats } from './queue-stats.js'
import {
  END_CAUSE, ORDER, QUEUE_LIMITS, RECORD_STATE, SETTLE_ANSWER, type DelayStore, type EndCause, type Grants,
  type LaneIndex, type QueueHost, type Random, type RecordFeed, type SettleItem,
} from './queue-types.js'
import { ReadyRecords } from './ready-records.js'
import { CHANGE_ANSWER, RecordChanges, type ChangeAnswer } from './record-changes.js'
import { NO_SLOT } from './record-ledger.js'
import { RecordPlaces } from './record-places.js'
import { Settlement } from './settlement.js'
import { WeightedPicker } from './weighted-picker.js'

export interface QueueGroupOptions {
  readonly config: QueueConfig
  readonly host: QueueHost
  readonly feed: RecordFeed
  readonly laneIndex: LaneIndex
  readonly delayed: DelayStore
  readonly random: Random
  /** Share of a lane with `order` `fair`, 0.01 to 100; every lane 1 where left out. */
  readonly weightOf?: (lane: number) => number
}

export interface ReceiveRequest {
  readonly sessionId: number
  /** 1 to 10,000. */
  readonly maxRecords: number
  /** At least one record is given, whatever its size. */
  readonly maxBytes: number
}

export class QueueGroup {
  readonly state: QueueState
  private config: QueueConfig
  private readonly host: QueueHost
  private readonly laneIndex: LaneIndex
  private readonly clock = new QueueClock()
  private readonly endings = new Endings()
  private readonly notices = new LeaseNotices()
  private readonly journal: Journal
  private readonly scan: FreshScan
  private readonly deadLetters: DeadLetters
  private readonly lifecycle: Lifecycle
  private readonly rates: LaneRates
  private readonly pickerParts: PickerParts
  private readonly picker: Picker
  private readonly settlement: Settlement
  private readonly expiry: Expiry
  private readonly answers = new PendingAnswers()
  private readonly places: RecordPlaces
  private readonly changes: RecordChanges
  /** The floor as of each delta that is not durable yet. */
  private floors: { sequence: number, floor: number }[] = []
  private trimmableOffset = 0
  /** Where the log starts. */
  private startOffset = 0
  /** Where a group that is new begins. */
  private firstOffset = 0
  private isLeading = false
  private isCatchingUp = false
  /** What was asked for while it was catching up, in order. */
  private held: { readonly run: () => void, readonly drop: () => void }[] = []
  /** Sessions that were taken up again while it was catching up. */
  private readonly resumed = new Set<number>()

  constructor (options: QueueGroupOptions) {
    const { config, host, feed, laneIndex, random } = options
    this.config = config
    this.host = host
    this.laneIndex = laneIndex
    const state = this.state = new QueueState(options.delayed)
    const { clock } = this
    const journal = this.journal = new Journal(state, clock, this.endings)
    this.scan = new FreshScan(state, journal, feed)
    const deadLetters = this.deadLetters = new DeadLetters(state, clock, host)
    const lifecycle = this.lifecycle = new Lifecycle({
      state, journal, clock, deadLetters, random, config, endings: this.endings,
    })
    this.rates = new LaneRates(clock, config)
    this.pickerParts = {
      state,
      journal,
      clock,
      lifecycle,
      scan: this.scan,
      ready: new ReadyRecords(state),
      feed,
      laneIndex,
      rates: this.rates,
      config,
      weightOf: lane => Math.max(0.01, options.weightOf?.(lane) ?? 1),
    }
    const picker = this.picker = pickerOf(this.pickerParts)
    lifecycle.picker = picker
    const places = this.places = new RecordPlaces({ state, journal, scan: this.scan, feed, order: config.order })
    this.changes = new RecordChanges({ state, journal, scan: this.scan, lifecycle, places, notices: this.notices })
    this.settlement = new Settlement({
      state,
      journal,
      clock,
      lifecycle,
      picker,
      places,
      notices: this.notices,
    })
    this.expiry = new Expiry({ state, journal, clock, lifecycle, picker, notices: this.notices })
  }

  /** Everything below is terminal, and durably so: no delta and no restart brings it back. */
  get durableFloor (): number { return this.trimmableOffset }

  /** Sequence of the latest delta. */
  get sequence (): number { return this.state.sequence }

  /** Takes over a checkpoint, before any delta; the delay store must be of the same checkpoint. */
  restore (snapshot: Uint8Array): void {
    assert(!this.isLeading, 'a leader has its state')
    this.state.restore(snapshot)
  }

  /**
   * Takes in a delta of the state log, in order. One that a checkpoint holds already is passed over.
   *
   * @throws QueueStateFault where it is damaged, of an unknown version, or out of order
   */
  replay (delta: Uint8Array): void {
    assert(!this.isLeading, 'a leader makes the deltas')
    readDelta(delta, header => header.sequence <= this.state.sequence ? null : this.state.begin(header))
  }

  /** A group that is new begins at `offset`, or where the log starts: what lies before does not concern it. */
  beginAt (offset: number): void {
    if (this.state.sequence === 0) this.firstOffset = offset
  }

  /**
   * This broker leads, under an epoch above all earlier ones, restarts included: it fences the handles of lost leases.
   * A turn has begun: call `endTurn`.
   */
  lead (epoch: number, monotonicMs: number, wallMs: number): void {
    assert(epoch > this.state.epoch, `epoch ${epoch} is not above ${this.state.epoch}`)
    this.isLeading = true
    this.clock.start(monotonicMs, wallMs, this.state.timeMs, this.state.skewMs)
    this.answers.releaseUpTo(this.state.sequence)
    this.deadLetters.onDurable(this.state.sequence)
    this.trimmableOffset = this.state.floor
    this.rates.start()
    const isNew = this.state.sequence === 0
    this.journal.startEpoch(epoch)
    this.journal.lead()
    if (isNew) this.journal.next(Math.max(this.firstOffset, this.startOffset))
    this.deadLetters.rebuild()
    this.expiry.rebuild()
    this.changes.rebuild()
    this.endings.begin(this.state)
    this.state.onLeaseEnd = slot => this.settlement.onLeaseEnd(slot)
    this.isCatchingUp = true
    this.catchUp()
    if (!this.isCatchingUp) this.expiry.tick()
  }

  /** A turn begins, after `endTurn` of the one before. Times out, wakes and tries again what is due. */
  tick (monotonicMs: number, wallMs: number): void {
    if (!this.isLeading) return
    // A turn has one time: a delta that is open keeps its own.
    if (!this.journal.isOpen) this.clock.advance(monotonicMs, wallMs)
    if (this.isCatchingUp) this.catchUp()
    if (this.isCatchingUp) return
    this.expiry.tick()
    for (const lane of this.rates.takeDue()) this.picker.onRateDue(lane)
    this.deadLetters.tick()
  }

  /** Monotonic time of the next `tick` that is needed, or Infinity; in the past for at once. */
  get nextDueMs (): number {
    if (!this.isLeading) return Infinity
    const { clock } = this
    const dueMs = Math.min(this.expiry.nextDueMs, this.deadLetters.nextDueMs, this.rates.nextDueMs)
    const durationMs = clock.monotonicOf(dueMs)
    // Dates are looked at once a second at least: the wall clock may be set.
    const untilDateMs = Math.max(0, this.expiry.firstDateMs - clock.wallMs)
    const dateMs = untilDateMs === Infinity ? Infinity : clock.monotonicOf(clock.nowMs) + Math.min(untilDateMs, 1_000)
    return Math.min(durationMs, dateMs)
  }

  /** A turn ends: what to append to the state log, or null where nothing has changed. */
  endTurn (): Uint8Array | null {
    if (!this.isLeading) return null
    const delta = this.journal.take()
    if (delta !== null) {
      const { floor } = this.state
      this.floors.push({ sequence: this.state.sequence, floor })
      this.laneIndex.trimBelow(Math.min(floor, this.trimmableOffset))
    }
    this.answers.flush()
    if (this.canReceive) this.host.wake()
    return delta
  }

  /** Somebody waits for the deltas up to this one to be durable: for an answer, a grant, a dead letter. */
  get awaitedSequence (): number {
    return Math.max(this.answers.latestSequence, this.deadLetters.latestSequence)
  }

  /** False where `receive` would find nothing. */
  get canReceive (): boolean {
    return this.isLeading && !this.isCatchingUp && !this.state.paused && this.room > 0 && this.picker.hasWork
  }

  /** Everything up to this delta is durable (in a cluster: at a majority). */
  onDeltaDurable (sequence: number): void {
    if (!this.isLeading) return
    assert(sequence <= this.state.sequence && !(this.journal.isOpen && sequence === this.state.sequence), 'a delta that exists')
    let passed = 0
    while (passed < this.floors.length && this.floors[passed]!.sequence <= sequence) {
      this.trimmableOffset = Math.max(this.trimmableOffset, this.floors[passed++]!.floor)
    }
    if (passed > 0) this.floors = this.floors.slice(passed)
    this.journal.ends.onDurable(sequence)
    this.notices.onDurable(sequence)
    this.expiry.onDurable(sequence)
    this.answers.releaseUpTo(sequence)
    this.deadLetters.onDurable(sequence)
  }

  /** This broker leads no more, or its state log has failed: everybody who waits hears null. The group is finished. */
  stop (): void {
    this.isLeading = false
    this.answers.failAll()
    const { held } = this
    this.held = []
    for (const { drop } of held) drop()
  }

  /** Records below are committed and may be handed out. */
  onHighWatermark (highWatermark: number): void {
    this.scan.highWatermark = Math.max(this.scan.highWatermark, highWatermark)
  }

  /** What `RecordFeed.read` said was not at hand may be now. */
  onFactsLoaded (): void {
    this.scan.onFactsLoaded()
    if (!this.isLeading) return
    if (this.isCatchingUp) this.catchUp()
    if (!this.isCatchingUp) this.picker.onFactsLoaded()
  }

  /** The log starts at `offset` now: what was outstanding below is expired, and counted. */
  onStartOffsetMoved (offset: number): void {
    this.startOffset = Math.max(this.startOffset, offset)
    if (!this.isCatchingUp) this.trim(offset, END_CAUSE.expired)
  }

  /**
   * Every record committed so far becomes terminal, leased ones included.
   *
   * @returns false where that cannot be done yet, shortly after a start: try again
   */
  purge (done: Release): boolean {
    if (this.isCatchingUp) return false
    this.trim(this.scan.highWatermark, END_CAUSE.purged)
    this.answers.push(this.journal.sequence, done)
    return true
  }

  /** Hands out nothing until resumed; settles go on. */
  setPaused (paused: boolean, done: Release): void {
    if (paused !== this.state.paused) this.journal.pause(paused)
    this.answers.push(this.journal.sequence, done)
  }

  /** Opens a session, or takes it up again with its leases. `flags`: `SESSION_FLAG` bits. */
  openSession (sessionId: number, flags: number): void {
    const { sessions } = this.state
    const known = sessions.find(sessionId)
    if (known === undefined || known.flags !== flags) {
      this.journal.session(known?.number ?? sessions.nextNumber, sessionId, flags)
    }
    this.expiry.heard(sessions.find(sessionId)!)
  }

  /** A session is alive. False where it is not known, for certain. */
  heartbeat (sessionId: number): boolean {
    const session = this.state.sessions.find(sessionId)
    if (session === undefined) return !this.expiry.isEndDurable(sessionId)
    this.expiry.heard(session)
    return true
  }

  /** What a session is to be told about its leases, at most `max`, above 0: with the answer to a heartbeat. */
  noticesFor (sessionId: number, max: number): ToldNotices {
    const session = this.state.sessions.find(sessionId)
    return session === undefined ? { notices: [], more: false } : this.notices.take(session, max)
  }

  /**
   * A session has been taken up again on a new connection. Where it says itself what it starts, what it has not
   * started is given back: the answer with these leases may never have arrived, and nobody would ever settle them.
   */
  giveBackUnstarted (sessionId: number): void {
    const session = this.state.sessions.find(sessionId)
    if (session === undefined) return
    if (!this.isCatchingUp) return this.expiry.giveBackUnstarted(session)
    if (this.resumed.has(sessionId)) return
    this.resumed.add(sessionId)
    // In its place among the settles: those before it say what was started.
    this.held.push({ run: () => this.giveBackUnstarted(sessionId), drop: () => {} })
  }

  /** A session has lost its connection: its grace begins. */
  sessionDisconnected (sessionId: number): void {
    const session = this.state.sessions.find(sessionId)
    if (session !== undefined) this.expiry.disconnected(session)
  }

  /** A session ends by its own word: its leases are given back, uncounted. */
  closeSession (sessionId: number): void {
    const session = this.state.sessions.find(sessionId)
    if (session === undefined || this.isCatchingUp) return
    this.expiry.close(session)
  }

  /**
   * Leases records to a session. Where there are some, `deliver` runs once: at once, or with `order` `key` when the
   * leases are durable, with those that are not over by then, if any; with null where that will never be known.
   *
   * @returns how many; 0 where there is nothing for now, -1 where the session is not known
   */
  receive (request: ReceiveRequest, deliver: (grants: Grants | null) => void): number {
    const session = this.state.sessions.find(request.sessionId)
    if (session === undefined || !this.isLeading) return -1
    const maxRecords = Math.min(request.maxRecords, this.room)
    if (this.isCatchingUp || this.state.paused || maxRecords <= 0 || !this.picker.hasWork) return 0
    const bounds = { maxRecords, maxBytes: request.maxBytes, visibilityMs: this.config.visibilityMs }
    const batch = new GrantBatch(this.state, this.journal, session, bounds)
    this.picker.fill(batch)
    if (batch.count === 0) return 0
    if (this.config.order === ORDER.key) {
      this.answers.push(this.journal.sequence, isDurable => {
        batch.dropEnded()
        deliver(isDurable ? batch : null)
      })
    } else deliver(batch)
    return batch.count
  }

  /**
   * Settles records. `done` runs once, with one `SETTLE_ANSWER` per record in the order of the items, when they are
   * durable; with null where that will never be known. Null for `done` where nobody wants to hear.
   *
   * @param items together at most `QUEUE_LIMITS.recordsPerSettle` records; offsets and sequences safe integers
   */
  settle (items: readonly SettleItem[], done: ((answers: Uint8Array | null) => void) | null): void {
    let total = 0
    for (const { count } of items) total += count
    assert(total <= QUEUE_LIMITS.recordsPerSettle, 'the API bounds the records of a request')
    const isBounded = items.length > 0
    if (this.hold(() => this.settle(items, done), () => done?.(null), isBounded)) return
    const answers = new Uint8Array(total)
    let position = 0
    for (const item of items) {
      for (let index = 0; index < item.count; index++) {
        answers[position++] = this.isCatchingUp ? SETTLE_ANSWER.BUSY : this.settlement.settle(item, index)
      }
    }
    // Also what was settled before may rest on a delta that is not durable yet.
    if (done !== null) this.answers.push(this.journal.sequence, isDurable => done(isDurable ? answers : null))
  }

  /** True where a handle is that of a lease that has not ended. */
  isLeased (offset: number, leaseEpoch: number, leaseSequence: number): boolean {
    const { ledger } = this.state
    const slot = ledger.find(offset)
    return slot !== NO_SLOT && ledger.states[slot] === RECORD_STATE.LEASED &&
      ledger.leaseEpochs[slot] === leaseEpoch && ledger.leaseSequences[slot] === leaseSequence
  }

  /** Cancels a record: it is not handed out any more. */
  cancel (offset: number, done: (answer: ChangeAnswer | null) => void): void {
    if (this.hold(() => this.cancel(offset, done), () => done(null))) return
    const answer = this.isCatchingUp ? CHANGE_ANSWER.BUSY : this.changes.cancel(offset)
    this.answers.push(this.journal.sequence, isDurable => done(isDurable ? answer : null))
  }

  /**
   * Records that are committed, and that the group has not heard of yet, are duplicates: they end before anybody sees
   * them. To be called before the `onHighWatermark` that covers them.
   */
  endDuplicates (offsets: readonly number[], done: Release): void {
    if (this.hold(() => this.endDuplicates(offsets, done), () => done(false), false)) return
    for (const offset of offsets) this.lifecycle.finish(this.places.list(offset), END_CAUSE.duplicate)
    this.answers.push(this.journal.sequence, done)
  }

  /** Puts a record off until a date, or brings it forward. `notBeforeMs`: wall clock, whole milliseconds. */
  reschedule (offset: number, notBeforeMs: number, done: (answer: ChangeAnswer | null) => void): void {
    if (this.hold(() => this.reschedule(offset, notBeforeMs, done), () => done(null))) return
    const answer = this.isCatchingUp ? CHANGE_ANSWER.BUSY : this.changes.reschedule(offset, notBeforeMs)
    this.answers.push(this.journal.sequence, isDurable => done(isDurable ? answer : null))
  }

  /**
   * Lets a key go on that is held or quarantined; with `skip` without the record it is held at, which is cancelled.
   * @returns false where the key is not stopped; null where that cannot be told yet, shortly after a start
   */
  resumeLane (lane: number, skip: boolean): boolean | null {
    return this.isCatchingUp ? null : this.picker.resumeLane(lane, skip)
  }

  /** The dead letter of a record is committed, at `letter`. */
  onDeadLetterAppended (offset: number, letter: LetterPlace | null = null): void {
    if (!this.isLeading || this.hold(() => this.onDeadLetterAppended(offset, letter), () => {}, false)) return
    if (!this.deadLetters.onAppended(offset)) return
    const slot = this.state.find(offset)
    if (slot === NO_SLOT || this.state.ledger.states[slot] !== RECORD_STATE.DEAD_LETTER_PENDING) return
    const { failures, deliveries } = this.state.ledger
    this.endings.addDeath(offset, END_CAUSE.dead, {
      ...deathOf(this.state, offset), failures: failures[slot]!, deliveries: deliveries[slot]!, letter,
    })
    this.lifecycle.finish(slot, END_CAUSE.dead)
  }

  /** It could not be appended, or nobody knows: it is asked for again. `waitsFor` says to people why. */
  onDeadLetterFailed (offset: number, waitsFor = ''): void {
    if (this.isLeading) this.deadLetters.onFailed(offset, waitsFor)
  }

  /** New settings; the order stays. They count from the next transition of each record on. */
  configure (config: QueueConfig): void {
    assert(config.order === this.config.order, 'the order of a queue does not change')
    this.config = config
    this.lifecycle.config = config
    this.pickerParts.config = config
    this.rates.configure(config)
  }

  /** True where a record is terminal and stays so over a restart. False where that is not certain. */
  isSettledDurably (offset: number): boolean {
    if (offset < this.trimmableOffset) return true
    const slot = this.state.find(offset)
    const isOver = slot === NO_SLOT
      ? this.places.placeOf(offset) === 'terminal'
      : this.state.ledger.states[slot] === RECORD_STATE.ENDED
    return isOver && !this.journal.ends.has(offset)
  }

  explain (offset: number): Explanation {
    const ending = this.endings.find(offset)
    const seen = offset >= this.scan.highWatermark ? 'above' : this.places.placeOf(offset)
    // What is damaged may wait in a lane: then absence says nothing, neither that it has ended nor how.
    const isClear = seen !== 'terminal' || this.endings.has(offset) || !this.places.isHidden(offset)
    const place = isClear ? seen : 'unknown'
    const lane = place === 'fresh' ? this.places.laneOf(offset) : -1
    const notBeforeMs = place === 'fresh' && offset >= this.state.nextOffset ? this.places.notBeforeMs(offset) : 0
    return explainRecord(this.state, offset, { place, lane, notBeforeMs, ending }, {
      passedMs: this.clock.passedMs,
      wallMs: this.clock.wallMs,
      maxAttempts: this.config.maxAttempts,
      atMaxInFlight: this.room <= 0,
      blocksLane: this.config.order === ORDER.key,
      rateWaitMs: lane => this.hasKeys ? this.rates.waitMs(lane) : 0,
      letterWaitsFor: this.deadLetters.waitsFor(offset),
    })
  }

  stats (): QueueStats {
    const { state, laneIndex, scan: { highWatermark } } = this
    return statsOf({ state, laneIndex, highWatermark, blocksLane: this.config.order === ORDER.key })
  }

  /**
   * The first record of a lane that is not terminal, as far as the group has examined: its age is the lane's time lag.
   * -1 where the lane is not busy.
   */
  oldestOffsetOf (lane: number): number {
    return oldestOffsetIn(lane, this.state, this.laneIndex)
  }

  /**
   * Which records of [fromOffset, endOffset) are still needed, ascending; told when it is durable that all others are
   * terminal, so that these may go from the disk. Null where there are more than `max`, or where nobody can tell for
   * now.
   */
  liveOffsets (fromOffset: number, endOffset: number, max: number, done: (offsets: Float64Array | null) => void): void {
    const offsets = this.isCatchingUp || !this.isLeading
      ? null
      : liveOffsetsIn(this.state, this.laneIndex, fromOffset, endOffset, max)
    if (offsets === null || this.isDurable) done(offsets)
    else this.answers.push(this.journal.sequence, isDurable => done(isDurable ? offsets : null))
  }

  /** Queue time of this turn: what the dedup window runs on. */
  get queueTimeMs (): number { return this.clock.nowMs }

  /** Everything said so far is. */
  private get isDurable (): boolean {
    return !this.journal.isOpen && this.answers.durableSequence === this.state.sequence
  }

  /** Lanes are keys. */
  private get hasKeys (): boolean { return this.config.order === ORDER.key || this.config.order === ORDER.fair }

  private get room (): number { return roomInFlight(this.state, this.config.maxInFlight) }

  private catchUp (): void {
    if (this.picker.catchUp()) return
    this.isCatchingUp = false
    this.picker.rebuild()
    this.trim(this.startOffset, END_CAUSE.expired)
    this.resumed.clear()
    const { held } = this
    this.held = []
    for (const { run } of held) run()
  }

  /**
   * Puts off what cannot be told while a leader still looks at the log, which mostly takes a moment: no record may end
   * before it is known what else its lane has. False where that is not so, or too much waits already: that is answered
   * with BUSY.
   *
   * @param isBounded false for what comes from this broker, and cannot be refused
   */
  private hold (run: () => void, drop: () => void, isBounded = true): boolean {
    if (!this.isCatchingUp || (isBounded && this.held.length >= QUEUE_LIMITS.requestsHeld)) return false
    this.held.push({ run, drop })
    return true
  }

  private trim (endOffset: number, cause: EndCause): void {
    const { state } = this
    if (!this.isLeading || endOffset <= state.floor) return
    this.journal.trim(endOffset, this.pendingBelow(endOffset), cause)
    this.scan.begin()
    this.picker.trimLanes(endOffset)
    this.picker.rebuild()
  }

  /** Records below `endOffset` that have no entry and are not terminal. Offsets without records are counted in. */
  private pendingBelow (endOffset: number): number {
    const { lanes, ledger, nextOffset } = this.state
    const listed = new Map<number, number>()
    for (const offset of ledger.sortedOffsets()) {
      if (offset >= endOffset) break
      const lane = ledger.lanes[ledger.find(offset)]!
      const slot = lane < 0 || offset >= nextOffset ? NO_SLOT : lanes.find(lane)
      if (slot !== NO_SLOT && offset >= lanes.positions[slot]!) listed.set(lane, (listed.get(lane) ?? 0) + 1)
    }
    let count = Math.max(0, endOffset - nextOffset)
    for (const slot of lanes.sortedSlots()) {
      const position = lanes.positions[slot]!
      const lane = lanes.lanes[slot]!
      count += this.laneIndex.countOf(lane, position, Math.min(endOffset, nextOffset)) - (listed.get(lane) ?? 0)
    }
    return Math.max(0, count)
  }
}

function pickerOf (parts: PickerParts): Picker {
  switch (parts.config.order) {
    case ORDER.none: return new PlainPicker(parts)
    case ORDER.key: return new KeyedPicker(parts)
    case ORDER.fair:
    case ORDER.priority: return new WeightedPicker(parts)
  }
}
