// A small log whose every record says its offset: for tests that look at single batches and offsets.

import { ERROR, RecordBatchBuilder, errorName, type ProduceResult, type ProducerStamp } from '@sluice/protocol'
import type { Hole } from './partition-history.js'
import { readPartition, type PartitionAddress } from './read-partition.js'
import type { WirePeer } from './wire-peer.js'

/** Records of each batch that `writeNumbered` makes. */
export const RECORDS_PER_BATCH = 10

const FILLER = 'x'.repeat(200)

export function numberedValue (offset: number): string { return `value of ${offset} ${FILLER}` }

/** A batch whose records say that they are those from `offset` on. */
export function numberedBatch (offset: number, producer?: ProducerStamp): Buffer {
  const builder = new RecordBatchBuilder()
  for (let index = 0; index < RECORDS_PER_BATCH; index++) {
    builder.append(`k${index}`, numberedValue(offset + index), 1_000)
  }
  return builder.build(producer === undefined ? {} : { producer })
}

/** Sends one batch; what came of it. */
export async function produceBatch (
  peer: WirePeer, address: PartitionAddress, batch: Buffer, timeoutMs = 10_000,
): Promise<ProduceResult> {
  const { message } = await peer.request('produce', {
    acks: 'quorum', timeoutMs, batches: [{ ...address, size: batch.length }],
  }, { payload: batch })
  return message.results[0]!
}

/** Appends the records [from, to), a batch after the other. @throws Error where one is refused or lands elsewhere. */
export async function writeNumbered (
  peer: WirePeer, address: PartitionAddress, from: number, to: number,
): Promise<void> {
  const starts: number[] = []
  for (let offset = from; offset < to; offset += RECORDS_PER_BATCH) starts.push(offset)
  await Promise.all(starts.map(async offset => {
    const { error, message, baseOffset } = await produceBatch(peer, address, numberedBatch(offset))
    if (error !== ERROR.NONE) throw new Error(`offset ${offset} was answered ${errorName(error)}: ${message}`)
    if (baseOffset !== offset) throw new Error(`the batch for offset ${offset} is at ${baseOffset}`)
  }))
}

/** What a partition holds. */
export interface NumberedLog {
  readonly end: number
  readonly offsets: readonly number[]
  /** Ranges that the broker calls damaged; neighbours are one. */
  readonly holes: readonly Hole[]
}

/** Reads all of a partition. @throws Error where a record is not the one that belongs at its offset. */
export async function readNumbered (peer: WirePeer, address: PartitionAddress): Promise<NumberedLog> {
  const offsets: number[] = []
  const holes: Hole[] = []
  const end = await readPartition(peer, address, 0, {
    onRecord ({ offset, value }) {
      if (value !== numberedValue(offset)) throw new Error(`offset ${offset} holds ${JSON.stringify(value)}`)
      offsets.push(offset)
    },
    onHole: hole => { holes.push(hole) },
  })
  return { end, offsets, holes: joined(holes) }
}

/** Ranges in order, those that touch as one. */
export function joined (holes: readonly Hole[]): Hole[] {
  const all: Hole[] = []
  for (const { from, to } of holes) {
    const last = all.at(-1)
    if (last?.to === from) all[all.length - 1] = { from: last.from, to }
    else all.push({ from, to })
  }
  return all
}

/** The integers of [from, to). */
export function range (from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}
