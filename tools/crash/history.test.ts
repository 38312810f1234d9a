// A checker that finds nothing proves nothing: each rule of the history is broken here once, and must be noticed.

import t from 'tap'
import { GroupHistory } from './group-history.js'
import { History, type ProducerHistory, type ReadRecord } from './history.js'
import { recordKey, recordValue } from './test-record.js'

function newHistory (): { history: History, producer: ProducerHistory, group: GroupHistory } {
  const history = new History()
  history.addTopic('orders', 2)
  const producer = history.addProducer({ topic: 'orders', keyed: true, idempotent: true })
  producer.sent = 10
  return { history, producer, group: new GroupHistory(history, 'billing', 'orders', 2) }
}

function record (producer: ProducerHistory, sequence: number, offset: number): ReadRecord {
  return { offset, key: recordKey(producer.index, sequence, true), value: recordValue(producer.index, sequence) }
}

t.test('History: a run without faults has no violation', async t => {
  const { history, producer, group } = newHistory()
  for (let sequence = 0; sequence < 3; sequence++) {
    history.onAcknowledged(producer, sequence, 0, sequence)
    history.onRead('orders', 0, record(producer, sequence, sequence))
    group.onDelivered(0, record(producer, sequence, sequence))
  }
  group.onDelivered(0, record(producer, 1, 1))
  group.onCommitted(0, 3)
  history.checkComplete()
  group.checkComplete()
  t.strictSame(history.violations, [])
})

type Break = (world: ReturnType<typeof newHistory>) => void

const BREAKS: readonly [string, Break, RegExp][] = [
  ['an acknowledged record is gone', ({ history, producer }) => {
    history.onAcknowledged(producer, 0, 0, 0)
    history.checkComplete()
  }, /acknowledged and is lost/],
  ['an acknowledged record is elsewhere', ({ history, producer }) => {
    history.onAcknowledged(producer, 0, 0, 0)
    history.onRead('orders', 0, record(producer, 1, 0))
  }, /was acknowledged there and record 1/],
  ['an offset is acknowledged twice', ({ history, producer }) => {
    history.onAcknowledged(producer, 0, 0, 0)
    history.onAcknowledged(producer, 1, 0, 0)
  }, /acknowledged twice/],
  ['a record is stored twice', ({ history, producer }) => {
    history.onRead('orders', 0, record(producer, 0, 0))
    history.onRead('orders', 1, record(producer, 0, 0))
  }, /stored twice/],
  ['what is at an offset changes', ({ history, producer }) => {
    history.onRead('orders', 0, record(producer, 0, 0))
    history.onRead('orders', 0, record(producer, 1, 0))
  }, /has changed/],
  ['bytes differ', ({ history, producer }) => {
    const stored = record(producer, 0, 0)
    history.onRead('orders', 0, { ...stored, value: `${stored.value}!` })
  }, /other bytes/],
  ['the key differs', ({ history, producer }) => {
    history.onRead('orders', 0, { ...record(producer, 0, 0), key: 'k-other' })
  }, /other bytes/],
  ['something is there that nobody sent', ({ history, producer }) => {
    history.onRead('orders', 0, record(producer, 11, 0))
  }, /nobody has sent/],
  ['an offset is missing', ({ history, producer }) => {
    history.onRead('orders', 0, record(producer, 0, 0))
    history.onRead('orders', 0, record(producer, 1, 2))
  }, /offset 1 is missing/],
  ['the order of a producer is lost', ({ history, producer }) => {
    history.onRead('orders', 0, record(producer, 1, 0))
    history.onRead('orders', 0, record(producer, 0, 1))
  }, /comes after record 1/],
  ['a refused record is stored', ({ history, producer }) => {
    history.onRefused(producer, 0)
    history.onRead('orders', 0, record(producer, 0, 0))
  }, /refused and is stored/],
  ['a stored record is refused afterwards', ({ history, producer }) => {
    history.onRead('orders', 0, record(producer, 0, 0))
    history.onRefused(producer, 0)
  }, /refused and is stored/],
  ['a duplicate without a place is gone', ({ history, producer }) => {
    history.onAcknowledged(producer, 0, 0, -1)
    history.checkComplete()
  }, /acknowledged as a duplicate and is lost/],
  ['what was promised is said to be damaged', ({ history, producer }) => {
    history.onAcknowledged(producer, 0, 0, 5)
    history.onHole('orders', 0, { from: 5, to: 6 })
  }, /said to be damaged/],
  ['damage reaches beyond what a test has done', ({ history, producer }) => {
    history.partition('orders', 0).damagedTails.push({ from: 5, to: 6 })
    history.onAcknowledged(producer, 0, 0, 7)
    history.onHole('orders', 0, { from: 5, to: 7 })
  }, /offsets 5 to 6 are said to be damaged/],
  ['a group skips a record', ({ producer, group }) => {
    group.onDelivered(0, record(producer, 0, 0))
    group.onDelivered(0, record(producer, 2, 2))
  }, /offset 1 was skipped/],
  ['a group is left behind', ({ history, producer, group }) => {
    history.onRead('orders', 0, record(producer, 0, 0))
    group.checkComplete()
  }, /only 0 were delivered/],
  ['a group does not commit what it has done', ({ producer, group }) => {
    group.onDelivered(0, record(producer, 0, 0))
    group.checkComplete()
  }, /left 0 committed/],
]

for (const [name, run, expected] of BREAKS) {
  t.test(`History: notices the fault (${name})`, async t => {
    const world = newHistory()
    run(world)
    t.ok(world.history.violations.length > 0, 'noticed')
    t.match(world.history.violations[0], expected)
  })
}

t.test('History: damage that a test did where nobody had been told of anything is none of the broker, whoever is told later', async t => {
  const { history, producer } = newHistory()
  history.partition('orders', 0).damagedTails.push({ from: 5, to: 7 })
  history.onAcknowledged(producer, 0, 0, 7)
  history.onHole('orders', 0, { from: 5, to: 7 })
  t.strictSame(history.violations, [])
})
