// Brokers with all that makes them a cluster, in one process, on one control store in memory.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryMetaStore } from '@sluice/storage/testing'
import type { Test } from 'tap'
import { Broker } from './broker.js'
import { parseConfig, type OptionTexts } from './config.js'
import { LmdbControlStore } from './control/lmdb-control-store.js'
import { silentLogger } from './runtime/logger.js'
import { TestClient } from './test-client.js'

/** See the head of this file. */
export class TestCluster {
  readonly brokers: (Broker | null)[] = []
  readonly control = new LmdbControlStore(new MemoryMetaStore())
  private readonly folder: string
  private readonly options: OptionTexts
  private readonly clients: TestClient[] = []

  private constructor (folder: string, options: OptionTexts) {
    this.folder = folder
    this.options = options
  }

  static async start (t: Test, count: number, options: OptionTexts = {}): Promise<TestCluster> {
    const cluster = new TestCluster(await mkdtemp(join(tmpdir(), 'sluice-brokers-')), options)
    t.teardown(() => cluster.stop())
    for (let id = 1; id <= count; id++) await cluster.startBroker(id)
    return cluster
  }

  async startBroker (id: number): Promise<void> {
    const flags = { ...this.options, data: join(this.folder, String(id)), listen: '127.0.0.1:0', id: String(id) }
    this.brokers[id - 1] = await Broker.start(parseConfig({ flags }), { logger: silentLogger, control: this.control })
  }

  async stopBroker (id: number): Promise<void> {
    const broker = this.broker(id)
    this.brokers[id - 1] = null
    await broker.stop()
  }

  broker (id: number): Broker { return this.brokers[id - 1]! }

  async client (id: number): Promise<TestClient> {
    const client = await TestClient.connect(this.broker(id).address.port)
    this.clients.push(client)
    return client
  }

  /** Id of the broker that leads the partition and is open, once there is one. */
  async leader (topicId: string, isMeant: (id: number) => boolean = () => true, partition = 0): Promise<number> {
    for (;;) {
      const index = this.brokers.findIndex((broker, index) =>
        broker?.services.partitions.find(topicId, partition) !== undefined && isMeant(index + 1))
      if (index >= 0) return index + 1
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }

  /** Its leader gives a partition up, as when its disk fails; resolves when another one has taken over. */
  async depose (topicId: string, partition: number): Promise<void> {
    const id = await this.leader(topicId, () => true, partition)
    this.broker(id).services.replicas!.find(topicId, partition)!.replica.stepDown()
    await this.leader(topicId, () => true, partition)
  }

  private async stop (): Promise<void> {
    for (const client of this.clients) client.socket.destroy()
    for (const broker of this.brokers) await broker?.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}
