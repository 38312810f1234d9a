// The lane of a key: a hash of 53 bits, the same in every client and every broker. Equal hashes only over-serialise.

import { crc32c } from '@sluice/protocol'

const LOW_BITS = 2 ** 21

/** @returns a safe integer >= 0 */
export function laneOfKey (bytes: Buffer, start: number, end: number): number {
  const key = bytes.subarray(start, end)
  const high = crc32c(key)
  // A second, independent hash for the low bits: FNV-1a.
  let low = 0x811c9dc5
  for (let at = start; at < end; at++) low = Math.imul(low ^ bytes[at]!, 0x01000193)
  return high * LOW_BITS + ((low >>> 0) % LOW_BITS)
}
