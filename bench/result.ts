// The result of a run, as it goes out in JSON. Fields are added, never renamed: results are kept and compared.
//
//   one run = one workload; each round has one sample of each contender, in turns:  A B C  A B C  A B C

import type { LatencySummary } from './measure/latency-recorder.js'
import type { Machine, Source } from './measure/machine.js'
import type { ProcessUsage } from './measure/process-probe.js'
import type { ClusterUsage } from './process/cluster-usage.js'
import type { BrokerFacts } from './process/servers.js'
import type { Workload } from './workload.js'

/** Marks the layout. */
export const RESULT_FORMAT = 'sluice-bench/1'

/** One contender in one round. `Usage` is what is known of its server. */
export interface Sample<Usage = ProcessUsage & Partial<ClusterUsage>> {
  round: number
  contender: string
  /** Length of the measured window, in seconds. */
  seconds: number
  /** Records acknowledged, read or received in it. */
  records: number
  recordsPerSecond: number
  /** Of values alone. */
  bytesPerSecond: number
  /** Mean over the window; null where the load does not know. */
  recordsPerBatch: number | null
  failedRecords: number
  /** From the intended moment of sending; null where there is no schedule. */
  intendedLatency: LatencySummary | null
  serviceLatency: LatencySummary | null
  client: ProcessUsage
  server: Usage
}

/** Median and range over the rounds. */
export interface Spread { median: number, min: number, max: number }

/** One contender over all rounds. */
export interface ContenderSummary {
  contender: string
  recordsPerSecond: Spread
  bytesPerSecond: Spread
  recordsPerBatch: Spread | null
  failedRecords: number
  /** All rounds merged. */
  intendedLatency: LatencySummary | null
  serviceLatency: LatencySummary | null
  /** Processor seconds for each second of the window: 1 is a whole core. */
  clientCores: Spread
  serverCores: Spread
  clientGcShare: Spread
  serverGcShare: Spread
  clientRssBytesMax: number
  serverRssBytesMax: number
  clientLoopDelayP99Us: Spread
  serverLoopDelayP99Us: Spread
}

/** Sluice against one form of the bare loop, round by round. */
export interface Ratio {
  to: string
  /** Rate of Sluice by that of the bare loop: higher is better. */
  recordsPerSecond: Spread
  /** Latency of Sluice by that of the bare loop, from the intended moment where there is one: lower is better. */
  latencyP50: Spread | null
  latencyP99: Spread | null
}

export interface BenchResult {
  format: typeof RESULT_FORMAT
  /** ISO 8601. */
  startedAt: string
  workload: Workload
  rounds: number
  warmupMs: number
  /** Length of a window; null where it ended by count. */
  durationMs: number | null
  /** Records of a window; null where it ended by time. */
  count: number | null
  machine: Machine
  /** Processes that wanted to run in the minute before the start: what others did with the machine. */
  loadAverageAtStart: number
  source: Source
  /** The broker's version and all its options; null where Sluice was not among the contenders. */
  broker: BrokerFacts | null
  samples: Sample[]
  summaries: ContenderSummary[]
  ratios: Ratio[]
}
