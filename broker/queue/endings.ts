// How records ended that were not acknowledged: what explains a record that is terminal.
//
//   offsets  . . . . │ a d a a c a a p p p p . . .       a acknowledged: told by absence  d dead  c cancelled  p purged
//                  knownFrom
//
// A record at or above `knownFrom` that is terminal and has no ending here was acknowledged. Below, it was not seen to
// end, or its ending is forgotten: nobody can tell.
//
// Soft state of the leader, empty at its beginning; at most ENDINGS_MAX endings and RANGES_MAX ranges.

import { forgetOldest } from './forget-oldest.js'
import type { QueueState } from './queue-state.js'
import { END_CAUSE, END_CAUSES, RECORD_STATE, type EndCause, type Reason } from './queue-types.js'

/** Where a dead letter lies. */
export interface LetterPlace { readonly topicId: string, readonly partition: number, readonly offset: number }

export interface Ending {
  readonly cause: EndCause
  /** Of records that were given up; null for all others. */
  readonly death: EndingDeath | null
}

export interface EndingDeath {
  readonly reason: Reason
  /** The consumer's words. */
  readonly text: string
  readonly failures: number
  readonly deliveries: number
  /** Null where there is no letter. */
  readonly letter: LetterPlace | null
}

interface EndedRange { readonly from: number, readonly end: number, readonly cause: EndCause }

const ENDINGS_MAX = 10_000
const RANGES_MAX = 100
/** Endings without a death of their own are one object per cause, by its number. */
const PLAIN: readonly Ending[] = Array.from({ length: END_CAUSES }, (_, cause) =>
  ({ cause: cause as EndCause, death: null }))

export class Endings {
  private readonly endings = new Map<number, Ending>()
  private ranges: EndedRange[] = []
  /** Terminal records from here on are known, or were acknowledged. */
  private knownFrom = Infinity

  /** A leader begins: of what was examined before, some may have ended unseen. */
  begin ({ nextOffset, aheadEnd }: QueueState): void {
    this.knownFrom = Math.max(nextOffset, aheadEnd)
  }

  /** Records [offset, offset + count) have ended, not by an ack. */
  add (offset: number, count: number, cause: EndCause): void {
    for (let at = offset; at < offset + count; at++) {
      if (!this.endings.has(at)) this.put(at, PLAIN[cause]!)
    }
  }

  /** Before `add`: the record was given up. */
  addDeath (offset: number, cause: EndCause, death: EndingDeath): void {
    this.put(offset, { cause, death })
  }

  /** Before the state follows: everything below `endOffset` that is not terminal ends. */
  addTrim ({ ledger, delayed, lanes, nextOffset }: QueueState, endOffset: number, cause: EndCause): void {
    ledger.visit((slot, offset) => {
      if (offset >= endOffset) return
      if (ledger.states[slot] !== RECORD_STATE.ENDED) this.add(offset, 1, cause)
      // Acknowledged ahead of the group: the range below is not about it.
      else if (offset >= this.knownFrom) this.add(offset, 1, END_CAUSE.acknowledged)
    })
    if (delayed.minOffset() < endOffset) {
      for (const offset of delayed.offsetsIn(0, endOffset, ENDINGS_MAX)) this.add(offset, 1, cause)
    }
    // What waits in lanes without an entry, and delayed records beyond those: examined, and not to be told from acks.
    const isUnclear = lanes.minPosition() < endOffset || delayed.size > ENDINGS_MAX
    if (isUnclear) this.forgetBelow(Math.min(nextOffset, endOffset))
    if (nextOffset < endOffset) this.addRange(nextOffset, endOffset, cause)
  }

  /** As `add`, for records that are next to each other and may be very many: [from, end). */
  addRange (from: number, end: number, cause: EndCause): void {
    const last = this.ranges.at(-1)
    if (last?.cause === cause && last.end === from) {
      this.ranges[this.ranges.length - 1] = { from: last.from, end, cause }
      return
    }
    this.ranges.push({ from, end, cause })
    if (this.ranges.length > RANGES_MAX) this.forgetBelow(this.ranges.shift()!.end)
  }

  /** How a terminal record ended; null where nobody can tell. */
  find (offset: number): Ending | null {
    const ending = this.endings.get(offset)
    if (ending !== undefined) return ending
    if (offset < this.knownFrom) return null
    const range = this.ranges.find(({ from, end }) => offset >= from && offset < end)
    return PLAIN[range?.cause ?? END_CAUSE.acknowledged]!
  }

  /** True where the ending of a record was seen, and is not inferred from absence. */
  has (offset: number): boolean {
    if (this.endings.has(offset)) return true
    return offset >= this.knownFrom && this.ranges.some(({ from, end }) => offset >= from && offset < end)
  }

  private put (offset: number, ending: Ending): void {
    this.endings.set(offset, ending)
    forgetOldest(this.endings, ENDINGS_MAX, oldest => this.forgetBelow(oldest + 1))
  }

  private forgetBelow (offset: number): void { this.knownFrom = Math.max(this.knownFrom, offset) }
}
