// The topic that a load of Sluice works on: made for it in a broker of its own.

import { connect, type Client } from '@sluice/client'
import type { QueueWorkload } from '../queue-workload.js'
import type { FlushChoice } from '../workload.js'

/** Name of the topic. */
export const TOPIC = 'bench'

/** Connects and makes the topic. */
export async function makeTopic (address: string, partitions: number, flush: FlushChoice): Promise<Client> {
  const client = connect({ brokers: [address], clientId: 'sluice-bench' })
  await client.admin.createTopic(TOPIC, { partitions, config: { flush } })
  return client
}

/** Connects and makes the queue. */
export async function makeQueue (address: string, workload: QueueWorkload): Promise<Client> {
  const { partitions, order, visibilityMs } = workload
  const client = connect({ brokers: [address], clientId: 'sluice-bench' })
  await client.admin.createQueue(TOPIC, { partitions, order, visibilityMs })
  return client
}
