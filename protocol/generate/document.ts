// The generated sections of PROTOCOL.md: between `<!-- generated:NAME -->` and `<!-- end -->`.

import type { AvroSchema } from '../avro-guard.js'
import { BATCH_HEADER_BYTES, BATCH_POSITION } from '../batch-header.js'
import { dumpFrame, dumpRecordBatch } from './annotated-dump.js'
import type { BatchVector } from './batch-samples.js'
import type { ChecksumVectors } from './checksums.js'
import { isUnion, type Api, type Definitions, type MessageDefinition } from './definitions.js'
import { DEAD_LETTER_SAMPLE } from './message-samples.js'
import { typicalVector } from './message-vectors.js'

/** Text of every section by name. */
export function documentSections (
  definitions: Definitions, batches: BatchVector[], checksums: ChecksumVectors,
): Map<string, string> {
  const sections = new Map<string, string>()
  sections.set('apis', apiOverview(definitions))
  for (const api of definitions.apis) sections.set(`api ${api.name}`, apiSection(api, definitions))
  sections.set('error response', messageSection(definitions, 'error'))
  sections.set('errors', errorTable(definitions))
  sections.set('batch header', batchHeaderTable())
  const example = batches.find(batch => batch.name === 'headers')!
  sections.set('batch example', fenced(dumpRecordBatch(Buffer.from(example.hex, 'hex'))))
  sections.set('checksums', checksumTable(checksums))
  sections.set('dead letter', `\`\`\`json\n${JSON.stringify(DEAD_LETTER_SAMPLE, null, 2)}\n\`\`\``)
  sections.set('lanes', laneTable(checksums))
  sections.set('dedup keys', dedupTable(checksums))
  const extras = batches.find(batch => batch.name === 'extras')!
  sections.set('extras example', fenced(dumpRecordBatch(Buffer.from(extras.hex, 'hex'))))
  return sections
}

/**
 * Puts the sections into a document.
 *
 * @throws Error where the document misses a section, or names one that does not exist.
 */
export function fillSections (document: string, sections: ReadonlyMap<string, string>): string {
  const missing = new Set(sections.keys())
  const filled = document.replace(/(<!-- generated:(.+?) -->\n)[^]*?(<!-- end -->)/g, (_, start: string, name: string, end: string) => {
    const section = sections.get(name)
    if (section === undefined) throw new Error(`there is no generated section "${name}"`)
    missing.delete(name)
    return `${start}\n${section.trim()}\n\n${end}`
  })
  if (missing.size > 0) throw new Error(`the document misses the generated sections ${[...missing].join(', ')}`)
  return filled
}

function fenced (text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``
}

