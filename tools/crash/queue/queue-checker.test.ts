// The checker of queue histories must find what is wrong: each fault is planted by hand into a history that is sound.

import t from 'tap'
import type { JournalEntry, SendTerms, SettleAnswer, SettleStep, Step } from './journal.js'
import { checkHistory, type QueueRules } from './queue-checker.js'

const PLAIN: QueueRules = { isOrdered: false, maxAttempts: 3, hasDeadLetters: true, dedup: null, lateMsMax: null }
const ORDERED: QueueRules = { ...PLAIN, isOrdered: true }

/** A history that is written line by line, a millisecond apart unless told otherwise. */
class Told {
  readonly entries: JournalEntry[] = []
  private atUs = 0

  after (ms: number): this {
    this.atUs += ms * 1_000
    return this
  }

  add (step: Step, by = 'a'): this {
    this.after(1).entries.push({ atUs: this.atUs, by, ...step })
    return this
  }

  sent (offset: number, terms: SendTerms & { key?: string } = {}): this {
    const { key = null, ...rest } = terms
    const value = `v${offset}`
    return this.add({ step: 'sending', queue: 'q', value, key, ...rest })
      .add({ step: 'sent', queue: 'q', partition: 0, offset, value, duplicate: false })
  }

  duplicate (value: string, dedupId: string, offset: number): this {
    return this.add({ step: 'sending', queue: 'q', value, key: null, dedupId })
      .add({ step: 'sent', queue: 'q', partition: 0, offset, value, duplicate: true })
  }

  given (offset: number, sequence: number, other: {
    by?: string, deliveries?: number, key?: string, value?: string, call?: number | null
  } = {}): this {
    const { by, deliveries = 1, key = null, value = `v${offset}`, call = null } = other
    return this.add({
      step: 'delivered', queue: 'q', partition: 0, offset, epoch: 1, sequence, call, deliveries, key, value,
    }, by)
  }

  settled (
    offset: number, sequence: number, kind: SettleStep, answer: SettleAnswer | null = 'ok', by = 'a', delayMs = -1,
  ): this {
    const lease = { queue: 'q', partition: 0, offset, epoch: 1, sequence, kind } as const
    this.add({ step: 'settling', ...lease, delayMs }, by)
    return answer === null ? this : this.add({ step: 'settled', ...lease, answer }, by)
  }

  dead (offset: number, failures = 3, deliveries = 3): this {
    return this.add({
      step: 'deadLetter', queue: 'q', partition: 0, offset, value: `v${offset}`, reason: 'exhausted', failures, deliveries,
    })
  }

  breaks (rules: QueueRules = PLAIN): string[] {
    return checkHistory(this.entries, new Map([['q', rules]])).violations
  }
}

const FIGURES = {
  step: 'figures', queue: 'q', partition: 0, floor: 0, nextOffset: 0, acknowledged: 0, cancelled: 0, expired: 0, dead: 0, archived: 0, purged: 0,
} as const

t.test('Queue checker: a sound history passes (retry, lost answer, lease that ran out, dead letter)', async t => {
  const told = new Told().sent(0).sent(1).sent(2)
    .given(0, 1).settled(0, 1, 'nack').given(0, 4, { deliveries: 2 }).settled(0, 4, 'ack')
    .given(1, 2).settled(1, 2, 'ack', null)
    .given(2, 3).given(2, 5, { by: 'b', deliveries: 2 }).settled(2, 3, 'ack', 'refused').given(2, 6, { deliveries: 3 }).dead(2)
    .add({ ...FIGURES, floor: 3, nextOffset: 3, acknowledged: 2, dead: 1 })
  t.strictSame(told.breaks(), [])
})

t.test('Queue checker: a record that is lost is found', async t => {
  t.match(new Told().sent(0).breaks(), [/^lost: q 0:0 .* never delivered/])
  t.match(new Told().sent(0).given(0, 1).settled(0, 1, 'nack').breaks(), [/^lost: q 0:0 .* nobody has ended it/])
  t.match(new Told().sent(0).given(0, 1).settled(0, 1, 'ack', 'refused').breaks(), [/^lost/], 'a refused ack ends nothing')
  const dropped = new Told().sent(0).given(0, 3, { deliveries: 3 }).settled(0, 3, 'nack')
  t.strictSame(dropped.breaks({ ...PLAIN, hasDeadLetters: false }), [])
  t.match(dropped.breaks(), [/^lost/], 'but with a dead-letter queue')
})

