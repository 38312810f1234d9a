// What the protocol is defined by: apis.json, errors.json and schemas/*.avsc, as read from the package folder.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AvroSchema } from '../avro-guard.js'
import type { Direction } from '../message-codec.js'

export interface Api { name: string, key: number, minVersion: number, maxVersion: number, doc: string }

export interface ErrorDefinition {
  number: number
  name: string
  retriable: boolean
  maybeApplied: boolean
  category: string
  text: string
  action: string
}

/** One schema file; `name` is such as `fetch.v1.request`. */
export interface MessageDefinition {
  name: string
  api: string
  version: number
  direction: Direction
  schema: AvroSchema
}

export interface Definitions { apis: Api[], errors: ErrorDefinition[], messages: MessageDefinition[] }

/** The complex schemas: objects with a `type` word. */
export type ComplexSchema = Exclude<AvroSchema, string | readonly AvroSchema[]>
export type RecordSchema = Extract<AvroSchema, { type: 'record' }>

/**
 * Reads all definitions.
 *
 * @throws Error where an api misses a message, or a message an api.
 */
export function readDefinitions (packageFolder: string): Definitions {
  const json = (name: string): unknown => JSON.parse(readFileSync(join(packageFolder, name), 'utf8'))
  const apis = json('apis.json') as Api[]
  const errors = json('errors.json') as ErrorDefinition[]
  const messages = readdirSync(join(packageFolder, 'schemas')).filter(name => name.endsWith('.avsc')).sort()
    .map(file => parseName(file, json(join('schemas', file)) as AvroSchema))
  for (const message of messages) {
    const known = message.api === 'error' || apis.some(api => api.name === message.api &&
      message.version >= api.minVersion && message.version <= api.maxVersion)
    if (!known) throw new Error(`schemas/${message.name}.avsc: apis.json has no such api and version`)
  }
  for (const api of apis) {
    for (let version = api.minVersion; version <= api.maxVersion; version++) {
      if (!messages.some(message => message.api === api.name && message.version === version)) {
        throw new Error(`apis.json names ${api.name} version ${version}, for which there is no schema`)
      }
    }
  }
  return { apis, errors, messages }
}

function parseName (file: string, schema: AvroSchema): MessageDefinition {
  const match = /^([A-Za-z]+)\.v([0-9]+)\.(request|response|notice)\.avsc$/.exec(file)
  if (match === null) throw new Error(`schemas/${file} is not named <api>.v<N>.<request|response|notice>.avsc`)
  return {
    name: file.slice(0, -'.avsc'.length),
    api: match[1]!,
    version: Number(match[2]),
    direction: match[3] as Direction,
    schema,
  }
}

/** True for a union: an array of schemas. */
export function isUnion (schema: AvroSchema): schema is readonly AvroSchema[] {
  return Array.isArray(schema)
}
