// An etcd of one, three or five members on loopback.

import { join } from 'node:path'
import { EtcdProcess, freePort, type EtcdProcessOptions } from './etcd-process.js'

export interface EtcdClusterOptions extends Pick<EtcdProcessOptions, 'flags'> {
  /** Folder for the data of all members. */
  readonly folder: string
  /** Default 1. */
  readonly members?: number
}

export class EtcdCluster implements AsyncDisposable {
  readonly members: readonly EtcdProcess[]

  private constructor (members: readonly EtcdProcess[]) {
    this.members = members
  }

  /** Starts it; resolves when every member serves clients. @throws Error as EtcdProcess.start does. */
  static async start ({ folder, members: count = 1, flags = {} }: EtcdClusterOptions): Promise<EtcdCluster> {
    const ports = new Set<number>()
    while (ports.size < 2 * count) ports.add(await freePort())
    const [...free] = ports
    const names = Array.from({ length: count }, (_, index) => `etcd${index + 1}`)
    const members = Object.fromEntries(names.map((name, index) => [name, free[index]!]))
    const started = await Promise.allSettled(names.map((name, index) => EtcdProcess.start({
      folder: join(folder, name), name, peerPort: free[index]!, clientPort: free[count + index]!, members, flags,
    })))
    const cluster = new EtcdCluster(started.flatMap(each => each.status === 'fulfilled' ? [each.value] : []))
    const failure = started.find(each => each.status === 'rejected')
    if (failure === undefined) return cluster
    await cluster.stop()
    throw failure.reason
  }

  /** All members, as options of the broker have them. */
  get url (): string { return `etcd://${this.members.map(({ address }) => address).join(',')}` }

  async stop (): Promise<void> {
    await Promise.all(this.members.map(member => member.stop()))
  }

  async [Symbol.asyncDispose] (): Promise<void> { await this.stop() }
}
