// The checker of stream histories must find what is wrong: each fault is planted by hand into a history that is sound.

import t from 'tap'
import { checkStreams, type StreamEntry } from './stream-checker.js'
import { CONTROL, type StoredLog } from './stored-partition.js'
import type { StreamStep } from './stream-journal.js'

type Cell = readonly [producer: number, sequence: number] | 'control'

/** What there is in the end: an epoch start, four records, another one, two records of another producer. */
const SOUND: readonly Cell[] = ['control', [1, 0], [1, 1], [2, 0], [1, 2], 'control', [2, 1], [2, 2]]

const SENDING: readonly StreamStep[] = [
  { step: 'sending', topic: 'a', producer: 1, lanes: [[0, 0, 3]] },
  { step: 'sending', topic: 'a', producer: 2, lanes: [[0, 0, 4]] },
]
const SENT: readonly StreamStep[] = [
  { step: 'sent', topic: 'a', producer: 1, runs: [[0, 1, 0, 2], [0, 4, 2, 1]] },
  { step: 'sent', topic: 'a', producer: 2, runs: [[0, 3, 0, 1], [0, 6, 1, 2]] },
  { step: 'notSent', topic: 'a', producer: 2, lanes: [[0, 3, 1]], maybe: false, isExpected: true, error: 'full' },
]
const BEGAN: StreamStep = { step: 'began', reader: 'r', topic: 'a', partition: 0, group: 'g' }
/** Offsets 1 to 3. */
const FIRST: StreamStep = { step: 'polled', reader: 'r', topic: 'a', partition: 0, runs: [[1, 1, 0, 2], [3, 2, 0, 1]] }
const SECOND: StreamStep = { step: 'polled', reader: 'r', topic: 'a', partition: 0, runs: [[4, 1, 2, 1], [6, 2, 1, 2]] }
const COMMITTED: StreamStep = { step: 'committed', group: 'g', topic: 'a', partition: 0, offset: 4 }

function storedLog (cells: readonly Cell[]): StoredLog {
  return {
    end: cells.length,
    producers: Uint16Array.from(cells, cell => cell === 'control' ? CONTROL : cell[0]),
    sequences: Uint32Array.from(cells, cell => cell === 'control' ? 0 : cell[1]),
  }
}

/** The steps a second apart, from 1 s on. */
function violationsOf (
  steps: readonly StreamStep[], cells: readonly Cell[] = SOUND, rules = { isDurable: true, groups: [] as string[] },
): string[] {
  const violations: string[] = []
  const entries = steps.map((step, index): StreamEntry => ({ atUs: (index + 1) * 1_000_000, by: 'a client', ...step }))
  checkStreams(entries, new Map([['a', rules]]), new Map([['a/0', storedLog(cells)]]), text => violations.push(text))
  return violations
}

function finds (
  name: string, pattern: RegExp, steps: readonly StreamStep[], cells = SOUND, groups: string[] = [],
): void {
  t.test(`Stream checker: ${name}`, async t => {
    const violations = violationsOf(steps, cells, { isDurable: true, groups })
    t.ok(violations.some(text => pattern.test(text)), `${pattern}: ${JSON.stringify(violations)}`)
  })
}

t.test('Stream checker: a sound history has nothing that is wrong', async t => {
  const steps: StreamStep[] = [
    ...SENDING, ...SENT, BEGAN, FIRST, COMMITTED,
    { step: 'committedSeen', askedUs: 9_000_000, group: 'g', topic: 'a', partition: 0, offset: 4 },
    { step: 'endSeen', askedUs: 9_000_000, topic: 'a', partition: 0, end: 8 },
    { step: 'stopped' },
    { step: 'endSeen', askedUs: 10_500_000, topic: 'a', partition: 0, end: 9 },
    { step: 'began', reader: 'r2', topic: 'a', partition: 0, group: 'g' },
    { ...SECOND, reader: 'r2' },
    { step: 'began', reader: 'replica', topic: 'a', partition: 0, group: null },
    { ...FIRST, reader: 'replica' },
    { ...SECOND, reader: 'replica' },
  ]
  t.strictSame(violationsOf(steps, SOUND, { isDurable: true, groups: ['g'] }), [])
})

t.test('Stream checker: a topic that may lose what it acknowledged is not held to it', async t => {
  t.strictSame(violationsOf([...SENDING, ...SENT.slice(0, 2)], SOUND.slice(0, 3), { isDurable: false, groups: [] }), [])
})

finds('an acknowledged record is not there', /^lost: record 2 of producer 2 .*nothing/, [...SENDING, ...SENT], SOUND.slice(0, 7))
finds('another record is where one was acknowledged', /^lost: record 0 of producer 1/, [...SENDING, ...SENT],
  ['control', [1, 1], [1, 2], [2, 0], 'control'])
