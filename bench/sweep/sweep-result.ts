// The result of a sweep, as it goes out in JSON. Fields are added, never renamed.

import type { Machine, Source } from '../measure/machine.js'
import type { BrokerFacts } from '../process/servers.js'
import type { ContenderSummary, Sample, Spread } from '../result.js'
import type { ProduceWorkload } from '../workload.js'
import type { Design, Dimension } from './sweep-plan.js'

/** Marks the layout. */
export const SWEEP_FORMAT = 'sluice-bench-sweep/1'

/** One setting, measured. */
export interface SweepPoint {
  workload: ProduceWorkload
  /** What of it differs from the first point. */
  changed: Dimension[]
  samples: Sample[]
  summary: ContenderSummary
  /** Rate by that of the first point in the same round. */
  ratio: Spread
}

/** The setting to use. */
export interface Recommendation {
  /** Which point it is. */
  point: number
  /** Options of `topic.producer()` that differ from their defaults. */
  producerOptions: Record<string, string | number>
  /** Settings of the topic that differ from the first point. */
  topicSettings: Record<string, string | number>
  /** Why, in a sentence. */
  reason: string
}

export interface SweepResult {
  format: typeof SWEEP_FORMAT
  startedAt: string
  design: Design
  rounds: number
  warmupMs: number
  durationMs: number
  machine: Machine
  loadAverageAtStart: number
  source: Source
  broker: BrokerFacts
  /** The first is what the others are compared with. */
  points: SweepPoint[]
  recommendation: Recommendation
}
