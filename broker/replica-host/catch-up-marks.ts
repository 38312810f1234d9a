// Tells whether a learner has caught up: it has what was committed about a second ago. By time and not by records,
// since a second is what it would hold up a partition for as a replica, whether its records are large or small.
//
//   marks of a partition:   before ── at least MARK_MS ──▶ current ──▶ now
//                              └ a learner that is here or further has caught up

/** Where the high watermarks of a partition's logs were at two moments. */
interface Marks { atMs: number, current: readonly number[], before: readonly number[] | null }

const MARK_MS = 1_000
/** Who has not asked for so long begins anew: marks of an earlier move say nothing of what has been committed since. */
const STALE_MS = 5_000

export class CatchUpMarks {
  private readonly marks = new Map<string, Marks>()

  /**
   * To be asked again and again while there are learners.
   *
   * @param name of the partition.
   * @param endOffsets of the leader's logs.
   */
  hasCaughtUp (
    name: string, nowMs: number, matchOffsets: readonly number[], highWatermarks: readonly number[],
    endOffsets: readonly number[],
  ): boolean {
    const marks = this.marks.get(name)
    const ageMs = nowMs - (marks?.atMs ?? -Infinity)
    if (ageMs >= MARK_MS) {
      this.marks.set(name, { atMs: nowMs, current: highWatermarks, before: ageMs < STALE_MS ? marks!.current : null })
    }
    if (endOffsets.every((end, index) => matchOffsets[index]! >= end)) return true
    const before = this.marks.get(name)!.before
    return before !== null && before.every((offset, index) => matchOffsets[index]! >= offset)
  }

  /** The partition has no learners any more, or is led elsewhere. */
  forget (name: string): void { this.marks.delete(name) }
}
