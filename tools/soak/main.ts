// `npm run soak`: long runs that hold a real broker to what is promised about memory.
//
//   npm run soak -- queue-memory                          10 million records, 1 million in flight, 10 million delayed
//   npm run soak -- queue-memory --only delayed --delayed 1000000
//
// Exit code 0: within the bounds. 1: some are missed, or something failed. 2: wrong arguments.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { formatFigure, isWithin } from './figure-sheet.js'
import { SCENARIO_NAMES, soakQueueMemory, type QueueMemoryOptions, type ScenarioName } from './queue-memory/run.js'

const COUNTS = { records: 10_000_000, 'in-flight': 1_000_000, delayed: 10_000_000 } as const
/** Fewer would make the scenarios meaningless. */
const RECORDS_MIN = 10_000

// Brokers end with this process, and its folder goes with it, also where it is told to end.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
process.exit(await main())

async function main (): Promise<number> {
  const given = parseArguments()
  if (typeof given === 'string') {
    process.stderr.write(`soak: ${given}\n`)
    return 2
  }
  const folder = mkdtempSync(join(given.folder, 'sluice-soak-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  try {
    const say: QueueMemoryOptions['say'] = figure => process.stdout.write(`${formatFigure(figure)}\n`)
    const figures = await soakQueueMemory({ ...given, folder, say })
    const missed = figures.filter(figure => !isWithin(figure))
    for (const figure of missed) process.stderr.write(`soak: ${formatFigure(figure)}\n`)
    return missed.length === 0 ? 0 : 1
  } catch (error) {
    process.stderr.write(`soak: ${(error as Error).stack}\n`)
    return 1
  }
}

/** The options, or what is wrong with them. */
function parseArguments (): Omit<QueueMemoryOptions, 'say'> | string {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        records: { type: 'string', default: String(COUNTS.records) },
        'in-flight': { type: 'string', default: String(COUNTS['in-flight']) },
        delayed: { type: 'string', default: String(COUNTS.delayed) },
        only: { type: 'string', multiple: true, default: [...SCENARIO_NAMES] },
        folder: { type: 'string', default: tmpdir() },
      },
    })
    if (positionals.length !== 1 || positionals[0] !== 'queue-memory') {
      return `say what to soak: npm run soak -- queue-memory [--only ${SCENARIO_NAMES.join('|')}]`
    }
    const unknown = values.only.find(name => !SCENARIO_NAMES.includes(name as ScenarioName))
    if (unknown !== undefined) return `--only ${unknown} is not known; use one of ${SCENARIO_NAMES.join(', ')}`
    const count = (name: keyof typeof COUNTS): number => {
      const value = Number(values[name])
      const max = name === 'in-flight' ? COUNTS['in-flight'] : Number.MAX_SAFE_INTEGER
      if (Number.isSafeInteger(value) && value >= RECORDS_MIN && value <= max) return value
      throw new Error(`--${name} is ${values[name]}; it must be a whole number from ${RECORDS_MIN} on` +
        (name === 'in-flight' ? ` to ${max}` : ''))
    }
    return {
      folder: values.folder,
      scenarios: values.only as ScenarioName[],
      records: count('records'),
      inFlight: count('in-flight'),
      delayed: count('delayed'),
      checkpointMs: 2_000,
    }
  } catch (error) {
    return (error as Error).message
  }
}
