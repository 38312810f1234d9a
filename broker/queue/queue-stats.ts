// The figures of a group on one partition. Ages come from the timestamps of the oldest records, which the group does
// not know: it names their offsets, and `agesOf` does the rest.
//
// It costs a walk over the entries, and look-ups of busy lanes in the lane index, at most `LOOK_UPS`: where there are
// more lanes, or the index has many parts, what waits in the lanes is estimated from some of them.

import { LANE_FLAG } from './lane-table.js'
import type { QueueState } from './queue-state.js'
import { END_CAUSES, RECORD_STATE, type LaneIndex } from './queue-types.js'
import { NO_SLOT } from './record-ledger.js'

const LOOK_UPS = 10_000
const LANES_COUNTED_MIN = 10
const STOPPED_MAX = 100

/** A key that hands out nothing until it is resumed. */
export interface StoppedLane {
  readonly lane: number
  readonly state: 'held' | 'quarantined'
  /** The record at which it is stopped. */
  readonly offset: number
}

/** Figures of a group on one partition. Offsets are -1 where there is no such record. */
export interface QueueStats {
  /** Records examined that could be handed out. */
  readonly ready: number
  readonly leased: number
  readonly delayed: number
  /** With `order` `key`: records examined that wait behind an earlier one of their key, or whose key is stopped. */
  readonly blocked: number
  readonly deadLetterPending: number
  /** Offsets never examined: an upper bound of the records there. */
  readonly fresh: number
  readonly busyLanes: number
  readonly stoppedLanes: number
  /** The first of the stopped lanes by offset, at most 100. */
  readonly stopped: readonly StoppedLane[]
  readonly sessions: number
  /** Records that became terminal, indexed by `EndCause`. */
  readonly ended: readonly number[]
  readonly floor: number
  readonly next: number
  readonly oldestFreshOffset: number
  readonly oldestReadyOffset: number
  readonly oldestLeasedOffset: number
  readonly oldestDelayedOffset: number
  readonly oldestBlockedOffset: number
  readonly oldestDeadLetterPendingOffset: number
  /** Of all that is examined and not terminal. */
  readonly oldestOutstandingOffset: number
  readonly paused: boolean
}

/** Ages in milliseconds; -1 where there is no such record, or where its timestamp is not known. */
export interface QueueAges {
  readonly freshMs: number
  readonly readyMs: number
  readonly leasedMs: number
  readonly delayedMs: number
  readonly blockedMs: number
  readonly deadLetterPendingMs: number
  readonly outstandingMs: number
}

/** @param timestampOf of a record: wall-clock milliseconds, or -1 where it is not at hand */
export function agesOf (stats: QueueStats, wallMs: number, timestampOf: (offset: number) => number): QueueAges {
  const ageOf = (offset: number): number => {
    const timestampMs = offset < 0 ? -1 : timestampOf(offset)
    return timestampMs < 0 ? -1 : Math.max(0, wallMs - timestampMs)
  }
  return {
    freshMs: ageOf(stats.oldestFreshOffset),
    readyMs: ageOf(stats.oldestReadyOffset),
    leasedMs: ageOf(stats.oldestLeasedOffset),
    delayedMs: ageOf(stats.oldestDelayedOffset),
    blockedMs: ageOf(stats.oldestBlockedOffset),
    deadLetterPendingMs: ageOf(stats.oldestDeadLetterPendingOffset),
    outstandingMs: ageOf(stats.oldestOutstandingOffset),
  }
}

export interface StatsContext {
  readonly state: QueueState
  readonly laneIndex: LaneIndex
  readonly highWatermark: number
  /** Records of a lane go one after the other. */
  readonly blocksLane: boolean
}

export function statsOf ({ state, laneIndex, highWatermark, blocksLane }: StatsContext): QueueStats {
  const oldest = [Infinity, Infinity, Infinity, Infinity, Infinity, Infinity]
  const waiting = new WaitingInLanes(state, laneIndex, blocksLane)
  state.ledger.visit((slot, offset) => {
    const recordState = state.ledger.states[slot]!
    const isBlocked = waiting.onEntry(slot, offset)
    if (!isBlocked && offset < oldest[recordState]!) oldest[recordState] = offset
  })
  waiting.count()
  const delayedMin = state.delayed.minOffset()
  const stopped = stoppedLanes(state)
  return {
    ready: state.counts[RECORD_STATE.READY]! - waiting.blockedEntries + waiting.ready,
    leased: state.counts[RECORD_STATE.LEASED]!,
    delayed: state.counts[RECORD_STATE.DELAYED]! + state.delayed.size,
    blocked: waiting.blockedEntries + waiting.blocked,
    deadLetterPending: state.counts[RECORD_STATE.DEAD_LETTER_PENDING]!,
    fresh: Math.max(0, highWatermark - state.nextOffset),
    busyLanes: state.lanes.size,
    stoppedLanes: stopped.length,
    stopped: stopped.slice(0, STOPPED_MAX),
    sessions: state.sessions.size,
    ended: [...state.ended].slice(0, END_CAUSES),
    floor: state.floor,
    next: state.nextOffset,
    oldestFreshOffset: state.nextOffset < highWatermark ? state.nextOffset : -1,
    oldestReadyOffset: offsetOr(Math.min(oldest[RECORD_STATE.READY]!, waiting.oldestReady)),
    oldestLeasedOffset: offsetOr(oldest[RECORD_STATE.LEASED]!),
    oldestDelayedOffset: offsetOr(Math.min(oldest[RECORD_STATE.DELAYED]!, delayedMin)),
    oldestBlockedOffset: offsetOr(waiting.oldestBlocked),
    oldestDeadLetterPendingOffset: offsetOr(oldest[RECORD_STATE.DEAD_LETTER_PENDING]!),
    oldestOutstandingOffset: state.floor < state.nextOffset ? state.floor : -1,
    paused: state.paused,
  }
}

