// What a comparison with peers has found, as it goes out in JSON. Fields are added, never renamed.
//
// The samples are what was measured; rows are made of them, so that a run can be ended and taken up again.

import type { LatencySummary } from '../measure/latency-recorder.js'
import type { Machine, Source } from '../measure/machine.js'
import type { ServerUsage } from '../measure/external-probe.js'
import type { Ratio, Sample, Spread } from '../result.js'
import type { Workload } from '../workload.js'
import type { PeerWorkloadName } from './peer-workloads.js'

/** Marks the layout. */
export const PEERS_FORMAT = 'sluice-bench-peers/1'

/** A sample; of a server that is not ours, less is known, and nothing but on Linux. */
export type PeerSample = Sample<ServerUsage | null>

/** Who was measured, and what its word is worth. */
export interface PeerFacts {
  contender: string
  title: string
  /** Of server and libraries; null for Sluice and the bare loop, which are of the commit. */
  versions: string | null
  /** What an acknowledgement means. */
  durability: string
  /** Whether it is given after a sync. */
  isSynced: boolean
}

/** A contender over all rounds of a workload. */
export interface PeerRow extends PeerFacts {
  recordsPerSecond: Spread
  bytesPerSecond: Spread
  /** From the intended moment of sending, all rounds merged; null without a schedule. */
  latency: LatencySummary | null
  /** Whether it did what the schedule asked for; null without one. */
  keptUp: boolean | null
  clientCores: Spread
  serverCores: Spread | null
  serverRssBytesMax: number | null
  /** Sluice by this one, round by round; null for Sluice. */
  ratio: Ratio | null
}

/** Who was not measured, and why. */
export interface SkippedPeer { contender: string, title: string, reason: string }

/** One workload done by all. */
export interface PeerWorkloadResult {
  name: PeerWorkloadName
  workload: Workload
  /** ISO 8601, as the next two at the first sample. */
  startedAt: string
  loadAverageAtStart: number
  source: Source
  samples: PeerSample[]
  contenders: PeerFacts[]
  rows: PeerRow[]
  skipped: SkippedPeer[]
}

export interface PeersResult {
  format: typeof PEERS_FORMAT
  rounds: number
  warmupMs: number
  durationMs: number
  /** Brokers of Sluice, and servers of each peer: 1, or a cluster. Files from before have none: 1. */
  brokers?: number
  machine: Machine
  workloads: PeerWorkloadResult[]
}
