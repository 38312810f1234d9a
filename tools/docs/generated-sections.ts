// Tables in the documentation that come from the code, so that they cannot disagree with it.
//
//   <!-- begin NAME -->
//   … written by `npm run docs`, checked by a test …
//   <!-- end NAME -->

import {
  environmentName, OPTION_NAMES, OPTIONS, QUEUE_SETTINGS, TOPIC_SETTINGS, type OptionRow, type QueueSettingRow,
  type TopicSettingRow,
} from '@sluice/broker'
import { COMMANDS } from '../cli/main.js'

/** A table and where it stands. */
export interface GeneratedSection {
  readonly name: string
  /** From the root of the repository. */
  readonly file: string
  readonly text: () => Promise<string>
}

export const SECTIONS: readonly GeneratedSection[] = [
  { name: 'options', file: 'broker/README.md', text: async () => optionTable() },
  { name: 'topic settings', file: 'broker/README.md', text: async () => settingTable(TOPIC_SETTINGS) },
  { name: 'queue settings', file: 'broker/README.md', text: async () => settingTable(QUEUE_SETTINGS) },
  { name: 'commands', file: 'tools/README.md', text: commandTable },
]

/** The text with what stands between the marks of a section replaced. @throws Error where the marks are missing. */
export function replaceSection (text: string, name: string, content: string): string {
  const begin = `<!-- begin ${name} -->\n`
  const end = `<!-- end ${name} -->`
  const start = text.indexOf(begin)
  const stop = text.indexOf(end, start)
  if (start < 0 || stop < 0) throw new Error(`the marks of the section "${name}" are missing`)
  return `${text.slice(0, start + begin.length)}${content}${text.slice(stop)}`
}

function optionTable (): string {
  const rows = OPTION_NAMES.map(name => {
    const row: OptionRow = OPTIONS[name]
    return [`\`--${name}\``, `\`${environmentName(name)}\``, quantity(row, row.default), range(row), row.doc]
  })
  return table(['flag', 'environment', 'default', 'values', 'what it does'], rows)
}

function settingTable (settings: Readonly<Record<string, TopicSettingRow | QueueSettingRow>>): string {
  const rows = Object.entries(settings).map(([name, row]) =>
    [`\`${name}\``, quantity(row, row.default), range(row), row.doc])
  return table(['setting', 'default', 'values', 'what it does'], rows)
}

async function commandTable (): Promise<string> {
  const rows: string[][] = []
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = (await load()).command(async () => {}, COMMANDS)
    if (command.commands.length === 0) rows.push([`\`sluice ${name}\``, `${summary}.`])
    for (const child of command.commands) rows.push([`\`sluice ${name} ${child.name()}\``, child.description()])
  }
  return table(['command', 'what it does'], rows)
}

type Quantity = Pick<OptionRow, 'choices' | 'min' | 'max'> & { readonly kind: string }

const FORMS: Readonly<Record<string, string>> = { address: 'HOST:PORT', etcd: 'etcd://HOST:PORT,…', name: 'name' }

function range (row: Quantity): string {
  if (row.choices !== undefined) return row.choices.map(choice => `\`${choice}\``).join(' ')
  if (row.min === undefined || row.max === undefined) return FORMS[row.kind] ?? 'text'
  const max = row.max === Number.MAX_SAFE_INTEGER ? 'any' : quantity(row, String(row.max))
  return `${quantity(row, String(row.min))} – ${max}`
}

/** A default as people read it: `64 MiB`, `7 d`. */
function quantity (row: Quantity, text: string): string {
  if (text === '') return '–'
  const value = Number(text)
  if (row.kind === 'bytes' && value > 0) return withUnit(value, [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10], ['B', 1]])
  if (row.kind === 'duration' && value > 0) {
    return withUnit(value, [['d', 86_400_000], ['h', 3_600_000], ['min', 60_000], ['s', 1000], ['ms', 1]])
  }
  return row.kind === 'integer' ? value.toLocaleString('en-US') : `\`${text}\``
}

function withUnit (value: number, units: readonly (readonly [string, number])[]): string {
  const [unit, scale] = units.find(([, scale]) => value % scale === 0)!
  return `${(value / scale).toLocaleString('en-US')} ${unit}`
}

function table (head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('')
}
