// A whole cluster on this machine: an etcd and some brokers, each a process of its own, on loopback. For trying things
// out (`sluice cluster start`) and for tests that kill what they like.
//
//   FOLDER/etcd/        the control store
//   FOLDER/broker-<id>/ a broker each; ids from 1
//
// Processes go in the reverse order: brokers first, so that they can say goodbye to the control store.

import { join } from 'node:path'
import { BrokerProcess } from '../crash/broker-process.js'
import { EtcdProcess, freePort } from '../etcd/etcd-process.js'

export interface LocalClusterOptions {
  /** Holds all data; made where it is missing. */
  readonly folder: string
  /** How many brokers. */
  readonly brokers: number
  /** Port of the first broker, the others follow; default: free ones. */
  readonly port?: number
  /** Options of all brokers, by name. */
  readonly options?: Readonly<Record<string, string>>
  /** What the environment of a broker has besides, by its data folder; asked before each start. */
  readonly environmentOf?: (data: string) => Promise<Readonly<Record<string, string>>>
}

export class LocalCluster {
  readonly etcd: EtcdProcess
  /** By id from 1, so that index 0 is broker 1; killed ones stay until they are started again. */
  readonly brokers: BrokerProcess[] = []
  private readonly options: LocalClusterOptions
  private readonly ports: number[] = []

  private constructor (options: LocalClusterOptions, etcd: EtcdProcess) {
    this.options = options
    this.etcd = etcd
  }

  /** Resolves when all brokers serve. @throws Error whose message says what to do; nothing is left running then. */
  static async start (options: LocalClusterOptions): Promise<LocalCluster> {
    const etcd = await EtcdProcess.start({ folder: join(options.folder, 'etcd') })
    const cluster = new LocalCluster(options, etcd)
    try {
      while (cluster.ports.length < options.brokers) await cluster.addPort()
      await allSettled(cluster.ports.map((_, index) => cluster.startBroker(index + 1)))
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** HOST:PORT of all brokers. */
  get addresses (): string[] { return this.ports.map(port => `127.0.0.1:${port}`) }

  /** Starts another broker. @returns its id. */
  async addBroker (): Promise<number> {
    const id = await this.addPort()
    await this.startBroker(id)
    return id
  }

  broker (id: number): BrokerProcess { return this.brokers[id - 1]! }

  /** Data folder of a broker. */
  dataOf (id: number): string { return join(this.options.folder, `broker-${id}`) }

  /** Starts a broker that was killed or stopped, with its data and port. */
  async startBroker (id: number): Promise<void> {
    const { options = {}, environmentOf } = this.options
    const data = this.dataOf(id)
    this.brokers[id - 1] = await BrokerProcess.start({
      data,
      port: this.ports[id - 1]!,
      detached: true,
      options: { id: String(id), control: this.etcd.url, ...options },
      environment: await environmentOf?.(data) ?? {},
    })
  }

  /** Stops everything, in order. */
  async stop (): Promise<void> {
    // Where the start has failed some are missing.
    await Promise.all(this.brokers.filter(broker => broker !== undefined).map(broker => broker.stop()))
    await this.etcd.stop()
  }

  /** Chooses the port of the next broker. @returns its id. */
  private async addPort (): Promise<number> {
    const id = this.ports.length + 1
    const { port: first } = this.options
    let port = first === undefined ? await freePort() : first + id - 1
    while (this.ports.includes(port)) port = await freePort()
    this.ports.push(port)
    return id
  }
}

/** As Promise.all, and none is under way any more when it rejects. */
async function allSettled (all: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(all)) if (outcome.status === 'rejected') throw outcome.reason
}
