// A record that a worker down to the wire has leased, with its journal.

import { setTimeout as delay } from 'node:timers/promises'
import type { SettleKind } from '@sluice/protocol'
import type { HeldRecord } from './fate.js'
import type { Journal, LeaseKind, Move, SettleStep } from './journal.js'
import type { WireAnswer, WireHandle } from './wire-settler.js'

/** What the broker handed out. */
export interface WireLease extends WireHandle {
  readonly queue: string
  readonly deliveries: number
  readonly key: string | null
  readonly value: string | null
  readonly move: Move | null
}

/** Says something about a lease to the broker. */
export type AskBroker = (handle: WireHandle, kind: SettleKind, delayMs: number) => Promise<WireAnswer>

const RETRY_MS = 50

export class WireRecord implements HeldRecord {
  readonly lease: WireLease
  private readonly journal: Journal
  private readonly ask: AskBroker
  private readonly lost = new AbortController()

  /** @param call number of the receive that brought it. */
  constructor (journal: Journal, lease: WireLease, call: number, leases: LeaseKind, ask: AskBroker) {
    this.lease = lease
    this.journal = journal
    this.ask = ask
    const { topicId, ...told } = lease
    journal.write({ step: 'delivered', ...told, call, leases })
  }

  get partition (): number { return this.lease.partition }

  get offset (): number { return this.lease.offset }

  get key (): string | null { return this.lease.key }

  get value (): string | null { return this.lease.value }

  get signal (): AbortSignal { return this.lost.signal }

  /** The broker says that its lease is over. */
  lose (): void { this.lost.abort() }

  /** Says that it is begun; true where the lease holds. */
  async start (): Promise<boolean> {
    for (;;) {
      const answer = await this.ask(this.lease, 'start', -1)
      if (answer !== 'busy' && answer !== 'unknown') return answer === 'ok'
      await delay(RETRY_MS)
    }
  }

  /** Says it until it is answered: a session keeps what nobody settles. */
  async settle (kind: SettleStep, delayMs = -1): Promise<boolean> {
    for (;;) {
      const answer = await this.settleOnce(kind, delayMs)
      if (answer !== 'busy' && answer !== 'unknown') return answer === 'ok' || answer === 'late'
      await delay(RETRY_MS)
    }
  }

  private async settleOnce (kind: SettleStep, delayMs: number): Promise<WireAnswer> {
    const { queue, partition, offset, epoch, sequence } = this.lease
    const named = { queue, partition, offset, epoch, sequence, kind }
    this.journal.write({ step: 'settling', ...named, delayMs: kind === 'nack' ? delayMs : -1 })
    const answer = await this.ask(this.lease, kind, delayMs)
    this.journal.write({ step: 'settled', ...named, answer: answer === 'busy' ? 'refused' : answer })
    return answer
  }
}
