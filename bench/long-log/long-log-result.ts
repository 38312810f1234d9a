// The result of `bench long-log`, as it goes out in JSON. Fields are added, never renamed.

import type { Machine, Source } from '../measure/machine.js'
import type { Spread } from '../result.js'

/** Marks the layout. */
export const LONG_LOG_FORMAT = 'sluice-bench-long-log/1'

/** What is done. */
export interface LongLogPlan {
  /** Records of the long log. */
  readonly records: number
  /** Bytes of a value. */
  readonly size: number
  /** Records of a reading: also those of the short log that is beside the long one. At most `records`. */
  readonly readRecords: number
  /** Readings of each place, in turns. */
  readonly rounds: number
}

/** Where a reading begins: in the short log, or at a place of the long one. */
export const READ_PLACES = ['short', 'start', 'middle', 'end'] as const
export type ReadPlace = typeof READ_PLACES[number]

export interface PlaceReading {
  place: ReadPlace
  recordsPerSecond: Spread
  /** Rate by that of the short log in the same round. */
  byShort: Spread
}

/** How long the broker takes until the last record of the long log has been read, in milliseconds. */
export interface StartTimes {
  /** Until it says that it serves, the start of its process included. */
  readyMs: number
  readMs: number
}

export interface LongLogResult {
  format: typeof LONG_LOG_FORMAT
  startedAt: string
  plan: LongLogPlan
  machine: Machine
  loadAverageAtStart: number
  source: Source
  writtenPerSecond: number
  readings: PlaceReading[]
  /** Time of `consumer.lag()` with everything to be read, in milliseconds, and what it says. */
  lagMs: number
  lagRecords: number
  afterStop: StartTimes
  /** After SIGKILL, right behind records that were acknowledged. */
  afterKill: StartTimes
  /** Resident memory of the broker, in bytes, at its highest. */
  rssBytes: { idle: number, writing: number, reading: number, restarted: number }
}
