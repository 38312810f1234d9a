// The leader of an epoch: appends, sends the others what they lack, and commits what is durable on a majority.
//
//    epoch start appended ─▶ begin-epoch to all ─▶ … on a majority ─▶ open for records ─▶ active in the control store
//
// - A follower's fetch says where its log ends. Where that is on the leader's own way it is sent what follows, else
//   where the two part. A fetch that has nothing to be answered with is held until there is something, or a heartbeat.
// - The high watermark is what a majority has durable, counting the leader like any other, and only from its own epoch
//   on: so the epoch start comes first. A log that was empty in all that was read needs none.
// - Opening does not wait for the control store: until the epoch is noted as active, its set is read along with the
//   earlier ones by whoever comes next.
// - Without a majority the leader keeps its epoch and takes no records until it hears one again.

import { readBatchHeader } from '@sluice/protocol'
import { epochStartBatch } from './control-batch.js'
import { FollowerProgress, type Fetch } from './follower-progress.js'
import { majorityOf, majorityOffset, type Member, memberName } from './member.js'
import type { PartitionRecord } from './partition-record.js'
import type { Replica } from './replica.js'
import type { FetchedPart, FetchPosition, ReplicaMessage } from './replica-message.js'
import type { ReplicatedLog } from './replicated-log.js'

/** What became of a batch; `endOffset` is what the high watermark has to reach. */
export type AppendResult =
  | { readonly ok: true, readonly baseOffset: number, readonly endOffset: number }
  | { readonly ok: false, readonly reason: 'not-leader' | 'not-open' | 'no-quorum' | 'no-room' }

/** Who waits to hear that nobody newer leads. */
interface Confirmation { readonly probe: number, readonly done: (isLeader: boolean) => void }

const ACTIVATION_RETRY_MS = 1_000

export class LeaderRole {
  readonly name = 'lead'
  readonly epoch: number
  ended = false
  open = false
  record: PartitionRecord
  private readonly replica: Replica
  private readonly hasLosses: boolean
  /** Where the log goes on after a forced recovery, once that is written down; null where this epoch follows none. */
  private cutOffset: number | null = null
  /** Of each log: where this epoch begins; -1 while its first batch is not appended. */
  private readonly epochStarts: number[]
  /** Of each log: the high watermark from which on it holds all that was committed before. */
  private readonly openOffsets: number[]
  private readonly followers = new Map<string, FollowerProgress>()
  private beganMs = 0
  private heartbeatMs = -Infinity
  private activationMs = -Infinity
  private probe = 0
  private confirmations: Confirmation[] = []
  private wakeScheduled = false
  private hadQuorum = true

  constructor (replica: Replica, record: PartitionRecord, hasLosses: boolean) {
    this.replica = replica
    this.record = record
    this.epoch = record.epoch
    this.hasLosses = hasLosses
    this.epochStarts = replica.logs.map(() => -1)
    this.openOffsets = replica.logs.map(() => 0)
    this.setMembers()
  }

  begin (): void {
    this.beganMs = this.replica.host.monotonicMs()
    this.beginEpoch()
    this.sendBeginEpoch()
    this.advance()
  }

  onEnd (): void {
    const confirmations = this.confirmations
    this.confirmations = []
    for (const { done } of confirmations) done(false)
  }

  /** The same epoch: activated, or other learners. */
  onRecord (record: PartitionRecord): void {
    this.record = record
    this.setMembers()
  }

  /** Appends a batch that was checked with checkNewBatch. `log` 0: the data log, 1: the state log. */
  append (index: number, batch: Buffer): AppendResult {
    if (!this.open) return { ok: false, reason: 'not-open' }
    if (!this.hasQuorum()) return { ok: false, reason: 'no-quorum' }
    const replicated = this.replica.logs[index]!
    if (replicated.busy || !replicated.log.hasRoom(batch.length)) return { ok: false, reason: 'no-room' }
    const baseOffset = replicated.log.append(batch, this.epoch, replicated.log.durableOffset)
    this.scheduleWake()
    return { ok: true, baseOffset, endOffset: replicated.nextOffset }
  }

