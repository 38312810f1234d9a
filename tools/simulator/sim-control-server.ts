// The control store of a simulated cluster, as it is behind the network: linearizable, with leases that end by
// virtual time. Processes reach it through a SimControlStore each.

import {
  checkCommit, ControlStoreError, type ControlChange, type ControlCompare, type ControlEntry,
} from '@sluice/broker/simulation'
import type { SeededRandom } from '../crash/seeded-random.js'
import type { EventQueue } from './event-queue.js'
import { SimControlStore } from './sim-control-store.js'
import type { SwarmOptions } from './swarm-options.js'

/** A process that uses the control store. */
export interface SimControlClient {
  /** False while it stands still, or is dead, and does not get to renew its leases. */
  readonly isRunning: boolean
  /** Runs what has come for it. */
  run (work: () => void): void
}

/** One that lives for ever. */
const ONLOOKER: SimControlClient = { isRunning: true, run: work => work() }

/** A watch of a process. */
export interface SimWatcher { readonly prefix: string, readonly onChange: (entry: ControlEntry) => void }

interface SimLease { readonly ttlMs: number, endMs: number, readonly keys: Set<string> }

export class SimControlServer {
  /** While set nothing is answered. */
  isDown = false
  /** While set nothing gets lost. */
  isCalm = false
  revision = 0
  readonly queue: EventQueue
  readonly random: SeededRandom
  readonly options: SwarmOptions['control']
  readonly watchers = new Set<SimWatcher>()
  private readonly entries = new Map<string, ControlEntry>()
  private readonly leases = new Map<string, SimLease>()
  private leaseCount = 0

  constructor (queue: EventQueue, random: SeededRandom, options: SwarmOptions['control']) {
    this.queue = queue
    this.random = random
    this.options = options
  }

  /** The connection of one process. */
  connect (client: SimControlClient = ONLOOKER): SimControlStore {
    return new SimControlStore(this, client)
  }

  /** What it holds now, for checkers: nobody in the cluster sees it like that. */
  peek (key: string): unknown {
    return this.entries.get(key)?.value ?? null
  }

  read (key: string): ControlEntry | null {
    return this.entries.get(key) ?? null
  }

  below (prefix: string): ControlEntry[] {
    return [...this.entries.values()].filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => a.key < b.key ? -1 : 1)
  }

  commit (changes: readonly ControlChange[], compares: readonly ControlCompare[]): number | null {
    checkCommit(changes, compares)
    for (const { key, revision } of compares) if ((this.entries.get(key)?.revision ?? 0) !== revision) return null
    for (const { lease } of changes) {
      if (lease !== undefined && !this.leases.has(lease)) {
        throw new ControlStoreError('leaseLost', `there is no lease ${lease}`)
      }
    }
    return this.apply(changes)
  }

  grantLease (ttlMs: number): string {
    const id = String(++this.leaseCount)
    const lease: SimLease = { ttlMs, endMs: this.queue.nowMs + ttlMs, keys: new Set() }
    this.leases.set(id, lease)
    this.endInTime(id, lease)
    return id
  }

  /** @returns false where the lease is no more. */
  renewLease (id: string): boolean {
    const lease = this.leases.get(id)
    if (lease === undefined) return false
    lease.endMs = this.queue.nowMs + lease.ttlMs
    return true
  }

  endLease (id: string): void {
    const lease = this.leases.get(id)
    this.leases.delete(id)
    if (lease !== undefined && lease.keys.size > 0) this.apply([...lease.keys].map(key => ({ key, value: null })))
  }

  /** Etcd does not count time while it is down, and starts over when it is back. */
  private endInTime (id: string, lease: SimLease): void {
    this.queue.after(lease.endMs - this.queue.nowMs, () => {
      if (this.leases.get(id) !== lease) return
      if (this.isDown) lease.endMs = this.queue.nowMs + lease.ttlMs
      if (lease.endMs > this.queue.nowMs) this.endInTime(id, lease)
      else this.endLease(id)
    })
  }

  private apply (changes: readonly ControlChange[]): number {
    const revision = ++this.revision
    for (const { key, value, lease: id } of changes) {
      for (const lease of this.leases.values()) lease.keys.delete(key)
      if (value === null) this.entries.delete(key)
      else this.entries.set(key, { key, value, revision })
      if (id !== undefined && value !== null) this.leases.get(id)!.keys.add(key)
      this.tell({ key, value, revision })
    }
    return revision
  }

  private tell (entry: ControlEntry): void {
    for (const watcher of this.watchers) {
      if (!entry.key.startsWith(watcher.prefix)) continue
      if (!this.isCalm && this.random.chance(this.options.watchLossShare)) continue
      this.queue.after(this.delayMs() + this.random.next() * this.options.watchDelayMs, () => {
        if (!this.isDown && this.watchers.has(watcher)) watcher.onChange(entry)
      })
    }
  }

  delayMs (): number {
    return this.options.delayMs * (0.5 + this.random.next())
  }

  isLost (): boolean {
    return this.isDown || (!this.isCalm && this.random.chance(this.options.ambiguousShare / 2))
  }
}
