// Which records of a stretch of the log a group still needs: those with an entry, those that wait in busy lanes, and
// those it has not examined. All others are terminal, and may go from the disk once that is durable.

import type { QueueState } from './queue-state.js'
import type { LaneIndex } from './queue-types.js'

/** Offsets in [fromOffset, endOffset), ascending; null where there are more than `max`. */
export function liveOffsetsIn (
  state: QueueState, laneIndex: LaneIndex, fromOffset: number, endOffset: number, max: number,
): Float64Array | null {
  const freshOffset = Math.max(fromOffset, state.nextOffset)
  if (endOffset - freshOffset > max) return null
  const live = new Set<number>()
  for (let offset = freshOffset; offset < endOffset; offset++) live.add(offset)
  state.ledger.visit((_slot, offset) => {
    if (offset >= fromOffset && offset < endOffset && live.size <= max) live.add(offset)
  })
  if (state.delayed.minOffset() < endOffset) {
    for (const offset of state.delayed.offsetsIn(fromOffset, endOffset, max + 1)) live.add(offset)
  }
  const examinedEnd = Math.min(endOffset, state.nextOffset)
  state.lanes.visit(slot => {
    const lane = state.lanes.lanes[slot]!
    const startOffset = Math.max(fromOffset, state.lanes.positions[slot]!)
    if (startOffset >= examinedEnd) return
    let offset = laneIndex.nextOffsetOf(lane, startOffset - 1)
    for (; offset >= 0 && offset < examinedEnd && live.size <= max; offset = laneIndex.nextOffsetOf(lane, offset)) {
      live.add(offset)
    }
  })
  return live.size > max ? null : Float64Array.from(live).sort()
}
