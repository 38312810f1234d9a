// The rules that a history of queues has to keep, whatever was killed when.
//
//   lost               what was acknowledged to its sender is delivered, until somebody ends it
//   final              after the answer to an ack or a reject the record is never delivered again
//   leases             each is given once; counts of deliveries never go back; no settle under one that is over
//   order              records of a key on an ordered queue begin and end in the order of the log
//   stopped keys       what was given up stops its key, or takes it along, until somebody lets it go on
//   dead letters       exactly one for a death, none for a record that was acknowledged
//   redrives           a letter that was moved is one record again, once, in its order; every redrive comes to its end
//   time               nothing comes before it is due, nor (punctual queues) long after, nor when it has expired; a
//                      lease lasts as long as it was given for
//   commands           nothing is leased while the queue is paused, or once it was cancelled
//   priority           what is more urgent, and was there before, goes first
//   dedup              of records with one id only one is taken, for as long as the queue says
//   figures            counts of a partition never go back; at the end nothing is left over
//
// Leases are compared by their numbers, so that the rules hold whatever process stood still how long: a delivery that
// is written down late was still given before the lease that followed it.

import { checkFound, checkHeld, checkPauses, checkQuarantined } from './command-rules.js'
import { checkFigures, checkLeftOver } from './figure-rules.js'
import type { JournalEntry } from './journal.js'
import { checkOrder } from './order-rules.js'
import { checkPriorities } from './priority-rules.js'
import { checkDead, checkEnded, checkFinal, checkLeases } from './record-rules.js'
import type { RecordStory } from './record-story.js'
import { checkRedrives } from './redrive-rules.js'
import { checkDedup, checkPlaces } from './send-rules.js'
import { tellStories, type Commanded } from './stories.js'
import { brokerTimesOf, checkLeaseTimes, checkTimes } from './time-rules.js'

/** What a queue of the run promises. */
export interface QueueRules {
  readonly isOrdered: boolean
  /** Several brokers hold it, and grants that are not ordered may go with the one that leads. Default false. */
  readonly isReplicated?: boolean
  /** What a record that is given up does to its key. */
  readonly poison: 'dlq-one' | 'dlq-key' | 'hold'
  readonly maxAttempts: number
  /** At the beginning. */
  readonly visibilityMs: number
  readonly hasDeadLetters: boolean
  /** What has outlived its time to live becomes a dead letter. */
  readonly expiredDie: boolean
  /** The more urgent record goes first, however long others wait. */
  readonly isByPriority: boolean
  /** Null where its records have no dedup ids. */
  readonly dedup: 'until-settled' | { readonly windowMs: number } | null
  /** A delayed record comes so many milliseconds after it is due at the latest, if the broker is there; null: ever. */
  readonly lateMsMax: number | null
}

/** Where the rules say what they find. */
export type Report = (violation: string) => void

/** How much there was; and how late delayed records were, in milliseconds, at most. */
export interface HistoryFigures {
  readonly sent: number
  readonly delivered: number
  readonly settled: number
  readonly deadLetters: number
  readonly moved: number
  /** Stopped keys that were let go on. */
  readonly resumed: number
  readonly lateMsMax: number
}

const VIOLATIONS_MAX = 50

/** Holds a history against the rules of its queues; the answer is what it breaks, at most so many. */
export function checkHistory (
  entries: readonly JournalEntry[], queues: ReadonlyMap<string, QueueRules>,
): { violations: string[], figures: HistoryFigures } {
  const violations: string[] = []
  const report: Report = violation => { if (violations.length < VIOLATIONS_MAX) violations.push(violation) }
  const holding = new Set([...queues].filter(([, { poison }]) => poison === 'hold').map(([queue]) => queue))
  const stories = tellStories(entries, holding)
  const times = brokerTimesOf(entries)
  let lateMsMax = 0
  for (const [queue, rules] of queues) {
    const records = stories.records.filter(({ place }) => place.queue === queue)
    const sendings = stories.sendings.filter(({ terms }) => terms.queue === queue)
    const commands = stories.commands.filter(({ terms }) => terms.queue === queue)
    checkPlaces(records, report)
    checkLeases(records, rules, times.killedUs, report)
    for (const record of records) {
      checkFinal(record, rules, report)
      checkDead(record, rules, times.killedUs, report)
      checkEnded(record, rules, report)
      checkFound(record, report)
      checkLeaseTimes(record, rules, commands, times, report)
      lateMsMax = Math.max(lateMsMax, checkTimes(record, rules, times, report))
    }
    if (rules.isOrdered) for (const lane of lanesOf(records)) checkLane(lane, rules, commands, report)
    if (rules.isByPriority) checkPriorities(records, report)
    if (rules.dedup !== null) checkDedup(records, sendings, rules.dedup, times.ready, report)
    checkPauses(records, commands, report)
    checkRedrives(queue, records, stories.redrives.filter(redrive => redrive.queue === queue), report)
    checkFigures(entries, queue, records, report)
  }
  checkLeftOver(entries, report)
  const { records, sendings, commands, redrives } = stories
  const figures = {
    sent: sendings.length,
    delivered: records.reduce((sum, { deliveries }) => sum + deliveries.length, 0),
    settled: records.reduce((sum, { settles }) => sum + settles.length, 0),
    deadLetters: records.reduce((sum, { deadLetters }) => sum + deadLetters.length, 0),
    moved: redrives.reduce((sum, { moved }) => sum + moved, 0),
    resumed: commands.filter(({ terms, changed }) => 'key' in terms && changed === true).length,
    lateMsMax: Math.round(lateMsMax),
  }
  return { violations, figures }
}

function checkLane (
  lane: readonly RecordStory[], rules: QueueRules, commands: readonly Commanded[], report: Report,
): void {
  checkOrder(lane, report)
  if (rules.poison === 'dlq-one') return
  const { key } = lane[0]!
  const mine = commands.filter(({ terms }) => 'key' in terms && terms.key === key)
  if (rules.poison === 'hold') checkHeld(lane, rules, mine, report)
  else checkQuarantined(lane, mine, report)
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
