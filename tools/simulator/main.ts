// npm run sim -- --seed N            one run, with its last events where it fails
// npm run sim -- --seeds N [--from F] many runs
// npm run sim:mutants [-- NAME …]    plants each mutant and tells after how many seeds it was noticed

import { parseArgs } from 'node:util'
import { inTask } from './microtasks.js'
import { MUTANTS } from './mutants.js'
import { Simulation, type SimulationOptions, type SimulationResult } from './simulation.js'
import { Violation } from './violation.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    mutants: { type: 'boolean', default: false },
    mutant: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
})

/** An error that escaped into a promise belongs to the run that is under way. */
let escaped: Error | null = null
process.on('unhandledRejection', error => { escaped ??= error as Error })
process.on('uncaughtException', error => { escaped ??= error })

async function simulate (options: SimulationOptions): Promise<SimulationResult> {
  escaped = null
  const result = await inTask(() => new Simulation(options).run())
  await inTask(() => {})
  if (escaped === null) return result
  return { ...result, violation: new Violation('crash', String((escaped as Error).stack)) }
}

function describe (result: SimulationResult): string {
  const { seed, hash, eventCount, simulatedMs, ackCount, committedCount } = result
  return `seed ${seed}: ${hash}, ${eventCount} events, ${Math.round(simulatedMs / 1000)} s, ` +
    `${committedCount} batches committed, ${ackCount} acknowledged`
}

async function runSeeds (first: number, count: number): Promise<number> {
  const startedMs = performance.now()
  const mutant = MUTANTS.find(({ name }) => name === values.mutant)
  let failed = 0
  let simulatedMs = 0
  let ackCount = 0
  const counts = new Map<string, number>()
  for (let seed = first; seed < first + count; seed++) {
    const result = await simulate({ seed, mutant, trace: values.trace || count === 1 })
    simulatedMs += result.simulatedMs
    ackCount += result.ackCount
    for (const [kind, times] of result.counts) counts.set(kind, (counts.get(kind) ?? 0) + times)
    if (count === 1) console.log(describe(result))
    if (result.violation === null) continue
    failed++
    for (const line of result.lines) console.log(line)
    console.log(`FAILED seed ${seed}: ${result.violation.message}\n  replay: npm run sim -- --seed ${seed}`)
  }
  const seconds = (performance.now() - startedMs) / 1000
  for (const [kind, times] of [...counts].sort()) console.log(`${String(times).padStart(10)} ${kind}`)
  console.log(`${count - failed} of ${count} seeds passed, ${ackCount} batches acknowledged, ` +
    `${(simulatedMs / 3_600_000).toFixed(2)} hours in ${seconds.toFixed(0)} s: ${Math.round(simulatedMs / 1000 / seconds)} × real time`)
  return failed
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

const failures = values.mutants
  ? await runMutants(positionals, Number(values.seeds))
  : values.seed !== undefined
    ? await runSeeds(Number(values.seed), 1)
    : await runSeeds(Number(values.from), Number(values.seeds))
process.exitCode = failures === 0 ? 0 : 1
