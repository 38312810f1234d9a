import { ERROR, SEQUENCE_MAX } from '@sluice/protocol'
import fc from 'fast-check'
import t from 'tap'
import { ProducerState } from './producer-state.js'

const header = (baseSequence: number, count: number, baseOffset: number, producerId = 7, producerEpoch = 0): {
  producerId: number, producerEpoch: number, baseSequence: number, lastOffsetDelta: number, baseOffset: number
} => ({ producerId, producerEpoch, baseSequence, lastOffsetDelta: count - 1, baseOffset })

function stored (...batches: [sequence: number, count: number, offset: number][]): ProducerState {
  const state = new ProducerState(100, 5)
  for (const [sequence, count, offset] of batches) state.apply(header(sequence, count, offset), 0)
  return state
}

t.test('ProducerState: the next sequence is appended', async t => {
  t.same(stored([0, 3, 10]).check(header(3, 2, 0)), { kind: 'append' })
})

t.test('ProducerState: a batch sent again is answered with its original offset', async t => {
  const state = stored([0, 3, 10], [3, 1, 40])
  t.same(state.check(header(0, 3, 0)), { kind: 'duplicate', baseOffset: 10, endOffset: 13 })
  t.same(state.check(header(3, 1, 0)), { kind: 'duplicate', baseOffset: 40, endOffset: 41 })
})

t.test('ProducerState: a batch sent again with other borders is not taken for the original', async t => {
  const verdict = stored([0, 3, 10]).check(header(0, 2, 0))
  t.match(verdict, { kind: 'refuse', error: ERROR.DUPLICATE_SEQUENCE })
})

t.test('ProducerState: the last batches are remembered, older ones are refused and never stored twice', async t => {
  const state = stored([0, 1, 0], [1, 1, 1], [2, 1, 2], [3, 1, 3], [4, 1, 4], [5, 1, 5])
  t.match(state.check(header(0, 1, 0)), { kind: 'refuse', error: ERROR.DUPLICATE_SEQUENCE })
  t.match(state.check(header(1, 1, 0)), { kind: 'duplicate', baseOffset: 1 })
})

t.test('ProducerState: a gap is refused', async t => {
  t.match(stored([0, 3, 10]).check(header(4, 1, 0)), { kind: 'refuse', error: ERROR.OUT_OF_ORDER_SEQUENCE })
})

t.test('ProducerState: an unknown producer begins with sequence 0', async t => {
  const state = stored()
  t.same(state.check(header(0, 1, 0)), { kind: 'append' })
  t.match(state.check(header(9, 1, 0)), { kind: 'refuse', error: ERROR.UNKNOWN_PRODUCER })
})

t.test('ProducerState: a newer epoch begins anew and fences the older one', async t => {
  const state = stored([0, 3, 10])
  t.match(state.check(header(3, 1, 0, 7, 1)), { kind: 'refuse', error: ERROR.OUT_OF_ORDER_SEQUENCE })
  t.same(state.check(header(0, 1, 0, 7, 1)), { kind: 'append' })
  state.apply(header(0, 1, 13, 7, 1), 0)
  t.match(state.check(header(3, 1, 0, 7, 0)), { kind: 'refuse', error: ERROR.PRODUCER_FENCED })
})

t.test('ProducerState: sequences wrap around after the highest', async t => {
  const state = stored([SEQUENCE_MAX - 1, 2, 10])
  t.same(state.check(header(0, 1, 0)), { kind: 'append' })
  state.apply(header(0, 1, 12), 0)
  t.match(state.check(header(SEQUENCE_MAX - 1, 2, 0)), { kind: 'duplicate', baseOffset: 10 })
  t.match(state.check(header(SEQUENCE_MAX - 5, 1, 0)), { kind: 'refuse', error: ERROR.DUPLICATE_SEQUENCE })
})

t.test('ProducerState: batches without a producer are always appended and leave no trace', async t => {
  const state = stored()
  state.apply(header(-1, 3, 0, -1), 0)
  t.same(state.check(header(-1, 3, 0, -1)), { kind: 'append' })
  t.equal(state.size, 0)
})

