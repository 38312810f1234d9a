// Empties a log so that it goes on at another offset: what a follower does whose log has nothing that its leader's has.
//
//   1. the meta store takes the log for an empty one at that offset, durably
//   2. the files of all segments are removed, the last first
//   3. the file of the segment that begins there is made
//
// A crash between 1 and 3 leaves files that the meta store does not know. Recovery takes them in, or removes them where
// they lie below the log start, and what it cannot join it quarantines: nothing that is wrong is ever taken for sound.

import type { LogCore } from './log-core.js'
import { createSegmentFile } from './segment-files.js'

/** Empties the log; it begins at `offset`, behind a batch whose `crc` was `prevCrc`. */
export async function restartLog (core: LogCore, offset: number, prevCrc: number): Promise<void> {
  core.frozen = true
  try {
    await core.drain()
    if (core.state !== 'online') throw new Error(`cannot empty a log that is ${core.state}: ${core.stateReason}`)
    const gone = core.startOver(offset, prevCrc)
    await core.meta.writeDurable(gone.changes)
    const { disk, files } = core.context
    for (const segment of gone.segments.reverse()) {
      if (!segment.created) continue
      files.forget(core.segmentPath(segment))
      await disk.remove(core.segmentPath(segment))
      await disk.syncDirectory(core.directory)
    }
    const segment = core.segments[0]!
    await createSegmentFile(core.context, core, segment, core.segmentPath(segment))
    core.meta.write([core.meta.segmentChange(segment)])
    await core.meta.dropIndex(0, Number.MAX_SAFE_INTEGER)
  } finally {
    core.frozen = false
  }
}
