// Runs in a list of records: what is said of many records is said once for each run.

import type { StoredRecord } from './stored-record.js'

/**
 * The index after the last record of the run that begins at index `from`, at most `end`: its records are of one
 * partition, and each has the offset after that of the one before it.
 */
export function runEnd (records: readonly StoredRecord<unknown, unknown>[], from: number, end: number): number {
  const { origin, offset } = records[from]!
  let to = from + 1
  while (to < end && records[to]!.origin === origin && records[to]!.offset === offset + to - from) to++
  return to
}

/**
 * True where the records from index `from` up to `end` are one run: for records of one partition, in their order, of
 * which a look at the first and the last is enough.
 */
export function isOneRun (records: readonly StoredRecord<unknown, unknown>[], from: number, end: number): boolean {
  const first = records[from]!
  const last = records[end - 1]!
  return first.origin === last.origin && last.offset - first.offset === end - 1 - from
}
