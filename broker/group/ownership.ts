// Which member of a group may work on which partition, and how partitions move.
//
//                    adopt: target is another          reported without it, or deadline
//   owner = target ─────────────────────────▶ revoked ──────────────────────────────────▶ free
//        ▲                                       │ adopt: target is the owner again        │
//        ├───────────────────────────────────────┘                                         │
//        └──────────────────── viewOf(target): told, and so granted ◀──────────────────────┘
//
// Ownership begins when a member is told of a partition and ends when it is known to have stopped. What a member says
// counts as the end only if it knew that it had to stop: a heartbeat of a generation before the revocation may have
// been on its way when the partition was granted. With an eager assignor a new assignment revokes everything, and
// nothing is granted until everything is free.
//
// After a restart of the broker nobody is known to own anything: members that join claim what they work on. Of two that
// claim a partition, the one of the newer generation was given it later, so it has it, even if the other came first and
// was believed.
//
// Invariants:
// - a partition has at most one owner;
// - a partition is never granted to a member that says it works on it already without owning it: whoever lost a
//   partition must have let go before it may begin anew from the committed offset;
// - owner.owned holds exactly the slots whose owner it is; revoked slots have an owner.

import assert from 'node:assert'
import { ERROR, type AssignedPartitions, type OwnedPartitions } from '@sluice/protocol'
import type { Assignor } from './assignor.js'
import type { GroupTopic, Refusal } from './group-types.js'
import type { Member } from './member.js'
import { DEALT_OUT, PartitionSlot, UNCLAIMED, type TopicSlots } from './partition-slot.js'

/** In place of a generation: a join, which gives nothing up. It may have been on its way when something was granted. */
export const JOINING = -1

/** What a member that joins says it was doing. */
export interface Claim {
  readonly owned: readonly OwnedPartitions[]
  /** The generation that it has acted on last; -1 for none. */
  readonly generation: number
  /** Could it be from before a restart of the broker, so that it may know better than the group? */
  readonly isOfBefore: boolean
  /** The generation of the newest commit of a partition: who had it then, or later, knows of that generation. */
  committedGeneration (topicId: string, partition: number): number
}

/** A target assignment that is not in force yet. */
export interface AssignmentPlan {
  readonly topics: readonly TopicSlots[]
  readonly members: readonly Member[]
  /** Slots of all topics, topic after topic. */
  readonly slots: readonly PartitionSlot[]
  /** Per slot who is to have it. */
  readonly targets: readonly (Member | null)[]
  /** False where it is the same as the target in force. */
  readonly changed: boolean
}

export class Ownership {
  private topics = new Map<string, TopicSlots>()
  /** With an eager assignor: some partition of the last assignment is not free yet. */
  private barrier = false
  private ownedCount = 0
  private revokedCount = 0
  private reports = 0
  private releases = 0

  /** True while partitions are on the move. */
  get isMoving (): boolean {
    if (this.barrier) return true
    for (const topic of this.topics.values()) {
      if (topic.slots.some(slot => slot.owner !== slot.target)) return true
    }
    return false
  }

  /** How many times an ownership has ended. */
  get releaseCount (): number { return this.releases }

  /** The earliest time at which a partition is taken away, or Infinity. Looks at every partition. */
  revokeDeadlineMs (): number {
    let earliestMs = Infinity
    if (this.revokedCount === 0) return earliestMs
    for (const topic of this.topics.values()) {
      for (const slot of topic.slots) earliestMs = Math.min(earliestMs, slot.revokeDeadlineMs)
    }
    return earliestMs
  }

  /** @returns whether topics that members read, or own something of, are not those that the group knows. */
  topicsDiffer (members: Iterable<Member>, topicByName: (name: string) => GroupTopic | undefined): boolean {
    for (const { name, topicId, slots } of this.topics.values()) {
      const topic = topicByName(name)
      if (topic?.topicId !== topicId || topic.partitions !== slots.length) return true
    }
    for (const { topics } of members) {
      for (const name of topics) {
        const topic = topicByName(name)
        if (topic !== undefined && !this.topics.has(topic.topicId)) return true
      }
    }
    return false
  }

