// Where a partition's queue groups send their dead letters: a queue of this broker, or of another.

import type { LetterPlace } from '../queue/endings.js'
import type { DeadLetter } from '../queue/queue-types.js'
import type { QueuePartition } from './queue-surroundings.js'

export interface DeadLetterRequest {
  readonly source: QueuePartition
  readonly group: string
  /** Name of the queue that takes it. */
  readonly target: string
  readonly letter: DeadLetter
  /** The death is from before this leadership: its letter may have been asked for then. */
  readonly isOld: boolean
}

export interface DeadLetterSink {
  /**
   * Appends the letter of a record, once however often it is asked for. `done` runs once, later: with the place
   * of the letter, which is committed; with null where it is not or nobody knows, and what it waits for, for people:
   * ask again.
   */
  append (request: DeadLetterRequest, done: (place: LetterPlace | null, waitsFor: string) => void): void
  /** The source knows durably that the letter is there, and asks for it no more. */
  forget (source: QueuePartition, group: string, offset: number): void
}
