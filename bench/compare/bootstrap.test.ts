import t from 'tap'
import { ratioInterval } from './bootstrap.js'

t.test('Interval: equal samples give a ratio of 1 without doubt', async t => {
  const { ratio, low, high } = ratioInterval([5, 5, 5], [5, 5, 5])
  t.same([ratio, low, high], [1, 1, 1])
})

t.test('Interval: a clear difference is outside of chance, in both directions', async t => {
  const slow = [100, 102, 98, 101, 99]
  const fast = slow.map(value => value * 1.5)
  const faster = ratioInterval(slow, fast)
  t.ok(Math.abs(faster.ratio - 1.5) < 1e-9)
  t.ok(faster.low > 1.4 && faster.high < 1.6 && faster.low < faster.ratio && faster.ratio < faster.high)
  const slower = ratioInterval(fast, slow)
  t.ok(slower.high < 0.75)
  t.same(ratioInterval(slow, fast), faster, 'the same samples give the same interval')
})

t.test('Interval: a difference within the noise is not told apart', async t => {
  const { low, high } = ratioInterval([50, 100, 150, 80, 120], [60, 110, 140, 90, 115])
  t.ok(low < 1 && high > 1)
})

t.test('Interval: it holds the true ratio about as often as it says (500 pairs of 5 from one distribution)', async t => {
  let state = 12_345
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
  // The sum of uniform numbers is near enough to normal; rates are about log-normal.
  const one = (): number => Math.exp(Array.from({ length: 6 }, random).reduce((a, b) => a + b) * 0.1)
  const draw = (): number[] => Array.from({ length: 5 }, one)
  let held = 0
  for (let pair = 0; pair < 500; pair++) {
    const { low, high } = ratioInterval(draw(), draw())
    if (low <= 1 && high >= 1) held++
  }
  t.ok(held >= 460 && held <= 495, `${held} of 500`)
})

t.test('Interval: too few samples, or some without a logarithm, are refused', async t => {
  t.throws(() => ratioInterval([1, 2], [1, 2, 3]), /needs 3 samples/)
  t.throws(() => ratioInterval([1, 2, 3], [1, 2]), /needs 3 samples/)
  for (const value of [0, -1, NaN, Infinity]) t.throws(() => ratioInterval([1, 2, value], [1, 2, 3]), /must be positive/)
})
