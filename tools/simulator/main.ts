// npm run sim -- --seed N                          one run, with its last events where it fails
// npm run sim -- --seeds N [--from F] [--twice]    many runs, and how often what happened in them
// npm run sim -- --seeds N [--from F] --jobs J     many more, in J processes; ends with a line of totals
//                [--progress FILE] [--seconds S]   goes on where the file stands; begins nothing after S seconds
// npm run sim:mutants [-- NAME …]                  plants each mutant and tells after how many seeds it was noticed

import { parseArgs } from 'node:util'
import { BulkRun } from './bulk-run.js'
import { MUTANTS } from './mutants.js'
import { describeTotals } from './seed-totals.js'
import { simulate, simulateRange } from './simulate.js'
import type { SimulationResult } from './simulation.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string' },
    twice: { type: 'boolean', default: false },
    progress: { type: 'string' },
    seconds: { type: 'string', default: 'Infinity' },
    mutants: { type: 'boolean', default: false },
    mutant: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
})

function describe (result: SimulationResult): string {
  const { seed, hash, eventCount, simulatedMs, ackCount, committedCount } = result
  return `seed ${seed}: ${hash}, ${eventCount} events, ${Math.round(simulatedMs / 1000)} s, ` +
    `${committedCount} batches committed, ${ackCount} acknowledged`
}

async function runSeeds (from: number, count: number): Promise<number> {
  const mutant = MUTANTS.find(({ name }) => name === values.mutant)
  const totals = await simulateRange({ from, count }, {
    mutant,
    twice: values.twice,
    trace: values.trace || count === 1,
    onResult: result => {
      if (count === 1) console.log(describe(result))
      if (result.violation === null) return
      for (const line of result.lines) console.log(line)
      console.log(`FAILED seed ${result.seed}: ${result.violation.message}\n  replay: npm run sim -- --seed ${result.seed}`)
    },
  })
  for (const [kind, times] of Object.entries(totals.counts).sort()) console.log(`${String(times).padStart(10)} ${kind}`)
  console.log(describeTotals(totals))
  return totals.failed.length
}

async function runBulk (from: number, seeds: number, jobs: number): Promise<number> {
  const run = new BulkRun({
    from,
    seeds,
    jobs,
    twice: values.twice,
    secondsMax: Number(values.seconds),
    progressPath: values.progress,
    report: line => console.log(line),
  })
  const totals = await run.run()
  for (const { seed } of totals.failed) console.log(`replay: npm run sim -- --seed ${seed}`)
  console.log(describeTotals(totals))
  return totals.failed.length
}

async function runMutants (names: readonly string[], seedsMax: number): Promise<number> {
  let survived = 0
  for (const mutant of MUTANTS) {
    if (names.length > 0 && !names.includes(mutant.name)) continue
    const startedMs = performance.now()
    let caught = 0
    let run = 0
    const by = new Map<string, number>()
    while (run < seedsMax && (caught < 3 || run < 20)) {
      const { violation } = await simulate({ seed: Number(values.from) + run++, mutant })
      if (violation === null) continue
      caught++
      by.set(violation.invariant, (by.get(violation.invariant) ?? 0) + 1)
    }
    if (caught === 0) survived++
    const reasons = [...by].map(([invariant, times]) => `${invariant} × ${times}`).join(', ')
    console.log(`${caught > 0 ? 'caught  ' : 'SURVIVED'} ${mutant.name.padEnd(20)} ${caught} of ${run} seeds  ${reasons}  ` +
      `${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  }
  return survived
}

async function main (): Promise<number> {
  const from = Number(values.from)
  if (values.mutants) return await runMutants(positionals, Number(values.seeds))
  if (values.seed !== undefined) return await runSeeds(Number(values.seed), 1)
  if (values.jobs !== undefined) return await runBulk(from, Number(values.seeds), Number(values.jobs))
  return await runSeeds(from, Number(values.seeds))
}

process.exitCode = await main() === 0 ? 0 : 1
