// What `npm run sim` and `npm run sim:mutants` are asked for on the command line.

import { parseArgs } from 'node:util'
import { type Mutant, MUTANTS } from './mutants.js'

export const USAGE = `npm run sim -- --seed N             one run; where it fails: its last events, and what broke
npm run sim -- --seeds N            many, one after the other, and how often what happened in them
npm run sim -- --seeds N --jobs J   many more, in J processes, with a line of totals now and then
npm run sim:mutants -- [NAME ...]   plants mistakes, all or those named, and tells how many seeds notice each

  --from F         the first seed (1)
  --seeds N        how many (100); for a mutant: at most so many
  --twice          each seed a second time: another outcome is a violation
  --trace          keep the last events of each run, to be printed where it fails
  --mutant NAME    with this mistake planted: ${MUTANTS[0]!.name}, ${MUTANTS[1]!.name}, ...
  --progress FILE  with --jobs: goes on where the file stands
  --seconds S      with --jobs: begins nothing after S seconds
  --help           this

Exit code 0: no violation, and every mutant was noticed. 1: otherwise. 2: wrong arguments.`

export interface SimArguments {
  /** 'help' prints USAGE. */
  readonly task: 'help' | 'seeds' | 'bulk' | 'mutants'
  readonly from: number
  readonly seeds: number
  /** Processes at once; for 'bulk'. */
  readonly jobs: number
  readonly twice: boolean
  readonly trace: boolean
  readonly mutant: Mutant | undefined
  /** For 'mutants': those to plant. */
  readonly mutants: readonly Mutant[]
  readonly progressPath: string | undefined
  readonly secondsMax: number
}

/** What is wrong with what was asked for, in words. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const SEED_MAX = 2 ** 31

/** @throws UsageError */
export function readArguments (argv: readonly string[]): SimArguments {
  const { values, positionals } = parse(argv)
  const isBulk = values.jobs !== undefined
  if (!values.mutants && positionals.length > 0) throw new UsageError(`'${positionals[0]!}' is no option; mutants are named with sim:mutants`)
  if (values.seed !== undefined && isBulk) throw new UsageError('--seed is one run: it goes without --jobs')
  if (isBulk && values.mutant !== undefined) throw new UsageError('--mutant goes without --jobs')
  for (const option of ['progress', 'seconds'] as const) {
    if (!isBulk && values[option] !== undefined) throw new UsageError(`--${option} goes with --jobs only`)
  }
  const isOne = values.seed !== undefined
  return {
    task: values.help ? 'help' : values.mutants ? 'mutants' : isBulk ? 'bulk' : 'seeds',
    from: whole('seed', values.seed ?? values.from, 0, SEED_MAX),
    seeds: isOne ? 1 : whole('seeds', values.seeds, 1, SEED_MAX),
    jobs: whole('jobs', values.jobs ?? '1', 1, 1_000),
    twice: values.twice,
    trace: values.trace,
    mutant: values.mutant === undefined ? undefined : mutantNamed(values.mutant),
    mutants: positionals.length === 0 ? MUTANTS : positionals.map(mutantNamed),
    progressPath: values.progress,
    secondsMax: values.seconds === undefined ? Infinity : whole('seconds', values.seconds, 0, Number.MAX_SAFE_INTEGER),
  }
}

function parse (argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        seed: { type: 'string' },
        seeds: { type: 'string', default: '100' },
        from: { type: 'string', default: '1' },
        jobs: { type: 'string' },
        twice: { type: 'boolean', default: false },
        progress: { type: 'string' },
        seconds: { type: 'string' },
        mutants: { type: 'boolean', default: false },
        mutant: { type: 'string' },
        trace: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS')) throw error
    throw new UsageError((error as Error).message)
  }
}

function whole (option: string, text: string, from: number, to: number): number {
  const value = Number(text)
  const isWhole = /^[0-9]+$/.test(text) && value >= from && value <= to
  if (!isWhole) throw new UsageError(`--${option} is a whole number from ${from} on, not '${text}'`)
  return value
}

function mutantNamed (name: string): Mutant {
  const mutant = MUTANTS.find(each => each.name === name)
  if (mutant === undefined) throw new UsageError(`there is no mutant '${name}'; those there are: ${MUTANTS.map(each => each.name).join(', ')}`)
  return mutant
}
