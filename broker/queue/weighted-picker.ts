// Picks by lane: fair queues, where keys take turns by weight, and priorities, where the highest goes first and waiting
// raises. The scan runs ahead of the picking, so that it knows which lanes have something; each such lane has a cursor.
//
//   fair:      lanes in a ring, deficit round robin: a lane's turn brings `weight` records, fractions are carried over
//   priority:  ten lanes; the highest of priority + waiting time / `priority.ageing.ms` goes first
//
// Records of a lane are independent of each other: one that fails is tried again as in a plain queue. With
// `key.concurrency` a lane has at most so many leases, and with `key.rate` it goes no faster; what is ready meanwhile
// waits in the lane.

import type { GrantBatch } from './grant-batch.js'
import { catchUpLanes } from './lane-catch-up.js'
import type { Picker } from './picker.js'
import type { PickerParts } from './picker-parts.js'
import { dropDeadEnd } from './plain-picker.js'
import { DELAY_CLOCK, NO_LANE, ORDER, RECORD_STATE, type RecordFacts } from './queue-types.js'
import { FactsPage, readFactsOf } from './record-facts.js'
import { NO_SLOT } from './record-ledger.js'

const PRIORITIES = 10
/**
 * Records that a call looks at, and more for each that it may hand out: what is behind a long backlog of others must be
 * found long before all of them are handed out.
 */
const SCAN_AHEAD = 2_000
const SCAN_AHEAD_PER_RECORD = 8

/** Records without a key share a lane of a fair queue. Above every key hash of 52 bits. */
export const KEYLESS_LANE = 2 ** 52

export class WeightedPicker implements Picker {
  private readonly parts: PickerParts
  /** Lanes with something to hand out that may be handed out: no bound of the lane is reached. */
  private ring: number[] = []
  private turn = 0
  /** READY records that wait until their lane is below its bounds. */
  private readonly parked = new Map<number, number[]>()
  private loading: number[] = []
  /** Order `priority`: since when each priority has been waiting for its turn, in queue time, milliseconds. */
  private readonly waitingSince = new Float64Array(PRIORITIES)
  private readonly facts = new FactsPage(1)

  constructor (parts: PickerParts) {
    this.parts = parts
  }

  get hasWork (): boolean {
    return this.ring.length > 0 || !this.parts.ready.isEmpty || this.parts.scan.hasMore
  }

  fill (batch: GrantBatch): void {
    const { scan, laneIndex } = this.parts
    scan.begin()
    this.scanAhead(SCAN_AHEAD + SCAN_AHEAD_PER_RECORD * batch.room)
    scan.commit()
    laneIndex.advanceTo(scan.position)
    this.fillRetries(batch, this.ring.length > 0 ? Math.max(1, batch.room >> 1) : batch.room)
    if (this.parts.config.order === ORDER.priority) this.fillByPriority(batch)
    else this.fillByTurns(batch)
    this.fillRetries(batch, batch.room)
  }

  onReady (offset: number): void { this.parts.ready.push(offset) }

  afterLeaseEnd (offset: number, lane: number): void {
    const slot = this.parts.state.ledger.find(offset)
    if (slot !== NO_SLOT && this.parts.lifecycle.isReady(slot)) this.parts.ready.push(offset)
    this.afterLane(lane)
  }

  afterEnd (_offset: number, lane: number): void { this.afterLane(lane) }

  afterDeath (_offset: number, lane: number): void { this.afterLane(lane) }

  mayEnd (): boolean { return true }

  mayGiveUp (): boolean { return true }

  mayEndLate (): boolean { return true }

  holdsAtDeath (): boolean { return false }

  isAhead (offset: number, lane: number): boolean {
    const { state, scan } = this.parts
    if (offset >= scan.position) return true
    const slot = lane === NO_LANE ? NO_SLOT : state.lanes.find(lane)
    return slot !== NO_SLOT && offset >= state.lanes.positions[slot]!
  }

  trimLanes (endOffset: number): void {
    const { lanes } = this.parts.state
    for (const slot of lanes.sortedSlots()) {
      const lane = lanes.lanes[slot]!
      const position = Math.max(lanes.positions[slot]!, endOffset)
      const next = this.nextIn(lane, position - 1)
      if (next < 0 && lanes.leased[slot] === 0) this.parts.journal.laneEnd(lane)
      else if (lanes.positions[slot]! < endOffset) this.parts.journal.lane(lane, next < 0 ? position : next, 0)
    }
  }

  rebuild (): void {
    const { state, scan } = this.parts
    scan.reset()
    this.ring = []
    this.turn = 0
    this.parked.clear()
    this.loading = []
    for (const slot of state.lanes.sortedSlots()) {
      state.lanes.queued[slot] = 0
      // One whose records were lost to damage has nothing to wait for.
      this.afterLane(state.lanes.lanes[slot]!)
    }
    for (const offset of state.ledger.sortedOffsets()) {
      if (this.parts.lifecycle.isReady(state.ledger.find(offset))) this.parts.ready.push(offset)
    }
  }

