// A leased record whose delivery and settles are written to a journal, before and after.

import { REDRIVE_HEADER, decodeRedriveNote, readVarint } from '@sluice/protocol'
import { BrokerError, type LeasedRecord, type SettleOutcome } from '@sluice/client'
import type { HeldRecord } from './fate.js'
import type { Journal, LeaseNumber, RecordPlace, SettleStep } from './journal.js'

type QueueRecord = LeasedRecord<string, string>

/** See the head of this file. */
export class JournaledRecord implements HeldRecord {
  readonly record: QueueRecord
  private readonly journal: Journal
  private readonly lease: RecordPlace & LeaseNumber

  /** @param call number of the receive that brought it; null where a handler was called with it. */
  constructor (journal: Journal, record: QueueRecord, call: number | null) {
    this.journal = journal
    this.record = record
    this.lease = leaseOf(record.topic, record.handle)
    const { deliveries, key, value, headers } = record
    const move = decodeRedriveNote(headers.get(REDRIVE_HEADER) ?? null)
    const leases = call === null ? 'session' : 'visibility'
    journal.write({ step: 'delivered', ...this.lease, call, leases, deliveries, key, value, move })
  }

  get partition (): number { return this.record.partition }

  get offset (): number { return this.record.offset }

  get key (): string | null { return this.record.key }

  get value (): string | null { return this.record.value }

  get signal (): AbortSignal { return this.record.signal }

  async settle (kind: SettleStep, delayMs = -1): Promise<boolean> {
    return journaledSettle(this.journal, this.lease, kind, delayMs, () => this.ask(kind, delayMs))
  }

  /** The client is about to say this by itself, and tells nobody how it went. */
  leaveToClient (kind: 'ack' | 'nack'): void {
    this.journal.write({ step: 'settling', ...this.lease, kind, delayMs: -1 })
  }

  private ask (kind: SettleStep, delayMs: number): Promise<SettleOutcome> {
    const { record } = this
    switch (kind) {
      case 'ack': return record.ack()
      case 'nack': return record.nack({ delayMs: delayMs < 0 ? undefined : delayMs, reason: 'drawn' })
      case 'release': return record.release()
      case 'reject': return record.reject('drawn')
      default: return record.extend(delayMs)
    }
  }
}

/** Asks for a settle and writes down what was asked and answered; true where it was done. */
async function journaledSettle (
  journal: Journal, lease: RecordPlace & LeaseNumber, kind: SettleStep, delayMs: number,
  ask: () => Promise<SettleOutcome>,
): Promise<boolean> {
  journal.write({ step: 'settling', ...lease, kind, delayMs: kind === 'nack' ? delayMs : -1 })
  try {
    const answer = await ask()
    journal.write({ step: 'settled', ...lease, kind, answer })
    return answer !== 'already-settled'
  } catch (error) {
    if (!BrokerError.is(error)) throw error
    journal.write({ step: 'settled', ...lease, kind, answer: error.maybeApplied ? 'unknown' : 'refused' })
    return false
  }
}

/** What a handle of the client's says: see its `lease-handle.ts` for the picture. */
export function leaseOf (queue: string, handle: string): RecordPlace & LeaseNumber {
  const bytes = Buffer.from(handle, 'base64url')
  const at = { position: 17 }
  const [partition, offset, epoch, sequence] = [0, 0, 0, 0].map(() => readVarint(bytes, at, bytes.length)) as
    [number, number, number, number]
  return { queue, partition, offset, epoch, sequence }
}
