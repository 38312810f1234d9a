// Looks at the files of one log while no broker has them open: what the command line's `segment` commands do.
//
// Only the files are read, never the meta store. Without its checkpoint nobody can say whether a hole before a sound
// batch was acknowledged, so it counts as damage and is never cut; a recovery, which has the checkpoint, may know that
// it was a torn write.
//
// Repair mends the files, and only what was asked for:
// - a torn tail is cut off the last segment, after its bytes were copied to `<segment>.<offset>.damaged`
// - where damage lies between sound batches, nothing is cut: the damaged bytes are copied aside, and the sound batches
//   around them stay readable in place
// The index and the manifest are made anew from the files by the next start, which repair makes an unclean one.

import type { BatchHeader } from '@sluice/protocol'
import type { WalkPoint } from './batch-walk.js'
import type { Disk, DiskFile } from './disk.js'
import { readFile, syncFile, writeFile } from './file-io.js'
import { logDirectory, logName } from './log-key.js'
import type { LogId, OffsetRange } from './log-types.js'
import { COMPACTING_SUFFIX } from './recovery.js'
import {
  decodeSegmentHeader, headerBelongs, parseSegmentFileName, SEGMENT_HEADER_BYTES, type SegmentHeader,
} from './segment-header.js'
import { type Damage, scanSegment, type SegmentScan } from './segment-scan.js'

const COPY_BYTES = 1024 * 1024

/** A segment file as it lies on the disk. */
export interface SegmentInfo {
  readonly path: string
  readonly baseOffset: number
  readonly sizeBytes: number
  readonly modifiedMs: number
  /** Null where the header block is not sound; then `fault` says why. */
  readonly header: SegmentHeader | null
  readonly fault: string | null
}

/** What a check of one segment found. */
export interface SegmentCheck {
  readonly path: string
  readonly baseOffset: number
  readonly endOffset: number
  readonly batchCount: number
  readonly recordCount: number
  /** Bytes up to the end of the last sound batch. */
  readonly endPosition: number
  /** Offsets that are damaged, and where. */
  readonly damage: readonly Damage[]
  /** Bytes behind the end that are no batch: a torn write. Zeros made ahead do not count. */
  readonly tornBytes: number
  readonly headerFault: string | null
}

export interface LogCheck {
  readonly id: LogId
  readonly segments: readonly SegmentCheck[]
  /** Offsets between segments that no file holds. */
  readonly missing: readonly OffsetRange[]
  /** Files in the log's directory that are no segments of it. */
  readonly strangers: readonly string[]
  readonly sound: boolean
}

export interface RepairResult {
  /** Files that hold copies of the damaged bytes. */
  readonly copies: readonly string[]
  /** Bytes cut off the end of the last segment. */
  readonly cutBytes: number
}

/** The segments of a log, by base offset. `logsDirectory` is `DATA/logs`. */
export async function listSegments (disk: Disk, logsDirectory: string, id: LogId): Promise<SegmentInfo[]> {
  const directory = logDirectory(logsDirectory, id)
  const segments: SegmentInfo[] = []
  for (const name of await disk.list(directory)) {
    const baseOffset = parseSegmentFileName(name)
    if (baseOffset < 0) continue
    const path = `${directory}/${name}`
    const stat = await disk.stat(path)
    if (stat === null) continue
    const header = await withFile(disk, path, async file =>
      decodeSegmentHeader(await readFile(file, 0, SEGMENT_HEADER_BYTES)))
    const fault = typeof header === 'string'
      ? header
      : headerBelongs(header, id, baseOffset) ? null : `belongs to ${logName(header.id)} at ${header.baseOffset}`
    segments.push({
      path,
      baseOffset,
      sizeBytes: stat.size,
      modifiedMs: stat.modifiedMs,
      header: typeof header === 'string' ? null : header,
      fault,
    })
  }
  return segments
}

/**
 * Visits the sound batches of a segment file in order; `false` ends it. The answer tells what is not sound.
 *
 * @throws DiskError; an Error where the file has no sound segment header.
 */
export async function dumpSegment (
  disk: Disk, path: string, visit: (header: BatchHeader, batch: Buffer, position: number) => boolean | void
): Promise<SegmentCheck> {
  return await withFile(disk, path, async (file) => {
    const header = decodeSegmentHeader(await readFile(file, 0, SEGMENT_HEADER_BYTES))
    if (typeof header === 'string') throw new Error(`${path} is no segment of a log: ${header}`)
    return await checkSegment(file, { path, baseOffset: header.baseOffset, header, nextBase: -1 }, visit)
  })
}

