// Runs a sweep: every round goes through all points, so that what slows the machine for a while slows all of them.

import os from 'node:os'
import { sampleSluice, type RunSettings } from '../bench-run.js'
import { describeMachine, describeSource } from '../measure/machine.js'
import type { BrokerFacts } from '../process/servers.js'
import type { Sample } from '../result.js'
import { SLUICE, spread, summarize } from '../summarize.js'
import { workloadText } from '../report.js'
import type { ProduceWorkload } from '../workload.js'
import { bestCombination, recommend } from './recommend.js'
import { differences, planSweep, type Design, type Levels } from './sweep-plan.js'
import { SWEEP_FORMAT, type SweepPoint, type SweepResult } from './sweep-result.js'

/** What to sweep. */
export interface SweepOptions {
  readonly base: ProduceWorkload
  readonly levels: Levels
  readonly design: Design
  /** Measure the best levels of each dimension together at the end. */
  readonly combine: boolean
}

/** Runs a sweep. @throws BenchError for what cannot be measured. */
export async function runSweep (options: SweepOptions, settings: RunSettings): Promise<SweepResult> {
  const { base, levels, design, combine } = options
  const workloads = planSweep(base, levels, design)
  const startedAt = new Date().toISOString()
  const loadAverageAtStart = os.loadavg()[0]!
  const measured = await measurePoints(workloads, settings)
  let { points } = measured
  if (combine) {
    const best = bestCombination(points)
    if (differences(base, best).length > 1) {
      settings.onProgress?.('the best levels together, beside the base')
      const again = await measurePoints([base, best], settings)
      points = [...points, again.points[1]!]
    }
  }
  return {
    format: SWEEP_FORMAT,
    startedAt,
    design,
    rounds: settings.rounds,
    warmupMs: settings.warmupMs,
    durationMs: settings.durationMs,
    machine: await describeMachine(settings.folder),
    loadAverageAtStart,
    source: await describeSource(),
    broker: measured.broker,
    points,
    recommendation: recommend(points),
  }
}

async function measurePoints (
  workloads: readonly ProduceWorkload[], settings: RunSettings,
): Promise<{ points: SweepPoint[], broker: BrokerFacts }> {
  const samples = workloads.map((): Sample[] => [])
  let facts: BrokerFacts
  for (let round = 1; round <= settings.rounds; round++) {
    for (const [index, workload] of workloads.entries()) {
      settings.onProgress?.(`round ${round} of ${settings.rounds}, ${index + 1} of ${workloads.length}: ${workloadText(workload)}`)
      const { sample, broker } = await sampleSluice(workload, settings, round)
      samples[index]!.push(sample)
      facts = broker
    }
  }
  const base = samples[0]!
  const points = workloads.map((workload, index) => ({
    workload,
    changed: differences(workloads[0]!, workload),
    samples: samples[index]!,
    summary: summarize(SLUICE, samples[index]!),
    ratio: spread(samples[index]!.map((sample, round) => sample.recordsPerSecond / base[round]!.recordsPerSecond)),
  }))
  return { points, broker: facts! }
}
