// TypeScript out of the definitions: message types, the schemas as values, the error table.

import type { AvroField, AvroSchema } from '../avro-guard.js'
import { isUnion, type Api, type Definitions, type ErrorDefinition, type MessageDefinition } from './definitions.js'

const HEAD = '// Generated from apis.json, errors.json and schemas/ by `npm run generate`. Do not edit.\n\n'

/** Text of generated/messages.ts. */
export function messagesSource ({ apis, messages }: Definitions): string {
  return HEAD + [...apiTables(apis), ...messageTypes(messages)].join('\n')
}

function apiTables (apis: Api[]): string[] {
  return [
    '/** Api keys by name. */\nexport const API_KEY = {\n' +
      apis.map(api => `  /** ${api.doc} */\n  ${api.name}: ${api.key},\n`).join('') + '} as const\n',
    'export type ApiName = keyof typeof API_KEY\n',
    '/** Versions of each api that this package speaks. */\n' +
      'export const API_VERSIONS: Readonly<Record<ApiName, { min: number, max: number }>> = {\n' +
      apis.map(api => `  ${api.name}: { min: ${api.minVersion}, max: ${api.maxVersion} },\n`).join('') + '}\n',
  ]
}

function messageTypes (messages: MessageDefinition[]): string[] {
  const declared = new Map<string, string>()
  for (const { schema } of messages) declareTypes(schema, declared)
  return [
    ...declared.values(),
    '/** Message types by api and direction, in their newest version. */\nexport interface Messages {\n' +
      messages.map(({ api, direction, schema }) =>
        `  '${api}.${direction}': ${(schema as { name: string }).name}\n`).join('') + '}\n',
    '/** Schemas by message name, without their docs. */\nexport const SCHEMAS = {\n' +
      messages.map(({ name, schema }) => `  '${name}': ${JSON.stringify(withoutDocs(schema))},\n`).join('') +
      '} as const\n',
  ]
}

/** Declares the named types of a schema; returns how to refer to it. */
function declareTypes (schema: AvroSchema, declared: Map<string, string>): string {
  if (typeof schema === 'string') return primitive(schema)
  if (isUnion(schema)) return schema.map(branch => declareTypes(branch, declared)).reverse().join(' | ')
  switch (schema.type) {
    case 'array': {
      const items = declareTypes(schema.items, declared)
      return items.includes('|') ? `(${items})[]` : `${items}[]`
    }
    case 'map': return `Record<string, ${declareTypes(schema.values, declared)}>`
    case 'enum': {
      const symbols = schema.symbols.map(symbol => `'${symbol}'`).join(' | ')
      declareOnce(declared, schema.name, `/** ${schema.doc ?? ''} */\nexport type ${schema.name} = ${symbols}\n`)
      return schema.name
    }
    case 'record': {
      const fields = schema.fields.map((field: AvroField) =>
        `  /** ${field.doc ?? ''} */\n  ${field.name}: ${declareTypes(field.type, declared)}\n`).join('')
      declareOnce(declared, schema.name, fields === ''
        ? `/** ${schema.doc ?? ''} */\nexport type ${schema.name} = Record<never, never>\n`
        : `/** ${schema.doc ?? ''} */\nexport interface ${schema.name} {\n${fields}}\n`)
      return schema.name
    }
  }
}

function declareOnce (declared: Map<string, string>, name: string, source: string): void {
  const before = declared.get(name)
  if (before !== undefined && before !== source) throw new Error(`two different types are named ${name}`)
  declared.set(name, source)
}

function primitive (name: string): string {
  const types: Record<string, string> = {
    null: 'null', boolean: 'boolean', int: 'number', long: 'number', string: 'string',
  }
  const type = types[name]
  if (type === undefined) throw new Error(`the protocol does not use the Avro type ${name}`)
  return type
}

/** The schema without what only people read. */
export function withoutDocs (schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutDocs)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema).filter(([key]) => key !== 'doc').map(([key, value]) => [key, withoutDocs(value)]))
}

const ERROR_ROW = `export interface ErrorRow {
  readonly number: number
  readonly name: ErrorName
  /** May the same request succeed later? */
  readonly retriable: boolean
  /** May the request have taken effect all the same? */
  readonly maybeApplied: boolean
  readonly category: ErrorCategory | ''
  readonly text: string
  /** What the one who meets it should do next. */
  readonly action: string
}
`

/** Text of generated/errors.ts. */
export function errorsSource (errors: ErrorDefinition[]): string {
  const categories = [...new Set(errors.map(row => row.category).filter(category => category !== ''))].sort()
  return HEAD + '/** Error numbers by name; errors.json has the texts. */\nexport const ERROR = {\n' +
    errors.map(row => `  /** ${row.text} ${row.action} */\n  ${row.name}: ${row.number},\n`).join('') +
    '} as const\n\nexport type ErrorName = keyof typeof ERROR\n\n' +
    '/** What kind of failure an error is, for a client that does not tell the numbers apart. */\n' +
    `export type ErrorCategory =\n${categories.map(category => `  | '${category}'\n`).join('')}\n` +
    `${ERROR_ROW}\nexport const ERRORS: readonly ErrorRow[] = [\n` +
    errors.map(row => `  ${JSON.stringify(row)},\n`).join('') + ']\n'
}
