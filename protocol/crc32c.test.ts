import { createRequire } from 'node:module'
import fc from 'fast-check'
import t from 'tap'
import { crc32c } from './crc32c.js'
import { partitionForKey } from './partition-for-key.js'
import { checksumVectors } from './testing/vector-files.js'

const fallback = createRequire(import.meta.url)('fast-crc32c/impls/js_crc32c') as {
  calculate (bytes: Buffer, initial?: number): number
}

/** As PROTOCOL.md defines it, bit by bit. */
function crcByDefinition (bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) !== 0 ? 0x82f63b78 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

t.test('CRC-32C: the published check values', async t => {
  for (const { about, hex, crc } of checksumVectors().crc32c) {
    t.equal(crc32c(Buffer.from(hex, 'hex')), crc, about)
    t.equal(fallback.calculate(Buffer.from(hex, 'hex')), crc, `${about}, without the native module`)
  }
})

t.test('CRC-32C: the definition, the native module and its JavaScript fallback agree', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), array => {
    const bytes = Buffer.from(array)
    const expected = crcByDefinition(bytes)
    return crc32c(bytes) === expected && fallback.calculate(bytes) >>> 0 === expected
  }), { seed: 2, numRuns: 500 })
})

t.test('CRC-32C: goes on from the checksum of the bytes before', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (array, cut) => {
    const bytes = Buffer.from(array)
    const first = crc32c(bytes.subarray(0, cut))
    return crc32c(bytes.subarray(cut), first) === crc32c(bytes) &&
      fallback.calculate(bytes.subarray(cut), first) === crc32c(bytes)
  }), { seed: 3, numRuns: 500 })
})

t.test('CRC-32C: a view into a larger buffer counts only its own bytes', async t => {
  const large = Buffer.from('xx123456789yy')
  t.equal(crc32c(large.subarray(2, 11)), 0xe3069283)
})

t.test('Partitioner: keys go where the vectors say', async t => {
  for (const { about, key, partitions, partition } of checksumVectors().partitions) {
    t.equal(partitionForKey(Buffer.from(key, 'hex'), partitions), partition, `${about} of ${partitions}`)
  }
})

t.test('Partitioner: spreads keys evenly', async t => {
  const counts = new Array<number>(16).fill(0)
  for (let index = 0; index < 16_000; index++) counts[partitionForKey(Buffer.from(`customer-${index}`), 16)]!++
  t.ok(Math.min(...counts) > 700 && Math.max(...counts) < 1300, counts.join(' '))
})
