// Reads a whole segment again at run time, when something in it was not where or what it should be: writes its index
// anew and notes what is damaged, in memory. What is damaged for good is found again, and kept, by the next recovery
// or by `sluice segment verify`.

import { DiskError } from './disk.js'
import type { LogCore } from './log-core.js'
import type { Segment } from './segment.js'
import { SEGMENT_HEADER_BYTES } from './segment-header.js'
import { scanSegment } from './segment-scan.js'
import { SegmentIndexer } from './segment-indexer.js'

export async function rescanSegment (core: LogCore, segment: Segment, reason: string): Promise<void> {
  const { files } = core.context
  // What is being appended meanwhile is not looked at.
  const endOffset = Math.min(segment.endOffset, core.writtenOffset)
  const limitPosition = segment.sealed || core.written.segmentBase !== segment.baseOffset
    ? segment.endPosition
    : core.written.position
  let lease
  try {
    lease = await files.acquireFile(core.segmentPath(segment))
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== 'ENOENT') throw error
    if (core.segments.includes(segment)) {
      core.addDamage({ from: segment.baseOffset, to: segment.endOffset }, 'the file of the segment is missing')
    }
    return
  }
  try {
    const start = {
      position: SEGMENT_HEADER_BYTES, offset: segment.baseOffset, crc: segment.prevCrc, epoch: segment.prevEpoch,
    }
    const options = { limitPosition, durableOffset: endOffset, endOffset }
    const indexer = new SegmentIndexer(core.meta, segment, core.config.indexIntervalBytes)
    const scan = await scanSegment(lease.file, start, options, (header, _bytes, _at, position) => {
      indexer.onBatch(header, position)
    })
    if (!core.segments.includes(segment)) return
    await core.meta.dropIndex(segment.baseOffset, endOffset)
    indexer.write()
    for (const range of scan.damage) core.addDamage(range, reason)
    core.context.report({
      kind: 'indexRebuilt', id: core.id, message: `${lease.path}: ${reason}`, from: segment.baseOffset, to: endOffset,
    })
  } finally {
    files.release(lease)
  }
}
