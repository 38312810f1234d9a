// One broker's part in one partition: the data log and the state log, what was promised, and the role it plays now.
//
//            record names me leader                     all logs copied, epoch start appended
//     idle ───────────────────────────▶ recover ───────────────────────────────────▶ lead
//      ▲ ▲                                 │                                            │
//      │ └──── a higher epoch, or none ────┴────────────────────────────────────────────┘
//      └──────────── follow ◀── record names me a member, or a leader says begin-epoch
//
// A role is an object made for one epoch; what it began ends with it (`ended`). All logs of the partition share the
// epoch, the promise and the role.
//
// - `promised` only rises. Nothing of a lower epoch is acknowledged, promised or appended; and nothing of an epoch is
//   done before the promise for it is durable, so that a crash cannot take it back.
// - A process leads an epoch once: who gave a leadership up waits for a record with a higher epoch.
// - Synchronous: events come in, effects go out through the host, and disks answer by callback.

import type { PartitionLog } from '@sluice/storage'
import { FollowerRole } from './follower-role.js'
import { type AppendResult, LeaderRole } from './leader-role.js'
import type { Member } from './member.js'
import { isOvertaken, type PartitionRecord } from './partition-record.js'
import { RecoveryRole } from './recovery-role.js'
import type { LogClaim, LogEnd, ReplicaMessage } from './replica-message.js'
import {
  REPLICA_TIMING_DEFAULT, type ReplicaHost, type ReplicaRole, type ReplicaTiming, type StoredPromise,
} from './replica-host.js'
import { raiseHighWatermark, ReplicatedLog } from './replicated-log.js'
import { SAFETY_RULES, type SafetyRules } from './safety-rules.js'

export interface ReplicaOptions {
  readonly host: ReplicaHost
  /** The data log, and the state log where there is one: the same number at all members. */
  readonly logs: readonly PartitionLog[]
  /** What PromiseStore holds; null for a replica that is new here. */
  readonly stored: StoredPromise | null
  /** The start of the operating system: what is not synced does not outlive it. */
  readonly bootId: string
  readonly timing?: ReplicaTiming
  readonly rules?: SafetyRules
}

/** Why a replica does not work, or cannot be counted on. */
export interface ReplicaTrouble {
  /** As PartitionTrouble of describeCluster has it. */
  readonly state: 'blocked' | 'recovering' | 'repairing'
  /** Ids of brokers whose answer is missing. */
  readonly waitsFor: readonly number[]
  /** Ids of brokers that may have lost something. */
  readonly untrusted: readonly number[]
}

type Role = FollowerRole | RecoveryRole | LeaderRole

export class Replica {
  readonly host: ReplicaHost
  readonly logs: readonly ReplicatedLog[]
  readonly timing: ReplicaTiming
  readonly rules: SafetyRules
  /** Nothing below this epoch is answered. */
  promised: number
  /** False where the logs may have lost something that was acknowledged. */
  trusted: boolean
  /** What had been acknowledged when trust was lost. */
  owed: readonly LogEnd[]
  record: PartitionRecord | null = null
  private role: Role | null = null
  private durablePromise: number
  /** The newest epoch that this process has begun to lead. */
  private ledEpoch = 0
  private waiting: Array<{ epoch: number, then: () => void }> = []
  private suspectFrom: readonly number[]
  private readonly bootId: string

  constructor (options: ReplicaOptions) {
    const { host, logs, stored, bootId, timing = REPLICA_TIMING_DEFAULT, rules = SAFETY_RULES } = options
    this.host = host
    this.timing = timing
    this.rules = rules
    this.bootId = bootId
    this.logs = logs.map((log, index) => new ReplicatedLog(index, log))
    this.promised = stored?.promised ?? 0
    for (const log of this.logs) this.promised = Math.max(this.promised, log.lastEpoch)
    this.durablePromise = stored?.promised ?? 0
    const hasLogs = this.logs.some(log => !log.empty)
    const lostCache = stored !== null && stored.bootId !== '' && stored.bootId !== bootId &&
      logs.some(log => log.config.flush !== 'sync')
    this.trusted = stored === null ? !hasLogs : stored.trusted && !lostCache
    this.owed = stored?.owed ?? []
    this.suspectFrom = stored?.suspectFrom ?? []
    for (const log of this.logs) {
      const from = stored?.suspectFrom[log.index] ?? -1
      // What was appended since is not concerned: only what was there already.
      if (from < log.nextOffset) log.suspectFrom = from
    }
    for (const log of this.logs) this.attach(log)
    // Nothing is left of what a failed sync had made doubtful: what comes now must not be taken for it.
    if (this.suspectFrom.length > 0 && this.logs.every(log => log.suspectFrom < 0)) {
      this.suspectFrom = []
      this.save(() => {})
    }
  }

