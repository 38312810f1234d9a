// What a topic asks of the options of records that are sent to it.

import {
  BATCH_FLAG, DELAY_MS_MAX, ERROR, EXTRAS_COLUMN, NO_LANE, RecordExtrasReader, RecordReader, readBatchHeader,
} from '@sluice/protocol'

export interface IntakeRules {
  readonly isQueue: boolean
  /** Records without a key are refused. */
  readonly needsKeys: boolean
  readonly wallMs: number
}

export type OptionsFault = { readonly error: number, readonly message: string }

/** A client's idea of the broker's clock may be so far ahead, in milliseconds. */
const CLOCK_SLACK_MS = 60_000
/** Dead letters and redrives take single records out of their batches: without the key nobody can. */
const ENCRYPTED_FAULT: OptionsFault = {
  error: ERROR.INVALID_RECORD_OPTIONS,
  message: 'the batch is encrypted, and a queue hands out, dead-letters and redrives single records, which cannot be taken out of one; encrypt the values of the records instead',
}
const extras = new RecordExtrasReader()
const records = new RecordReader()

/** @param batch checked as any new batch; @returns what is wrong, for people, or null */
export function recordOptionsFault (batch: Buffer, { isQueue, needsKeys, wallMs }: IntakeRules): OptionsFault | null {
  extras.open(batch)
  const { columns, rows } = extras
  if (!isQueue) return streamFault(columns)
  if ((readBatchHeader(batch).flags & BATCH_FLAG.encrypted) !== 0) return ENCRYPTED_FAULT
  if (needsKeys) {
    const row = (columns & EXTRAS_COLUMN.lane) === 0
      ? keylessRowOf(batch)
      : firstRow(rows, row => extras.laneOf(row) === NO_LANE)
    if (row >= 0) {
      return { error: ERROR.KEY_REQUIRED, message: `record ${row} of the batch has no key that the broker can see, and the queue keeps keys in order; give it one, or set keyless to unordered` }
    }
  }
  if ((columns & EXTRAS_COLUMN.notBefore) === 0) return null
  const lastMs = wallMs + DELAY_MS_MAX + CLOCK_SLACK_MS
  const row = firstRow(rows, row => extras.notBeforeOf(row) > lastMs)
  if (row < 0) return null
  return { error: ERROR.INVALID_RECORD_OPTIONS, message: `record ${row} of the batch is delayed until ${extras.notBeforeOf(row)}; a delay is at most 365 days` }
}

function streamFault (columns: number): OptionsFault | null {
  if ((columns & EXTRAS_COLUMN.dedup) === 0) return null
  return { error: ERROR.NOT_A_QUEUE, message: 'records of the batch have dedup ids, which only queues know; use an idempotent producer, or a queue' }
}

function firstRow (rows: number, isIt: (row: number) => boolean): number {
  for (let row = 0; row < rows; row++) if (isIt(row)) return row
  return -1
}

/** The first record without a key, by decoding; 0 where nobody can tell. */
function keylessRowOf (batch: Buffer): number {
  try {
    records.open(batch)
    for (let row = 0; records.next(); row++) if (records.keyStart < 0) return row
    return -1
  } catch {
    return 0
  }
}
