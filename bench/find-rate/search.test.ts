import fc from 'fast-check'
import t from 'tap'
import { searchRate } from './search.js'

/** Searches a system that sustains up to `limit`; returns what was found and how many rates were tried. */
async function search (
  limit: number, { startRate = 1_000, maxRate = 1_000_000, precision = 1.1 } = {},
): Promise<{ found: number | null, tried: number[] }> {
  const tried: number[] = []
  const found = await searchRate({ startRate, maxRate, precision }, async rate => {
    tried.push(rate)
    return rate <= limit
  })
  return { found, tried }
}

t.test('Find rate: the answer is sustained, and within the precision of the limit (property)', async () => {
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 5_000_000 }), fc.integer({ min: 1, max: 2_000_000 }),
    fc.integer({ min: 1, max: 1_000_000 }),
    async (limit, startRate, maxRate) => {
      const { found, tried } = await search(limit, { startRate, maxRate })
      const reachable = Math.min(limit, maxRate)
      // Whole numbers: near the bottom the next one may be further away than the precision.
      return found !== null && found <= reachable && reachable <= found * 1.1 + 1 && tried.length < 60 &&
        tried.every(rate => Number.isInteger(rate) && rate >= 1 && rate <= maxRate)
    }), { numRuns: 500, seed: 7 })
})

t.test('Find rate: nothing sustained, not even one a second', async t => {
  const { found, tried } = await search(0)
  t.equal(found, null)
  t.equal(tried.at(-1), 1)
})

t.test('Find rate: it goes up from the start, and no further than asked', async t => {
  t.same(await search(1e9, { startRate: 10, maxRate: 45 }), { found: 45, tried: [10, 20, 40, 45] })
})
