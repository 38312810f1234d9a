import fc from 'fast-check'
import t from 'tap'
import { RememberedBatches } from './remembered-batches.js'

t.test('RememberedBatches: the last batches are found, and no others (every size of ring)', async t => {
  for (const max of [1, 3, 4, 5, 64]) {
    const batches = new RememberedBatches(max)
    for (let index = 0; index < 200; index++) {
      t.equal(batches.size, Math.min(index, max))
      batches.add(index * 2, 2, 1_000 + index)
      const oldest = Math.max(0, index - max + 1)
      t.equal(batches.find(oldest * 2, 2), 1_000 + oldest)
      t.equal(batches.find(index * 2, 2), 1_000 + index)
      t.equal(batches.find((oldest - 1) * 2, 2), -1, 'forgotten')
    }
  }
})

t.test('RememberedBatches: other borders are another batch', async t => {
  const batches = new RememberedBatches(5)
  batches.add(10, 4, 0)
  t.equal(batches.find(10, 3), -1)
  t.equal(batches.find(11, 3), -1)
  t.equal(batches.find(10, 4), 0)
})

t.test('RememberedBatches: it does what a list would', async t => {
  const sequences = fc.array(fc.nat({ max: 50 }), { maxLength: 200 })
  fc.assert(fc.property(fc.integer({ min: 1, max: 70 }), sequences, (max, firsts) => {
    const batches = new RememberedBatches(max)
    firsts.forEach((first, index) => batches.add(first, 1, index))
    const visited: number[][] = []
    batches.forEach((...batch) => visited.push(batch))
    t.same(visited, firsts.map((first, index) => [first, 1, index]).slice(-max))
    // The newest of the same sequences.
    for (const [first] of visited) t.equal(batches.find(first!, 1), firsts.lastIndexOf(first!))
  }), { seed: 1, numRuns: 40 })
})
