// Where a record without an entry stands: fresh, still to come in its lane, or terminal. The facts of the record tell
// its lane; where they are not at hand, nobody can tell.

import type { FreshScan } from './fresh-scan.js'
import type { Journal } from './journal.js'
import type { QueueState } from './queue-state.js'
import { ORDER, type Order, type RecordFeed } from './queue-types.js'
import { FactsPage } from './record-facts.js'
import { NO_SLOT } from './record-ledger.js'
import { KEYLESS_LANE } from './weighted-picker.js'

/** `fresh`: not handed out yet, and to come. `unknown`: no such record, or not to be told for now. */
export type RecordPlace = 'fresh' | 'terminal' | 'unknown'

export class RecordPlaces {
  private readonly state: QueueState
  private readonly journal: Journal
  private readonly scan: FreshScan
  private readonly feed: RecordFeed
  private readonly order: Order
  private readonly facts = new FactsPage(1)

  constructor (parts: { state: QueueState, journal: Journal, scan: FreshScan, feed: RecordFeed, order: Order }) {
    this.state = parts.state
    this.journal = parts.journal
    this.scan = parts.scan
    this.feed = parts.feed
    this.order = parts.order
  }

  /** Gives a record that is still to come an entry, with its facts. */
  list (offset: number): number {
    this.facts.clear(offset)
    const isHere = this.feed.read(offset, offset + 1, this.facts) && this.facts.count > 0
    this.journal.place(offset, isHere ? this.laneAt(this.facts) : -1, isHere ? this.facts.expiresMs[0]! : 0)
    return this.state.ledger.find(offset)
  }

  /** Where a record without an entry stands. */
  placeOf (offset: number): RecordPlace {
    const { state } = this
    if (!(offset >= 0 && offset < this.scan.highWatermark)) return 'unknown'
    if (offset < state.floor) return 'terminal'
    this.facts.clear(offset)
    if (offset < state.nextOffset && this.order === ORDER.none) return 'terminal'
    if (!this.feed.read(offset, offset + 1, this.facts)) return 'unknown'
    if (offset >= state.nextOffset && (this.facts.isDamaged || this.facts.count > 0)) return 'fresh'
    if (this.facts.count === 0) return 'terminal'
    const lane = this.laneAt(this.facts)
    const slot = lane < 0 ? NO_SLOT : state.lanes.find(lane)
    return slot !== NO_SLOT && offset >= state.lanes.positions[slot]! ? 'fresh' : 'terminal'
  }

  /** True where a record without an entry cannot be read: nobody knows its lane. */
  isDamaged (offset: number): boolean {
    this.facts.clear(offset)
    return this.feed.read(offset, offset + 1, this.facts) && this.facts.isDamaged
  }

  /** True where nobody can tell whether a record without an entry is terminal or waits in its lane: it is damaged. */
  isHidden (offset: number): boolean {
    const { floor, nextOffset } = this.state
    return this.order !== ORDER.none && offset >= floor && offset < nextOffset && this.isDamaged(offset)
  }

  /** The lane of a record, -1 for none or where that cannot be told. */
  laneOf (offset: number): number {
    this.facts.clear(offset)
    return this.feed.read(offset, offset + 1, this.facts) && this.facts.count > 0 ? this.laneAt(this.facts) : -1
  }

  /** Wall-clock time before which a record is not to be handed out; 0 for none, or where that cannot be told. */
  notBeforeMs (offset: number): number {
    this.facts.clear(offset)
    return this.feed.read(offset, offset + 1, this.facts) && this.facts.count > 0 ? this.facts.notBeforeMs[0]! : 0
  }

  /** The lane, under this queue's order, of the record in row 0. */
  private laneAt (facts: FactsPage): number {
    switch (this.order) {
      case ORDER.none: return -1
      case ORDER.key: return facts.lanes[0]!
      case ORDER.fair: return facts.lanes[0]! < 0 ? KEYLESS_LANE : facts.lanes[0]!
      case ORDER.priority: return facts.priorities[0]!
    }
  }
}
