// Runs one workload against Sluice and the bare loop in turns.
//
//   round 1: A B C   round 2: A B C   …        each letter a sample: see take-sample.ts

import os from 'node:os'
import { codecAvailable } from '@sluice/protocol'
import { BARE_FORMS, type BareForm } from './bare-loop/commit-loop.js'
import { BenchError } from './bench-error.js'
import { describeMachine, describeSource } from './measure/machine.js'
import { startCluster } from './process/cluster-server.js'
import { PREWRITTEN_BYTES, startBareServer, startBroker, type BrokerFacts, type RunningServer } from './process/servers.js'
import { RESULT_FORMAT, type BenchResult, type Sample } from './result.js'
import { ratiosOf, SLUICE, summarize } from './summarize.js'
import { takeSample, type Contender, type SampleSettings } from './take-sample.js'
import { isBareWorkload, type Workload } from './workload.js'

/** How a workload is run. */
export interface RunSettings extends SampleSettings {
  /** Samples of each contender, 1 or more. */
  readonly rounds: number
  /** Measure Sluice. */
  readonly sluice: boolean
  /** Forms of the bare loop to measure. */
  readonly bare: readonly BareForm[]
  /** Bytes that the pre-written form of the bare loop writes ahead, 256 KiB or more. */
  readonly prewrittenBytes: number
  readonly brokerOptions: Readonly<Record<string, string>>
  /** Brokers of the cluster that Sluice is; 1: a broker by itself. Of a cluster one broker is a contender too. */
  readonly brokers: number
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
  prewrittenBytes: PREWRITTEN_BYTES,
  folder: os.tmpdir(),
  brokerOptions: {},
  brokers: 1,
}

/** A broker by itself, beside a cluster. */
const ONE_BROKER = 'one broker'
/** Sluice doing the same without anything that hangs. */
const WITHOUT_HANGS = 'sluice without hangs'

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

/** Sluice and the forms of the bare loop that do a workload. */
export function contendersOf (workload: Workload, settings: RunSettings): Contender[] {
  const { brokerOptions, profileDirectory, prewrittenBytes, brokers } = settings
  const contenders: Contender[] = []
  if (settings.sluice) {
    const startOne = (folder: string): Promise<RunningServer> =>
      startBroker(folder, brokerOptions, { profileDirectory })
    const start = brokers === 1
      ? startOne
      : (folder: string): Promise<RunningServer> => startCluster(folder, brokers, brokerOptions, profileDirectory)
    contenders.push({ name: SLUICE, workload, start })
    if (brokers > 1) contenders.push({ name: ONE_BROKER, workload, start: startOne })
    if (workload.name === 'queue' && workload.hangEvery !== null) {
      contenders.push({ name: WITHOUT_HANGS, workload: { ...workload, hangEvery: null }, start })
    }
  }
  if (!isBareWorkload(workload)) return contenders
  // A fetch writes nothing: the forms differ in how they write.
  const forms = workload.name === 'fetch' ? settings.bare.slice(0, 1) : settings.bare
  for (const form of forms) {
    const name = workload.name === 'fetch' ? 'bare fetch' : `bare ${form}`
    contenders.push({ name, workload, start: folder => startBareServer(folder, form, workload, prewrittenBytes) })
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
