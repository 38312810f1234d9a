// Which partition a key belongs to. Every client must answer alike, or records of one key end up in two partitions.

import { crc32c } from './crc32c.js'

/**
 * Partition of a key: CRC-32C of its bytes modulo the number of partitions.
 *
 * @param partitionCount number of partitions of the topic, at least 1.
 */
export function partitionForKey (key: Buffer, partitionCount: number): number {
  return crc32c(key) % partitionCount
}
