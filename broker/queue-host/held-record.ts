// A delayed record in the delay store: when it is due, by which clock, and what the ledger knew of it.
//
//   row: clock u8 │ due i64 │ record …

import { readInt64, writeInt64 } from '@sluice/protocol'
import type { DelayClock } from '../queue/queue-types.js'

export interface HeldRecord {
  readonly clock: DelayClock
  /** Whole milliseconds of that clock. */
  readonly dueMs: number
  readonly record: Uint8Array
}

export function heldOfRow (row: Buffer): HeldRecord {
  return { clock: row[0]! as DelayClock, dueMs: readInt64(row, 1), record: row.subarray(9) }
}

export function rowOfHeld ({ clock, dueMs, record }: HeldRecord): Buffer {
  const row = Buffer.allocUnsafe(9 + record.length)
  row[0] = clock
  writeInt64(row, dueMs, 1)
  row.set(record, 9)
  return row
}
