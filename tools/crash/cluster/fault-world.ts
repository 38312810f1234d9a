// What faults strike, and what they need to know of it.

import type { Client } from '@sluice/client'
import type { SeededRandom } from '../seeded-random.js'
import type { BrokerNode } from './broker-node.js'
import type { FaultCluster } from './fault-cluster.js'

const QUESTION_MS = 2_000
const MOVES_MS_MAX = 120_000
const LOOK_MS = 250

export class FaultWorld {
  readonly cluster: FaultCluster
  readonly client: Client
  readonly random: SeededRandom
  /** What must not happen is told here. */
  readonly report: (violation: string) => void
  /** Members of etcd are down. */
  isControlStruck = false
  /** The topic whose leaders are the target. */
  private readonly topic: string

  constructor (
    cluster: FaultCluster, client: Client, random: SeededRandom, topic: string, report: (violation: string) => void,
  ) {
    this.cluster = cluster
    this.client = client
    this.random = random
    this.topic = topic
    this.report = report
  }

  /** Brokers that no fault is at work on. */
  get free (): BrokerNode[] { return this.cluster.nodes.filter(({ isTaken, isUp }) => isUp && !isTaken) }

  /** A free broker; null where there is none. */
  anyNode (): BrokerNode | null {
    const { free } = this
    return free.length === 0 ? null : this.random.pick(free)
  }

  /** The free broker that leads a partition of the topic, as far as anybody knows; else any. */
  async leaderNode (): Promise<BrokerNode | null> {
    const leaders = await this.leaders()
    const leading = this.free.filter(({ id }) => leaders.includes(id))
    return leading.length === 0 ? this.anyNode() : this.random.pick(leading)
  }

  /** A free broker that leads nothing of the topic; else any. */
  async followerNode (): Promise<BrokerNode | null> {
    const leaders = await this.leaders()
    const following = this.free.filter(({ id }) => !leaders.includes(id))
    return following.length === 0 ? this.anyNode() : this.random.pick(following)
  }

  /** Keeps other faults away from brokers while `work` is done. */
  async holding<T> (nodes: readonly BrokerNode[], work: () => Promise<T>): Promise<T> {
    for (const node of nodes) node.isTaken = true
    try {
      return await work()
    } finally {
      for (const node of nodes) node.isTaken = false
    }
  }

  /** For how long a fault lasts, in milliseconds: mostly short, at times until everybody has given up. */
  lastMs (): number {
    const { random } = this
    const drawn = random.next()
    if (drawn < 0.4) return random.between(100, 1_500)
    if (drawn < 0.8) return random.between(1_500, 5_000)
    return random.between(5_000, 10_000)
  }

  /** Resolves when no replica is on its way any more; reports where that takes for ever. */
  async moved (what: string): Promise<void> {
    const deadlineMs = performance.now() + MOVES_MS_MAX
    for (;;) {
      const status = await this.client.admin.clusterStatus({ timeoutMs: QUESTION_MS }).catch(() => null)
      if (status?.moves.length === 0) return
      if (performance.now() > deadlineMs) {
        return this.report(`liveness: ${what} did not end within ${MOVES_MS_MAX} ms: ${JSON.stringify(status?.moves ?? null)}`)
      }
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    }
  }

  /** Leaders of the topic's partitions; none where nobody answers. */
  private async leaders (): Promise<number[]> {
    const description = await this.client.admin.describeTopic(this.topic, { timeoutMs: QUESTION_MS }).catch(() => null)
    return description?.partitions.map(({ leader }) => leader) ?? []
  }
}
