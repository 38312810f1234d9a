// The rules about one record: that it comes, that it ends once, and under which leases.

import type { QueueRules, Report } from './queue-checker.js'
import { compareLeases, isAccepted, type Delivery, type RecordStory, type Settle } from './record-story.js'

/** What was granted so long before a broker was killed was durable then, in microseconds. */
const DURABLE_US = 2_000_000

/** Acknowledged to its sender: it must have ended by somebody's word, or as a dead letter, or in time. */
export function checkEnded (record: RecordStory, rules: QueueRules, report: Report): void {
  const { sending, name, deliveries, deadLetters } = record
  if (sending === null || record.mayHaveEnded || deadLetters.length > 0) return
  if (sending.terms.ttlMs !== undefined && !rules.expiredDie) return
  // Skipped, maybe: that is for the rules of its key.
  if (rules.poison === 'hold') return
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
export function checkLeases (
  records: readonly RecordStory[], rules: QueueRules, killedUs: readonly number[], report: Report,
): void {
  const given = new Map<string, string>()
  for (const { name, deliveries, settles, place } of records) {
    for (let index = 0; index < deliveries.length; index++) {
      const delivery = deliveries[index]!
      const lease = `${place.partition}/${delivery.epoch}/${delivery.sequence}`
      const other = given.get(lease)
      if (other !== undefined) report(`lease twice: ${delivery.epoch}.${delivery.sequence} was given of ${other} and of ${name}`)
      given.set(lease, name)
      const before = deliveries[index - 1]
      if (before === undefined || delivery.deliveries >= before.deliveries + (rules.isOrdered ? 1 : 0)) continue
      if (wasDurable(before, settles, rules, killedUs)) {
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
export function checkFinal (
  { name, lastWord, endToldUs, deliveries }: RecordStory, { isOrdered, isReplicated = false }: QueueRules,
  report: Report,
): void {
  for (const delivery of deliveries) {
    // A grant that was not replicated goes with its leader: the next one may still take the ack of the lease before.
    const mayBeTakenBack = isReplicated && !isOrdered && lastWord !== null && delivery.atUs < lastWord.answeredUs
    const isLater = lastWord !== null && compareLeases(delivery, lastWord) > 0 && !mayBeTakenBack
    const isAfter = isLater || delivery.grantedUsMin > endToldUs
    if (!isAfter) continue
    report(`after its end: ${name} was delivered to ${delivery.by} under lease ${delivery.epoch}.${delivery.sequence}` +
      (lastWord === null ? ', and was cancelled before' : ` after its ${lastWord.kind} with lease ${lastWord.epoch}.${lastWord.sequence}`))
  }
}

/** One letter for a death, and a death for each letter. */
export function checkDead (
  record: RecordStory, rules: QueueRules, killedUs: readonly number[], report: Report,
): void {
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
  const durable = record.deliveries.filter(delivery => wasDurable(delivery, settles, rules, killedUs))
  const seen = Math.max(0, ...durable.map(({ deliveries }) => deliveries))
  if (letter.deliveries < seen) report(`count back: ${name} died after ${letter.deliveries} deliveries, of which ${seen} were seen`)
  const refusals = settles.filter(settle => settle.kind === 'nack' && isAccepted(settle)).length
  if (refusals > letter.failures) report(`count back: ${name} died after ${letter.failures} failures, and was nacked ${refusals} times`)
}

/** A grant that no crash can have taken back: it was settled durably, waited to be durable, or is too old for that. */
function wasDurable (
  delivery: Delivery, settles: readonly Settle[], rules: QueueRules, killedUs: readonly number[],
): boolean {
  if (rules.isOrdered) return true
  if (settles.some(settle => compareLeases(settle, delivery) === 0 && isAccepted(settle))) return true
  return !killedUs.some(killUs => killUs > delivery.grantedUsMin && killUs < delivery.atUs + DURABLE_US)
}