  /** See Replica.confirmLeadership. */
  confirm (done: (isLeader: boolean) => void): void {
    this.confirmations.push({ probe: ++this.probe, done })
    this.answerAll()
    this.settleConfirmations()
  }

  /** True while a majority was heard of lately, itself included. */
  hasQuorum (): boolean {
    const sinceMs = this.replica.host.monotonicMs() - this.replica.timing.quorumTimeoutMs
    if (this.beganMs >= sinceMs) return true
    let count = this.isVoter(this.replica.host.self) ? 1 : 0
    for (const follower of this.followers.values()) if (follower.isVoter && follower.lastSeenMs >= sinceMs) count++
    return count >= majorityOf(this.record.replicas.length)
  }

  /** How far each of the other members is, for who decides about learners and drains. */
  progress (): readonly Readonly<FollowerProgress>[] {
    return [...this.followers.values()]
  }

  onLogAdvance (): void {
    this.advance()
    this.answerAll()
  }

  onMessage (from: number, message: ReplicaMessage): void {
    if (message.kind === 'fetch') this.onFetch(from, message)
    else if (message.kind === 'durable-ack') this.onDurableAck(from, message)
  }

  tick (nowMs: number): void {
    this.beginEpoch()
    const { heartbeatMs, holdMs } = this.replica.timing
    // Whoever fetches knows that this broker leads.
    if (nowMs - this.heartbeatMs >= heartbeatMs) this.sendBeginEpoch(nowMs - heartbeatMs - holdMs)
    for (const follower of this.followers.values()) {
      if (follower.fetch === null) continue
      const heldMs = nowMs - follower.fetchedMs
      if (heldMs >= holdMs || (heldMs >= heartbeatMs && this.lacksCommits(follower))) this.answer(follower, true)
    }
    if (this.open && !this.record.active && nowMs - this.activationMs >= ACTIVATION_RETRY_MS) this.activate(nowMs)
    const hasQuorum = this.hasQuorum()
    if (hasQuorum !== this.hadQuorum) {
      this.hadQuorum = hasQuorum
      this.replica.host.onQuorum(hasQuorum)
    }
  }

  // The epoch.

  private setMembers (): void {
    const { logs, host, rules } = this.replica
    const names = new Set<string>()
    for (const member of [...this.record.replicas, ...this.record.learners]) {
      if (rules.isMember(member, host.self)) continue
      const name = memberName(member)
      names.add(name)
      const known = this.followers.get(name)
      if (known !== undefined) known.isVoter = this.isVoter(member)
      else this.followers.set(name, new FollowerProgress(member, this.isVoter(member), logs.length))
    }
    for (const name of this.followers.keys()) if (!names.has(name)) this.followers.delete(name)
  }

  private isVoter (member: Member): boolean {
    return this.record.replicas.some(replica => this.replica.rules.isMember(replica, member))
  }

  /** Appends the first batch of the epoch to each log, where the disk takes it; else it is tried again. */
  private beginEpoch (): void {
    const { host, logs } = this.replica
    for (const [index, replicated] of logs.entries()) {
      if (this.epochStarts[index] !== -1) continue
      const loses = index === 0 && this.hasLosses
      if (replicated.empty && replicated.nextOffset === 0 && !loses) {
        this.epochStarts[index] = 0
        continue
      }
      const timestampMs = Math.max(0, Math.floor(host.wallMs()))
      const cutOffset = replicated.nextOffset
      const loss = loses ? { lossEpoch: this.record.lossEpoch, cutOffset } : null
      const batch = epochStartBatch({ epoch: this.epoch, leader: host.self.brokerId, timestampMs }, loss)
      if (replicated.busy || !replicated.log.hasRoom(batch.length)) continue
      if (loses) this.cutOffset = cutOffset
      this.epochStarts[index] = replicated.log.append(batch, this.epoch, replicated.log.durableOffset)
      this.openOffsets[index] = replicated.nextOffset
      this.scheduleWake()
    }
  }

