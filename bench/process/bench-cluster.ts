// A cluster on this machine, as a server of a benchmark: an etcd and some brokers, each a process of its own, with its
// files in a folder of the run.
//
//   FOLDER/etcd/       the control store        FOLDER/broker-<id>/   a broker each, ids from 1
//
// Brokers keep their port when they are started again, so that clients find them where they were.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { BenchError } from '../bench-error.js'
import { startBrokerProcess } from './broker-process.js'
import type { BrokerUsage, ServerCalls } from './calls.js'
import type { Child } from './child.js'
import { freePorts, startExternalServer } from './external-server.js'
import type { RunningServer } from './servers.js'

const HOST = '127.0.0.1'

export interface BenchClusterOptions {
  /** Holds all files; made where it is missing. */
  readonly folder: string
  /** How many brokers. */
  readonly brokers: number
  /** Options of all brokers, by name. */
  readonly brokerOptions: Readonly<Record<string, string>>
  /** Folder for processor profiles of the brokers, written when they end. */
  readonly profileDirectory?: string
}

export class BenchCluster {
  private readonly options: BenchClusterOptions
  private readonly etcd: RunningServer<unknown>
  private readonly controlPort: number
  private readonly ports: readonly number[]
  private readonly children: (Child<ServerCalls<BrokerUsage>> | null)[]

  private constructor (
    options: BenchClusterOptions, etcd: RunningServer<unknown>, controlPort: number, ports: readonly number[],
  ) {
    this.options = options
    this.etcd = etcd
    this.controlPort = controlPort
    this.ports = ports
    this.children = ports.map(() => null)
  }

  /** Resolves when all brokers serve. @throws BenchError saying what is missing; nothing is left running then. */
  static async start (options: BenchClusterOptions): Promise<BenchCluster> {
    const [controlPort, peerPort, ...ports] = await freePorts(2 + options.brokers)
    const etcd = await startEtcd(options.folder, controlPort!, peerPort!)
    const cluster = new BenchCluster(options, etcd, controlPort!, ports)
    try {
      for (let id = 1; id <= options.brokers; id++) await cluster.startBroker(id)
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** HOST:PORT of all brokers. */
  get addresses (): string[] { return this.ports.map(port => `${HOST}:${port}`) }

  /** Starts a broker that is not running, on its port and data. */
  async startBroker (id: number): Promise<void> {
    const { folder, brokerOptions, profileDirectory } = this.options
    const { child } = await startBrokerProcess({
      'log-level': 'error',
      ...brokerOptions,
      id: String(id),
      control: `etcd://${HOST}:${this.controlPort}`,
      data: join(folder, `broker-${id}`),
      listen: `${HOST}:${this.ports[id - 1]}`,
    }, profileDirectory === undefined ? {} : { profileDirectory })
    this.children[id - 1] = child
  }

  /** Sends a signal to a broker that runs. */
  signal (id: number, signal: NodeJS.Signals): void {
    this.children[id - 1]!.process.kill(signal)
  }

  /** As a crash of the process does; resolves when it is gone. */
  async killBroker (id: number): Promise<void> {
    const child = this.children[id - 1]!
    this.children[id - 1] = null
    await child.kill()
  }

  /** Stops a broker in order; resolves when it is gone. */
  async stopBroker (id: number): Promise<void> {
    const child = this.children[id - 1]!
    this.children[id - 1] = null
    await child.stop()
  }

  /** Begins a window of the probes of all brokers. */
  async beginWindow (): Promise<void> {
    await Promise.all(this.running().map(child => child.call('begin', null)))
  }

  /** Ends it; one item for each broker that runs, in the order of their ids. */
  async endWindow (): Promise<BrokerUsage[]> {
    return await Promise.all(this.running().map(child => child.call('end', null)))
  }

  /** Stops everything: brokers first, which take their leave in the control store. */
  async stop (): Promise<void> {
    await Promise.all(this.running().map(child => child.stop()))
    await this.etcd.stop()
  }

  private running (): Child<ServerCalls<BrokerUsage>>[] {
    return this.children.filter(child => child !== null)
  }
}

async function startEtcd (folder: string, clientPort: number, peerPort: number): Promise<RunningServer<unknown>> {
  const clients = `http://${HOST}:${clientPort}`
  const peers = `http://${HOST}:${peerPort}`
  const directory = join(folder, 'etcd')
  await mkdir(directory, { recursive: true })
  const args = [
    '--name=bench', `--data-dir=${directory}`, `--listen-client-urls=${clients}`, `--advertise-client-urls=${clients}`,
    `--listen-peer-urls=${peers}`, `--initial-advertise-peer-urls=${peers}`, `--initial-cluster=bench=${peers}`,
    '--log-level=error',
  ]
  const spec = { commands: [{ command: 'etcd', args, directory }], ports: [clientPort] }
  try {
    return await startExternalServer(spec, { kind: 'sluice', address: '' })
  } catch (error) {
    const { message } = error as Error
    if (!message.includes('ENOENT')) throw error
    throw new BenchError(1, 'a cluster needs etcd, which is not installed: apt-get install -y etcd-server (Debian, ' +
      'Ubuntu), or put a binary named etcd into PATH')
  }
}
