// The checker of queue histories must find what is wrong: each fault is planted by hand into a history that is sound.

import t from 'tap'
import type { Command, JournalEntry, Move, SendTerms, SettleAnswer, SettleStep, Step } from './journal.js'
import { checkHistory, type QueueRules } from './queue-checker.js'

const PLAIN: QueueRules = {
  isOrdered: false,
  poison: 'dlq-one',
  maxAttempts: 3,
  visibilityMs: 2_000,
  hasDeadLetters: true,
  expiredDie: false,
  isByPriority: false,
  dedup: null,
  lateMsMax: null,
}
const ORDERED: QueueRules = { ...PLAIN, isOrdered: true }
const REPLICATED: QueueRules = { ...PLAIN, isReplicated: true }
const HOLDING: QueueRules = { ...ORDERED, poison: 'hold', hasDeadLetters: false }
const QUARANTINING: QueueRules = { ...ORDERED, poison: 'dlq-key' }

/** A history that is written line by line, a millisecond apart unless told otherwise. */
class Told {
  readonly entries: JournalEntry[] = []
  private atUs = 0
  private commands = 0

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
    by?: string, deliveries?: number, key?: string, value?: string, call?: number | null, move?: Move
  } = {}): this {
    const { by, deliveries = 1, key = null, value = `v${offset}`, call = null, move = null } = other
    const leases = call === null ? 'session' : 'visibility'
    return this.add({
      step: 'delivered', queue: 'q', partition: 0, offset, epoch: 1, sequence, call, leases, deliveries, key, value, move,
    }, by)
  }

  /** A call that has brought nothing yet. */
  asks (call: number, by = 'a'): this { return this.add({ step: 'receiving', queue: 'q', call }, by) }

  settled (
    offset: number, sequence: number, kind: SettleStep, answer: SettleAnswer | null = 'ok', by = 'a', delayMs = -1,
  ): this {
    const lease = { queue: 'q', partition: 0, offset, epoch: 1, sequence, kind } as const
    this.add({ step: 'settling', ...lease, delayMs }, by)
    return answer === null ? this : this.add({ step: 'settled', ...lease, answer }, by)
  }

  dead (offset: number, failures = 3, deliveries = 3, other: {
    reason?: string, value?: string, isMoved?: boolean, letter?: number
  } = {}): this {
    const { reason = 'exhausted', value = `v${offset}`, isMoved = false, letter = offset } = other
    return this.add({
      step: 'deadLetter',
      queue: 'q',
      partition: 0,
      offset,
      letter: { partition: 0, offset: letter },
      isLeft: !isMoved,
      value,
      reason,
      failures,
      deliveries,
    })
  }

  redrive (moved: number, state = 'done'): this {
    return this.add({ step: 'redrive', queue: 'q', redriveId: 'r', state, moved })
  }

  /** `changed` null: nobody was told. */
  tells (command: Command, changed: boolean | null = true): this {
    const number = this.commands++
    this.add({ step: 'commanding', queue: 'q', command: number, ...command })
    return changed === null ? this : this.add({ step: 'commanded', command: number, changed })
  }

  rescheduled (offset: number, delayMs: number, answer: string | null = 'ok'): this {
    const place = { queue: 'q', partition: 0, offset }
    this.add({ step: 'rescheduling', ...place, delayMs })
    return answer === null ? this : this.add({ step: 'rescheduled', ...place, answer })
  }

  cancelled (offset: number, answer = 'ok'): this {
    const place = { queue: 'q', partition: 0, offset }
    return this.add({ step: 'cancelling', ...place }).add({ step: 'cancelled', ...place, answer })
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
  for (const answer of ['ok', 'requested', 'already-terminal']) {
    t.match(new Told().sent(0).cancelled(0, answer).asks(1).given(0, 1, { call: 1 }).breaks(), [/^after its end/], answer)
  }
  const behind = new Told().sent(0).sent(1).cancelled(0).asks(1).given(1, 1, { call: 1 }).settled(1, 1, 'ack').given(0, 2)
  t.match(behind.breaks(), [/^after its end/], 'a lease behind one that was asked for after the cancel')
  const before = new Told().sent(0).asks(1).cancelled(0).given(0, 1, { call: 1 })
  t.strictSame(before.breaks(), [], 'asked for before: it may have been leased then')
  const over = new Told().sent(0).given(0, 1).given(0, 2, { deliveries: 2 }).settled(0, 1, 'ack', 'already-settled')
    .asks(1).given(0, 3, { deliveries: 3, call: 1 }).settled(0, 3, 'nack')
  t.match(over.breaks(), [/^after its end/], 'somebody was told that it is over')
  const lateNews = new Told().sent(0).given(0, 2, { by: 'b', deliveries: 2 }).settled(0, 2, 'ack', 'ok', 'b').given(0, 1)
  t.strictSame(lateNews.breaks(), [], 'a delivery that is only written down late is none')
})

