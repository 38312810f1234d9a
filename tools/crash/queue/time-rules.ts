// The rules about when: nothing comes before it is due, nor long after, nor when it has expired; and a lease lasts.

import type { JournalEntry } from './journal.js'
import type { QueueRules, Report } from './queue-checker.js'
import { compareLeases, isAccepted, type Change, type Delivery, type RecordStory } from './record-story.js'
import type { Commanded } from './stories.js'

/** Clocks are read before and after what they are compared with; this much is between them on a busy machine. */
const EARLY_MS_MAX = 25

/** A broker takes so long to start on a machine that has time for it; longer, and everything takes longer. */
const START_MS = 1_000

/** A broker came up, or a process that had been stopped went on. */
export interface Ready { readonly atUs: number, readonly slowness: number }

/** When what happened to the brokers of a history, in its order. */
export interface BrokerTimes { readonly ready: readonly Ready[], readonly killedUs: readonly number[] }

export function brokerTimesOf (entries: readonly JournalEntry[]): BrokerTimes {
  const ready: Ready[] = []
  const killedUs: number[] = []
  for (const entry of entries) {
    const { step, atUs } = entry
    if (step === 'brokerKilled') killedUs.push(atUs)
    else if (step === 'thawed') ready.push({ atUs, slowness: ready.at(-1)?.slowness ?? 1 })
    else if (step === 'brokerReady') ready.push({ atUs, slowness: Math.max(1, entry.startMs / START_MS) })
  }
  return { ready, killedUs }
}

/** Not before it is due, not after it has expired. @returns how late it came at most, in milliseconds. */
export function checkTimes (record: RecordStory, rules: QueueRules, { ready }: BrokerTimes, report: Report): number {
  checkNacks(record, report)
  const { sending, deliveries, name } = record
  const first = deliveries[0]
  if (sending === null || first === undefined) return 0
  const { terms: { ttlMs, delayMs }, answeredUs } = sending
  if (ttlMs !== undefined) {
    const late = deliveries.find(({ grantedUsMin }) => grantedUsMin > answeredUs + ttlMs * 1_000)
    if (late !== undefined) report(`expired: ${name} was delivered to ${late.by} when it was of no use any more`)
  }
  for (const delivery of deliveries) checkPutOff(record, delivery, report)
  if (delayMs === undefined) return 0
  const due = dueOf(record, first)
  const earlyMs = (due.fromUs - first.atUs) / 1_000
  if (earlyMs > EARLY_MS_MAX) report(`early: ${name} came ${Math.round(earlyMs)} ms before it was due`)
  // Others may have had it before and died without a word.
  if (rules.lateMsMax === null || first.deliveries > 1) return 0
  const start = ready.findLast(({ atUs }) => atUs < first.atUs) ?? { atUs: 0, slowness: 1 }
  const lateMs = (first.atUs - Math.max(start.atUs, due.toUs)) / 1_000
  if (lateMs > rules.lateMsMax * start.slowness) report(`late: ${name} came ${Math.round(lateMs)} ms after it was due and the broker was there`)
  return lateMs
}

function checkNacks ({ settles, deliveries, name, reschedules }: RecordStory, report: Report): void {
  for (const settle of settles) {
    if (settle.kind !== 'nack' || settle.delayMs < 0 || !isAccepted(settle)) continue
    const next = deliveries.find(delivery => compareLeases(delivery, settle) > 0)
    if (next === undefined || reschedules.some(({ answeredUs }) => answeredUs > settle.begunUs)) continue
    const earlyMs = settle.delayMs - (next.atUs - settle.begunUs) / 1_000
    if (earlyMs > EARLY_MS_MAX) report(`early: ${name} came again ${Math.round(earlyMs)} ms before the ${settle.delayMs} ms of its nack were over`)
  }
}

/** What was put off is not leased before the new time, unless it was brought forward again. */
function checkPutOff ({ reschedules, name }: RecordStory, delivery: Delivery, report: Report): void {
  const last = reschedules.findLast(({ begunUs }) => begunUs < delivery.atUs)
  if (last?.answer !== 'ok' || delivery.grantedUsMin <= last.answeredUs) return
  const earlyMs = last.delayMs - (delivery.atUs - last.begunUs) / 1_000
  if (earlyMs > EARLY_MS_MAX) report(`early: ${name} came ${Math.round(earlyMs)} ms before the time that it was put off to`)
}

/** Between which times it was due at its first delivery; a reschedule without an answer may have counted or not. */
function dueOf ({ sending, reschedules }: RecordStory, first: Delivery): { fromUs: number, toUs: number } {
  const { terms: { atUs: sentUs, delayMs }, answeredUs } = sending!
  let due = { fromUs: sentUs + delayMs! * 1_000, toUs: answeredUs + delayMs! * 1_000 }
  for (const change of reschedules) {
    if (change.begunUs > first.atUs) break
    // Any other answer may be that to a retry of what was done before.
    if (change.answer === 'unknown') continue
    const next = timeOf(change)
    due = change.answer === 'ok' && change.answeredUs < first.grantedUsMin
      ? next
      : { fromUs: Math.min(due.fromUs, next.fromUs), toUs: Math.max(due.toUs, next.toUs) }
  }
  return due
}

function timeOf ({ begunUs, answeredUs, delayMs }: Change): { fromUs: number, toUs: number } {
  return { fromUs: begunUs + delayMs * 1_000, toUs: answeredUs + delayMs * 1_000 }
}

/**
 * A lease for the visibility time ends before that by its holder's word alone, over a restart as well. A kill may take
 * one back that was not durable; an ordered queue gives back what waits behind a record that failed.
 */
export function checkLeaseTimes (
  record: RecordStory, rules: QueueRules, commands: readonly Commanded[], { killedUs }: BrokerTimes, report: Report,
): void {
  if (rules.isOrdered) return
  for (let index = 1; index < record.deliveries.length; index++) {
    const [delivery, next] = [record.deliveries[index - 1]!, record.deliveries[index]!]
    const { askedUs, leases, by } = delivery
    if (leases !== 'visibility' || askedUs === null) continue
    if (record.settles.some(settle => compareLeases(settle, delivery) === 0)) continue
    if (killedUs.some(atUs => atUs > askedUs && atUs < next.atUs)) continue
    const heldMs = (next.atUs - askedUs) / 1_000
    const visibilityMs = leastVisibilityMs(rules, commands, delivery)
    if (heldMs >= visibilityMs - EARLY_MS_MAX) continue
    report(`lease cut short: ${record.name} was leased to ${by} for ${visibilityMs} ms, and ${Math.round(heldMs)} ms later to ${next.by}`)
  }
}

/** The shortest time that can have held when the lease was given. */
function leastVisibilityMs (rules: QueueRules, commands: readonly Commanded[], { askedUs, atUs }: Delivery): number {
  let visibilityMs = rules.visibilityMs
  for (const { terms, answeredUs, changed } of commands) {
    if (terms.action !== 'setVisibility' || terms.atUs > atUs) continue
    const isCertain = changed !== null && answeredUs < askedUs!
    visibilityMs = isCertain ? terms.visibilityMs : Math.min(visibilityMs, terms.visibilityMs)
  }
  return visibilityMs
}
