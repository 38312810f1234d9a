// How far apart two handfuls of measurements are, and how sure that is.
//
// The ratio is that of the geometric means. Its interval comes from resampling both sides with replacement, in
// logarithms, where ratios are differences. A handful of samples resampled varies too little: the interval is widened
// by sqrt(n / (n - 1)) and by Student's t over the normal quantile (Hesterberg 2015, "What teachers should know about
// the bootstrap"), which brings its coverage near to what it says for five samples a side.

/** A ratio with its 95 % confidence interval. */
export interface RatioInterval { readonly ratio: number, readonly low: number, readonly high: number }

/** Fewer say nothing about how much they vary. */
export const SAMPLES_MIN = 3

const RESAMPLES = 4_000
const NORMAL_QUANTILE = 1.96
/** Two-sided 95 % quantiles of Student's t, from 1 degree of freedom on. */
const STUDENT_QUANTILES = [
  12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086,
]

/**
 * The ratio of `after` to `before`, all of them positive, at least {@link SAMPLES_MIN} a side. The same samples give
 * the same interval.
 *
 * @throws RangeError for fewer samples, or others.
 */
export function ratioInterval (before: readonly number[], after: readonly number[]): RatioInterval {
  for (const values of [before, after]) {
    if (values.length < SAMPLES_MIN) throw new RangeError(`an interval needs ${SAMPLES_MIN} samples a side, not ${values.length}`)
    if (values.some(value => !(value > 0 && value < Infinity))) throw new RangeError('samples must be positive')
  }
  const from = Float64Array.from(before, Math.log)
  const to = Float64Array.from(after, Math.log)
  const estimate = mean(to) - mean(from)
  const random = seededRandom(from.length * 31 + to.length)
  const differences = new Float64Array(RESAMPLES)
  for (let index = 0; index < RESAMPLES; index++) {
    differences[index] = resampledMean(to, random) - resampledMean(from, random)
  }
  differences.sort()
  const widening = wideningFor(from.length, to.length)
  const at = (share: number): number =>
    Math.exp(estimate + (differences[Math.round(share * (RESAMPLES - 1))]! - estimate) * widening)
  return { ratio: Math.exp(estimate), low: at(0.025), high: at(0.975) }
}

function wideningFor (before: number, after: number): number {
  const freedom = before + after - 2
  const fewest = Math.min(before, after)
  return Math.sqrt(fewest / (fewest - 1)) * (STUDENT_QUANTILES[freedom - 1] ?? NORMAL_QUANTILE) / NORMAL_QUANTILE
}

function mean (values: Float64Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

function resampledMean (values: Float64Array, random: () => number): number {
  let sum = 0
  for (let count = values.length; count > 0; count--) sum += values[Math.floor(random() * values.length)]!
  return sum / values.length
}

/** Mulberry32: 0 to below 1. */
function seededRandom (seed: number): () => number {
  let state = seed
  return () => {
    state = state + 0x6d2b79f5 | 0
    let mixed = Math.imul(state ^ state >>> 15, state | 1)
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61)
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
  }
}
