// Runs a seed, or some in a row, in this process.

import { inTask } from './microtasks.js'
import type { Mutant } from './mutants.js'
import { addResult, noTotals, type SeedTotals } from './seed-totals.js'
import { Simulation, type SimulationOptions, type SimulationResult } from './simulation.js'
import { Violation } from './violation.js'

/** An error that escaped into a promise belongs to the run that is under way. */
let escaped: Error | null = null
let isListening = false

function listen (): void {
  if (isListening) return
  isListening = true
  process.on('unhandledRejection', error => { escaped ??= error as Error })
  process.on('uncaughtException', error => { escaped ??= error })
}

/** One run. What is thrown anywhere in it is a violation. */
export async function simulate (options: SimulationOptions): Promise<SimulationResult> {
  listen()
  escaped = null
  const result = await inTask(() => new Simulation(options).run())
  await inTask(() => {})
  if (escaped === null) return result
  return { ...result, violation: new Violation('crash', String((escaped as Error).stack)) }
}

export interface SeedRange { readonly from: number, readonly count: number }

export interface RangeOptions {
  readonly mutant?: Mutant | undefined
  /** Runs each seed a second time, and takes another outcome for a violation. */
  readonly twice?: boolean
  readonly onResult?: (result: SimulationResult) => void
  readonly trace?: boolean
}

export async function simulateRange ({ from, count }: SeedRange, options: RangeOptions = {}): Promise<SeedTotals> {
  const { twice = false, onResult = () => {}, ...rest } = options
  const totals = noTotals()
  const startUsage = process.cpuUsage()
  for (let seed = from; seed < from + count; seed++) {
    let result = await simulate({ ...rest, seed })
    if (twice) {
      const again = await simulate({ ...rest, seed })
      if (again.hash !== result.hash) {
        result = { ...result, violation: new Violation('replay', `the second run came to ${again.hash}, the first to ${result.hash}`) }
      }
    }
    onResult(result)
    addResult(totals, result)
  }
  const { user, system } = process.cpuUsage(startUsage)
  totals.cpuMs = (user + system) / 1_000
  return totals
}
