// Check values of CRC-32C, of the partitioner, of lanes and of dedup keys. The first five are those of RFC 3720,
// appendix B.4, and of the catalogue of CRC algorithms: they come from elsewhere, so that a wrong table cannot confirm
// itself.

import { laneOf } from '../lane.js'
import { partitionForKey } from '../partition-for-key.js'
import { dedupKeyOf } from '../record-extras.js'

export interface ChecksumVectors {
  crc32c: { about: string, hex: string, crc: number }[]
  partitions: { about: string, key: string, partitions: number, partition: number }[]
  lanes: { about: string, key: string, lane: number }[]
  dedupKeys: { dedupId: string, dedupKey: string }[]
}

const ascending = Buffer.from(Array.from({ length: 32 }, (_, index) => index))

const PUBLISHED: readonly [about: string, bytes: Buffer, crc: number][] = [
  ['`123456789` in ASCII', Buffer.from('123456789'), 0xe3069283],
  ['32 times 00', Buffer.alloc(32), 0x8a9136aa],
  ['32 times ff', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['00 01 02 … 1f', ascending, 0x46dd794e],
  ['1f 1e 1d … 00', Buffer.from(ascending).reverse(), 0x113fdb5c],
  ['no bytes', Buffer.alloc(0), 0],
]

const KEYS: readonly [about: string, key: Buffer][] = [
  ['empty, not null', Buffer.alloc(0)],
  ['`customer-1`', Buffer.from('customer-1')],
  ['`customer-2`', Buffer.from('customer-2')],
  ['`Grüße` in UTF-8', Buffer.from('Grüße')],
  ['8 times ff', Buffer.alloc(8, 0xff)],
]

/** All check values. */
export function checksumVectors (): ChecksumVectors {
  return {
    crc32c: PUBLISHED.map(([about, bytes, crc]) => ({ about, hex: bytes.toString('hex'), crc })),
    partitions: KEYS.flatMap(([about, key]) => [1, 3, 12, 1000].map(partitions =>
      ({ about, key: key.toString('hex'), partitions, partition: partitionForKey(key, partitions) }))),
    lanes: KEYS.map(([about, key]) => ({ about, key: key.toString('hex'), lane: laneOf(key) })),
    dedupKeys: ['reminder-17', 'Grüße', 'x'.repeat(128)].map(dedupId =>
      ({ dedupId, dedupKey: dedupKeyOf(dedupId).toString('hex') })),
  }
}
