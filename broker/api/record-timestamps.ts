// Timestamps of a few records, by offset.

import { RecordReader } from '@sluice/protocol'
import type { Partition } from '../partition/partition.js'

/** What can be read; offsets below 0 are passed over. */
export async function timestampsOf (
  partition: Partition, offsets: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const found = new Map<number, number>()
  for (const offset of new Set(offsets)) {
    if (offset < 0) continue
    const timestampMs = await timestampOf(partition, offset)
    if (timestampMs >= 0) found.set(offset, timestampMs)
  }
  return found
}

/** -1 where the record cannot be read: its age is not known then, and nothing else suffers. */
async function timestampOf ({ log, highWatermark }: Partition, offset: number): Promise<number> {
  try {
    const { buffers } = await log.readSlice(offset, 1, highWatermark)
    const reader = new RecordReader()
    if (buffers.length === 0) return -1
    reader.open(Buffer.concat(buffers))
    while (reader.next()) if (reader.offset >= offset) return reader.timestamp
    return -1
  } catch {
    return -1
  }
}
