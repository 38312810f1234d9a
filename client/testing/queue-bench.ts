// A real broker with one queue and a client, for tests.

import type { CreateQueueOptions } from '../admin.js'
import { connect, type Client } from '../client.js'
import type { ClientOptions, Logger } from '../client-options.js'
import type { Queue } from '../queue/queue.js'
import { string } from '../serdes.js'
import { startRealBroker, type RealBroker } from './real-broker.js'
import { TcpProxy } from './tcp-proxy.js'

/** See the head of this file. */
export interface QueueBench extends AsyncDisposable {
  readonly broker: RealBroker
  /** Between `client` and the broker. */
  readonly proxy: TcpProxy
  readonly client: Client
  readonly queue: Queue<string, string>
  /** What the client has warned of. */
  readonly warnings: string[]
  /** Another client, straight at the broker. */
  other (): Client
}

/** @param settings of the queue `q`; one partition where none are said. Back-off is short unless it is set. */
export async function startQueueBench (
  settings: CreateQueueOptions = {}, options: Partial<ClientOptions> = {},
): Promise<QueueBench> {
  const broker = await startRealBroker()
  const proxy = await TcpProxy.start(broker.address)
  const warnings: string[] = []
  const clients: Client[] = []
  const open = (address: string): Client => {
    const client = connect({
      brokers: [address], retry: { initialDelayMs: 1, maxDelayMs: 20 }, logger: loggerTo(warnings), ...options,
    })
    clients.push(client)
    return client
  }
  const client = open(proxy.address)
  await client.admin.createQueue('q', { partitions: 1, backoffMinMs: 1, backoffMaxMs: 5, ...settings })
  return {
    broker,
    proxy,
    client,
    queue: client.queue('q', { key: string(), value: string() }),
    warnings,
    other: () => open(broker.address),
    async [Symbol.asyncDispose] () {
      for (const one of clients) await one.close({ drainTimeoutMs: 0 }).catch(() => {})
      await proxy[Symbol.asyncDispose]()
      await broker[Symbol.asyncDispose]()
    },
  }
}

function loggerTo (warnings: string[]): Logger {
  const add = (_fields: object, message: string): void => { warnings.push(message) }
  return { debug: () => {}, info: () => {}, warn: add, error: add }
}
