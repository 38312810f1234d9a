// A dead letter as it is stored: the record that died as it was, and in a header a note of how it died.

import {
  CodecError, CorruptBatchError, DEAD_LETTER_HEADER, RecordBatchBuilder, RecordExtrasBuilder, RecordReader,
  encodeDeadLetterNote, laneOf, type RecordHeader,
} from '@sluice/protocol'
import { LogReadFailure } from '@sluice/storage'
import type { DeathName } from '../queue-host/dead-letter-index.js'
import type { DeadLetterRequest } from '../queue-host/dead-letter-sink.js'
import type { QueuePartition } from '../queue-host/queue-surroundings.js'
import { reasonName } from '../queue-host/reason-names.js'

/** A record as it was, for its letter. */
interface DeadRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
  /** -1 where it is not known. */
  readonly timestampMs: number
  readonly isDamaged: boolean
}

/** Reads the record that died and makes its letter. Rejects where trying again may help. */
export async function deadLetterBatch (request: DeadLetterRequest): Promise<Buffer> {
  return batchOf(request, await readRecord(request.source, request.letter.offset))
}

export function deathNameOf ({ source, group, letter }: DeadLetterRequest): DeathName {
  return { topicId: source.topicId, partition: source.index, group, offset: letter.offset }
}

/**
 * The record that died; without content where it cannot be read, now or ever: the letter says at least that it was
 * there. Rejects where trying again may help.
 */
async function readRecord ({ log, highWatermark, label }: QueuePartition, offset: number): Promise<DeadRecord> {
  try {
    const { buffers, sizeBytes } = await log.readSlice(offset, 1, highWatermark)
    if (sizeBytes === 0) throw new Error(`the record at offset ${offset} of ${label} is not committed`)
    return recordIn(Buffer.concat(buffers), offset) ?? DAMAGED_RECORD
  } catch (error) {
    const isDamaged = error instanceof LogReadFailure && error.reason.kind === 'corrupt'
    // A batch that was stored as a faulty producer wrote it.
    if (isDamaged || error instanceof CorruptBatchError || error instanceof CodecError) return DAMAGED_RECORD
    throw error
  }
}

function recordIn (batch: Buffer, offset: number): DeadRecord | null {
  const reader = new RecordReader().open(batch)
  while (reader.next()) {
    if (reader.offset !== offset) continue
    const { key, value, timestamp: timestampMs } = reader
    return { key, value, headers: reader.headers(), timestampMs, isDamaged: false }
  }
  return null
}

const DAMAGED_RECORD: DeadRecord = { key: null, value: null, headers: [], timestampMs: -1, isDamaged: true }

function batchOf (request: DeadLetterRequest, { key, value, headers, timestampMs, isDamaged }: DeadRecord): Buffer {
  const { source, letter } = request
  const note = encodeDeadLetterNote({
    topic: source.topicName,
    ...deathNameOf(request),
    timestamp: timestampMs,
    diedAt: letter.diedMs,
    reason: reasonName(letter.reason),
    text: letter.text,
    failures: letter.failures,
    deliveries: letter.deliveries,
    attempts: letter.attempts.map(({ sessionId, startedMs, endedMs, reason, text }) =>
      ({ sessionId, startedAt: startedMs, endedAt: endedMs, reason: reasonName(reason), text })),
    ...(isDamaged ? { damaged: true } : {}),
  })
  const builder = new RecordBatchBuilder()
  builder.append(key, value, letter.diedMs, [...headers, { name: DEAD_LETTER_HEADER, value: note }])
  const extras = new RecordExtrasBuilder()
  extras.append(key === null ? undefined : { lane: laneOf(key) })
  const bytes = extras.build()
  return builder.build(bytes === undefined ? {} : { extras: bytes })
}