  /** To who was not heard of since `sinceMs`. */
  private sendBeginEpoch (sinceMs = Infinity): void {
    this.heartbeatMs = this.replica.host.monotonicMs()
    for (const { member: { brokerId, storeId }, lastSeenMs } of this.followers.values()) {
      if (lastSeenMs >= sinceMs) continue
      this.replica.send(brokerId, { kind: 'begin-epoch', epoch: this.epoch, storeId })
    }
  }

  private activate (nowMs: number): void {
    this.activationMs = nowMs
    this.replica.host.activate(this.record, this.cutOffset)
  }

  // Committing.

  private advance (): void {
    const { logs, host, rules } = this.replica
    for (const replicated of logs) {
      const epochStart = this.epochStarts[replicated.index]!
      if (epochStart < 0) continue
      const offsets: number[] = []
      if (this.isVoter(host.self)) offsets.push(rules.acknowledgedByLeader(replicated))
      for (const follower of this.followers.values()) {
        if (follower.isVoter) offsets.push(follower.matchOffsets[replicated.index]!)
      }
      const offset = Math.min(majorityOffset(offsets), replicated.nextOffset)
      if (rules.mayCommit(offset, epochStart)) this.replica.setHighWatermark(replicated, offset)
      if (this.ended) return
    }
    if (!this.open) this.openWhenCommitted()
  }

  private openWhenCommitted (): void {
    const { logs, host } = this.replica
    const isCommitted = (log: ReplicatedLog): boolean =>
      this.epochStarts[log.index]! >= 0 && log.highWatermark >= this.openOffsets[log.index]!
    if (!logs.every(isCommitted)) return
    this.open = true
    this.replica.regainTrust()
    host.onOpen(this.epoch)
    if (!this.ended && !this.record.active) this.activate(host.monotonicMs())
  }

  // Followers.

  private find (brokerId: number, storeId: string): FollowerProgress | null {
    for (const follower of this.followers.values()) {
      if (this.replica.rules.isMember(follower.member, { brokerId, storeId })) return follower
    }
    return null
  }

  private onDurableAck (from: number, { storeId, durableOffsets }: ReplicaMessage & { kind: 'durable-ack' }): void {
    const follower = this.find(from, storeId)
    if (follower === null) return
    follower.lastSeenMs = this.replica.host.monotonicMs()
    for (const log of this.replica.logs) {
      follower.raise(log.index, Math.min(durableOffsets[log.index] ?? 0, log.nextOffset))
    }
    this.advance()
  }

  private onFetch (from: number, message: Fetch): void {
    const follower = this.find(from, message.storeId)
    if (follower === null || message.positions.length !== this.replica.logs.length) return
    follower.lastSeenMs = follower.fetchedMs = this.replica.host.monotonicMs()
    if (message.probe > follower.probe) follower.probe = message.probe
    follower.fetch = message
    for (const log of this.replica.logs) {
      const position = message.positions[log.index]!
      if (partingOf(log, position) === null) {
        follower.raise(log.index, Math.min(position.durableOffset, position.offset))
      }
    }
    this.settleConfirmations()
    this.advance()
    if (!this.ended) this.answer(follower, false)
  }

  /** Answers held fetches at the end of the turn, all appends of it at once. */
  private scheduleWake (): void {
    if (this.wakeScheduled) return
    this.wakeScheduled = true
    this.replica.host.endOfTurn(() => {
      this.wakeScheduled = false
      if (!this.ended) this.answerAll()
    })
  }

  private answerAll (): void {
    for (const follower of this.followers.values()) if (follower.fetch !== null) this.answer(follower, false)
  }

  /** More is committed than the follower knows. */
  private lacksCommits ({ toldOffsets }: FollowerProgress): boolean {
    return this.replica.logs.some(log => log.highWatermark > toldOffsets[log.index]!)
  }