  /** Makes places for topics, so that a member which joins can say what it owns of them. */
  addTopics (names: readonly string[], topicByName: (name: string) => GroupTopic | undefined): void {
    for (const name of names) {
      const topic = topicByName(name)
      if (topic !== undefined) this.topics.set(topic.topicId, this.slotsOf(topic))
    }
  }

  /**
   * Works out the target assignment for `members`, which stand in their order.
   * @param assignor null while the group waits for members of before a restart: everybody keeps what it has.
   */
  plan (
    members: readonly Member[], topicByName: (name: string) => GroupTopic | undefined, assignor: Assignor | null,
  ): AssignmentPlan {
    const topics = this.topicsFor(members, topicByName)
    const indexByName = new Map(topics.map((topic, index) => [topic.name, index]))
    members.forEach((member, index) => { member.index = index })
    const slots = topics.flatMap(topic => topic.slots)
    const assignment = assignor?.assign({
      members: members.map(member => ({ topics: member.topics.flatMap(name => indexByName.get(name) ?? []) })),
      partitionCounts: topics.map(topic => topic.slots.length),
      previous: previousOf(slots),
    })
    const targets = slots.map((slot, i) => assignment === undefined ? slot.owner : members[assignment[i]!] ?? null)
    const kept = new Set(topics)
    const dropped = [...this.topics.values()].filter(topic => !kept.has(topic))
    const changed = dropped.some(topic => topic.slots.some(slot => slot.target !== null)) ||
      slots.some((slot, i) => slot.target !== targets[i])
    return { topics, members, slots, targets, changed }
  }

  /** Puts a plan into force, made since the last change of members and topics. */
  adopt (plan: AssignmentPlan, generation: number, eager: boolean, nowMs: number): void {
    this.replaceTopics(plan.topics)
    for (const member of plan.members) member.targets = []
    plan.slots.forEach((slot, i) => {
      slot.target = plan.targets[i]!
      slot.target?.targets.push(slot)
    })
    this.barrier = eager && this.ownedCount > 0
    for (const slot of plan.slots) {
      if (slot.owner === null) continue
      if (this.barrier || slot.owner !== slot.target) this.revoke(slot, generation, nowMs)
      else this.unrevoke(slot)
    }
    for (const member of plan.members) member.changed = true
  }

  /** Lets a member that joins have what it works on, where nobody else can have been given it since. */
  claim (member: Member, claim: Claim, currentGeneration: number): void {
    for (const { topicId, partitions } of claim.owned) {
      const topic = this.topics.get(topicId)
      if (topic === undefined || !member.topics.includes(topic.name)) continue
      for (const partition of partitions) {
        const slot = topic.slots[partition]
        if (slot === undefined || slot.owner === member || !isClaimable(slot, member, claim)) continue
        // Behind the barrier nobody begins; who takes the place of an owner has to stop in its stead.
        if (slot.owner !== null) this.takeFrom(slot.owner, slot)
        else if (this.barrier) continue
        this.own(member, slot, currentGeneration)
        slot.claimGeneration = Math.max(slot.claimGeneration, claim.generation)
      }
    }
  }

