// A lease of etcd, renewed by this process for as long as its event loop turns: who hangs is not kept alive.
//
//   granted ─▶ renewed every quarter of its time ─┬ closed: revoked, its keys go at once
//                                                 └ not found: lost; told once, and never renewed again
//
// While etcd does not answer nothing is known: `valid` turns false by our clock, and true again with the next answer.

import type { Clock } from '../../runtime/clock.js'
import type { ControlLease } from '../control-store.js'
import { leaseEndMs, renewalIntervalMs } from '../lease-term.js'
import type { EtcdConnection } from './etcd-connection.js'
import { CALLS } from './etcd-schema.js'

/** After a renewal that was not answered. */
const RETRY_MS = 500

export class EtcdLease implements ControlLease {
  readonly id: string
  private readonly connection: EtcdConnection
  private readonly clock: Clock
  private readonly onLost: () => void
  private readonly onEnd: (lease: EtcdLease) => void
  private readonly ttlMs: number
  private endMs: number
  private over = false
  private timer: NodeJS.Timeout | undefined

  private constructor (
    connection: EtcdConnection, clock: Clock, id: string, ttlMs: number, sentMs: number, onLost: () => void,
    onEnd: (lease: EtcdLease) => void,
  ) {
    this.connection = connection
    this.clock = clock
    this.id = id
    this.ttlMs = ttlMs
    this.endMs = leaseEndMs(sentMs, ttlMs)
    this.onLost = onLost
    this.onEnd = onEnd
    this.renewIn(renewalIntervalMs(ttlMs))
  }

  /** @param onEnd called when it is renewed no more, for whatever reason. */
  static async open (
    connection: EtcdConnection, clock: Clock, ttlMs: number, onLost: () => void, onEnd: (lease: EtcdLease) => void,
  ): Promise<EtcdLease> {
    const sentMs = clock.monotonicMs()
    // Where the answer gets lost there is a lease that nobody renews, and nothing hangs on it.
    const { id, ttl } = await connection.read(CALLS.leaseGrant, { ttl: String(Math.ceil(ttlMs / 1000)) })
    return new EtcdLease(connection, clock, id, Number(ttl) * 1000, sentMs, onLost, onEnd)
  }

  valid (): boolean {
    return !this.over && this.clock.monotonicMs() < this.endMs
  }

  async close (): Promise<void> {
    if (this.over) return
    this.abandon()
    await this.connection.read(CALLS.leaseRevoke, { id: this.id }).catch(() => {})
  }

  /** Stops renewing it; it ends with time. */
  abandon (): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    this.onEnd(this)
  }

  private renewIn (delayMs: number): void {
    this.timer = setTimeout(() => {
      this.renew().then(delayMs => { if (!this.over) this.renewIn(delayMs) }, () => this.abandon())
    }, delayMs)
  }

  /** @returns when to renew it again. Rejects where that makes no sense. */
  private async renew (): Promise<number> {
    const sentMs = this.clock.monotonicMs()
    let ttlMs: number
    try {
      ttlMs = Number((await this.connection.read(CALLS.leaseKeepAlive, { id: this.id })).ttl) * 1000
    } catch (error) {
      if (this.connection.isClosed) throw error
      return Math.min(RETRY_MS, renewalIntervalMs(this.ttlMs))
    }
    if (this.over) return 0
    if (ttlMs <= 0) {
      this.abandon()
      this.onLost()
      return 0
    }
    this.endMs = leaseEndMs(sentMs, ttlMs)
    return renewalIntervalMs(this.ttlMs)
  }
}
