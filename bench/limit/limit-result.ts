// What the machine can do, as it goes out in JSON. Fields are added, never renamed.

import type { LatencySummary } from '../measure/latency-recorder.js'
import type { Machine, Source } from '../measure/machine.js'
import type { BenchResult, Spread } from '../result.js'

/** Marks the layout. */
export const LIMIT_FORMAT = 'sluice-bench-limit/1'

/** Where a write goes: to the end of a growing file, or over blocks that were written and synced before. */
export const WRITE_MODES = ['append', 'overwrite'] as const
export type WriteMode = typeof WRITE_MODES[number]

/** One write and one fdatasync after the other. */
export interface DiskLimit {
  mode: WriteMode
  /** Bytes of a write. */
  size: number
  syncsPerSecond: Spread
  bytesPerSecond: Spread
  /** Of a write with its sync, all rounds merged. */
  latency: LatencySummary
}

/** Bytes one way between two Node processes over loopback, and small messages to and fro. */
export interface TcpLimit {
  bytesPerSecond: Spread
  /** Of a round trip of 64 bytes, one at a time. */
  roundTrip: LatencySummary
}

export interface ChecksumLimit {
  /** Bytes of a buffer. */
  size: number
  bytesPerSecond: Spread
}

export interface LimitResult {
  format: typeof LIMIT_FORMAT
  startedAt: string
  rounds: number
  durationMs: number
  machine: Machine
  loadAverageAtStart: number
  source: Source
  disk: DiskLimit[]
  tcp: TcpLimit
  checksum: ChecksumLimit[]
  /** TCP, checksum, write, fdatasync and acknowledgement together, in the forms of the bare loop. */
  bareLoop: BenchResult[]
}
