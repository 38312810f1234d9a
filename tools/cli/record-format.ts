// How `consume` prints a record: a template such as '%p %o %k %v\n', or a format for programs.
//
//   %t topic   %p partition   %o offset   %k key   %v value   %h headers (name=value,name=value)
//   %s size of the value in bytes   %T timestamp, ms since 1970   %% a per cent sign   \n \t \r \0 \\ and \xNN: bytes
//
// Keys, values and header values go out as the bytes they are. A null prints as nothing in a template.

import type { InRecord } from '@sluice/client'
import { InvalidArgumentError } from 'commander'
import type { ByteOutput } from './byte-output.js'

/** A record as it comes: key and value are bytes. */
export type BytesRecord = InRecord<Uint8Array, Uint8Array>

/** Prints records one by one. */
export interface RecordPrinter {
  /** What goes before the first record. */
  start (output: ByteOutput): void
  record (record: BytesRecord, output: ByteOutput): void
  /** What goes behind the last one. */
  end (output: ByteOutput): void
}

/** Names that `--output-format` takes instead of a template. */
export const RECORD_FORMATS = ['value', 'table', 'json', 'jsonl', 'csv'] as const

type Field = 't' | 'p' | 'o' | 'k' | 'v' | 'h' | 's' | 'T'

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', 0: '\0', '\\': '\\' }
const PATTERN = /%([a-zA-Z%])|\\(?:x([0-9a-fA-F]{2})|([ntr0\\]))|[^%\\]+|[%\\]/gsu
const NEWLINE = Buffer.from('\n')
const NO_BYTES = Buffer.alloc(0)

/** Printer of a template or of one of the named formats. @throws InvalidArgumentError */
export function parseRecordFormat (text: string): RecordPrinter {
  switch (text) {
    case 'value': return templatePrinter(['v', NEWLINE])
    case 'table': return tablePrinter()
    case 'jsonl': return jsonPrinter('', '\n', '')
    case 'json': return jsonPrinter('[\n', ',\n', '\n]\n')
    case 'csv': return csvPrinter()
    default: return templatePrinter(parseTemplate(text))
  }
}

/** The parts of a template: fields, and the bytes between. */
function parseTemplate (text: string): (Field | Buffer)[] {
  const parts: (Field | Buffer)[] = []
  for (const [whole, field, hex, escape] of text.matchAll(PATTERN)) {
    if (hex !== undefined) parts.push(Buffer.from(hex, 'hex'))
    else if (escape !== undefined) parts.push(Buffer.from(ESCAPES[escape]!))
    else if (field === '%') parts.push(Buffer.from('%'))
    else if (field !== undefined && 'tpokvhsT'.includes(field)) parts.push(field as Field)
    else if (field !== undefined || whole === '%' || whole === '\\') {
      throw new InvalidArgumentError(`${whole} is not known here: use %t %p %o %k %v %h %s %T %% and \\n \\t \\r \\0 \\\\ \\xNN, ` +
        `or one of ${RECORD_FORMATS.join(', ')}.`)
    } else {
      parts.push(Buffer.from(whole))
    }
  }
  return parts
}

function templatePrinter (parts: readonly (Field | Buffer)[]): RecordPrinter {
  return {
    start () {},
    record (record, output) {
      for (const part of parts) {
        if (typeof part === 'string') printField(part, record, output)
        else output.appendBytes(part)
      }
    },
    end () {},
  }
}

function printField (field: Field, record: BytesRecord, output: ByteOutput): void {
  switch (field) {
    case 'v': return output.appendBytes(record.value ?? NO_BYTES)
    case 'k': return output.appendBytes(record.key ?? NO_BYTES)
    case 'o': return output.appendAscii(String(record.offset))
    case 'p': return output.appendAscii(String(record.partition))
    case 't': return output.appendAscii(record.topic)
    case 's': return output.appendAscii(String(record.value?.length ?? 0))
    case 'T': return output.appendAscii(String(record.timestamp))
    case 'h': return printHeaders(record, output)
  }
}

function printHeaders (record: BytesRecord, output: ByteOutput): void {
  let separator = ''
  for (const [name, value] of record.headers) {
    output.appendText(`${separator}${name}=`)
    output.appendBytes(value)
    separator = ','
  }
}

/** Bytes as JSON: text where they are UTF-8, `{ "base64": … }` where they are not, null where there are none. */
export function jsonBytes (bytes: Uint8Array | null): string | { base64: string } | null {
  if (bytes === null) return null
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = buffer.toString('utf8')
  return Buffer.byteLength(text) === buffer.length && Buffer.from(text).equals(buffer) ? text : { base64: buffer.toString('base64') }
}

function recordObject (record: BytesRecord): object {
  const { topic, partition, offset, timestamp } = record
  const headers = Object.fromEntries([...record.headers].map(([name, value]) => [name, jsonBytes(value)]))
  return { topic, partition, offset, timestamp, key: jsonBytes(record.key), value: jsonBytes(record.value), headers }
}

function jsonPrinter (head: string, separator: string, tail: string): RecordPrinter {
  let first = true
  const isList = head !== ''
  return {
    start: output => output.appendText(head),
    record (record, output) {
      if (isList && !first) output.appendText(separator)
      first = false
      output.appendText(JSON.stringify(recordObject(record)))
      if (!isList) output.appendText(separator)
    },
    end: output => output.appendText(tail),
  }
}

function csvPrinter (): RecordPrinter {
  return {
    start: output => output.appendText('topic,partition,offset,timestamp,key,value\n'),
    record (record, output) {
      output.appendAscii(`${record.topic},${record.partition},${record.offset},${record.timestamp},`)
      appendQuoted(record.key, output)
      output.appendAscii(',')
      appendQuoted(record.value, output)
      output.appendBytes(NEWLINE)
    },
    end () {},
  }
}

const QUOTE = 0x22

/** A cell of CSV, byte for byte; nothing at all for null, which tells it from an empty one. */
function appendQuoted (bytes: Uint8Array | null, output: ByteOutput): void {
  if (bytes === null) return
  output.appendAscii('"')
  let start = 0
  for (let quote = bytes.indexOf(QUOTE); quote >= 0; quote = bytes.indexOf(QUOTE, start)) {
    output.appendBytes(bytes.subarray(start, quote + 1))
    output.appendAscii('"')
    start = quote + 1
  }
  output.appendBytes(bytes.subarray(start))
  output.appendAscii('"')
}

/** For people: a line each, with what a terminal should not be sent made visible. */
function tablePrinter (): RecordPrinter {
  return {
    start () {},
    record (record, output) {
      const time = new Date(record.timestamp).toISOString()
      const key = record.key === null ? '' : ` ${shown(record.key)}`
      output.appendText(`${time} ${record.partition}@${record.offset}${key}  ${record.value === null ? '(deleted)' : shown(record.value)}\n`)
    },
    end () {},
  }
}

function shown (bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
