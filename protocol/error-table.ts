// Look-ups in the error table.

import { ERRORS, type ErrorName, type ErrorRow } from './generated/errors.js'

const BY_NUMBER: ReadonlyMap<number, ErrorRow> = new Map(ERRORS.map(row => [row.number, row]))

/** The row of an error number; that of INTERNAL for one that this version does not know. */
export function errorRow (number: number): ErrorRow {
  return BY_NUMBER.get(number) ?? BY_NUMBER.get(1)!
}

/** The name of an error number, or `ERROR_<number>` where this version does not know it. */
export function errorName (number: number): ErrorName | `ERROR_${number}` {
  return BY_NUMBER.get(number)?.name ?? `ERROR_${number}`
}
