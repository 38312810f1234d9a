// A naive model of a queue group: one object per record, everything found by looking at all of them. It is told what
// consumers did and were told, predicts every answer, and holds the group's state against its own after every step.
//
// What the group decides by itself (which record is next, how long a random back-off is, when in a tick a timeout is
// noticed) the model does not predict: it judges whether the group was allowed to. On a crash it goes back to what it
// was when the last durable delta was made; what consumers were told is never taken back.

import assert from 'node:assert'
import {
  RECORD_STATE, SETTLE_ANSWER, SETTLE_KIND, type SettleItem,
} from './queue-types.js'
import { LANE_FLAG } from './lane-table.js'
import { liveOffsetsIn } from './live-records.js'
import { type Handle, type QueueWorld } from './queue-world.test.double.js'

/** What has just happened. */
export type Cause = 'time' | 'settle' | 'resume' | 'other'
type Phase = 'waiting' | 'leased' | 'dying' | 'done'

interface Seen {
  phase: Phase
  failures: number
  deliveries: number
  leaseEpoch: number
  leaseSequence: number
  sessionId: number
  /** Leased: not timed out before this monotonic time. */
  leaseEndMs: number
  leasedMs: number
  /** Waiting: queue time before which it is not handed out; wall clock for `isDate`. */
  notBeforeMs: number
  isDate: boolean
  /** The date has come; a wall clock that is set back afterwards does not undo that. */
  isDue: boolean
  cancelRequested: boolean
}

const { READY, LEASED, DELAYED, DEAD_LETTER_PENDING, ENDED } = RECORD_STATE
const { OK, LATE_OK, ALREADY_SETTLED, STALE_LEASE, UNKNOWN, OUT_OF_ORDER } = SETTLE_ANSWER

export class QueueChecker {
  private readonly world: QueueWorld
  private seen: Seen[] = []
  /** The model as of each delta. */
  private history: { sequence: number, seen: Seen[] }[] = []
  /** Records whose ack was answered. */
  private readonly acknowledged = new Set<number>()
  private readonly told = new Set<string>()
  /** When records of each key were handed out; a crash takes nothing of that back. */
  private readonly handedOut = new Map<number, number[]>()
  private floor = 0
  /** Lanes an operator or the poison policy has stopped are outside of the model's predictions. */
  private readonly isKeyed: boolean

  constructor (world: QueueWorld) {
    this.world = world
    this.isKeyed = world.config.order === 'key'
  }

  onAppended (): void {
    while (this.seen.length < this.world.records.length) {
      const { notBeforeMs } = this.world.records[this.seen.length]!
      this.seen.push({
        phase: 'waiting',
        failures: 0,
        deliveries: 0,
        leaseEpoch: 0,
        leaseSequence: 0,
        sessionId: 0,
        leaseEndMs: 0,
        leasedMs: 0,
        notBeforeMs,
        isDate: true,
        isDue: false,
        cancelRequested: false,
      })
    }
  }

  /** The group leased records in a receive, told or not yet told to the consumer. */
  onLeased (sessionId: number): void {
    const { ledger, sessions } = this.world.group.state
    for (let offset = 0; offset < this.seen.length; offset++) {
      const slot = ledger.find(offset)
      if (slot < 0 || ledger.states[slot] !== LEASED) continue
      const record = this.seen[offset]!
      const isSameEpoch = record.leaseEpoch === ledger.leaseEpochs[slot]
      if (isSameEpoch && record.leaseSequence === ledger.leaseSequences[slot]) continue
      assert.equal(sessions.numbered(ledger.sessions[slot]!)!.sessionId, sessionId, `${offset} is leased to another`)
      this.judgeLease(offset, record)
      this.judgeRate(this.world.records[offset]!.lane)
      record.phase = 'leased'
      record.deliveries++
      record.leaseEpoch = ledger.leaseEpochs[slot]!
      record.leaseSequence = ledger.leaseSequences[slot]!
      record.sessionId = sessionId
      record.leasedMs = this.world.monotonicMs
      record.leaseEndMs = record.leasedMs + this.world.config.visibilityMs
    }
  }

