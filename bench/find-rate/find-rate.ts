// The highest rate at which Sluice keeps up: what is sent arrives in time at every group.

import { runWorkload, type RunSettings } from '../bench-run.js'
import type { LatencySummary } from '../measure/latency-recorder.js'
import type { BenchResult } from '../result.js'
import type { MessagingWorkload } from '../workload.js'
import { searchRate, type SearchOptions } from './search.js'

export const RATE_FORMAT = 'sluice-bench-rate/1'

/** One rate that was tried. */
export interface RateTrial {
  rate: number
  sustained: boolean
  /** What was not met; empty where it was sustained. */
  missed: string
  result: BenchResult
}

export interface RateResult {
  format: typeof RATE_FORMAT
  workload: Omit<MessagingWorkload, 'rate'>
  /** Bound of the 99th percentile of latency, from the intended moment of sending. */
  p99MsMax: number
  /** Records a second; null where none was sustained. */
  rate: number | null
  trials: RateTrial[]
}

/** What counts as sustained. */
export interface RateOptions extends SearchOptions {
  /** Bound of the 99th percentile of latency, in milliseconds. */
  readonly p99MsMax: number
}

/** Less of the rate than this arrives: it falls behind. */
const ARRIVED_SHARE_MIN = 0.98

/** Tries rates, each with a broker of its own. */
export async function findRate (
  workload: Omit<MessagingWorkload, 'rate'>, options: RateOptions, settings: RunSettings,
): Promise<RateResult> {
  const trials: RateTrial[] = []
  const rate = await searchRate(options, async rate => {
    settings.onProgress?.(`trying ${rate.toLocaleString('en-US')} records/s`)
    const result = await runWorkload({ ...workload, rate }, { ...settings, onProgress: undefined })
    const missed = missedBy(result, rate, options.p99MsMax)
    trials.push({ rate, sustained: missed === '', missed, result })
    return missed === ''
  })
  return { format: RATE_FORMAT, workload, p99MsMax: options.p99MsMax, rate, trials }
}

function missedBy (result: BenchResult, rate: number, p99MsMax: number): string {
  const { recordsPerSecond, intendedLatency, failedRecords } = result.summaries[0]!
  const arrived = recordsPerSecond.median / rate
  const p99Ms = (intendedLatency as LatencySummary).p99Us / 1000
  if (failedRecords > 0) return `${failedRecords} records failed`
  if (arrived < ARRIVED_SHARE_MIN) return `${(arrived * 100).toFixed(1)} % of the rate arrived`
  return p99Ms > p99MsMax ? `p99 of ${p99Ms.toFixed(1)} ms` : ''
}
