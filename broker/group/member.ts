// A member of a group: who it is, what it reads, when it was last heard from, and what it waits for.

import type { GroupLimits } from './group-limits.js'
import type { JoinEvent, MemberReply } from './group-types.js'
import type { PartitionSlot } from './partition-slot.js'

/** A request of a member that is not answered yet. A member has at most one. */
export interface WaitingRequest {
  readonly kind: 'join' | 'heartbeat'
  readonly reply: MemberReply
  /** When a heartbeat is answered even if nothing has changed; Infinity for a join. */
  readonly deadlineMs: number
}

export class Member {
  /** Changes only when a static member is taken over. */
  memberId: string
  readonly instanceId: string | null
  clientName = ''
  clientAddress = ''
  /** Sorted, without duplicates. */
  topics: readonly string[] = []
  sessionTimeoutMs = 0
  rebalanceTimeoutMs = 0
  heartbeatIntervalMs = 0
  lastHeardMs = 0
  /** The newest generation that it has acted on; -1 before its first heartbeat. */
  generation = -1
  /** False until it has been told its id. */
  admitted = false
  /** True where it has not been told yet what it would be told now. */
  changed = true
  /** The last heartbeat lacked partitions that it was told of, and was answered at once because of that. */
  reminded = false
  waiting: WaitingRequest | null = null

  /** Place in the order of members, for the assignor. */
  index = 0
  /** What it is to have, in dense order. */
  targets: PartitionSlot[] = []
  /** What it may work on and commit, whether it has been asked to give it up or not. */
  readonly owned = new Set<PartitionSlot>()
  /** What it says it works on without owning it. It gets these only after it has let go of them. */
  clinging = new Set<PartitionSlot>()

  constructor (memberId: string, instanceId: string | null) {
    this.memberId = memberId
    this.instanceId = instanceId
  }

  /** Decides between equals; a static member keeps its place over a restart. */
  get sortKey (): string { return this.instanceId ?? this.memberId }

  get sessionDeadlineMs (): number { return this.lastHeardMs + this.sessionTimeoutMs }

  /** Takes over what a join says. */
  onJoin (event: JoinEvent, nowMs: number, limits: GroupLimits): void {
    this.clientName = event.clientName
    this.clientAddress = event.clientAddress
    this.sessionTimeoutMs = event.sessionTimeoutMs
    this.rebalanceTimeoutMs = event.rebalanceTimeoutMs
    this.heartbeatIntervalMs = Math.min(Math.floor(event.sessionTimeoutMs / 3), limits.heartbeatIntervalMsMax)
    this.lastHeardMs = nowMs
    this.topics = [...new Set(event.topics)].sort()
  }
}