t.test('Queue checker: leases that cannot be are found (given twice, counts that go back, taken over)', async t => {
  t.match(new Told().sent(0).sent(1).given(0, 1).given(1, 1).settled(0, 1, 'ack').settled(1, 1, 'ack').breaks(), [/^lease twice/])
  const back = new Told().sent(0).given(0, 1, { deliveries: 2 }).given(0, 2, { deliveries: 1 }).settled(0, 2, 'ack')
  t.match(back.breaks(), [/^count back/])
  const forgotten = (settle: (told: Told) => Told, ms: number): Told =>
    settle(new Told().sent(0).given(0, 1).given(0, 2, { deliveries: 2 })).after(ms)
      .add({ step: 'brokerKilled' }).given(0, 3, { deliveries: 1 }).settled(0, 3, 'ack')
  t.strictSame(forgotten(told => told, 10).breaks(), [], 'two grants, and neither was durable when the broker was killed')
  t.match(forgotten(told => told, 3_000).breaks(), [/^count back/], 'they were by then')
  t.match(forgotten(told => told.settled(0, 2, 'nack'), 10).breaks(), [/^count back/], 'so they are once one was settled')
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
  const killed = (ms: number): Told => new Told().sent(0).asks(1).given(0, 4, { deliveries: 4, call: 1 }).after(ms)
    .add({ step: 'brokerKilled' }).dead(0)
  t.strictSame(killed(10).breaks(), [], 'a grant that was not durable')
  t.match(killed(3_000).breaks(), [/^count back/])
  t.match(killed(10).breaks(ORDERED), [/^count back/], 'ordered queues wait for it')
})

t.test('Queue checker: what comes too early, too late, or when it is of no use is found', async t => {
  const reminder = (): Told => new Told().sent(0, { delayMs: 1_000 })
  t.match(reminder().after(500).given(0, 1).settled(0, 1, 'ack').breaks(), [/^early/])
  t.strictSame(reminder().after(1_000).given(0, 1).settled(0, 1, 'ack').breaks(), [])
  const punctual = { ...PLAIN, lateMsMax: 1_000 }
  t.match(reminder().after(2_500).given(0, 1).settled(0, 1, 'ack').breaks(punctual), [/^late/])
  const restarted = reminder().after(2_000).add({ step: 'brokerReady', startMs: 500 }).after(500).given(0, 1).settled(0, 1, 'ack')
  t.strictSame(restarted.breaks(punctual), [], 'the broker was away')
  const late = (startMs: number): string[] =>
    reminder().add({ step: 'brokerReady', startMs }).after(2_500).given(0, 1).settled(0, 1, 'ack').breaks(punctual)
  t.match(late(900), [/^late/])
  t.strictSame(late(8_000), [], 'on a machine that has no time for anything')
  const nacked = new Told().sent(0).given(0, 1).settled(0, 1, 'nack', 'ok', 'a', 500).given(0, 2, { deliveries: 2 }).settled(0, 2, 'ack')
  t.match(nacked.breaks(), [/^early: .* nack/])
  const expired = new Told().sent(0, { ttlMs: 100 }).after(200).add({ step: 'receiving', queue: 'q', call: 1 }).given(0, 1, { call: 1 })
  t.match(expired.breaks(), [/^expired/])
})

