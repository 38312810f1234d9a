// What the meta store holds about logs, and how it is laid out. All of it can be rebuilt from the segment files.
//
//   table          key behind the log's own     value (big-endian, ending with a CRC-32C of key and value)
//   log            -                            version, logStartOffset, checkpoint, facts of the active segment
//   log-segment    baseOffset i64               the manifest: where a segment ends, how it joins the next
//   log-epoch      epoch u32                    first offset of a leader epoch
//   log-damage     from i64                     to: offsets that are quarantined
//   log-index      baseOffset i64               segment, generation, position, largest timestamp before it
//   log-store      -                            one entry: the mark of a clean stop
//
// - A value that fails its CRC is as good as missing.
// - Index entries may be lost, older, ahead of the log or wrong: whoever uses one checks the batch it leads to.
// - The checkpoint is written after the sync it tells of, so the log is never behind it but for damage.

import { crc32c, readInt64, writeInt64 } from '@sluice/protocol'
import { logKey, logName, parseLogKey } from './log-key.js'
import type { EpochStart, LogId, OffsetRange } from './log-types.js'
import type { MetaEntry, MetaStore, MetaWrite } from './meta-store.js'
import { Segment } from './segment.js'

export const META_TABLE = {
  log: 'log',
  segment: 'log-segment',
  epoch: 'log-epoch',
  damage: 'log-damage',
  index: 'log-index',
  store: 'log-store',
} as const

/** The tables that logs use: to be made when the meta store is opened. */
export const LOG_META_TABLES: readonly string[] = Object.values(META_TABLE)

const STATE_VERSION = 1
const STATE_BYTES = 65
const SEGMENT_BYTES = 65
const INDEX_BYTES = 28
const PAGE_ENTRIES = 4096

/** A place between two batches. */
export interface LogPoint {
  offset: number
  segmentBase: number
  position: number
  /** `crc` and leader epoch of the batch before it. */
  crc: number
  epoch: number
}

/** What the table `log` says. */
export interface StoredState {
  logStartOffset: number
  /** Everything below is durable. */
  checkpoint: LogPoint
  /** Of the segment that the checkpoint is in. */
  lastAppendMs: number
  maxTimestamp: number
  indexedPosition: number
}

/** All that is known of a log without opening a file. */
export interface StoredLog {
  readonly id: LogId
  state: StoredState | null
  segments: Segment[]
  epochs: EpochStart[]
  damaged: OffsetRange[]
  /** An entry failed its CRC: what is said here may be too little. */
  suspect: boolean
}

/** Nothing is known of a log. */
export function unknownLog (id: LogId): StoredLog {
  return { id, state: null, segments: [], epochs: [], damaged: [], suspect: false }
}

/** An entry of the sparse index. */
export interface IndexEntry {
  offset: number
  segmentBase: number
  generation: number
  position: number
  /** Largest timestamp of the segment's batches before this one. */
  maxTimestampBefore: number
}

/** Reads all logs of a store in one pass per table. */
export function loadStoredLogs (meta: MetaStore): Map<string, StoredLog> {
  const logs = new Map<string, StoredLog>()
  const visit = (table: string, bytes: number, take: (log: StoredLog, suffix: Buffer, value: Buffer) => void): void => {
    forEachEntry(meta, table, ({ key, value }) => {
      const parsed = parseLogKey(key)
      if (parsed === null) return
      const name = logName(parsed.id)
      let log = logs.get(name)
      if (log === undefined) logs.set(name, log = unknownLog(parsed.id))
      if (!valueSound(key, value, bytes)) log.suspect = true
      else take(log, key.subarray(parsed.length), value)
    })
  }
  visit(META_TABLE.log, STATE_BYTES, (log, _suffix, value) => { log.state = decodeState(value) })
  visit(META_TABLE.segment, SEGMENT_BYTES, (log, suffix, value) => {
    if (suffix.length === 8) log.segments.push(decodeSegment(readInt64(suffix, 0), value))
  })
  visit(META_TABLE.epoch, 8, (log, suffix, value) => {
    if (suffix.length === 4) log.epochs.push({ epoch: suffix.readUInt32BE(0), startOffset: readInt64(value, 0) })
  })
  visit(META_TABLE.damage, 8, (log, suffix, value) => {
    if (suffix.length === 8) log.damaged.push({ from: readInt64(suffix, 0), to: readInt64(value, 0) })
  })
  return logs
}

