// The result of `bench failover`, as it goes out in JSON. Fields are added, never renamed.

import type { Machine, Source } from '../measure/machine.js'
import type { Spread } from '../result.js'

/** Marks the layout. */
export const FAILOVER_FORMAT = 'sluice-bench-failover/1'

/**
 * What happens to a broker. kill: SIGKILL, as a crash of the process; stop: SIGTERM, in order; freeze: SIGSTOP, so that
 * its connections stay open and nothing is answered. none: nothing; the cluster is watched.
 */
export const FAULTS = ['kill', 'stop', 'freeze'] as const
export type Fault = typeof FAULTS[number]

/** How a cluster is tried. */
export interface FailoverPlan {
  readonly fault: Fault | 'none'
  readonly partitions: number
  /** Replicas of each partition; null for the default of the cluster. */
  readonly replicas: number | null
  /** Records a second, over all partitions. */
  readonly rate: number
  /** Bytes of a value. */
  readonly size: number
  readonly rounds: number
}

/** Milliseconds over the partitions of a round. */
export interface GapSpread { median: number, p99: number, max: number }

export interface FailoverRound {
  round: number
  /** Id of the broker that was hit; -1 where none was. */
  victim: number
  /** Partitions that it led: those that are counted. Where none was hit all are. */
  partitions: number
  /** The longest time between two acknowledgements of a partition; the interval of its records is part of it. */
  gapMs: GapSpread
  /** From the fault to the acknowledgement of a record that was sent after it. Null where nobody died. */
  backAfterMs: GapSpread | null
  /** The longest gap of a partition that others led; 0 where there is none. */
  othersGapMsMax: number
  /** From the signal to the end of the process that was told to stop; null where none was. */
  stopMs: number | null
  acknowledged: number
  /** Why records were given up: the application was told of an error. */
  failures: string[]
}

export interface FailoverResult {
  format: typeof FAILOVER_FORMAT
  startedAt: string
  plan: FailoverPlan
  /** Brokers of the cluster that was started; null where it was there already. */
  brokers: number | null
  machine: Machine
  loadAverageAtStart: number
  source: Source
  rounds: FailoverRound[]
  /** Over the rounds. */
  gapMsMedian: Spread
  gapMsMax: Spread
  /** Until all partitions were back. */
  backAfterMsMax: Spread | null
  failedRecords: number
}

/** @param values one or more. */
export function gapSpread (values: readonly number[]): GapSpread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
  return { median: at(0.5), p99: at(0.99), max: sorted.at(-1)! }
}