  /**
   * Takes in what a member says it works on.
   * @param generation the generation that it has acted on, or `JOINING`.
   * @param currentGeneration that of the group.
   * @returns true where it lacks something that it was told to have.
   */
  report (member: Member, listed: readonly OwnedPartitions[], generation: number, currentGeneration: number): boolean {
    const mark = ++this.reports
    const before = member.clinging
    member.clinging = new Set()
    for (const { topicId, partitions } of listed) {
      const slots = this.topics.get(topicId)?.slots
      if (slots === undefined) continue
      for (const partition of partitions) {
        const slot = slots[partition]
        if (slot === undefined) continue
        slot.reportMark = mark
        if (slot.owner === member) continue
        // It works on what it is to have before it was told; nobody else has had it since it did.
        const isFree = slot.target === member && isFreeFor(slot, member) && !this.barrier
        if (isFree) this.grant(member, slot, currentGeneration)
        else member.clinging.add(slot)
      }
    }
    for (const slot of before) {
      if (slot.target === member && slot.reportMark !== mark) member.changed = true
    }
    let lacking = false
    for (const slot of member.owned) {
      if (slot.reportMark === mark) continue
      if (slot.revokedGeneration === 0) lacking = true
      else if (generation >= slot.revokedGeneration) this.release(slot)
    }
    return lacking
  }

  /** What the member may work on now. Telling it so is what grants it. */
  viewOf (member: Member, generation: number): AssignedPartitions[] {
    if (this.barrier) return []
    for (const slot of member.targets) {
      if (slot.owner === null && !member.clinging.has(slot)) this.grant(member, slot, generation)
    }
    return this.describe(member)
  }

  /** What the member may work on, as far as it was told. */
  describe (member: Member): AssignedPartitions[] {
    const assigned: AssignedPartitions[] = []
    let last: TopicSlots | null = null
    for (const slot of member.targets) {
      if (slot.owner !== member || slot.revokedGeneration !== 0) continue
      if (slot.topic === last) {
        assigned.at(-1)!.partitions.push(slot.partition)
      } else {
        last = slot.topic
        assigned.push({ topic: last.name, topicId: last.topicId, partitions: [slot.partition] })
      }
    }
    return assigned
  }

  /** Lifts the barrier of an eager assignor when everything is free. @returns whether it was lifted now. */
  liftBarrier (): boolean {
    if (!this.barrier || this.ownedCount > 0) return false
    this.barrier = false
    return true
  }

  /** Takes away what members had to give up by now. */
  takeOverdue (members: Iterable<Member>, nowMs: number): void {
    if (this.revokedCount === 0) return
    for (const member of members) {
      for (const slot of member.owned) {
        if (slot.revokeDeadlineMs > nowMs) continue
        this.release(slot)
        member.clinging.add(slot)
      }
    }
  }

  /** The process behind the member is another one, which does nothing yet. */
  onTakenOver (member: Member): void {
    member.clinging.clear()
    for (const slot of member.owned) if (slot.revokedGeneration !== 0) this.release(slot)
  }

  removeMember (member: Member): void {
    for (const slot of member.targets) slot.target = null
    member.targets = []
    for (const slot of member.owned) this.release(slot)
    member.clinging.clear()
  }

  /** Why the member may not commit an offset of this partition; null where it may. */
  commitRefusal (
    member: Member, topicId: string, partition: number, generation: number, currentGeneration: number,
  ): Refusal | null {
    const slot = this.topics.get(topicId)?.slots[partition]
    if (slot?.owner === member) {
      if (generation >= slot.grantedGeneration) return null
      return {
        error: ERROR.STALE_GENERATION,
        message: `generation ${generation} is older than ${slot.grantedGeneration}, in which partition ${slot.topic.name}/${partition} was given to this member; commit with the generation of the last heartbeat`,
      }
    }
    const name = slot === undefined ? `${partition} of topic ${topicId.slice(0, 40)}` : `${slot.topic.name}/${partition}`
    if (generation < currentGeneration) {
      return {
        error: ERROR.STALE_GENERATION,
        message: `partition ${name} is not with this member in generation ${currentGeneration}, the commit is of ${generation}; send a heartbeat and commit only what is still assigned`,
      }
    }
    return {
      error: ERROR.PARTITION_NOT_OWNED,
      message: `partition ${name} is not assigned to this member; stop work on it, its owner goes on from the committed offset`,
    }
  }

