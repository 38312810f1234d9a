// Latencies in an HDR histogram: 1 µs to 60 s with three significant digits. Histograms of several runs are merged,
// percentiles are never averaged.

import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'

/** Percentiles in microseconds. */
export interface LatencySummary {
  count: number
  meanUs: number
  p50Us: number
  p90Us: number
  p99Us: number
  p999Us: number
  maxUs: number
  /** The whole histogram: HDR V2, compressed, base64. */
  histogram: string
}

const HIGHEST_US = 60_000_000

export class LatencyRecorder {
  private readonly histogram: Histogram = build({
    lowestDiscernibleValue: 1, highestTrackableValue: HIGHEST_US, numberOfSignificantValueDigits: 3, bitBucketSize: 32,
  })

  /** @param ms a duration in milliseconds. */
  record (ms: number): void {
    this.histogram.recordValue(Math.min(HIGHEST_US, Math.max(1, Math.round(ms * 1000))))
  }

  /** Adds what an earlier summary has. */
  merge (summary: LatencySummary): void {
    this.histogram.add(decodeFromCompressedBase64(summary.histogram))
  }

  reset (): void { this.histogram.reset() }

  summary (): LatencySummary {
    const { histogram } = this
    return {
      count: histogram.totalCount,
      meanUs: Math.round(histogram.mean),
      p50Us: histogram.getValueAtPercentile(50),
      p90Us: histogram.getValueAtPercentile(90),
      p99Us: histogram.getValueAtPercentile(99),
      p999Us: histogram.getValueAtPercentile(99.9),
      maxUs: histogram.maxValue,
      histogram: encodeIntoCompressedBase64(histogram),
    }
  }
}