/** Reads all of a log and tells what is not as it should be. Changes nothing. */
export async function verifyLog (disk: Disk, logsDirectory: string, id: LogId): Promise<LogCheck> {
  const infos = await listSegments(disk, logsDirectory, id)
  const directory = logDirectory(logsDirectory, id)
  const strangers = infos.filter(info => info.header !== null && info.fault !== null).map(info => info.path)
  for (const name of await disk.list(directory)) {
    if (parseSegmentFileName(name) < 0) strangers.push(`${directory}/${name}`)
  }
  const own = infos.filter(info => !strangers.includes(info.path))
  const segments: SegmentCheck[] = []
  const missing: OffsetRange[] = []
  for (const [index, info] of own.entries()) {
    const nextBase = own[index + 1]?.baseOffset ?? -1
    const subject = { path: info.path, baseOffset: info.baseOffset, header: info.header, nextBase }
    const check = await withFile(disk, info.path, file => checkSegment(file, subject, () => {}))
    // Damage without bytes: what should be there is in no file.
    const damage = check.damage.filter(range => range.toPosition > range.fromPosition)
    for (const range of check.damage) {
      if (range.toPosition <= range.fromPosition) missing.push({ from: range.from, to: range.to })
    }
    segments.push({ ...check, damage, headerFault: info.fault })
    if (nextBase > check.endOffset) missing.push({ from: check.endOffset, to: nextBase })
  }
  const sound = missing.length === 0 && strangers.every(path => path.endsWith(COMPACTING_SUFFIX)) &&
    segments.every(check => check.damage.length === 0 && check.tornBytes === 0 && check.headerFault === null)
  return { id, segments, missing, strangers, sound }
}

/**
 * Copies all damaged bytes of a log aside, then cuts a torn tail off its last segment. The log can be opened
 * afterwards: what is damaged is quarantined, all else is served.
 */
export async function repairLog (disk: Disk, logsDirectory: string, id: LogId): Promise<RepairResult> {
  const { segments } = await verifyLog(disk, logsDirectory, id)
  const directory = logDirectory(logsDirectory, id)
  const copies: string[] = []
  let cutBytes = 0
  for (const [index, check] of segments.entries()) {
    for (const range of check.damage) {
      copies.push(await copyAside(disk, check.path, range.from, range.fromPosition, range.toPosition))
    }
    if (check.tornBytes === 0) continue
    const stat = await disk.stat(check.path)
    copies.push(await copyAside(disk, check.path, check.endOffset, check.endPosition, stat!.size))
    if (index < segments.length - 1) continue
    await disk.syncDirectory(directory) // the copy is there to stay before the bytes go
    await withFile(disk, check.path, async (file) => {
      await file.truncate(check.endPosition)
      await syncFile(file)
    }, false)
    cutBytes += stat!.size - check.endPosition
  }
  if (copies.length > 0) await disk.syncDirectory(directory)
  // The mark of a clean stop no longer tells the truth: the next start reads the files.
  await disk.remove(`${logsDirectory}/clean`)
  await disk.syncDirectory(logsDirectory)
  return { copies, cutBytes }
}

interface Subject {
  readonly path: string
  readonly baseOffset: number
  readonly header: SegmentHeader | null
  /** Where the next segment begins; -1 behind the last. */
  readonly nextBase: number
}

async function checkSegment (
  file: DiskFile, subject: Subject, visit: (header: BatchHeader, batch: Buffer, position: number) => boolean | void
): Promise<SegmentCheck> {
  const { path, baseOffset, header, nextBase } = subject
  const sizeBytes = await file.size()
  const start: WalkPoint = {
    position: SEGMENT_HEADER_BYTES, offset: baseOffset, crc: header?.prevCrc ?? null, epoch: header?.epoch ?? 0,
  }
  const endOffset = header !== null && header.generation > 0 ? header.endOffset : nextBase
  let batchCount = 0
  let recordCount = 0
  let visiting = true
  const scan = await scanSegment(file, start, {
    limitPosition: sizeBytes, durableOffset: 0, endOffset, trustLaterBatches: true,
  },
  (batch, bytes, at, position) => {
    batchCount++
    recordCount += batch.recordCount
    visiting &&= visit(batch, bytes.subarray(at, at + batch.size), position) !== false
  })
  return {
    path,
    baseOffset,
    endOffset: scan.end.offset,
    batchCount,
    recordCount,
    endPosition: scan.end.position,
    damage: scan.damage,
    tornBytes: await countTorn(file, scan, sizeBytes),
    headerFault: null,
  }
}

/** Bytes from the end of the log to the last one that is not zero. */
async function countTorn (file: DiskFile, scan: SegmentScan, sizeBytes: number): Promise<number> {
  let torn = 0
  for (let position = scan.end.position; position < sizeBytes; position += COPY_BYTES) {
    const bytes = await readFile(file, position, Math.min(COPY_BYTES, sizeBytes - position))
    let last = bytes.length - 1
    while (last >= 0 && bytes[last] === 0) last--
    if (last >= 0) torn = position + last + 1 - scan.end.position
  }
  return torn
}

/** Copies the bytes of a file from one position to another into a file beside it that is synced; its name is not. */
async function copyAside (disk: Disk, path: string, offset: number, from: number, to: number): Promise<string> {
  let target = `${path}.${offset}.damaged`
  for (let count = 1; await disk.stat(target) !== null; count++) target = `${path}.${offset}-${count}.damaged`
  await withFile(disk, path, async (source) => {
    const copy = await disk.open(target, { create: 'new' })
    try {
      for (let position = from; position < to;) {
        const bytes = await readFile(source, position, Math.min(COPY_BYTES, to - position))
        if (bytes.length === 0) break
        await writeFile(copy, bytes, position - from)
        position += bytes.length
      }
      await syncFile(copy)
    } finally {
      await copy.close()
    }
  })
  return target
}

async function withFile<Result> (
  disk: Disk, path: string, work: (file: DiskFile) => Promise<Result>, readOnly = true
): Promise<Result> {
  const file = await disk.open(path, { create: 'never', readOnly })
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}
