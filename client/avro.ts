// Avro values: `import { avro } from '@sluice/client/avro'`.
//
// The bytes of a value are its plain Avro binary form, without a header or a schema id: whoever reads must know the
// schema it was written with. Where that has changed, `writerSchema` names the old one and values are resolved to the
// new one by the rules of Avro.

import avsc from 'avsc'
import { serializationError, type Serde } from './serdes.js'

/** A schema in its JSON form. */
export type AvroSchema = avsc.Schema

/** Options of `avro`. */
export interface AvroOptions {
  /** Schema that the values to be read were written with. Default: the same. */
  writerSchema?: AvroSchema
}

const SCRATCH_BYTES = 64 * 1024

/**
 * A serde for values of an Avro schema.
 *
 * @throws BrokerError SERIALIZATION for a schema that is not valid, or that values of `writerSchema` do not resolve to.
 */
export function avro<T = unknown> (schema: AvroSchema, options: AvroOptions = {}): Serde<T> {
  const type = typeOf(schema)
  const { writerSchema } = options
  const writer = writerSchema === undefined ? null : typeOf(writerSchema)
  let resolver: ReturnType<avsc.Type['createResolver']> | undefined
  try {
    resolver = writer === null ? undefined : type.createResolver(writer)
  } catch (error) {
    throw serializationError('avro', `the schemas do not go together: ${(error as Error).message}`, error)
  }
  let scratch: Buffer | null = null
  return {
    name: 'avro',
    encode (value) {
      scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES)
      const end = type.encode(value, scratch, 0)
      return end >= 0 ? Buffer.from(scratch.subarray(0, end)) : type.toBuffer(value)
    },
    decode (bytes) {
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      return type.fromBuffer(buffer, resolver) as T
    },
  }
}

function typeOf (schema: AvroSchema): avsc.Type {
  try {
    return avsc.Type.forSchema(schema)
  } catch (error) {
    throw serializationError('avro', `the schema is not valid: ${(error as Error).message}`, error)
  }
}