  /** A consumer hears of leases. */
  onTold (handles: readonly Handle[]): void {
    for (const { offset, leaseEpoch, leaseSequence } of handles) {
      assert(!this.acknowledged.has(offset), `record ${offset} is delivered after its ack was answered`)
      const handle = `${offset}/${leaseEpoch}/${leaseSequence}`
      const lease = `${leaseEpoch}/${leaseSequence}`
      assert(!this.told.has(lease), `lease ${handle} is given out twice`)
      this.told.add(lease)
    }
  }

  /** What the answer to a settle must be; takes its effect into the model. */
  predict (item: SettleItem): number {
    const { offset, leaseEpoch, leaseSequence, kind } = item
    const record = this.seen[offset]
    if (record === undefined) return UNKNOWN
    const isLatest = record.leaseEpoch === leaseEpoch && record.leaseSequence === leaseSequence
    if (record.phase === 'done' || record.phase === 'dying') return ALREADY_SETTLED
    if (record.phase === 'leased') {
      if (!isLatest) return this.wasGiven(leaseEpoch, leaseSequence) ? STALE_LEASE : UNKNOWN
      const isTerminal = kind === SETTLE_KIND.ack || kind === SETTLE_KIND.reject
      if (isTerminal && this.isBehind(offset)) return OUT_OF_ORDER
      return OK
    }
    const isLost = !this.isKeyed && leaseEpoch >= 1 && leaseSequence >= 1 && leaseEpoch < this.world.epoch &&
      leaseEpoch >= record.leaseEpoch && leaseSequence > record.leaseSequence
    const isListed = this.world.group.state.find(offset) >= 0
    if (!isLatest && !isLost) {
      if (!isListed) return UNKNOWN
      return this.wasGiven(leaseEpoch, leaseSequence) ? STALE_LEASE : UNKNOWN
    }
    if (kind === SETTLE_KIND.nack || kind === SETTLE_KIND.release) return isListed ? ALREADY_SETTLED : STALE_LEASE
    if (kind === SETTLE_KIND.extend || kind === SETTLE_KIND.start) return STALE_LEASE
    if (!isListed && kind === SETTLE_KIND.reject) return STALE_LEASE
    return this.isBehind(offset) || this.laneIsBusy(offset) ? STALE_LEASE : LATE_OK
  }

  onSettled (item: SettleItem, answer: number): void {
    if (answer !== OK && answer !== LATE_OK) return
    const record = this.seen[item.offset]!
    const { kind } = item
    const endsLease = kind === SETTLE_KIND.nack || kind === SETTLE_KIND.release
    if (kind === SETTLE_KIND.ack || (record.cancelRequested && endsLease)) {
      record.phase = 'done'
    } else if (kind === SETTLE_KIND.extend) {
      const { leaseTotalMs } = this.world.config
      record.leaseEndMs = Math.min(record.leasedMs + leaseTotalMs, this.world.monotonicMs + (item.delayMs ?? 0))
    } else if (kind === SETTLE_KIND.start) record.leaseEndMs = Math.max(record.leaseEndMs, this.world.monotonicMs)
  }

  /** The answer to an ack has left: that is for ever. */
  onAckAnswered (offset: number): void {
    this.acknowledged.add(offset)
    assert(!this.world.deadLetters.has(offset), `record ${offset} is acknowledged and dead`)
  }

  onCancelRequested (offset: number): void { this.seen[offset]!.cancelRequested = true }

  onRescheduled (offset: number, notBeforeMs: number): void {
    this.seen[offset]!.notBeforeMs = notBeforeMs
    this.seen[offset]!.isDate = true
    this.seen[offset]!.isDue = false
  }

  onTrimmed (endOffset: number): void {
    for (let offset = 0; offset < endOffset; offset++) this.seen[offset]!.phase = 'done'
  }

