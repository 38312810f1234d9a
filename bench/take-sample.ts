// Takes one sample: a server, a driver that loads it, and a window in which both are watched.
//
//   server starts ─ driver prepares ─ load starts ─ warm-up │ window │ load stops ─ both end ─ files are removed
//
// Server and driver are processes of their own, new for every sample, with files in a new folder on the same disk. The
// process that runs all this only waits during a window.

import { setTimeout as delay } from 'node:timers/promises'
import type { ProcessUsage } from './measure/process-probe.js'
import type { DriverCalls, WindowOutcome } from './process/calls.js'
import { Child, type ChildOptions } from './process/child.js'
import { withScratchFolder } from './process/scratch-folder.js'
import { askBroker, type BrokerFacts, type RunningServer } from './process/servers.js'
import type { Sample } from './result.js'
import type { Workload } from './workload.js'

/** A server to be measured, with the work that is done to it. */
export interface Contender<Usage = ProcessUsage> {
  readonly name: string
  readonly workload: Workload
  /** Starts it with its files below `folder`. */
  start (folder: string): Promise<RunningServer<Usage>>
}

/** How a sample is taken. */
export interface SampleSettings {
  /** Work before the window, in milliseconds. */
  readonly warmupMs: number
  /** Length of the window, in milliseconds; with `count`, its upper bound. */
  readonly durationMs: number
  /** Records after which the window ends; null for the whole duration. */
  readonly count: number | null
  /** Folder for everything that is written; it decides which disk is measured. */
  readonly folder: string
  /** Folder for processor profiles of Sluice's broker and driver. */
  readonly profileDirectory?: string
  /** Time for all but warm-up and window, after which the sample fails; without, there is none. */
  readonly timeoutMs?: number
}

const POLL_MS = 5

/** Takes a sample; `facts` are what a broker says of itself. @throws Error where a process fails. */
export async function takeSample<Usage> (
  contender: Contender<Usage>, settings: SampleSettings, round: number,
): Promise<{ sample: Sample<Usage>, facts: BrokerFacts | null }> {
  const { workload } = contender
  return withScratchFolder(settings.folder, async folder => {
    let server: RunningServer<Usage> | null = null
    let driver: Child<DriverCalls> | null = null
    let deadline: NodeJS.Timeout | undefined
    try {
      server = await contender.start(folder)
      const { target } = server
      const facts = target.kind === 'sluice' ? await askBroker(target.address) : null
      driver = new Child<DriverCalls>('driver-main.js', [], target.kind === 'sluice' ? driverOptions(settings) : {})
      deadline = deadlineOf(driver, settings)
      await driver.call('prepare', { target, workload })
      await driver.call('start', null)
      await delay(settings.warmupMs)
      const { outcome, usage } = await takeWindow(server, driver, workload, settings)
      await driver.call('stop', null)
      return { sample: toSample(round, contender.name, outcome, usage), facts }
    } finally {
      clearTimeout(deadline)
      await driver?.stop()
      await server?.stop()
    }
  })
}

/** A server that hangs must not hang the run. */
function deadlineOf (
  driver: Child<DriverCalls>, { timeoutMs, warmupMs, durationMs }: SampleSettings,
): NodeJS.Timeout | undefined {
  if (timeoutMs === undefined) return undefined
  return setTimeout(() => {
    driver.abandon(`it did not come to its end in ${timeoutMs / 1000} s beside warm-up and window`)
  }, timeoutMs + warmupMs + durationMs)
}

function driverOptions ({ profileDirectory }: SampleSettings): ChildOptions {
  return { profileDirectory }
}

async function takeWindow<Usage> (
  server: RunningServer<Usage>, driver: Child<DriverCalls>, workload: Workload, settings: SampleSettings,
): Promise<{ outcome: WindowOutcome, usage: Usage }> {
  await server.beginWindow()
  const start = await driver.call('beginWindow', null)
  if (settings.count === null && workload.name !== 'backlog') {
    await delay(settings.durationMs)
  } else {
    const count = settings.count ?? Infinity
    const deadlineMs = performance.now() + settings.durationMs
    for (;;) {
      const { doneRecords, isFinished } = await driver.call('progress', null)
      if (isFinished || doneRecords - start.doneRecords >= count || performance.now() >= deadlineMs) break
      await delay(POLL_MS)
    }
  }
  const outcome = await driver.call('endWindow', null)
  return { outcome, usage: await server.endWindow() }
}

function toSample<Usage> (
  round: number, contender: string, outcome: WindowOutcome, server: Usage,
): Sample<Usage> {
  const { seconds, records, batches, failedRecords, recordBytes, intended, service, usage } = outcome
  return {
    round,
    contender,
    seconds,
    records,
    recordsPerSecond: records / seconds,
    bytesPerSecond: records * recordBytes / seconds,
    recordsPerBatch: batches === null || batches === 0 ? null : records / batches,
    failedRecords,
    intendedLatency: intended,
    serviceLatency: service,
    client: usage,
    server,
  }
}
