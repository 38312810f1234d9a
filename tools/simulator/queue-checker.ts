// Judges the queue group of one partition by what its leaders tell consumers, and by what is committed.
//
//   Q1  nothing is settled that nobody has settled       Q6  delays are not forgotten, and never early
//   Q2  what is answered is committed                     Q7  a duplicate, once called so, is never handed out
//   Q3  what was settled never comes back                 Q8  a dead letter for each death, and only one
//   Q4  a lease has one holder; keys go in order          I12 a leader's state is what the deltas add up to
//   Q5  deliveries and failures are never forgotten       I13 every record is settled in the end
//
// A leader that was deposed and has not heard of it may hand out what it takes to be free, where leases are soft. So
// what it says is held against what was known in its epoch only.

import {
  END_CAUSE, type Grants, ORDER, type QueueConfig, type QueueGroup, RECORD_STATE, SESSION_FLAG, SETTLE_ANSWER,
  SETTLE_KIND, type SettleItem,
} from '@sluice/broker/simulation'
import { CommittedQueue, differenceOf } from './committed-queue.js'

/** A record, as its producer made it and as it is committed. */
export interface QueueRecord {
  readonly offset: number
  readonly lane: number
  readonly notBeforeMs: number
  readonly expiresMs: number
  /** Empty for none. */
  readonly dedupId: string
  /** Leader epoch that it was appended in. */
  readonly epoch: number
  /** When it was appended, in simulated time. */
  readonly appendedMs: number
}

/** Who hands something out or answers. */
export interface Speaker {
  readonly epoch: number
  /** The latest delta of the group when what is said was decided. */
  readonly sequence: number
  /** Its wall clock. */
  readonly wallMs: number
}

export interface GrantedTo { readonly sessionId: number, readonly flags: number, readonly createdMs: number }

interface Holding extends GrantedTo { readonly epoch: number, isTouched: boolean }

export interface QueueCheckerOptions {
  readonly config: QueueConfig
  /** Clocks of different brokers are apart by so much at most. */
  readonly skewMs: number
  readonly driftShare: number
  readonly nowMs: () => number
  readonly fail: (invariant: string, message: string) => void
}

/** Whole milliseconds are rounded, here and there. */
const ROUNDING_MS = 4

export class QueueChecker {
  readonly records = new Map<number, QueueRecord>()
  readonly committed: CommittedQueue
  /** How often the letter of a record was stored. */
  readonly letters = new Map<number, number>()
  grantCount = 0
  settleCount = 0
  private readonly options: QueueCheckerOptions
  /** The epoch in which a settle that ends the record was answered. */
  private readonly settledIn = new Map<number, number>()
  private readonly leases = new Set<string>()
  private readonly holdings = new Map<number, Holding>()
  private readonly laneHoldings = new Map<number, Holding>()
  private readonly lanes = new Map<number, number[]>()
  /** What a nack asked for: until when, in simulated time, and in which epoch that was answered. */
  private readonly notBefore = new Map<number, { readonly untilMs: number, readonly epoch: number }>()
  private readonly duplicates = new Set<number>()
  private readonly byDedupId = new Map<string, QueueRecord[]>()
  private readonly ackedMs = new Map<number, number>()

  constructor (options: QueueCheckerOptions) {
    this.options = options
    const fail = (message: string): void => options.fail('Q1', message)
    this.committed = new CommittedQueue(offset => this.records.has(offset), fail)
  }

  // What is committed.

  onRecord (record: QueueRecord): void {
    this.records.set(record.offset, record)
    if (record.lane >= 0) {
      const offsets = this.lanes.get(record.lane)
      if (offsets === undefined) this.lanes.set(record.lane, [record.offset])
      else offsets.push(record.offset)
    }
    if (record.dedupId === '') return
    const same = this.byDedupId.get(record.dedupId)
    if (same === undefined) this.byDedupId.set(record.dedupId, [record])
    else same.push(record)
  }

  onDelta (delta: Uint8Array): void { this.committed.onDelta(delta) }

  // What producers are told.

