// The rules that a history of queues has to keep, whatever was killed when.
//
//   lost               what was acknowledged to its sender is delivered, until somebody ends it
//   final              after the answer to an ack or a reject the record is never delivered again
//   leases             each is given once; counts of deliveries never go back; no settle under one that is over
//   order              records of a key on an ordered queue begin and end in the order of the log
//   dead letters       exactly one for a death, none for a record that was acknowledged
//   time               nothing comes before it is due, nor (punctual queues) long after, nor when it has expired
//   dedup              of records with one id only one is taken, for as long as the queue says
//   figures            counts of a partition never go back; at the end nothing is left over
//
// Leases are compared by their numbers, so that the rules hold whatever process stood still how long: a delivery that
// is written down late was still given before the lease that followed it.

import { checkDead, checkEnded, checkFinal, checkLeases, checkTimes } from './record-rules.js'
import { checkFigures, checkLeftOver } from './figure-rules.js'
import type { JournalEntry } from './journal.js'
import { checkOrder } from './order-rules.js'
import { tellStories, type RecordStory } from './record-story.js'
import { checkDedup, checkPlaces } from './send-rules.js'

/** What a queue of the run promises. */
export interface QueueRules {
  readonly isOrdered: boolean
  readonly maxAttempts: number
  readonly hasDeadLetters: boolean
  /** Null where its records have no dedup ids. A window is longer than the run. */
  readonly dedup: 'window' | 'until-settled' | null
  /** A delayed record comes so many milliseconds after it is due at the latest, if the broker is there; null: ever. */
  readonly lateMsMax: number | null
}

/** Where the rules say what they find. */
export type Report = (violation: string) => void

/** How late delayed records were, in milliseconds, at most. */
export interface HistoryFigures {
  readonly sent: number
  readonly delivered: number
  readonly settled: number
  readonly deadLetters: number
  readonly lateMsMax: number
}

const VIOLATIONS_MAX = 50

/** Holds a history against the rules of its queues; the answer is what it breaks, at most so many. */
export function checkHistory (
  entries: readonly JournalEntry[], queues: ReadonlyMap<string, QueueRules>,
): { violations: string[], figures: HistoryFigures } {
  const violations: string[] = []
  const report: Report = violation => { if (violations.length < VIOLATIONS_MAX) violations.push(violation) }
  const stories = tellStories(entries)
  const readyUs = entries.filter(({ step }) => step === 'brokerReady' || step === 'thawed').map(({ atUs }) => atUs)
  let lateMsMax = 0
  for (const [queue, rules] of queues) {
    const records = stories.records.filter(({ place }) => place.queue === queue)
    const sendings = stories.sendings.filter(({ terms }) => terms.queue === queue)
    checkPlaces(records, report)
    checkLeases(records, rules, report)
    for (const record of records) {
      checkFinal(record, report)
      checkDead(record, rules, report)
      checkEnded(record, rules, report)
      lateMsMax = Math.max(lateMsMax, checkTimes(record, rules, readyUs, report))
    }
    if (rules.isOrdered) for (const lane of lanesOf(records)) checkOrder(lane, report)
    if (rules.dedup !== null) checkDedup(records, sendings, rules.dedup, report)
    checkFigures(entries, queue, records, report)
  }
  checkLeftOver(entries, report)
  const { records, sendings } = stories
  const figures = {
    sent: sendings.length,
    delivered: records.reduce((sum, { deliveries }) => sum + deliveries.length, 0),
    settled: records.reduce((sum, { settles }) => sum + settles.length, 0),
    deadLetters: records.reduce((sum, { deadLetters }) => sum + deadLetters.length, 0),
    lateMsMax: Math.round(lateMsMax),
  }
  return { violations, figures }
}

function lanesOf (records: readonly RecordStory[]): RecordStory[][] {
  const lanes = new Map<string, RecordStory[]>()
  for (const record of records) {
    if (record.key === null) continue
    const name = `${record.place.partition}/${record.key}`
    const lane = lanes.get(name)
    if (lane === undefined) lanes.set(name, [record])
    else lane.push(record)
  }
  return [...lanes.values()]
}