function forEachEntry (meta: MetaStore, table: string, visit: (entry: MetaEntry) => void): void {
  let from: Buffer | undefined
  for (;;) {
    const page = meta.range(table, from === undefined ? { limit: PAGE_ENTRIES } : { from, limit: PAGE_ENTRIES })
    for (const entry of page) visit(entry)
    if (page.length < PAGE_ENTRIES) return
    from = Buffer.concat([page[page.length - 1]!.key, Buffer.from([0])])
  }
}

/** The part of the meta store that belongs to one log. */
export class LogMeta {
  private readonly meta: MetaStore
  private readonly key: Buffer
  private readonly onError: (error: Error) => void

  constructor (meta: MetaStore, id: LogId, onError: (error: Error) => void) {
    this.meta = meta
    this.key = logKey(id)
    this.onError = onError
  }

  /** Writes without waiting: a failure is told, and costs a scan at the next start. */
  write (changes: readonly MetaWrite[]): void {
    this.meta.write(changes, { done: error => { if (error !== null) this.onError(error) } })
  }

  /** Writes atomically; resolves when it is durable. */
  writeDurable (changes: readonly MetaWrite[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.meta.write(changes, { durable: true, done: error => error === null ? resolve() : reject(error) })
    })
  }

  stateChange (state: StoredState): MetaWrite {
    return { table: META_TABLE.log, key: this.key, value: sealValue(this.key, encodeState(state)) }
  }

  segmentChange (segment: Segment): MetaWrite {
    const key = this.keyOf(segment.baseOffset)
    return { table: META_TABLE.segment, key, value: sealValue(key, encodeSegment(segment)) }
  }

  segmentRemoval (baseOffset: number): MetaWrite {
    return { table: META_TABLE.segment, key: this.keyOf(baseOffset), value: null }
  }

  epochChange (start: EpochStart): MetaWrite {
    const key = this.epochKey(start.epoch)
    const value = Buffer.alloc(12)
    writeInt64(value, start.startOffset, 0)
    return { table: META_TABLE.epoch, key, value: sealValue(key, value) }
  }

  epochRemoval (epoch: number): MetaWrite {
    return { table: META_TABLE.epoch, key: this.epochKey(epoch), value: null }
  }

  damageChange (range: OffsetRange): MetaWrite {
    const key = this.keyOf(range.from)
    const value = Buffer.alloc(12)
    writeInt64(value, range.to, 0)
    return { table: META_TABLE.damage, key, value: sealValue(key, value) }
  }

  damageRemoval (from: number): MetaWrite {
    return { table: META_TABLE.damage, key: this.keyOf(from), value: null }
  }

  indexChange (entry: IndexEntry): MetaWrite {
    const key = this.keyOf(entry.offset)
    return { table: META_TABLE.index, key, value: sealValue(key, encodeIndexEntry(entry)) }
  }

  /** The last sound entry at or below `offset` and at or above `lowest`; null where there is none. */
  findIndexEntry (offset: number, lowest: number): IndexEntry | null {
    const range = { from: this.keyOf(lowest), to: this.keyOf(offset + 1), reverse: true, limit: 1 }
    return this.entryOf(this.meta.range(META_TABLE.index, range)[0])
  }

  /** The first entry at or above `offset` and below `limit`; null where there is none. */
  nextIndexEntry (offset: number, limit: number): IndexEntry | null {
    const range = { from: this.keyOf(offset), to: this.keyOf(limit), limit: 1 }
    return this.entryOf(this.meta.range(META_TABLE.index, range)[0])
  }

  /** Forgets the index from offset `from` up to `to`. */
  async dropIndex (from: number, to: number): Promise<void> {
    await this.meta.deleteRange(META_TABLE.index, { from: this.keyOf(from), to: this.keyOf(to) })
  }

  /** Forgets the log. */
  async dropAll (): Promise<void> {
    const to = Buffer.from(this.key)
    to[to.length - 1]!++
    const range = { from: this.key, to }
    await this.meta.deleteRange(META_TABLE.index, range)
    // The rest is little, and goes in one commit, which many deletions share.
    const changes: MetaWrite[] = []
    for (const table of [META_TABLE.damage, META_TABLE.epoch, META_TABLE.segment, META_TABLE.log]) {
      for (const { key } of this.meta.range(table, range)) changes.push({ table, key, value: null })
    }
    if (changes.length === 0) return
    await new Promise<void>((resolve, reject) => {
      this.meta.write(changes, { durable: true, done: error => error === null ? resolve() : reject(error) })
    })
  }

  private entryOf (found: MetaEntry | undefined): IndexEntry | null {
    if (found === undefined || !valueSound(found.key, found.value, INDEX_BYTES)) return null
    return decodeIndexEntry(readInt64(found.key, this.key.length), found.value)
  }

  private keyOf (offset: number): Buffer {
    const key = Buffer.allocUnsafe(this.key.length + 8)
    key.set(this.key)
    writeInt64(key, offset, this.key.length)
    return key
  }

  private epochKey (epoch: number): Buffer {
    const key = Buffer.allocUnsafe(this.key.length + 4)
    key.set(this.key)
    key.writeUInt32BE(epoch, this.key.length)
    return key
  }
}

