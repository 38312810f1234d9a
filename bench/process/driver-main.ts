// The process that loads a server.

import { makeLoad } from '../load/make-load.js'
import type { Load } from '../load/load.js'
import { ProcessProbe } from '../measure/process-probe.js'
import { answerCalls, type DriverCalls, type Progress } from './calls.js'

const probe = new ProcessProbe()
let load: Load
let windowStart: Progress

answerCalls<DriverCalls>({
  async prepare ({ target, workload }) {
    load = makeLoad(target, workload)
    await load.prepare()
    return null
  },
  start () {
    load.start()
    return null
  },
  progress,
  beginWindow () {
    load.latencies?.intended?.reset()
    load.latencies?.service.reset()
    probe.begin()
    windowStart = progress()
    return windowStart
  },
  endWindow () {
    const end = progress()
    const usage = probe.end()
    return {
      seconds: (end.atMs - windowStart.atMs) / 1000,
      records: end.doneRecords - windowStart.doneRecords,
      batches: end.doneBatches === null ? null : end.doneBatches - windowStart.doneBatches!,
      failedRecords: end.failedRecords - windowStart.failedRecords,
      recordBytes: load.recordBytes,
      intended: load.latencies?.intended?.summary() ?? null,
      service: load.latencies?.service.summary() ?? null,
      usage,
    }
  },
  async stop () {
    await load.stop()
    return progress()
  },
})

// An orderly exit, which writes a profile where one was asked for.
process.on('SIGTERM', () => process.exit(0))

function progress (): Progress {
  const { doneRecords, doneBatches, failedRecords, isFinished = false } = load
  return { atMs: performance.now(), doneRecords, doneBatches, failedRecords, isFinished }
}
