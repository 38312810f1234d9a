// Two result files, before and after: what has become better or worse, and whether that can be chance.
//
//   samples of Sluice ──▶ by those of the bare loop in the same round, where both files have it ──▶ ratio and interval
//
// A metric is a regression where its whole interval lies beyond the tolerance on the worse side, and better where it
// lies on the other side; anything else is noise as far as these samples can tell.

import { BenchError } from '../bench-error.js'
import type { Measured } from '../read-results.js'
import type { Sample } from '../result.js'
import { SLUICE } from '../summarize.js'
import { ratioInterval, SAMPLES_MIN, type RatioInterval } from './bootstrap.js'

export const COMPARISON_FORMAT = 'sluice-bench-comparison/1'

/** What is compared, and which direction is good. */
const METRICS = {
  'records/s': { better: 'higher', of: (sample: Sample) => sample.recordsPerSecond },
  p50: { better: 'lower', of: (sample: Sample) => latencyOf(sample)?.p50Us },
  p99: { better: 'lower', of: (sample: Sample) => latencyOf(sample)?.p99Us },
} as const

type Metric = keyof typeof METRICS
export type Verdict = 'better' | 'regression' | 'no difference shown'

/** One metric of one workload. */
export interface MetricComparison extends RatioInterval {
  readonly workload: Measured['workload']
  readonly metric: Metric
  readonly verdict: Verdict
  /** The contender by which both sides were divided, round by round; null where they were taken as they are. */
  readonly relativeTo: string | null
  readonly samplesBefore: number
  readonly samplesAfter: number
}

export interface Comparison {
  readonly format: typeof COMPARISON_FORMAT
  /** How much worse is tolerated, as a share. */
  readonly tolerance: number
  readonly metrics: readonly MetricComparison[]
  readonly regressions: number
}

/** How to compare. */
export interface CompareOptions {
  /** How much worse is tolerated, as a share: 0.05 is 5 %. */
  readonly tolerance: number
  /** Divide by the bare loop where both sides have it. */
  readonly relative: boolean
}

/** Compares all that was measured on both sides. @throws BenchError where there is too little to compare. */
export function compareResults (
  before: readonly Measured[], after: readonly Measured[], options: CompareOptions,
): Comparison {
  const pairs = before.flatMap(one => {
    const other = after.find(candidate => identityOf(candidate) === identityOf(one))
    return other === undefined ? [] : [[one, other] as const]
  })
  if (pairs.length === 0) {
    throw new BenchError(2, 'the two files have no workload in common: run both with the same options, ' +
      `not ${describe(before)} and ${describe(after)}`)
  }
  const metrics = pairs.flatMap(([one, other]) => compareOne(one, other, options))
  if (metrics.length === 0) throw new BenchError(2, 'the two files have no measured figure in common')
  return {
    format: COMPARISON_FORMAT,
    tolerance: options.tolerance,
    metrics,
    regressions: metrics.filter(({ verdict }) => verdict === 'regression').length,
  }
}

function compareOne (before: Measured, after: Measured, { tolerance, relative }: CompareOptions): MetricComparison[] {
  const relativeTo = relative ? commonYardstick(before.samples, after.samples) : null
  const found: MetricComparison[] = []
  for (const metric of metricsFor(before)) {
    const { better, of } = METRICS[metric]
    const from = valuesOf(before.samples, relativeTo, of)
    const to = valuesOf(after.samples, relativeTo, of)
    if (from === null || to === null) continue
    for (const [values, side] of [[from, 'first'], [to, 'second']] as const) {
      if (values.length >= SAMPLES_MIN) continue
      throw new BenchError(2, `the ${side} file has ${values.length} rounds of ${before.workload.name}, too few to tell a change ` +
        'from chance: measure with --rounds 5 or more')
    }
    const interval = ratioInterval(from, to)
    found.push({
      workload: before.workload,
      metric,
      ...interval,
      verdict: verdictOf(interval, better, tolerance),
      relativeTo,
      samplesBefore: from.length,
      samplesAfter: to.length,
    })
  }
  return found
}

/** Where a rate was asked for it says nothing; where none was, latencies only say how much was on its way. */
function metricsFor ({ workload }: Measured): readonly Metric[] {
  switch (workload.name) {
    case 'e2e': case 'messaging': return ['p50', 'p99']
    case 'await-send': return ['records/s', 'p50', 'p99']
    default: return ['records/s']
  }
}

function verdictOf ({ low, high }: RatioInterval, better: 'higher' | 'lower', tolerance: number): Verdict {
  const [worst, best] = better === 'higher' ? [low, high] : [1 / high, 1 / low]
  if (best < 1 - tolerance) return 'regression'
  return worst > 1 ? 'better' : 'no difference shown'
}

/** Values of Sluice, one a round; null where the metric was not measured. */
function valuesOf (
  samples: readonly Sample[], relativeTo: string | null, of: (sample: Sample) => number | undefined,
): number[] | null {
  const values: number[] = []
  for (const sample of samples) {
    if (sample.contender !== SLUICE) continue
    const value = of(sample)
    const yardstick = relativeTo === null
      ? 1
      : of(samples.find(other => other.contender === relativeTo && other.round === sample.round)!)
    if (value === undefined || yardstick === undefined) return null
    if (!(value > 0 && yardstick > 0)) {
      throw new BenchError(2, 'a window in which nothing was done says nothing: measure with a longer --duration')
    }
    values.push(value / yardstick)
  }
  return values.length === 0 ? null : values
}

/** The first contender beside Sluice that both sides have in every round. */
function commonYardstick (before: readonly Sample[], after: readonly Sample[]): string | null {
  const namesOf = (samples: readonly Sample[]): string[] => {
    const rounds = samples.filter(({ contender }) => contender === SLUICE).map(({ round }) => round)
    const names = [...new Set(samples.map(({ contender }) => contender))].filter(name => name !== SLUICE)
    return names.filter(name => rounds.every(round =>
      samples.some(other => other.contender === name && other.round === round)))
  }
  const theirs = namesOf(after)
  return namesOf(before).find(name => theirs.includes(name)) ?? null
}

function latencyOf (sample: Sample): Sample['serviceLatency'] {
  return sample.intendedLatency ?? sample.serviceLatency
}

/** What makes two measurements comparable: the workload, with its fields in one order. */
function identityOf ({ workload }: Measured): string {
  return JSON.stringify(Object.entries(workload).sort(([a], [b]) => a < b ? -1 : 1))
}

function describe (measured: readonly Measured[]): string {
  const names = [...new Set(measured.map(({ workload }) => workload.name))]
  return names.length === 1 ? `${names[0]} of ${JSON.stringify(measured[0]!.workload)}` : names.join(', ')
}
