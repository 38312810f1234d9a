// The rules about what was sent: each record in one place, with the bytes that were sent, and dedup ids.

import type { QueueRules, Report } from './queue-checker.js'
import type { RecordStory, Sending } from './record-story.js'
import type { Ready } from './time-rules.js'

/** What is delivered is what was sent. */
export function checkPlaces (records: readonly RecordStory[], report: Report): void {
  for (const { name, deliveries, value, key } of records) {
    for (const delivery of deliveries) {
      if (delivery.value === value && delivery.key === key) continue
      report(`content: ${name} was delivered with key ${delivery.key} and value ${delivery.value}, not ${key} and ${value}`)
    }
  }
}

/** A broker has a moment to notice that a window is over. */
const WINDOW_OVER_MS_MAX = 1_000

/**
 * Of the records of one id one is taken at a time: for the length of a window, which begins anew with the broker at the
 * latest, or until it has ended.
 */
export function checkDedup (
  records: readonly RecordStory[], sendings: readonly Sending[], dedup: NonNullable<QueueRules['dedup']>,
  ready: readonly Ready[], report: Report,
): void {
  const byValue = new Map<string, RecordStory>()
  for (const record of records) {
    // What redrives bring comes behind the record itself, and without its id.
    if (record.value !== null && !byValue.has(record.value)) byValue.set(record.value, record)
  }
  const byPlace = new Map(records.map(record => [record.name, record]))
  for (const [id, sent] of sendingsById(sendings)) {
    // Taken: acknowledged as new, or delivered, whatever its sender was told.
    const taken = sent.map(({ terms }) => byValue.get(terms.value))
      .filter(record => record !== undefined)
      .sort((a, b) => a.place.offset - b.place.offset)
    for (let index = 1; index < taken.length; index++) {
      const [first, second] = [taken[index - 1]!, taken[index]!]
      const isFree = dedup === 'until-settled'
        ? couldHaveEndedBy(first, second.sending?.answeredUs ?? Infinity)
        : thereByUs(second) > (first.sending?.terms.atUs ?? 0) + dedup.windowMs * 1_000 ||
          mayCountAsNew(first, second, dedup.windowMs, ready)
      if (!isFree) report(`dedup: id ${id} was taken by ${first.name} and once more by ${second.name}`)
    }
    for (const { outcome, place, terms } of sent) {
      if (outcome !== 'duplicate') continue
      const holder = byPlace.get(`${place!.queue} ${place!.partition}:${place!.offset}`)
      if (holder === undefined) continue
      if (!taken.includes(holder)) report(`dedup: ${terms.value} was answered with ${holder.name}, which has another id`)
      if (dedup === 'until-settled') {
        if (holder.ackToldUs >= terms.atUs) continue
        report(`dedup: ${terms.value} was refused for id ${id} after ${holder.name}, which had it, was settled`)
      } else {
        const startUs = Math.max(thereByUs(holder), ready.findLast(({ atUs }) => atUs < terms.atUs)?.atUs ?? 0)
        const overMs = (terms.atUs - startUs) / 1_000 - dedup.windowMs
        if (overMs > WINDOW_OVER_MS_MAX) report(`dedup: ${terms.value} was refused for id ${id} ${Math.round(overMs)} ms after its window`)
      }
    }
  }
}

function sendingsById (sendings: readonly Sending[]): Map<string, Sending[]> {
  const byId = new Map<string, Sending[]>()
  for (const sending of sendings) {
    const { dedupId } = sending.terms
    if (dedupId !== undefined) byId.set(dedupId, [...byId.get(dedupId) ?? [], sending])
  }
  return byId
}

/**
 * A crash left `second` in the log without an answer, and the broker was back so late that it cannot tell any more
 * whether the window was over when it came: its snapshots are up to a quarter of a window old, and half of one is its
 * margin.
 */
function mayCountAsNew (first: RecordStory, second: RecordStory, windowMs: number, ready: readonly Ready[]): boolean {
  const [from, sending] = [first.sending, second.sending]
  if (from === null || sending === null) return false
  const back = ready.find(({ atUs }) => atUs > sending.terms.atUs)
  return back !== undefined && back.atUs < sending.answeredUs && back.atUs > from.terms.atUs + windowMs * 250
}

function couldHaveEndedBy (record: RecordStory, atUs: number): boolean {
  return record.deadLetters.length > 0 || record.sending?.terms.ttlMs !== undefined || record.endedUsMin <= atUs
}

/** When it was in the log at the latest. */
function thereByUs ({ sending, deliveries }: RecordStory): number {
  return Math.min(sending?.answeredUs ?? Infinity, ...deliveries.map(({ atUs }) => atUs))
}
