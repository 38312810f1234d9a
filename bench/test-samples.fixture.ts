// Samples made up for tests.

import { LatencyRecorder } from './measure/latency-recorder.js'
import type { ProcessUsage } from './measure/process-probe.js'
import type { Sample } from './result.js'

export const USAGE: ProcessUsage = {
  cpuSeconds: 1,
  userSeconds: 0.75,
  systemSeconds: 0.25,
  rssBytesMax: 2 ** 20,
  gcSeconds: 0.1,
  gcCount: 1,
  gcMajorCount: 0,
  eventLoopDelayP50Us: 1,
  eventLoopDelayP99Us: 2,
  eventLoopDelayMaxUs: 3,
}

/** A sample of two seconds. */
export function sampleOf (
  round: number, contender: string, recordsPerSecond: number, latencyMs: number | null = null,
): Sample {
  const recorder = new LatencyRecorder()
  if (latencyMs !== null) recorder.record(latencyMs)
  return {
    round,
    contender,
    seconds: 2,
    records: recordsPerSecond * 2,
    recordsPerSecond,
    bytesPerSecond: recordsPerSecond * 100,
    recordsPerBatch: null,
    failedRecords: 1,
    intendedLatency: null,
    serviceLatency: latencyMs === null ? null : recorder.summary(),
    client: USAGE,
    server: USAGE,
  }
}
