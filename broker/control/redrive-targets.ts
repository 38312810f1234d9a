// Where a redrive takes records to: partitions that this broker leads, or another one.
//
// A target has to be asked what is there before anything is appended (`find`), and what is appended names the leader
// epoch of that answer. So an append of which nobody knows what became of it cannot come after a later look: where the
// leader is the same, the later look has overtaken it; where there is another one, it has another epoch.

import type { StoredLetter } from './redrive-letters.js'

/** A partition that takes records. */
export interface RedrivePlace { readonly topicId: string, readonly partition: number }

/** Records that a place has not had when its chunk was put together lie at `offset` or above. */
export interface RedriveMark extends RedrivePlace { readonly offset: number }

/** Who asks: each broker that takes a job up has a higher term than those before, and numbers what it asks for. */
export interface RedriveRun {
  readonly redriveId: string
  readonly term: number
  /** The number of the next request: to be taken when it is about to be made. */
  nextAsk (): number
}

/** How a place stands. */
export interface RedriveStand {
  /** What is appended next has to name it. */
  readonly leaderEpoch: number
  /** The high watermark when it was asked: what is appended next lies at it or above. */
  readonly endOffset: number
  /** Sequences of the job that lie there, committed. */
  readonly sequences: readonly number[]
}

export interface RedriveTargets {
  /**
   * Where a letter belongs; or, for people, why it can go nowhere, for good.
   *
   * @param targetTopicId empty for where it came from
   */
  placeOf (targetTopicId: string, letter: StoredLetter): Promise<RedrivePlace | { readonly fault: string }>
  /**
   * What of a job lies at `fromOffset` or above, or with -1 only where the end is. Nothing from there on is removed for
   * a while: it may have to be found again. A place that is gone has nothing. Rejects where it cannot be told for now.
   */
  find (run: RedriveRun, place: RedrivePlace, fromOffset: number): Promise<RedriveStand>
  /**
   * Appends a batch, behind those that were given before it for the place. Resolves when it is committed; rejects where
   * it is not, or nobody knows: then `find` tells.
   *
   * @param leaderEpoch as `find` has told it last
   */
  append (run: RedriveRun, place: RedrivePlace, leaderEpoch: number, batch: Buffer): Promise<void>
  /** As far as these places are led here: nothing at or above the marks is removed for a while, or until `letGo`. */
  hold (redriveId: string, marks: readonly RedriveMark[]): void
  letGo (redriveId: string, marks: readonly RedriveMark[]): void
}

/** For maps. */
export function placeName ({ topicId, partition }: RedrivePlace): string { return `${topicId}/${partition}` }
