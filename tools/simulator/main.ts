// `npm run sim` and `npm run sim:mutants`: see USAGE in arguments.ts.

import { readArguments, type SimArguments, USAGE, UsageError } from './arguments.js'
import { BulkRun } from './bulk-run.js'
import type { Mutant } from './mutants.js'
import { describeTotals } from './seed-totals.js'
import { simulate, simulateRange } from './simulate.js'
import type { SimulationResult } from './simulation.js'

function describe (result: SimulationResult): string {
  const { seed, hash, eventCount, simulatedMs, ackCount, committedCount } = result
  return `seed ${seed}: ${hash}, ${eventCount} events, ${Math.round(simulatedMs / 1000)} s, ` +
    `${committedCount} batches committed, ${ackCount} acknowledged`
}

function replayOf (seed: number, mutant?: Mutant): string {
  return `  replay: npm run sim -- --seed ${seed}${mutant === undefined ? '' : ` --mutant ${mutant.name}`}`
}

async function runSeeds ({ from, seeds: count, mutant, twice, trace }: SimArguments): Promise<boolean> {
  const totals = await simulateRange({ from, count }, {
    mutant,
    twice,
    trace: trace || count === 1,
    onResult: result => {
      if (count === 1) console.log(describe(result))
      if (result.violation === null) return
      for (const line of result.lines) console.log(line)
      console.log(`FAILED seed ${result.seed}: ${result.violation.message}\n${replayOf(result.seed, mutant)}`)
    },
  })
  for (const [kind, times] of Object.entries(totals.counts).sort()) console.log(`${String(times).padStart(10)} ${kind}`)
  console.log(describeTotals(totals))
  return totals.failed.length === 0
}

async function runBulk ({ from, seeds, jobs, twice, secondsMax, progressPath }: SimArguments): Promise<boolean> {
  const report = (line: string): void => console.log(line)
  const totals = await new BulkRun({ from, seeds, jobs, twice, secondsMax, progressPath, report }).run()
  for (const { seed, message } of totals.failed) console.log(`FAILED seed ${seed}: ${message}\n${replayOf(seed)}`)
  console.log(describeTotals(totals))
  return totals.failed.length === 0
}

async function runMutants ({ mutants, from, seeds: seedsMax }: SimArguments): Promise<boolean> {
  let survived = 0
  for (const mutant of mutants) {
    const startedMs = performance.now()
    let caught = 0
    let run = 0
    const by = new Map<string, number>()
    while (run < seedsMax && (caught < 3 || run < 20)) {
      const { violation } = await simulate({ seed: from + run++, mutant })
      if (violation === null) continue
      caught++
      by.set(violation.invariant, (by.get(violation.invariant) ?? 0) + 1)
    }
    if (caught === 0) survived++
    const reasons = [...by].map(([invariant, times]) => `${invariant} × ${times}`).join(', ')
    console.log(`${caught > 0 ? 'caught  ' : 'SURVIVED'} ${mutant.name.padEnd(20)} ${caught} of ${run} seeds  ${reasons}  ` +
      `${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  }
  return survived === 0
}

async function main (): Promise<number> {
  const asked = readArguments(process.argv.slice(2))
  switch (asked.task) {
    case 'help':
      console.log(USAGE)
      return 0
    case 'seeds': return await runSeeds(asked) ? 0 : 1
    case 'bulk': return await runBulk(asked) ? 0 : 1
    case 'mutants': return await runMutants(asked) ? 0 : 1
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`sim: ${error.message}\n\n${USAGE}`)
  process.exitCode = 2
}