  /** Holds the group's state against the model, and judges what the group did by itself. `subject` was acted on. */
  check (cause: Cause, subject = -1): void {
    const { state } = this.world.group
    for (let offset = this.seen.length - 1; offset >= 0; offset--) this.checkRecord(offset, cause, subject)
    this.checkLanes()
    this.checkFigures()
    this.checkLive()
    this.checkBounds()
    assert(this.world.group.durableFloor >= this.floor || this.world.epoch > 0, 'the floor goes back')
    assert(this.world.group.durableFloor <= state.floor)
    this.floor = Math.max(this.floor, this.world.group.durableFloor)
    for (let offset = 0; offset < this.floor; offset++) assert.equal(this.seen[offset]!.phase, 'done', `${offset} is below the floor`)
    for (const [offset, times] of this.world.deadLetters) assert.equal(times, 1, `record ${offset} has ${times} dead letters`)
    this.remember()
  }

  /** The model as of the latest delta, to come back to. */
  private remember (): void {
    const { sequence } = this.world.group
    if (this.history.at(-1)?.sequence === sequence) this.history.pop()
    this.history.push({ sequence, seen: this.seen.map(record => ({ ...record })) })
  }

  /** Before a crash: what was not durable is forgotten, by the model as well. */
  onCrash (crashedAtMs: number): void {
    const durable = this.world.durableDeltas
    while (this.history.length > 1 && this.history.at(-1)!.sequence > durable) this.history.pop()
    this.seen = this.history.at(-1)!.seen.map(record => ({ ...record }))
    this.onAppended()
    // What was cut off the log stays cut off.
    this.onTrimmed(this.world.startOffset)
    for (const record of this.seen) {
      // All the time that was left, from the new leader's first moment on.
      record.leaseEndMs = this.world.monotonicMs + Math.max(0, record.leaseEndMs - crashedAtMs)
      record.leasedMs += this.world.monotonicMs - crashedAtMs
    }
  }

  /** Everything is over: nothing was lost, forgotten or left behind. */
  checkDrained (): void {
    this.seen.forEach((record, offset) => {
      assert.equal(record.phase, 'done', `record ${offset} was never settled: ${JSON.stringify(record)}`)
    })
    assert.equal(this.world.group.state.floor, this.world.highWatermark, 'the floor is at the end')
    for (const offset of this.world.deadLetters.keys()) assert(!this.acknowledged.has(offset))
  }

  private judgeLease (offset: number, record: Seen): void {
    assert.equal(record.phase, 'waiting', `record ${offset} is leased while ${record.phase}`)
    assert(record.failures < this.world.config.maxAttempts, `record ${offset} is delivered after its last attempt`)
    const nowMs = record.isDate ? this.world.wallMs : this.world.group.queueTimeMs
    assert(record.isDue || record.notBeforeMs <= nowMs, `record ${offset} is delivered ${record.notBeforeMs - nowMs} ms early`)
    const { expiresMs } = this.world.records[offset]!
    assert(expiresMs === 0 || expiresMs > this.world.wallMs, `record ${offset} is delivered after its time to live`)
  }

  /** In no stretch of time more of a key than the rate allows: `keyRate` at once, and what the time brings. */
  private judgeRate (lane: number): void {
    const { keyRate, keyRatePeriodMs } = this.world.config
    if (keyRate === 0 || (this.isKeyed && lane < 0)) return
    const times = this.handedOut.get(lane) ?? []
    this.handedOut.set(lane, times)
    times.push(this.world.trueMs)
    times.forEach((sinceMs, index) => {
      const allowed = keyRate + (this.world.trueMs - sinceMs) * keyRate / keyRatePeriodMs
      const count = times.length - index
      assert(count <= allowed + 1e-9, `${count} of key ${lane} in ${this.world.trueMs - sinceMs} ms`)
    })
  }

  /** In a lane: nobody has a record while another session has an earlier or later one; no gaps. */
  private checkLanes (): void {
    if (!this.isKeyed) return
    const holders = new Map<number, number>()
    const waiting = new Set<number>()
    this.seen.forEach((record, offset) => {
      const { lane } = this.world.records[offset]!
      if (lane < 0) return
      if (record.phase === 'waiting') waiting.add(lane)
      if (record.phase !== 'leased') return
      assert(!waiting.has(lane), `record ${offset} of lane ${lane} is leased before an earlier one is settled`)
      assert((holders.get(lane) ?? record.sessionId) === record.sessionId, `lane ${lane} has two holders`)
      holders.set(lane, record.sessionId)
    })
  }