t.test('Queue checker: a delivery after the end is found (ack, reject, cancel)', async t => {
  t.match(new Told().sent(0).given(0, 1).settled(0, 1, 'ack').given(0, 2, { deliveries: 2 }).breaks(), [/^after its end/])
  t.match(new Told().sent(0).given(0, 1).settled(0, 1, 'reject').given(0, 2, { deliveries: 2 }).dead(0, 0, 2).breaks(), [/^after its end/])
  const cancelled = new Told().sent(0)
    .add({ step: 'cancelling', queue: 'q', partition: 0, offset: 0 })
    .add({ step: 'cancelled', queue: 'q', partition: 0, offset: 0, answer: 'ok' })
    .add({ step: 'receiving', queue: 'q', call: 1 }).given(0, 1, { call: 1 })
  t.match(cancelled.breaks(), [/^after its end/])
  const lateNews = new Told().sent(0).given(0, 2, { by: 'b', deliveries: 2 }).settled(0, 2, 'ack', 'ok', 'b').given(0, 1)
  t.strictSame(lateNews.breaks(), [], 'a delivery that is only written down late is none')
})

t.test('Queue checker: leases that cannot be are found (given twice, counts that go back, taken over)', async t => {
  t.match(new Told().sent(0).sent(1).given(0, 1).given(1, 1).settled(0, 1, 'ack').settled(1, 1, 'ack').breaks(), [/^lease twice/])
  const back = new Told().sent(0).given(0, 1, { deliveries: 2 }).given(0, 2, { deliveries: 1 }).settled(0, 2, 'ack')
  t.match(back.breaks(), [/^count back/])
  const same = new Told().sent(0).given(0, 1).given(0, 2).settled(0, 2, 'ack')
  t.strictSame(same.breaks(), [], 'a grant that nobody wrote down may be counted again')
  t.match(same.breaks(ORDERED), [/^count back/], 'but for ordered queues')
  const stale = new Told().sent(0).given(0, 1).given(0, 2, { by: 'b', deliveries: 2 })
    .settled(0, 1, 'extend').settled(0, 2, 'ack', 'ok', 'b')
  t.match(stale.breaks(), [/^stale lease: a extend/])
})

t.test('Queue checker: records of a key out of order are found', async t => {
  const key = 'k'
  const both = (): Told => new Told().sent(0, { key }).sent(1, { key })
  const sound = both().given(0, 1, { key }).settled(0, 1, 'ack').given(1, 2, { key }).settled(1, 2, 'ack')
  t.strictSame(sound.breaks(ORDERED), [])
  const swapped = both().given(1, 1, { key }).settled(1, 1, 'ack').given(0, 2, { key }).settled(0, 2, 'ack')
  t.match(swapped.breaks(ORDERED), [/^order: q 0:1 was worked on .* q 0:0/, /^order: q 0:1 was acknowledged before/])
  t.strictSame(swapped.breaks(PLAIN), [], 'which is fine on others')
  const overtaken = both().given(0, 1, { key }).settled(0, 1, 'nack').given(1, 2, { key, by: 'b' })
    .given(0, 3, { key, deliveries: 2 }).settled(0, 3, 'ack').settled(1, 2, 'ack', 'refused', 'b')
    .given(1, 4, { key, deliveries: 2 }).settled(1, 4, 'ack')
  t.match(overtaken.breaks(ORDERED), [/^order: q 0:1 was worked on/], 'its handler had begun too early')
  const given = both().given(0, 1, { key, call: 1 }).given(1, 2, { key, call: 1 }).settled(0, 1, 'nack')
    .given(0, 3, { key, call: 2, deliveries: 2 }).settled(0, 3, 'ack').given(1, 4, { key, call: 3, deliveries: 2 }).settled(1, 4, 'ack')
  t.strictSame(given.breaks(ORDERED), [], 'the rest of a run is given back')
})

t.test('Queue checker: two holders of a key are found', async t => {
  const key = 'k'
  const told = new Told().sent(0, { key }).sent(1, { key })
    .given(0, 1, { key, call: 1 }).given(1, 2, { key, by: 'b', call: 1 }).settled(0, 1, 'ack').settled(1, 2, 'ack', 'ok', 'b')
  t.match(told.breaks(ORDERED), [/^two holders: a ack of q 0:0/])
})

t.test('Queue checker: dead letters that do not fit are found (twice, missing, too early, of an acknowledged one)', async t => {
  const rejected = (): Told => new Told().sent(0).given(0, 1).settled(0, 1, 'reject')
  t.match(rejected().breaks(), [/^dead letter missing/])
  t.strictSame(rejected().breaks({ ...PLAIN, hasDeadLetters: false }), [])
  t.match(rejected().dead(0).dead(0).breaks(), [/^dead twice/])
  t.match(new Told().sent(0).given(0, 1).settled(0, 1, 'ack').dead(0).breaks(), [/^dead letter: .* acknowledged/])
  t.match(new Told().sent(0).given(0, 1).dead(0, 2).breaks(), [/^dead early/])
  t.match(new Told().sent(0).given(0, 4, { deliveries: 4 }).dead(0).breaks(), [/^count back: .* 3 deliveries, of which 4/])
})

