// The rules about one record: that it comes, that it ends once, and when.

import type { QueueRules, Report } from './queue-checker.js'
import { compareLeases, isAccepted, type RecordStory } from './record-story.js'

/** Clocks are read before and after what they are compared with; this much is between them on a busy machine. */
const EARLY_MS_MAX = 25

/** Acknowledged to its sender: it must have ended by somebody's word, or as a dead letter, or in time. */
export function checkEnded (record: RecordStory, rules: QueueRules, report: Report): void {
  const { sending, name, deliveries, deadLetters } = record
  if (sending === null || record.mayHaveEnded || deadLetters.length > 0 || sending.terms.ttlMs !== undefined) return
  // Without dead letters it is dropped after so many attempts.
  if (!rules.hasDeadLetters && (deliveries.at(-1)?.deliveries ?? 0) >= rules.maxAttempts) return
  report(`lost: ${name} was acknowledged to its sender ` + (deliveries.length === 0
    ? 'and was never delivered'
    : `and delivered ${deliveries.length} times, and nobody has ended it`))
}

/**
 * No lease twice, no count that goes back, nothing accepted from a lease that another one has followed. The count of a
 * grant that was not durable when the broker died may come again, except where grants wait to be durable (ordered).
 */
export function checkLeases (records: readonly RecordStory[], { isOrdered }: QueueRules, report: Report): void {
  const given = new Map<string, string>()
  for (const { name, deliveries, settles, place } of records) {
    for (let index = 0; index < deliveries.length; index++) {
      const delivery = deliveries[index]!
      const lease = `${place.partition}/${delivery.epoch}/${delivery.sequence}`
      const other = given.get(lease)
      if (other !== undefined) report(`lease twice: ${delivery.epoch}.${delivery.sequence} was given of ${other} and of ${name}`)
      given.set(lease, name)
      const before = deliveries[index - 1]
      if (before !== undefined && delivery.deliveries < before.deliveries + (isOrdered ? 1 : 0)) {
        report(`count back: ${name} was delivered as number ${before.deliveries}, and later as number ${delivery.deliveries}`)
      }
    }
    for (const settle of settles) {
      const taken = deliveries.find(delivery => compareLeases(delivery, settle) > 0 && delivery.atUs < settle.begunUs)
      if (taken === undefined || !isAccepted(settle)) continue
      report(`stale lease: a ${settle.kind} of ${name} with lease ${settle.epoch}.${settle.sequence} was accepted ` +
        `(${settle.answer}) after it was leased again as ${taken.epoch}.${taken.sequence}`)
    }
  }
}

/** After somebody was told that it has ended it does not come again. */
export function checkFinal ({ name, lastWord, endToldUs, deliveries }: RecordStory, report: Report): void {
  for (const delivery of deliveries) {
    const isAfter = (lastWord !== null && compareLeases(delivery, lastWord) > 0) || (delivery.askedUs ?? -1) > endToldUs
    if (!isAfter) continue
    report(`after its end: ${name} was delivered to ${delivery.by} under lease ${delivery.epoch}.${delivery.sequence}` +
      (lastWord === null ? ', and was cancelled before' : ` after its ${lastWord.kind} with lease ${lastWord.epoch}.${lastWord.sequence}`))
  }
}

/** One letter for a death, and a death for each letter. */
export function checkDead (record: RecordStory, rules: QueueRules, report: Report): void {
  const { name, deadLetters, settles, lastWord: word } = record
  if (deadLetters.length > 1) report(`dead twice: ${name} has ${deadLetters.length} dead letters`)
  const [letter] = deadLetters
  if (letter === undefined) {
    if (word?.kind === 'reject' && rules.hasDeadLetters) report(`dead letter missing: ${name} was rejected`)
    return
  }
  if (word?.kind === 'ack') report(`dead letter: ${name} was acknowledged, and has one`)
  if (letter.value !== record.value) report(`dead letter: that of ${name} holds ${letter.value}, not ${record.value}`)
  if (letter.reason === 'exhausted' && letter.failures < rules.maxAttempts) {
    report(`dead early: ${name} was given up after ${letter.failures} of ${rules.maxAttempts} attempts`)
  }
  const seen = Math.max(0, ...record.deliveries.map(({ deliveries }) => deliveries))
  if (letter.deliveries < seen) report(`count back: ${name} died after ${letter.deliveries} deliveries, of which ${seen} were seen`)
  const refusals = settles.filter(settle => settle.kind === 'nack' && isAccepted(settle)).length
  if (refusals > letter.failures) report(`count back: ${name} died after ${letter.failures} failures, and was nacked ${refusals} times`)
}

/** Not before it is due, not after it has expired. @returns how late it came at most, in milliseconds. */
export function checkTimes (
  record: RecordStory, rules: QueueRules, readyUs: readonly number[], report: Report,
): number {
  const { sending, deliveries, name } = record
  for (const settle of record.settles) {
    if (settle.kind !== 'nack' || settle.delayMs < 0 || !isAccepted(settle)) continue
    const next = deliveries.find(delivery => compareLeases(delivery, settle) > 0)
    const earlyMs = next === undefined ? 0 : settle.delayMs - (next.atUs - settle.begunUs) / 1_000
    if (earlyMs > EARLY_MS_MAX) report(`early: ${name} came again ${Math.round(earlyMs)} ms before the ${settle.delayMs} ms of its nack were over`)
  }
  const first = deliveries[0]
  if (sending === null || first === undefined) return 0
  const { terms: { atUs: sentUs, delayMs, ttlMs }, answeredUs } = sending
  if (ttlMs !== undefined) {
    const late = deliveries.find(({ askedUs }) => askedUs !== null && askedUs > answeredUs + ttlMs * 1_000)
    if (late !== undefined) report(`expired: ${name} was delivered to ${late.by} when it was of no use any more`)
  }
  if (delayMs === undefined) return 0
  const earlyMs = (sentUs - first.atUs) / 1_000 + delayMs
  if (earlyMs > EARLY_MS_MAX) report(`early: ${name} came ${Math.round(earlyMs)} ms before it was due`)
  // Others may have had it before and died without a word.
  if (rules.lateMsMax === null || first.deliveries > 1) return 0
  const startUs = readyUs.findLast(atUs => atUs < first.atUs) ?? 0
  const lateMs = (first.atUs - Math.max(startUs, answeredUs + delayMs * 1_000)) / 1_000
  if (lateMs > rules.lateMsMax) report(`late: ${name} came ${Math.round(lateMs)} ms after it was due and the broker was there`)
  return lateMs
}