  /** Every record that is examined and not over is counted once. */
  private checkFigures (): void {
    const { group } = this.world
    const { state } = group
    const { ready, leased, delayed, blocked, deadLetterPending } = group.stats()
    let outstanding = 0
    this.seen.forEach(({ phase }, offset) => {
      if (phase !== 'done' && (offset < state.nextOffset || state.find(offset) >= 0)) outstanding++
    })
    const counted = ready + leased + delayed + blocked + deadLetterPending
    // A record that somebody delayed for long, in the middle of its key, is counted as blocked too.
    const isExact = state.delayed.size === 0
    assert(isExact ? counted === outstanding : counted >= outstanding, `${counted} counted of ${outstanding}`)
  }

  /** What may go from the disk is over, and what may not is what is not over or waits for the group to come by. */
  private checkLive (): void {
    const { group: { state }, laneIndex, startOffset, highWatermark } = this.world
    const live = new Set(liveOffsetsIn(state, laneIndex, startOffset, highWatermark, Infinity))
    this.seen.forEach(({ phase }, offset) => {
      if (offset < startOffset) return
      const isAhead = offset >= state.nextOffset || state.find(offset) >= 0
      if (phase !== 'done') assert(live.has(offset), `record ${offset} is ${phase} and would be lost`)
      else assert(!live.has(offset) || isAhead, `record ${offset} is over and held`)
    })
  }

  private checkBounds (): void {
    const { state } = this.world.group
    const outstanding = this.seen.filter((record, offset) =>
      record.phase !== 'done' && state.find(offset) >= 0).length
    const held = state.ledger.size + state.delayed.size
    assert(held <= outstanding + state.counts[ENDED]!, `${held} entries for ${outstanding} outstanding records`)
    const lanes = new Set(this.world.records.filter(({ offset }) => this.seen[offset]!.phase !== 'done' || state.find(offset) >= 0)
      .map(({ lane, priority }) => `${lane} ${priority}`))
    const stopped = state.lanes.sortedSlots().filter(slot => state.lanes.flags[slot] !== 0).length
    assert(state.lanes.size <= lanes.size + stopped, `${state.lanes.size} cursors for ${lanes.size} busy lanes`)
  }

  private checkRecord (offset: number, cause: Cause, subject: number): void {
    const { state } = this.world.group
    const record = this.seen[offset]!
    const slot = state.find(offset)
    const entry = slot < 0 ? 0 : state.ledger.states[slot]!
    const phase = slot < 0 ? this.phaseByAbsence(offset) : phaseOf(entry)
    const failures = slot < 0 ? 0 : state.ledger.failures[slot]!
    const hasMoved = phase !== record.phase || (slot >= 0 && failures !== record.failures)
    if (hasMoved) this.judgeMove(offset, { phase, failures }, cause, subject)
    record.phase = phase
    if (record.isDate && record.notBeforeMs <= this.world.wallMs) record.isDue = true
    if (phase === 'done' || slot < 0) return
    record.failures = failures
    assert.equal(state.ledger.deliveries[slot], record.deliveries, `deliveries of ${offset}`)
    if (entry === DELAYED || (entry === READY && state.ledger.times[slot]! > 0)) {
      const isDate = (state.ledger.flags[slot]! & 4) !== 0
      // A back-off is random: the model takes it over; a date it knows.
      if (isDate) assert.equal(state.ledger.times[slot], record.notBeforeMs, `the date of ${offset}`)
      if (record.notBeforeMs !== state.ledger.times[slot]!) record.isDue = false
      record.notBeforeMs = state.ledger.times[slot]!
      record.isDate = isDate
    }
    assert(failures <= this.world.config.maxAttempts, `record ${offset} has failed ${failures} times`)
  }

