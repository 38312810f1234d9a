// What the checker makes of acknowledgements that a leader gave alone.

import t from 'tap'
import { Checker } from './checker.js'
import type { ShadowBatch } from './log-shadow.js'

const STORE = '0/s'

function batchAt (baseOffset: number, epoch: number, crc: number): ShadowBatch {
  return { baseOffset, endOffset: baseOffset + 1, epoch, crc, producerId: -1, baseSequence: 0 }
}

/** Batches that a leader holds and commits, from offset 0 on. */
function committed (batches: readonly ShadowBatch[]): Checker {
  const checker = new Checker(() => Infinity, false)
  for (const batch of batches) {
    checker.onAppend(STORE, 0, 0, batch)
    checker.onHighWatermark(STORE, 0, 0, batch.baseOffset, batch.endOffset, [STORE], batch.epoch)
  }
  return checker
}

t.test('Checker: what a leader has acknowledged alone may be lost with it', async t => {
  const checker = committed([batchAt(0, 1, 10), batchAt(1, 2, 20)])
  checker.onLeaderAck(0, 0, 0, 10, 1)
  checker.onLeaderAck(0, 0, 1, 11, 1)
  checker.onLeaderAck(0, 0, 2, 12, 1)
  t.equal(checker.checkLeaderAcks(0, 2), 2, 'one has another in its place, one has nothing')
  t.equal(checker.checkLeaderAcks(1, 2), 0, 'another partition')
  t.equal(checker.violation, null)
})

t.test('Checker: it is not lost while nobody else leads', async t => {
  const checker = committed([batchAt(0, 1, 10)])
  checker.onLeaderAck(0, 0, 1, 11, 1)
  checker.checkLeaderAcks(0, 1)
  t.match(checker.violation?.message, /^I3: acknowledged by the leader of epoch 1 at 1 .* nothing is there/)
})

t.test('Checker: nor does anything older, or of the same leader, come in its place', async t => {
  for (const epoch of [1, 2]) {
    const checker = committed([batchAt(0, epoch, 10)])
    checker.onLeaderAck(0, 0, 0, 11, 2)
    checker.checkLeaderAcks(0, 3)
    t.equal(checker.violation?.invariant, 'I3', `a batch of epoch ${epoch}`)
  }
})
