// Picks by offset: what is ready again first, though at most half of a batch while there are fresh records, so that
// neither retries nor new records starve; then fresh records.

import type { GrantBatch } from './grant-batch.js'
import type { Picker } from './picker.js'
import type { PickerParts } from './picker-parts.js'
import { DELAY_CLOCK, NO_LANE, REASON, RECORD_STATE } from './queue-types.js'
import { NO_SLOT } from './record-ledger.js'

export class PlainPicker implements Picker {
  private readonly parts: PickerParts

  constructor (parts: PickerParts) {
    this.parts = parts
  }

  get hasWork (): boolean { return !this.parts.ready.isEmpty || this.parts.scan.hasMore }

  fill (batch: GrantBatch): void {
    const { scan } = this.parts
    scan.begin()
    fillReady(this.parts, batch, scan.hasRow() ? Math.max(1, batch.room >> 1) : batch.room)
    while (batch.room > 0 && scan.hasRow()) {
      if (!takeFreshRun(this.parts, batch) && !takeFresh(this.parts, batch)) break
    }
    fillReady(this.parts, batch, batch.room)
    scan.commit()
  }

  onReady (offset: number): void { this.parts.ready.push(offset) }

  afterLeaseEnd (offset: number): void {
    const slot = this.parts.state.ledger.find(offset)
    if (slot !== NO_SLOT && this.parts.lifecycle.isReady(slot)) this.parts.ready.push(offset)
  }

  afterEnd (): void {}

  afterDeath (): void {}

  mayEnd (): boolean { return true }

  mayGiveUp (): boolean { return true }

  holdsAtDeath (): boolean { return false }

  isAhead (offset: number): boolean { return offset >= this.parts.scan.position }

  mayEndLate (): boolean { return true }

  trimLanes (): void {}

  rebuild (): void {
    const { ledger } = this.parts.state
    this.parts.scan.reset()
    for (const offset of ledger.sortedOffsets()) this.afterLeaseEnd(offset)
  }

  catchUp (): boolean { return false }

  onFactsLoaded (): void {}

  onRateDue (): void {}

  resumeLane (): boolean { return false }
}

/** Hands out up to `max` records that are ready again, of those picked by offset. */
export function fillReady (parts: PickerParts, batch: GrantBatch, max: number): void {
  const { ready, state, feed } = parts
  const end = batch.count + max
  while (batch.count < end && batch.room > 0) {
    const slot = ready.first()
    if (slot === NO_SLOT) return
    const offset = state.ledger.offsets[slot]!
    const bytes = feed.sizeOf(offset)
    if (!batch.fits(bytes)) return
    ready.drop()
    if (!dropDeadEnd(parts, slot)) batch.lease(offset, bytes)
  }
}

/** Ends a READY record that must not be handed out any more; false where it may. */
export function dropDeadEnd ({ lifecycle, state }: PickerParts, slot: number): boolean {
  const offset = state.ledger.offsets[slot]!
  if (lifecycle.isExpired(slot)) lifecycle.expire(offset, state.ledger.lanes[slot]!)
  else if (lifecycle.isExhausted(slot)) lifecycle.giveUp(offset, REASON.exhausted, '')
  else return false
  return true
}

/** Leases the fresh records from the scan on that have nothing special about them; false where there is none. */
function takeFreshRun ({ scan, state }: PickerParts, batch: GrantBatch): boolean {
  const { facts, row } = scan
  const offset = facts.offsets[row]!
  if (offset < state.aheadEnd) return false
  const max = scan.runMax
  let count = 0
  let bytes = 0
  while (count < max && facts.offsets[row + count] === offset + count && facts.expiresMs[row + count] === 0 &&
    facts.notBeforeMs[row + count] === 0 && batch.fitsRun(count + 1, bytes + facts.sizes[row + count]!)) {
    bytes += facts.sizes[row + count]!
    count++
  }
  if (count === 0) return false
  batch.leaseFresh(offset, count, bytes)
  scan.consumeRun(count)
  return true
}

/** Deals with the fresh record at the scan, which has no lane; false where it does not fit. */
export function takeFresh (parts: PickerParts, batch: GrantBatch): boolean {
  const { scan, state, journal, lifecycle } = parts
  const { facts, row } = scan
  const offset = facts.offsets[row]!
  const expiresMs = facts.expiresMs[row]!
  const notBeforeMs = facts.notBeforeMs[row]!
  const slot = offset < state.aheadEnd ? state.find(offset) : NO_SLOT
  if (slot !== NO_SLOT) {
    if (state.ledger.states[slot] === RECORD_STATE.ENDED) journal.forget(offset)
  } else if (expiresMs !== 0 && !lifecycle.isLater(expiresMs)) lifecycle.expire(offset, NO_LANE)
  else if (lifecycle.isLater(notBeforeMs)) {
    if (expiresMs !== 0) journal.place(offset, NO_LANE, expiresMs)
    journal.defer(offset, DELAY_CLOCK.wall, notBeforeMs)
  } else {
    if (!batch.fits(facts.sizes[row]!)) return false
    if (expiresMs !== 0) journal.place(offset, NO_LANE, expiresMs)
    batch.lease(offset, facts.sizes[row]!)
  }
  scan.consume()
  return true
}
