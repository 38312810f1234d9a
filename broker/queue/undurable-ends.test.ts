// Records that have ended in deltas that are not durable yet.

import t from 'tap'
import { UndurableEnds } from './undurable-ends.js'

t.test('Undurable ends: a record is among them until its delta is durable', async t => {
  const ends = new UndurableEnds()
  ends.add(1, 10, 12)
  ends.add(1, 20, 21)
  ends.add(2, 15, 16)
  t.strictSame([9, 10, 11, 12, 15, 20, 21].filter(offset => ends.has(offset)), [10, 11, 15, 20])
  ends.onDurable(1)
  t.strictSame([10, 11, 15, 20].filter(offset => ends.has(offset)), [15])
  ends.onDurable(2)
  t.notOk(ends.has(15))
  for (let sequence = 3; sequence < 3_000; sequence++) {
    ends.add(sequence, sequence, sequence + 1)
    if (sequence > 10) ends.onDurable(sequence - 7)
  }
  t.ok(ends.has(2_999))
  t.notOk(ends.has(2_900))
})
