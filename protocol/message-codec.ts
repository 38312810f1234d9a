// Messages: the Avro bodies of frames, by api, version and direction.
//
// Schemas come from `schemas/*.avsc` through `generated/`. Codecs are made when first used, so that a client which
// produces pays nothing for the schemas of group administration.

import avsc from 'avsc'
import { avroGuard, type AvroSchema } from './avro-guard.js'
import { FRAME_HEADER_BYTES, writeFrameHeader, type Frame, type FrameHead } from './frame.js'
import { API_KEY, SCHEMAS, type ApiName, type Messages } from './generated/messages.js'

/** request: client to broker; response: its answer; notice: broker to client without a request. */
export type Direction = 'request' | 'response' | 'notice'

/** The type of a message; `unknown` for a pair that does not exist. */
export type MessageOf<A extends string, D extends Direction> =
  `${A}.${D}` extends keyof Messages ? Messages[`${A}.${D}`] : never

/** The bytes of a body are not a value of its schema. */
export class MessageError extends Error {
  constructor (message: string) {
    super(message)
    this.name = 'MessageError'
  }
}

/** Encodes and decodes the bodies of one (api, version, direction). */
export interface MessageCodec<T> {
  /** Such as `fetch.v1.request`. */
  readonly name: string
  /** Puts a whole frame but for its payload into a Buffer of its own. Programmer errors (a wrong type) throw. */
  encodeFrame (head: FrameHead, message: T, payloadSize?: number): Buffer
  /** @throws MessageError where the bytes are not a message of this kind, whatever they are. */
  decode (bytes: Buffer, start: number, end: number): T
}

const API_NAME_BY_KEY: ReadonlyMap<number, ApiName> =
  new Map(Object.entries(API_KEY).map(([name, key]) => [key, name as ApiName]))

/** Name of an api, or undefined where this version does not know the key. */
export function apiName (key: number): ApiName | undefined {
  return API_NAME_BY_KEY.get(key)
}

const codecs = new Map<string, MessageCodec<unknown>>()

/** The codec of a message. Version 1 is the only one so far. */
export function messageCodec<A extends ApiName | 'error', D extends Direction> (
  api: A, direction: D, version = 1,
): MessageCodec<MessageOf<A, D>> {
  const name = `${api}.v${version}.${direction}`
  let codec = codecs.get(name)
  if (codec === undefined) {
    const schema = (SCHEMAS as Record<string, AvroSchema>)[name]
    if (schema === undefined) throw new TypeError(`there is no message ${name}`)
    codec = makeCodec(name, schema)
    codecs.set(name, codec)
  }
  return codec as MessageCodec<MessageOf<A, D>>
}

/** Decodes the body of a frame. @throws MessageError */
export function decodeBody<T> (codec: MessageCodec<T>, frame: Frame): T {
  return codec.decode(frame.bytes, frame.bodyStart, frame.bodyEnd)
}

const SCRATCH_BYTES = 64 * 1024
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

function makeCodec<T> (name: string, schema: AvroSchema): MessageCodec<T> {
  const type = avsc.Type.forSchema(schema as avsc.Schema)
  const guard = avroGuard(schema)
  return {
    name,
    encodeFrame (head, message, payloadSize = 0) {
      let end = type.encode(message, scratch, FRAME_HEADER_BYTES)
      if (end < 0) {
        // Too small by -end bytes. A larger one serves this message only: the usual ones are small.
        const large = Buffer.allocUnsafeSlow(scratch.length - end)
        end = type.encode(message, large, FRAME_HEADER_BYTES)
        writeFrameHeader(large, head, end - FRAME_HEADER_BYTES, payloadSize)
        return large.subarray(0, end)
      }
      writeFrameHeader(scratch, head, end - FRAME_HEADER_BYTES, payloadSize)
      return Buffer.from(scratch.subarray(0, end))
    },
    decode (bytes, start, end) {
      if (!guard(bytes, start, end)) throw new MessageError(`the body is not a valid ${name}`)
      try {
        return type.fromBuffer(bytes.subarray(start, end)) as T
      } catch (error) {
        throw new MessageError(`the body is not a valid ${name}: ${(error as Error).message}`)
      }
    },
  }
}
