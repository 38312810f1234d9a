// Reads a partition over the wire, from an offset to its end, and says what is damaged.

import { ERROR, RecordReader, checkBatch, nextOffsetOf, readBatchHeader } from '@sluice/protocol'
import { setTimeout as delay } from 'node:timers/promises'
import type { ReadRecord } from './history.js'
import type { Hole } from './partition-history.js'
import { throwOnError, type WirePeer } from './wire-peer.js'

export interface PartitionAddress { readonly topicId: string, readonly partition: number }

/** What is told of a partition while it is read. */
export interface PartitionVisitor {
  onRecord (record: ReadRecord): void
  /** The broker says that [from, to) is damaged; without a visitor for it that is an error. */
  onHole? (hole: Hole): void
}

/** Ids of topics by name. */
export async function topicIds (peer: WirePeer, topics: readonly string[]): Promise<Map<string, string>> {
  const { message } = await peer.request('metadata', { topics: [...topics] })
  return new Map(message.topics.filter(topic => topic.error === 0).map(topic => [topic.name, topic.topicId]))
}

/** Offset after the last committed record of a partition. */
export async function highWatermarkOf (peer: WirePeer, { topicId, partition }: PartitionAddress): Promise<number> {
  const { message } = await peer.request('listOffsets', {
    timeoutMs: 10_000, partitions: [{ topicId, partition, position: 'latest', timestamp: -1 }],
  })
  const answer = message.partitions[0]!
  throwOnError('listOffsets', answer)
  return answer.offset
}

const FETCH_BYTES = 1024 * 1024
const RETRIES_MAX = 100

/**
 * Reads [from, end) where end is the high watermark at the beginning; resolves with end.
 *
 * @throws WireError and what the visitor throws; Error where a batch is not sound.
 */
export async function readPartition (
  peer: WirePeer, address: PartitionAddress, from: number, visitor: PartitionVisitor,
): Promise<number> {
  const end = await highWatermarkOf(peer, address)
  const reader = new RecordReader()
  let offset = from
  let retries = 0
  while (offset < end) {
    const partitions = [{ ...address, offset, lastEpoch: -1, maxBytes: FETCH_BYTES }]
    const { message, payload } = await peer.request('fetch', {
      maxWaitMs: 0, minBytes: 0, maxBytes: FETCH_BYTES, partitions,
    }, { unordered: true })
    const answer = message.partitions[0]
    if (answer?.error === ERROR.CORRUPT_DATA && visitor.onHole !== undefined && answer.resumeOffset > offset) {
      visitor.onHole({ from: offset, to: answer.resumeOffset })
      offset = answer.resumeOffset
      continue
    }
    if (answer !== undefined) throwOnError('fetch', answer)
    if (payload.length === 0) {
      if (++retries > RETRIES_MAX) throw new Error(`nothing comes from offset ${offset} although the end is ${end}`)
      await delay(10)
      continue
    }
    retries = 0
    offset = readBatches(payload, offset, reader, visitor)
  }
  return Math.max(end, offset)
}

/** Hands the records from `offset` on to the visitor; the answer is the offset after them. */
function readBatches (payload: Buffer, offset: number, reader: RecordReader, visitor: PartitionVisitor): number {
  for (let position = 0; position < payload.length;) {
    const fault = checkBatch(payload, position)
    if (fault !== null) throw new Error(`the broker sent a batch that is not sound (${fault}) for offset ${offset}`)
    const header = readBatchHeader(payload, position)
    reader.open(payload, position)
    while (reader.next()) {
      if (reader.offset < offset) continue
      visitor.onRecord({
        offset: reader.offset,
        key: reader.key?.toString() ?? null,
        value: reader.value?.toString() ?? null,
      })
    }
    offset = Math.max(offset, nextOffsetOf(header))
    position += header.size
  }
  return offset
}
