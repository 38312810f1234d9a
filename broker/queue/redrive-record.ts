// What is stored of a redrive: enough to go on after a crash without a record twice, and its audit entry.
//
//   version u8 │ redrive id │ source │ target │ started by │ started │ ranges │ filter │ limit │ rate │ dry run
//     │ state u8 │ message │ ended + 1 │ examined │ matched │ moved │ sequence
//     │ range │ window: from, end │ planned u8 │ chunk: count, then offsets                varints and texts

import { ByteReader, QueueStateFault } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'
import type { Reason } from './queue-types.js'
import {
  REDRIVE_STATE, type RedriveFilter, type RedriveRange, type RedriveSpec, type RedriveState,
} from './redrive-types.js'

export interface RedriveProgress {
  state: RedriveState
  message: string
  endedMs: number
  examined: number
  matched: number
  moved: number
  /** The highest sequence of the chunks that are done. */
  sequence: number
  /** Index of the range at work. */
  range: number
  /** The stretch of the range at work: everything below is dealt with. */
  windowFrom: number
  /** Where it ends, once all of it was looked at. */
  windowEnd: number
  /** All of the window was looked at, and is counted. */
  isPlanned: boolean
  /** Letters that are being moved: from here on they may be in the target. */
  chunk: readonly number[]
}

const VERSION = 1

/** A job that has not begun. */
export function firstProgress ({ ranges }: RedriveSpec): RedriveProgress {
  return {
    state: REDRIVE_STATE.running,
    message: '',
    endedMs: -1,
    examined: 0,
    matched: 0,
    moved: 0,
    sequence: 0,
    range: 0,
    windowFrom: ranges[0]?.fromOffset ?? 0,
    windowEnd: 0,
    isPlanned: false,
    chunk: [],
  }
}

/** The partition of the dead-letter queue at which a job is at work, or will be first; -1 where there is none. */
export function partitionAtWork ({ ranges }: RedriveSpec, { range }: RedriveProgress): number {
  return ranges[Math.min(range, ranges.length - 1)]?.partition ?? -1
}

export function encodeRedrive (spec: RedriveSpec, progress: RedriveProgress): Uint8Array {
  const writer = new ByteWriter()
  writer.byte(VERSION)
  for (const text of [spec.redriveId, spec.sourceTopicId, spec.targetTopicId, spec.startedBy]) writer.text(text)
  writer.count(spec.startedMs)
  writer.count(spec.ranges.length)
  for (const { partition, fromOffset, endOffset } of spec.ranges) {
    for (const value of [partition, fromOffset, endOffset]) writer.count(value)
  }
  writeFilter(writer, spec.filter)
  writer.count(spec.limit)
  writer.count(spec.recordsPerSecond)
  writer.byte(spec.dryRun ? 1 : 0)
  writer.byte(progress.state)
  writer.text(progress.message)
  const { endedMs, examined, matched, moved, sequence, range, windowFrom, windowEnd } = progress
  for (const value of [endedMs + 1, examined, matched, moved, sequence, range, windowFrom, windowEnd]) {
    writer.count(value)
  }
  writer.byte(progress.isPlanned ? 1 : 0)
  writer.count(progress.chunk.length)
  for (const offset of progress.chunk) writer.count(offset)
  return writer.take()
}

/** @throws QueueStateFault where the bytes are no record of a known version. */
export function decodeRedrive (bytes: Uint8Array): { spec: RedriveSpec, progress: RedriveProgress } {
  const reader = new ByteReader(bytes)
  const version = reader.byte()
  if (version !== VERSION) throw new QueueStateFault(`a redrive of version ${version}, which is not known here`)
  const spec: RedriveSpec = {
    redriveId: reader.text(),
    sourceTopicId: reader.text(),
    targetTopicId: reader.text(),
    startedBy: reader.text(),
    startedMs: reader.count(),
    ranges: listOf(reader, (): RedriveRange =>
      ({ partition: reader.count(), fromOffset: reader.count(), endOffset: reader.count() })),
    filter: readFilter(reader),
    limit: reader.count(),
    recordsPerSecond: reader.count(),
    dryRun: reader.byte() === 1,
  }
  const state = reader.byte()
  if (state > REDRIVE_STATE.failed) throw new QueueStateFault(`a redrive in state ${state}, which is not known here`)
  const progress: RedriveProgress = {
    state: state as RedriveState,
    message: reader.text(),
    endedMs: reader.count() - 1,
    examined: reader.count(),
    matched: reader.count(),
    moved: reader.count(),
    sequence: reader.count(),
    range: reader.count(),
    windowFrom: reader.count(),
    windowEnd: reader.count(),
    isPlanned: reader.byte() === 1,
    chunk: listOf(reader, () => reader.count()),
  }
  if (!reader.atEnd) throw new QueueStateFault('a redrive with something behind its end')
  return { spec, progress }
}

function writeFilter (writer: ByteWriter, filter: RedriveFilter): void {
  for (const value of [filter.lane, filter.fromMs, filter.toMs]) writer.count(value + 1)
  writer.count(filter.reasons.length)
  for (const reason of filter.reasons) writer.byte(reason)
  for (const text of [filter.headerName, filter.headerValue]) {
    writer.byte(text === null ? 0 : 1)
    if (text !== null) writer.text(text)
  }
}

function readFilter (reader: ByteReader): RedriveFilter {
  const [lane, fromMs, toMs] = [reader.count() - 1, reader.count() - 1, reader.count() - 1]
  const reasons = listOf(reader, () => reader.byte() as Reason)
  const textOrNull = (): string | null => reader.byte() === 0 ? null : reader.text()
  return { lane, fromMs, toMs, reasons, headerName: textOrNull(), headerValue: textOrNull() }
}

function listOf<T> (reader: ByteReader, read: () => T): T[] {
  const items: T[] = []
  for (let left = reader.count(); left > 0; left--) items.push(read())
  return items
}