  private attach (replicated: ReplicatedLog): void {
    const { log } = replicated
    replicated.onTruncate = offset => this.host.onTruncate(replicated.index, offset)
    log.onAdvance = () => {
      this.role?.onLogAdvance()
      this.host.onLogAdvance(replicated.index)
    }
    log.onStateChange = () => this.onStorageChange(log)
    log.retentionLimitOffset = replicated.highWatermark
  }

  get roleName (): ReplicaRole { return this.role?.name ?? 'idle' }
  /** The epoch of the role; 0 where there is none. */
  get epoch (): number { return this.role?.epoch ?? 0 }
  /** True where this broker leads and may be written to and asked for offsets. */
  get open (): boolean { return this.role?.name === 'lead' && (this.role as LeaderRole).open }
  /** The leader, as far as this replica knows; null where it does not. */
  get leader (): Member | null {
    return this.role !== null && this.record?.epoch === this.role.epoch ? this.record.leader : null
  }

  /** Id of the broker that leads, as far as this replica knows; -1 where it does not. */
  get leaderId (): number {
    const { role, record, host: { self } } = this
    if (role?.name === 'follow') return role.leader
    if (role !== null) return self.brokerId
    const isKnown = record !== null && record.epoch >= this.promised && record.leader.brokerId !== self.brokerId
    return isKnown ? record.leader.brokerId : -1
  }

  /** What a controller needs for a decision: see LeaderRole.progress. Null where this replica does not lead. */
  get leading (): LeaderRole | null {
    return this.role?.name === 'lead' ? this.role as LeaderRole : null
  }

  /** What it waits for, or what makes it one that cannot be counted on; null where all is well. */
  get trouble (): ReplicaTrouble | null {
    if (this.role?.name === 'recover') {
      const { isBlocked, waitsFor, untrusted } = (this.role as RecoveryRole).standing
      return { state: isBlocked ? 'blocked' : 'recovering', waitsFor, untrusted }
    }
    if (this.trusted && this.logs.every(log => log.damagedFrom < 0)) return null
    return { state: 'repairing', waitsFor: [], untrusted: [this.host.self.brokerId] }
  }

  // What comes in.

  /** After the record was read from the control store: a watch alone does not count. */
  onRecord (record: PartitionRecord): void {
    if (record.epoch < this.promised || (this.record !== null && record.epoch < this.record.epoch)) return
    this.record = record
    const { host, rules } = this
    // Its epochs may come twice: nobody does anything before somebody has said who goes on.
    if (isOvertaken(record)) return this.stepDown()
    if (rules.leads(record, host.self, host.incarnation)) {
      if (this.role?.name === 'lead' && this.epoch === record.epoch) return (this.role as LeaderRole).onRecord(record)
      if (record.epoch > this.ledEpoch) this.startRecovery(record)
    } else if ([...record.replicas, ...record.learners].some(member => rules.isMember(member, host.self))) {
      if (this.epoch < record.epoch) this.follow(record.epoch, record.leader.brokerId)
    } else if (this.epoch < record.epoch) {
      this.stepDown()
    }
  }

