// What clients of streams did and were told: the steps of their journals (see `../queue/journal.ts` for what a journal
// is). Records are told of in runs, so that a line stands for a batch.
//
// Each producer numbers the records that it sends into a partition, from 0: a *lane*. What is at an offset is told by
// producer and sequence.

/** `count` records of a lane, [sequence, sequence + count). */
export type LaneRun = readonly [partition: number, sequence: number, count: number]

/** They are at [offset, offset + count). */
export type SentRun = readonly [partition: number, offset: number, sequence: number, count: number]

/** What was read at [offset, offset + count) of a partition. */
export type ReadRun = readonly [offset: number, producer: number, sequence: number, count: number]

export type StreamStep =
  | { readonly step: 'sending', readonly topic: string, readonly producer: number, readonly lanes: readonly LaneRun[] }
  | { readonly step: 'sent', readonly topic: string, readonly producer: number, readonly runs: readonly SentRun[] }
  /** `maybe`: they may be stored, now or later. `isExpected`: nobody promised more, since the deadline was so short. */
  | {
    readonly step: 'notSent'
    readonly topic: string
    readonly producer: number
    readonly lanes: readonly LaneRun[]
    readonly maybe: boolean
    readonly isExpected: boolean
    readonly error: string
  }
  /**
   * A reader begins with a partition, as a member of a group (null: of none), at its committed offset or wherever it
   * likes. What it reads from now on has no gaps.
   */
  | { readonly step: 'began', readonly reader: string, readonly topic: string, readonly partition: number, readonly group: string | null }
  /** It has read these, in this order. */
  | { readonly step: 'polled', readonly reader: string, readonly topic: string, readonly partition: number, readonly runs: readonly ReadRun[] }
  /** A commit was answered. */
  | { readonly step: 'committed', readonly group: string, readonly topic: string, readonly partition: number, readonly offset: number }
  /** What a broker said, asked at that time: a committed offset, the end of a partition. */
  | {
    readonly step: 'committedSeen'
    readonly askedUs: number
    readonly group: string
    readonly topic: string
    readonly partition: number
    readonly offset: number
  }
  | { readonly step: 'endSeen', readonly askedUs: number, readonly topic: string, readonly partition: number, readonly end: number }
  /** No broker runs any more: nothing is written before they are started once more. */
  | { readonly step: 'stopped' }
  /** Seen by a client itself, and must not happen: other bytes than were sent, an error to the application. */
  | { readonly step: 'wrong', readonly text: string }
