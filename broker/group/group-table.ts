// All stream groups of a broker.
//
// Events come in by group name; `tick` brings the time, `settle` ends a turn. A group enters memory with its first
// join and leaves it when it has had no members for a while: what it has committed lies with the partitions, and its
// generation in its record.

import { ERROR } from '@sluice/protocol'
import { GROUP_LIMITS, type GroupLimits } from './group-limits.js'
import type { GroupRecord } from './generation-reserve.js'
import { GroupState, unknownMember } from './group-state.js'
import type {
  GroupDescription, GroupHost, GroupPhase, HeartbeatEvent, JoinEvent, MemberReply, Refusal,
} from './group-types.js'
import { joinFault } from './join-rules.js'

export interface ListedGroup {
  readonly group: string
  readonly state: GroupPhase
  readonly members: number
}

export class GroupTable {
  private readonly host: GroupHost
  private readonly limits: GroupLimits
  private readonly startedMs: number
  private readonly isShared: boolean
  private readonly groups = new Map<string, GroupState>()
  private readonly woken = new Set<GroupState>()

  /**
   * @param startedMs when the broker began to serve, in monotonic milliseconds like every other time here.
   * @param isShared groups come from other brokers and go to them: one that is loaded may have members elsewhere,
   *   which get as long to come as after a restart.
   */
  constructor (host: GroupHost, startedMs: number, limits: GroupLimits = GROUP_LIMITS, isShared = false) {
    this.isShared = isShared
    this.host = host
    this.startedMs = startedMs
    this.limits = limits
  }

  /** Groups in memory. */
  get size (): number { return this.groups.size }

  /** No earlier than this does `tick` have anything to do, in milliseconds. */
  get nextDueMs (): number {
    let dueMs = Infinity
    for (const group of this.groups.values()) {
      const emptySince = group.emptySince
      const retireMs = emptySince === null ? Infinity : emptySince + this.limits.emptyGroupRetentionMs
      dueMs = Math.min(dueMs, group.nextDueMs, retireMs)
    }
    return dueMs
  }

  onJoin (event: JoinEvent, reply: MemberReply, nowMs: number): void {
    const fault = joinFault(event, this.limits)
    if (fault !== null) return reply.refused(ERROR.INVALID_REQUEST, fault)
    const group = this.groups.get(event.group) ?? this.load(event.group, nowMs)
    if (group === null) {
      return reply.refused(ERROR.BUSY,
        `the broker has ${this.limits.groupsMax} groups with members, which is the most it may have; stop one first`)
    }
    group.onJoin(event, reply, nowMs)
  }

  onHeartbeat (event: HeartbeatEvent, reply: MemberReply, nowMs: number): void {
    if (event.maxWaitMs < 0) {
      return reply.refused(ERROR.INVALID_REQUEST, `maxWaitMs is ${event.maxWaitMs}; it must be 0 or more`)
    }
    const group = this.current(event.group, event.memberId, event.generation)
    if (group !== undefined) return group.onHeartbeat(event, reply, nowMs)
    const { error, message } = unknownMember(event.group, event.memberId)
    reply.refused(error, message)
  }

  /** @returns why there is nobody to leave; null where the member has left. */
  onLeave (groupName: string, memberId: string, nowMs: number): Refusal | null {
    const group = this.groups.get(groupName)
    return group === undefined ? unknownMember(groupName, memberId) : group.onLeave(memberId, nowMs)
  }

  /**
   * Why a commit for a partition is refused; null where it is fine.
   * @param memberId empty for a commit from outside, which needs generation -1 and a group without members.
   */
  commitRefusal (
    groupName: string, memberId: string, generation: number, topicId: string, partition: number,
  ): Refusal | null {
    const group = this.current(groupName, memberId, generation)
    if (memberId !== '') {
      return group === undefined
        ? unknownMember(groupName, memberId)
        : group.commitRefusal(memberId, generation, topicId, partition)
    }
    if (generation !== -1) {
      return { error: ERROR.INVALID_REQUEST, message: `generation is ${generation}; it must be -1 with an empty memberId` }
    }
    return group === undefined || group.memberCount === 0 ? null : notEmpty(groupName, group.memberCount)
  }