t.test('ProducerState: the producer silent longest makes room (bounded)', async t => {
  const state = new ProducerState(2, 5)
  for (const id of [1, 2, 1, 3]) state.apply(header(state.size, 1, 0, id), 0)
  t.equal(state.size, 2)
  t.match(state.check(header(5, 1, 0, 2)), { kind: 'refuse', error: ERROR.UNKNOWN_PRODUCER })
})

t.test('ProducerState: producers silent for too long are forgotten', async t => {
  const state = new ProducerState(10, 5)
  state.apply(header(0, 1, 0, 1), 1000)
  state.apply(header(0, 1, 1, 2), 2000)
  state.expire(1500)
  t.equal(state.size, 1)
  t.match(state.check(header(0, 1, 0, 2)), { kind: 'duplicate', baseOffset: 1 })
})

t.test('ProducerState: what is remembered is counted, of producers that come, go on, begin anew and go', async t => {
  const state = new ProducerState(2, 5)
  const counted = (): number => {
    const restored = new ProducerState(100, 5)
    restored.restore(state.snapshot())
    return restored.rememberedCount
  }
  let offset = 0
  const apply = (sequence: number, id: number, epoch = 0): void => {
    state.apply(header(sequence, 1, offset++, id, epoch), offset)
  }
  for (let sequence = 0; sequence < 8; sequence++) apply(sequence, 1)
  t.same([state.rememberedCount, counted()], [5, 5])
  apply(0, 1, 1)
  t.same([state.rememberedCount, counted()], [1, 1], 'a new epoch')
  apply(0, 2)
  apply(1, 2)
  apply(0, 3)
  t.same([state.size, state.rememberedCount, counted()], [2, 3, 3], 'one made room')
  state.expire(offset)
  t.same([state.size, state.rememberedCount, counted()], [1, 1, 1], 'one expired')
  state.clear()
  t.same([state.size, state.rememberedCount, counted()], [0, 0, 0])
})

t.test('ProducerState: a snapshot of more batches than are remembered now keeps the newest', async t => {
  const state = new ProducerState(10, 64)
  for (let sequence = 0; sequence < 64; sequence++) state.apply(header(sequence, 1, sequence), 0)
  const restored = new ProducerState(10, 5)
  restored.restore(state.snapshot())
  t.match(restored.check(header(59, 1, 0)), { kind: 'duplicate', baseOffset: 59 })
  t.match(restored.check(header(58, 1, 0)), { kind: 'refuse', error: ERROR.DUPLICATE_SEQUENCE })
  t.match(restored.check(header(64, 1, 0)), { kind: 'append' })
})

t.test('ProducerState: a snapshot that is cut, longer, or of another layout is refused, and leaves nothing behind', async t => {
  const state = new ProducerState(10, 5)
  for (let id = 0; id < 3; id++) state.apply(header(0, 300, 2 ** 40 + id, id), 1_700_000_000_000)
  const bytes = state.snapshot()
  const damaged: Buffer[] = [Buffer.from('[]'), Buffer.concat([bytes, Buffer.alloc(1)])]
  for (let size = 0; size < bytes.length; size++) damaged.push(bytes.subarray(0, size))
  for (const each of damaged) {
    const restored = new ProducerState(10, 5)
    restored.apply(header(0, 1, 0), 0)
    t.throws(() => restored.restore(each), /producer snapshot/)
    t.same([restored.size, restored.rememberedCount], [0, 0])
  }
})

t.test('ProducerState: a snapshot restores the same answers', async t => {
  const batch = fc.record({ id: fc.integer({ min: 0, max: 3 }), count: fc.integer({ min: 1, max: 5 }) })
  const batches = fc.array(batch, { maxLength: 40 })
  fc.assert(fc.property(batches, sent => {
    const state = new ProducerState(100, 5)
    const next = new Map<number, number>()
    let offset = 0
    for (const { id, count } of sent) {
      const sequence = next.get(id) ?? 0
      state.apply(header(sequence, count, offset, id), offset)
      next.set(id, sequence + count)
      offset += count
    }
    const restored = new ProducerState(100, 5)
    restored.restore(state.snapshot())
    for (let id = 0; id < 4; id++) {
      for (let sequence = 0; sequence < 30; sequence++) {
        for (const count of [1, 3]) {
          t.same(restored.check(header(sequence, count, 0, id)), state.check(header(sequence, count, 0, id)))
        }
      }
    }
  }), { seed: 1, numRuns: 20 })
})
