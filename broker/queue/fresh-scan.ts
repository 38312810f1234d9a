// Walks over the records that the group has never examined, a page of facts at a time.
//
//   next ............ position ............ page end ............ high watermark
//    └ in the state     └ in this call: `commit` writes it down, once per call
//
// A call looks at a bounded number of records, so that a long stretch of records that cannot be handed out (a hot key)
// never holds up the broker.
//
// Records that are damaged on disk end there, counted: nobody knows their keys, dates or number, only their offsets.
// One that has an entry already (rescheduled, say) is known, and goes the way of all others.

import type { Journal } from './journal.js'
import type { QueueState } from './queue-state.js'
import { END_CAUSE, QUEUE_LIMITS, type RecordFeed } from './queue-types.js'
import { FactsPage } from './record-facts.js'
import { NO_SLOT } from './record-ledger.js'

const PAGE_RECORDS = 256
/** Until the first record is looked at: there may be very many idle queues. */
const NO_PAGE = new FactsPage(0)

export class FreshScan {
  facts = NO_PAGE
  /** Row of the record to look at, after `hasRow`. */
  row = 0
  /** Offset after the last committed record: nothing from there on is looked at. */
  highWatermark = 0
  private readonly state: QueueState
  private readonly journal: Journal
  private readonly feed: RecordFeed
  private current = 0
  private left = 0
  private loading = false

  constructor (state: QueueState, journal: Journal, feed: RecordFeed) {
    this.state = state
    this.journal = journal
    this.feed = feed
  }

  /** Everything below has been looked at. */
  get position (): number { return Math.max(this.current, this.state.nextOffset) }

  /** True where there may be records to look at and they are at hand. */
  get hasMore (): boolean {
    return !this.loading && this.position < this.highWatermark && !this.state.delayed.isFull
  }

  /** Begins a call. */
  begin (): void {
    this.left = QUEUE_LIMITS.recordsPerScan
    if (this.current < this.state.nextOffset) this.reset()
  }

  /** Stands on a record to look at, at `row`; false where there is none for now. */
  hasRow (): boolean {
    while (this.row >= this.facts.count) {
      if (this.facts.endOffset > this.current) this.current = this.facts.endOffset
      if (this.loading || this.current >= this.highWatermark || this.left <= 0) return false
      if (this.facts === NO_PAGE) this.facts = new FactsPage(PAGE_RECORDS)
      const { facts } = this
      facts.clear(this.current)
      this.row = 0
      if (!this.feed.read(this.current, this.highWatermark, facts)) {
        this.loading = true
        return false
      }
      if (facts.isDamaged) this.passDamage()
    }
    // The next record may have to be put off as well: disks take their time, and what waits for them is bounded.
    return this.left > 0 && !this.state.delayed.isFull
  }

  /** The record at `row` is dealt with. */
  consume (): void {
    this.current = this.facts.offsets[this.row]! + 1
    this.row++
    this.left--
  }

  /** The next `count` rows are dealt with. */
  consumeRun (count: number): void {
    this.row += count
    this.current = this.facts.offsets[this.row - 1]! + 1
    this.left -= count
  }

  /** How many records a run from here may have at most: those of the page that the call may still look at. */
  get runMax (): number { return Math.min(this.left, this.facts.count - this.row) }

  /** Writes down how far the call came. */
  commit (): void {
    if (this.row >= this.facts.count && this.facts.endOffset > this.current) this.current = this.facts.endOffset
    if (this.current > this.state.nextOffset) this.journal.next(this.current)
  }

  /** What was not at hand may be now. */
  onFactsLoaded (): void { this.loading = false }

  /** Ends what is damaged from here on, up to the next record with an entry, which gets a row. */
  private passDamage (): void {
    const { facts, state, current } = this
    const slot = current < state.aheadEnd ? state.find(current) : NO_SLOT
    if (slot !== NO_SLOT) {
      const { ledger } = state
      const lane = ledger.lanes[slot]!
      const row = facts.add(current, this.feed.sizeOf(current))
      facts.lanes[row] = lane
      facts.priorities[row] = Math.max(0, lane)
      facts.expiresMs[row] = ledger.expires[slot]!
      return
    }
    const end = Math.min(facts.endOffset, current + this.left, this.firstEntry(facts.endOffset))
    facts.endOffset = end
    this.left -= end - current
    this.journal.end(current, end - current, END_CAUSE.damaged)
  }

  /** The first record below `endOffset` that has an entry, or Infinity. */
  private firstEntry (endOffset: number): number {
    const { state, current } = this
    if (current >= state.aheadEnd) return Infinity
    let first = state.delayed.offsetsIn(current, endOffset, 1)[0] ?? Infinity
    state.ledger.visit((_slot, offset) => {
      if (offset >= current && offset < first) first = offset
    })
    return first
  }

  /** The state has moved on by other means. */
  reset (): void {
    this.current = this.state.nextOffset
    this.row = 0
    if (this.facts !== NO_PAGE) this.facts.clear(this.current)
  }
}
