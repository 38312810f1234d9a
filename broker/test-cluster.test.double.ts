// Brokers with all that makes them a cluster, in one process, on one control store in memory.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorRow } from '@sluice/protocol'
import { MemoryMetaStore } from '@sluice/storage/testing'
import type { Test } from 'tap'
import { Broker } from './broker.js'
import { until } from './cluster-world.test.double.js'
import { parseConfig, type OptionTexts } from './config.js'
import { LmdbControlStore } from './control/lmdb-control-store.js'
import { FaultyDisk } from './faulty-disk.test.double.js'
import { systemClock, type Clock } from './runtime/clock.js'
import { silentLogger } from './runtime/logger.js'
import { TestClient } from './test-client.js'

/** See the head of this file. */
export class TestCluster {
  readonly brokers: (Broker | null)[] = []
  readonly disks: FaultyDisk[] = []
  readonly control = new LmdbControlStore(new MemoryMetaStore())
  /** How wrong the wall clocks of brokers are, by id, in milliseconds. */
  readonly clockErrorMs: number[] = []
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
    const disk = this.disks[id - 1] ??= new FaultyDisk()
    const clock: Clock = { ...systemClock, wallMs: () => systemClock.wallMs() + (this.clockErrorMs[id] ?? 0) }
    const parts = { logger: silentLogger, control: this.control, disk, clock }
    this.brokers[id - 1] = await Broker.start(parseConfig({ flags }), parts)
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

  disk (id: number): FaultyDisk { return this.disks[id - 1]! }

  /**
   * Produces one record as a client does that is told to retry; fails where it is told anything else.
   *
   * @returns id of the broker that took it.
   */
  async produce (topicId: string, sequence: number): Promise<number> {
    const producer = { producerId: 7, producerEpoch: 0, baseSequence: sequence }
    for (;;) {
      const id = await this.leader(topicId)
      using client = await TestClient.connect(this.broker(id).address.port)
      const { error, message } = await client.produce(topicId, 0, [`v${sequence}`], { producer, timeoutMs: 500 })
      if (error === 0) return id
      if (!errorRow(error).retriable) throw new Error(`${error} ${message}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  /** Waits until all replicas of partition 0 hold the same. */
  async settled (topicId: string): Promise<void> {
    const endsOf = (): string[] => this.brokers.map(broker => broker!.services.replicas!.find(topicId, 0)!.replica.logs
      .map(({ nextOffset, highWatermark, log }) => `${nextOffset} ${highWatermark} ${log.durableOffset} ${log.lastCrc}`)
      .join())
    await until(() => new Set(endsOf()).size === 1)
  }

  private async stop (): Promise<void> {
    for (const disk of this.disks) disk.mend()
    for (const client of this.clients) client.socket.destroy()
    for (const broker of this.brokers) await broker?.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}
