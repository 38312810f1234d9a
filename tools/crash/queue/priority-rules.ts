// The rule about priorities that do not age: what is more urgent, and was there before, goes first.

import type { Report } from './queue-checker.js'
import { compareLeases, type Delivery, type RecordStory } from './record-story.js'

/**
 * Records that may go before a more urgent one: its priority may have to wait until a page of the log is read, after a
 * start above all.
 */
const OVERTAKEN_MAX = 20

interface First { readonly record: RecordStory, readonly delivery: Delivery, readonly priority: number }

/** Compares first deliveries under one leader; tries after failures go their own way. */
export function checkPriorities (records: readonly RecordStory[], report: Report): void {
  const firsts: First[] = []
  for (const record of records) {
    const [delivery] = record.deliveries
    const priority = record.sending?.terms.priority
    if (delivery?.deliveries === 1 && priority !== undefined) firsts.push({ record, delivery, priority })
  }
  firsts.sort((a, b) => compareLeases(a.delivery, b.delivery))
  for (const [index, late] of firsts.entries()) {
    const { place: { partition, offset }, sending, name } = late.record
    const thereUs = sending!.answeredUs
    let overtaken = 0
    for (let before = index - 1; before >= 0 && overtaken <= OVERTAKEN_MAX; before--) {
      const { record, delivery, priority } = firsts[before]!
      if (delivery.epoch !== late.delivery.epoch) break
      if (record.place.partition !== partition || record.place.offset < offset || priority >= late.priority) continue
      if (delivery.grantedUsMin > thereUs) overtaken++
    }
    if (overtaken > OVERTAKEN_MAX) report(`priority: more than ${OVERTAKEN_MAX} later and less urgent records went before ${name}`)
  }
}
