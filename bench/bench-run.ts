// Runs one workload against Sluice and the bare loop in turns.
//
//   for each round:  for each contender:  server starts ─ driver prepares ─ load starts ─ warm-up │ window │ load stops
//
// Server and driver are processes of their own, new for every sample, with files in a new folder on the same disk. The
// process that runs all this only waits during a window.

import os from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { codecAvailable } from '@sluice/protocol'
import { BARE_FORMS, type BareForm } from './bare-loop/commit-loop.js'
import { BenchError } from './bench-error.js'
import { describeMachine, describeSource } from './measure/machine.js'
import type { DriverCalls, WindowOutcome } from './process/calls.js'
import { Child, type ChildOptions } from './process/child.js'
import { withScratchFolder } from './process/scratch-folder.js'
import { askBroker, startBareServer, startBroker, type BrokerFacts, type RunningServer } from './process/servers.js'
import type { ProcessUsage } from './measure/process-probe.js'
import { RESULT_FORMAT, type BenchResult, type Sample } from './result.js'
import { ratiosOf, SLUICE, summarize } from './summarize.js'
import { isBareWorkload, type Workload } from './workload.js'

/** How a workload is run. */
export interface RunSettings {
  /** Samples of each contender, 1 or more. */
  readonly rounds: number
  /** Work before the window, in milliseconds. */
  readonly warmupMs: number
  /** Length of the window, in milliseconds; with `count`, its upper bound. */
  readonly durationMs: number
  /** Records after which the window ends; null for the whole duration. */
  readonly count: number | null
  /** Measure Sluice. */
  readonly sluice: boolean
  /** Forms of the bare loop to measure. */
  readonly bare: readonly BareForm[]
  /** Folder for everything that is written; it decides which disk is measured. */
  readonly folder: string
  readonly brokerOptions: Readonly<Record<string, string>>
  /** Folder for processor profiles of Sluice's broker and driver. */
  readonly profileDirectory?: string
  /** Told of what is going on, outside of windows. */
  readonly onProgress?: (text: string) => void
}

export const RUN_DEFAULTS: RunSettings = {
  rounds: 5,
  warmupMs: 1500,
  durationMs: 3000,
  count: null,
  sluice: true,
  bare: BARE_FORMS,
  folder: os.tmpdir(),
  brokerOptions: {},
}

/** A server to be measured. */
interface Contender {
  readonly name: string
  readonly workload: Workload
  start (folder: string): Promise<RunningServer>
}

/** Sluice doing the same without anything that hangs. */
const WITHOUT_HANGS = 'sluice without hangs'

const POLL_MS = 5

/** Runs a workload. @throws Error where a process fails. */
export async function runWorkload (workload: Workload, settings: RunSettings): Promise<BenchResult> {
  const contenders = contendersOf(workload, settings)
  if (contenders.length === 0) {
    throw new BenchError(2, `nothing to measure: neither Sluice nor a form of the bare loop that does ${workload.name}`)
  }
  checkWorkload(workload)
  const startedAt = new Date().toISOString()
  const loadAverageAtStart = os.loadavg()[0]!
  const source = await describeSource()
  const samples: Sample[] = []
  let broker: BrokerFacts | null = null
  for (let round = 1; round <= settings.rounds; round++) {
    for (const contender of contenders) {
      settings.onProgress?.(`${workload.name}: round ${round} of ${settings.rounds}, ${contender.name}`)
      const { sample, facts } = await takeSample(contender, settings, round)
      samples.push(sample)
      broker ??= facts
    }
  }
  return {
    format: RESULT_FORMAT,
    startedAt,
    workload,
    rounds: settings.rounds,
    warmupMs: settings.warmupMs,
    durationMs: settings.count === null ? settings.durationMs : null,
    count: settings.count,
    machine: await describeMachine(settings.folder),
    loadAverageAtStart,
    source,
    broker,
    samples,
    summaries: contenders.map(({ name }) => summarize(name, samples.filter(sample => sample.contender === name))),
    ratios: ratiosOf(samples),
  }
}

function contendersOf (workload: Workload, settings: RunSettings): Contender[] {
  const { brokerOptions, profileDirectory } = settings
  const contenders: Contender[] = []
  if (settings.sluice) {
    const start = (folder: string): Promise<RunningServer> => startBroker(folder, brokerOptions, { profileDirectory })
    contenders.push({ name: SLUICE, workload, start })
    if (workload.name === 'queue' && workload.hangEvery !== null) {
      contenders.push({ name: WITHOUT_HANGS, workload: { ...workload, hangEvery: null }, start })
    }
  }
  if (!isBareWorkload(workload)) return contenders
  // A fetch writes nothing: the forms differ in how they write.
  const forms = workload.name === 'fetch' ? settings.bare.slice(0, 1) : settings.bare
  for (const form of forms) {
    const name = workload.name === 'fetch' ? 'bare fetch' : `bare ${form}`
    contenders.push({ name, workload, start: folder => startBareServer(folder, form, workload, {}) })
  }
  return contenders
}

/** One sample of Sluice, for runs that order their samples themselves. @throws Error where a process fails. */
export async function sampleSluice (
  workload: Workload, settings: RunSettings, round: number,
): Promise<{ sample: Sample, broker: BrokerFacts }> {
  checkWorkload(workload)
  const [contender] = contendersOf(workload, { ...settings, sluice: true, bare: [] })
  const { sample, facts } = await takeSample(contender!, settings, round)
  return { sample, broker: facts! }
}

/** @throws BenchError for what cannot be measured here. */
export function checkWorkload (workload: Workload): void {
  if (workload.name === 'produce' && !codecAvailable(workload.compression)) {
    const remedy = workload.compression === 'lz4' ? 'install the package lz4-napi beside @sluice/client' : 'use Node.js 22.15 or newer'
    throw new BenchError(2, `the codec ${workload.compression} is not available here: ${remedy}, or choose another`)
  }
}

async function takeSample (
  contender: Contender, settings: RunSettings, round: number,
): Promise<{ sample: Sample, facts: BrokerFacts | null }> {
  const { workload } = contender
  return withScratchFolder(settings.folder, async folder => {
    let server: RunningServer | null = null
    let driver: Child<DriverCalls> | null = null
    try {
      server = await contender.start(folder)
      const { target } = server
      const facts = target.kind === 'sluice' ? await askBroker(target.address) : null
      driver = new Child<DriverCalls>('driver-main.js', [], target.kind === 'sluice' ? driverOptions(settings) : {})
      await driver.call('prepare', { target, workload })
      await driver.call('start', null)
      await delay(settings.warmupMs)
      const { outcome, usage } = await takeWindow(server, driver, workload, settings)
      await driver.call('stop', null)
      return { sample: toSample(round, contender.name, outcome, usage), facts }
    } finally {
      await driver?.stop()
      await server?.child.stop()
    }
  })
}

function driverOptions ({ profileDirectory }: RunSettings): ChildOptions {
  return { profileDirectory }
}

async function takeWindow (
  server: RunningServer, driver: Child<DriverCalls>, workload: Workload, settings: RunSettings,
): Promise<{ outcome: WindowOutcome, usage: ProcessUsage }> {
  await server.child.call('begin', null)
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
  return { outcome, usage: await server.child.call('end', null) }
}

function toSample (round: number, contender: string, outcome: WindowOutcome, server: ProcessUsage): Sample {
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
