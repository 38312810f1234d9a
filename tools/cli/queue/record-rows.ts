// Records of queues as rows: bytes as text where they are UTF-8.

import type { LeasedRecord, PeekedRecord } from '@sluice/client'
import { jsonBytes } from '../record-format.js'
import { formatTime } from '../quantities.js'
import type { Cell, Row } from '../rows.js'
import { formatAge } from './explanation-text.js'

type Bytes = Uint8Array

/** A leased record. `handle` is what `queue ack` and the others take. */
export function leasedRow (record: LeasedRecord<Bytes, Bytes>): Row {
  const { id, partition, offset, timestamp, deliveries, handle } = record
  return { id, partition, offset, timestamp, deliveries, ...content(record), handle }
}

/** A record that was looked at. */
export function peekedRow (record: PeekedRecord<Bytes, Bytes>): Row {
  const { id, partition, offset, timestamp, state, damaged, failures, deliveries, timeLeftMs } = record
  return { id, partition, offset, timestamp, state, damaged, failures, deliveries, timeLeftMs, ...content(record) }
}

/** Cells of these rows in the words of a table. */
export function showCell (column: string, value: Cell): string | undefined {
  if (column === 'timestamp') return value === -1 ? '-' : formatTime(value as number)
  return column === 'timeLeftMs' ? formatAge(value as number) : undefined
}

function content (record: Pick<LeasedRecord<Bytes, Bytes>, 'key' | 'value' | 'headers'>): Row {
  const headers = Object.fromEntries([...record.headers].map(([name, value]) => [name, jsonBytes(value)]))
  return { key: jsonBytes(record.key), value: jsonBytes(record.value), headers }
}
