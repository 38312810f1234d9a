// Rows of data on standard output: for people (`table`), for programs (`json`, `jsonl`, `csv`).
//
// The programs' formats carry every field under the same name; the table shows what a person looks for.

export const ROW_FORMATS = ['table', 'json', 'jsonl', 'csv'] as const

export type RowFormat = typeof ROW_FORMATS[number]

/** A value of a cell. Lists and objects are printed as JSON in tables and CSV. */
export type Cell = string | number | boolean | null | readonly unknown[] | object

export type Row = Readonly<Record<string, Cell>>

/** How rows become text. */
export interface RowLayout {
  /** Columns in their order; those of the first row where left out. */
  readonly columns?: readonly string[]
  /** Columns that only programs get. */
  readonly hidden?: readonly string[]
  /** A cell in the words of a table, where plain text is not good enough. */
  readonly show?: (column: string, value: Cell) => string | undefined
}

/** The rows as text that ends with a newline; an empty table is only its head. */
export function formatRows (rows: readonly Row[], format: RowFormat, layout: RowLayout = {}): string {
  const columns = layout.columns ?? Object.keys(rows[0] ?? {})
  switch (format) {
    case 'json': return `${JSON.stringify(rows, null, 2)}\n`
    case 'jsonl': return rows.map(row => `${JSON.stringify(row)}\n`).join('')
    case 'csv': return [columns, ...rows.map(row => columns.map(column => plainText(row[column]!)))]
      .map(cells => `${cells.map(csvCell).join(',')}\n`).join('')
    case 'table': return formatTable(rows, columns.filter(column => layout.hidden?.includes(column) !== true), layout)
  }
}

/** One object: as it is for programs, with a line per field for people. */
export function formatObject (object: Row, format: RowFormat, layout: RowLayout = {}): string {
  if (format === 'json') return `${JSON.stringify(object, null, 2)}\n`
  if (format !== 'table') return formatRows([object], format, layout)
  const names = Object.keys(object).filter(name => layout.hidden?.includes(name) !== true)
  const width = Math.max(0, ...names.map(name => name.length))
  return names.map(name => `${name.padEnd(width)}  ${showCell(name, object[name]!, layout)}\n`).join('')
}

function formatTable (rows: readonly Row[], columns: readonly string[], layout: RowLayout): string {
  const cells = rows.map(row => columns.map(column => showCell(column, row[column]!, layout)))
  const widths = columns.map((column, index) =>
    cells.reduce((width, row) => Math.max(width, row[index]!.length), heading(column).length))
  const isNumeric = columns.map(column => rows.length > 0 && rows.every(row => typeof row[column] === 'number' || row[column] === null))
  const line = (texts: readonly string[]): string => texts
    .map((text, index) => isNumeric[index] ? text.padStart(widths[index]!) : text.padEnd(widths[index]!))
    .join('  ').trimEnd() + '\n'
  return line(columns.map(heading)) + cells.map(line).join('')
}

function heading (column: string): string {
  return column.replace(/([a-z])([A-Z])/g, '$1 $2').toUpperCase()
}

function showCell (column: string, value: Cell, layout: RowLayout): string {
  return safeForTerminal(layout.show?.(column, value) ?? (value === null || value === '' ? '-' : plainText(value)))
}

function plainText (value: Cell | undefined): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function csvCell (text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Text that cannot move a terminal's cursor or colour it: control characters come out as escapes. */
export function safeForTerminal (text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
