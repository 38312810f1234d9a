// Hex dumps that say what each byte is: of a frame by its schema, and of a record batch.
//
//   00000010  02                       topics: 1 follows
//   00000011  0c 6f 72 64 65 72 73     topics[0].name "orders"

import type { AvroSchema } from '../avro-guard.js'
import { BATCH_HEADER_BYTES, BATCH_POSITION, readBatchHeader } from '../batch-header.js'
import { FRAME_FLAG, FRAME_HEADER_BYTES } from '../frame.js'
import { DEDUP_KEY_BYTES, EXTRAS_COLUMN } from '../record-extras.js'
import { RecordExtrasReader } from '../record-extras-reader.js'
import { RecordReader } from '../record-reader.js'
import { readVarint, unzigzag } from '../varint.js'
import { isUnion, type Definitions, type MessageDefinition } from './definitions.js'

const BYTES_A_LINE = 12

class Dump {
  readonly bytes: Buffer
  at = { position: 0 }
  private readonly lines: string[] = []

  constructor (bytes: Buffer) { this.bytes = bytes }

  /** Shows the bytes from `start` to the present position with what they mean. */
  show (start: number, meaning: string): void {
    for (let from = start; from < this.at.position; from += BYTES_A_LINE) {
      const hex = [...this.bytes.subarray(from, Math.min(from + BYTES_A_LINE, this.at.position))]
        .map(byte => byte.toString(16).padStart(2, '0')).join(' ')
      const line = `${from.toString(16).padStart(4, '0')}  ${hex.padEnd(BYTES_A_LINE * 3)} ${from === start ? meaning : ''}`
      this.lines.push(line.trimEnd())
    }
  }

  /** Moves over `size` bytes and shows them. */
  take (size: number, meaning: string): void {
    const start = this.at.position
    this.at.position += size
    this.show(start, meaning)
  }

  varint (): number { return readVarint(this.bytes, this.at, this.bytes.length) }

  text (): string { return this.lines.join('\n') }
}

/** Dump of a whole frame. */
export function dumpFrame (frame: Buffer, message: MessageDefinition, { apis }: Definitions): string {
  const dump = new Dump(frame)
  const api = frame.readUInt16BE(4)
  dump.take(4, `size ${frame.readUInt32BE(0)}: what follows`)
  dump.take(2, `api ${api}, ${apis.find(({ key }) => key === api)?.name}`)
  dump.take(1, `version ${frame[6]}`)
  dump.take(1, `flags: ${flagNames(frame[7]!)}`)
  dump.take(4, `correlation ${frame.readUInt32BE(8)}`)
  const bodySize = frame.readUInt32BE(12)
  dump.take(4, `body size ${bodySize}`)
  dumpValue(dump, message.schema, '')
  if (dump.at.position !== FRAME_HEADER_BYTES + bodySize) throw new Error(`the dump of ${message.name} is out of step`)
  while (dump.at.position < frame.length) dumpBatch(dump)
  return dump.text()
}

/** Dump of a record batch by itself. */
export function dumpRecordBatch (batch: Buffer): string {
  const dump = new Dump(batch)
  dumpBatch(dump)
  return dump.text()
}

function flagNames (flags: number): string {
  const names = Object.entries(FRAME_FLAG).filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name.toUpperCase())
  return names.length === 0 ? 'none' : names.join(', ')
}

function dumpValue (dump: Dump, schema: AvroSchema, path: string): void {
  const start = dump.at.position
  if (typeof schema === 'string') return dumpPrimitive(dump, schema, path)
  if (isUnion(schema)) {
    const branch = schema[unzigzag(dump.varint())]!
    dump.show(start, branch === 'null' ? `${path} null` : `${path}: not null`)
    return branch === 'null' ? undefined : dumpValue(dump, branch, path)
  }
  switch (schema.type) {
    case 'record':
      for (const field of schema.fields) dumpValue(dump, field.type, path === '' ? field.name : `${path}.${field.name}`)
      return
    case 'enum':
      dump.show(start, `${path} ${schema.symbols[unzigzag(dump.varint())]}`)
      return
    case 'array': return dumpItems(dump, path, index => { dumpValue(dump, schema.items, `${path}[${index}]`) })
    case 'map': return dumpItems(dump, path, index => {
      dumpPrimitive(dump, 'string', `${path} key ${index}`)
      dumpValue(dump, schema.values, `${path} value ${index}`)
    })
  }
}