  /** Records [baseOffset, endOffset) are acknowledged in an epoch; those in `duplicates` as ones whose id was taken. */
  onAcknowledged (baseOffset: number, endOffset: number, epoch: number, duplicates: ReadonlySet<number>): void {
    for (let offset = baseOffset; offset < endOffset; offset++) {
      if (duplicates.has(offset)) this.onDuplicate(offset)
      else this.onOriginal(offset, epoch)
      if (!this.ackedMs.has(offset)) this.ackedMs.set(offset, this.options.nowMs())
    }
  }

  private onDuplicate (offset: number): void {
    this.duplicates.add(offset)
    const end = this.committed.endings.get(offset)
    if (end === undefined) this.fail('Q7', `record ${offset} is called a duplicate before that is committed`)
  }

  private onOriginal (offset: number, epoch: number): void {
    const { config, skewMs, driftShare } = this.options
    const record = this.records.get(offset)
    if (record === undefined || record.dedupId === '' || config.dedupUntilSettled) return
    // A duplicate that no leader has ended before the next one came counts as new: nobody was told what it is.
    if (record.epoch !== epoch) return
    for (const other of this.byDedupId.get(record.dedupId)!) {
      if (other.offset >= offset || this.duplicates.has(other.offset)) continue
      const ackedMs = this.ackedMs.get(other.offset) ?? Infinity
      const apartMs = (record.appendedMs - other.appendedMs) * (1 + 2 * driftShare) + 2 * skewMs + ROUNDING_MS
      if (ackedMs < record.appendedMs && apartMs < config.dedupWindowMs) {
        this.fail('Q7', `record ${offset} has the dedup id of ${other.offset}, ${Math.round(apartMs)} ms before, and is called new`)
      }
    }
  }

  // What consumers are told.

  onGranted (grants: Grants, to: GrantedTo, speaker: Speaker): void {
    const isHard = this.options.config.order === ORDER.key
    if (isHard) this.checkCommitted(speaker, 'leases')
    for (let row = 0; row < grants.count; row++) {
      this.grantCount++
      const offset = grants.offsets[row]!
      const lease = `${grants.leaseEpoch}/${grants.leaseSequences[row]}`
      if (this.leases.has(lease)) this.fail('Q4', `lease ${lease} is given out again, for record ${offset}`)
      this.leases.add(lease)
      this.judge(offset, grants.deliveries[row]!, to, speaker)
      if (isHard) this.judgeLane(offset, to, speaker)
      this.holdings.set(offset, { ...to, epoch: speaker.epoch, isTouched: false })
    }
  }

  private judge (offset: number, deliveries: number, to: GrantedTo, { epoch, wallMs }: Speaker): void {
    const record = this.records.get(offset)
    if (record === undefined) return this.fail('I5', `record ${offset} is handed out, and is not committed`)
    const { committed, options: { config, skewMs, nowMs } } = this
    const isHard = config.order === ORDER.key
    if (this.duplicates.has(offset)) this.fail('Q7', `record ${offset} is handed out, and was called a duplicate`)
    if (epoch >= (this.settledIn.get(offset) ?? Infinity)) this.fail('Q3', `record ${offset} is handed out in epoch ${epoch} after it was settled in ${this.settledIn.get(offset)}`)
    const earlyMs = record.notBeforeMs - wallMs
    if (earlyMs > 2 * skewMs) this.fail('Q6', `record ${offset} is handed out ${earlyMs} ms early`)
    const retry = this.notBefore.get(offset)
    const retryEarlyMs = (retry?.untilMs ?? 0) - nowMs()
    if (retryEarlyMs > 0 && epoch >= retry!.epoch) this.fail('Q6', `record ${offset} is tried again ${retryEarlyMs.toFixed(1)} ms early`)
    if (epoch >= committed.epoch) {
      if (committed.endings.has(offset)) this.fail('Q3', `record ${offset} is handed out after it has ended`)
      // A lease that had to be committed first is committed with what came after it.
      if (!isHard && deliveries < committed.deliveriesOf(offset)) this.fail('Q5', `record ${offset} is handed out for time ${deliveries} after ${committed.deliveriesOf(offset)} are committed`)
      if (!isHard && committed.failuresOf(offset) >= config.maxAttempts && config.poison !== 'hold') this.fail('Q5', `record ${offset} is handed out after its last attempt`)
    }
    const held = this.holdings.get(offset)
    // A lease of a key may have gone with that of an earlier record: the key tells.
    const isInLane = isHard && record.lane >= 0
    if (held !== undefined && !isInLane && this.isLive(held, to) && (held.epoch === epoch || isHard)) {
      this.fail('Q4', `record ${offset} is handed out to ${to.sessionId}, ${Math.round(to.createdMs - held.createdMs)} ms after ${held.sessionId} got it`)
    }
  }

