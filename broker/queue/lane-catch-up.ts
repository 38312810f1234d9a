// After a restart the lane index may lack its newest part. Until it has been fed from the log again nobody can tell
// what comes next in a lane, so the group hands out nothing and settles nothing.

import type { PickerParts } from './picker-parts.js'
import { QUEUE_LIMITS } from './queue-types.js'
import { FactsPage } from './record-facts.js'

/** True while there is more to do: call again in the next turn, or when facts have been loaded. */
export function catchUpLanes (parts: PickerParts, laneOf: (facts: FactsPage, row: number) => number): boolean {
  const { laneIndex, state, feed } = parts
  const facts = new FactsPage(256)
  const startOffset = Math.max(laneIndex.indexedEnd, state.floor)
  let offset = startOffset
  while (offset < state.nextOffset && offset - startOffset < QUEUE_LIMITS.recordsPerScan) {
    facts.clear(offset)
    if (!feed.read(offset, state.nextOffset, facts)) return true
    for (let row = 0; row < facts.count; row++) {
      const lane = laneOf(facts, row)
      if (lane >= 0) laneIndex.add(lane, facts.offsets[row]!)
    }
    offset = facts.endOffset
    laneIndex.advanceTo(offset)
  }
  return offset < state.nextOffset
}
