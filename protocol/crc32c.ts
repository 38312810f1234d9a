// CRC-32C (Castagnoli), the checksum of everything that Sluice sends or stores.
//
// fast-crc32c picks the native sse4_crc32 where it was built and falls back to JavaScript where it was not:
// the same numbers, about twenty times slower.

import fastCrc32c from 'fast-crc32c'

/**
 * CRC-32C of `bytes`, as an unsigned 32-bit number.
 *
 * @param seed checksum of the bytes before these, to go on from; 0 to begin.
 */
export function crc32c (bytes: Buffer, seed = 0): number {
  return seed === 0 ? fastCrc32c.calculate(bytes) >>> 0 : fastCrc32c.calculate(bytes, seed) >>> 0
}
