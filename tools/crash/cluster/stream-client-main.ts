// A process with clients of streams, and senders of queues. It ends when it is told to (SIGTERM): with everything
// answered, committed and left in order.

import { connect } from '@sluice/client'
import { Journal } from '../queue/journal.js'
import { SenderLoad, type SenderSetup } from '../queue/sender-load.js'
import { SeededRandom } from '../seeded-random.js'
import { GroupReader, type GroupTask } from './group-reader.js'
import { ReplicaReader, type ReplicaTask } from './replica-reader.js'
import type { StreamStep } from './stream-journal.js'
import { StreamProducer, type ProducerTask } from './stream-producer.js'

/** The one argument, as JSON. */
export interface StreamClientSetup {
  readonly name: string
  readonly journal: string
  /** Journal of the senders. */
  readonly queueJournal: string
  readonly seed: number
  readonly brokers: readonly string[]
  readonly producers?: readonly ProducerTask[]
  readonly groups?: readonly GroupTask[]
  readonly replicas?: readonly ReplicaTask[]
  readonly senders?: readonly SenderSetup[]
}

const { name, journal: path, queueJournal, seed, brokers, producers = [], groups = [], replicas = [], senders = [] } =
  JSON.parse(process.argv[2]!) as StreamClientSetup
const journal = new Journal<StreamStep>(path, name)
const random = new SeededRandom(seed)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort(new Error('told to stop')))
const retry = { initialDelayMs: 20, maxDelayMs: 500 }
const patience = { retry, requestTimeoutMs: 120_000, metadataMaxAgeMs: 10_000 }
await using client = connect({ brokers: [...brokers], clientId: name, ...patience })
await Promise.all([
  ...producers.map(task => new StreamProducer(client, task, journal, random.split()).run(stop.signal)),
  ...groups.map((task, index) => new GroupReader(client, task, journal, random.split(), `${name}-${index}`).run(stop.signal)),
  ...replicas.map((task, index) => new ReplicaReader(task, journal, `${name}-${index}`).run(stop.signal)),
  ...senders.map(setup => send(setup)),
])
await client.close()
process.exit(0)

async function send (setup: SenderSetup): Promise<void> {
  const own = new Journal(queueJournal, name)
  const load = new SenderLoad(client, own, random.split(), setup)
  await new Promise<void>(resolve => stop.signal.addEventListener('abort', () => resolve(), { once: true }))
  await load.stop()
  if (load.failure !== null) throw load.failure
}
