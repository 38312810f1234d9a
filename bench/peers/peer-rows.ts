// From samples to rows: medians and ranges, merged histograms, and Sluice by each of the others in the same round.

import { LatencyRecorder, type LatencySummary } from '../measure/latency-recorder.js'
import { ratiosOf, spread } from '../summarize.js'
import type { Ratio } from '../result.js'
import type { Workload } from '../workload.js'
import type { PeerFacts, PeerRow, PeerSample } from './peers-result.js'

/** A schedule is kept where at least this share of it arrives. */
const KEPT_SHARE = 0.97

/** Rows in the order of `contenders`; those without a sample have none. */
export function peerRows (
  workload: Workload, contenders: readonly PeerFacts[], samples: readonly PeerSample[],
): PeerRow[] {
  const ratios = ratiosOf(samples)
  return contenders.flatMap(facts => {
    const own = samples.filter(({ contender }) => contender === facts.contender)
    return own.length === 0 ? [] : [rowOf(workload, facts, own, ratios)]
  })
}

function rowOf (workload: Workload, facts: PeerFacts, own: readonly PeerSample[], ratios: readonly Ratio[]): PeerRow {
  const servers = own.flatMap(({ server, seconds }) => server === null ? [] : [{ ...server, seconds }])
  const recordsPerSecond = spread(own.map(sample => sample.recordsPerSecond))
  return {
    ...facts,
    recordsPerSecond,
    bytesPerSecond: spread(own.map(sample => sample.bytesPerSecond)),
    latency: merged(own),
    keptUp: workload.name === 'e2e' ? recordsPerSecond.median >= KEPT_SHARE * workload.rate : null,
    clientCores: spread(own.map(({ client, seconds }) => client.cpuSeconds / seconds)),
    serverCores: servers.length < own.length
      ? null
      : spread(servers.map(({ cpuSeconds, seconds }) => cpuSeconds / seconds)),
    serverRssBytesMax: servers.length < own.length ? null : Math.max(...servers.map(({ rssBytesMax }) => rssBytesMax)),
    ratio: ratios.find(({ to }) => to === facts.contender) ?? null,
  }
}

function merged (samples: readonly PeerSample[]): LatencySummary | null {
  const recorder = new LatencyRecorder()
  for (const { intendedLatency } of samples) {
    if (intendedLatency === null) return null
    recorder.merge(intendedLatency)
  }
  return recorder.summary()
}
