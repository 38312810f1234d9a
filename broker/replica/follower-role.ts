// A follower: asks its leader for what comes behind its own end, appends it as it is, and says how far it is durable.
//
//    begin-epoch ─▶ mend what is damaged ─▶ fetch ─▶ fetched ─▶ append, or cut ─▶ fetch …
//                                                                  └▶ synced ─▶ durable-ack
//
// - One fetch is under way at once, for all logs. An answer counts where it is about the end that the log still has.
// - What is durable counts from the first answer on that confirms the log: until then it may be another history's.
// - A follower that lost something cuts it off only here, where the leader is sure to have all that was committed, and
//   is not trusted again before it is durable up to the end that the leader had when it first answered.

import type { Replica } from './replica.js'
import type { FetchedPart, FetchPosition, ReplicaMessage } from './replica-message.js'
import { firstHeader, type ReplicatedLog } from './replicated-log.js'

/** How a follower stands with one log. */
interface Standing {
  /** The leader has confirmed the log up to its end. */
  confirmed: boolean
  /** Durable up to here the log is whole again; -1 while the leader has not answered. */
  goalOffset: number
  /** What was last acknowledged. */
  acknowledgedOffset: number
}

export class FollowerRole {
  readonly name = 'follow'
  readonly epoch: number
  leader: number
  ended = false
  private readonly replica: Replica
  private readonly standings: Standing[]
  private started = false
  private fetching = false
  private fetchSentMs = 0
  /** What is damaged is being cut off. */
  private mending = false
  /** The disk takes nothing for now: to be tried again when it has moved, or at the next tick. */
  private held = false
  private probe = 0
  private sequence = 0

  constructor (replica: Replica, epoch: number, leader: number) {
    this.replica = replica
    this.epoch = epoch
    this.leader = leader
    this.standings = replica.logs.map(() => ({ confirmed: false, goalOffset: -1, acknowledgedOffset: 0 }))
  }

  /** The leader is at work; it says so again and again. */
  onBeginEpoch (leader: number): void {
    this.leader = leader
    if (this.started) return
    this.started = true
    if (this.isDamaged()) this.mendFirst()
    else this.whenIdle(() => this.begin())
  }

  onEnd (): void {}

  onMessage (_from: number, message: ReplicaMessage): void {
    if (message.kind !== 'fetched' || !this.started || this.mending) return
    if (message.probe > this.probe) this.probe = message.probe
    for (const [index, part] of message.parts.entries()) {
      const log = this.replica.logs[index]
      if (log !== undefined && !log.busy && this.replica.rules.isAbout(part, log.tail)) {
        this.apply(log, part)
      }
    }
    this.acknowledge()
    if (message.sequence !== this.sequence) return
    this.fetching = false
    this.fetch()
  }

  onLogAdvance (): void {
    this.acknowledge()
    if (this.held) {
      this.held = false
      this.fetch()
    }
  }

  tick (nowMs: number): void {
    if (!this.started || this.mending) return
    this.held = false
    if (this.isDamaged()) return this.mendFirst()
    if (!this.fetching || nowMs - this.fetchSentMs > this.replica.timing.fetchTimeoutMs) {
      this.fetching = false
      this.fetch()
    }
    this.acknowledge()
  }

  /** Runs `then` unless this role has ended. */
  private proceed (then: () => void): void {
    if (!this.replica.rules.isStale(this)) then()
  }

  /** Waits for cuts that an earlier role began. */
  private whenIdle (then: () => void): void {
    this.replica.settle(() => this.proceed(then))
  }

  private isDamaged (): boolean {
    return this.replica.logs.some(log => log.damagedFrom >= 0)
  }

  /** Cuts every damaged log at its damage: what is behind comes again from the leader. */
  private mendFirst (): void {
    this.mending = true
    this.replica.distrust(() => this.proceed(() => this.mend()))
  }

  private mend (): void {
    this.whenIdle(() => {
      const damaged = this.replica.logs.find(log => log.damagedFrom >= 0)
      if (damaged !== undefined) return this.cut(damaged, damaged.damagedFrom, () => this.mend())
      this.mending = false
      this.begin()
    })
  }

  private begin (): void {
    for (const log of this.replica.logs) {
      const offset = this.replica.rules.cutBeforeFirstFetch(log)
      if (offset < log.nextOffset && !log.busy) this.cut(log, offset, () => this.fetch())
    }
    this.fetch()
  }

