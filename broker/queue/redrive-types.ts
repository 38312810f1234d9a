// The words of a redrive, and the seam through which it meets the dead-letter queue, the target and the disk.

import type { Reason } from './queue-types.js'

/** How a job stands. Part of the encoding. */
export const REDRIVE_STATE = { running: 0, done: 1, cancelled: 2, failed: 3 } as const
export type RedriveState = typeof REDRIVE_STATE[keyof typeof REDRIVE_STATE]

/** What lets a dead letter through; all that is given must hold. */
export interface RedriveFilter {
  /** The lane of its key; -1 for any. */
  readonly lane: number
  /** Empty for any. */
  readonly reasons: readonly Reason[]
  /** Died at this time or later, and before that: wall-clock milliseconds; -1 for any. */
  readonly fromMs: number
  readonly toMs: number
  /** Null for any. */
  readonly headerName: string | null
  /** Null for any value of the header. */
  readonly headerValue: string | null
}

/** The offsets of a partition of the dead-letter queue that lay there at the start. */
export interface RedriveRange {
  readonly partition: number
  readonly fromOffset: number
  readonly endOffset: number
}

export interface RedriveSpec {
  /** Names the job for good; part of what makes its appends idempotent. */
  readonly redriveId: string
  readonly sourceTopicId: string
  /** Empty for where each record came from. */
  readonly targetTopicId: string
  readonly ranges: readonly RedriveRange[]
  readonly filter: RedriveFilter
  /** Most records to move; 0 for no bound. */
  readonly limit: number
  /** 0 for no bound. */
  readonly recordsPerSecond: number
  /** Only count. */
  readonly dryRun: boolean
  /** For the audit: who, and when by the wall clock. */
  readonly startedBy: string
  readonly startedMs: number
}

/** How far a job is, for its audit entry and whoever asks. */
export interface RedriveStatus {
  readonly state: RedriveState
  /** Why it failed, or ''. */
  readonly message: string
  /** Wall-clock milliseconds; -1 while it runs. */
  readonly endedMs: number
  /** Dead letters looked at; those that somebody has leased are not. */
  readonly examined: number
  readonly matched: number
  /** Records stored in the target. */
  readonly moved: number
}

/** A dead letter that is in its queue: neither terminal nor leased; it may be delayed. */
export interface RedriveLetter {
  readonly offset: number
  readonly lane: number
  readonly reason: Reason
  readonly diedMs: number
  /** Its offset in the partition in which it died. */
  readonly originOffset: number
  /** The first header of that name as text, or null. */
  readonly headerOf: (name: string) => string | null
}

/** One letter on its way. The same sequence always stands for the same letter, also after a restart. */
export interface RedriveMove {
  /** 1, 2, 3 … through the whole job, in the order in which the records are to stand in the target. */
  readonly sequence: number
  readonly offset: number
}

/**
 * What a job makes happen. One thing at a time; each returns at once and is answered by the method of `RedriveJob` that
 * is named, never before the call has returned, or by `onFailed`: then it is asked for again. After a restart anything
 * may be asked for again that was done before: all of it must be idempotent.
 */
export interface RedriveHost {
  /** Read letters from `fromOffset` on, some or all of those below `endOffset`, in offset order. `onLetters`. */
  read (partition: number, fromOffset: number, endOffset: number): void
  /**
   * Keep these letters from consumers for a while (`QueueGroup.reschedule`), durably. `onClaimed` names those for which
   * that was possible: one that was leased or settled meanwhile is left alone.
   */
  claim (partition: number, offsets: readonly number[]): void
  /** Store the job's record, durably, in the place of the one before. `onSaved`. */
  save (record: Uint8Array): void
  /**
   * Append the letters' records to the target in this order, durably. Those of a sequence that the target has had from
   * this job are passed over. `onAppended`, with how many letters are neither there nor in the dead-letter queue any
   * more, and which cannot be moved because their target is gone for good.
   */
  append (partition: number, moves: readonly RedriveMove[]): void
  /** Make the letters terminal, durably (`QueueGroup.cancel`); those that are stay so. `onSettled`. */
  settle (partition: number, offsets: readonly number[]): void
}

/** True where the filter lets a letter through. */
export function isMatch (filter: RedriveFilter, letter: RedriveLetter): boolean {
  const { lane, reasons, fromMs, toMs, headerName, headerValue } = filter
  if (lane >= 0 && letter.lane !== lane) return false
  if (reasons.length > 0 && !reasons.includes(letter.reason)) return false
  if (fromMs >= 0 && letter.diedMs < fromMs) return false
  if (toMs >= 0 && letter.diedMs >= toMs) return false
  if (headerName === null) return true
  const value = letter.headerOf(headerName)
  return value !== null && (headerValue === null || value === headerValue)
}
