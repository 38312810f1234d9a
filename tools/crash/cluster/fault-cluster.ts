// A cluster of real processes with a network that can be broken, link by link.
//
//   FOLDER/etcd/…          members of an etcd
//   FOLDER/broker-<id>/    a broker each: data, and what every process of it wrote to standard error
//
// Brokers find each other by the addresses of proxies, and etcd by proxies of their own. Links between brokers are
// directed: what 1 says to 2 may get lost while all that 2 says to 1 arrives.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { EtcdCluster } from '../../etcd/etcd-cluster.js'
import { freePort } from '../../etcd/etcd-process.js'
import { PowerLossDisk } from '../power-loss/power-loss-disk.js'
import type { SeededRandom } from '../seeded-random.js'
import type { SmallDisk } from '../small-disk.js'
import { BrokerNode } from './broker-node.js'
import { LinkProxy } from './link-proxy.js'
import type { LinkRule } from './link-rule.js'
import { socketOwner } from './socket-owner.js'

export interface FaultClusterOptions {
  readonly folder: string
  readonly brokers: number
  readonly etcdMembers: number
  readonly random: SeededRandom
  /** A disk for the last of the brokers, so that it can be filled; null: all are on the disk of the folder. */
  readonly disk: SmallDisk | null
  /** Brokers run on disks that lose power on command. */
  readonly withPowerLoss: boolean
}

/** The one source of proxies that serve one broker alone. */
export const ANYBODY = 0

const BROKER_OPTIONS = {
  'checkpoint-interval': '500ms',
  'retention-interval': '500ms',
  'log-level': 'info',
  'topic-defaults': `segment.bytes=${4 * 1024 * 1024}`,
} as const
/** What a heartbeat of etcd may take where many processes share a few processors. */
const ETCD_FLAGS = { 'heartbeat-interval': '200', 'election-timeout': '2000' } as const

export class FaultCluster implements AsyncDisposable {
  readonly etcd: EtcdCluster
  /** Those that belong to it now, running or not, by id. */
  nodes: BrokerNode[] = []
  private readonly options: FaultClusterOptions
  private lastId = 0

  private constructor (options: FaultClusterOptions, etcd: EtcdCluster) {
    this.options = options
    this.etcd = etcd
  }

  /** Resolves when all brokers serve. @throws as EtcdCluster.start does, or BrokerStartError; nothing is left then. */
  static async start (options: FaultClusterOptions): Promise<FaultCluster> {
    const { folder, etcdMembers: members, brokers, disk } = options
    const etcd = await EtcdCluster.start({ folder: join(folder, 'etcd'), members, flags: ETCD_FLAGS })
    const cluster = new FaultCluster(options, etcd)
    try {
      for (let count = 1; count <= brokers; count++) {
        await (await cluster.makeNode(count === brokers ? disk : null)).start()
      }
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Where clients find the brokers. */
  get addresses (): string[] { return this.nodes.map(({ clientProxy }) => clientProxy.address) }

  get diskNode (): BrokerNode | null {
    const path = this.options.disk?.path
    return path === undefined ? null : this.nodes.find(({ data }) => data.startsWith(path)) ?? null
  }

  node (id: number): BrokerNode | undefined { return this.nodes.find(node => node.id === id) }

  /** Starts another broker. @throws BrokerStartError */
  async addNode (): Promise<BrokerNode> {
    const node = await this.makeNode(null)
    await node.start()
    return node
  }

  /** Takes a broker out of the cluster that has nothing left. */
  async removeNode (node: BrokerNode): Promise<void> {
    this.nodes = this.nodes.filter(each => each !== node)
    await node[Symbol.asyncDispose]()
  }

  /** What `from` says to `to` follows this rule from now on, on all connections between them. */
  setLink (from: BrokerNode, to: BrokerNode, kind: 'hold' | 'refuse' | 'slow', slow: Partial<LinkRule> = {}): void {
    if (kind === 'slow') {
      to.peerProxy.setRule(from.id, { there: 'pass', back: 'pass', ...slow })
    } else {
      to.peerProxy.setRule(from.id, { there: kind, back: 'pass' })
      // Answers to what the other one asks are said by this one as well.
      if (kind === 'hold') from.peerProxy.setRule(to.id, { there: 'pass', back: 'hold' })
    }
  }

  /** Neither of two brokers hears the other. */
  cutPair (one: BrokerNode, other: BrokerNode, kind: 'hold' | 'refuse'): void {
    for (const [from, to] of [[one, other], [other, one]] as const) {
      to.peerProxy.setRule(from.id, { there: kind, back: 'hold' })
    }
  }

  healPair (one: BrokerNode, other: BrokerNode, isReset: boolean): void {
    one.peerProxy.heal(other.id, isReset)
    other.peerProxy.heal(one.id, isReset)
  }

  /** Takes every rule away, and lets everything run again that was stopped or killed. @throws BrokerStartError */
  async healAll (): Promise<void> {
    for (const node of this.nodes) {
      for (const proxy of [node.clientProxy, ...node.controlProxies]) proxy.heal(ANYBODY, true)
      for (const other of this.nodes) node.peerProxy.heal(other.id, true)
      node.thaw()
    }
    for (const node of this.nodes) if (!node.isUp) await node.start()
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await Promise.all(this.nodes.map(node => node[Symbol.asyncDispose]()))
    for (const member of this.etcd.members) member.resume()
    await this.etcd.stop()
  }

  private async makeNode (disk: SmallDisk | null): Promise<BrokerNode> {
    const { random, folder, withPowerLoss } = this.options
    const id = ++this.lastId
    const port = await freePort()
    const own = join(folder, `broker-${id}`)
    await mkdir(own, { recursive: true })
    const peerProxy: LinkProxy = await LinkProxy.start(port, random.split(), client =>
      this.brokerBehind(client.remotePort!, peerProxy.port))
    const controlProxies: LinkProxy[] = []
    for (const { clientPort } of this.etcd.members) {
      controlProxies.push(await LinkProxy.start(clientPort, random.split()))
    }
    const data = join(disk?.path ?? own, 'data')
    const node = new BrokerNode({
      id,
      port,
      folder: own,
      data,
      powerDisk: withPowerLoss ? await PowerLossDisk.open(data) : null,
      clientProxy: await LinkProxy.start(port, random.split()),
      peerProxy,
      controlProxies,
      options: BROKER_OPTIONS,
    })
    this.nodes.push(node)
    return node
  }

  /** Which broker has opened a connection. */
  private async brokerBehind (localPort: number, remotePort: number): Promise<number | null> {
    const running = this.nodes.filter(({ pid }) => pid > 0)
    const pid = await socketOwner(localPort, remotePort, running.map(node => node.pid))
    return running.find(node => node.pid === pid)?.id ?? null
  }
}
