import t from 'tap'
import { ReadMemory } from './read-memory.js'

const KiB = 1024
const MiB = 1024 * KiB

t.test('ReadMemory: what was given back is used again, and never lent twice', async t => {
  const memory = new ReadMemory()
  const first = memory.take(MiB)
  const second = memory.take(MiB)
  t.not(first.buffer, second.buffer)
  memory.give(first)
  t.equal(memory.take(MiB - 10_000), first, 'large enough')
  t.not(memory.take(MiB), first, 'lent')
})

t.test('ReadMemory: a piece fits what it is taken for', async t => {
  const memory = new ReadMemory()
  const large = memory.take(8 * MiB)
  memory.give(large)
  t.not(memory.take(64 * KiB), large, 'a large one is not held up by a little')
  t.not(memory.take(9 * MiB), large, 'a small one is not enough')
  t.ok(memory.take(100).length >= 100)
  t.equal(memory.take(5 * MiB), large)
})

t.test('ReadMemory: what lies ready is bounded', async t => {
  const memory = new ReadMemory()
  const lent = Array.from({ length: 100 }, () => memory.take(MiB))
  for (const piece of lent) memory.give(piece)
  t.ok(memory.spareBytes <= 16 * MiB)
  t.ok(lent.includes(memory.take(MiB)))
  const huge = memory.take(64 * MiB)
  const before = memory.spareBytes
  memory.give(huge)
  memory.give(memory.take(10))
  t.equal(memory.spareBytes, before, 'too large and too small ones are left to the collector')
})
