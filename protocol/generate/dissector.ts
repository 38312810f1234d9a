// The generated tables of wireshark/sluice.lua: apis, errors and schemas, between `-- generated` and `-- end`.

import type { AvroSchema } from '../avro-guard.js'
import { BATCH_POSITION } from '../batch-header.js'
import { isUnion, type Definitions } from './definitions.js'

/**
 * Puts the tables into the text of the dissector.
 *
 * @throws Error where the marks are missing.
 */
export function fillTables (dissector: string, definitions: Definitions): string {
  const marks = /(-- generated[^\n]*\n)[^]*?(-- end\n)/
  if (!marks.test(dissector)) throw new Error('wireshark/sluice.lua has no generated section')
  return dissector.replace(marks, (_, start: string, end: string) => start + luaTables(definitions) + end)
}

function luaTables ({ apis, errors, messages }: Definitions): string {
  const rows = (entries: string[]): string => entries.map(entry => `  ${entry},\n`).join('')
  return 'local APIS = {\n' + rows(apis.map(({ key, name }) => `[${key}] = "${name}"`)) + '}\n' +
    'local ERRORS = {\n' + rows(errors.map(({ number, name }) => `[${number}] = "${name}"`)) + '}\n' +
    'local BATCH = {\n' + rows(Object.entries(BATCH_POSITION).map(([name, position]) => `${name} = ${position}`)) + '}\n' +
    'local SCHEMAS = {\n' + rows(messages.map(({ name, schema }) => `["${name}"] = ${luaSchema(schema)}`)) + '}\n'
}

function luaSchema (schema: AvroSchema): string {
  if (typeof schema === 'string') return `"${schema}"`
  if (isUnion(schema)) return `{ union = { ${schema.map(luaSchema).join(', ')} } }`
  switch (schema.type) {
    case 'array': return `{ array = ${luaSchema(schema.items)} }`
    case 'map': return `{ map = ${luaSchema(schema.values)} }`
    case 'enum': return `{ enum = { ${schema.symbols.map(symbol => `"${symbol}"`).join(', ')} } }`
    case 'record':
      return `{ record = { ${schema.fields.map(({ name, type }) => `{ "${name}", ${luaSchema(type)} }`).join(', ')} } }`
  }
}