t.test('Queue checker: what comes too early, too late, or when it is of no use is found', async t => {
  const reminder = (): Told => new Told().sent(0, { delayMs: 1_000 })
  t.match(reminder().after(500).given(0, 1).settled(0, 1, 'ack').breaks(), [/^early/])
  t.strictSame(reminder().after(1_000).given(0, 1).settled(0, 1, 'ack').breaks(), [])
  const punctual = { ...PLAIN, lateMsMax: 1_000 }
  t.match(reminder().after(2_500).given(0, 1).settled(0, 1, 'ack').breaks(punctual), [/^late/])
  const restarted = reminder().after(2_000).add({ step: 'brokerReady' }).after(500).given(0, 1).settled(0, 1, 'ack')
  t.strictSame(restarted.breaks(punctual), [], 'the broker was away')
  const nacked = new Told().sent(0).given(0, 1).settled(0, 1, 'nack', 'ok', 'a', 500).given(0, 2, { deliveries: 2 }).settled(0, 2, 'ack')
  t.match(nacked.breaks(), [/^early: .* nack/])
  const expired = new Told().sent(0, { ttlMs: 100 }).after(200).add({ step: 'receiving', queue: 'q', call: 1 }).given(0, 1, { call: 1 })
  t.match(expired.breaks(), [/^expired/])
})

t.test('Queue checker: dedup ids that are taken twice, or not freed, are found', async t => {
  const dedupId = 'x'
  const window = { ...PLAIN, dedup: 'window' } as const
  const untilSettled = { ...PLAIN, dedup: 'until-settled' } as const
  const one = (): Told => new Told().sent(0, { dedupId }).given(0, 1).settled(0, 1, 'ack')
  t.strictSame(one().duplicate('w', dedupId, 0).breaks(window), [])
  t.match(one().duplicate('w', dedupId, 0).breaks(untilSettled), [/^dedup: w was refused/])
  const two = (): Told => one().sent(1, { dedupId }).given(1, 2).settled(1, 2, 'ack')
  t.match(two().breaks(window), [/^dedup: id x was taken by q 0:0 and once more by q 0:1/])
  t.strictSame(two().breaks(untilSettled), [])
  const early = new Told().sent(0, { dedupId }).sent(1, { dedupId }).given(0, 1).given(1, 2).settled(0, 1, 'ack').settled(1, 2, 'ack')
  t.match(early.breaks(untilSettled), [/^dedup: id x/])
  const ghost = one().duplicate('v1', dedupId, 0).given(1, 2).settled(1, 2, 'ack')
  t.match(ghost.breaks(window), [/^dedup: id x/], 'what was called a duplicate was delivered')
  const other = new Told().sent(0, { dedupId: 'y' }).given(0, 1).settled(0, 1, 'ack').duplicate('w', dedupId, 0)
  t.match(other.breaks(window), [/^dedup: w was answered with q 0:0/])
})

t.test('Queue checker: foreign bytes, and one record in two places, are found', async t => {
  t.match(new Told().sent(0).given(0, 1, { value: 'else' }).settled(0, 1, 'ack').breaks(), [/^content/])
  const twice = new Told().sent(0).given(0, 1).settled(0, 1, 'ack').given(1, 2, { value: 'v0' }).settled(1, 2, 'ack')
  t.match(twice.breaks(), [/^twice in the log/])
})

t.test('Queue checker: figures that go back or do not fit, and what is left over, are found', async t => {
  t.match(new Told().add({ ...FIGURES, floor: 2 }).add({ ...FIGURES, floor: 1 }).breaks(), [/^figures: floor of q 0 went from 2 back to 1/])
  const killed = (ms: number): string[] =>
    new Told().add({ ...FIGURES, floor: 2 }).after(ms).add({ step: 'brokerKilled' }).add({ ...FIGURES, floor: 1 }).breaks()
  t.match(killed(5_000), [/^figures: floor/], 'over a kill as well')
  t.strictSame(killed(10), [], 'but for what was not durable yet')
  t.match(new Told().add({ ...FIGURES, acknowledged: 1 }).breaks(), [/^figures: .* 1 are acknowledged; 0 to 0 are/])
  t.match(new Told().sent(0).given(0, 1).settled(0, 1, 'ack').add(FIGURES).breaks(), [/^figures: .* 1 to 1 are/])
  t.match(new Told().add({ ...FIGURES, dead: 1 }).breaks(), [/^figures: .* 1 are dead; 0 have letters/])
  t.match(new Told().add({ step: 'leftOver', queue: 'q', partition: 0, states: '1 ready' }).breaks(), [/^invisible/])
})
