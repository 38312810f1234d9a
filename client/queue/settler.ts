// Tells the brokers what became of leased records: everything that is said in one turn of the event loop, and
// everything that comes while requests are under way, goes together.
//
//   settle ──▶ SettleLane of its partition ──(end of turn)──▶ one request per leader ──▶ an answer per record
//     tellSoon ──(with the next request, or ──▲                      │
//       when the last is some ms old)         └── back-off, again, ◀─┘ retriable
//                                                 in the old order
//
// What nobody waits for may be held a little: each request is a sync of the broker, which stands in the way of the
// syncs that others wait for.
//
// Settling needs no session: a handle is all it takes, so that a retry may go over any connection.
//
// Invariants: everything that is said gets exactly one outcome, by its deadline (requestTimeoutMs); of one partition
// things are said in the order in which they were said here. Where a broker may never hear it, whoever keeps leases by
// a session is told: the lease is done with here, and heartbeats would keep it for nobody.

import type { SettleAnswer, SettleKind, SettleResponse, SettleResult } from '@sluice/protocol'
import { asBrokerError, BrokerError, serverError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import { deferred, retryDelayMs, type Deferred } from '../waiting.js'
import type { SettleOutcome } from './queue-records.js'
import { SettleLane, type LeaseName, type SettleRun } from './settle-lane.js'
import { SettleWaiter } from './settle-waiter.js'

/** Requests under way to one leader: one is written while the one before is synced. */
const FLIGHTS_PER_LEADER_MAX = 4
/** Runs in one request: with the longest reasons some 2 MiB. */
const RUNS_PER_REQUEST_MAX = 2_000
/** Records in one run: whatever a broker takes in a request, this is less. */
const RECORDS_PER_RUN_MAX = 1_000
/** Shortest time from one request to the next that has nothing but what may be held, in milliseconds. */
const HOLD_MS = 5
/** Records that are held, at most. */
const HELD_RECORDS_MAX = 2_000

/** A part of a request: runs of one lane. */
interface Part { readonly lane: SettleLane, readonly runs: SettleRun[] }

/** See the head of this file. */
export class Settler {
  /** Called where a broker may never hear how a lease ended; with when it was said: monotonic clock, milliseconds. */
  readonly onUnheard = new Set<(saidAtMs: number) => void>()
  private readonly cluster: Cluster
  private readonly queue: string
  private readonly group: string
  /** By topic id, then by partition: a topic may be made anew under its name. */
  private readonly lanes = new Map<string, Map<number, SettleLane>>()
  /** The lane that something was added to last. */
  private latest: SettleLane | null = null
  private readonly busy = new Set<SettleLane>()
  private readonly flightsByLeader = new Map<number, number>()
  private readonly connecting = new Set<number>()
  private dirty: SettleLane[] = []
  private scheduled = false
  /** Lanes with nothing but what may be held. */
  private held: SettleLane[] = []
  private heldRecords = 0
  private holdTimer: NodeJS.Timeout | null = null
  /** When the latest request left, on the monotonic clock, in milliseconds. */
  private sentAtMs = -Infinity
  private refreshing = false
  private timer: NodeJS.Timeout | null = null
  private timerAtMs = Infinity
  private nextOrder = 0
  private idleWaiters: Deferred<void>[] = []
  private stoppedBy: BrokerError | null = null

  constructor (cluster: Cluster, queue: string, group: string) {
    this.cluster = cluster
    this.queue = queue
    this.group = group
  }

  /**
   * Says something about a lease. A rejection that nobody waits for does no harm: it is logged.
   *
   * @throws BrokerError as a rejection: LEASE where the lease is over and the record somebody else's, INVALID for a
   *   handle that was never given out, and the failures of requests.
   */
  settle (lease: LeaseName, kind: SettleKind, delayMs = -1, reason = ''): Promise<SettleOutcome> {
    const waiter = new SettleWaiter()
    if (this.stoppedBy === null) this.markDirty(this.add(lease, kind, delayMs, reason, waiter))
    else this.refuse(waiter, lease.partition, lease.offset, kind, this.stoppedBy)
    return waiter.outcome
  }

  /** The same without a promise: a failure is logged. */
  tell (lease: LeaseName, kind: SettleKind, delayMs = -1, reason = ''): void {
    if (this.stoppedBy === null) this.markDirty(this.add(lease, kind, delayMs, reason, null))
  }

  /** The same, within some milliseconds: together with what else is to be said by then. */
  tellSoon (lease: LeaseName, kind: SettleKind): void {
    if (this.stoppedBy !== null) return
    const lane = this.laneOf(lease)
    // What waits for an answer, or for its next attempt, is not to wait for this too.
    const mayWait = lane.held || !lane.hasWaiting
    this.add(lease, kind, -1, '', null)
    if (mayWait) this.hold(lane)
    else this.markDirty(lane)
  }

  /** Resolves when everything said so far has its outcome. */
  idle (): Promise<void> {
    if (this.busy.size === 0 || this.stoppedBy !== null) return Promise.resolve()
    const waiter = deferred()
    this.idleWaiters.push(waiter)
    return waiter.promise
  }

  /** Fails everything that has no outcome yet. */
  stop (error: BrokerError): void {
    this.stoppedBy = error
    this.takeHeld()
    for (const lane of [...this.busy]) this.failRuns(lane, lane.remove(() => true), error)
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    // What is under way gets its answer, or fails with its connection; nobody waits for that.
    this.releaseIdle()
  }

  private add (
    lease: LeaseName, kind: SettleKind, delayMs: number, reason: string, waiter: SettleWaiter | null,
  ): SettleLane {
    const lane = this.laneOf(lease)
    const { last } = lane
    if (last !== null && continues(last, lease, kind, delayMs, reason)) {
      last.count++
      last.waiters.push(waiter)
    } else {
      const { offset, leaseEpoch, leaseSequence } = lease
      const deadlineMs = performance.now() + this.cluster.settings.requestTimeoutMs
      lane.push({
        kind,
        offset,
        count: 1,
        leaseEpoch,
        leaseSequence,
        delayMs,
        reason,
        waiters: [waiter],
        order: this.nextOrder++,
        deadlineMs,
        attempts: 0,
        maybeApplied: false,
      })
      if (this.busy.size === 0) this.timer?.ref()
      this.busy.add(lane)
      this.wakeAt(deadlineMs)
    }
    return lane
  }

  private laneOf ({ topicId, partition }: LeaseName): SettleLane {
    const { latest } = this
    if (latest?.partition === partition && latest.topicId === topicId) return latest
    let lanes = this.lanes.get(topicId)
    if (lanes === undefined) this.lanes.set(topicId, lanes = new Map())
    let lane = lanes.get(partition)
    if (lane === undefined) lanes.set(partition, lane = new SettleLane(topicId, partition))
    this.latest = lane
    return lane
  }

  private markDirty (lane: SettleLane): void {
    if (lane.dirty) return
    lane.dirty = true
    this.dirty.push(lane)
    this.schedule()
  }

  /** What was added to a lane goes with the next request, or by itself when the latest is old enough. */
  private hold (lane: SettleLane): void {
    if (lane.dirty) return
    this.heldRecords++
    if (!lane.held) {
      lane.held = true
      this.held.push(lane)
    }
    if (this.scheduled) return
    if (this.heldRecords >= HELD_RECORDS_MAX) return this.schedule()
    if (this.holdTimer !== null) return
    const waitMs = this.sentAtMs + HOLD_MS - performance.now()
    if (waitMs > 0) this.holdTimer = setTimeout(this.onTurnEnd, waitMs)
    else this.schedule()
  }

  private schedule (): void {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(this.onTurnEnd)
  }

  private readonly onTurnEnd = (): void => {
    this.scheduled = false
    const lanes = this.dirty
    this.dirty = []
    for (const lane of this.takeHeld()) if (!lane.dirty) lanes.push(lane)
    for (const lane of lanes) lane.dirty = false
    this.dispatch(lanes)
  }

  private takeHeld (): SettleLane[] {
    if (this.holdTimer !== null) clearTimeout(this.holdTimer)
    this.holdTimer = null
    const { held } = this
    this.held = []
    this.heldRecords = 0
    for (const lane of held) lane.held = false
    return held
  }

  private dispatch (lanes: readonly SettleLane[]): void {
    const nowMs = performance.now()
    const byLeader = new Map<number, SettleLane[]>()
    for (const lane of lanes) {
      if (!lane.isReady(nowMs)) {
        if (!lane.isIdle && lane.outstanding === 0) this.wakeAt(lane.retryAtMs)
        continue
      }
      const leader = this.cluster.metadata.peek(this.queue)?.partitions[lane.partition]?.leader ?? -1
      if (leader < 0) {
        this.putOff(lane, null)
        this.refresh()
        continue
      }
      const list = byLeader.get(leader)
      if (list === undefined) byLeader.set(leader, [lane])
      else list.push(lane)
    }
    for (const [leader, ready] of byLeader) this.sendTo(leader, ready)
  }

  private sendTo (leader: number, lanes: readonly SettleLane[]): void {
    const connection = this.cluster.currentConnection(leader)
    if (connection === null) return this.connect(leader, lanes)
    const flights = this.flightsByLeader.get(leader) ?? 0
    if (flights >= FLIGHTS_PER_LEADER_MAX) return // the next answer looks again
    const parts: Part[] = []
    let recordsLeft = connection.hello.maxRecordsPerSettle
    let runsLeft = RUNS_PER_REQUEST_MAX
    for (const lane of lanes) {
      const runs = lane.take(recordsLeft, runsLeft)
      if (runs.length === 0) continue
      runsLeft -= runs.length
      for (const run of runs) recordsLeft -= run.count
      lane.outstanding++
      parts.push({ lane, runs })
    }
    if (parts.length === 0) return
    this.flightsByLeader.set(leader, flights + 1)
    this.sentAtMs = performance.now()
    const deadlineMs = Math.min(...parts.map(({ runs }) => runs[0]!.deadlineMs))
    const timeoutMs = Math.max(1, Math.ceil(deadlineMs - this.sentAtMs))
    for (const { runs } of parts) for (const run of runs) run.attempts++
    connection.request('settle', {
      acks: 'quorum',
      timeoutMs,
      partitions: parts.map(({ lane, runs }) => ({
        topicId: lane.topicId, partition: lane.partition, group: this.group, items: runs,
      })),
    }, { timeoutMs, unordered: true }).then(
      reply => this.land(leader, parts, () => this.onResponse(parts, reply.message)),
      error => this.land(leader, parts, () => this.onFailure(parts, asBrokerError(error))),
    )
    // What did not fit goes at once where another request may go.
    for (const lane of lanes) if (!lane.isIdle && lane.isReady(performance.now())) this.markDirty(lane)
  }

  private land (leader: number, parts: readonly Part[], handle: () => void): void {
    this.flightsByLeader.set(leader, this.flightsByLeader.get(leader)! - 1)
    for (const { lane } of parts) lane.outstanding--
    handle()
    for (const lane of this.busy) if (!lane.held) this.markDirty(lane)
    this.checkIdle(parts.map(({ lane }) => lane))
  }

  private onResponse (parts: readonly Part[], response: SettleResponse): void {
    if (response.results.length !== parts.length) {
      return this.onFailure(parts, new BrokerError('PROTOCOL', 'the answer to a settle does not fit its question',
        { maybeApplied: true }))
    }
    for (let index = 0; index < parts.length; index++) {
      const { lane, runs } = parts[index]!
      const result = response.results[index]!
      if (result.error === 0) this.onAnswers(lane, runs, result)
      else this.onRunsFailed(lane, runs, serverError(result.error, result.message, this.placeOf(lane)))
    }
  }

  private onAnswers (lane: SettleLane, runs: readonly SettleRun[], result: SettleResult): void {
    const { answers } = result
    const total = answers.reduce((sum, { count }) => sum + count, 0)
    if (total !== runs.reduce((sum, { count }) => sum + count, 0)) {
      const error = new BrokerError('PROTOCOL', 'the broker left records out of its answer to a settle', { maybeApplied: true })
      return this.failRuns(lane, runs, error)
    }
    lane.failures = 0
    let at = 0
    let left = answers[0]?.count ?? 0
    for (const run of runs) {
      for (let index = 0; index < run.count; index++) {
        while (left === 0) left = answers[++at]!.count
        left--
        this.onAnswer(lane, run, index, answers[at]!.answer)
      }
    }
    if (lane.hasReturned) this.putOff(lane, null)
  }

  private onAnswer (lane: SettleLane, run: SettleRun, index: number, answer: SettleAnswer): void {
    const waiter = run.waiters[index]!
    const offset = run.offset + index
    switch (answer) {
      case 'ok': waiter?.resolve('ok'); return
      case 'lateOk': waiter?.resolve('late'); return
      case 'alreadySettled': waiter?.resolve('already-settled'); return
      case 'busy': {
        const leaseSequence = run.leaseSequence + index
        lane.giveBack({ ...run, offset, leaseSequence, count: 1, waiters: [waiter] })
        return
      }
    }
    this.refuse(waiter, lane.partition, offset, run.kind, this.refusal(answer, lane.partition, offset))
  }

  private refuse (
    waiter: SettleWaiter | null, partition: number, offset: number, kind: SettleKind, error: BrokerError,
  ): void {
    waiter?.reject(error)
    this.logFailure(partition, offset, kind, error)
  }

  private refusal (answer: 'staleLease' | 'unknown' | 'outOfOrder', partition: number, offset: number): BrokerError {
    const { queue } = this
    const details = { topic: queue, partition, offset }
    const record = `record ${partition}:${offset} of queue ${queue}`
    if (answer === 'staleLease') {
      return new BrokerError('LEASE', `the lease of ${record} is over, and the record is or will be somebody else's: ` +
        'nothing was changed', details)
    }
    const why = answer === 'unknown'
      ? `this lease of ${record} was never given out: check the handle`
      : `an earlier record of the key of ${record} is not settled yet: settle that first; the lease is kept`
    return new BrokerError('INVALID', why, details)
  }

  private onFailure (parts: readonly Part[], error: BrokerError): void {
    for (const { lane, runs } of parts) this.onRunsFailed(lane, runs, error)
  }

  private onRunsFailed (lane: SettleLane, runs: readonly SettleRun[], error: BrokerError): void {
    for (const run of runs) run.maybeApplied ||= error.maybeApplied
    const attemptsMax = this.cluster.settings.maxAttempts
    const isFinal = !error.retriable || runs.some(({ attempts }) => attempts >= attemptsMax)
    if (isFinal) return this.failRuns(lane, runs, error)
    if (this.stoppedBy !== null) return this.failRuns(lane, runs, error)
    for (const run of runs) lane.giveBack(run)
    this.putOff(lane, error)
    if (error.code === 'NOT_LEADER' || error.code === 'FENCED' || error.code === 'CONNECTION') this.refresh()
  }

  /** Nothing of the lane is sent for a while. */
  private putOff (lane: SettleLane, error: BrokerError | null): void {
    lane.failures++
    lane.retryAtMs = performance.now() + retryDelayMs(this.cluster.settings, error, lane.failures)
    lane.lastError = error ?? lane.lastError
    this.wakeAt(lane.retryAtMs)
  }

  private failRuns (lane: SettleLane, runs: readonly SettleRun[], cause: BrokerError): void {
    for (const run of runs) {
      const error = new BrokerError(cause.code, `${run.kind} of record ${lane.partition}:${run.offset}${run.count > 1
        ? ` and ${run.count - 1} more`
        : ''} of queue ${this.queue}: ${cause.reason}`, {
        retriable: cause.retriable,
        maybeApplied: cause.maybeApplied || run.maybeApplied,
        topic: this.queue,
        partition: lane.partition,
        offset: run.offset,
        serverCode: cause.serverCode,
        attempts: run.attempts,
        cause,
      })
      let isUnwatchedTold = false
      run.waiters.forEach((waiter, index) => {
        // Of those that nobody waits for it is told once for all.
        if (waiter === null && isUnwatchedTold) return
        isUnwatchedTold ||= waiter === null
        this.refuse(waiter, lane.partition, waiter === null ? run.offset : run.offset + index, run.kind, error)
      })
      if (this.stoppedBy !== null || run.kind === 'extend') continue
      const saidAtMs = run.deadlineMs - this.cluster.settings.requestTimeoutMs
      for (const tell of this.onUnheard) tell(saidAtMs)
    }
    this.checkIdle([lane])
  }

  private connect (leader: number, lanes: readonly SettleLane[]): void {
    if (this.connecting.has(leader)) return
    this.connecting.add(leader)
    const done = (error: BrokerError | null): void => {
      this.connecting.delete(leader)
      const isThere = this.cluster.currentConnection(leader) !== null
      for (const lane of isThere ? this.busy : lanes) {
        if (!isThere) this.putOff(lane, error)
        if (error !== null && !error.retriable) this.failRuns(lane, lane.remove(() => true), error)
        this.markDirty(lane)
      }
      if (!isThere) this.refresh()
    }
    this.cluster.connectionTo(leader).then(() => done(null), cause => done(asBrokerError(cause)))
  }

  private refresh (): void {
    if (this.refreshing) return
    this.refreshing = true
    this.cluster.metadata.refresh(this.queue).then(() => {
      this.refreshing = false
      for (const lane of this.busy) this.markDirty(lane)
    }, (cause: unknown) => {
      this.refreshing = false
      const error = asBrokerError(cause)
      if (error.retriable) return
      for (const lane of [...this.busy]) this.failRuns(lane, lane.remove(() => true), error)
    })
  }

  private checkIdle (lanes: readonly SettleLane[]): void {
    for (const lane of lanes) if (lane.isIdle) this.busy.delete(lane)
    if (this.busy.size > 0) return
    this.timer?.unref()
    this.releaseIdle()
  }

  private releaseIdle (): void {
    const waiters = this.idleWaiters
    this.idleWaiters = []
    for (const waiter of waiters) waiter.resolve()
  }

  private wakeAt (atMs: number): void {
    if (atMs >= this.timerAtMs || atMs === Infinity || this.stoppedBy !== null) return
    if (this.timer !== null) clearTimeout(this.timer)
    this.timerAtMs = atMs
    this.timer = setTimeout(this.onTimer, Math.max(1, atMs - performance.now()))
  }

  private readonly onTimer = (): void => {
    this.timer = null
    this.timerAtMs = Infinity
    const nowMs = performance.now()
    for (const lane of [...this.busy]) {
      const over = lane.remove(run => run.deadlineMs <= nowMs)
      if (over.length > 0) {
        const why = lane.lastError === null ? '' : `; last: ${lane.lastError.message}`
        this.failRuns(lane, over, new BrokerError('TIMEOUT',
          `not done within requestTimeoutMs (${this.cluster.settings.requestTimeoutMs} ms)${why}`,
          { retriable: true, cause: lane.lastError ?? undefined }))
      }
      if (lane.isIdle) continue
      this.wakeAt(lane.firstDeadlineMs)
      this.markDirty(lane)
    }
  }

  private placeOf (lane: SettleLane): { topic: string, partition: number } {
    return { topic: this.queue, partition: lane.partition }
  }

  private logFailure (partition: number, offset: number, kind: SettleKind, error: BrokerError): void {
    const { queue } = this
    this.cluster.settings.logger.warn({ queue, partition, offset, kind, error: error.message }, 'a record was not settled')
  }
}

function continues (run: SettleRun, lease: LeaseName, kind: SettleKind, delayMs: number, reason: string): boolean {
  return run.kind === kind && run.count < RECORDS_PER_RUN_MAX && run.leaseEpoch === lease.leaseEpoch &&
    run.offset + run.count === lease.offset && run.leaseSequence + run.count === lease.leaseSequence &&
    run.delayMs === delayMs && run.reason === reason
}