  private fetch (): void {
    const { logs, host } = this.replica
    const isReady = this.started && !this.held && !this.fetching && !this.mending
    if (!isReady || logs.some(log => log.busy || log.damagedFrom >= 0)) return
    this.fetching = true
    this.fetchSentMs = host.monotonicMs()
    const sequence = ++this.sequence
    const positions = logs.map((log): FetchPosition => ({
      offset: log.nextOffset, lastEpoch: log.lastEpoch, empty: log.empty, durableOffset: this.counted(log),
    }))
    const { storeId } = host.self
    const { epoch } = this
    this.replica.send(this.leader, { kind: 'fetch', epoch, storeId, sequence, positions, probe: this.probe })
  }

  private counted (log: ReplicatedLog): number {
    const { rules } = this.replica
    return rules.countedOffset(rules.acknowledgedByFollower(log), this.standings[log.index]!.confirmed)
  }

  private apply (log: ReplicatedLog, part: FetchedPart): void {
    switch (part.kind) {
      case 'records': return this.append(log, part)
      case 'diverge': return this.onDiverge(log, part.epoch, part.endOffset)
      case 'restart':
        log.restart(part.startOffset, part.prevCrc, error => this.onMoved(error, () => {}))
    }
  }

  private append (log: ReplicatedLog, part: FetchedPart & { kind: 'records' }): void {
    const standing = this.standings[log.index]!
    standing.confirmed = true
    if (standing.goalOffset < 0) standing.goalOffset = part.endOffset
    const verdict = log.appendFromLeader(part.buffers)
    if (verdict !== 'appended') this.held = true
    if (verdict === 'unsound') this.onUnsound(log, part.buffers)
    this.replica.setHighWatermark(log, Math.min(part.highWatermark, log.nextOffset))
    const { host } = this.replica
    const ownOffset = Math.min(part.startOffset, log.highWatermark, log.log.durableOffset)
    // Asked only where it matters: the host may have to do something about it.
    const startOffset = ownOffset > log.startOffset ? host.removableOffset(log.index, ownOffset) : ownOffset
    if (startOffset > log.startOffset && !log.busy) {
      log.log.setStartOffset(startOffset).catch(error => host.report('storage-failed', error.message))
    }
  }

  private onUnsound (log: ReplicatedLog, buffers: readonly Buffer[]): void {
    const first = firstHeader(buffers)
    // A log without a batch may stand behind another one than it believes.
    if (log.empty && first !== null && first.prevCrc !== log.log.lastCrc) {
      log.restart(first.baseOffset, first.prevCrc, error => this.onMoved(error, () => {}))
    } else {
      this.replica.host.report('damaged', `what the leader sent for offset ${log.nextOffset} does not continue the log`)
    }
  }

  private onDiverge (log: ReplicatedLog, epoch: number, leaderEnd: number): void {
    const ownEnd = log.log.epochEndOffset(epoch).endOffset
    this.cut(log, Math.min(ownEnd, leaderEnd), () => {})
  }

  private cut (log: ReplicatedLog, offset: number, then: () => void): void {
    this.standings[log.index]!.confirmed = false
    const done = (error: Error | null): void => this.onMoved(error, then)
    if (offset < log.startOffset) log.restart(offset, 0, done)
    else log.cut(offset, done)
  }

  private onMoved (error: Error | null, then: () => void): void {
    if (error !== null) this.replica.host.report('storage-failed', error.message)
    this.proceed(() => {
      this.held = error !== null
      if (error !== null) this.mending = false
      if (error === null) then()
      this.fetch()
    })
  }

  /** Tells the leader where more has become durable. */
  private acknowledge (): void {
    const { logs, host } = this.replica
    let hasMoved = false
    for (const log of logs) {
      const standing = this.standings[log.index]!
      const counted = log.busy ? 0 : this.counted(log)
      if (counted > standing.acknowledgedOffset) hasMoved = true
      standing.acknowledgedOffset = counted
    }
    if (hasMoved) {
      const durableOffsets = this.standings.map(({ acknowledgedOffset }) => acknowledgedOffset)
      const { storeId } = host.self
      this.replica.send(this.leader, { kind: 'durable-ack', epoch: this.epoch, storeId, durableOffsets })
    }
    if (!this.replica.trusted && this.isWhole()) this.replica.regainTrust()
  }

  private isWhole (): boolean {
    return this.replica.logs.every(log => {
      const { goalOffset, confirmed } = this.standings[log.index]!
      return confirmed && goalOffset >= 0 && log.damagedFrom < 0 && log.acknowledgedOffset >= goalOffset
    })
  }
}
