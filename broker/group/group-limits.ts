// Bounds of stream groups. What a client can make grow has its bound here.

export interface GroupLimits {
  /** Groups in memory: those with members, and those that had some lately. */
  readonly groupsMax: number
  readonly membersPerGroupMax: number
  readonly topicsPerMemberMax: number
  readonly memberIdLengthMax: number
  readonly instanceIdLengthMax: number
  readonly sessionTimeoutMsMin: number
  readonly sessionTimeoutMsMax: number
  readonly rebalanceTimeoutMsMin: number
  readonly rebalanceTimeoutMsMax: number
  /** Members send heartbeats three times per session timeout, but at least this often, in milliseconds. */
  readonly heartbeatIntervalMsMax: number
  /** A group without members is kept in memory for so long, in milliseconds. */
  readonly emptyGroupRetentionMs: number
  /** Generations set aside in the group's record at once. */
  readonly generationBlock: number
  /** After a failed write of a group's record the next try waits so long, in milliseconds. */
  readonly recordRetryMs: number
  /** Ids of static members taken over that a group remembers in order to fence them. */
  readonly fencedIdsMax: number
}

export const GROUP_LIMITS: GroupLimits = {
  groupsMax: 10_000,
  membersPerGroupMax: 1_000,
  topicsPerMemberMax: 1_000,
  memberIdLengthMax: 128,
  instanceIdLengthMax: 249,
  sessionTimeoutMsMin: 1_000,
  sessionTimeoutMsMax: 30 * 60_000,
  rebalanceTimeoutMsMin: 1_000,
  rebalanceTimeoutMsMax: 30 * 60_000,
  heartbeatIntervalMsMax: 5_000,
  emptyGroupRetentionMs: 10 * 60_000,
  generationBlock: 1_000,
  recordRetryMs: 1_000,
  fencedIdsMax: 1_000,
}
