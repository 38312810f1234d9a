// Serdes: how keys and values become bytes and come back.
//
// null never reaches a serde: a null key or value (a tombstone) is a state of the record, not of its bytes.

import { BrokerError } from './broker-error.js'

/** Turns values of type T into bytes and back. */
export interface Serde<T> {
  /** For error messages. */
  readonly name: string
  /** The bytes of a value. They are read later, so they must not be used for anything else. */
  encode (value: T): Uint8Array
  /** @param bytes a view of a larger buffer, valid for as long as it is referenced. */
  decode (bytes: Uint8Array): T
  /**
   * The value as text whose UTF-8 is what `encode` would give. Where a serde has it, the producer writes the text
   * straight into the batch, without a buffer in between.
   */
  encodeText? (value: T): string
}

/** Any validator that follows the Standard Schema specification: zod, valibot, arktype, and so on. */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => unknown
    readonly types?: { readonly input: unknown, readonly output: Output } | undefined
  }
}

/** The type that a schema lets through. */
export type InferOutput<S> = S extends StandardSchema<infer Output> ? Output : never

const BYTES: Serde<Uint8Array> = {
  name: 'bytes',
  encode: value => {
    if (value instanceof Uint8Array) return value
    throw serializationError('bytes', `a ${typeof value} is not bytes: give the topic a serde, such as string() or json()`)
  },
  decode: value => value,
}

const STRING: Serde<string> = {
  name: 'string',
  encode: value => Buffer.from(text(value), 'utf8'),
  encodeText: value => text(value),
  decode: value => utf8(value),
}

function text (value: string): string {
  if (typeof value === 'string') return value
  throw serializationError('string', `a ${typeof value} is not a string`)
}

/** Bytes as they are. A value read is a view of the buffer that it came in: copy it to keep it for long. */
export const bytes = (): Serde<Uint8Array> => BYTES

/** Text as UTF-8. */
export const string = (): Serde<string> => STRING

/** JSON. `json<T>()` trusts T; `json(schema)` takes any Standard Schema and checks what is sent and what is read. */
export function json<T> (): Serde<T>
export function json<S extends StandardSchema> (schema: S): Serde<InferOutput<S>>
export function json (schema?: StandardSchema): Serde<unknown> {
  const check = schema === undefined ? (value: unknown) => value : (value: unknown) => validated(schema, value)
  const encodeText = (value: unknown): string => {
    const text = JSON.stringify(check(value)) as string | undefined
    if (text === undefined) throw serializationError('json', `a ${typeof value} has no JSON form`)
    return text
  }
  return {
    name: 'json',
    encode: value => Buffer.from(encodeText(value), 'utf8'),
    encodeText,
    decode: value => check(JSON.parse(utf8(value))),
  }
}

function validated (schema: StandardSchema, value: unknown): unknown {
  const result = schema['~standard'].validate(value) as
    { value: unknown, issues?: undefined } | { issues: readonly { message: string, path?: readonly unknown[] }[] }
  if (result instanceof Promise) {
    throw serializationError('json', 'the schema validates asynchronously: use one that answers at once')
  }
  if (result.issues === undefined) return result.value
  const issues = result.issues.slice(0, 3).map(issue => {
    const path = (issue.path ?? []).map(part => String((part as { key?: unknown })?.key ?? part)).join('.')
    return path === '' ? issue.message : `${path}: ${issue.message}`
  })
  throw serializationError('json', `the value does not fit its schema: ${issues.join('; ')}`)
}

function utf8 (value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
}

/** The error of a value that cannot be turned into bytes or back. */
export function serializationError (serde: string, message: string, cause?: unknown): BrokerError {
  return new BrokerError('SERIALIZATION', `${serde}: ${message}`, { cause })
}
