// All that a history tells about one record of a queue, and about what was sent.

import type { JournalEntry, LeaseNumber, RecordPlace, SettleAnswer, SettleStep } from './journal.js'

type Entry<S extends JournalEntry['step']> = Extract<JournalEntry, { step: S }>

export type Delivery = Entry<'delivered'> & {
  /** When the call that brought it was begun; null where a handler was called. */
  readonly askedUs: number | null
}

export interface Settle extends LeaseNumber {
  readonly kind: SettleStep
  readonly delayMs: number
  readonly begunUs: number
  /** Infinity where there was no answer. */
  answeredUs: number
  answer: SettleAnswer
}

export interface Cancel { readonly begunUs: number, answeredUs: number, answer: string }

export interface Sending {
  readonly terms: Entry<'sending'>
  /** Infinity where there was no answer. */
  answeredUs: number
  outcome: 'acknowledged' | 'duplicate' | 'refused' | 'unknown'
  place: RecordPlace | null
}

/** One record of a queue. Deliveries and settles are in the order of their leases. */
export class RecordStory {
  readonly place: RecordPlace
  readonly deliveries: Delivery[] = []
  readonly settles: Settle[] = []
  readonly cancels: Cancel[] = []
  readonly deadLetters: Entry<'deadLetter'>[] = []
  sending: Sending | null = null

  constructor (place: RecordPlace) {
    this.place = place
  }

  get name (): string { return `${this.place.queue} ${this.place.partition}:${this.place.offset}` }

  get key (): string | null { return this.sending?.terms.key ?? this.deliveries[0]?.key ?? null }

  get value (): string | null { return this.sending?.terms.value ?? this.deliveries[0]?.value ?? null }

  /** The settle that has ended it, or null. */
  get lastWord (): Settle | null { return this.settles.find(settle => isFinal(settle) && isAccepted(settle)) ?? null }

  /** When somebody was first told that it has ended; Infinity where nobody was. */
  get endToldUs (): number {
    const words = this.settles.filter(settle => isFinal(settle) && isAccepted(settle))
    const settled = words.map(({ answeredUs }) => answeredUs)
    const cancelled = this.cancels.filter(({ answer }) => answer === 'ok').map(({ answeredUs }) => answeredUs)
    return Math.min(Infinity, ...settled, ...cancelled)
  }

  /** The earliest time at which it may have ended by what its consumers did; Infinity where it cannot have. */
  get endedUsMin (): number {
    const tried = this.settles.filter(settle => isFinal(settle) && settle.answer !== 'refused')
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
}

export function compareLeases (a: LeaseNumber, b: LeaseNumber): number {
  return a.epoch === b.epoch ? a.sequence - b.sequence : a.epoch - b.epoch
}

export function isAccepted ({ answer }: Settle): boolean { return answer === 'ok' || answer === 'late' }

function isFinal ({ kind }: Settle): boolean { return kind === 'ack' || kind === 'reject' }

/** The history by records and by sends. */
export interface Stories {
  /** By place, partition and offset ascending. */
  readonly records: readonly RecordStory[]
  readonly sendings: readonly Sending[]
}

/** Reads a history, which is in the order of time. */
export function tellStories (entries: readonly JournalEntry[]): Stories {
  const records = new Map<string, RecordStory>()
  const sendings = new Map<string, Sending>()
  const calls = new Map<string, number>()
  const open = new Map<string, Settle>()
  const storyOf = (place: RecordPlace): RecordStory => {
    const name = `${place.queue}/${place.partition}/${place.offset}`
    let story = records.get(name)
    if (story === undefined) records.set(name, story = new RecordStory(place))
    return story
  }
  for (const entry of entries) {
    switch (entry.step) {
      case 'sending':
        sendings.set(entry.value, { terms: entry, answeredUs: Infinity, outcome: 'unknown', place: null })
        break
      case 'sent': {
        const sending = sendings.get(entry.value)!
        sending.outcome = entry.duplicate ? 'duplicate' : 'acknowledged'
        sending.answeredUs = entry.atUs
        sending.place = entry
        if (!entry.duplicate) storyOf(entry).sending = sending
        break
      }
      case 'notSent':
        sendings.get(entry.value)!.outcome = entry.maybe ? 'unknown' : 'refused'
        sendings.get(entry.value)!.answeredUs = entry.atUs
        break
      case 'receiving':
        calls.set(`${entry.by}/${entry.queue}/${entry.call}`, entry.atUs)
        break
      case 'delivered': {
        const askedUs = entry.call === null ? null : calls.get(`${entry.by}/${entry.queue}/${entry.call}`) ?? null
        storyOf(entry).deliveries.push({ ...entry, askedUs })
        break
      }
      case 'settling': {
        const { kind, delayMs, epoch, sequence, atUs: begunUs } = entry
        const settle: Settle = { kind, delayMs, epoch, sequence, begunUs, answeredUs: Infinity, answer: 'unknown' }
        storyOf(entry).settles.push(settle)
        open.set(settleName(entry), settle)
        break
      }
      case 'settled': {
        const settle = open.get(settleName(entry))!
        settle.answeredUs = entry.atUs
        settle.answer = entry.answer
        break
      }
      case 'cancelling':
        storyOf(entry).cancels.push({ begunUs: entry.atUs, answeredUs: Infinity, answer: '' })
        break
      case 'cancelled': {
        const cancel = storyOf(entry).cancels.at(-1)!
        cancel.answer = entry.answer
        cancel.answeredUs = entry.atUs
        break
      }
      case 'deadLetter':
        storyOf(entry).deadLetters.push(entry)
        break
      default:
    }
  }
  const sorted = [...records.values()].sort((a, b) => a.place.queue < b.place.queue
    ? -1
    : a.place.queue > b.place.queue ? 1 : a.place.partition - b.place.partition || a.place.offset - b.place.offset)
  for (const { deliveries, settles } of sorted) {
    deliveries.sort(compareLeases)
    settles.sort(compareLeases)
  }
  return { records: sorted, sendings: [...sendings.values()] }
}

type SettleName = RecordPlace & LeaseNumber & { readonly by: string, readonly kind: SettleStep }

function settleName ({ by, queue, partition, offset, epoch, sequence, kind }: SettleName): string {
  return `${by}/${queue}/${partition}/${offset}/${epoch}/${sequence}/${kind}`
}
