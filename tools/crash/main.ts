// `npm run crash`: kills a real broker under load, round after round, and checks all it said.
//
//   npm run crash -- --rounds 50 --seed 7      a run; without a seed, a random one
//   npm run crash -- --keep                    leaves the data folder of a run with violations
//   npm run crash -- --power-loss              with each kill, what was not synced is lost; with `queue` too
//   npm run crash -- --power-loss --mutant lying-disk      a mistake that the run has to notice: exit code 1
//   npm run crash -- queue --rounds 100        the same for queues: brokers and workers are killed
//   npm run crash -- power --rounds 50         a cluster of three: one, two or all machines lose power
//   npm run crash -- delayed --records 100000  delayed records over kills: do they come in time?
//   npm run crash -- cluster --brokers 5 --etcd 3 --faults 50 --records 1000000    see `cluster/cluster-run.ts`
//   npm run crash -- cluster --only kill-leader,cut-pair   with some faults only
//   npm run crash -- scale --partitions 10000  starts a broker with many partitions and measures it
//
// Exit code 0: no violation. 1: some, or the broker did not come back. 2: wrong arguments.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { clusterRun, type ClusterReport } from './cluster/cluster-run.js'
import { CRASH_MUTANTS, crashRun, type CrashMutant, type CrashReport } from './crash-run.js'
import { clusterPowerRun, type ClusterPowerReport } from './power-loss/cluster-power-run.js'
import { delayedRun, type DelayedRunReport } from './queue/delayed-run.js'
import { queueCrashRun, type QueueCrashReport } from './queue/queue-crash-run.js'
import { measureScale } from './scale.js'

const NUMBERS = ['rounds', 'seed', 'partitions', 'records', 'brokers', 'etcd', 'faults', 'chapter', 'rate'] as const
const DELAYED_OVER_MS = 40_000
const DELAYED_LATE_MS_MAX = 1_000

const RUNS: Readonly<Record<string, () => Promise<boolean>>> = {
  stream: crash, queue, power, delayed, cluster, scale,
}

const { values, positionals } = parseArguments()
const folder = await mkdtemp(join(tmpdir(), 'sluice-crash-'))
let failed = true
try {
  failed = !await RUNS[positionals[0] ?? 'stream']!()
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`)
} finally {
  if (failed && values.keep) process.stderr.write(`the data is left in ${folder}\n`)
  else await rm(folder, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)

type Numbers = Record<typeof NUMBERS[number], number>

interface Arguments {
  values: Numbers & {
    only: string | undefined,
    keep: boolean,
    damage: boolean,
    powerLoss: boolean,
    mutant: CrashMutant | undefined,
  }
  positionals: string[]
}

function parseArguments (): Arguments {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      allowNegative: true,
      options: {
        rounds: { type: 'string', default: '50' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        partitions: { type: 'string', default: '10000' },
        records: { type: 'string', default: '100000' },
        brokers: { type: 'string', default: '3' },
        etcd: { type: 'string', default: '1' },
        faults: { type: 'string', default: '20' },
        chapter: { type: 'string', default: '10' },
        rate: { type: 'string', default: '8000' },
        only: { type: 'string' },
        damage: { type: 'boolean', default: true },
        'power-loss': { type: 'boolean', default: false },
        mutant: { type: 'string' },
        keep: { type: 'boolean', default: false },
      },
    })
    const number = (name: typeof NUMBERS[number]): number => {
      const value = Number(values[name])
      if (Number.isSafeInteger(value) && value >= 0) return value
      throw new Error(`--${name} is ${JSON.stringify(values[name])}; it must be a whole number`)
    }
    if (positionals.length > 1 || !Object.hasOwn(RUNS, positionals[0] ?? 'stream')) {
      throw new Error(`${positionals.join(' ')} is not known; use one of ${Object.keys(RUNS).join(', ')}`)
    }
    const { keep, damage, only, 'power-loss': powerLoss } = values
    const mutant = CRASH_MUTANTS.find(name => name === values.mutant)
    if (mutant === undefined && values.mutant !== undefined) {
      throw new Error(`--mutant is ${JSON.stringify(values.mutant)}; use one of ${CRASH_MUTANTS.join(', ')}`)
    }
    const numbers = Object.fromEntries(NUMBERS.map(name => [name, number(name)])) as Numbers
    return { values: { ...numbers, keep, damage, only, powerLoss, mutant }, positionals }
  } catch (error) {
    process.stderr.write(`crash: ${(error as Error).message}\n`)
    process.exit(2)
  }
}

async function crash (): Promise<boolean> {
  const report = await crashRun({
    rounds: values.rounds,
    seed: values.seed,
    folder,
    damage: values.damage,
    powerLoss: values.powerLoss,
    ...values.mutant === undefined ? {} : { mutant: values.mutant },
    say: line => process.stderr.write(`${line}\n`),
  })
  return tell(report)
}

async function queue (): Promise<boolean> {
  const { rounds, seed, powerLoss } = values
  const say = (line: string): void => { process.stderr.write(`${line}\n`) }
  return tell(await queueCrashRun({ rounds, seed, folder, powerLoss, say }))
}

async function power (): Promise<boolean> {
  const { rounds, seed, mutant } = values
  const unsyncedTopics = mutant === 'unsynced-topics'
  const say = (line: string): void => { process.stderr.write(`${line}\n`) }
  return tell(await clusterPowerRun({ rounds, seed, folder, unsyncedTopics, say }))
}

async function delayed (): Promise<boolean> {
  const { records } = values
  return tell(await delayedRun({ records, folder, overMs: DELAYED_OVER_MS, lateMsMax: DELAYED_LATE_MS_MAX }))
}

/** A run with violations leaves its folder, and says how to have it again. */
async function cluster (): Promise<boolean> {
  const { brokers, etcd, seed, faults, records, chapter, rate, only } = values
  const again = `npm run crash -- cluster --brokers ${brokers} --etcd ${etcd} --seed ${seed} --faults ${faults} ` +
    `--records ${records} --chapter ${chapter} --rate ${rate}${only === undefined ? '' : ` --only ${only}`}${values.powerLoss ? ' --power-loss' : ''}`
  let isSound = false
  try {
    isSound = tell(await clusterRun({
      brokers,
      etcdMembers: etcd,
      seed,
      faults,
      records,
      folder,
      faultsPerChapter: chapter,
      recordsPerSecond: rate,
      only: only?.split(','),
      powerLoss: values.powerLoss,
      say: line => process.stderr.write(`${line}\n`),
    }))
  } finally {
    values.keep ||= !isSound
    if (!isSound) process.stderr.write(`once more: ${again}\n`)
  }
  return isSound
}

type Report = CrashReport | QueueCrashReport | DelayedRunReport | ClusterReport | ClusterPowerReport

function tell ({ violations, ...figures }: Report): boolean {
  for (const violation of violations) process.stderr.write(`VIOLATION ${violation}\n`)
  process.stdout.write(`${JSON.stringify({ ...figures, violations: violations.length })}\n`)
  return violations.length === 0
}

async function scale (): Promise<boolean> {
  process.stdout.write(`${JSON.stringify(await measureScale({ folder, partitions: values.partitions }))}\n`)
  return true
}
