// Writes `generated/*.ts` from apis.json, errors.json and schemas/*.avsc: the types, the schemas as values, the error
// table. With `--check` it writes nothing and fails where a file on disk differs.
//
//   node protocol/dist/generate.js [--check]

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { AvroField, AvroSchema } from './avro-guard.js'

interface Api { name: string, key: number, minVersion: number, maxVersion: number, doc: string }
interface ErrorRow {
  number: number
  name: string
  retriable: boolean
  maybeApplied: boolean
  category: string
  text: string
  action: string
}

const HEAD = '// Generated from apis.json, errors.json and schemas/ by `npm run generate`. Do not edit.\n\n'
const packageFolder = fileURLToPath(new URL('..', import.meta.url))

/** Files to be, by path below the package folder. */
export function generateFiles (): Map<string, string> {
  const apis = JSON.parse(readFileSync(join(packageFolder, 'apis.json'), 'utf8')) as Api[]
  const errors = JSON.parse(readFileSync(join(packageFolder, 'errors.json'), 'utf8')) as ErrorRow[]
  const schemaFolder = join(packageFolder, 'schemas')
  const schemas = readdirSync(schemaFolder).filter(name => name.endsWith('.avsc')).sort().map(file => ({
    name: file.slice(0, -'.avsc'.length),
    schema: JSON.parse(readFileSync(join(schemaFolder, file), 'utf8')) as AvroSchema,
  }))
  return new Map([
    ['generated/messages.ts', HEAD + messagesSource(apis, schemas)],
    ['generated/errors.ts', HEAD + errorsSource(errors)],
  ])
}

function messagesSource (apis: Api[], schemas: { name: string, schema: AvroSchema }[]): string {
  const parts: string[] = []
  parts.push('/** Api keys by name. */\nexport const API_KEY = {\n' +
    apis.map(api => `  /** ${api.doc} */\n  ${api.name}: ${api.key},\n`).join('') + '} as const\n')
  parts.push('export type ApiName = keyof typeof API_KEY\n')
  parts.push('/** Versions of each api that this package speaks. */\nexport const API_VERSIONS: Readonly<Record<ApiName, { min: number, max: number }>> = {\n' +
    apis.map(api => `  ${api.name}: { min: ${api.minVersion}, max: ${api.maxVersion} },\n`).join('') + '}\n')
  const declared = new Map<string, string>()
  for (const { schema } of schemas) declareTypes(schema, declared)
  parts.push(...declared.values())
  parts.push('/** Message types by api and direction, in their newest version. */\nexport interface Messages {\n' +
    schemas.map(({ name, schema }) => {
      const [api, , direction] = name.split('.')
      return `  '${api}.${direction}': ${(schema as { name: string }).name}\n`
    }).join('') + '}\n')
  parts.push('/** Schemas by message name, without their docs. */\nexport const SCHEMAS = {\n' +
    schemas.map(({ name, schema }) => `  '${name}': ${JSON.stringify(withoutDocs(schema))},\n`).join('') + '} as const\n')
  return parts.join('\n')
}

function declareTypes (schema: AvroSchema, declared: Map<string, string>): string {
  if (typeof schema === 'string') return primitive(schema)
  if (Array.isArray(schema)) return schema.map(branch => declareTypes(branch, declared)).reverse().join(' | ')
  const complex = schema as Exclude<AvroSchema, string | readonly AvroSchema[]>
  switch (complex.type) {
    case 'array': {
      const items = declareTypes(complex.items, declared)
      return items.includes('|') ? `(${items})[]` : `${items}[]`
    }
    case 'map': return `Record<string, ${declareTypes(complex.values, declared)}>`
    case 'enum':
      declareOnce(declared, complex.name, `/** ${complex.doc ?? ''} */\nexport type ${complex.name} = ${complex.symbols.map(symbol => `'${symbol}'`).join(' | ')}\n`)
      return complex.name
    case 'record': {
      const fields = complex.fields.map((field: AvroField) =>
        `  /** ${field.doc ?? ''} */\n  ${field.name}: ${declareTypes(field.type, declared)}\n`).join('')
      declareOnce(declared, complex.name, fields === ''
        ? `/** ${complex.doc ?? ''} */\nexport type ${complex.name} = Record<never, never>\n`
        : `/** ${complex.doc ?? ''} */\nexport interface ${complex.name} {\n${fields}}\n`)
      return complex.name
    }
  }
}

function declareOnce (declared: Map<string, string>, name: string, source: string): void {
  const before = declared.get(name)
  if (before !== undefined && before !== source) throw new Error(`two different types are named ${name}`)
  declared.set(name, source)
}

function primitive (name: string): string {
  const types: Record<string, string> = { null: 'null', boolean: 'boolean', int: 'number', long: 'number', string: 'string' }
  const type = types[name]
  if (type === undefined) throw new Error(`the protocol does not use the Avro type ${name}`)
  return type
}

function withoutDocs (schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutDocs)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== 'doc').map(([key, value]) => [key, withoutDocs(value)]))
}

function errorsSource (errors: ErrorRow[]): string {
  const categories = [...new Set(errors.map(row => row.category).filter(category => category !== ''))].sort()
  return '/** Error numbers by name; errors.json has the texts. */\nexport const ERROR = {\n' +
    errors.map(row => `  /** ${row.text} ${row.action} */\n  ${row.name}: ${row.number},\n`).join('') + '} as const\n\n' +
    'export type ErrorName = keyof typeof ERROR\n\n' +
    `/** What kind of failure an error is, for a client that does not tell the numbers apart. */\nexport type ErrorCategory =\n${categories.map(category => `  | '${category}'\n`).join('')}\n` +
    'export interface ErrorRow {\n  readonly number: number\n  readonly name: ErrorName\n  /** May the same request succeed later? */\n  readonly retriable: boolean\n' +
    '  /** May the request have taken effect all the same? */\n  readonly maybeApplied: boolean\n  readonly category: ErrorCategory | \'\'\n  readonly text: string\n  /** What the one who meets it should do next. */\n  readonly action: string\n}\n\n' +
    'export const ERRORS: readonly ErrorRow[] = [\n' + errors.map(row => `  ${JSON.stringify(row)},\n`).join('') + ']\n'
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check')
  for (const [path, text] of generateFiles()) {
    const file = join(packageFolder, path)
    if (!check) {
      writeFileSync(file, text)
    } else if (readFileSync(file, 'utf8') !== text) {
      console.error(`protocol/${path} is not what the schemas say: run npm run generate --workspace @sluice/protocol`)
      process.exitCode = 1
    }
  }
}
