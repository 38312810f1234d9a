// The lane of a key: what stands for the key where a queue keeps keys apart. Every client must answer alike, or records
// of one key overtake each other.

import zlib from 'node:zlib'
import { crc32c } from './crc32c.js'

/** Lane of a record without a key. */
export const NO_LANE = -1
/** Highest lane: 52 bits. */
export const LANE_MAX = 2 ** 52 - 1

const TWO_32 = 2 ** 32

/**
 * Lane of a key: 52 bits out of two checksums that everybody has at hand, CRC-32C (its highest 20 bits) and CRC-32.
 * Keys that meet in a lane are merely handled one after the other, as if they were one.
 */
export function laneOf (key: Uint8Array): number {
  return (crc32c(key as Buffer) >>> 12) * TWO_32 + zlib.crc32(key)
}
