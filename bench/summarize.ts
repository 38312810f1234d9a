// From samples to medians, ranges, merged histograms and ratios.

import { LatencyRecorder, type LatencySummary } from './measure/latency-recorder.js'
import type { ContenderSummary, Ratio, Sample, Spread } from './result.js'

/** Name of Sluice among the contenders. */
export const SLUICE = 'sluice'

export function summarize (contender: string, samples: readonly Sample[]): ContenderSummary {
  const spreadOf = (value: (sample: Sample) => number): Spread => spread(samples.map(value))
  return {
    contender,
    recordsPerSecond: spreadOf(sample => sample.recordsPerSecond),
    bytesPerSecond: spreadOf(sample => sample.bytesPerSecond),
    recordsPerBatch: samples.some(sample => sample.recordsPerBatch === null)
      ? null
      : spreadOf(sample => sample.recordsPerBatch!),
    failedRecords: samples.reduce((sum, sample) => sum + sample.failedRecords, 0),
    intendedLatency: merged(samples.map(sample => sample.intendedLatency)),
    serviceLatency: merged(samples.map(sample => sample.serviceLatency)),
    clientCores: spreadOf(({ client, seconds }) => client.cpuSeconds / seconds),
    serverCores: spreadOf(({ server, seconds }) => server.cpuSeconds / seconds),
    clientGcShare: spreadOf(({ client, seconds }) => client.gcSeconds / seconds),
    serverGcShare: spreadOf(({ server, seconds }) => server.gcSeconds / seconds),
    clientRssBytesMax: Math.max(...samples.map(({ client }) => client.rssBytesMax)),
    serverRssBytesMax: Math.max(...samples.map(({ server }) => server.rssBytesMax)),
    clientLoopDelayP99Us: spreadOf(({ client }) => client.eventLoopDelayP99Us),
    serverLoopDelayP99Us: spreadOf(({ server }) => server.eventLoopDelayP99Us),
  }
}

/** What ratios are made of. */
export type RatedSample = Pick<Sample, 'round' | 'contender' | 'recordsPerSecond' | 'intendedLatency' | 'serviceLatency'>

/** Sluice against each other contender, in pairs of the same round: what slows the machine for a while slows both.
 * Rounds that one of them does not have are left out. */
export function ratiosOf (samples: readonly RatedSample[]): Ratio[] {
  const ours = samples.filter(sample => sample.contender === SLUICE)
  const others = [...new Set(samples.map(sample => sample.contender))].filter(name => name !== SLUICE)
  return others.flatMap(to => {
    const pairs = ours.flatMap(sample => {
      const theirs = samples.find(other => other.contender === to && other.round === sample.round)
      return theirs === undefined ? [] : [[sample, theirs] as const]
    })
    if (pairs.length === 0) return []
    const latency = (percentile: 'p50Us' | 'p99Us'): Spread | null => {
      const quotients = pairs.map(([a, b]) => (latencyOf(a)?.[percentile] ?? NaN) / (latencyOf(b)?.[percentile] ?? NaN))
      return quotients.some(Number.isNaN) ? null : spread(quotients)
    }
    return {
      to,
      recordsPerSecond: spread(pairs.map(([a, b]) => a.recordsPerSecond / b.recordsPerSecond)),
      latencyP50: latency('p50Us'),
      latencyP99: latency('p99Us'),
    }
  })
}

export function spread (values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)! }
}

function latencyOf (sample: RatedSample): LatencySummary | null {
  return sample.intendedLatency ?? sample.serviceLatency
}

function merged (summaries: readonly (LatencySummary | null)[]): LatencySummary | null {
  const recorder = new LatencyRecorder()
  for (const summary of summaries) {
    if (summary === null) return null
    recorder.merge(summary)
  }
  return recorder.summary()
}
