// Checks Avro bytes against a schema before the decoder sees them.
//
// The decoder trusts the counts in its input: an array that claims 2^40 items would keep it busy until memory ends. The
// guard walks the same bytes first, without allocating, and refuses what does not add up: counts and lengths beyond
// the bytes that are left, numbers out of range, unknown enum symbols and union branches, bytes left over. What it
// lets through decodes in time and memory proportional to its size, and never into more than ITEMS_MAX items: an item
// of one byte becomes an object of a hundred.

import { readVarint, VARINT_BYTES_MAX, type ReadPosition } from './varint.js'

/** Most items that the arrays and maps of one body may have, all together. */
export const ITEMS_MAX = 1 << 20
/** Lowest `long` of the protocol; below it the zigzag form is no longer exact in a double. */
export const LONG_MIN = -(2 ** 52)
/** Highest `long` of the protocol. */
export const LONG_MAX = 2 ** 53 - 2

/** An Avro schema in its JSON form, as far as the protocol uses it. */
export type AvroSchema =
  | string
  | readonly AvroSchema[]
  | { type: 'record', name: string, doc?: string, fields: readonly AvroField[] }
  | { type: 'array', items: AvroSchema }
  | { type: 'map', values: AvroSchema }
  | { type: 'enum', name: string, doc?: string, symbols: readonly string[] }

export interface AvroField { name: string, type: AvroSchema, doc?: string, default?: unknown }

/** Where a check is, and how many items it has met so far. */
interface GuardPosition extends ReadPosition { items: number }

/** True where a value of the schema lies at `at.position`; moves on behind it. */
type Check = (bytes: Buffer, at: GuardPosition, end: number) => boolean

/** A function that tells whether the bytes from `start` to `end` are exactly one value of `schema`. */
export function avroGuard (schema: AvroSchema): (bytes: Buffer, start: number, end: number) => boolean {
  const check = checkFor(schema)
  const at = { position: 0, items: 0 }
  return (bytes, start, end) => {
    at.position = start
    at.items = 0
    return check(bytes, at, end) && at.position === end
  }
}

function checkFor (schema: AvroSchema): Check {
  if (typeof schema === 'string') return checkPrimitive(schema)
  if (Array.isArray(schema)) return checkUnion(schema.map(checkFor))
  const complex = schema as Exclude<AvroSchema, string | readonly AvroSchema[]>
  switch (complex.type) {
    case 'record': return checkRecord(complex.fields.map(field => checkFor(field.type)))
    case 'array': return checkBlocks(checkFor(complex.items))
    case 'map': return checkBlocks(checkRecord([checkBytes, checkFor(complex.values)]))
    case 'enum': return checkIndex(complex.symbols.length)
  }
}

function checkPrimitive (name: string): Check {
  switch (name) {
    case 'null': return () => true
    case 'boolean': return (bytes, at, end) => at.position < end && bytes[at.position++]! <= 1
    case 'int': return (bytes, at, end) => {
      const value = readVarint(bytes, at, end)
      return value >= 0 && value <= 0xffffffff
    }
    case 'long': return checkLong
    case 'string': return checkBytes
    default: throw new TypeError(`the protocol does not use the Avro type ${name}`)
  }
}

/** A zigzag varint between LONG_MIN and LONG_MAX: one bit wider than readVarint can tell. */
const checkLong: Check = (bytes, at, end) => {
  let half = 0
  let scale = 1
  let negative = false
  for (let count = 0; count < VARINT_BYTES_MAX; count++) {
    if (at.position >= end) return false
    const byte = bytes[at.position++]!
    if (count === 0) {
      negative = (byte & 1) === 1
      half = (byte & 0x7f) >>> 1
      scale = 0x40
    } else {
      half += (byte & 0x7f) * scale
      scale *= 0x80
    }
    if (byte < 0x80) return negative ? half < -LONG_MIN : half <= LONG_MAX
  }
  return false
}

function checkRecord (checks: readonly Check[]): Check {
  return (bytes, at, end) => {
    for (const check of checks) if (!check(bytes, at, end)) return false
    return true
  }
}

function checkUnion (branches: readonly Check[]): Check {
  return (bytes, at, end) => {
    const index = readVarint(bytes, at, end)
    return index >= 0 && index % 2 === 0 && index / 2 < branches.length && branches[index / 2]!(bytes, at, end)
  }
}

function checkIndex (count: number): Check {
  return (bytes, at, end) => {
    const index = readVarint(bytes, at, end)
    return index >= 0 && index % 2 === 0 && index / 2 < count
  }
}

const checkBytes: Check = (bytes, at, end) => {
  const size = readVarint(bytes, at, end)
  if (size < 0 || size % 2 !== 0 || size / 2 > end - at.position) return false
  at.position += size / 2
  return true
}

/** Blocks of an array or map; only the form without byte sizes, which encoders write, is allowed. */
function checkBlocks (item: Check): Check {
  return (bytes, at, end) => {
    for (;;) {
      const count = readVarint(bytes, at, end)
      if (count === 0) return true
      // Every item takes a byte at least, so a count beyond the bytes left is a lie.
      if (count < 0 || count % 2 !== 0 || count / 2 > end - at.position) return false
      at.items += count / 2
      if (at.items > ITEMS_MAX) return false
      for (let index = count / 2; index > 0; index--) if (!item(bytes, at, end)) return false
    }
  }
}
