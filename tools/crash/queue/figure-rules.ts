// The rules about what a queue says of itself.

import type { JournalEntry, PartitionFigures } from './journal.js'
import type { Report } from './queue-checker.js'
import type { RecordStory } from './record-story.js'

type Figures = Extract<JournalEntry, { step: 'figures' }>

const RISING = [
  'floor', 'nextOffset', 'acknowledged', 'cancelled', 'expired', 'dead', 'archived', 'purged',
] as const satisfies readonly (keyof PartitionFigures)[]

/** What was said so long before a broker was killed was durable then, in microseconds. */
const DURABLE_US = 2_000_000

/**
 * Figures never go back, and in the end fit what the consumers were told. They are of the moment: what had changed and
 * was told to nobody else when a broker was killed may be counted anew.
 */
export function checkFigures (
  entries: readonly JournalEntry[], queue: string, records: readonly RecordStory[], report: Report,
): void {
  const samples = new Map<number, Figures[]>()
  for (const entry of entries) {
    if (entry.step === 'brokerKilled') {
      for (const [partition, said] of samples) {
        samples.set(partition, said.filter(({ atUs }) => atUs < entry.atUs - DURABLE_US).slice(-1))
      }
    }
    if (entry.step !== 'figures' || entry.queue !== queue) continue
    const said = samples.get(entry.partition) ?? []
    const before = said.at(-1)
    for (const name of RISING) {
      if (before === undefined || entry[name] >= before[name]) continue
      report(`figures: ${name} of ${queue} ${entry.partition} went from ${before[name]} back to ${entry[name]}`)
    }
    said.push(entry)
    samples.set(entry.partition, said)
  }
  for (const [partition, said] of samples) {
    const figures = said.at(-1)
    if (figures === undefined) continue
    const mine = records.filter(({ place }) => place.partition === partition)
    const sure = mine.filter(({ settles }) => settles.some(({ kind, answer }) => kind === 'ack' && (answer === 'ok' || answer === 'late')))
    const possible = mine.filter(({ settles }) => settles.some(({ kind, answer }) => kind === 'ack' && answer !== 'refused'))
    if (figures.acknowledged < sure.length || figures.acknowledged > possible.length) {
      report(`figures: ${queue} ${partition} says that ${figures.acknowledged} are acknowledged; ${sure.length} to ${possible.length} are`)
    }
    const letters = mine.reduce((sum, { deadLetters }) => sum + deadLetters.length, 0)
    if (figures.dead !== letters) report(`figures: ${queue} ${partition} says that ${figures.dead} are dead; ${letters} have letters`)
  }
}

/** Nothing is invisible for ever: given time, every record has ended. */
export function checkLeftOver (entries: readonly JournalEntry[], report: Report): void {
  for (const entry of entries) {
    if (entry.step === 'leftOver') report(`invisible: ${entry.queue} ${entry.partition} did not come to its end: ${entry.states}`)
  }
}
