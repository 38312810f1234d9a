// Brokers of a cluster on one control store, without logs: who is made leader begins its epochs at once.

import { MemoryMetaStore } from '@sluice/storage/testing'
import type { Test } from 'tap'
import { LmdbControlStore } from '../control/lmdb-control-store.js'
import type { PromisedEpoch } from '../replica/promise-store.js'
import { systemClock } from '../runtime/clock.js'
import { silentLogger } from '../runtime/logger.js'
import { Cluster } from './cluster.js'
import { ClusterAdministration } from './cluster-administration.js'
import { ClusterTopics } from './cluster-topics.js'
import type { BrokerRecord } from './cluster-records.js'

let processes = 0

export class Peer {
  readonly record: BrokerRecord
  readonly cluster: Cluster
  readonly topics: ClusterTopics
  readonly administration: ClusterAdministration
  addresses: ReadonlyMap<number, unknown> = new Map()
  isAlive = true

  private constructor (control: LmdbControlStore, cluster: Cluster, brokerId: number, storeId: string) {
    const incarnation = `process-${++processes}`
    this.record = { brokerId, incarnation, storeId, host: 'localhost', port: 7000 + brokerId, rack: '', capacity: 1, startedAt: 0, version: '1' }
    this.cluster = cluster
    const { metadata, makeNonce } = cluster
    this.topics = new ClusterTopics(
      { control, metadata, makeNonce, defaultPartitions: 1, wallMs: () => Date.now(), logger: silentLogger })
    const { clusterId } = cluster
    this.administration = new ClusterAdministration(
      { clusterId, control, metadata, makeNonce, wallMs: () => Date.now(), logger: silentLogger })
    cluster.placements.subscribe((topicId, partition) => this.begin(topicId, partition))
  }

  static async start (
    control: LmdbControlStore, brokerId: number, storeId = `store-${brokerId}`, promised: readonly PromisedEpoch[] = [],
  ): Promise<Peer> {
    const cluster = await Cluster.open({
      control,
      clock: systemClock,
      logger: silentLogger,
      membershipTiming: { idTakenMs: 50, retryMs: 20 },
      controllerLimits: { graceMs: 50, stuckMs: 1_000, stuckMsMax: 5_000, learnersPerBroker: 4 },
    })
    const peer = new Peer(control, cluster, brokerId, storeId)
    try {
      const { incarnation, host, port, rack } = peer.record
      const self = { member: { brokerId, storeId }, incarnation, address: { host, port }, rack }
      await cluster.start(self, addresses => { peer.addresses = addresses }, promised)
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return peer
  }

  private begin (topicId: string, partition: number): void {
    const record = this.cluster.placements.get(topicId, partition)?.record
    if (!this.isAlive || record === undefined || record.active) return
    if (record.leaderIncarnation !== this.record.incarnation) return
    this.cluster.placements.activate(topicId, partition, record.epoch).catch(() => {})
  }

  /** Ends as by kill -9, once the others have noticed. */
  die (others: readonly Peer[]): void {
    this.isAlive = false
    for (const { cluster } of others) cluster.onPeerLost(this.record.brokerId, this.record.incarnation)
  }
}

export async function startCluster (t: Test, count: number): Promise<{ control: LmdbControlStore, peers: Peer[] }> {
  const control = new LmdbControlStore(new MemoryMetaStore())
  const peers: Peer[] = []
  t.teardown(async () => {
    for (const { cluster } of peers) await cluster.stop()
    await control.close()
  })
  for (let id = 1; id <= count; id++) peers.push(await Peer.start(control, id))
  return { control, peers }
}

/** Waits for something that comes by itself. */
export async function until (holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5))
}

export function leadersOf ({ cluster }: Peer): number[] {
  return [...cluster.placements.all()].filter(({ record }) => record.active).map(({ record }) => record.leader.brokerId)
}
