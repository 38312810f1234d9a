// `npm run soak -- queue-memory`: the bounds on the memory of queues, through a real broker and a real client.

import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FigureSheet, type Figure } from '../figure-sheet.js'
import { SoakedBroker } from '../soaked-broker.js'
import { backlog, blockedBacklog } from './backlog.js'
import { delayed } from './delayed.js'
import { inFlight } from './in-flight.js'
import type { Scenario } from './scenario.js'
import { SoakedQueue } from './soaked-queue.js'

export interface QueueMemoryOptions {
  /** Where the brokers keep their data; each folder is removed. */
  readonly folder: string
  readonly scenarios: readonly ScenarioName[]
  readonly records: number
  readonly inFlight: number
  readonly delayed: number
  /** How often brokers write down what they know. */
  readonly checkpointMs: number
  say (figure: Figure): void
}

const KEYS = 100_000
/** Few enough that all of them are leased at once. */
const BUSY_KEYS = 1_000

/** How many records, and what is done with them. */
const SCENARIOS = {
  backlog: { count: 'records', run: (scenario: Scenario) => backlog(scenario, 0) },
  keyed: { count: 'records', run: (scenario: Scenario) => backlog(scenario, KEYS) },
  blocked: { count: 'records', run: (scenario: Scenario) => blockedBacklog(scenario, BUSY_KEYS) },
  'in-flight': { count: 'inFlight', run: inFlight },
  delayed: { count: 'delayed', run: delayed },
} as const satisfies Record<string, {
  count: 'records' | 'inFlight' | 'delayed', run: (scenario: Scenario) => Promise<void>
}>

export type ScenarioName = keyof typeof SCENARIOS
export const SCENARIO_NAMES = Object.keys(SCENARIOS) as ScenarioName[]

/** Runs scenarios one after the other, each with a broker of its own. */
export async function soakQueueMemory (options: QueueMemoryOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const name of options.scenarios) {
    const data = await mkdtemp(join(options.folder, 'queue-memory-'))
    const { count, run } = SCENARIOS[name]
    const records = options[count]
    const sheet = new FigureSheet(name, options.say)
    const broker = await SoakedBroker.start(data, options.checkpointMs)
    try {
      sheet.note('records', records, 'records')
      await run({ broker, queue: new SoakedQueue(broker, 'soak'), sheet, records })
    } catch (error) {
      (error as Error).message += `\nthe broker's log ends:\n${broker.stderr.slice(-2_000)}`
      throw error
    } finally {
      await broker.close()
      await rm(data, { recursive: true, force: true })
    }
    figures.push(...sheet.figures)
  }
  return figures
}
