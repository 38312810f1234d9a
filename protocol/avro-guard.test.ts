import avsc from 'avsc'
import fc from 'fast-check'
import t from 'tap'
import { avroGuard, ITEMS_MAX, LONG_MAX, LONG_MIN, type AvroSchema } from './avro-guard.js'
import { arbitraryOf } from './testing/schema-arbitrary.js'

const EVERYTHING: AvroSchema = {
  type: 'record',
  name: 'Everything',
  fields: [
    { name: 'flag', type: 'boolean' },
    { name: 'small', type: 'int' },
    { name: 'large', type: 'long' },
    { name: 'text', type: 'string' },
    { name: 'choice', type: { type: 'enum', name: 'Choice', symbols: ['a', 'b', 'c'] } },
    { name: 'maybe', type: ['null', 'string'] },
    { name: 'list', type: { type: 'array', items: { type: 'array', items: 'long' } } },
    { name: 'table', type: { type: 'map', values: 'int' } },
  ],
}

function accepts (schema: AvroSchema, hex: string): boolean {
  const bytes = Buffer.from(hex, 'hex')
  return avroGuard(schema)(bytes, 0, bytes.length)
}

t.test('Guard: lets through what the encoder writes, and nothing shorter or longer', async () => {
  const type = avsc.Type.forSchema(EVERYTHING as avsc.Schema)
  const guard = avroGuard(EVERYTHING)
  fc.assert(fc.property(arbitraryOf(EVERYTHING), value => {
    const bytes = type.toBuffer(value)
    if (!guard(bytes, 0, bytes.length)) return false
    for (let end = 0; end < bytes.length; end++) if (guard(bytes, 0, end)) return false
    return !guard(Buffer.concat([bytes, Buffer.alloc(1)]), 0, bytes.length + 1)
  }), { seed: 6, numRuns: 300 })
})

t.test('Guard: what it lets through, the decoder decodes', async () => {
  const type = avsc.Type.forSchema(EVERYTHING as avsc.Schema)
  const guard = avroGuard(EVERYTHING)
  fc.assert(fc.property(arbitraryOf(EVERYTHING), fc.nat(), fc.nat(255), (value, place, byte) => {
    const bytes = type.toBuffer(value)
    bytes[place % bytes.length] = byte
    if (guard(bytes, 0, bytes.length)) type.fromBuffer(bytes)
  }), { seed: 7, numRuns: 3000 })
})

t.test('Guard: longs from LONG_MIN to LONG_MAX are exact; outside they are refused', async t => {
  const type = avsc.Type.forSchema('long')
  for (const value of [LONG_MIN, LONG_MIN + 1, -(2 ** 31) - 1, -1, 0, 2 ** 31, 2 ** 52, LONG_MAX - 1, LONG_MAX]) {
    const bytes = type.toBuffer(value)
    t.ok(avroGuard('long')(bytes, 0, bytes.length), `${value} is let through`)
    t.equal(type.fromBuffer(bytes), value, `${value} comes back`)
  }
  t.notOk(accepts('long', 'feffffffffffff1f'), '2^53 - 1')
  t.notOk(accepts('long', '8180808080808010'), '-2^52 - 1')
  t.notOk(accepts('long', 'ffffffffffffffffff01'), 'the lowest long of Avro')
  t.notOk(accepts('long', '80808080808080808000'), 'ten bytes')
  t.notOk(accepts('long', '80'), 'cut off')
})

t.test('Guard: ints of 32 bits and no more', async t => {
  t.ok(accepts('int', 'ffffffff0f'), '-2^31')
  t.ok(accepts('int', 'feffffff0f'), '2^31 - 1')
  t.notOk(accepts('int', '8080808010'), '2^31')
})

t.test('Guard: an array that claims more items than bytes is refused at once', async t => {
  const strings: AvroSchema = { type: 'array', items: 'string' }
  t.notOk(accepts(strings, '80808080804000'), '2^40 items')
  t.notOk(accepts(strings, 'feffffffffffff0f00'), '2^52 items')
  t.notOk(accepts(strings, '0400'), 'two items in no bytes')
  t.notOk(accepts(strings, '01020000'), 'the form with a byte size')
  t.ok(accepts(strings, '0200020000'), 'two blocks of one empty string')
})

t.test('Guard: at most ITEMS_MAX items in a body, however they are spread', async t => {
  const lists: AvroSchema = { type: 'array', items: { type: 'array', items: 'string' } }
  const type = avsc.Type.forSchema(lists as avsc.Schema)
  const inner = new Array<string>(1024).fill('')
  const rows = ITEMS_MAX / 1024
  const check = (rowCount: number, last: string[]): boolean => {
    const bytes = type.toBuffer([...new Array<string[]>(rowCount).fill(inner), last])
    return avroGuard(lists)(bytes, 0, bytes.length)
  }
  t.ok(check(rows - 1, inner.slice(0, 1024 - rows)), 'exactly ITEMS_MAX, rows included')
  t.notOk(check(rows - 1, inner.slice(0, 1025 - rows)), 'one more')
})

t.test('Guard: a type that the protocol does not use is a programming error', async t => {
  t.throws(() => avroGuard('double'), TypeError)
})