  /** Topics that members read or still own something of, by name; those that were deleted are not among them. */
  private topicsFor (members: readonly Member[], topicByName: (name: string) => GroupTopic | undefined): TopicSlots[] {
    const names = new Set(members.flatMap(member => member.topics))
    for (const { name, slots } of this.topics.values()) {
      if (slots.some(slot => slot.owner !== null)) names.add(name)
    }
    const topics: TopicSlots[] = []
    for (const name of [...names].sort()) {
      const known = topicByName(name)
      if (known === undefined) continue
      topics.push(this.slotsOf(known))
    }
    return topics
  }

  /** Partitions are only ever added, and slots without target or owner mean nothing to anybody. */
  private slotsOf ({ name, topicId, partitions }: GroupTopic): TopicSlots {
    const topic = this.topics.get(topicId) ?? { name, topicId, slots: [] }
    while (topic.slots.length < partitions) topic.slots.push(new PartitionSlot(topic, topic.slots.length))
    return topic
  }

  private replaceTopics (topics: readonly TopicSlots[]): void {
    const next = new Map(topics.map(topic => [topic.topicId, topic]))
    for (const topic of this.topics.values()) {
      if (next.has(topic.topicId)) continue
      for (const slot of topic.slots) {
        slot.target = null
        if (slot.owner !== null) this.release(slot)
      }
    }
    this.topics = next
  }

  private grant (member: Member, slot: PartitionSlot, generation: number): void {
    this.own(member, slot, generation)
    slot.claimGeneration = DEALT_OUT
  }

  /** Another member has proved to be the owner. */
  private takeFrom (loser: Member, slot: PartitionSlot): void {
    this.release(slot)
    const { target } = slot
    if (target !== null) target.targets.splice(target.targets.indexOf(slot), 1)
    slot.target = null
    loser.clinging.add(slot)
    loser.changed = true
  }

  private own (member: Member, slot: PartitionSlot, generation: number): void {
    assert(slot.owner === null)
    slot.owner = member
    slot.grantedGeneration = generation
    member.owned.add(slot)
    this.ownedCount++
  }

  private revoke (slot: PartitionSlot, generation: number, nowMs: number): void {
    if (slot.revokedGeneration !== 0) return
    slot.revokedGeneration = generation
    slot.revokeDeadlineMs = nowMs + slot.owner!.rebalanceTimeoutMs
    this.revokedCount++
  }

  private unrevoke (slot: PartitionSlot): void {
    if (slot.revokedGeneration === 0) return
    slot.revokedGeneration = 0
    slot.revokeDeadlineMs = Infinity
    this.revokedCount--
  }

  private release (slot: PartitionSlot): void {
    const owner = slot.owner!
    this.unrevoke(slot)
    owner.owned.delete(slot)
    slot.owner = null
    slot.lastOwnerId = owner.memberId
    this.ownedCount--
    this.releases++
    if (slot.target !== null && !this.barrier) slot.target.changed = true
  }
}

/** Has nobody but the member had it, as far as is known? */
function isFreeFor (slot: PartitionSlot, { memberId }: Member): boolean {
  return slot.owner === null && (slot.lastOwnerId === '' || slot.lastOwnerId === memberId)
}

/** Can nobody else have been given a partition after the member that claims it? */
function isClaimable (slot: PartitionSlot, member: Member, claim: Claim): boolean {
  const { owner, target, claimGeneration } = slot
  if (isFreeFor(slot, member)) {
    if (target !== null && target !== member) return false
    return claimGeneration !== UNCLAIMED ||
      claim.generation >= claim.committedGeneration(slot.topic.topicId, slot.partition)
  }
  // Somebody else has claimed it before, or still does.
  if (!claim.isOfBefore || claim.generation <= claimGeneration) return false
  return owner !== null || target === null || target === member
}

/** Who has each partition as things were last decided, so that nothing that is on the move is turned round. */
function previousOf (slots: readonly PartitionSlot[]): Int32Array {
  const previous = new Int32Array(slots.length)
  for (let i = 0; i < slots.length; i++) previous[i] = (slots[i]!.target ?? slots[i]!.owner)?.index ?? -1
  return previous
}
