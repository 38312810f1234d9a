// The rules about the records of one key on an ordered queue.

import type { LeaseNumber } from './journal.js'
import type { Report } from './queue-checker.js'
import { compareLeases, isAccepted, type Delivery, type RecordStory } from './record-story.js'

interface Given { readonly lease: LeaseNumber, readonly name: string, readonly by: string, readonly atUs: number }

/**
 * Once a record is begun by a handler, or acknowledged, no earlier one of its key is leased any more, and none ends
 * after it; and while it is settled nobody else has the key.
 *
 * @param lane the records of a key, by offset.
 */
export function checkOrder (lane: readonly RecordStory[], report: Report): void {
  let before: Given | null = null
  let lastEnd: { name: string, atUs: number } | null = null
  for (const record of lane) {
    const last = before
    const early = confirmedLeases(record).find(lease => last !== null && compareLeases(last.lease, lease) > 0)
    if (last !== null && early !== undefined) {
      report(`order: ${record.name} was worked on under lease ${early.epoch}.${early.sequence}, and ${last.name} of the ` +
        `same key was leased after that, as ${last.lease.epoch}.${last.lease.sequence}`)
    }
    const acked = record.settles.find(settle => settle.kind === 'ack' && isAccepted(settle))
    if (lastEnd !== null && acked !== undefined && acked.answeredUs < lastEnd.atUs) {
      report(`order: ${record.name} was acknowledged before anybody could have ended ${lastEnd.name} of the same key`)
    }
    for (const delivery of record.deliveries) {
      if (before === null || compareLeases(delivery, before.lease) > 0) before = given(record, delivery)
    }
    // A record that died or expired ended at a time that nobody has written down.
    const isClear = record.deadLetters.length === 0 && record.sending?.terms.ttlMs === undefined && record.mayHaveEnded
    if (isClear && (lastEnd === null || record.endedUsMin > lastEnd.atUs)) {
      lastEnd = { name: record.name, atUs: record.endedUsMin }
    }
  }
  checkHolders(lane, report)
}

/** Leases under which the record was certainly its holder's turn. */
function confirmedLeases (record: RecordStory): LeaseNumber[] {
  const begun: LeaseNumber[] = record.deliveries.filter(({ call }) => call === null)
  const acked = record.settles.filter(settle => settle.kind === 'ack' && isAccepted(settle))
  return [...begun, ...acked]
}

function given (record: RecordStory, lease: Delivery): Given {
  return { lease, name: record.name, by: lease.by, atUs: lease.atUs }
}

/** Nothing is accepted under a lease of a key of which somebody else got a later one before. */
function checkHolders (lane: readonly RecordStory[], report: Report): void {
  const leases = lane.flatMap(record => record.deliveries.map(delivery => given(record, delivery)))
    .sort((a, b) => compareLeases(a.lease, b.lease))
  for (const record of lane) {
    for (const settle of record.settles) {
      if (!isAccepted(settle)) continue
      const holder = leases.find(({ lease, name }) => name === record.name && compareLeases(lease, settle) === 0)
      if (holder === undefined) continue
      for (let index = leases.length - 1; index >= 0 && compareLeases(leases[index]!.lease, settle) > 0; index--) {
        const later = leases[index]!
        if (later.by === holder.by || later.atUs >= settle.begunUs) continue
        report(`two holders: a ${settle.kind} of ${record.name} by lease ${settle.epoch}.${settle.sequence} of ${holder.by} was ` +
          `accepted after ${later.by} had leased ${later.name} of the same key`)
        break
      }
    }
  }
}
