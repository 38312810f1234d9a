// One broker of a cluster whose network can be broken: its process comes and goes, its addresses and its data stay.
//
//   clients ──▶ clientProxy ──▶ ┌────────┐ ──▶ controlProxies, one for each member of etcd
//   brokers ──▶ peerProxy ────▶ │ broker │
//                               └────────┘

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BrokerProcess, BrokerStartError } from '../broker-process.js'
import type { PowerLossDisk } from '../power-loss/power-loss-disk.js'
import type { SeededRandom } from '../seeded-random.js'
import type { LinkProxy } from './link-proxy.js'

export interface BrokerNodeOptions {
  readonly id: number
  readonly port: number
  /** Holds its data and what it wrote to standard error. */
  readonly folder: string
  /** Folder for its data, which may be a disk of its own. */
  readonly data: string
  readonly clientProxy: LinkProxy
  /** Sources are the ids of the other brokers. */
  readonly peerProxy: LinkProxy
  readonly controlProxies: readonly LinkProxy[]
  readonly options: Readonly<Record<string, string>>
  /** What its data lies on, where that can lose power. */
  readonly powerDisk: PowerLossDisk | null
}

const STOP_MS_MAX = 60_000
/** What a broker says that cannot start because etcd is away. */
const WITHOUT_ETCD = 'no answer from etcd'
const STARTS_MAX = 60
const RESTART_MS = 1_000

export class BrokerNode {
  readonly id: number
  readonly port: number
  readonly data: string
  readonly clientProxy: LinkProxy
  readonly peerProxy: LinkProxy
  readonly controlProxies: readonly LinkProxy[]
  /** Where a fault is at work on it, others keep their hands off. */
  isTaken = false
  /** It is meant to be there: not killed or stopped by a fault. */
  isUp = false
  private readonly options: BrokerNodeOptions
  private process: BrokerProcess | null = null
  private starts = 0

  constructor (options: BrokerNodeOptions) {
    this.options = options
    this.id = options.id
    this.port = options.port
    this.data = options.data
    this.clientProxy = options.clientProxy
    this.peerProxy = options.peerProxy
    this.controlProxies = options.controlProxies
  }

  get pid (): number { return this.process?.pid ?? -1 }

  /** It should be there, and is not. */
  get hasVanished (): boolean { return this.isUp && this.process?.isGone === true }

  /** The last of what it wrote to standard error. */
  get stderr (): string { return this.process?.stderr ?? '' }

  /** Starts it; resolves when it serves. Without etcd it does not, and is started again. @throws BrokerStartError */
  async start (): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.launch().ready
        this.isUp = true
        return
      } catch (error) {
        const mayRetry = error instanceof BrokerStartError && error.stderr.includes(WITHOUT_ETCD)
        if (!mayRetry || tries === STARTS_MAX) throw error
        await delay(RESTART_MS)
      }
    }
  }

  /** Starts it without waiting, for a kill while it does so. */
  launch (): BrokerProcess {
    const { id, port, data, folder, clientProxy, peerProxy, controlProxies, options, powerDisk } = this.options
    this.process = new BrokerProcess({
      data,
      port,
      detached: true,
      logPath: join(folder, `stderr-${++this.starts}.log`),
      environment: powerDisk?.environment,
      options: {
        id: String(id),
        control: `etcd://${controlProxies.map(({ address }) => address).join(',')}`,
        advertise: clientProxy.address,
        'advertise-peers': peerProxy.address,
        ...options,
      },
    })
    return this.process
  }

  /** SIGKILL. */
  async kill (): Promise<void> {
    this.isUp = false
    await this.process?.kill()
  }

  /** It can lose power. */
  get hasPowerDisk (): boolean { return this.options.powerDisk !== null }

  /** SIGKILL, and what was not synced may be gone. @returns how many writes and names were. */
  async losePower (random: SeededRandom): Promise<number> {
    await this.kill()
    const { lostWrites, lostNames } = await this.options.powerDisk!.powerLoss(random)
    return lostWrites + lostNames
  }

  /** SIGTERM. @throws Error where it does not end well in time. */
  async stop (): Promise<void> {
    this.isUp = false
    const { code, signal } = await this.process!.stop(STOP_MS_MAX)
    if (code === 0) return
    throw new Error(`stopped with SIGTERM broker ${this.id} ended with ${signal ?? `exit code ${code}`}:\n${this.stderr.slice(-4_000)}`)
  }

  /** SIGSTOP: it keeps its connections and says nothing. */
  freeze (): void { this.process?.signal('SIGSTOP') }

  thaw (): void { this.process?.signal('SIGCONT') }

  /** Kills it and takes its network away. */
  async [Symbol.asyncDispose] (): Promise<void> {
    this.thaw()
    await this.kill()
    const proxies = [this.clientProxy, this.peerProxy, ...this.controlProxies]
    await Promise.all(proxies.map(proxy => proxy[Symbol.asyncDispose]()))
  }
}
