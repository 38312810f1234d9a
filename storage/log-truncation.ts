// Cuts batches off the end of a log: what a follower does with what its leader does not have.
//
//   1. the meta store's checkpoint, manifest and epochs are taken back, durably   (a crash: found longer, cut again)
//   2. the files of later segments are removed, the last first                    (a crash: as above)
//   3. the segment's file is cut and synced
//
// The checkpoint goes first: a log shorter than its checkpoint would be taken for damaged.

import assert from 'node:assert'
import { nextOffsetOf } from '@sluice/protocol'
import { walkBatches } from './batch-walk.js'
import { syncFile } from './file-io.js'
import type { LogCore } from './log-core.js'
import { restartLog } from './log-restart.js'
import type { LogPoint } from './log-meta.js'
import { findSegmentIndex, type Segment } from './segment.js'
import { SEGMENT_HEADER_BYTES } from './segment-header.js'

/** Cuts the log to the border of batches at or below `offset`. Nothing may be appended meanwhile. */
export async function truncateLog (core: LogCore, offset: number): Promise<void> {
  assert(offset >= core.logStartOffset, `cannot cut at ${offset} below the log start ${core.logStartOffset}`)
  if (offset >= core.nextOffset) return
  core.frozen = true
  try {
    await core.drain()
    if (core.state !== 'online') throw new Error(`cannot cut a log that is ${core.state}: ${core.stateReason}`)
    const index = findSegmentIndex(core.segments, offset)
    // The file that held it is gone, and all before it.
    if (index < 0) return await restartLog(core, core.logStartOffset, 0)
    const segment = core.segments[index]!
    assert(segment.generation === 0, 'cannot cut into what was compacted: it was committed')
    const cut = await findCut(core, segment, offset)
    const gone = core.takeBack(cut, index)
    await core.meta.writeDurable(gone.changes)
    for (const later of gone.segments.reverse()) {
      core.context.files.forget(core.segmentPath(later))
      await core.context.disk.remove(core.segmentPath(later))
      await core.context.disk.syncDirectory(core.directory)
    }
    await cutFile(core, segment)
    await core.meta.dropIndex(cut.offset, Number.MAX_SAFE_INTEGER)
  } finally {
    core.frozen = false
  }
}

async function cutFile (core: LogCore, segment: Segment): Promise<void> {
  const lease = await core.context.files.acquireFile(core.segmentPath(segment))
  try {
    await lease.file.truncate(segment.endPosition)
    await syncFile(lease.file)
  } finally {
    core.context.files.release(lease)
  }
  segment.preparedPosition = segment.endPosition
}

/** The end of the last batch that ends at or below `offset`. */
async function findCut (core: LogCore, segment: Segment, offset: number): Promise<LogPoint> {
  const damage = core.damageFrom(offset - 1)
  const wanted = damage !== null && damage.from < offset ? damage.from : offset
  const cut: LogPoint = {
    offset: segment.baseOffset,
    segmentBase: segment.baseOffset,
    position: SEGMENT_HEADER_BYTES,
    crc: segment.prevCrc,
    epoch: segment.prevEpoch,
  }
  if (wanted <= segment.baseOffset) return cut
  for (let attempt = 0; attempt < 2; attempt++) {
    if (await walkToCut(core, segment, wanted, cut)) return cut
    await core.rescan(segment, 'no way to the offset where the log is to be cut')
  }
  throw new Error(`no sound batch before offset ${wanted} in ${core.segmentPath(segment)}`)
}

async function walkToCut (core: LogCore, segment: Segment, wanted: number, cut: LogPoint): Promise<boolean> {
  const lowest = Math.max(segment.baseOffset, core.damageEndBelow(wanted - 1))
  const entry = core.findIndexEntry(segment, wanted - 1, lowest)
  const start = entry !== null && entry.segmentBase === segment.baseOffset
    ? { position: entry.position, offset: entry.offset, crc: null, epoch: 0 }
    : { position: SEGMENT_HEADER_BYTES, offset: segment.baseOffset, crc: segment.prevCrc, epoch: segment.prevEpoch }
  const lease = await core.context.files.acquireFile(core.segmentPath(segment))
  try {
    const end = await walkBatches(lease.file, start, segment.endPosition, (header, _bytes, _at, position) => {
      cut.offset = header.baseOffset
      cut.position = position
      cut.crc = header.prevCrc
      if (nextOffsetOf(header) > wanted) return false
      cut.offset = nextOffsetOf(header)
      cut.position = position + header.size
      cut.crc = header.crc
      return cut.offset < wanted
    })
    cut.epoch = core.epochs.endOffset(Number.MAX_SAFE_INTEGER, 0).epoch
    for (const each of core.epochs.starts) if (each.startOffset < cut.offset) cut.epoch = each.epoch
    return end.fault === null && cut.position > SEGMENT_HEADER_BYTES
  } finally {
    core.context.files.release(lease)
  }
}
