// After a restart the lane index may lack its newest part. Until it has been fed from the log again nobody can tell
// what comes next in a lane, so the group hands out nothing and settles nothing.
//
// Where the log is damaged, the state still knows some records and their lanes: those with an entry, and the next one
// of each ordered key. The others waited behind them and are lost with the log.

import { LANE_FLAG } from './lane-table.js'
import type { PickerParts } from './picker-parts.js'
import type { QueueState } from './queue-state.js'
import { ORDER, QUEUE_LIMITS } from './queue-types.js'
import { FactsPage } from './record-facts.js'
import { NO_SLOT } from './record-ledger.js'

/** True while there is more to do: call again in the next turn, or when facts have been loaded. */
export function catchUpLanes (parts: PickerParts, laneOf: (facts: FactsPage, row: number) => number): boolean {
  const { laneIndex, state, feed } = parts
  const facts = new FactsPage(256)
  const startOffset = Math.max(laneIndex.indexedEnd, state.floor)
  let offset = startOffset
  while (offset < state.nextOffset && offset - startOffset < QUEUE_LIMITS.recordsPerScan) {
    facts.clear(offset)
    if (!feed.read(offset, state.nextOffset, facts)) return true
    if (facts.isDamaged) addKnown(parts, offset, facts.endOffset)
    for (let row = 0; row < facts.count; row++) {
      const lane = laneOf(facts, row)
      if (lane >= 0) laneIndex.add(lane, facts.offsets[row]!)
    }
    offset = facts.endOffset
    laneIndex.advanceTo(offset)
  }
  return offset < state.nextOffset
}

/**
 * Feeds the index with what the state knows of [fromOffset, endOffset). Only ordered keys need it: elsewhere a record
 * with an entry finds its way by itself.
 */
function addKnown ({ laneIndex, state, config }: PickerParts, fromOffset: number, endOffset: number): void {
  if (config.order !== ORDER.key) return
  const lanes = new Map<number, number>()
  for (const slot of state.lanes.sortedSlots()) {
    const position = state.lanes.positions[slot]!
    const isRecord = (state.lanes.flags[slot]! & LANE_FLAG.quarantined) === 0
    if (isRecord && position >= fromOffset && position < endOffset) lanes.set(position, state.lanes.lanes[slot]!)
  }
  for (const offset of entriesIn(state, fromOffset, endOffset)) {
    const slot = state.find(offset)
    if (slot !== NO_SLOT && state.ledger.lanes[slot]! >= 0) lanes.set(offset, state.ledger.lanes[slot]!)
  }
  for (const offset of [...lanes.keys()].sort((a, b) => a - b)) laneIndex.add(lanes.get(offset)!, offset)
}

function entriesIn ({ ledger, delayed }: QueueState, fromOffset: number, endOffset: number): number[] {
  const offsets = delayed.offsetsIn(fromOffset, endOffset, QUEUE_LIMITS.recordsPerTick)
  ledger.visit((_slot, offset) => {
    if (offset >= fromOffset && offset < endOffset) offsets.push(offset)
  })
  return offsets
}
