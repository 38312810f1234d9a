// A setting as a row of a table, of the options of the broker and of the settings of topics alike, and the numbers with
// units that people write for its values: `64MiB`, `7d`.

/** One setting; `Kind` says what texts it takes. */
export interface SettingRow<Kind extends string> {
  readonly kind: Kind
  /** Canonical text: a plain number of bytes or milliseconds, or one of the choices. */
  readonly default: string
  readonly min?: number
  readonly max?: number
  readonly choices?: readonly string[]
  readonly doc: string
}

export type QuantityKind = 'integer' | 'bytes' | 'duration'

const KIB = 1024
const MINUTE = 60_000

const UNITS: Readonly<Record<QuantityKind, Readonly<Record<string, number>>>> = {
  integer: {},
  bytes: { b: 1, kib: KIB, mib: KIB ** 2, gib: KIB ** 3, kb: 1000, mb: 1_000_000, gb: 1_000_000_000 },
  duration: { ms: 1, s: 1000, m: MINUTE, h: 60 * MINUTE, d: 24 * 60 * MINUTE },
}

const UNIT_HINTS: Readonly<Record<string, string>> = {
  bytes: ' bytes, or with a unit such as 64MiB',
  duration: ' ms, or with a unit such as 30s or 7d',
}

/** A whole number of bytes or milliseconds out of a text with an optional unit; null where it is none. */
export function parseQuantity (kind: QuantityKind, text: string): number | null {
  const match = /^(-?\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  if (match === null) return null
  const scale = match[2] === '' ? 1 : UNITS[kind][match[2]!.toLowerCase()]
  if (scale === undefined) return null
  const value = Number(match[1]) * scale
  return Number.isSafeInteger(value) ? value : null
}

/** What is wrong with a text for a row of a quantity, for people. */
export function quantityFault (name: string, text: string, { kind, min, max }: SettingRow<string>): string {
  const unit = UNIT_HINTS[kind] ?? ''
  return `${name} is ${JSON.stringify(text)}; it must be ${min} to ${max}${unit}`
}
