// A process that consumes queues until it is told to stop (SIGTERM), or killed.

import { connect } from '@sluice/client'
import { SeededRandom } from '../seeded-random.js'
import { consume, type ConsumerTask } from './consumer-tasks.js'
import { Journal } from './journal.js'

/** The one argument, as JSON. */
export interface WorkerSetup {
  readonly name: string
  readonly address: string
  readonly journal: string
  readonly seed: number
  readonly tasks: readonly ConsumerTask[]
}

const setup = JSON.parse(process.argv[2]!) as WorkerSetup
const journal = new Journal(setup.journal, setup.name)
const random = new SeededRandom(setup.seed)
const retry = { initialDelayMs: 20, maxDelayMs: 200 }
const client = connect({ brokers: [setup.address], clientId: setup.name, retry })
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort(new Error('told to stop')))
await Promise.all(setup.tasks.map(task => consume(client, task, journal, random.split(), stop.signal)))
await client.close({ drainTimeoutMs: 5_000 })
process.exit(0)