finds('a duplicate without an offset is nowhere', /^lost: record 3 of producer 2 .*as a duplicate/,
  [...SENDING, ...SENT.slice(0, 2), { step: 'sent', topic: 'a', producer: 2, runs: [[0, -1, 3, 1]] }])
finds('a record is stored twice', /^duplicate: record 1 of producer 2/, SENDING, [...SOUND, [2, 1]])
finds('records of a producer change their order', /^reordered: a\/0@2 holds record 0 of producer 1/, SENDING,
  ['control', [1, 1], [1, 0]])
finds('acknowledged offsets go back', /^reordered: record 0 of producer 1 was acknowledged at a\/0@5/,
  [...SENDING, { step: 'sent', topic: 'a', producer: 1, runs: [[0, 5, 0, 1], [0, 2, 1, 1]] }])
finds('a refused record is stored', /^refused: record 3 of producer 2/, [...SENDING, ...SENT], [...SOUND, [2, 3]])
finds('something was never sent', /^inconsistent: .*never sent/, SENDING, [...SOUND, [3, 0]])
finds('something was never sent by this producer', /^inconsistent: .*record 9 of producer 1/, SENDING, [...SOUND, [1, 9]])
finds('the application is told of an outage', /^error: a client was told .* timed out/,
  [...SENDING, { step: 'notSent', topic: 'a', producer: 2, lanes: [[0, 3, 1]], maybe: true, isExpected: false, error: 'timed out' }])
finds('a reader has read what is not there', /^inconsistent: r read record 2 of producer 1 at a\/0@4/,
  [...SENDING, BEGAN, FIRST, SECOND], ['control', [1, 0], [1, 1], [2, 0], [2, 1]])
finds('a reader has read behind the end', /^inconsistent: .*nothing/, [...SENDING, BEGAN, FIRST, SECOND], SOUND.slice(0, 4))
finds('a reader skips records', /^poll skip: r read a\/0@6 after @3, and not @4/,
  [...SENDING, BEGAN, FIRST, { step: 'polled', reader: 'r', topic: 'a', partition: 0, runs: [[6, 2, 1, 2]] }])
finds('an answer skips records', /^poll skip within one answer: r read a\/0@6 after @3, and not @4/,
  [...SENDING, BEGAN, { step: 'polled', reader: 'r', topic: 'a', partition: 0, runs: [[1, 1, 0, 2], [3, 2, 0, 1], [6, 2, 1, 2]] }])
finds('a reader goes back', /^poll back: r read a\/0@1 after @3/, [...SENDING, BEGAN, FIRST, FIRST])
finds('an answer goes back', /^poll back within one answer: r read a\/0@1 after @3/,
  [...SENDING, BEGAN, { step: 'polled', reader: 'r', topic: 'a', partition: 0, runs: [[3, 2, 0, 1], [1, 1, 0, 1]] }])
finds('a replica begins behind the start', /^poll skip: replica read a\/0@3 after @-1, and not @1/, [
  ...SENDING, { step: 'began', reader: 'replica', topic: 'a', partition: 0, group: null },
  { step: 'polled', reader: 'replica', topic: 'a', partition: 0, runs: [[3, 2, 0, 1]] },
])
finds('a member begins where nobody has read up to', /^poll skip: r began a\/0 at 4/, [...SENDING, BEGAN, SECOND])
finds('a member begins before what was committed', /^commit back: r2 began a\/0 at 1; group g had committed 4/, [
  ...SENDING, BEGAN, FIRST, COMMITTED, { step: 'began', reader: 'r2', topic: 'a', partition: 0, group: 'g' },
  { ...FIRST, reader: 'r2' },
])
finds('a committed offset goes back', /^commit back: .* was 4, and later 3/, [
  ...SENDING, BEGAN, FIRST, COMMITTED,
  { step: 'committedSeen', askedUs: 6_500_000, group: 'g', topic: 'a', partition: 0, offset: 3 },
])
finds('the end goes back', /^end back: .* was 8, and later 7/, [
  ...SENDING, ...SENT, { step: 'endSeen', askedUs: 6_500_000, topic: 'a', partition: 0, end: 7 },
])
finds('the end that was told is above the last one', /^end back: .* was 9, and is 8 at last/, [
  ...SENDING, ...SENT, { step: 'endSeen', askedUs: 6_500_000, topic: 'a', partition: 0, end: 9 },
  { step: 'stopped' },
])
finds('a group has not read all of it', /^unseen: group g has never read a\/0@4/, [...SENDING, BEGAN, FIRST], SOUND, ['g'])
finds('a client has seen other bytes', /^wrong: a client: bytes/, [{ step: 'wrong', text: 'bytes' }])
finds('somebody is given a partition of others', /^wrong: r was given records of a\/0/, [...SENDING, FIRST])
