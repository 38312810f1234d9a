// Where queue groups keep what can be rebuilt from the logs: tables of the meta store. Every key begins with the
// partition's, then the group's name and its length. Rows of `queue-delayed` and `queue-due` of a generation above 0
// have 0xff and its number behind the group.
//
//   table `queue-checkpoint`  partition                             → state offset i64: what the rows below stand for
//   table `queue-group`       partition group                       → snapshot of QueueState
//   table `queue-delayed`     partition group offset i64            → clock u8, due i64, the record of the ledger
//   table `queue-due`         partition group clock u8 due i64 offset i64 → nothing
//   table `queue-delay-generation` partition group                  → u32: the rows of the two tables above that count
//   table `queue-lane`        partition group begin i64 bucket u8    → offsets of lanes (stored-lane-index.ts)
//   table `queue-lane-chunk`  partition group begin i64             → end i64 of the chunk
//   table `queue-dedup-window` partition                            → snapshot of DedupWindow
//   table `queue-dedup`       partition id (16 bytes)               → offset i64, expiry i64
//   table `queue-dedup-order` partition order u8 expiry or offset i64 id → nothing

import { readInt64, writeInt64 } from '@sluice/protocol'

export const CHECKPOINT_TABLE = 'queue-checkpoint'
export const GROUP_TABLE = 'queue-group'
export const DELAYED_TABLE = 'queue-delayed'
export const DUE_TABLE = 'queue-due'
export const GENERATION_TABLE = 'queue-delay-generation'

/** Of the lane index: what a chunk holds, and where it ends. */
export const LANE_TABLE = 'queue-lane'
export const LANE_CHUNK_TABLE = 'queue-lane-chunk'

export const DEDUP_WINDOW_TABLE = 'queue-dedup-window'
export const DEDUP_TABLE = 'queue-dedup'
export const DEDUP_ORDER_TABLE = 'queue-dedup-order'

export const QUEUE_META_TABLES = [
  CHECKPOINT_TABLE, GROUP_TABLE, DELAYED_TABLE, DUE_TABLE, GENERATION_TABLE, LANE_TABLE, LANE_CHUNK_TABLE,
  DEDUP_WINDOW_TABLE, DEDUP_TABLE, DEDUP_ORDER_TABLE,
]

/** The key of a group of a partition; a prefix of all its rows. Names are at most 255 bytes. */
export function groupKey (partitionKey: Buffer, group: string): Buffer {
  const name = Buffer.from(group)
  return Buffer.concat([partitionKey, Buffer.from([name.length]), name])
}

/** The group's name in a key that `groupKey` made. */
export function groupOfQueueKey (key: Buffer, partitionKeyBytes: number): string {
  return key.toString('utf8', partitionKeyBytes + 1)
}

/** What the rows of a generation of delayed records begin with: above those of all earlier ones. */
export function generationKey (prefix: Buffer, generation: number): Buffer {
  if (generation === 0) return prefix
  const key = Buffer.alloc(prefix.length + 5)
  prefix.copy(key)
  key[prefix.length] = 0xff
  key.writeUInt32BE(generation, prefix.length + 1)
  return key
}

export function offsetKey (prefix: Buffer, offset: number): Buffer {
  const key = Buffer.allocUnsafe(prefix.length + 8)
  prefix.copy(key)
  writeInt64(key, offset, prefix.length)
  return key
}

export function dueKey (prefix: Buffer, clock: number, dueMs: number, offset: number): Buffer {
  const key = Buffer.allocUnsafe(prefix.length + 17)
  prefix.copy(key)
  key[prefix.length] = clock
  writeInt64(key, dueMs, prefix.length + 1)
  writeInt64(key, offset, prefix.length + 9)
  return key
}

/** The last 8 bytes of a key: the offset, in keys that end with one. */
export function offsetOfKey (key: Buffer): number { return readInt64(key, key.length - 8) }

/** The smallest key above all that begin with `prefix`; its last byte is never 0xff. */
export function keyAfter (key: Buffer): Buffer { return Buffer.concat([key, Buffer.from([0])]) }

/** The range of all keys that begin with `prefix` and go on with a number that is not negative, or a clock. */
export function rowsOf (prefix: Buffer): { from: Buffer, to: Buffer } {
  return { from: prefix, to: Buffer.concat([prefix, Buffer.from([0xff])]) }
}
