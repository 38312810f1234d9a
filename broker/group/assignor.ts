// Assignors: who of a group should read which partition.
//
// An assignor is a pure function over numbers. The partitions of all topics stand one after the other:
//
//   topic                 0               1        2
//   partitionCounts   [   4           ,   2    ,   3      ]
//   dense index         0   1   2   3   4   5    6   7   8
//   previous            0   0   1  -1   1   1   -1   0   1      index of the member that had it; -1: nobody
//   result              0   0   1   0   1   1    0   0   1      index of the member that gets it; -1: nobody reads it
//
// Members come in the order that decides between equals: the caller keeps it the same from one call to the next, so
// that the same input always gives the same result.
//
// Invariants of every result: a topic with subscribers has each partition assigned to exactly one of them; a topic
// without has none assigned.

import { assignInRanges } from './range-assignor.js'
import { assignInTurn } from './round-robin-assignor.js'
import { assignSticky } from './sticky-assignor.js'

export interface AssignmentMember {
  /** Indexes of the topics that it reads, ascending. */
  readonly topics: readonly number[]
}

export interface AssignmentTask {
  readonly members: readonly AssignmentMember[]
  /** Partitions of each topic. */
  readonly partitionCounts: readonly number[]
  /** Per partition the index of the member that had it, or -1. As long as there are partitions. */
  readonly previous: Int32Array
}

/** Per partition the index of the member that gets it, or -1. */
export type Assign = (task: AssignmentTask) => Int32Array

export interface Assignor {
  readonly assign: Assign
  /**
   * How a new assignment is put into force. The broker deals partitions out itself, so that members need not stop for
   * it; what is left of the difference is what they may go on with meanwhile.
   *
   * - eager: a barrier. Each member gives up all it has, and nobody gets anything before everybody has. No record
   *   is handled under the old assignment once one is handled under the new: for those whose partitions depend
   *   on each other across topics.
   * - not eager: a member gives up what goes to another and keeps working on the rest; each partition moves as soon as
   *   its owner has let go of it.
   */
  readonly eager: boolean
}

/**
 * - `range`: each topic in one run of neighbours per member. Topics with as many partitions and the same readers are
 *   cut at the same places, so that partition n of all of them lies with one member. Sizes are even per topic only.
 * - `round-robin`: all partitions of all topics dealt in turn; even over all topics.
 * - `sticky`: even over all topics, moving as few partitions as that allows; with a barrier.
 * - `cooperative`: the assignment of `sticky`, without the barrier: only moved partitions stop.
 */
export const ASSIGNORS = {
  range: { assign: assignInRanges, eager: true },
  'round-robin': { assign: assignInTurn, eager: true },
  sticky: { assign: assignSticky, eager: true },
  cooperative: { assign: assignSticky, eager: false },
} as const satisfies Record<string, Assignor>

export type AssignorName = keyof typeof ASSIGNORS

/** Used where neither the group nor its first member asks for another. */
export const DEFAULT_ASSIGNOR: AssignorName = 'cooperative'

export const ASSIGNOR_NAMES = Object.keys(ASSIGNORS) as readonly AssignorName[]

export function isAssignorName (name: string): name is AssignorName {
  return Object.hasOwn(ASSIGNORS, name)
}
