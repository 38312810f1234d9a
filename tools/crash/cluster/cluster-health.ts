// Whether a cluster is whole: every partition has a leader, and every replica all that is committed.

import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError, type Client } from '@sluice/client'
import { ERROR, errorName } from '@sluice/protocol'
import { WirePeer } from '../wire-peer.js'
import type { FaultCluster } from './fault-cluster.js'

const WHOLE_MS_MAX = 60_000
const LOOK_MS = 200
const QUESTION_MS = 5_000

export interface PlacedPartition {
  readonly topic: string
  readonly topicId: string
  readonly kind: 'stream' | 'queue'
  readonly partition: number
  /** Offset behind the last committed record. */
  readonly end: number
  /** Brokers that hold it. */
  readonly replicas: readonly number[]
}

export class ClusterHealth {
  private readonly cluster: FaultCluster
  private readonly client: Client

  constructor (cluster: FaultCluster, client: Client) {
    this.cluster = cluster
    this.client = client
  }

  /** All partitions. @throws BrokerError */
  async partitions (): Promise<PlacedPartition[]> {
    const topics = await this.client.admin.describeTopics()
    return topics.flatMap(({ name: topic, topicId, kind, partitions }) => {
      const place = { topic, topicId, kind }
      return partitions.map(({ partition, highWatermark: end, replicas }) => ({ ...place, partition, end, replicas }))
    })
  }

  /** Resolves when every partition is led and takes records. @throws Error where that takes for ever. */
  async ready (): Promise<void> {
    const fault = await this.waited(() => this.unready())
    if (fault !== null) throw new Error(fault)
  }

  /** Resolves when all replicas have everything; with what is missing where that takes for ever. */
  async whole (): Promise<string | null> {
    return await this.waited(async () => await this.unready() ?? await this.lagging())
  }

  private async waited (look: () => Promise<string | null>): Promise<string | null> {
    const deadlineMs = performance.now() + WHOLE_MS_MAX
    for (;;) {
      const fault = await look().catch((error: Error) => {
        if (!BrokerError.is(error)) throw error
        return error.message
      })
      if (fault === null) return null
      if (performance.now() > deadlineMs) return `not whole after ${WHOLE_MS_MAX} ms: ${fault}`
      await delay(LOOK_MS)
    }
  }

  private async unready (): Promise<string | null> {
    const topics = await this.client.admin.describeTopics(undefined, { timeoutMs: QUESTION_MS })
    for (const { name, partitions } of topics) {
      for (const { partition, leader, state, stateReason } of partitions) {
        if (leader < 0 || state !== 'online') return `${name}/${partition}, leader ${leader}, is ${state}: ${stateReason}`
      }
    }
    return null
  }

  /** What a replica does not have, asked of it alone. */
  private async lagging (): Promise<string | null> {
    const all = await this.partitions()
    for (const { id, port } of this.cluster.nodes) {
      const held = all.filter(({ replicas, end }) => replicas.includes(id) && end > 0)
      if (held.length === 0) continue
      await using peer = await WirePeer.connect(port)
      const partitions = held.map(({ topicId, partition, end: offset }) =>
        ({ topicId, partition, offset, lastEpoch: -1, maxBytes: 1 }))
      const { message } = await peer.request('fetch', { maxWaitMs: 0, minBytes: 0, maxBytes: 1, partitions },
        { unordered: true, forwarded: true })
      for (const [index, { error, highWatermark }] of message.partitions.entries()) {
        const { topic, partition, end } = held[index]!
        if (error === ERROR.NONE && highWatermark >= end) continue
        return `${topic}/${partition} on broker ${id} is at ${highWatermark} of ${end} (${errorName(error)})`
      }
    }
    return null
  }
}
