// Which client works on which peer.

import { setTimeout as delay } from 'node:timers/promises'
import { peerOf, type PeerTarget } from '../peer-table.js'
import { BeanstalkdClient } from './beanstalkd-client.js'
import { BullmqClient } from './bullmq-client.js'
import { JetstreamClient } from './jetstream-client.js'
import type { PeerClient } from './peer-client.js'
import { RabbitmqQuorumClient } from './rabbitmq-quorum-client.js'
import { RabbitmqStreamClient } from './rabbitmq-stream-client.js'
import { RedisStreamClient } from './redis-stream-client.js'

const CLOSE_TIMEOUT_MS = 1_000

/** Closes a client, or leaves it to the end of the process: some wait for answers that never come. */
export async function closeSoon (client: PeerClient): Promise<void> {
  await Promise.race([client.close().catch(() => {}), delay(CLOSE_TIMEOUT_MS)])
}

/** Connects and makes the stream or queue. */
export function openPeerClient (target: PeerTarget): Promise<PeerClient> {
  const { client } = peerOf(target.peer)
  switch (client) {
    case 'jetstream': return JetstreamClient.open(target)
    case 'redis-stream': return RedisStreamClient.open(target)
    case 'rabbitmq-stream': return RabbitmqStreamClient.open(target, false)
    case 'rabbitmq-sub-batches': return RabbitmqStreamClient.open(target, true)
    case 'rabbitmq-quorum': return RabbitmqQuorumClient.open(target)
    case 'bullmq': return BullmqClient.open(target)
    case 'beanstalkd': return BeanstalkdClient.open(target)
  }
}
