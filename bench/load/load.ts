// Work that a driver process makes for a server, and what is counted of it.
//
//   prepare ──▶ start ──▶ (warm-up) ──▶ doneRecords at the start of the window … at its end ──▶ stop
//
// A load that cannot go on throws outside of any call: its process dies, and with it the run.

import type { LatencyRecorder } from '../measure/latency-recorder.js'

/** Names of the latencies that a load may record, in microseconds. */
export interface Latencies {
  /** From when the record should have been sent to its end: what a user waits when the system falls behind. */
  readonly intended?: LatencyRecorder
  /** From when the record was really sent to its end. */
  readonly service: LatencyRecorder
}

export interface Load {
  /** Bytes of values that one record carries. */
  readonly recordBytes: number
  /** Records that are done: acknowledged, read or received. */
  readonly doneRecords: number
  /** Records that could not be delivered. */
  readonly failedRecords: number
  /** Batches that the done records came in, where the load knows. */
  readonly doneBatches: number | null
  readonly latencies: Latencies | null
  /** Its work is done, where the work has an end; the window ends with it. */
  readonly isFinished?: boolean
  /** What is not part of the work: connections, topics, a backlog. */
  prepare (): Promise<void>
  /** Begins the work and returns. */
  start (): void
  /** Ends the work and closes what `prepare` opened. */
  stop (): Promise<void>
}