  /** Earlier records of the key are over, or of the same run. */
  private judgeLane (offset: number, to: GrantedTo, { epoch }: Speaker): void {
    const { lane } = this.records.get(offset) ?? { lane: -1 }
    if (lane < 0 || epoch < this.committed.epoch) return
    for (const earlier of this.lanes.get(lane)!) {
      if (earlier >= offset) break
      const isOver = this.committed.endings.has(earlier) || this.isDying(earlier)
      if (!isOver && !this.committed.isLeasedTo(earlier, to.sessionId)) {
        this.fail('Q4', `record ${offset} of a key is handed out to ${to.sessionId} while ${earlier} is not settled`)
      }
    }
    const held = this.laneHoldings.get(lane)
    if (held !== undefined && held.sessionId !== to.sessionId && this.isLive(held, to)) {
      this.fail('Q4', `a key is handed out to ${to.sessionId}, ${Math.round(to.createdMs - held.createdMs)} ms after ${held.sessionId} got it`)
    }
    this.laneHoldings.set(lane, { ...to, epoch, isTouched: false })
  }

  /** Given up: its key goes on while the letter is on its way. */
  private isDying (offset: number): boolean {
    const { ledger } = this.committed
    const slot = ledger.find(offset)
    return slot >= 0 && ledger.states[slot] === RECORD_STATE.DEAD_LETTER_PENDING
  }

  /** A lease that lasts for its time, whatever becomes of its session, and that its holder has not spoken of. */
  private isLive (held: Holding, { createdMs }: GrantedTo): boolean {
    const { config, driftShare, skewMs } = this.options
    if (held.isTouched || (held.flags & SESSION_FLAG.outlived) === 0) return false
    const leastMs = Math.min(config.visibilityMs, config.leaseTotalMs) * (1 - 2 * driftShare) - 2 * skewMs - ROUNDING_MS
    return createdMs - held.createdMs < leastMs
  }

  /** A settle reaches a leader: whatever comes of it, the lease may be over. */
  onSettling (items: readonly SettleItem[]): void {
    for (const { offset, count } of items) {
      for (let each = offset; each < offset + count; each++) {
        const held = this.holdings.get(each)
        if (held !== undefined) held.isTouched = true
        const lane = this.records.get(each)?.lane ?? -1
        const laneHeld = this.laneHoldings.get(lane)
        if (laneHeld !== undefined) laneHeld.isTouched = true
      }
    }
  }

  /** Somebody has brought a delayed record forward. */
  onBroughtForward (offset: number): void { this.notBefore.delete(offset) }

  onSettled (items: readonly SettleItem[], answers: Uint8Array, processedMs: number, speaker: Speaker): void {
    let position = 0
    for (const { kind, offset, count, delayMs = -1 } of items) {
      for (let each = offset; each < offset + count; each++) {
        const answer = answers[position++]!
        if (answer !== SETTLE_ANSWER.OK && answer !== SETTLE_ANSWER.LATE_OK) continue
        this.settleCount++
        this.checkCommitted(speaker, 'a settle')
        if (kind === SETTLE_KIND.ack) this.onEnded(each, speaker)
        if (kind === SETTLE_KIND.reject) this.onGivenUp(each, speaker)
        if (kind === SETTLE_KIND.nack && delayMs > 0) this.onDelayed(each, processedMs, delayMs, speaker)
      }
    }
  }

  private onEnded (offset: number, { epoch }: Speaker): void {
    if (!this.committed.endings.has(offset)) this.fail('Q2', `an ack of ${offset} is answered before it is committed`)
    this.settledIn.set(offset, Math.min(epoch, this.settledIn.get(offset) ?? Infinity))
  }

