// Random messages out of a schema, for property tests.

import fc from 'fast-check'
import { LONG_MAX, LONG_MIN, type AvroSchema } from '../avro-guard.js'

/** Any value of a schema. */
export function arbitraryOf (schema: AvroSchema): fc.Arbitrary<unknown> {
  if (typeof schema === 'string') {
    switch (schema) {
      case 'null': return fc.constant(null)
      case 'boolean': return fc.boolean()
      case 'int': return fc.integer()
      case 'long': return fc.oneof(fc.integer(), fc.integer({ min: LONG_MIN, max: LONG_MAX }),
        fc.constantFrom(LONG_MIN, LONG_MAX, 2 ** 31, -(2 ** 31) - 1, 2 ** 52, -1, 0))
      case 'string': return fc.string({ unit: 'binary', maxLength: 40 })
      default: throw new TypeError(schema)
    }
  }
  if (Array.isArray(schema)) return fc.oneof(...schema.map(arbitraryOf))
  const complex = schema as Exclude<AvroSchema, string | readonly AvroSchema[]>
  switch (complex.type) {
    case 'array': return fc.array(arbitraryOf(complex.items), { maxLength: 5 })
    case 'map': return fc.dictionary(fc.string({ unit: 'binary', maxLength: 10 }).filter(key => key !== '__proto__'),
      arbitraryOf(complex.values), { maxKeys: 5, noNullPrototype: true })
    case 'enum': return fc.constantFrom(...complex.symbols)
    case 'record':
      return fc.record(Object.fromEntries(complex.fields.map(field => [field.name, arbitraryOf(field.type)])))
  }
}
