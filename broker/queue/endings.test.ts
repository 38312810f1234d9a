import t from 'tap'
import { Endings } from './endings.js'
import { MemoryDelayStore } from './memory-delay-store.js'
import { QueueState } from './queue-state.js'
import { END_CAUSE, REASON } from './queue-types.js'

function begun (nextOffset = 0): { endings: Endings, state: QueueState } {
  const state = new QueueState(new MemoryDelayStore())
  state.next(nextOffset)
  const endings = new Endings()
  endings.begin(state)
  return { endings, state }
}

t.test('Endings: what has no ending was acknowledged, if it ended in this leader\'s time', async t => {
  const { endings } = begun(10)
  t.equal(endings.find(9), null)
  t.match(endings.find(10), { cause: END_CAUSE.acknowledged, death: null })
  endings.add(3, 2, END_CAUSE.cancelled)
  t.match(endings.find(4), { cause: END_CAUSE.cancelled })
  const death = { reason: REASON.reject, text: 'no', failures: 1, deliveries: 2, letter: null }
  endings.addDeath(20, END_CAUSE.archived, death)
  endings.add(20, 1, END_CAUSE.archived)
  t.same(endings.find(20), { cause: END_CAUSE.archived, death })
})

t.test('Endings: nobody knows what was forgotten (more endings than are kept)', async t => {
  const { endings } = begun()
  endings.add(0, 10_005, END_CAUSE.expired)
  t.equal(endings.find(4), null)
  t.match(endings.find(1_005), { cause: END_CAUSE.expired }, 'nine tenths are kept at least')
  t.match(endings.find(10_005), { cause: END_CAUSE.acknowledged })
})

t.test('Endings: a trim ends what is not terminal, and nothing else', async t => {
  const { endings, state } = begun()
  state.next(3)
  state.place(1, -1, 0)
  state.endAhead(5, END_CAUSE.acknowledged)
  endings.addTrim(state, 8, END_CAUSE.purged)
  const causes = [0, 1, 2, 3, 5, 7, 8].map(offset => endings.find(offset)?.cause)
  const { acknowledged, purged } = END_CAUSE
  t.same(causes, [acknowledged, purged, acknowledged, purged, acknowledged, purged, acknowledged])
})

t.test('Endings: nobody can tell acknowledged from purged (records that waited in their lanes)', async t => {
  const { endings, state } = begun()
  state.next(6)
  state.lane(9, 2, 0)
  endings.addTrim(state, 6, END_CAUSE.purged)
  t.equal(endings.find(4), null)
})
