// Measures what a record costs the broker as something grows: see growth-axes.ts for what.
//
// It counts processor time and not rates: that is disturbed less by what else the machine does, and grows only where
// there is more work for each record.

import os from 'node:os'
import { BenchError } from '../bench-error.js'
import { sampleSluice, type RunSettings } from '../bench-run.js'
import { describeMachine, describeSource } from '../measure/machine.js'
import type { BrokerFacts } from '../process/servers.js'
import { workloadText } from '../report.js'
import type { Sample } from '../result.js'
import { spread } from '../summarize.js'
import type { Workload } from '../workload.js'
import { deliveriesPerRecord, GROWTH_AXES, type GrowthAxis, type GrowthAxisName } from './growth-axes.js'
import { GROWTH_FORMAT, type GrowthCurve, type GrowthPoint, type GrowthResult } from './growth-result.js'

/** A window in which nothing was done says nothing, and is tried again so often. */
const ATTEMPTS_MAX = 3

/** Which axes, and how far. */
export interface GrowthOptions {
  readonly axes: readonly GrowthAxisName[]
  /** Levels above are left out; the lowest of each axis stays. */
  readonly upTo: number
}

/** Measures the axes one after the other. @throws Error where a process fails, or does nothing within its windows. */
export async function runGrowth ({ axes, upTo }: GrowthOptions, settings: RunSettings): Promise<GrowthResult> {
  const startedAt = new Date().toISOString()
  const loadAverageAtStart = os.loadavg()[0]!
  const measured: GrowthResult['axes'] = []
  let broker: BrokerFacts
  const sample = async (workload: Workload, round: number): Promise<Sample> => {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const taken = await sampleSluice(workload, settings, round)
      broker = taken.broker
      if (taken.sample.records > 0) return taken.sample
    }
    throw nothingDone(workload)
  }
  for (const name of axes) {
    const axis: GrowthAxis = GROWTH_AXES[name]
    const curves: GrowthCurve[] = []
    for (const { label, workloadAt } of axis.lines) {
      const levels = axis.levels.filter((level, index) => index === 0 || level <= upTo)
      const workloads = levels.map(workloadAt)
      const samples = workloads.map((): Sample[] => [])
      for (let round = 1; round <= settings.rounds; round++) {
        for (const [index, workload] of workloads.entries()) {
          settings.onProgress?.(`${label}, round ${round} of ${settings.rounds}: ${levels[index]!} ${axis.title}`)
          samples[index]!.push(await sample(workload, round))
        }
      }
      const points = levels.map((level, index) => growthPoint(level, workloads[index]!, samples[index]!))
      const costs = points.map(({ level, brokerMicroseconds }) => [level, brokerMicroseconds.median] as const)
      curves.push({ label, points, exponent: exponentOf(costs) })
    }
    measured.push({ name, title: axis.title, curves })
  }
  return {
    format: GROWTH_FORMAT,
    startedAt,
    rounds: settings.rounds,
    warmupMs: settings.warmupMs,
    durationMs: settings.durationMs,
    machine: await describeMachine(settings.folder),
    loadAverageAtStart,
    source: await describeSource(),
    broker: broker!,
    axes: measured,
  }
}

function nothingDone (workload: Workload): BenchError {
  return new BenchError(1, `no record was done within ${ATTEMPTS_MAX} windows of ${workloadText(workload)}: use a longer ` +
    '--duration or --warmup, or a machine with less to do')
}

/** What samples of a workload, in which something was done, say of the cost of a record. */
export function growthPoint (level: number, workload: Workload, samples: Sample[]): GrowthPoint {
  const deliveries = deliveriesPerRecord(workload)
  const microseconds = (cpuSeconds: number, records: number): number =>
    cpuSeconds * 1e6 / (records * deliveries)
  return {
    level,
    workload,
    samples,
    brokerMicroseconds: spread(samples.map(({ server, records }) => microseconds(server.cpuSeconds, records))),
    clientMicroseconds: spread(samples.map(({ client, records }) => microseconds(client.cpuSeconds, records))),
    recordsPerSecond: spread(samples.map(({ recordsPerSecond }) => recordsPerSecond * deliveries)),
    brokerRssBytesMax: Math.max(...samples.map(({ server }) => server.rssBytesMax)),
  }
}

/** The slope of the line that fits best on two logarithmic axes; null where there are less than two points. */
export function exponentOf (points: readonly (readonly [x: number, y: number])[]): number | null {
  if (points.length < 2) return null
  const logarithms = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const)
  const mean = (place: 0 | 1): number => logarithms.reduce((sum, point) => sum + point[place], 0) / points.length
  const [meanX, meanY] = [mean(0), mean(1)]
  let covariance = 0
  let variance = 0
  for (const [x, y] of logarithms) {
    covariance += (x - meanX) * (y - meanY)
    variance += (x - meanX) ** 2
  }
  return covariance / variance
}