  onMessage (from: number, message: ReplicaMessage): void {
    switch (message.kind) {
      case 'new-epoch': return this.onNewEpoch(from, message.epoch, message.storeId)
      case 'pull': return this.onPull(from, message)
      case 'begin-epoch': return this.onBeginEpoch(from, message.epoch, message.storeId)
      case 'fenced':
        if (message.epoch > this.epoch && this.roleName !== 'follow') this.stepDown()
        return
      case 'fetch': return this.onFetch(from, message)
      default:
        if (message.epoch === this.epoch) this.role!.onMessage(from, message)
    }
  }

  /** To be called every few tens of milliseconds. */
  tick (): void {
    this.role?.tick(this.host.monotonicMs())
  }

  /** Appends at the leader; see LeaderRole.append. */
  append (log: number, batch: Buffer): AppendResult {
    const leading = this.leading
    return leading === null ? { ok: false, reason: 'not-leader' } : leading.append(log, batch)
  }

  /** Calls back once a majority has confirmed, after this call, that nobody newer leads; false where somebody does. */
  confirmLeadership (done: (isLeader: boolean) => void): void {
    const leading = this.leading
    if (leading === null) done(false)
    else leading.confirm(done)
  }

  /** The broker is about to stop: gives the role up, and notes that nothing is lost in the page cache. */
  close (done: (error: Error | null) => void): void {
    this.stepDown()
    this.save(done, '')
  }

  // What roles ask for.

  /** Gives the role up; who led waits for a higher epoch. */
  stepDown (): void {
    if (this.role !== null) this.setRole(null)
  }

  lead (record: PartitionRecord, losses: boolean): void {
    const role = new LeaderRole(this, record, losses)
    this.setRole(role)
    role.begin()
  }

  send (brokerId: number, message: ReplicaMessage): void {
    this.host.send(brokerId, message)
  }

  claims (): LogClaim[] {
    return this.logs.map(log => log.claim(this.owed[log.index] ?? null))
  }

  /** Runs `done` when every log is at rest. */
  settle (done: () => void): void {
    let left = this.logs.length
    for (const log of this.logs) log.settle(() => { if (--left === 0) done() })
  }

  /** Notes durably that something acknowledged may be missing, and how much there was, before any of it is cut. */
  distrust (then: () => void): void {
    if (this.trusted || this.owed.length === 0) {
      this.owed = this.logs.map(log => {
        const claim = log.claim(null)
        const before = this.owed[log.index]
        return before !== undefined && this.rules.compare(before, claim) > 0
          ? before
          : { lastEpoch: claim.lastEpoch, endOffset: claim.endOffset }
      })
    }
    this.trusted = false
    this.host.report('damaged', 'some of the log cannot be read; it is fetched again from the leader')
    this.save(error => { if (error === null) then() })
  }

  /** Everything is there again. */
  regainTrust (): void {
    if (this.trusted) return
    this.trusted = true
    this.owed = []
    this.suspectFrom = []
    this.host.report('mended', 'the log holds everything again that the leader has')
    this.save(() => {})
  }

  setHighWatermark (log: ReplicatedLog, offset: number): void {
    if (raiseHighWatermark(log, offset)) this.host.onHighWatermark(log.index, offset)
  }

  // The promise.

  /** Raises the promise; `then` runs once it is durable, unless a higher one has come meanwhile. False: it is lower. */
  private promise (epoch: number, then: () => void): boolean {
    if (epoch < this.promised) return false
    if (epoch > this.promised) {
      this.promised = epoch
      if (this.epoch < epoch) this.stepDown()
    }
    if (this.durablePromise >= epoch) {
      then()
      return true
    }
    this.waiting.push({ epoch, then })
    this.save((error) => {
      if (error !== null) return this.host.report('storage-failed', error.message)
      this.durablePromise = Math.max(this.durablePromise, epoch)
      this.wakePromised()
    })
    return true
  }

  private wakePromised (): void {
    const waiting = this.waiting
    this.waiting = []
    for (const each of waiting) {
      if (each.epoch > this.durablePromise) this.waiting.push(each)
      else if (each.epoch === this.promised) each.then()
    }
  }

  private save (done: (error: Error | null) => void, bootId = this.bootId): void {
    const { promised, trusted, owed } = this
    this.host.savePromise({ promised, trusted, owed, suspectFrom: this.suspectFrom, bootId }, done)
  }