function table (head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

function apiOverview ({ apis }: Definitions): string {
  return table(['key', 'api', 'versions', 'what it does'], apis.map(api =>
    [String(api.key), `[${api.name}](#${api.name.toLowerCase()})`, `${api.minVersion}–${api.maxVersion}`, api.doc]))
}

function apiSection (api: Api, definitions: Definitions): string {
  return `Key ${api.key}, versions ${api.minVersion} to ${api.maxVersion}.\n\n${messageSection(definitions, api.name)}`
}

const TITLE = { request: 'Request', response: 'Response', notice: 'Notice' } as const

function messageSection (definitions: Definitions, api: string): string {
  const order = ['request', 'response', 'notice']
  return definitions.messages.filter(message => message.api === api)
    .sort((a, b) => a.version - b.version || order.indexOf(a.direction) - order.indexOf(b.direction))
    .map(message => {
      const { hex } = typicalVector(message, definitions)
      const doc = (message.schema as { doc?: string }).doc ?? ''
      return `**${TITLE[message.direction]}, version ${message.version}.** ${doc}\n\n${fieldTable(message)}\n\n` +
        fenced(dumpFrame(Buffer.from(hex, 'hex'), message, definitions))
    }).join('\n\n')
}

function fieldTable (message: MessageDefinition): string {
  const rows: string[][] = []
  fieldRows(message.schema, '', rows)
  return rows.length === 0 ? 'No fields: the body is empty.' : table(['field', 'type', 'what it says'], rows)
}

function fieldRows (schema: AvroSchema, path: string, rows: string[][]): void {
  if (typeof schema === 'string') return
  if (isUnion(schema)) {
    for (const branch of schema) fieldRows(branch, path, rows)
    return
  }
  if (schema.type === 'array') return fieldRows(schema.items, `${path}[]`, rows)
  if (schema.type === 'map') return fieldRows(schema.values, `${path}{}`, rows)
  if (schema.type === 'enum') return
  for (const field of schema.fields) {
    const name = path === '' ? field.name : `${path}.${field.name}`
    rows.push([`\`${name}\``, typeText(field.type), field.doc ?? ''])
    fieldRows(field.type, name, rows)
  }
}

function typeText (schema: AvroSchema): string {
  if (typeof schema === 'string') return schema
  if (isUnion(schema)) return `union: ${schema.map(typeText).join(', ')}`
  switch (schema.type) {
    case 'array': return `array of ${typeText(schema.items)}`
    case 'map': return `map of ${typeText(schema.values)}`
    case 'enum': return `enum: ${schema.symbols.map((symbol, index) => `${index} ${symbol}`).join(', ')}`
    case 'record': return 'record'
  }
}

function errorTable ({ errors }: Definitions): string {
  const yes = (value: boolean): string => value ? 'yes' : ''
  return table(['number', 'name', 'retriable', 'maybe applied', 'what it means', 'what to do'], errors.map(row =>
    [String(row.number), row.name, yes(row.retriable), yes(row.maybeApplied), row.text, row.action]))
}

const HEADER_FIELDS: Readonly<Record<string, [type: string, doc: string]>> = {
  baseOffset: ['i64', 'Offset of the first record.'],
  size: ['u32', 'Bytes of the whole batch, this header included: 84 to 67,108,864.'],
  leaderEpoch: ['u32', 'Epoch of the leader that appended the batch.'],
  committedOffset: ['i64', 'Everything below was durable, where the batch was stamped, by then.'],
  prevCrc: ['u32', '`crc` of the batch before this one in the log; 0 before the first.'],
  headerCrc: ['u32', 'CRC-32C of bytes 0 to 27.'],
  crc: ['u32', 'CRC-32C of byte 36 up to the end of the batch.'],
  magic: ['u8', '1: this layout.'],
  codec: ['u8', 'Compression of the records: 0 none, 1 gzip, 2 brotli, 3 lz4, 4 zstd.'],
  flags: ['u16', 'Bit 0 control, bit 1 encrypted. Write 0 into the others, and ignore them.'],
  recordCount: ['u32', 'Records that are there.'],
  lastOffsetDelta: ['u32', 'Offset of the last record less `baseOffset`, as it was when the batch was written.'],
  firstTimestamp: ['i64', 'Timestamp of the first record as written, in milliseconds since 1970-01-01 UTC.'],
  maxTimestamp: ['i64', 'Highest timestamp.'],
  producerId: ['i64', 'Id of an idempotent producer, or -1.'],
  baseSequence: ['i32', 'Sequence of the first record, or -1 without a producer id.'],
  producerEpoch: ['u16', 'Epoch of the producer; 0 without a producer id.'],
  reserved: ['u16', 'Write 0, and ignore.'],
  extrasSize: ['u32', 'Bytes of extras between this header and the records; 0 for none.'],
}

function batchHeaderTable (): string {
  const rows = Object.entries(BATCH_POSITION).map(([name, position]) => {
    const [type, doc] = HEADER_FIELDS[name]!
    return [String(position), `\`${name}\``, type, doc]
  })
  return table(['position', 'field', 'type', 'what it says'], [...rows, [String(BATCH_HEADER_BYTES), 'extras', '', 'then the records']])
}

function checksumTable ({ crc32c, partitions }: ChecksumVectors): string {
  return table(['bytes', 'CRC-32C'], crc32c.map(({ about, crc }) => [about, `\`0x${crc.toString(16).padStart(8, '0')}\``])) +
    '\n\n' + table(['key', 'partitions', 'partition'], partitions.map(({ about, partitions: count, partition }) =>
    [about, String(count), String(partition)]))
}

function laneTable ({ lanes }: ChecksumVectors): string {
  return table(['key', 'lane'], lanes.map(({ about, lane }) => [about, String(lane)]))
}

function dedupTable ({ dedupKeys }: ChecksumVectors): string {
  return table(['dedup id', 'key'], dedupKeys.map(({ dedupId, dedupKey }) =>
    [dedupId.length > 100 ? `${dedupId.length} times \`${dedupId[0]}\`` : `\`${dedupId}\``, `\`${dedupKey}\``]))
}
