// All that a history tells about one record of a queue, and about what was sent.

import type { JournalEntry, LeaseNumber, Move, RecordPlace, SettleAnswer, SettleStep } from './journal.js'

/** Lines of one step. */
export type Entry<S extends JournalEntry['step']> = Extract<JournalEntry, { step: S }>

export type Delivery = Entry<'delivered'> & {
  /** When the call that brought it was begun; null where a handler was called. */
  readonly askedUs: number | null
  /**
   * The lease was certainly given later: this call or that of an earlier lease of the partition was begun then.
   * -Infinity where nobody knows.
   */
  grantedUsMin: number
}

export interface Settle extends LeaseNumber {
  readonly kind: SettleStep
  readonly delayMs: number
  readonly begunUs: number
  /** Infinity where there was no answer. */
  answeredUs: number
  answer: SettleAnswer
}

/** A cancel, or a reschedule by `delayMs`. No answer (yet): '' and Infinity. */
export interface Change { readonly begunUs: number, readonly delayMs: number, answeredUs: number, answer: string }

export interface Sending {
  readonly terms: Entry<'sending'>
  /** Infinity where there was no answer. */
  answeredUs: number
  outcome: 'acknowledged' | 'duplicate' | 'refused' | 'unknown'
  place: RecordPlace | null
}

/** Answers to a cancel after which a record is not handed out any more; one that is leased ends with its lease. */
const CANCELLED: ReadonlySet<string> = new Set(['ok', 'requested', 'already-terminal'])

/** One record of a queue. Deliveries and settles are in the order of their leases. */
export class RecordStory {
  readonly place: RecordPlace
  readonly deliveries: Delivery[] = []
  readonly settles: Settle[] = []
  readonly cancels: Change[] = []
  readonly reschedules: Change[] = []
  readonly deadLetters: Entry<'deadLetter'>[] = []
  sending: Sending | null = null
  /** False where a reject stops its key instead of ending it. */
  private readonly rejectEnds: boolean

  constructor (place: RecordPlace, rejectEnds: boolean) {
    this.place = place
    this.rejectEnds = rejectEnds
  }

  get name (): string { return `${this.place.queue} ${this.place.partition}:${this.place.offset}` }

  get key (): string | null { return this.sending?.terms.key ?? this.deliveries[0]?.key ?? null }

  /** As far as anybody knows: what a redrive brought may have died before anybody had it. */
  get value (): string | null {
    return this.sending?.terms.value ?? this.deliveries[0]?.value ?? this.deadLetters[0]?.value ?? null
  }

  /** How a redrive has brought it; null where it was sent, or nobody had it. */
  get move (): Move | null { return this.deliveries[0]?.move ?? null }

  /** The settle that has ended it, or null. */
  get lastWord (): Settle | null {
    return this.settles.find(settle => this.isFinal(settle) && isAccepted(settle)) ?? null
  }

  /** When somebody was first told that it has ended; Infinity where nobody was. */
  get endToldUs (): number {
    const words = this.settles.filter(settle => this.isFinal(settle) && isAccepted(settle))
    // To acknowledge what is over changes nothing, and tells that it is.
    const over = this.settles.filter(({ kind, answer }) => kind === 'ack' && answer === 'already-settled')
    const settled = [...words, ...over].map(({ answeredUs }) => answeredUs)
    const cancelled = this.cancels.filter(({ answer }) => CANCELLED.has(answer)).map(({ answeredUs }) => answeredUs)
    return Math.min(Infinity, ...settled, ...cancelled)
  }

  /** The earliest time at which it may have ended by what its consumers did; Infinity where it cannot have. */
  get endedUsMin (): number {
    const tried = this.settles.filter(settle => this.isFinal(settle) && settle.answer !== 'refused')
    const begun = tried.map(({ begunUs }) => begunUs)
    const cancelled = this.cancels.filter(({ answer }) => answer !== 'unknown').map(({ begunUs }) => begunUs)
    return Math.min(Infinity, ...begun, ...cancelled)
  }

  /** When somebody was first told that it is acknowledged; Infinity where nobody was. */
  get ackToldUs (): number {
    const acks = this.settles.filter(settle => settle.kind === 'ack' && isAccepted(settle))
    return Math.min(Infinity, ...acks.map(({ answeredUs }) => answeredUs))
  }

  /** A last word was tried, and may have been heard. */
  get mayHaveEnded (): boolean { return this.endedUsMin < Infinity }

  private isFinal ({ kind }: Settle): boolean { return kind === 'ack' || (kind === 'reject' && this.rejectEnds) }
}

export function compareLeases (a: LeaseNumber, b: LeaseNumber): number {
  return a.epoch === b.epoch ? a.sequence - b.sequence : a.epoch - b.epoch
}

export function isAccepted ({ answer }: Settle): boolean { return answer === 'ok' || answer === 'late' }
