// One stream group: its members, its generation, and who waits for what.
//
//              join, leave, expiry, topics changed           settle: new target assignment, generation + 1
//   stable ───────────────────────────────────────▶ dirty ─────────────────────────────────────────────────▶ moving
//     ▲                                                                                                         │
//     └──────────── members report without what they gave up, are told of what became free (Ownership) ─────────┘
//
// Events only change what is known; `settle`, which runs once for all events of a turn, works out the assignment and
// answers whoever waits. A heartbeat waits (a long poll) until something changes for its member.
//
// After a restart of the broker the members come back one by one with what they own. Until all partitions were claimed
// (by members that may have left since), or the longest session timeout of before has passed since the start, everybody
// keeps what it has and nothing else is dealt out: somebody who has not come back yet may be working on it.
//
// Invariants:
// - the generation never goes back, and is durable in the group's record before anybody is told of it;
// - a member id that was taken over by a newer process with the same instance id is never served again;
// - a member has at most one unanswered request, and each request is answered exactly once.

import { ERROR, type ErrorName } from '@sluice/protocol'
import { ASSIGNORS, DEFAULT_ASSIGNOR, type Assignor, type AssignorName } from './assignor.js'
import { GenerationReserve, type GroupRecord } from './generation-reserve.js'
import type { GroupLimits } from './group-limits.js'
import type {
  GroupDescription, GroupHost, GroupPhase, HeartbeatEvent, JoinEvent, MemberReply, Refusal,
} from './group-types.js'
import { Member, type WaitingRequest } from './member.js'
import { JOINING, Ownership, type AssignmentPlan } from './ownership.js'
import { UNCLAIMED } from './partition-slot.js'

export class GroupState {
  readonly name: string
  private readonly host: GroupHost
  private readonly wake: () => void
  private readonly limits: GroupLimits
  private readonly reserve: GenerationReserve
  private readonly ownership = new Ownership()
  private readonly members = new Map<string, Member>()
  private readonly instances = new Map<string, Member>()
  /** Member ids whose static member was taken over, oldest first. */
  private readonly fencedIds = new Set<string>()
  private assignor: AssignorName = DEFAULT_ASSIGNOR
  /** Something may call for another assignment. */
  private dirty = false
  /** By then all members of before a restart are back, or have lost what they had. */
  private readonly allBackMs: number
  /** Nothing is dealt out before; -Infinity where nobody is waited for (any more). */
  private recoveringUntilMs: number
  private savedRecord: GroupRecord
  private savingRecord: GroupRecord | null = null
  private saveRetryMs = -Infinity
  private emptySinceMs: number
  private dueMs = Infinity

  /**
   * @param wake asks for `settle` to be called soon.
   * @param startedMs when the broker began to serve, in monotonic milliseconds.
   */
  constructor (
    name: string, host: GroupHost, wake: () => void, limits: GroupLimits, startedMs: number, nowMs: number,
  ) {
    this.name = name
    this.host = host
    this.wake = wake
    this.limits = limits
    this.savedRecord = host.loadRecord(name) ?? { generationCeiling: 0, sessionTimeoutMs: 0 }
    this.reserve = new GenerationReserve(this.savedRecord.generationCeiling, limits.generationBlock)
    this.allBackMs = startedMs + this.savedRecord.sessionTimeoutMs
    this.recoveringUntilMs = nowMs < this.allBackMs ? this.allBackMs : -Infinity
    this.dueBy(this.isRecovering ? this.recoveringUntilMs : Infinity)
    this.emptySinceMs = nowMs
  }

  get memberCount (): number { return this.members.size }

  /** No earlier than this does `tick` have anything to do, in monotonic milliseconds. */
  get nextDueMs (): number { return this.dueMs }

  get phase (): GroupPhase {
    if (this.members.size === 0) return 'empty'
    return this.dirty || this.isRecovering || this.ownership.isMoving ? 'rebalancing' : 'stable'
  }

  /** Since when the group has no members; null where it has some. */
  get emptySince (): number | null { return this.members.size === 0 ? this.emptySinceMs : null }

  /** True while a save of the record is under way. */
  get isSaving (): boolean { return this.savingRecord !== null }

  /** Topics have changed somewhere; those of this group maybe. */
  onTopicsChanged (): void {
    if (this.ownership.topicsDiffer(this.members.values(), this.host.topicByName)) this.touch()
  }

