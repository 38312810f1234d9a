// Making, sealing and setting aside the files of segments.

import { type DiskFile, DiskError } from './disk.js'
import { syncFile, writeFile } from './file-io.js'
import type { LogId } from './log-types.js'
import type { Segment } from './segment.js'
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from './segment-header.js'
import type { StoreContext } from './store-context.js'

/**
 * Makes the file of a segment with its header, and its name, durable. Tried again after a failure it begins anew. A
 * file that is in its place and not of this process is set aside, never written over.
 */
export async function createSegmentFile (
  context: StoreContext, log: { id: LogId, directory: string }, segment: Segment, path: string
): Promise<void> {
  const { disk, files } = context
  await makeLogDirectory(context, log.directory)
  const file = await openNew(context, log.id, segment, path)
  try {
    await file.truncate(0)
    await writeFile(file, encodeSegmentHeader({
      id: log.id,
      baseOffset: segment.baseOffset,
      epoch: segment.prevEpoch,
      prevCrc: segment.prevCrc,
      createdMs: context.clock.wallMs(),
      generation: 0,
      endOffset: -1,
      endCrc: 0,
      cleanedMs: -1,
    }), 0)
    await syncFile(file)
    await disk.syncDirectory(log.directory)
  } catch (error) {
    await file.close().catch(() => {})
    throw error
  }
  files.release(files.adopt(path, file))
  segment.created = true
  segment.preparedPosition = SEGMENT_HEADER_BYTES
}

/** Makes the directory of a log and its name, and those above it, durable. */
async function makeLogDirectory (context: StoreContext, directory: string): Promise<void> {
  const { disk, logsDirectory } = context
  // A file in it was made after all these names were durable; a directory alone proves nothing.
  if ((await disk.list(directory)).length > 0) return
  await disk.makeDirectory(directory)
  for (let parent = directory; parent.length > logsDirectory.length;) {
    parent = parent.slice(0, parent.lastIndexOf('/'))
    await disk.syncDirectory(parent)
  }
}

async function openNew (context: StoreContext, id: LogId, segment: Segment, path: string): Promise<DiskFile> {
  if (!segment.creationBegun) {
    if (await context.disk.stat(path) !== null) await setAside(context, id, path, 'stands where a new segment begins')
    segment.creationBegun = true
  }
  return await context.disk.open(path, { create: 'ifMissing' })
}

/** Cuts a segment's file to its end and makes it durable: nothing is appended to it any more. */
export async function sealSegmentFile (context: StoreContext, path: string, segment: Segment): Promise<void> {
  const lease = await context.files.acquireFile(path)
  try {
    if (segment.preparedPosition > segment.endPosition) await lease.file.truncate(segment.endPosition)
    await syncFile(lease.file)
  } finally {
    context.files.release(lease)
  }
  segment.preparedPosition = segment.endPosition
  segment.sealed = true
}

/** Renames a file that does not belong, to a name that no one takes for a segment's; the answer is the new path. */
export async function setAside (context: StoreContext, id: LogId, path: string, reason: string): Promise<string> {
  let target = `${path}.set-aside`
  for (let count = 1; await context.disk.stat(target) !== null; count++) target = `${path}.set-aside-${count}`
  context.files.forget(path)
  await context.disk.rename(path, target)
  await context.disk.syncDirectory(path.slice(0, path.lastIndexOf('/')))
  context.report({ kind: 'setAside', id, message: `${path} ${reason}: renamed to ${target}`, file: target })
  return target
}

/** A failed disk operation as such; anything else is a bug and thrown on. */
export function diskErrorOf (error: unknown): DiskError {
  if (error instanceof DiskError) return error
  throw error
}