  // Changes of role.

  private setRole (role: Role | null): void {
    const before = this.role
    this.role = role
    if (before !== null) {
      before.ended = true
      before.onEnd()
    }
    this.host.onRole(this.roleName, this.epoch)
  }

  private startRecovery (record: PartitionRecord): void {
    this.promise(record.epoch, () => {
      if (record.epoch <= this.ledEpoch || this.record?.epoch !== record.epoch) return
      this.ledEpoch = record.epoch
      // It could not append anything: whoever made it the leader is told by its having no role.
      if (this.logs.some(({ log }) => log.state === 'failed')) return
      const role = new RecoveryRole(this, this.record)
      this.setRole(role)
      role.begin()
    })
  }

  private follow (epoch: number, leader: number, then: (role: FollowerRole) => void = () => {}): void {
    this.promise(epoch, () => {
      if (this.epoch === epoch) return
      const role = new FollowerRole(this, epoch, leader)
      this.setRole(role)
      then(role)
    })
  }

  /**
   * A sync has failed: what was not durable by then may stay readable for as long as the kernel keeps it, and be gone
   * after that, though a later sync succeeds. So after a restart it is fetched again.
   */
  private onStorageChange (log: PartitionLog): void {
    if (log.state !== 'failed') return
    this.host.report('storage-failed', log.stateReason)
    this.suspectFrom = this.logs.map(each => {
      const before = this.suspectFrom[each.index] ?? -1
      if (each.log.state !== 'failed') return before
      return before < 0 ? each.log.durableOffset : Math.min(before, each.log.durableOffset)
    })
    this.save(() => {})
    if (this.roleName === 'lead' || this.roleName === 'recover') this.stepDown()
  }

  // What any role answers.

  private onNewEpoch (from: number, epoch: number, storeId: string): void {
    const { host, rules } = this
    if (!rules.isMember({ brokerId: host.self.brokerId, storeId }, host.self)) return
    const answer = (): void => this.settle(() => {
      if (rules.answerFences() && this.promised !== epoch) return
      const trusted = this.trusted && this.logs.every(log => log.damagedFrom < 0)
      this.send(from, { kind: 'promise', epoch, storeId: host.self.storeId, trusted, logs: this.claims() })
    })
    if (!rules.answerFences()) return answer()
    if (!this.promise(epoch, answer)) this.send(from, { kind: 'fenced', epoch: this.promised })
  }

  private onPull (from: number, { epoch, log: index, offset }: ReplicaMessage & { kind: 'pull' }): void {
    if (epoch < this.promised) return this.send(from, { kind: 'fenced', epoch: this.promised })
    const log = this.logs[index]
    if (epoch !== this.promised || epoch !== this.durablePromise || log === undefined || log.busy) return
    log.read(offset, this.timing.fetchBytes, (slice) => {
      if (epoch !== this.promised) return
      const { buffers = null, release } = slice ?? {}
      this.send(from, { kind: 'pulled', epoch, log: index, offset, buffers, release })
    })
  }

  private onBeginEpoch (from: number, epoch: number, storeId: string): void {
    const { host, rules } = this
    if (!rules.isMember({ brokerId: host.self.brokerId, storeId }, host.self)) return
    if (epoch < this.promised) return this.send(from, { kind: 'fenced', epoch: this.promised })
    if (this.epoch === epoch) {
      if (this.role?.name === 'follow') (this.role as FollowerRole).onBeginEpoch(from)
      return
    }
    this.follow(epoch, from, role => role.onBeginEpoch(from))
  }

  private onFetch (from: number, message: ReplicaMessage & { kind: 'fetch' }): void {
    const leading = this.leading
    if (leading === null) {
      if (message.epoch < this.promised) this.send(from, { kind: 'fenced', epoch: this.promised })
      return
    }
    if (message.epoch > leading.epoch) return this.stepDown()
    if (message.epoch < leading.epoch) {
      return this.send(from, { kind: 'begin-epoch', epoch: leading.epoch, storeId: message.storeId })
    }
    leading.onMessage(from, message)
  }
}