t.test('Queue checker: dedup ids that are taken twice, or not freed, are found', async t => {
  const dedupId = 'x'
  const window = { ...PLAIN, dedup: { windowMs: 3_600_000 } } as const
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
  t.match(twice.breaks(), [/^redrive: v0 is in 2 places .* after 0 of its letters/])
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

t.test('Queue checker: a stopped key that goes on by itself, or without more than was skipped, is found (hold)', async t => {
  const key = 'k'
  const resume = { action: 'resumeKey', key } as const
  const skip = { action: 'skipKey', key } as const
  /** The first of the key has failed for the last time. */
  const held = (): Told => {
    const told = new Told().sent(0, { key }).sent(1, { key })
    for (const count of [1, 2, 3]) told.given(0, count, { key, deliveries: count }).settled(0, count, 'nack')
    return told
  }
  const rest = (told: Told): Told => told.given(1, 8, { key }).settled(1, 8, 'ack')
  t.strictSame(rest(held().tells(skip)).breaks(HOLDING), [])
  const resumed = rest(held().tells(resume).given(0, 4, { key, deliveries: 4 }).settled(0, 4, 'ack'))
  t.strictSame(resumed.breaks(HOLDING), [])
  const early = rest(held().given(0, 4, { key, deliveries: 4 }).settled(0, 4, 'ack'))
  t.match(early.breaks(HOLDING), [/^held: q 0:0 was given up, and delivered/])
  t.strictSame(early.breaks({ ...HOLDING, maxAttempts: 4 }), [])
  const rejected = new Told().sent(0, { key }).given(0, 1, { key }).settled(0, 1, 'reject')
    .given(0, 2, { key, deliveries: 2 }).settled(0, 2, 'ack')
  t.match(rejected.breaks(HOLDING), [/^held: q 0:0/])
  t.match(rest(held()).breaks(HOLDING), [/^lost: of the key of q 0:0 nobody has ended 1 records, and 0 were skipped/])
  t.match(held().tells(skip).breaks(HOLDING), [/^lost: .* 2 records, and 1 were skipped/], 'one too many')
  t.match(rest(held().tells(skip, false)).breaks(HOLDING), [/^lost/], 'nothing was skipped')
  t.strictSame(rest(held().tells(skip, null)).breaks(HOLDING), [], 'nobody knows')
  t.match(rest(held().tells(skip).dead(0)).breaks(HOLDING), [/^held: q 0:0 has a dead letter/])
})

t.test('Queue checker: a key that does not follow what was given up is found (dlq-key)', async t => {
  const key = 'k'
  const told = (): Told => new Told().sent(0, { key }).sent(1, { key }).given(0, 1, { key }).settled(0, 1, 'reject')
    .dead(0, 0, 1, { reason: 'reject' })
  t.strictSame(told().dead(1, 0, 0, { reason: 'quarantine' }).breaks(QUARANTINING), [])
  const passed = told().given(1, 2, { key }).settled(1, 2, 'ack')
  t.match(passed.breaks(QUARANTINING), [/^quarantine: q 0:1 was worked on after q 0:0/])
  t.strictSame(passed.breaks(ORDERED), [], 'as it should where the key goes on')
  const resumed = told().tells({ action: 'resumeKey', key }).given(1, 2, { key }).settled(1, 2, 'ack')
  t.strictSame(resumed.breaks(QUARANTINING), [])
  const expired = new Told().sent(0, { key }).sent(1, { key }).dead(0, 0, 0, { reason: 'ttl' }).given(1, 1, { key }).settled(1, 1, 'ack')
  t.strictSame(expired.breaks(QUARANTINING), [], 'what has expired stops nobody')
  const swapped = told().dead(1, 0, 0, { reason: 'quarantine', letter: -1 })
  t.match(swapped.breaks(QUARANTINING), [/^quarantine: the letter of q 0:1 comes before that of q 0:0/])
})

t.test('Queue checker: letters that are moved twice, or not, or out of order are found', async t => {
  const move = (sequence: number): Move => ({ redriveId: 'r', sequence })
  const died = (): Told => new Told().sent(0).given(0, 1).settled(0, 1, 'reject').dead(0, 0, 1, { reason: 'reject', isMoved: true })
  const copy = { value: 'v0', move: move(1) }
  const sound = (): Told => died().given(7, 2, copy).settled(7, 2, 'ack')
  t.strictSame(sound().redrive(1).breaks(), [])
  t.match(died().redrive(1).breaks(), [/^redrive: v0 is in 1 places .* after 1 of its letters/], 'lost on the way')
  const twice = sound().given(8, 3, copy).settled(8, 3, 'ack').redrive(1)
  t.match(twice.breaks(), [/^redrive: move 1 of r is q 0:7 and q 0:8/, /^redrive: v0 is in 3 places/])
  t.match(sound().redrive(2).breaks(), [/^redrive: 2 letters of q were moved, and 1 are gone/])
  t.match(sound().redrive(1, 'running').breaks(), [/^redrive: r of q is running/])
  const two = new Told().sent(0).sent(1)
  for (const offset of [0, 1]) two.given(offset, offset + 1).settled(offset, offset + 1, 'reject').dead(offset, 0, 1, { reason: 'reject', isMoved: true })
  two.given(7, 3, { value: 'v0', move: move(2) }).settled(7, 3, 'ack').given(8, 4, { value: 'v1', move: move(1) }).settled(8, 4, 'ack')
  t.match(two.redrive(2).breaks(), [/^redrive: q 0:8 is move 1 of r, and behind q 0:7, which is 2/])
})

t.test('Queue checker: what comes in spite of a pause, or of a reschedule, is found', async t => {
  const paused = (): Told => new Told().sent(0).tells({ action: 'pause' }).asks(1)
  const done = (told: Told): Told => told.given(0, 1, { call: 1 }).settled(0, 1, 'ack')
  t.match(done(paused()).breaks(), [/^paused: q 0:0/])
  t.strictSame(done(paused().tells({ action: 'resume' })).breaks(), [])
  t.strictSame(done(new Told().sent(0).tells({ action: 'pause' }, null).asks(1)).breaks(), [], 'nobody knows whether it was')
  const putOff = (): Told => new Told().sent(0, { delayMs: 100 }).rescheduled(0, 2_000)
  t.match(done(putOff().after(500).asks(1)).breaks(), [/^early: q 0:0 .* put off/, /^early: q 0:0/])
  t.strictSame(done(putOff().after(2_000).asks(1)).breaks({ ...PLAIN, lateMsMax: 1_000 }), [])
  t.match(done(putOff().after(4_000).asks(1)).breaks({ ...PLAIN, lateMsMax: 1_000 }), [/^late/])
  const brought = new Told().sent(0, { delayMs: 5_000 }).rescheduled(0, 100)
  t.strictSame(done(brought.after(200).asks(1)).breaks({ ...PLAIN, lateMsMax: 1_000 }), [], 'brought forward')
  const unsure = new Told().sent(0, { delayMs: 100 }).rescheduled(0, 2_000, null)
  t.strictSame(done(unsure.after(500).asks(1)).breaks(), [], 'nobody knows')
  t.match(done(new Told().sent(0, { delayMs: 1 }).rescheduled(0, 5, 'unknown').after(50).asks(1)).breaks(), [/^not found: q 0:0/])
})

t.test('Queue checker: a lease that is cut short is found', async t => {
  const leased = (): Told => new Told().sent(0).asks(1).given(0, 1, { call: 1 })
  const next = (told: Told): Told => told.given(0, 2, { by: 'b', deliveries: 2 }).settled(0, 2, 'ack', 'ok', 'b')
  t.match(next(leased().after(500)).breaks(), [/^lease cut short: q 0:0 was leased to a for 2000 ms, and 50\d ms later to b/])
  t.strictSame(next(leased().after(2_000)).breaks(), [])
  t.strictSame(next(leased().settled(0, 1, 'release')).breaks(), [], 'its holder gave it back')
  t.strictSame(next(leased().add({ step: 'brokerKilled' })).breaks(), [], 'the grant was not durable')
  t.match(next(leased().add({ step: 'brokerStopped' })).breaks(), [/^lease cut short/], 'a stop makes it durable')
  const altered = (changed: boolean | null): Told =>
    next(new Told().sent(0).tells({ action: 'setVisibility', visibilityMs: 400 }, changed).asks(1).given(0, 1, { call: 1 }).after(500))
  t.strictSame(altered(true).breaks(), [])
  t.strictSame(altered(null).breaks(), [])
  const longer = new Told().sent(0).tells({ action: 'setVisibility', visibilityMs: 4_000 }).asks(1).given(0, 1, { call: 1 }).after(2_500)
  t.match(next(longer).breaks(), [/^lease cut short: .* 4000 ms/])
})

t.test('Queue checker: an urgent record that has to wait for many others is found', async t => {
  const byPriority = { ...PLAIN, isByPriority: true }
  const told = (urgent: number): string[] => {
    const story = new Told().sent(0, { priority: urgent })
    for (let offset = 1; offset <= 25; offset++) story.sent(offset, { priority: 3 })
    story.asks(1)
    for (let offset = 1; offset <= 25; offset++) story.given(offset, offset, { call: 1 }).settled(offset, offset, 'ack')
    return story.given(0, 26, { call: 1 }).settled(0, 26, 'ack').breaks(byPriority)
  }
  t.match(told(9), [/^priority: more than 20 later and less urgent records went before q 0:0/])
  t.strictSame(told(3), [])
})

t.test('Queue checker: windows of dedup ids that end too early or too late are found, and expired ones without a letter', async t => {
  const dedupId = 'x'
  const window = { ...PLAIN, dedup: { windowMs: 1_000 } } as const
  const one = (): Told => new Told().sent(0, { dedupId }).given(0, 1).settled(0, 1, 'ack')
  const again = (afterMs: number): string[] =>
    one().after(afterMs).sent(1, { dedupId }).given(1, 2).settled(1, 2, 'ack').breaks(window)
  t.match(again(500), [/^dedup: id x was taken by q 0:0 and once more by q 0:1/])
  t.strictSame(again(1_000), [])
  t.strictSame(one().after(1_500).duplicate('w', dedupId, 0).breaks(window), [])
  t.match(one().after(3_000).duplicate('w', dedupId, 0).breaks(window), [/^dedup: w was refused for id x 1\d\d\d ms after its window|^dedup: w was refused for id x 20\d\d ms/])
  const restarted = one().after(3_000).add({ step: 'brokerReady', startMs: 500 }).duplicate('w', dedupId, 0)
  t.strictSame(restarted.breaks(window), [], 'windows begin anew')
  const over = (downMs: number, restarts = true): string[] => {
    const told = one().add({ step: 'sending', queue: 'q', value: 'v1', key: null, dedupId }).after(downMs)
    if (restarts) told.add({ step: 'brokerReady', startMs: 0 })
    return told.add({ step: 'sent', queue: 'q', value: 'v1', partition: 0, offset: 1, duplicate: false })
      .given(1, 2).settled(1, 2, 'ack').breaks(window)
  }
  t.strictSame(over(500), [], 'a crash left it without an answer, and the broker was away for long')
  t.match(over(100), [/^dedup: id x/], 'it was back soon enough to know')
  t.match(over(500, false), [/^dedup: id x/], 'there was no crash')
  const expired = new Told().sent(0, { ttlMs: 10 })
  t.strictSame(expired.breaks(), [])
  t.match(expired.breaks({ ...PLAIN, expiredDie: true }), [/^lost: q 0:0/])
  t.strictSame(new Told().sent(0, { ttlMs: 10 }).dead(0, 0, 0, { reason: 'ttl' }).breaks({ ...PLAIN, expiredDie: true }), [])
})

t.test('Queue checker: over a failover a grant that is not ordered may be taken back, until an ack is answered', async t => {
  const check = (told: Told, rules: QueueRules): string[] => checkHistory(told.entries, new Map([['q', rules]])).violations
  const overtaken = new Told().sent(0).given(0, 1)
    .add({ step: 'settling', queue: 'q', partition: 0, offset: 0, epoch: 1, sequence: 1, kind: 'ack', delayMs: -1 })
    .given(0, 2, { deliveries: 2, by: 'b' })
    .add({ step: 'settled', queue: 'q', partition: 0, offset: 0, epoch: 1, sequence: 1, kind: 'ack', answer: 'ok' })
  t.notOk(check(overtaken, REPLICATED).some(text => /^after its end/.test(text)))
  t.ok(check(overtaken, PLAIN).some(text => /^after its end/.test(text)))
  const late = new Told().sent(0).given(0, 1).settled(0, 1, 'ack').given(0, 2, { deliveries: 2, by: 'b' })
  t.ok(check(late, REPLICATED).some(text => /^after its end/.test(text)), 'not afterwards')
})
