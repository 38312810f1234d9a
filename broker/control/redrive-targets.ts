// Where a redrive takes records to. This broker leads all partitions itself; where others lead some, another
// implementation sends them there.

import type { StoredLetter } from './redrive-letters.js'

/** A partition that takes records. */
export interface RedrivePlace { readonly topicId: string, readonly partition: number }

/** Records that a place has not had when its chunk was put together lie at `offset` or above. */
export interface RedriveMark extends RedrivePlace { readonly offset: number }

export interface RedriveTargets {
  /**
   * Where a letter belongs; or, for people, why it can go nowhere, for good.
   *
   * @param targetTopicId empty for where it came from
   */
  placeOf (targetTopicId: string, letter: StoredLetter): RedrivePlace | { readonly fault: string }
  /** The end of what is durable there. Rejects where that cannot be told for now. */
  mark (place: RedrivePlace): Promise<RedriveMark>
  /**
   * The sequences of a job that lie at or above the marks; resolves when they are committed. Rejects where that cannot
   * be told for now. A place that is gone has none.
   */
  sequencesAbove (redriveId: string, marks: readonly RedriveMark[]): Promise<Set<number>>
  /** Nothing at or above the marks is to be removed until `letGo`: `sequencesAbove` must find it. */
  hold (redriveId: string, marks: readonly RedriveMark[]): void
  letGo (redriveId: string, marks: readonly RedriveMark[]): void
  /**
   * Appends a batch, behind those that were given before it for the place. Resolves when it is committed; rejects where
   * it is not, or nobody knows.
   */
  append (place: RedrivePlace, batch: Buffer): Promise<void>
}
