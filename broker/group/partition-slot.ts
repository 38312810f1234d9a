// One partition as a group sees it: who is to have it, who has it, and since when.

import type { Member } from './member.js'

/** A topic that a group reads. */
export interface TopicSlots {
  readonly name: string
  readonly topicId: string
  /** By partition number. */
  readonly slots: PartitionSlot[]
}

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
