import fc from 'fast-check'
import t from 'tap'
import { readVarint, unzigzag, varintSize, VARINT_BYTES_MAX, writeVarint, zigzag } from './varint.js'

const BORDERS = [
  0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x1fffff, 0x200000, 0xfffffff, 0x10000000,
  2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32,
  2 ** 35 - 1, 2 ** 35, 2 ** 42 - 1, 2 ** 42, 2 ** 49 - 1, 2 ** 49, 2 ** 52, Number.MAX_SAFE_INTEGER - 1,
  Number.MAX_SAFE_INTEGER,
]

function bytesOf (value: number): Buffer {
  const bytes = Buffer.alloc(VARINT_BYTES_MAX)
  return bytes.subarray(0, writeVarint(bytes, value, 0))
}

function bytesOfBigInt (value: bigint): Buffer {
  const bytes: number[] = []
  for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(value)])
}

t.test('Varint: the same bytes as arithmetic on big integers, at every border', async t => {
  for (const value of BORDERS) {
    t.strictSame(bytesOf(value), bytesOfBigInt(BigInt(value)), `${value}`)
    t.equal(varintSize(value), bytesOf(value).length, `size of ${value}`)
    const at = { position: 0 }
    t.equal(readVarint(bytesOf(value), at, VARINT_BYTES_MAX), value)
    t.equal(at.position, varintSize(value))
  }
})

t.test('Varint: any safe integer comes back', async () => {
  fc.assert(fc.property(fc.maxSafeNat(), value => {
    const bytes = bytesOf(value)
    return readVarint(bytes, { position: 0 }, bytes.length) === value && bytes.length === varintSize(value)
  }), { seed: 1, numRuns: 2000 })
})

t.test('Varint: cut off at any byte, it is refused', async t => {
  for (const value of BORDERS) {
    const bytes = bytesOf(value)
    for (let end = 0; end < bytes.length; end++) t.equal(readVarint(bytes, { position: 0 }, end), -1)
  }
})

t.test('Varint: above 2^53 - 1 or longer than 8 bytes, it is refused', async t => {
  for (const value of [2n ** 53n, 2n ** 56n - 1n, 2n ** 56n, 2n ** 63n, 2n ** 64n - 1n]) {
    const bytes = bytesOfBigInt(value)
    t.equal(readVarint(bytes, { position: 0 }, bytes.length), -1, `${value}`)
  }
  t.equal(readVarint(Buffer.alloc(1000, 0xff), { position: 0 }, 1000), -1, 'without an end')
})

t.test('Varint: padded with zero groups, it is read as Avro readers read it', async t => {
  t.equal(readVarint(Buffer.from('8100', 'hex'), { position: 0 }, 2), 1)
})

t.test('Zigzag: small numbers of either sign become small numbers', async t => {
  t.strictSame([0, -1, 1, -2, 2].map(zigzag), [0, 1, 2, 3, 4])
  for (const value of [0, 1, -1, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 52 - 1, -(2 ** 52)]) {
    t.equal(unzigzag(zigzag(value)), value)
    t.ok(Number.isSafeInteger(zigzag(value)))
  }
})