  /** Answers a fetch where there is something to say, or where `isDue`. */
  private answer (follower: FollowerProgress, isDue: boolean): void {
    const { fetch } = follower
    if (fetch === null || follower.reading) return
    const { logs } = this.replica
    const hasNews = isDue || fetch.probe < this.probe || logs.some(log => {
      const position = fetch.positions[log.index]!
      return position.offset < log.nextOffset || partingOf(log, position) !== null
    })
    if (!hasNews) return
    follower.reading = true
    const parts: FetchedPart[] = []
    let left = logs.length
    for (const log of logs) {
      this.readPart(log, fetch.positions[log.index]!, (part) => {
        if (part !== null) parts[log.index] = part
        if (--left === 0) this.sendParts(follower, fetch, parts)
      })
    }
  }

  private sendParts (follower: FollowerProgress, fetch: Fetch, parts: FetchedPart[]): void {
    follower.reading = false
    if (this.ended || follower.fetch !== fetch) return
    follower.fetch = null
    for (const log of this.replica.logs) if (parts[log.index] === undefined) return // it asks again
    for (const [index, part] of parts.entries()) {
      if (part.kind === 'records') follower.toldOffsets[index] = part.highWatermark
    }
    const { sequence } = fetch
    this.replica.send(follower.member.brokerId, { kind: 'fetched', epoch: this.epoch, sequence, parts, probe: this.probe })
  }

  private readPart (log: ReplicatedLog, position: FetchPosition, done: (part: FetchedPart | null) => void): void {
    const parting = partingOf(log, position)
    if (parting?.kind === 'diverge') return done(parting)
    const isRestart = parting !== null
    const from = isRestart ? log.startOffset : position.offset
    if (isRestart && log.startOffset === log.nextOffset) return done({ ...parting, prevCrc: log.log.lastCrc })
    log.read(from, isRestart ? 1 : this.replica.timing.fetchBytes, (slice, isDamaged) => {
      if (isDamaged) this.onDamage()
      if (slice === null) return done(null)
      if (isRestart) {
        const { baseOffset, prevCrc } = readBatchHeader(slice.buffers[0]!)
        slice.release?.()
        return done({ ...parting, startOffset: baseOffset, prevCrc })
      }
      done({
        kind: 'records',
        offset: position.offset,
        lastEpoch: position.lastEpoch,
        buffers: slice.buffers,
        highWatermark: log.highWatermark,
        startOffset: log.startOffset,
        endOffset: log.nextOffset,
        release: slice.release,
      })
    })
  }

  /** A leader that cannot read what it has is of no use: another one has it. */
  private onDamage (): void {
    if (this.ended) return
    this.replica.host.report('damaged', 'a range of the leader\'s log cannot be read; the leadership is given up')
    this.replica.stepDown()
  }

  private settleConfirmations (): void {
    if (this.confirmations.length === 0) return
    const probes: number[] = this.isVoter(this.replica.host.self) ? [Number.MAX_SAFE_INTEGER] : []
    for (const follower of this.followers.values()) if (follower.isVoter) probes.push(follower.probe)
    const confirmed = majorityOffset(probes)
    while (this.confirmations.length > 0 && this.confirmations[0]!.probe <= confirmed) {
      this.confirmations.shift()!.done(true)
    }
  }
}

/** Where a follower's log leaves the leader's; null where it is a part of it. */
function partingOf (
  log: ReplicatedLog, { offset, lastEpoch, empty }: FetchPosition
): Exclude<FetchedPart, { kind: 'records' }> | null {
  const restart = { kind: 'restart', offset, lastEpoch, startOffset: log.startOffset, prevCrc: 0 } as const
  if (empty) return offset === log.startOffset ? null : restart
  const end = log.log.epochEndOffset(lastEpoch)
  if (end.epoch === lastEpoch && offset <= end.endOffset) return offset < log.startOffset ? restart : null
  const isBelowStart = log.startOffset > 0 && end.endOffset <= log.startOffset
  return isBelowStart ? restart : { kind: 'diverge', offset, lastEpoch, epoch: end.epoch, endOffset: end.endOffset }
}