  /** Topics were created or deleted, or got more partitions. */
  onTopicsChanged (): void {
    for (const group of this.groups.values()) group.onTopicsChanged()
  }

  onRecordSaved (groupName: string, record: GroupRecord): void {
    this.groups.get(groupName)?.onRecordSaved(record)
  }

  onRecordNotSaved (groupName: string, record: GroupRecord, reason: string, nowMs: number): void {
    this.groups.get(groupName)?.onRecordNotSaved(record, reason, nowMs)
  }

  /** Ends a turn: works out new assignments and answers whoever waited for them. Call it after the host was woken. */
  settle (nowMs: number): void {
    const woken = [...this.woken]
    this.woken.clear()
    for (const group of woken) group.settle(nowMs)
  }

  /** Brings the time. Calling it every 10 to 100 ms is enough. */
  tick (nowMs: number): void {
    for (const group of this.groups.values()) {
      if (group.nextDueMs <= nowMs) group.tick(nowMs)
      const { emptySince } = group
      if (emptySince !== null && nowMs - emptySince >= this.limits.emptyGroupRetentionMs) this.retire(group)
    }
  }

  /** Groups in memory, by name. */
  list (): ListedGroup[] {
    return [...this.groups.values()]
      .map(group => ({ group: group.name, state: group.phase, members: group.memberCount }))
      .sort((a, b) => a.group < b.group ? -1 : 1)
  }

  /** The group, or undefined where it is not in memory: then it has no members. */
  describe (groupName: string, nowMs: number): GroupDescription | undefined {
    return this.groups.get(groupName)?.describe(nowMs)
  }

  memberCount (groupName: string): number {
    return this.groups.get(groupName)?.memberCount ?? 0
  }

  /** Forgets a group without members, with its record. @returns why not, where it has some. */
  delete (groupName: string): Refusal | null {
    const group = this.groups.get(groupName)
    if (group !== undefined && group.memberCount > 0) return notEmpty(groupName, group.memberCount)
    if (group !== undefined) this.forget(group)
    this.host.removeRecord(groupName)
    return null
  }

  /** Another broker has the group now: its members are sent away, to join there. */
  release (groupName: string, message: string): void {
    const group = this.groups.get(groupName)
    if (group === undefined) return
    group.stop(message)
    this.forget(group)
  }

  /** Refuses all that wait. Call it when the broker stops and takes no new requests. */
  stop (message: string): void {
    for (const group of this.groups.values()) group.stop(message)
  }

  /**
   * The group, unless a member shows that another broker has had it since: what is known of it here is old then, and it
   * is read anew with the next join.
   */
  private current (groupName: string, memberId: string, generation: number): GroupState | undefined {
    const group = this.groups.get(groupName)
    if (!this.isShared || group?.isBehind(memberId, generation) !== true) return group
    this.release(groupName, `group ${groupName} was coordinated by another broker meanwhile; join again`)
    return undefined
  }

  /** Brings a group into memory; null where there is no room for it. */
  private load (groupName: string, nowMs: number): GroupState | null {
    if (this.groups.size >= this.limits.groupsMax && !this.makeRoom()) return null
    const group: GroupState = new GroupState(groupName, this.host, () => {
      this.woken.add(group)
      this.host.wake()
    }, this.limits, this.isShared ? nowMs : this.startedMs, nowMs)
    this.groups.set(groupName, group)
    return group
  }

  /** Retires the group that has been empty for longest. */
  private makeRoom (): boolean {
    let oldest: GroupState | null = null
    for (const group of this.groups.values()) {
      if (group.emptySince === null || group.isSaving) continue
      if (oldest === null || group.emptySince < oldest.emptySince!) oldest = group
    }
    if (oldest === null) return false
    this.retire(oldest)
    return true
  }

  private retire (group: GroupState): void {
    // Its record says how to go on; it has to be written first.
    if (group.isSaving) return
    this.forget(group)
    this.host.groupRetired(group.name)
  }

  private forget (group: GroupState): void {
    this.groups.delete(group.name)
    this.woken.delete(group)
  }
}

function notEmpty (groupName: string, members: number): Refusal {
  return {
    error: ERROR.GROUP_NOT_EMPTY,
    message: `group ${groupName} has ${members} ${members === 1 ? 'member' : 'members'}; stop its consumers first`,
  }
}
