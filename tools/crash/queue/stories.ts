// Reads a history line by line and sorts it by what it is about: records, what was sent, commands, redrives.

import type { JournalEntry, LeaseNumber, RecordPlace, SettleStep } from './journal.js'
import { RecordStory, compareLeases, type Change, type Delivery, type Entry, type Sending, type Settle } from './record-story.js'

/** A command, with the times between which it took effect. */
export interface Commanded {
  readonly terms: Entry<'commanding'>
  /** Infinity where there was no answer. */
  answeredUs: number
  /** Null where nobody knows. */
  changed: boolean | null
}

/** What there is in a history. */
export interface Stories {
  /** By queue and place, partition and offset ascending. */
  readonly records: readonly RecordStory[]
  readonly sendings: readonly Sending[]
  readonly commands: readonly Commanded[]
  readonly redrives: readonly Entry<'redrive'>[]
}

/**
 * Tells what a history, which is in the order of time, has to tell.
 *
 * @param holding queues in which a reject stops a key instead of ending the record.
 */
export function tellStories (entries: readonly JournalEntry[], holding: ReadonlySet<string>): Stories {
  const teller = new StoryTeller(holding)
  for (const entry of entries) teller.onEntry(entry)
  return teller.end()
}

class StoryTeller {
  private readonly holding: ReadonlySet<string>
  private readonly records = new Map<string, RecordStory>()
  private readonly sendings = new Map<string, Sending>()
  private readonly commands = new Map<number, Commanded>()
  private readonly redrives: Entry<'redrive'>[] = []
  /** When receives were begun, and settles that have no answer yet. */
  private readonly calls = new Map<string, number>()
  private readonly open = new Map<string, Settle>()

  constructor (holding: ReadonlySet<string>) {
    this.holding = holding
  }

  onEntry (entry: JournalEntry): void {
    switch (entry.step) {
      case 'sending': return this.onSending(entry)
      case 'sent': return this.onSent(entry)
      case 'notSent': return this.onNotSent(entry)
      case 'receiving':
        this.calls.set(`${entry.by}/${entry.queue}/${entry.call}`, entry.atUs)
        return
      case 'delivered': return this.onDelivered(entry)
      case 'settling': return this.onSettling(entry)
      case 'settled': return this.onSettled(entry)
      case 'cancelling':
        this.storyOf(entry).cancels.push({ begunUs: entry.atUs, delayMs: -1, answeredUs: Infinity, answer: '' })
        return
      case 'cancelled': return answered(this.storyOf(entry).cancels, entry)
      case 'rescheduling':
        this.storyOf(entry).reschedules.push({ begunUs: entry.atUs, delayMs: entry.delayMs, answeredUs: Infinity, answer: '' })
        return
      case 'rescheduled': return answered(this.storyOf(entry).reschedules, entry)
      case 'commanding':
        this.commands.set(entry.command, { terms: entry, answeredUs: Infinity, changed: null })
        return
      case 'commanded': {
        const command = this.commands.get(entry.command)!
        command.answeredUs = entry.atUs
        command.changed = entry.changed
        return
      }
      case 'deadLetter':
        this.storyOf(entry).deadLetters.push(entry)
        return
      case 'redrive': this.redrives.push(entry)
    }
  }

  end (): Stories {
    const records = [...this.records.values()].sort((a, b) => compareTexts(a.place.queue, b.place.queue) ||
      a.place.partition - b.place.partition || a.place.offset - b.place.offset)
    for (const { deliveries, settles } of records) {
      deliveries.sort(compareLeases)
      settles.sort(compareLeases)
    }
    boundGrants(records)
    const { redrives } = this
    return { records, sendings: [...this.sendings.values()], commands: [...this.commands.values()], redrives }
  }

  private storyOf ({ queue, partition, offset }: RecordPlace): RecordStory {
    const name = `${queue}/${partition}/${offset}`
    let story = this.records.get(name)
    if (story !== undefined) return story
    story = new RecordStory({ queue, partition, offset }, !this.holding.has(queue))
    this.records.set(name, story)
    return story
  }

  private onSending (terms: Entry<'sending'>): void {
    this.sendings.set(terms.value, { terms, answeredUs: Infinity, outcome: 'unknown', place: null })
  }

  private onSent (entry: Entry<'sent'>): void {
    const sending = this.sendings.get(entry.value)!
    sending.outcome = entry.duplicate ? 'duplicate' : 'acknowledged'
    sending.answeredUs = entry.atUs
    sending.place = entry
    if (!entry.duplicate) this.storyOf(entry).sending = sending
  }

  private onNotSent (entry: Entry<'notSent'>): void {
    const sending = this.sendings.get(entry.value)!
    sending.outcome = entry.maybe ? 'unknown' : 'refused'
    sending.answeredUs = entry.atUs
  }

  private onDelivered (entry: Entry<'delivered'>): void {
    const askedUs = entry.call === null ? null : this.calls.get(`${entry.by}/${entry.queue}/${entry.call}`) ?? null
    this.storyOf(entry).deliveries.push({ ...entry, askedUs, grantedUsMin: askedUs ?? -Infinity })
  }

  private onSettling (entry: Entry<'settling'>): void {
    const { kind, delayMs, epoch, sequence, atUs: begunUs } = entry
    const settle: Settle = { kind, delayMs, epoch, sequence, begunUs, answeredUs: Infinity, answer: 'unknown' }
    this.storyOf(entry).settles.push(settle)
    this.open.set(settleName(entry), settle)
  }

  private onSettled (entry: Entry<'settled'>): void {
    const settle = this.open.get(settleName(entry))!
    settle.answeredUs = entry.atUs
    settle.answer = entry.answer
  }
}

function answered (changes: readonly Change[], { atUs, answer }: Entry<'cancelled' | 'rescheduled'>): void {
  const change = changes.at(-1)!
  change.answer = answer
  change.answeredUs = atUs
}

/** Leases of a partition rise with time: each was given after every call that brought an earlier one was begun. */
function boundGrants (records: readonly RecordStory[]): void {
  const partitions = new Map<string, Delivery[]>()
  for (const { place: { queue, partition }, deliveries } of records) {
    const name = `${queue}/${partition}`
    const all = partitions.get(name)
    if (all === undefined) partitions.set(name, [...deliveries])
    else all.push(...deliveries)
  }
  for (const deliveries of partitions.values()) {
    let boundUs = -Infinity
    for (const delivery of deliveries.sort(compareLeases)) {
      boundUs = Math.max(boundUs, delivery.grantedUsMin)
      delivery.grantedUsMin = boundUs
    }
  }
}

function compareTexts (a: string, b: string): number { return a < b ? -1 : a > b ? 1 : 0 }

type SettleName = RecordPlace & LeaseNumber & { readonly by: string, readonly kind: SettleStep }

function settleName ({ by, queue, partition, offset, epoch, sequence, kind }: SettleName): string {
  return `${by}/${queue}/${partition}/${offset}/${epoch}/${sequence}/${kind}`
}
