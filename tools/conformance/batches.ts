// Record batches for dialogues: good ones, and ones with a field changed and the checksum made right again.

import {
  BATCH_CRC_START, BATCH_POSITION, checkBatch, crc32c, nextOffsetOf, readBatchHeader, RecordBatchBuilder, RecordReader,
  type BatchHeader, type CodecName, type FetchedPartition, type ProducerStamp,
} from '@sluice/protocol'
import { Deviation, expectThat } from './deviation.js'

/** Time of the first record; the next is one millisecond later, and so on. */
export const FIRST_TIMESTAMP = 1_735_689_600_000

/** A batch of `count` records with the values `<text>-0`, `<text>-1`, … */
export function batchOf (count: number, text = 'value', more: { producer?: ProducerStamp, codec?: CodecName } = {}): Buffer {
  const builder = new RecordBatchBuilder()
  for (let index = 0; index < count; index++) builder.append(`key-${index}`, `${text}-${index}`, FIRST_TIMESTAMP + index)
  return builder.build(more)
}

/** The batch with something changed and its CRC made right. */
export function changedBatch (batch: Buffer, change: (batch: Buffer) => void): Buffer {
  const changed = Buffer.from(batch)
  change(changed)
  changed.writeUInt32BE(crc32c(changed.subarray(BATCH_CRC_START)), BATCH_POSITION.crc)
  return changed
}

export interface FetchedBatch { header: BatchHeader, bytes: Buffer, values: string[] }

/** The batches of a fetch response, each checked in full. */
export function batchesOf (partitions: readonly FetchedPartition[], payload: Buffer): FetchedBatch[] {
  const total = partitions.reduce((sum, { size }) => sum + size, 0)
  expectThat(total === payload.length, `a payload of ${total} bytes, as the sizes of its partitions say`, `${payload.length} bytes`)
  const batches: FetchedBatch[] = []
  for (let position = 0; position < payload.length;) {
    const fault = checkBatch(payload, position)
    if (fault !== null) throw new Deviation('whole, sound batches in the payload', `a batch with the fault "${fault}"`)
    const header = readBatchHeader(payload, position)
    const bytes = payload.subarray(position, position + header.size)
    batches.push({ header, bytes, values: valuesOf(bytes) })
    position += header.size
  }
  return batches
}

function valuesOf (bytes: Buffer): string[] {
  const values: string[] = []
  const reader = new RecordReader().open(bytes)
  while (reader.next()) values.push(String(reader.value))
  return values
}

/** Offset after the last batch; `offset` where there is none. */
export function offsetAfter (batches: readonly FetchedBatch[], offset: number): number {
  const last = batches.at(-1)
  return last === undefined ? offset : nextOffsetOf(last.header)
}