  /** The event has been checked by `joinFault`. */
  onJoin (event: JoinEvent, reply: MemberReply, nowMs: number): void {
    const refusal = this.joinRefusal(event)
    if (refusal !== null) return reply.refused(refusal.error, refusal.message)
    if (event.assignor !== '') this.assignor = event.assignor as AssignorName
    const member = this.memberFor(event)
    member.onJoin(event, nowMs, this.limits)
    this.ownership.addTopics(member.topics, this.host.topicByName)
    this.ownership.claim(member, {
      owned: event.owned,
      generation: event.generation,
      isOfBefore: nowMs < this.allBackMs,
      committedGeneration: (topicId, partition) => this.host.committedGeneration(this.name, topicId, partition),
    }, this.reserve.current)
    this.ownership.report(member, event.owned, JOINING, this.reserve.current)
    this.wait(member, { kind: 'join', reply, deadlineMs: Infinity })
    this.dueBy(member.sessionDeadlineMs)
    this.touch()
  }

  onHeartbeat (event: HeartbeatEvent, reply: MemberReply, nowMs: number): void {
    const refusal = this.memberRefusal(event.memberId) ?? this.generationRefusal(event.generation)
    if (refusal !== null) return reply.refused(refusal.error, refusal.message)
    const member = this.members.get(event.memberId)!
    member.lastHeardMs = nowMs
    // An older generation than before: the heartbeat was overtaken on its way and says nothing about today.
    const { releaseCount } = this.ownership
    const isLate = event.generation < member.generation
    member.generation = Math.max(member.generation, event.generation)
    const lacking = !isLate && this.ownership.report(member, event.owned, event.generation, this.reserve.current)
    // Who lacks what it was told of may have missed the answer. Told once more it lists it, or waits like all.
    const remind = lacking && !member.reminded
    member.reminded = remind
    const waitMs = Math.min(event.maxWaitMs, member.heartbeatIntervalMs)
    this.wait(member, { kind: 'heartbeat', reply, deadlineMs: nowMs + waitMs })
    if (this.reserve.isDurable &&
      (waitMs <= 0 || remind || member.changed || event.generation < this.reserve.current)) {
      this.answer(member)
    } else {
      this.dueBy(nowMs + waitMs)
    }
    // What the member gave up may be what others wait for.
    if (this.ownership.releaseCount !== releaseCount) this.wake()
  }

  /** @returns why there is nobody to leave; null where the member has left. */
  onLeave (memberId: string, nowMs: number): Refusal | null {
    const refusal = this.memberRefusal(memberId)
    if (refusal !== null) return refusal
    this.remove(this.members.get(memberId)!, nowMs, 'UNKNOWN_MEMBER', `member ${memberId} has left group ${this.name}`)
    return null
  }

  /** Why a commit of this member, in this generation, is refused for a partition; null where it is fine. */
  commitRefusal (memberId: string, generation: number, topicId: string, partition: number): Refusal | null {
    const refusal = this.memberRefusal(memberId) ?? this.generationRefusal(generation)
    if (refusal !== null) return refusal
    const member = this.members.get(memberId)!
    return this.ownership.commitRefusal(member, topicId, partition, generation, this.reserve.current)
  }

  /** A member of it has been given a later generation than there has been here. */
  isBehind (memberId: string, generation: number): boolean {
    return this.members.has(memberId) && generation > this.reserve.current
  }

  /** The store has taken a record that was given to `saveRecord`. */
  onRecordSaved (record: GroupRecord): void {
    if (record !== this.savingRecord) return
    this.savingRecord = null
    this.savedRecord = record
    this.reserve.onSaved(record.generationCeiling)
    this.wake()
  }

  onRecordNotSaved (record: GroupRecord, reason: string, nowMs: number): void {
    if (record !== this.savingRecord) return
    this.savingRecord = null
    this.saveRetryMs = nowMs + this.limits.recordRetryMs
    this.dueBy(this.saveRetryMs)
    // Who waits for it is told now; who is a member already goes on with what it has.
    if (this.reserve.isDurable && this.reserve.hasNext) return
    const message = `the generation of group ${this.name} cannot be stored: ${reason}; mend the cause, then join again`
    for (const member of this.members.values()) {
      if (member.waiting?.kind !== 'join') continue
      if (!member.admitted) this.remove(member, nowMs, 'STORAGE_UNAVAILABLE', message)
      else this.refuseWaiting(member, 'STORAGE_UNAVAILABLE', message)
    }
  }

  /** Works out the assignment where it has to change, and answers all that need not wait any longer. */
  settle (nowMs: number): void {
    if (this.dirty) this.rebalance(nowMs)
    this.saveRecord(nowMs)
    if (this.ownership.liftBarrier()) for (const member of this.members.values()) member.changed = true
    if (!this.reserve.isDurable) return
    for (const member of this.members.values()) {
      const { waiting } = member
      if (waiting !== null && (waiting.kind === 'join' ? !this.dirty : member.changed)) this.answer(member)
    }
  }

