// Which partition a record goes to.
//
// - With a key: CRC-32C of the key's bytes, as an unsigned 32-bit number, modulo the number of partitions. Clients in
//   other languages do the same, so a key has one home.
// - Without: one partition for a batch, then another: the one with the least waiting among the next few in rotation.
//   Records that come one by one spread evenly, records that come fast fill whole batches.

import { partitionForKey } from '@sluice/protocol'
import type { PartitionQueue } from './partition-queue.js'

const CANDIDATES_MAX = 8
const SCRATCH_BYTES = 4096
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

/** Partition of a key. Text counts as its UTF-8. */
export function partitionOfKey (key: Uint8Array | string, partitions: number): number {
  let bytes: Buffer
  if (typeof key === 'string') {
    bytes = key.length * 3 <= SCRATCH_BYTES ? scratch.subarray(0, scratch.write(key, 0, 'utf8')) : Buffer.from(key, 'utf8')
  } else {
    bytes = Buffer.isBuffer(key) ? key : Buffer.from(key.buffer, key.byteOffset, key.byteLength)
  }
  return partitionForKey(bytes, partitions)
}

/** Chooses partitions for records without a key. */
export class StickyChoice {
  /** The partition chosen last; -1 before the first. */
  partition = -1
  private rotation = Math.floor(Math.random() * 0x10000)

  /** The partition for a record of `recordBytes`; moves on when the batch there is gone, or full at `batchBytes`. */
  choose (
    queues: readonly PartitionQueue[], isAvailable: (partition: number) => boolean, recordBytes: number,
    batchBytes: number,
  ): number {
    const open = queues[this.partition]?.open ?? null
    if (open !== null && open.size + recordBytes <= batchBytes) return this.partition
    let best = -1
    let bestBytes = Infinity
    const candidates = Math.min(queues.length, CANDIDATES_MAX)
    const start = ++this.rotation
    for (let step = 0; step < candidates; step++) {
      const partition = (start + step) % queues.length
      const bytes = queues[partition]!.pendingBytes
      if (bytes < bestBytes && isAvailable(partition)) {
        best = partition
        bestBytes = bytes
      }
    }
    this.partition = best < 0 ? start % queues.length : best
    return this.partition
  }
}
