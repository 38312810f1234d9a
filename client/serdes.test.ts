import t from 'tap'
import { z } from 'zod'
import { avro } from './avro.js'
import { bytes, json, string } from './serdes.js'

t.test('Serdes: round trips', async t => {
  const value = { id: 1, name: 'Ä 漢 🙂', list: [1, null, 'x'] }
  t.same(json<typeof value>().decode(json<typeof value>().encode(value)), value)
  t.equal(string().decode(string().encode('Ä 漢 🙂')), 'Ä 漢 🙂')
  const raw = new Uint8Array([1, 2, 3])
  t.equal(bytes().encode(raw), raw)
})

t.test('Serdes: text and bytes agree', async t => {
  for (const serde of [string(), json<string>()]) {
    for (const text of ['', 'plain', 'Ä 漢 🙂']) {
      t.equal(Buffer.from(serde.encode(text)).toString('hex'), Buffer.from(serde.encodeText!(text)).toString('hex'))
    }
  }
})

t.test('Serdes: views of larger buffers', async t => {
  const large = Buffer.from('xxhelloxx')
  t.equal(string().decode(new Uint8Array(large.buffer, large.byteOffset + 2, 5)), 'hello')
})

t.test('Serdes: a Standard Schema checks both ways', async t => {
  const order = json(z.object({ id: z.number(), note: z.string().default('none') }))
  t.same(order.decode(order.encode({ id: 1, note: 'x' })), { id: 1, note: 'x' })
  t.same(order.decode(Buffer.from('{"id":1}')), { id: 1, note: 'none' })
  t.throws(() => order.encode({ id: 'one' } as never), { code: 'SERIALIZATION', message: /id: / })
  t.throws(() => order.decode(Buffer.from('{"id":"one"}')), { code: 'SERIALIZATION' })
  const slow = json({ '~standard': { version: 1, vendor: 'test', validate: async (value: unknown) => ({ value }) } } as const)
  t.throws(() => slow.encode(1), { code: 'SERIALIZATION', message: /asynchronously/ })
})

t.test('Serdes: what cannot be written', async t => {
  t.throws(() => string().encode(3 as never), { code: 'SERIALIZATION' })
  t.throws(() => bytes().encode('x' as never), { code: 'SERIALIZATION', message: /give the topic a serde/ })
  t.throws(() => json<unknown>().encode(undefined), { code: 'SERIALIZATION', message: /no JSON form/ })
})

t.test('Serdes: avro', async t => {
  interface Order { id: number, name: string }
  const schema = { type: 'record', name: 'Order', fields: [{ name: 'id', type: 'long' }, { name: 'name', type: 'string' }] } as const
  const order = avro<Order>(schema as never)
  const first = order.encode({ id: 1, name: 'one' })
  order.encode({ id: 2, name: 'two' })
  t.match(order.decode(first), { id: 1, name: 'one' }, 'bytes are not used again')
  const long = { id: 3, name: 'x'.repeat(100_000) }
  t.match(order.decode(order.encode(long)), long)
  const newer = avro<Order & { note: string }>({
    ...schema, fields: [...schema.fields, { name: 'note', type: 'string', default: '' }],
  } as never, { writerSchema: schema as never })
  t.match(newer.decode(first), { id: 1, name: 'one', note: '' })
  t.throws(() => avro({ type: 'nonsense' } as never), { code: 'SERIALIZATION' })
  t.throws(() => avro('int', { writerSchema: 'string' }), { code: 'SERIALIZATION', message: /do not go together/ })
})
