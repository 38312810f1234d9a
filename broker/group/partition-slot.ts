// One partition as a group sees it: who is to have it, who has it, and since when.

import type { Member } from './member.js'

/** A topic that a group reads. */
export interface TopicSlots {
  readonly name: string
  readonly topicId: string
  /** By partition number. */
  readonly slots: PartitionSlot[]
}

/** Claim generation of a partition that nobody has claimed or been given since the group was loaded. */
export const UNCLAIMED = -2
/** Claim generation of a partition that the group has dealt out itself: it knows who has it. */
export const DEALT_OUT = Infinity

export class PartitionSlot {
  readonly topic: TopicSlots
  readonly partition: number
  /** Who is to have it. */
  target: Member | null = null
  /** Who may work on it and commit: from when it is told so until it has let go, or it is taken away. */
  owner: Member | null = null
  /** Generation in which the owner was given it; commits of older ones are not about this ownership. */
  grantedGeneration = 0
  /** Who let go of it last; empty where nobody is known to have had it. */
  lastOwnerId = ''
  /** Generation in which the owner, or the last one, says it had it before a restart; `UNCLAIMED`, `DEALT_OUT`. */
  claimGeneration: number = UNCLAIMED
  /** Generation in which the owner was asked to give it up; 0: it may keep it. */
  revokedGeneration = 0
  /** When it is taken away from an owner that was asked to give it up, in monotonic milliseconds. */
  revokeDeadlineMs = Infinity
  /** Number of the last report that named it. */
  reportMark = 0

  constructor (topic: TopicSlots, partition: number) {
    this.topic = topic
    this.partition = partition
  }
}
