// Where partitions keep what can be rebuilt: tables of the meta store, keyed by topic id and partition number.
//
//   table `producers`       topicId (16 bytes) partition u32   → offset i64, snapshot of ProducerState
//   table `state-applied`   topicId partition                  → offset i64: the state log is taken in up to here
//   table `group-offsets`   topicId partition group (UTF-8)    → JSON of GroupOffset

export const PRODUCERS_TABLE = 'producers'
export const STATE_APPLIED_TABLE = 'state-applied'
export const GROUP_OFFSETS_TABLE = 'group-offsets'

export const PARTITION_META_TABLES = [PRODUCERS_TABLE, STATE_APPLIED_TABLE, GROUP_OFFSETS_TABLE]

const ID_BYTES = 20

/** The key of a partition. @param topicId a UUID in its canonical text form. */
export function partitionKey (topicId: string, partition: number): Buffer {
  const key = Buffer.alloc(ID_BYTES)
  key.write(topicId.replaceAll('-', ''), 0, 16, 'hex')
  key.writeUInt32BE(partition, 16)
  return key
}

export function groupOffsetKey (partitionKey: Buffer, group: string): Buffer {
  return Buffer.concat([partitionKey, Buffer.from(group)])
}

/** The group in a key that `groupOffsetKey` made. */
export function groupOfKey (key: Buffer): string {
  return key.subarray(ID_BYTES).toString()
}

/** The range of all keys that begin with `prefix`, none of which goes on with 0xff: group names are ASCII. */
export function keysBelow (prefix: Buffer): { from: Buffer, to: Buffer } {
  return { from: prefix, to: Buffer.concat([prefix, Buffer.from([0xff])]) }
}
