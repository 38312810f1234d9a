// The records that producers send: all of a record follows from producer, partition and sequence.
//
//   value   producer u16 · sequence u32 · filler: 0 to 100 bytes, now and then 4 KiB
//   key     one of those that belong to the partition; none for producers without keys

import { partitionOfKey } from '@sluice/client'

const HEAD_BYTES = 6
const FILLER = Buffer.from('Zwei Boxkämpfer jagen Eva quer durch Sylt; the quick brown fox, 0123456789. '.repeat(60))
const KEYS = 256
const LARGE_EVERY = 512
const LARGE_BYTES = 4_096
const SMALL_BYTES_MAX = 100

export interface LaneRecord { readonly producer: number, readonly sequence: number }

/** The value of a record; `out` is used where it is given. */
export function laneValue (producer: number, sequence: number): Buffer {
  const mixed = mix(producer, sequence)
  const fillerBytes = mixed % LARGE_EVERY === 0 ? LARGE_BYTES : (mixed >>> 9) % SMALL_BYTES_MAX
  const value = Buffer.allocUnsafe(HEAD_BYTES + fillerBytes)
  value.writeUInt16BE(producer, 0)
  value.writeUInt32BE(sequence, 2)
  FILLER.copy(value, HEAD_BYTES, mixed % 64, mixed % 64 + fillerBytes)
  return value
}

/** Who has written a value; null where it is none of these, to the last byte. */
export function laneRecordOf (value: Uint8Array | null): LaneRecord | null {
  if (value === null || value.length < HEAD_BYTES) return null
  const producer = value[0]! * 0x100 + value[1]!
  const sequence = value[2]! * 0x1000000 + value[3]! * 0x10000 + value[4]! * 0x100 + value[5]!
  return laneValue(producer, sequence).equals(value) ? { producer, sequence } : null
}

/** Keys by partition, for a topic of so many. */
export function keysByPartition (partitions: number): Buffer[][] {
  const keys: Buffer[][] = Array.from({ length: partitions }, () => [])
  for (let index = 0; index < KEYS; index++) {
    const key = Buffer.from(`k${index}`)
    keys[partitionOfKey(key, partitions)]!.push(key)
  }
  return keys
}

function mix (first: number, second: number): number {
  let mixed = Math.imul(first + 0x9e3779b9, 0x85ebca6b) ^ Math.imul(second + 0x7f4a7c15, 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
  return (mixed ^ (mixed >>> 13)) >>> 0
}
