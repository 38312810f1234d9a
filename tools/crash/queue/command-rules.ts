// The rules about what queues were told: a pause hands out nothing, and a stopped key goes on when it is told to.

import type { QueueRules, Report } from './queue-checker.js'
import { compareLeases, isAccepted, type Delivery, type RecordStory } from './record-story.js'
import type { Commanded } from './stories.js'

/** Nothing is leased between the answer to a pause and the next resume. */
export function checkPauses (records: readonly RecordStory[], commands: readonly Commanded[], report: Report): void {
  const pauses = commands.filter(({ terms, changed }) => terms.action === 'pause' && changed !== null)
  for (const pause of pauses) {
    const resume = commands.find(({ terms }) => terms.action === 'resume' && terms.atUs > pause.terms.atUs)
    const endUs = resume?.terms.atUs ?? Infinity
    for (const { deliveries, name } of records) {
      const early = deliveries.find(({ grantedUsMin, atUs }) => grantedUsMin > pause.answeredUs && atUs < endUs)
      if (early !== undefined) report(`paused: ${name} was delivered to ${early.by} while the queue was paused`)
    }
  }
}

/** A cancel or a reschedule finds what was acknowledged to its sender. */
export function checkFound ({ name, cancels, reschedules, sending }: RecordStory, report: Report): void {
  if (sending === null) return
  if ([...cancels, ...reschedules].some(({ answer }) => answer === 'unknown')) {
    report(`not found: ${name} was acknowledged to its sender, and no such record was there to be changed`)
  }
}

/**
 * `hold`: after the last attempt of a record nothing of its key comes until somebody says so, and only he who is
 * skipped is missing.
 *
 * @param lane the records of a key, by offset.
 * @param commands those about this key.
 */
export function checkHeld (
  lane: readonly RecordStory[], { maxAttempts }: QueueRules, commands: readonly Commanded[], report: Report,
): void {
  for (const record of lane) {
    for (const delivery of record.deliveries) {
      const resumedUs = commands.findLast(({ terms }) => terms.atUs < delivery.atUs)?.terms.atUs ?? -Infinity
      const failed = record.settles.filter(settle => isAccepted(settle) && settle.begunUs > resumedUs &&
        compareLeases(settle, delivery) < 0)
      const nacks = failed.filter(({ kind }) => kind === 'nack').length
      if (nacks < maxAttempts && !failed.some(({ kind }) => kind === 'reject')) continue
      report(`held: ${record.name} was given up, and delivered to ${delivery.by} before anybody let its key go on`)
    }
    if (record.deadLetters.length > 0) report(`held: ${record.name} has a dead letter, and its key should have stopped`)
  }
  const missing = lane.filter(({ sending, mayHaveEnded }) =>
    sending !== null && sending.terms.ttlMs === undefined && !mayHaveEnded)
  const skips = commands.filter(({ terms, changed }) => terms.action === 'skipKey' && changed !== false).length
  if (missing.length <= skips) return
  report(`lost: of the key of ${missing[0]!.name} nobody has ended ${missing.length} records, and ${skips} were skipped`)
}

/**
 * `dlq-key`: what follows a record that was given up becomes a letter after it, in order, until somebody lets the key
 * go on.
 */
export function checkQuarantined (lane: readonly RecordStory[], commands: readonly Commanded[], report: Report): void {
  lane.forEach((dead, index) => {
    const [letter] = dead.deadLetters
    const last = dead.deliveries.at(-1)
    if (letter === undefined || letter.reason === 'ttl' || last === undefined) return
    for (const record of lane.slice(index + 1)) {
      const begun = record.deliveries.find(delivery => compareLeases(delivery, last) > 0 && isBegun(record, delivery))
      if (begun === undefined) continue
      const isResumed = commands.some(({ terms, answeredUs }) =>
        answeredUs > last.grantedUsMin && terms.atUs < begun.atUs)
      if (!isResumed) report(`quarantine: ${record.name} was worked on after ${dead.name} of the same key was given up`)
    }
  })
  let before: RecordStory | null = null
  for (const record of lane) {
    const [letter] = record.deadLetters
    if (letter === undefined) continue
    const other = before?.deadLetters[0]?.letter
    const { partition, offset } = letter.letter
    if (letter.reason === 'quarantine' && other?.partition === partition && other.offset > offset) {
      report(`quarantine: the letter of ${record.name} comes before that of ${before!.name} of the same key`)
    }
    before = record
  }
}

/** Its holder certainly had the turn. */
function isBegun (record: RecordStory, delivery: Delivery): boolean {
  return delivery.call === null ||
    record.settles.some(settle => settle.kind === 'ack' && isAccepted(settle) && compareLeases(settle, delivery) === 0)
}
