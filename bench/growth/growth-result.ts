// The result of a growth run, as it goes out in JSON. Fields are added, never renamed.

import type { Machine, Source } from '../measure/machine.js'
import type { BrokerFacts } from '../process/servers.js'
import type { Sample, Spread } from '../result.js'
import type { Workload } from '../workload.js'
import type { GrowthAxisName } from './growth-axes.js'

/** Marks the layout. */
export const GROWTH_FORMAT = 'sluice-bench-growth/1'

/** What a record costs at one level of an axis. */
export interface GrowthPoint {
  level: number
  workload: Workload
  samples: Sample[]
  /** Processor time of the broker for a record, all its threads, in microseconds. */
  brokerMicroseconds: Spread
  /** The same of the client. */
  clientMicroseconds: Spread
  recordsPerSecond: Spread
  brokerRssBytesMax: number
}

export interface GrowthCurve {
  label: string
  points: GrowthPoint[]
  /** The broker's cost of a record goes with this power of the level: 0 is constant; null with one level only. */
  exponent: number | null
}

export interface GrowthResult {
  format: typeof GROWTH_FORMAT
  startedAt: string
  rounds: number
  warmupMs: number
  durationMs: number
  machine: Machine
  loadAverageAtStart: number
  source: Source
  broker: BrokerFacts
  axes: { name: GrowthAxisName, title: string, curves: GrowthCurve[] }[]
}
