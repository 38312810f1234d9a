// A cluster on this machine whose brokers are on machines of their own as far as power goes: one, some or all of them
// can lose it.

import { LocalCluster, type LocalClusterOptions } from '../../cluster/local-cluster.js'
import type { SeededRandom } from '../seeded-random.js'
import { PowerLossDisk, type PowerLossReport } from './power-loss-disk.js'

export class PowerLossCluster implements AsyncDisposable {
  readonly cluster: LocalCluster
  private readonly disks: ReadonlyMap<string, PowerLossDisk>

  private constructor (cluster: LocalCluster, disks: ReadonlyMap<string, PowerLossDisk>) {
    this.cluster = cluster
    this.disks = disks
  }

  /** Resolves when all brokers serve. @throws as LocalCluster.start, and Error without a C compiler. */
  static async start (options: LocalClusterOptions): Promise<PowerLossCluster> {
    const disks = new Map<string, PowerLossDisk>()
    const environmentOf = async (data: string): Promise<Readonly<Record<string, string>>> => {
      if (!disks.has(data)) disks.set(data, await PowerLossDisk.open(data))
      return disks.get(data)!.environment
    }
    return new PowerLossCluster(await LocalCluster.start({ ...options, environmentOf }), disks)
  }

  /** Takes the power from the machines of these brokers, all at once. They stay down. */
  async powerLoss (ids: readonly number[], random: SeededRandom): Promise<PowerLossReport[]> {
    await Promise.all(ids.map(id => this.cluster.broker(id).kill()))
    const reports: PowerLossReport[] = []
    for (const id of ids) reports.push(await this.disks.get(this.cluster.dataOf(id))!.powerLoss(random))
    return reports
  }

  /** Starts brokers that are down, at the same time. @throws BrokerStartError */
  async start (ids: readonly number[]): Promise<void> {
    await Promise.all(ids.map(id => this.cluster.startBroker(id)))
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await Promise.all(this.cluster.brokers.map(broker => broker.kill()))
    await this.cluster.stop()
  }
}
