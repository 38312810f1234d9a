// What goes into a group and what comes out of it.

import type { AssignedPartitions, OwnedPartitions } from '@sluice/protocol'
import type { AssignorName } from './assignor.js'
import type { GroupRecord } from './generation-reserve.js'

/** Why something was not done: an error number of the protocol, and a text for people. */
export interface Refusal {
  readonly error: number
  readonly message: string
}

/** A wish to be a member. All texts come from a client and are not trusted. */
export interface JoinEvent {
  readonly group: string
  /** Id held before; empty for a new member. An id that the group does not know is taken as it is. */
  readonly memberId: string
  readonly instanceId: string | null
  readonly topics: readonly string[]
  /** Empty for that of the group. */
  readonly assignor: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** The generation of the last answer that the member has acted on, which `owned` is of; -1: none. */
  readonly generation: number
  /** What the member still works on. */
  readonly owned: readonly OwnedPartitions[]
  readonly clientName: string
  readonly clientAddress: string
}

export interface HeartbeatEvent {
  readonly group: string
  readonly memberId: string
  /** The generation of the last answer that the member has acted on. */
  readonly generation: number
  /** How long the answer may wait for a change, in milliseconds; 0: not at all. */
  readonly maxWaitMs: number
  readonly owned: readonly OwnedPartitions[]
}

/** What a member is told, at a join as at a heartbeat. */
export interface MemberView {
  readonly memberId: string
  readonly generation: number
  readonly assignor: AssignorName
  readonly heartbeatIntervalMs: number
  readonly assigned: AssignedPartitions[]
}

/**
 * Takes the answer to one join or heartbeat. Exactly one of the two is called, once, maybe before the event that it
 * answers has returned. They must not call back into the group.
 */
export interface MemberReply {
  assigned (view: MemberView): void
  refused (error: number, message: string): void
}

/** A topic as the metadata has it. */
export interface GroupTopic {
  readonly name: string
  readonly topicId: string
  readonly partitions: number
}

/** What groups need from their broker. Every function returns at once and must not call back into a group. */
export interface GroupHost {
  /** The topic of this name that stream groups can read, or undefined. */
  topicByName (name: string): GroupTopic | undefined
  /** A member id that was never used before. */
  newMemberId (): string
  /** Asks for `settle` to be called soon, at best at the end of the running turn; may be asked for more than once. */
  wake (): void
  /** The record that the group had when the broker started, or what was saved since; undefined: none. */
  loadRecord (group: string): GroupRecord | undefined
  /** Generation of the newest commit that a member of the group has made for a partition; -1 where there is none. */
  committedGeneration (group: string, topicId: string, partition: number): number
  /**
   * Stores a record durably, then calls `onRecordSaved` or `onRecordNotSaved` with the same object. Saves and removals
   * of one group take effect in the order of the calls.
   */
  saveRecord (group: string, record: GroupRecord): void
  /** Removes the record of a group that was deleted with its offsets. */
  removeRecord (group: string): void
  /**
   * The group has had no members for a while and leaves memory. Its record may be removed if the group has no
   * committed offsets; otherwise it must stay, for its generation.
   */
  groupRetired (group: string): void
}

export type GroupPhase = 'empty' | 'rebalancing' | 'stable'

export interface MemberDescription {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientName: string
  readonly clientAddress: string
  readonly topics: string[]
  readonly assigned: AssignedPartitions[]
  readonly sessionTimeoutMs: number
  readonly lastHeartbeatAgoMs: number
}

export interface GroupDescription {
  readonly state: GroupPhase
  readonly generation: number
  /** Empty where the group has no members. */
  readonly assignor: AssignorName | ''
  readonly members: MemberDescription[]
}