  /** Time has passed: ends sessions, takes away what is overdue, answers heartbeats that waited long enough. */
  tick (nowMs: number): void {
    for (const member of this.members.values()) {
      if (member.sessionDeadlineMs <= nowMs) {
        this.remove(member, nowMs, 'UNKNOWN_MEMBER',
          `member ${member.memberId} was not heard from for ${member.sessionTimeoutMs} ms; join again`)
      } else if (member.waiting !== null && member.waiting.deadlineMs <= nowMs) {
        if (this.reserve.isDurable) this.answer(member)
        else this.refuseWaiting(member, 'BUSY', `the generation of group ${this.name} is being stored; retry`)
      }
    }
    this.ownership.takeOverdue(this.members.values(), nowMs)
    if (this.isRecovering && nowMs >= this.recoveringUntilMs) this.endRecovery()
    this.findNextDue(nowMs)
    this.wake()
  }

  /** Refuses all that wait, since the broker stops. */
  stop (message: string): void {
    for (const member of this.members.values()) this.refuseWaiting(member, 'SHUTTING_DOWN', message)
  }

  describe (nowMs: number): GroupDescription {
    return {
      state: this.phase,
      generation: this.reserve.isDurable ? this.reserve.current : this.savedRecord.generationCeiling,
      assignor: this.members.size === 0 ? '' : this.assignor,
      members: this.inOrder().map(member => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        clientName: member.clientName,
        clientAddress: member.clientAddress,
        topics: [...member.topics],
        assigned: this.ownership.describe(member),
        sessionTimeoutMs: member.sessionTimeoutMs,
        lastHeartbeatAgoMs: Math.max(0, Math.round(nowMs - member.lastHeardMs)),
      })),
    }
  }

  private joinRefusal (event: JoinEvent): Refusal | null {
    const { memberId, instanceId } = event
    if (this.fencedIds.has(memberId)) return this.fenced(memberId)
    const known = this.members.get(memberId)
    if (known !== undefined && known.instanceId !== instanceId) {
      return {
        error: ERROR.INVALID_REQUEST,
        message: `member ${memberId} joined with instance id ${JSON.stringify(known.instanceId)}, not ${JSON.stringify(instanceId)}; join with an empty member id to be another member`,
      }
    }
    const instance = instanceId === null ? undefined : this.instances.get(instanceId)
    if (instance !== undefined && instance !== known && memberId !== '') return this.fenced(memberId)
    const present = known ?? instance
    if (present === undefined && this.members.size >= this.limits.membersPerGroupMax) {
      return {
        error: ERROR.BUSY,
        message: `group ${this.name} has ${this.members.size} members, which is the most it may have; stop one first`,
      }
    }
    const others = this.members.size - (present === undefined ? 0 : 1)
    if (others > 0 && event.assignor !== '' && event.assignor !== this.assignor) {
      return {
        error: ERROR.INCONSISTENT_ASSIGNOR,
        message: `group ${this.name} uses the assignor ${this.assignor}, not ${event.assignor}; use the same in all members, or stop them all to change it`,
      }
    }
    return null
  }

  /** The member that joins: the one that it was, the static one that it takes over, or a new one. */
  private memberFor ({ memberId, instanceId }: JoinEvent): Member {
    const known = this.members.get(memberId)
    if (known !== undefined) return known
    const instance = instanceId === null ? undefined : this.instances.get(instanceId)
    const id = memberId === '' ? this.host.newMemberId() : memberId
    if (instance !== undefined) {
      this.takeOver(instance, id)
      return instance
    }
    const member = new Member(id, instanceId)
    this.members.set(id, member)
    if (instanceId !== null) this.instances.set(instanceId, member)
    return member
  }

  private takeOver (member: Member, memberId: string): void {
    this.refuseWaiting(member, 'INSTANCE_FENCED', this.fenced(member.memberId).message)
    this.fencedIds.add(member.memberId)
    if (this.fencedIds.size > this.limits.fencedIdsMax) {
      const [oldest] = this.fencedIds
      this.fencedIds.delete(oldest!)
    }
    this.members.delete(member.memberId)
    member.memberId = memberId
    member.generation = -1
    this.members.set(memberId, member)
    this.ownership.onTakenOver(member)
  }

  private get isRecovering (): boolean { return this.recoveringUntilMs !== -Infinity }

  private endRecovery (): void {
    this.recoveringUntilMs = -Infinity
    this.touch()
  }

  private rebalance (nowMs: number): void {
    if (this.members.size > 0) {
      const assignor: Assignor = ASSIGNORS[this.assignor]
      let plan = this.planFor(this.isRecovering ? null : assignor)
      if (this.isRecovering && plan.slots.every(slot => slot.claimGeneration !== UNCLAIMED)) {
        this.recoveringUntilMs = -Infinity
        plan = this.planFor(assignor)
      }
      if (plan.changed) {
        // Goes on when more generations are set aside in the record.
        if (!this.reserve.hasNext) return
        this.ownership.adopt(plan, this.reserve.next(), assignor.eager && !this.isRecovering, nowMs)
        this.dueBy(this.ownership.revokeDeadlineMs())
      }
    }
    this.dirty = false
  }

  private planFor (assignor: Assignor | null): AssignmentPlan {
    return this.ownership.plan(this.inOrder(), this.host.topicByName, assignor)
  }

  private inOrder (): Member[] {
    return [...this.members.values()].sort((a, b) => a.sortKey < b.sortKey ? -1 : a.sortKey > b.sortKey ? 1 : 0)
  }

  /** Brings the record up to date, one save at a time. */
  private saveRecord (nowMs: number): void {
    if (this.savingRecord !== null || nowMs < this.saveRetryMs) return
    const saved = this.savedRecord
    let { sessionTimeoutMs, generationCeiling } = saved
    if (this.members.size > 0) {
      generationCeiling = this.reserve.wantedCeiling
      // A record that promises too long only costs patience after a restart; it is not written for that alone.
      for (const member of this.members.values()) sessionTimeoutMs = Math.max(sessionTimeoutMs, member.sessionTimeoutMs)
    } else if (!this.isRecovering) {
      sessionTimeoutMs = 0
    }
    if (generationCeiling === saved.generationCeiling && sessionTimeoutMs === saved.sessionTimeoutMs) return
    this.savingRecord = { generationCeiling, sessionTimeoutMs }
    this.host.saveRecord(this.name, this.savingRecord)
  }

  private remove (member: Member, nowMs: number, error: ErrorName, message: string): void {
    this.refuseWaiting(member, error, message)
    this.ownership.removeMember(member)
    this.members.delete(member.memberId)
    if (member.instanceId !== null) this.instances.delete(member.instanceId)
    if (this.members.size === 0) {
      this.emptySinceMs = nowMs
      this.assignor = DEFAULT_ASSIGNOR
    }
    this.touch()
  }

  /** Parks a request, in place of the one that the member had parked before. */
  private wait (member: Member, request: WaitingRequest): void {
    const earlier = member.waiting
    if (earlier?.kind === 'heartbeat' && this.reserve.isDurable) this.answer(member)
    else this.refuseWaiting(member, 'BUSY', 'a later request of the same member has taken the place of this one')
    member.waiting = request
  }

  private answer (member: Member): void {
    const { reply } = member.waiting!
    member.waiting = null
    member.admitted = true
    member.changed = false
    reply.assigned({
      memberId: member.memberId,
      generation: this.reserve.current,
      assignor: this.assignor,
      heartbeatIntervalMs: member.heartbeatIntervalMs,
      assigned: this.ownership.viewOf(member, this.reserve.current),
    })
  }

  private refuseWaiting (member: Member, error: ErrorName, message: string): void {
    const { waiting } = member
    if (waiting === null) return
    member.waiting = null
    waiting.reply.refused(ERROR[error], message)
  }

  private memberRefusal (memberId: string): Refusal | null {
    if (this.members.has(memberId)) return null
    if (this.fencedIds.has(memberId)) return this.fenced(memberId)
    return unknownMember(this.name, memberId)
  }

  private generationRefusal (generation: number): Refusal | null {
    if (generation >= 0 && generation <= this.reserve.current) return null
    if (generation < 0) {
      return { error: ERROR.INVALID_REQUEST, message: `generation is ${generation}; a member sends that of the last answer` }
    }
    return {
      error: ERROR.INVALID_REQUEST,
      message: `generation ${generation} does not exist yet: group ${this.name} is at ${this.reserve.current}; send that of the last answer`,
    }
  }

  private fenced (memberId: string): Refusal {
    return {
      error: ERROR.INSTANCE_FENCED,
      message: `member ${memberId} of group ${this.name} was replaced by another that joined with its instance id; give each process its own`,
    }
  }

  private findNextDue (nowMs: number): void {
    this.dueMs = Math.min(
      this.ownership.revokeDeadlineMs(),
      this.isRecovering ? this.recoveringUntilMs : Infinity,
      this.saveRetryMs > nowMs ? this.saveRetryMs : Infinity)
    for (const member of this.members.values()) {
      this.dueBy(Math.min(member.sessionDeadlineMs, member.waiting?.deadlineMs ?? Infinity))
    }
  }

  private dueBy (atMs: number): void {
    if (atMs < this.dueMs) this.dueMs = atMs
  }

  private touch (): void {
    this.dirty = true
    this.wake()
  }
}

/** The answer to whoever is not, or no longer, a member. */
export function unknownMember (group: string, memberId: string): Refusal {
  return {
    error: ERROR.UNKNOWN_MEMBER,
    message: `group ${group} has no member ${JSON.stringify(memberId.slice(0, 128))}: its session ran out or the broker restarted; join again`,
  }
}
