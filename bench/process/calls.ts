// Calls from the process that runs a benchmark to the processes that it has started, over their IPC channel.
//
//   runner ── { id, call, argument } ──▶ child
//   runner ◀── { id, result } or { id, fault } ── child
//
// A child that loses its runner ends: nothing is left running.

import type { LatencySummary } from '../measure/latency-recorder.js'
import type { ProcessUsage } from '../measure/process-probe.js'
import type { Target } from '../load/make-load.js'
import type { Workload } from '../workload.js'

/** Where a load stands. */
export interface Progress {
  /** On the clock of the driver, in milliseconds. */
  atMs: number
  doneRecords: number
  doneBatches: number | null
  failedRecords: number
  /** The work has come to its end. */
  isFinished: boolean
}

/** What happened in a window. */
export interface WindowOutcome {
  seconds: number
  records: number
  batches: number | null
  failedRecords: number
  recordBytes: number
  intended: LatencySummary | null
  service: LatencySummary | null
  usage: ProcessUsage
}

/** What a broker of a cluster uses in a window, or a broker by itself. */
export interface BrokerUsage extends ProcessUsage {
  /** Bytes that it has sent to other brokers, frames and all. */
  peerSentBytes: number
  /** Frames that it has sent to other brokers. */
  peerSentFrames: number
}

/** Calls that every server answers. */
export interface ServerCalls<Usage = ProcessUsage> {
  /** Begins a window of the probe. */
  begin: { argument: null, result: null }
  end: { argument: null, result: Usage }
}

/** Calls that a driver answers, in this order. */
export interface DriverCalls {
  prepare: { argument: { target: Target, workload: Workload }, result: null }
  start: { argument: null, result: null }
  progress: { argument: null, result: Progress }
  beginWindow: { argument: null, result: Progress }
  endWindow: { argument: null, result: WindowOutcome }
  /** Ends the load; the result is what was done from the first record to the last. */
  stop: { argument: null, result: Progress }
}

export interface CallMessage { id: number, call: string, argument: unknown }
export type AnswerMessage = { id: number, result: unknown } | { id: number, fault: string }

/** What answers calls, by name. */
export type CallHandlers<Calls> = {
  [Name in keyof Calls]: Calls[Name] extends { argument: infer Argument, result: infer Result }
    ? (argument: Argument) => Result | Promise<Result>
    : never
}

/** Answers the calls of the runner from now on. */
export function answerCalls<Calls> (handlers: CallHandlers<Calls>): void {
  const byName = handlers as Record<string, (argument: unknown) => unknown>
  process.on('message', (message: CallMessage) => {
    Promise.resolve(message.argument)
      .then(argument => byName[message.call]!(argument))
      .then(
        result => process.send!({ id: message.id, result }),
        (error: Error) => process.send!({ id: message.id, fault: error.stack ?? error.message }))
  })
  process.on('disconnect', () => process.exit(1))
}