/** Puts the CRC of key and value into the last four bytes of the value. */
export function sealValue (key: Buffer, value: Buffer): Buffer {
  const end = value.length - 4
  value.writeUInt32BE(crc32c(value.subarray(0, end), crc32c(key)), end)
  return value
}

export function valueSound (key: Buffer, value: Buffer, bytes: number): boolean {
  return value.length === bytes + 4 && crc32c(value.subarray(0, bytes), crc32c(key)) === value.readUInt32BE(bytes)
}

function encodeState (state: StoredState): Buffer {
  const value = Buffer.alloc(STATE_BYTES + 4)
  const { checkpoint } = state
  value[0] = STATE_VERSION
  writeInt64(value, state.logStartOffset, 1)
  writeInt64(value, checkpoint.offset, 9)
  writeInt64(value, checkpoint.segmentBase, 17)
  writeInt64(value, checkpoint.position, 25)
  value.writeUInt32BE(checkpoint.crc, 33)
  value.writeUInt32BE(checkpoint.epoch, 37)
  writeInt64(value, state.lastAppendMs, 41)
  writeInt64(value, state.maxTimestamp, 49)
  writeInt64(value, state.indexedPosition, 57)
  return value
}

function decodeState (value: Buffer): StoredState | null {
  if (value[0] !== STATE_VERSION) return null
  return {
    logStartOffset: readInt64(value, 1),
    checkpoint: {
      offset: readInt64(value, 9),
      segmentBase: readInt64(value, 17),
      position: readInt64(value, 25),
      crc: value.readUInt32BE(33),
      epoch: value.readUInt32BE(37),
    },
    lastAppendMs: readInt64(value, 41),
    maxTimestamp: readInt64(value, 49),
    indexedPosition: readInt64(value, 57),
  }
}

function encodeSegment (segment: Segment): Buffer {
  const value = Buffer.alloc(SEGMENT_BYTES + 4)
  writeInt64(value, segment.endOffset, 0)
  writeInt64(value, segment.endPosition, 8)
  value.writeUInt32BE(segment.prevCrc, 16)
  value.writeUInt32BE(segment.prevEpoch, 20)
  value.writeUInt32BE(segment.endCrc, 24)
  value.writeUInt32BE(segment.generation, 28)
  writeInt64(value, segment.maxTimestamp, 32)
  writeInt64(value, segment.lastAppendMs, 40)
  writeInt64(value, segment.indexedPosition, 48)
  writeInt64(value, segment.cleanedMs, 57)
  value[56] = (segment.sealed ? 1 : 0) | (segment.created ? 2 : 0)
  return value
}

function decodeSegment (baseOffset: number, value: Buffer): Segment {
  const segment = new Segment(
    baseOffset, value.readUInt32BE(16), value.readUInt32BE(20), value.readUInt32BE(28), readInt64(value, 40))
  segment.endOffset = readInt64(value, 0)
  segment.endPosition = readInt64(value, 8)
  segment.endCrc = value.readUInt32BE(24)
  segment.maxTimestamp = readInt64(value, 32)
  segment.indexedPosition = readInt64(value, 48)
  segment.cleanedMs = readInt64(value, 57)
  segment.sealed = (value[56]! & 1) !== 0
  segment.created = (value[56]! & 2) !== 0
  return segment
}

function encodeIndexEntry (entry: IndexEntry): Buffer {
  const value = Buffer.alloc(INDEX_BYTES + 4)
  writeInt64(value, entry.segmentBase, 0)
  value.writeUInt32BE(entry.generation, 8)
  writeInt64(value, entry.position, 12)
  writeInt64(value, entry.maxTimestampBefore, 20)
  return value
}

function decodeIndexEntry (offset: number, value: Buffer): IndexEntry {
  return {
    offset,
    segmentBase: readInt64(value, 0),
    generation: value.readUInt32BE(8),
    position: readInt64(value, 12),
    maxTimestampBefore: readInt64(value, 20),
  }
}
