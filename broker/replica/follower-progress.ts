import type { Member } from './member.js'
import type { ReplicaMessage } from './replica-message.js'

export type Fetch = ReplicaMessage & { kind: 'fetch' }

/** What a leader knows of one member in its epoch. */
export class FollowerProgress {
  readonly member: Member
  /** Counts in the quorum; a learner does not. */
  isVoter: boolean
  /** Of each log: durable, and the same as the leader's. */
  readonly matchOffsets: number[]
  /** Of each log: the high watermark that it was last told. */
  readonly toldOffsets: number[]
  /** When it was last heard of; -Infinity: never. */
  lastSeenMs = -Infinity
  /** The newest of the leader's probes that it has answered. */
  probe = 0
  /** A fetch that waits for something to answer with. */
  fetch: Fetch | null = null
  fetchedMs = 0
  /** The disk is being read for an answer. */
  reading = false

  constructor (member: Member, isVoter: boolean, logCount: number) {
    this.member = member
    this.isVoter = isVoter
    this.matchOffsets = new Array<number>(logCount).fill(0)
    this.toldOffsets = new Array<number>(logCount).fill(-1)
  }

  /** Takes in how far the log at `index` is durable; never less than before. */
  raise (index: number, offset: number): void {
    if (offset > this.matchOffsets[index]!) this.matchOffsets[index] = offset
  }
}