  catchUp (): boolean { return catchUpLanes(this.parts, (facts, row) => this.laneOf(facts, row)) }

  onFactsLoaded (): void {
    const lanes = this.loading
    this.loading = []
    for (const lane of lanes) this.offer(lane)
  }

  onRateDue (lane: number): void {
    const slot = this.parts.state.lanes.find(lane)
    this.unpark(lane, slot)
    this.offer(lane)
  }

  resumeLane (): boolean { return false }

  private laneOf (facts: RecordFacts, row: number): number {
    if (this.parts.config.order === ORDER.priority) return facts.priorities[row]!
    const lane = facts.lanes[row]!
    return lane === NO_LANE ? KEYLESS_LANE : lane
  }

  /** Finds out which lanes have something: `enough` records ahead per call, more only while no lane is known. */
  private scanAhead (enough: number): void {
    const { scan, state, laneIndex } = this.parts
    for (let count = 0; (count < enough || this.ring.length === 0) && scan.hasRow(); count++) {
      const lane = this.laneOf(scan.facts, scan.row)
      const offset = scan.facts.offsets[scan.row]!
      const slot = state.lanes.find(lane)
      laneIndex.add(lane, offset)
      const isIdle = slot === NO_SLOT || this.nextIn(lane, state.lanes.positions[slot]! - 1) < 0
      scan.consume()
      if (!isIdle) continue
      this.parts.journal.lane(lane, offset, 0)
      this.offer(lane)
    }
  }

  private nextIn (lane: number, after: number): number {
    const offset = this.parts.laneIndex.nextOffsetOf(lane, after)
    return offset < this.parts.scan.position ? offset : -1
  }

  /** Puts a lane into the ring if it has something that may be handed out. */
  private offer (lane: number): void {
    const { lanes } = this.parts.state
    const slot = lanes.find(lane)
    if (slot === NO_SLOT || lanes.queued[slot] !== 0) return
    if (this.nextIn(lane, lanes.positions[slot]! - 1) < 0 || this.isAtBound(lane, slot)) return
    lanes.queued[slot] = 1
    lanes.credits[slot] = 0
    if (this.parts.config.order === ORDER.priority) this.waitingSince[lane] = this.parts.clock.nowMs
    this.ring.push(lane)
  }

  /** True where a lane that has something to hand out must not: `afterLane` or `onRateDue` follow. */
  private isAtBound (lane: number, slot: number): boolean {
    const { keyConcurrency, order } = this.parts.config
    if (order !== ORDER.fair) return false
    const isFull = keyConcurrency > 0 && slot !== NO_SLOT && this.parts.state.lanes.leased[slot]! >= keyConcurrency
    return isFull || this.parts.rates.holdsBack(lane)
  }

  private unpark (lane: number, slot: number): void {
    const parked = this.parked.get(lane)
    if (parked === undefined || this.isAtBound(lane, slot)) return
    this.parked.delete(lane)
    for (const offset of parked) this.parts.ready.push(offset)
  }

  /** A lease of the lane has ended: it may go on, or be idle. */
  private afterLane (lane: number): void {
    const { state, journal } = this.parts
    const slot = lane === NO_LANE ? NO_SLOT : state.lanes.find(lane)
    if (slot === NO_SLOT) return
    this.unpark(lane, slot)
    this.offer(lane)
    const isIdle = state.lanes.leased[slot] === 0 && this.nextIn(lane, state.lanes.positions[slot]! - 1) < 0
    if (isIdle) journal.laneEnd(lane)
  }

  /** Deficit round robin over the ring. */
  private fillByTurns (batch: GrantBatch): void {
    const { lanes } = this.parts.state
    while (this.ring.length > 0 && batch.room > 0) {
      if (this.turn >= this.ring.length) this.turn = 0
      const lane = this.ring[this.turn]!
      const slot = lanes.find(lane)
      if (lanes.credits[slot]! < 1) lanes.credits[slot]! += this.parts.weightOf(lane)
      while (lanes.find(lane) === slot && lanes.queued[slot] !== 0 && lanes.credits[slot]! >= 1) {
        if (batch.room === 0 || !this.takeOne(batch, lane, slot)) return
        lanes.credits[slot]!--
      }
      // A lane that left the ring has left its place to the next one.
      if (this.ring[this.turn] === lane) this.turn++
    }
  }

  private fillByPriority (batch: GrantBatch): void {
    const { lanes } = this.parts.state
    while (this.ring.length > 0 && batch.room > 0) {
      let best = this.ring[0]!
      for (const lane of this.ring) if (this.rankOf(lane) > this.rankOf(best)) best = lane
      const slot = lanes.find(best)
      if (!this.takeOne(batch, best, slot)) return
      this.waitingSince[best] = this.parts.clock.nowMs
    }
  }

