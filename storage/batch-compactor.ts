// Takes out of batches what a compaction removes. Offsets never change and no offset is left without a batch:
//
//    [0..4: a b a c b][5..7: a a a][8..9: a b]         records by key
//    [0..4:       c  ][5..7: ―    ][8..9: a b]         the newest of each; the middle one empty, 84 bytes
//
// - Batches that keep all their records stay as they are, byte for byte. Of the others the records kept are copied as
//   they are, and the batch keeps its offsets, its producer and its first timestamp.
// - A batch that keeps none becomes an empty one. Empty ones side by side become one, unless they are the last of a
//   producer, whose sequence must stay known.
// - Extras stay whole, as long as their batch has a record: their rows are by offset, not by record.
// - Kept whole: control batches, encrypted ones, and those that cannot be decoded.

import {
  BATCH_FLAG, BATCH_HEADER_BYTES, type BatchHeader, CODEC, CODEC_NAMES, CodecError, compressSync, CorruptBatchError,
  NO_PRODUCER_ID, NO_SEQUENCE, nextOffsetOf, RecordReader, writeBatchHeader,
} from '@sluice/protocol'

export interface CompactionRules {
  /** Whether the record that the reader stands on stays. */
  readonly isKept: (records: RecordReader) => boolean
  /** The offset of the last batch of each producer. */
  readonly lastBatches: ReadonlyMap<number, number>
}

/** What becomes of a batch: null where it stays as it is. */
export interface CompactedBatch {
  readonly bytes: Buffer
  readonly recordsRemoved: number
  /** Holds nothing that must stay but its offsets. */
  readonly mergeable: boolean
}

const WHOLE_FLAGS = BATCH_FLAG.control | BATCH_FLAG.encrypted

/** True where a compaction looks into a batch at all. */
export function canCompact (header: BatchHeader): boolean {
  return header.recordCount > 0 && (header.flags & WHOLE_FLAGS) === 0
}

/** Visits the keys of a batch; does nothing where it cannot be decoded. */
export function visitKeys (batch: Buffer, visit: (key: string, offset: number) => void): void {
  try {
    const records = new RecordReader().open(batch)
    while (records.next()) {
      if (records.keyStart >= 0) visit(keyOf(records), records.offset)
    }
  } catch (error) {
    if (!isUndecodable(error)) throw error
  }
}

export function compactBatch (batch: Buffer, header: BatchHeader, rules: CompactionRules): CompactedBatch | null {
  const isLast = isLastOfProducer(header, rules.lastBatches)
  if (header.recordCount === 0) {
    if (isLast || header.producerId === NO_PRODUCER_ID) return null
    return { bytes: emptyBatch(header, false), recordsRemoved: 0, mergeable: true }
  }
  if (!canCompact(header)) return null
  try {
    const kept = keptRecords(batch, header, rules)
    if (kept.count === header.recordCount) return null
    const recordsRemoved = header.recordCount - kept.count
    if (kept.count > 0) return { bytes: rebuilt(batch, header, kept), recordsRemoved, mergeable: false }
    return { bytes: emptyBatch(header, isLast), recordsRemoved, mergeable: !isLast }
  } catch (error) {
    if (!isUndecodable(error)) throw error
    return null
  }
}

/** True where no later batch of the producer is known: its sequence must stay known. */
export function isLastOfProducer (header: BatchHeader, lastBatches: ReadonlyMap<number, number>): boolean {
  return header.producerId !== NO_PRODUCER_ID && (lastBatches.get(header.producerId) ?? -1) <= header.baseOffset
}

interface KeptRecords { readonly pieces: Buffer[], count: number, maxTimestamp: number }

function keptRecords (batch: Buffer, header: BatchHeader, rules: CompactionRules): KeptRecords {
  const kept: KeptRecords = { pieces: [], count: 0, maxTimestamp: header.firstTimestamp }
  const records = new RecordReader().open(batch)
  let start = header.codec === CODEC.none ? BATCH_HEADER_BYTES + header.extrasSize : 0
  let keptFrom = -1
  while (records.next()) {
    if (rules.isKept(records)) {
      if (keptFrom < 0) keptFrom = start
      kept.count++
      if (records.timestamp > kept.maxTimestamp) kept.maxTimestamp = records.timestamp
    } else if (keptFrom >= 0) {
      kept.pieces.push(records.bytes.subarray(keptFrom, start))
      keptFrom = -1
    }
    start = records.recordEnd
  }
  if (keptFrom >= 0) kept.pieces.push(records.bytes.subarray(keptFrom, start))
  return kept
}

/** The key of the record that the reader stands on, which has one: a string with a character per byte. */
export function keyOf (records: RecordReader): string {
  return records.bytes.toString('latin1', records.keyStart, records.keyEnd)
}

function rebuilt (source: Buffer, header: BatchHeader, kept: KeptRecords): Buffer {
  const plain = Buffer.concat(kept.pieces)
  const records = header.codec === CODEC.none ? plain : compressSync(CODEC_NAMES[header.codec]!, plain)
  const extras = source.subarray(BATCH_HEADER_BYTES, BATCH_HEADER_BYTES + header.extrasSize)
  const batch = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), extras, records])
  writeBatchHeader(batch, { ...header, recordCount: kept.count, maxTimestamp: kept.maxTimestamp })
  return batch
}

/** A batch of no records in the place of one; `producer` says whether it still names its producer and sequence. */
export function emptyBatch (header: BatchHeader, producer: boolean): Buffer {
  const batch = Buffer.alloc(BATCH_HEADER_BYTES)
  writeBatchHeader(batch, {
    codec: CODEC.none,
    flags: 0,
    recordCount: 0,
    lastOffsetDelta: header.lastOffsetDelta,
    firstTimestamp: header.firstTimestamp,
    maxTimestamp: header.firstTimestamp,
    producerId: producer ? header.producerId : NO_PRODUCER_ID,
    producerEpoch: producer ? header.producerEpoch : 0,
    baseSequence: producer ? header.baseSequence : NO_SEQUENCE,
    extrasSize: 0,
  })
  return batch
}

/** True where two empty batches can become one: no more offsets than a batch can count. */
export function canMerge (first: BatchHeader, second: BatchHeader): boolean {
  return first.leaderEpoch === second.leaderEpoch && nextOffsetOf(second) - first.baseOffset <= 0x7fffffff
}

function isUndecodable (error: unknown): boolean {
  return error instanceof CodecError || error instanceof CorruptBatchError
}