function dumpItems (dump: Dump, path: string, item: (index: number) => void): void {
  for (let index = 0; ;) {
    const start = dump.at.position
    const count = unzigzag(dump.varint())
    dump.show(start, count === 0 ? `${path}: end` : `${path}: ${count} ${count === 1 ? 'follows' : 'follow'}`)
    if (count === 0) return
    for (const end = index + count; index < end; index++) item(index)
  }
}

function dumpPrimitive (dump: Dump, type: string, path: string): void {
  const start = dump.at.position
  if (type === 'null') return
  if (type === 'boolean') return dump.take(1, `${path} ${dump.bytes[start] === 1}`)
  const value = unzigzag(dump.varint())
  if (type !== 'string') return dump.show(start, `${path} ${value}`)
  const text = dump.bytes.toString('utf8', dump.at.position, dump.at.position + value)
  dump.at.position += value
  dump.show(start, `${path} ${JSON.stringify(text)}`)
}

function dumpBatch (dump: Dump): void {
  const start = dump.at.position
  const header = readBatchHeader(dump.bytes, start)
  const fields = Object.entries(BATCH_POSITION)
  for (const [index, [name, position]] of fields.entries()) {
    const end = fields[index + 1]?.[1] ?? BATCH_HEADER_BYTES
    const value = name === 'reserved' ? 0 : header[name as keyof typeof header]
    const checksum = /crc/i.test(name)
    dump.take(end - position, `${name} ${checksum ? `0x${value.toString(16).padStart(8, '0')}` : value}`)
  }
  if (header.extrasSize > 0) dumpExtras(dump, start)
  const reader = new RecordReader().open(dump.bytes, start)
  while (reader.next()) dumpRecord(dump, reader)
}

function dumpExtras (dump: Dump, start: number): void {
  const extras = new RecordExtrasReader()
  if (!extras.open(dump.bytes, start)) throw new Error('the extras of a sample are not valid')
  const names = Object.entries(EXTRAS_COLUMN).filter(([, bit]) => (extras.columns & bit) !== 0).map(([name]) => name)
  dump.take(2, 'extras, version 1')
  dump.take(2, `columns: ${names.join(', ')}`)
  const column = (bit: number, size: number, meaning: (row: number) => string): void => {
    if ((extras.columns & bit) === 0) return
    for (let row = 0; row < extras.rows; row++) dump.take(size, `record ${row}: ${meaning(row)}`)
  }
  column(EXTRAS_COLUMN.lane, 8, row => `lane ${extras.laneOf(row)}`)
  column(EXTRAS_COLUMN.notBefore, 8, row => `not before ${extras.notBeforeOf(row)}`)
  column(EXTRAS_COLUMN.expires, 8, row => `expires ${extras.expiresOf(row)}`)
  column(EXTRAS_COLUMN.priority, 1, row => `priority ${extras.priorityOf(row)}`)
  column(EXTRAS_COLUMN.dedup, DEDUP_KEY_BYTES, row => extras.hasDedup(row) ? 'dedup key' : 'no dedup id')
}

function dumpRecord (dump: Dump, reader: RecordReader): void {
  const varint = (meaning: (value: number) => string): number => {
    const start = dump.at.position
    const value = dump.varint()
    dump.show(start, meaning(value))
    return value
  }
  const nullable = (name: string): void => {
    const size = varint(field => field === 0 ? `${name} null` : `${name} size ${field - 1}, plus 1`) - 1
    if (size > 0) dump.take(size, `${name} ${JSON.stringify(dump.bytes.toString('utf8', dump.at.position, dump.at.position + size))}`)
  }
  varint(length => `record of ${length} bytes`)
  varint(delta => `offset delta ${delta}: offset ${reader.offset}`)
  varint(() => `timestamp delta: ${reader.timestamp}`)
  nullable('key')
  nullable('value')
  varint(count => `${count} headers`)
  for (const { name } of reader.headers()) {
    const start = dump.at.position
    const size = dump.varint()
    dump.at.position += size
    dump.show(start, `header ${JSON.stringify(name)}`)
    nullable('header value')
  }
}
