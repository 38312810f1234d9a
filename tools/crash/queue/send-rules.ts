// The rules about what was sent: each record in one place, with the bytes that were sent, and dedup ids.

import type { QueueRules, Report } from './queue-checker.js'
import type { RecordStory, Sending } from './record-story.js'

/** What is delivered is what was sent, and a record that was sent once is in one place. */
export function checkPlaces (records: readonly RecordStory[], report: Report): void {
  const places = new Map<string, string>()
  for (const record of records) {
    const { name, deliveries, value, key } = record
    for (const delivery of deliveries) {
      if (delivery.value === value && delivery.key === key) continue
      report(`content: ${name} was delivered with key ${delivery.key} and value ${delivery.value}, not ${key} and ${value}`)
    }
    if (value === null) continue
    const other = places.get(value)
    if (other !== undefined) report(`twice in the log: ${value} is ${other} and ${name}`)
    places.set(value, name)
  }
}

/** Of the records of one id one is taken: for good (`window`), or until it has ended. */
export function checkDedup (
  records: readonly RecordStory[], sendings: readonly Sending[], scope: NonNullable<QueueRules['dedup']>, report: Report,
): void {
  const byValue = new Map(records.filter(({ value }) => value !== null).map(record => [record.value!, record]))
  const byPlace = new Map(records.map(record => [record.name, record]))
  const byId = new Map<string, Sending[]>()
  for (const sending of sendings) {
    const { dedupId } = sending.terms
    if (dedupId === undefined) continue
    byId.set(dedupId, [...byId.get(dedupId) ?? [], sending])
  }
  for (const [id, sent] of byId) {
    // Taken: acknowledged as new, or delivered, whatever its sender was told.
    const taken = sent.map(({ terms }) => byValue.get(terms.value))
      .filter(record => record !== undefined)
      .sort((a, b) => a.place.offset - b.place.offset)
    for (let index = 1; index < taken.length; index++) {
      const [first, second] = [taken[index - 1]!, taken[index]!]
      const isFree = scope === 'until-settled' && couldHaveEndedBy(first, second.sending?.answeredUs ?? Infinity)
      if (!isFree) report(`dedup: id ${id} was taken by ${first.name} and once more by ${second.name}`)
    }
    for (const { outcome, place, terms } of sent) {
      if (outcome !== 'duplicate') continue
      const holder = byPlace.get(`${place!.queue} ${place!.partition}:${place!.offset}`)
      if (holder !== undefined && !taken.includes(holder)) report(`dedup: ${terms.value} was answered with ${holder.name}, which has another id`)
      if (scope === 'until-settled' && holder !== undefined && holder.ackToldUs < terms.atUs) {
        report(`dedup: ${terms.value} was refused for id ${id} after ${holder.name}, which had it, was settled`)
      }
    }
  }
}

function couldHaveEndedBy (record: RecordStory, atUs: number): boolean {
  return record.deadLetters.length > 0 || record.sending?.terms.ttlMs !== undefined || record.endedUsMin <= atUs
}
