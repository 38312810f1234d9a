// Removes the oldest segments: by age, by size, what delete-records has put below the log start, and what its readers
// are done with for good (`releasedOffset`).
//
//   [segment][segment][segment][segment: active]
//    ^ gone   ^ gone            ^ rolled first where even it is too old
//
// - Age is the broker's own clock at the last append to a segment: what a client says about time can neither keep data
//   for ever nor wipe it.
// - Whole segments only, and nothing at or above `limitOffset`, the high watermark.
// - First the meta store says so, durably; then the files go. A crash between leaves files that the next recovery
//   finds below the log start and removes.
// - The last file goes only after the next one is there: a log never forgets how far its offsets have come.

import type { LogCore } from './log-core.js'
import type { RetentionResult } from './log-types.js'
import type { Segment } from './segment.js'

export async function removeOldSegments (
  core: LogCore, limitOffset: number, releasedOffset = 0,
): Promise<RetentionResult> {
  const active = core.active
  const isFilled = active !== null && active.endOffset > active.baseOffset
  if (isFilled && countOld(core, limitOffset, releasedOffset) === core.segments.length) {
    await core.rollNow()
  }
  const count = Math.min(countOld(core, limitOffset, releasedOffset), core.segments.length - 1)
  if (count <= 0) return { segments: 0, bytes: 0, logStartOffset: core.logStartOffset }
  const gone = core.segments.slice(0, count)
  const startOffset = Math.max(core.logStartOffset, gone[count - 1]!.endOffset)
  await core.dropSegments(gone, startOffset)
  let bytes = 0
  for (const segment of gone) {
    bytes += segment.batchBytes
    core.context.files.forget(core.segmentPath(segment))
    await core.context.disk.remove(core.segmentPath(segment))
  }
  await core.context.disk.syncDirectory(core.directory)
  await core.meta.dropIndex(0, gone[count - 1]!.endOffset)
  return { segments: count, bytes, logStartOffset: core.logStartOffset }
}

/** How many of the oldest segments may go; all of them where even the active one is too old. */
function countOld (core: LogCore, limitOffset: number, releasedOffset: number): number {
  const { segments } = core
  let bytesLeft = 0
  for (const segment of segments) bytesLeft += segment.batchBytes
  let count = 0
  while (count < segments.length) {
    const segment = segments[count]!
    const last = count === segments.length - 1
    const isReleased = !last && segment.endOffset <= releasedOffset
    if (segment.endOffset > limitOffset || !(isReleased || isOld(core, segment, bytesLeft, last))) break
    bytesLeft -= segment.batchBytes
    count++
  }
  return count
}

function isOld (core: LogCore, segment: Segment, bytesLeft: number, last: boolean): boolean {
  if (segment.endOffset <= core.logStartOffset) return true
  const { cleanup, retentionMs, retentionBytes } = core.config
  if (!cleanup.delete) return false
  if (retentionMs >= 0 && core.context.clock.wallMs() - segment.lastAppendMs > retentionMs) return true
  return retentionBytes >= 0 && !last && bytesLeft - segment.batchBytes >= retentionBytes
}
