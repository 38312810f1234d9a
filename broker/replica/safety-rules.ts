// Every decision that safety hangs on, each in one place, with what it holds up. The replica asks; it never decides
// these for itself. The simulator plants mutants by overriding one of them, and has to notice.
//
// A production broker uses SAFETY_RULES. Nothing here reads a clock: leases and timeouts only ever decide when to try.

import { majorityOf, type Member, sameMember } from './member.js'
import type { PartitionRecord } from './partition-record.js'
import { compareLogEnds, type LogEnd } from './replica-message.js'

/** How far one log has come. */
export interface LogProgress {
  /** Safe by the flush policy of the log: synced, unless the topic asks for less. */
  readonly acknowledgedOffset: number
  readonly nextOffset: number
}

/** What a follower's log should look like for an answer of its leader to be about it. */
export interface LogTail { readonly offset: number, readonly lastEpoch: number }

export class SafetyRules {
  /** A follower acknowledges what a crash cannot take from it. (I11) */
  acknowledgedByFollower (log: LogProgress): number { return log.acknowledgedOffset }

  /** The leader counts itself like any other: its own write is no more than a write. (I11) */
  acknowledgedByLeader (log: LogProgress): number { return log.acknowledgedOffset }

  /** What is durable counts only where the leader has confirmed that the log up to there is its own. (I2, I11) */
  countedOffset (durableOffset: number, isConfirmed: boolean): number { return isConfirmed ? durableOffset : 0 }

  /**
   * A majority for something of an older epoch proves nothing: another log may be ahead by its epoch. Once something of
   * the leader's own epoch has a majority, all before it is committed with it. (I2)
   *
   * @param epochStartOffset where the leader's own epoch begins.
   */
  mayCommit (offset: number, epochStartOffset: number): boolean { return offset > epochStartOffset }

  /** A process leads the epochs that were given to it, not those of the process before it. (I1) */
  leads (record: PartitionRecord, self: Member, incarnation: string): boolean {
    return this.isMember(record.leader, self) && record.leaderIncarnation === incarnation
  }

  /** A wiped disk is another member. (I9, I11) */
  isMember (a: Member, b: Member): boolean { return sameMember(a, b) }

  /** An answer to a candidate is worth something because after it nobody of an older epoch gets one. (I4, I9) */
  answerFences (): boolean { return true }

  /** Whom a candidate has to ask: each set that may have committed something. (I4, I10) */
  setsToRead (record: PartitionRecord): readonly (readonly Member[])[] { return record.prev }

  /** How many of a set must have answered: any majority meets any other. (I4, I10) */
  readQuorum (count: number): number { return majorityOf(count) }

  /** Who may have lost what it acknowledged proves nothing by not having it. (I4) */
  countsAsAnswer (isTrusted: boolean): boolean { return isTrusted }

  /** Which of two logs is the better one to lead with. Above zero: `a`. (I4) */
  compare (a: LogEnd, b: LogEnd): number { return compareLogEnds(a, b) }

  /** Which log to lead with: the index of the best one. (I4) */
  best (ends: readonly LogEnd[], _ownIndex: number): number {
    let best = 0
    for (let index = 1; index < ends.length; index++) if (this.compare(ends[index]!, ends[best]!) > 0) best = index
    return best
  }

  /** A follower cuts nothing by itself: what has to go only the leader's epochs say. (I6) */
  cutBeforeFirstFetch (log: { readonly nextOffset: number, readonly highWatermark: number }): number {
    return log.nextOffset
  }

  /** An answer about the end of a log is worth nothing once that end has moved. (I2, I6) */
  isAbout (answer: LogTail, log: LogTail): boolean {
    return answer.offset === log.offset && answer.lastEpoch === log.lastEpoch
  }

  /** What was begun in one role has no say in the next: a callback of the disk may come much later. (I2, I6) */
  isStale (role: { readonly ended: boolean }): boolean { return role.ended }
}

export const SAFETY_RULES = new SafetyRules()