  private onGivenUp (offset: number, { epoch }: Speaker): void {
    if (this.options.config.poison === 'hold' || epoch < this.committed.epoch) return
    const isOver = this.committed.endings.has(offset) || this.isDying(offset)
    if (!isOver) this.fail('Q2', `a reject of ${offset} is answered before it is committed`)
    this.settledIn.set(offset, epoch)
  }

  private onDelayed (offset: number, fromMs: number, delayMs: number, { epoch }: Speaker): void {
    const { config, skewMs, driftShare } = this.options
    // A key that is held goes on when an operator says so.
    if (config.poison === 'hold') return
    const untilMs = fromMs + delayMs * (1 - 2 * driftShare) - 2 * skewMs - ROUNDING_MS
    this.notBefore.set(offset, { untilMs, epoch })
  }

  /** What is said rests on deltas that are committed, as far as they are of the latest epoch. */
  private checkCommitted ({ epoch, sequence }: Speaker, what: string): void {
    const { committed } = this
    if (epoch >= committed.epoch && sequence > committed.sequence) {
      this.fail('Q2', `${what} of delta ${sequence} of epoch ${epoch} is answered, and ${committed.sequence} is committed`)
    }
  }

  // The leader, and the end.

  /** I12, where everything that the leader has said is committed; true where the two could be compared. */
  checkLeader ({ state, durableFloor }: QueueGroup): boolean {
    const { committed } = this
    if (state.epoch !== committed.epoch) return false
    if (durableFloor > committed.floor) {
      this.fail('I12', `a leader takes everything below ${durableFloor} for settled, and ${committed.floor} is committed`)
    }
    if (state.sequence !== committed.sequence) return false
    const difference = differenceOf(state, committed)
    if (difference !== null) this.fail('I12', `the leader's state is not what its log adds up to: ${difference}`)
    return true
  }

  /** A letter has been stored. */
  onLetter (offset: number): void {
    const times = (this.letters.get(offset) ?? 0) + 1
    this.letters.set(offset, times)
    if (times > 1) this.fail('Q8', `record ${offset} has ${times} dead letters`)
    const isDead = this.isDying(offset) || this.committed.endings.get(offset)?.cause === END_CAUSE.dead
    if (!isDead) this.fail('Q8', `record ${offset} has a dead letter, and its death is not committed`)
  }

  /** Records that wait on the disk, for a minute or longer. */
  farDelayed (): number[] { return this.committed.delayed.offsetsIn(0, Number.MAX_SAFE_INTEGER, 10_000) }

  /** What is not settled; null where all is. */
  unrest (): string | null {
    const { committed } = this
    for (const offset of this.records.keys()) {
      if (committed.endings.has(offset)) continue
      const slot = committed.ledger.find(offset)
      return `record ${offset} is not settled: ${slot < 0 ? 'not listed' : `state ${committed.ledger.states[slot]}`}`
    }
    return null
  }

  /** When all has come to rest. */
  checkEnd (): void {
    const { config } = this.options
    for (const [offset, { cause }] of this.committed.endings) {
      const record = this.records.get(offset)
      if (record === undefined) continue
      const letters = this.letters.get(offset) ?? 0
      if (cause === END_CAUSE.dead && letters !== 1) this.fail('Q8', `record ${offset} is dead, and has ${letters} letters`)
      if (cause !== END_CAUSE.dead && letters !== 0) this.fail('Q8', `record ${offset} has ended for cause ${cause}, and has a letter`)
      const isAllowed = cause === END_CAUSE.acknowledged || cause === END_CAUSE.dead || cause === END_CAUSE.damaged ||
        (cause === END_CAUSE.expired && record.expiresMs > 0) || (cause === END_CAUSE.duplicate && record.dedupId !== '') ||
        (cause === END_CAUSE.archived && !config.hasDeadLetters)
      if (!isAllowed) this.fail('I13', `record ${offset} has ended for cause ${cause}`)
    }
  }

  private fail (invariant: string, message: string): void { this.options.fail(invariant, message) }
}
