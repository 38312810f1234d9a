// Vectors of whole frames, a file per api and version.

import avsc from 'avsc'
import { FRAME_FLAG, FRAME_HEADER_BYTES, writeFrameHeader } from '../frame.js'
import { fetchedBatch, producedBatch } from './batch-samples.js'
import type { Definitions, MessageDefinition } from './definitions.js'
import { extremeValue, minimalValue, typicalMessage } from './message-samples.js'

/** One frame and what it says. */
export interface MessageVector {
  name: string
  api: string
  version: number
  direction: string
  flags: number
  correlation: number
  fields: unknown
  /** Raw bytes behind the body, in hex. */
  payload: string
  /** The whole frame. */
  hex: string
}

/** Correlation id of the frames of practice. */
export const CORRELATION = 7
/** Apis whose requests should not hold up others. */
const UNORDERED_APIS = new Set(['fetch', 'heartbeatGroup', 'receive'])

/** Messages whose payload has batches as a log holds them. */
const WITH_FETCHED_BATCH =
  new Set(['fetch.v1.response', 'receive.v1.response', 'peekRecords.v1.response', 'replicate.v1.request'])

/** Vectors of one message: minimal, typical, extreme. */
export function messageVectors (message: MessageDefinition, definitions: Definitions): MessageVector[] {
  const payload = payloadOf(message)
  const typical = withPayloadSize(typicalMessage(message), payload.length)
  const none = Buffer.alloc(0)
  return [
    vectorOf(message, definitions, 'minimal', minimalValue(message.schema), none, 0),
    vectorOf(message, definitions, 'typical', typical, payload, CORRELATION),
    vectorOf(message, definitions, 'extreme', extremeValue(message.schema), none, 0xffffffff),
  ]
}

/** The vector of practice, for the examples. */
export function typicalVector (message: MessageDefinition, definitions: Definitions): MessageVector {
  return messageVectors(message, definitions)[1]!
}

function vectorOf (
  message: MessageDefinition, definitions: Definitions, kind: string, fields: unknown, payload: Buffer,
  correlation: number,
): MessageVector {
  const { api, version, direction } = message
  const key = definitions.apis.find(candidate => candidate.name === api)?.key ?? errorExampleKey(definitions)
  const flags = flagsOf(message)
  const body = avsc.Type.forSchema(message.schema as avsc.Schema).toBuffer(fields)
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  const sent = direction === 'notice' ? 0 : correlation
  const frameVersion = api === 'error' && kind === 'typical' ? 9 : version
  writeFrameHeader(header, { api: key, version: frameVersion, flags, correlation: sent }, body.length, payload.length)
  return {
    name: `${message.name}/${kind}`,
    api,
    version,
    direction,
    flags,
    correlation: sent,
    fields,
    payload: payload.toString('hex'),
    hex: Buffer.concat([header, body, payload]).toString('hex'),
  }
}

/** The error response has no api of its own: the examples answer a fetch. */
function errorExampleKey ({ apis }: Definitions): number {
  return apis.find(api => api.name === 'fetch')!.key
}

function flagsOf ({ api, direction }: MessageDefinition): number {
  const unordered = UNORDERED_APIS.has(api) || api === 'error' ? FRAME_FLAG.unordered : 0
  if (direction === 'request') return unordered
  if (direction === 'notice') return FRAME_FLAG.response | FRAME_FLAG.notice
  return FRAME_FLAG.response | unordered | (api === 'error' ? FRAME_FLAG.error : 0)
}

function payloadOf ({ name }: MessageDefinition): Buffer {
  if (name === 'produce.v1.request') return producedBatch()
  return WITH_FETCHED_BATCH.has(name) ? fetchedBatch() : Buffer.alloc(0)
}

/** Fills in the size of the batch that stands in the payload. */
function withPayloadSize (fields: Record<string, unknown>, size: number): Record<string, unknown> {
  if (size === 0) return fields
  if ('size' in fields) return { ...fields, size }
  if ('fetched' in fields) {
    const [first] = fields.fetched as { parts: object[] }[]
    return { ...fields, fetched: [{ ...first, parts: [{ ...first!.parts[0], size }] }] }
  }
  const list = 'batches' in fields ? 'batches' : 'partitions'
  return { ...fields, [list]: (fields[list] as object[]).map(item => ({ ...item, size })) }
}