  private rankOf (lane: number): number {
    const waitedMs = this.parts.clock.nowMs - this.waitingSince[lane]!
    const rank = lane + Math.floor(waitedMs / this.parts.config.priorityAgeingMs)
    // Of equals the higher priority.
    return rank + lane / 16
  }

  /** Deals with the next record of a lane in the ring; false where it does not fit. */
  private takeOne (batch: GrantBatch, lane: number, slot: number): boolean {
    const { state, journal, lifecycle, feed } = this.parts
    const offset = this.nextIn(lane, state.lanes.positions[slot]! - 1)
    const known = state.find(offset)
    if (known !== NO_SLOT) {
      // Ended or rescheduled before its turn: it goes its own way.
      if (state.ledger.states[known] === RECORD_STATE.ENDED) journal.forget(offset)
      this.pass(lane, slot, offset)
      return true
    }
    if (!readFactsOf(feed, this.facts, offset)) {
      this.leaveRing(lane, slot)
      this.loading.push(lane)
      return true
    }
    const hasRecord = this.facts.count > 0
    const expiresMs = hasRecord ? this.facts.expiresMs[0]! : 1
    const notBeforeMs = hasRecord ? this.facts.notBeforeMs[0]! : 0
    if (expiresMs !== 0 && !lifecycle.isLater(expiresMs)) {
      journal.lane(lane, offset + 1, 0)
      lifecycle.expire(offset, lane)
    } else if (lifecycle.isLater(notBeforeMs)) {
      journal.place(offset, lane, expiresMs)
      journal.defer(offset, DELAY_CLOCK.wall, notBeforeMs)
    } else {
      if (!batch.fits(this.facts.sizes[0]!)) return false
      journal.place(offset, lane, expiresMs)
      this.lease(batch, offset, lane, this.facts.sizes[0]!)
    }
    if (state.lanes.find(lane) === slot) this.pass(lane, slot, offset)
    else this.dropFromRing(lane)
    return true
  }

  /** The lane's cursor moves past a record. */
  private pass (lane: number, slot: number, offset: number): void {
    const { state, journal } = this.parts
    const next = this.nextIn(lane, offset)
    if (next < 0 && state.lanes.leased[slot] === 0) {
      this.leaveRing(lane, slot)
      return journal.laneEnd(lane)
    }
    journal.lane(lane, next < 0 ? offset + 1 : next, 0)
    if (next < 0 || this.isAtBound(lane, slot)) this.leaveRing(lane, slot)
  }

  private leaveRing (lane: number, slot: number): void {
    this.parts.state.lanes.queued[slot] = 0
    this.dropFromRing(lane)
  }

  private dropFromRing (lane: number): void {
    const index = this.ring[this.turn] === lane ? this.turn : this.ring.indexOf(lane)
    if (index < 0) return
    this.ring.splice(index, 1)
    if (index < this.turn) this.turn--
  }

  private fillRetries (batch: GrantBatch, max: number): void {
    const { ready, state, feed, journal, scan } = this.parts
    const end = batch.count + max
    while (batch.count < end && batch.room > 0) {
      const record = ready.first()
      if (record === NO_SLOT) return
      const offset = state.ledger.offsets[record]!
      const lane = state.ledger.lanes[record]!
      const slot = lane === NO_LANE ? NO_SLOT : state.lanes.find(lane)
      const bytes = feed.sizeOf(offset)
      if (!batch.fits(bytes)) return
      ready.drop()
      if (dropDeadEnd(this.parts, record)) continue
      if (lane !== NO_LANE && this.isAtBound(lane, slot)) {
        this.park(lane, offset)
        continue
      }
      // A lane with leases is busy, so that they can be counted.
      if (lane !== NO_LANE && slot === NO_SLOT) journal.lane(lane, scan.position, 0)
      this.lease(batch, offset, lane, bytes)
      this.leaveIfAtBound(lane)
    }
  }

  private lease (batch: GrantBatch, offset: number, lane: number, bytes: number): void {
    batch.lease(offset, bytes)
    if (this.parts.config.order === ORDER.fair) this.parts.rates.take(lane)
  }

  private leaveIfAtBound (lane: number): void {
    const { lanes } = this.parts.state
    const slot = lane === NO_LANE ? NO_SLOT : lanes.find(lane)
    if (slot !== NO_SLOT && lanes.queued[slot] !== 0 && this.isAtBound(lane, slot)) this.leaveRing(lane, slot)
  }

  private park (lane: number, offset: number): void {
    const parked = this.parked.get(lane)
    if (parked === undefined) this.parked.set(lane, [offset])
    else parked.push(offset)
  }
}
