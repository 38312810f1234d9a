// A record of the ledger as bytes: in a snapshot, and in the delay store.
//
//   state u8 │ flags u8 │ offset │ time │ lease sequence │ lease epoch │ leased at │ session │ lane + 1 │ expires
//     │ failures │ deliveries │ attempts: count, then each │ death: 0, or 1 and reason, text, time          all varints

import { ByteReader, QueueStateFault } from './byte-reader.js'
import type { ByteWriter } from './byte-writer.js'
import type { RecordLedger } from './record-ledger.js'
import { RECORD_STATE, type Attempt, type Reason } from './queue-types.js'

/** Why and when a record was given up. */
export interface Death {
  readonly reason: Reason
  readonly text: string
  /** Queue time, milliseconds. */
  readonly diedMs: number
}

/** What only records that have failed carry along. */
export interface RecordNotes {
  attempts: Attempt[]
  death: Death | null
}

export function writeRecord (
  writer: ByteWriter, ledger: RecordLedger, slot: number, notes: RecordNotes | undefined,
): void {
  writer.byte(ledger.states[slot]!)
  writer.byte(ledger.flags[slot]!)
  writer.count(ledger.offsets[slot]!)
  writer.count(ledger.times[slot]!)
  writer.count(ledger.leaseSequences[slot]!)
  writer.count(ledger.leaseEpochs[slot]!)
  writer.count(ledger.leasedAt[slot]!)
  writer.count(ledger.sessions[slot]!)
  writer.count(ledger.lanes[slot]! + 1)
  writer.count(ledger.expires[slot]!)
  writer.count(ledger.failures[slot]!)
  writer.count(ledger.deliveries[slot]!)
  writer.count(notes?.attempts.length ?? 0)
  for (const attempt of notes?.attempts ?? []) {
    writer.count(attempt.sessionId)
    writer.count(attempt.startedMs)
    writer.count(attempt.endedMs)
    writer.byte(attempt.reason)
    writer.text(attempt.text)
  }
  const death = notes?.death ?? null
  writer.byte(death === null ? 0 : 1)
  if (death === null) return
  writer.byte(death.reason)
  writer.text(death.text)
  writer.count(death.diedMs)
}

/** Puts a record into the ledger, in no list. The session is returned, not set: it is the caller's to link. */
export function readRecord (
  reader: ByteReader, ledger: RecordLedger,
): { slot: number, session: number, notes: RecordNotes | null } {
  const state = reader.byte()
  const flags = reader.byte()
  const offset = reader.count()
  if (state < RECORD_STATE.READY || state > RECORD_STATE.ENDED) throw new QueueStateFault(`record ${offset} in state ${state}, which is not known here`)
  if (ledger.find(offset) >= 0) throw new QueueStateFault(`record ${offset} twice`)
  const slot = ledger.insert(offset)
  ledger.states[slot] = state
  ledger.flags[slot] = flags
  ledger.times[slot] = reader.count()
  ledger.leaseSequences[slot] = reader.count()
  ledger.leaseEpochs[slot] = reader.count()
  ledger.leasedAt[slot] = reader.count()
  const session = reader.count()
  ledger.lanes[slot] = reader.count() - 1
  ledger.expires[slot] = reader.count()
  ledger.failures[slot] = reader.count()
  ledger.deliveries[slot] = reader.count()
  const attempts: Attempt[] = []
  for (let left = reader.count(); left > 0; left--) {
    attempts.push({
      sessionId: reader.count(),
      startedMs: reader.count(),
      endedMs: reader.count(),
      reason: reader.byte() as Reason,
      text: reader.text(),
    })
  }
  const death = reader.byte() === 0
    ? null
    : { reason: reader.byte() as Reason, text: reader.text(), diedMs: reader.count() }
  return { slot, session, notes: attempts.length > 0 || death !== null ? { attempts, death } : null }
}
