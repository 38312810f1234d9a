// A process that consumes queues until it is told to stop (SIGTERM), or killed.

import { connect } from '@sluice/client'
import { SeededRandom } from '../seeded-random.js'
import { consume, type ConsumerTask } from './consumer-tasks.js'
import { Journal } from './journal.js'
import { WireWorker, type WireTask } from './wire-worker.js'

/** The one argument, as JSON. */
export interface WorkerSetup {
  readonly name: string
  readonly journal: string
  readonly seed: number
  /** Factor on the time that its handlers take. */
  readonly slowness: number
  /** Through the client of this repository. */
  readonly client: { readonly brokers: readonly string[], readonly tasks: readonly ConsumerTask[] } | null
  /** By the protocol alone. */
  readonly wire: WireTask | null
}

const { name, journal: path, seed, slowness, client, wire } = JSON.parse(process.argv[2]!) as WorkerSetup
const journal = new Journal(path, name)
const random = new SeededRandom(seed)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort(new Error('told to stop')))
if (wire !== null) await new WireWorker(wire, journal, { random: random.split(), slowness }).run(stop.signal)
if (client !== null) {
  const retry = { initialDelayMs: 20, maxDelayMs: 200 }
  await using connected = connect({ brokers: [...client.brokers], clientId: name, retry, drainTimeoutMs: 5_000 })
  await Promise.all(client.tasks.map(task =>
    consume(connected, task, journal, { random: random.split(), slowness }, stop.signal)))
}
process.exit(0)