/** What is examined and has no entry, since its lane is busy; and READY entries that must wait for their key. */
class WaitingInLanes {
  ready = 0
  blocked = 0
  blockedEntries = 0
  oldestReady = Infinity
  oldestBlocked = Infinity
  private readonly state: QueueState
  private readonly laneIndex: LaneIndex
  private readonly blocksLane: boolean
  /** Entries at or above their lane's position, by lane. */
  private readonly listed = new Map<number, number>()

  constructor (state: QueueState, laneIndex: LaneIndex, blocksLane: boolean) {
    this.state = state
    this.laneIndex = laneIndex
    this.blocksLane = blocksLane
  }

  /** Takes note of an entry; true where it is READY, but blocked. */
  onEntry (slot: number, offset: number): boolean {
    const { ledger, lanes, nextOffset } = this.state
    const lane = ledger.lanes[slot]!
    const laneSlot = lane < 0 || offset >= nextOffset ? NO_SLOT : lanes.find(lane)
    if (laneSlot === NO_SLOT || offset < lanes.positions[laneSlot]!) return false
    this.listed.set(lane, (this.listed.get(lane) ?? 0) + 1)
    if (!this.blocksLane || ledger.states[slot] !== RECORD_STATE.READY) return false
    const isFirst = offset === lanes.positions[laneSlot] && lanes.flags[laneSlot] === 0
    if (isFirst) return false
    this.blockedEntries++
    this.oldestBlocked = Math.min(this.oldestBlocked, offset)
    return true
  }

  /** Counts what the lanes hold without entries. */
  count (): void {
    const { lanes } = this.state
    const countedMax = Math.max(LANES_COUNTED_MIN, Math.floor(LOOK_UPS / this.laneIndex.partCount))
    // Spread over all: lanes that were busy first may have more behind them.
    const stride = Math.max(1, Math.ceil(lanes.size / countedMax))
    let place = 0
    lanes.visit(slot => { if (place++ % stride === 0) this.countLane(slot) })
    if (stride === 1) return
    const scale = lanes.size / Math.ceil(lanes.size / stride)
    this.ready = Math.round(this.ready * scale)
    this.blocked = Math.round(this.blocked * scale)
  }

  private countLane (slot: number): void {
    const { state, laneIndex } = this
    const lane = state.lanes.lanes[slot]!
    const position = state.lanes.positions[slot]!
    const stored = this.isStored(position) ? 1 : 0
    const total = laneIndex.countOf(lane, position, state.nextOffset) - (this.listed.get(lane) ?? 0) - stored
    if (total <= 0) return
    const first = this.firstUnlisted(lane, position)
    const isReady = !this.blocksLane || (first === position && state.lanes.flags[slot] === 0)
    if (isReady) this.oldestReady = Math.min(this.oldestReady, first)
    if (!this.blocksLane) {
      this.ready += total
      return
    }
    this.ready += isReady ? 1 : 0
    this.blocked += total - (isReady ? 1 : 0)
    const second = isReady ? this.firstUnlisted(lane, first + 1) : first
    if (total > (isReady ? 1 : 0)) this.oldestBlocked = Math.min(this.oldestBlocked, second)
  }

  /** The lane's first record from `fromOffset` on that has no entry, or Infinity. */
  private firstUnlisted (lane: number, fromOffset: number): number {
    const { state, laneIndex } = this
    let offset = laneIndex.nextOffsetOf(lane, fromOffset - 1)
    while (offset >= 0 && offset < state.nextOffset && this.isListed(offset)) {
      offset = laneIndex.nextOffsetOf(lane, offset)
    }
    return offset >= 0 && offset < state.nextOffset ? offset : Infinity
  }

  private isListed (offset: number): boolean {
    return this.state.ledger.find(offset) !== NO_SLOT || this.isStored(offset)
  }

  private isStored (offset: number): boolean {
    return this.state.delayed.size > 0 && this.state.delayed.get(offset) !== null
  }
}

/** The first record of a busy lane that is examined and not terminal, or -1. */
export function oldestOffsetIn (lane: number, { lanes, ledger, nextOffset }: QueueState, laneIndex: LaneIndex): number {
  const slot = lanes.find(lane)
  if (slot === NO_SLOT) return -1
  const next = laneIndex.nextOffsetOf(lane, lanes.positions[slot]! - 1)
  let oldest = next >= 0 && next < nextOffset ? next : Infinity
  ledger.visit((entry, offset) => {
    if (ledger.lanes[entry] !== lane || ledger.states[entry] === RECORD_STATE.ENDED) return
    oldest = Math.min(oldest, offset)
  })
  return offsetOr(oldest)
}

/** By offset. */
function stoppedLanes ({ lanes }: QueueState): StoppedLane[] {
  const stopped: StoppedLane[] = []
  lanes.visit(slot => {
    const flags = lanes.flags[slot]!
    if (flags === 0) return
    const state = (flags & LANE_FLAG.held) !== 0 ? 'held' : 'quarantined'
    stopped.push({ lane: lanes.lanes[slot]!, state, offset: lanes.positions[slot]! })
  })
  return stopped.sort((a, b) => a.offset - b.offset)
}

function offsetOr (offset: number): number { return offset === Infinity ? -1 : offset }
