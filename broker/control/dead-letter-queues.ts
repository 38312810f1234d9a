// The dead-letter queues of this broker: makes letters out of records that died, and appends each once.
//
//   asked ─▶ which queue, which partition ─▶ known already? ─ yes ─▶ committed? ─▶ done
//                └ none of that name: it is made    └ no ─▶ read the record ─▶ append ─▶ committed ─▶ done
//
// A letter goes to the partition of the same number, modulo the queue's partitions: records of a key stay in order.

import {
  CodecError, CorruptBatchError, DEAD_LETTER_HEADER, RecordBatchBuilder, RecordExtrasBuilder, RecordReader,
  encodeDeadLetterNote, laneOf, type RecordHeader,
} from '@sluice/protocol'
import { LogReadFailure } from '@sluice/storage'
import type { LetterPlace } from '../queue/endings.js'
import type { DeadLetterIndex, DeathName } from '../queue-host/dead-letter-index.js'
import type { Partition } from '../partition/partition.js'
import type { PartitionTable } from '../partition/partition-table.js'
import { reasonName } from '../queue-host/reason-names.js'
import type { DeadLetterRequest, DeadLetterSink } from '../queue-host/dead-letter-sink.js'
import type { QueuePartition } from '../queue-host/queue-surroundings.js'
import type { Logger } from '../runtime/logger.js'
import type { Topics } from './topics.js'

/** A record as it was, for its letter. */
interface DeadRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
  /** -1 where it is not known. */
  readonly timestampMs: number
  readonly isDamaged: boolean
}

export class DeadLetterQueues implements DeadLetterSink {
  private readonly topics: Topics
  private readonly partitions: PartitionTable
  private readonly logger: Logger
  /** Queues that are being made. */
  private readonly making = new Set<string>()

  constructor (topics: Topics, partitions: PartitionTable, logger: Logger) {
    this.topics = topics
    this.partitions = partitions
    this.logger = logger
  }

  append (request: DeadLetterRequest, done: (place: LetterPlace | null) => void): void {
    this.send(request).then(done, (cause: Error) => {
      const { source, target, letter } = request
      this.logger.warn({ partition: source.label, offset: letter.offset, queue: target, err: cause },
        'a dead letter could not be appended; it is tried again')
      done(null)
    })
  }

  forget ({ topicId, index }: QueuePartition, group: string, offset: number): void {
    const name = { topicId, partition: index, group, offset }
    for (const { deadLetters } of this.partitions.all()) deadLetters?.forget(name)
  }

  private async send (request: DeadLetterRequest): Promise<LetterPlace | null> {
    const { source, target, letter, isOld } = request
    const name = nameOf(request)
    const targets = await this.partitionsOf(target, source)
    if (targets === null || targets.length === 0) return null
    for (const partition of targets) {
      const index = partition.deadLetterIndex
      if (isOld) await index.readFrom(letter.diedMs, asked => this.isHere(asked))
      const known = index.offsetOf(name)
      if (known >= 0) return await committed(partition, known)
    }
    const record = await readRecord(source, letter.offset)
    const partition = targets[source.index % targets.length]!
    return await this.appendTo(partition, partition.deadLetterIndex, batchOf(request, record), name)
  }

  private async appendTo (
    partition: Partition, index: DeadLetterIndex, batch: Buffer, name: DeathName,
  ): Promise<LetterPlace | null> {
    const outcome = partition.appendOwn(batch)
    if (!outcome.ok) throw new Error(outcome.message)
    index.add(name, outcome.baseOffset)
    return await committed(partition, outcome.baseOffset)
  }

  /** The partitions of a queue, which is made where there is none; null where it is not there yet. */
  private async partitionsOf (target: string, source: QueuePartition): Promise<readonly Partition[] | null> {
    const topic = this.topics.byName(target)
    if (topic !== undefined) return this.partitions.partitionsOf(topic.topicId)
    if (this.making.has(target)) return null
    this.making.add(target)
    try {
      const partitions = this.topics.byId(source.topicId)?.partitions ?? 1
      const made = await this.topics.create(
        { name: target, kind: 'queue', partitions, replicationFactor: 0, config: {} }, false)
      if ('error' in made) throw new Error(`dead-letter queue ${target} cannot be made: ${made.message}`)
      return this.partitions.partitionsOf(made.topicId)
    } finally {
      this.making.delete(target)
    }
  }

  /** Sources elsewhere ask elsewhere. */
  private isHere ({ topicId, partition }: DeathName): boolean {
    return this.partitions.find(topicId, partition) !== undefined
  }
}

/** The place of a letter, when it is committed; null where it will not be, or nobody knows. */
function committed (partition: Partition, offset: number): Promise<LetterPlace | null> {
  const { topicId, index } = partition
  return new Promise(resolve => partition.whenCommitted(offset + 1, error =>
    resolve(error === 0 ? { topicId, partition: index, offset } : null)))
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

function nameOf ({ source, group, letter }: DeadLetterRequest): DeathName {
  return { topicId: source.topicId, partition: source.index, group, offset: letter.offset }
}

function batchOf (request: DeadLetterRequest, { key, value, headers, timestampMs, isDamaged }: DeadRecord): Buffer {
  const { source, letter } = request
  const note = encodeDeadLetterNote({
    topic: source.topicName,
    ...nameOf(request),
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