  private judgeMove (
    offset: number, { phase, failures }: Pick<Seen, 'phase' | 'failures'>, cause: Cause, subject: number,
  ): void {
    const record = this.seen[offset]!
    const what = `record ${offset}: ${record.phase}/${record.failures} to ${phase}/${failures} by ${cause}`
    const { expiresMs, lane } = this.world.records[offset]!
    const { maxAttempts } = this.world.config
    const isExpired = expiresMs !== 0 && expiresMs <= this.world.wallMs
    const isFailure = failures === record.failures + 1
    const isSubject = offset === subject
    if (record.phase === 'leased' && phase === 'waiting' && isFailure) {
      assert(isSubject || this.mayEndLease(record), `${what}: too early`)
    } else if (record.phase === 'leased' && phase === 'waiting') {
      assert(cause !== 'other' && failures === record.failures, what)
    } else if (record.phase === 'leased' && (phase === 'dying' || phase === 'done')) {
      const isCancelled = record.cancelRequested && phase === 'done'
      const isLastFailure = this.mayEndLease(record) && record.failures + 1 >= maxAttempts
      assert(isSubject || isCancelled || isLastFailure, what)
    } else if (record.phase === 'waiting' && phase === 'waiting') {
      assert(cause === 'resume' && failures === 0, what)
    } else if (record.phase === 'waiting' && phase !== 'leased') {
      const isStopped = this.isKeyed && this.world.config.poison === 'dlq-key' && lane >= 0 && phase === 'dying'
      const isSkipped = cause === 'resume' && phase === 'done'
      assert(isExpired || record.failures >= maxAttempts || isSubject || isStopped || isSkipped, what)
    } else if (record.phase === 'dying') {
      assert(phase === 'done' && this.world.deadLetters.get(offset) !== undefined, `${what}: without a dead letter`)
    } else assert(isSubject && phase !== 'leased', what)
  }

  private mayEndLease (record: Seen): boolean {
    const session = this.world.group.state.sessions.find(record.sessionId)
    return session === undefined || record.leaseEndMs <= this.world.monotonicMs + 1
  }

  private phaseByAbsence (offset: number): Phase {
    const { state } = this.world.group
    if (offset >= state.nextOffset) return 'waiting'
    const { order } = this.world.config
    if (order === 'none' || offset < this.world.startOffset) return 'done'
    const { lane: key, priority } = this.world.records[offset]!
    const lane = order === 'priority' ? priority : order === 'fair' && key < 0 ? 2 ** 52 : key
    const slot = lane < 0 ? -1 : state.lanes.find(lane)
    return slot >= 0 && offset >= state.lanes.positions[slot]! ? 'waiting' : 'done'
  }

  /** Behind a record of its key that is not settled. */
  private isBehind (offset: number): boolean {
    const { lane } = this.world.records[offset]!
    if (!this.isKeyed || lane < 0) return false
    return this.seen.some((record, earlier) => earlier < offset && this.world.records[earlier]!.lane === lane &&
      (record.phase === 'waiting' || record.phase === 'leased'))
  }

  /** Others of the key are leased, or all of the key is on its way to the dead letters. */
  private laneIsBusy (offset: number): boolean {
    const { lane } = this.world.records[offset]!
    if (!this.isKeyed || lane < 0) return false
    const { lanes } = this.world.group.state
    const slot = lanes.find(lane)
    if (slot >= 0 && (lanes.flags[slot]! & LANE_FLAG.quarantined) !== 0) return true
    return this.seen.some((record, other) => this.world.records[other]!.lane === lane && record.phase === 'leased')
  }

  private wasGiven (epoch: number, sequence: number): boolean {
    if (sequence < 1 || epoch < 1) return false
    return epoch < this.world.epoch || (epoch === this.world.epoch && sequence <= this.world.group.state.leaseCounter)
  }
}

function phaseOf (state: number): Phase {
  if (state === LEASED) return 'leased'
  if (state === DEAD_LETTER_PENDING) return 'dying'
  return state === ENDED ? 'done' : 'waiting'
}
