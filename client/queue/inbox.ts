// What `queue.receive` does: waits at all leaders at once and gives what comes first.
//
//   receive ──▶ poll, poll, …  ── the first with records ──▶ the caller
//                    └── what comes from the others after that ──▶ leftovers ──▶ the next receive, or released
//
// Receives that wait at the same time share their polls.
//
// Its leases last for the visibility time of the queue and outlive session, connection and process: their handles can
// be given away. Records that come when nobody wants them any more are released.

import { setMaxListeners } from 'node:events'
import { asBrokerError, BrokerError, closedError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import { abortable, delay, retryDelayMs } from '../waiting.js'
import type { Lease } from './lease.js'
import type { ReceiveSettings } from './queue-options.js'
import { Receiver, type PollBounds, type QueueSource } from './receiver.js'
import type { LeaseName } from './settle-lane.js'
import type { Settler } from './settler.js'
import { SharedPolls } from './shared-polls.js'

/** How long records wait for the next receive, in milliseconds. */
const LEFTOVER_MS = 500

/** See the head of this file. */
export class Inbox<K, V> {
  private readonly cluster: Cluster
  private readonly source: QueueSource<K, V>
  private readonly receiver: Receiver<K, V>
  /** By leader. */
  private readonly polls = new Map<number, SharedPolls<K, V>>()
  private leftovers: Lease<K, V>[] = []
  private timer: NodeJS.Timeout | null = null
  private readonly stop = new AbortController()

  constructor (cluster: Cluster, source: QueueSource<K, V>, settler: Settler) {
    this.cluster = cluster
    this.source = source
    this.receiver = new Receiver(cluster, source, 'visibility', settler)
    // Every receive waits for it, and takes its listener off again.
    setMaxListeners(0, this.stop.signal)
  }

  /**
   * Records under leases; none where none came in time, or the queue was closed.
   *
   * @throws BrokerError as a rejection: no broker could be asked within waitMs and requestTimeoutMs, or trying again is
   *   of no use.
   */
  async receive (settings: ReceiveSettings, signal?: AbortSignal): Promise<Lease<K, V>[]> {
    const startMs = performance.now()
    const waitEndMs = startMs + settings.waitMs
    const failEndMs = startMs + Math.max(settings.waitMs, this.cluster.settings.requestTimeoutMs)
    for (let failures = 0; ;) {
      const held = this.takeLeftovers(settings.maxRecords)
      if (held.length > 0) return held
      const { maxRecords, maxBytes } = settings
      const maxWaitMs = Math.max(0, waitEndMs - performance.now())
      try {
        const leases = await this.ask({ maxRecords, maxBytes, maxWaitMs }, signal)
        if (leases.length > 0 || performance.now() >= waitEndMs) return leases
        failures = 0
      } catch (cause) {
        if (signal?.aborted === true && cause === signal.reason) throw cause
        if (this.stop.signal.aborted) return []
        const error = asBrokerError(cause)
        const pauseMs = retryDelayMs(this.cluster.settings, error, ++failures)
        const isLast = failures >= this.cluster.settings.maxAttempts || performance.now() + pauseMs >= failEndMs
        if (!error.retriable || isLast) throw error
        await delay(pauseMs, signal)
        this.cluster.metadata.refresh(this.source.name).catch(() => {})
      }
    }
  }

  /** A lease was settled by its handle. */
  forget (lease: LeaseName): void {
    this.receiver.keeper.forget(lease)
  }

  /** Releases what nobody has asked for and ends the session. Leases that were handed out stay. */
  async close (): Promise<void> {
    this.stop.abort(closedError('queue'))
    for (const polls of this.polls.values()) polls.close()
    this.dropLeftovers()
    await this.receiver.close()
  }

  private async ask (bounds: PollBounds, signal: AbortSignal | undefined): Promise<Lease<K, V>[]> {
    const leaders = await abortable(this.receiver.leaders(), signal)
    if (leaders.length === 0) {
      throw new BrokerError('NOT_LEADER', `no partition of queue ${this.source.name} has a leader now`, { retriable: true })
    }
    return abortable(abortable(this.first(leaders, bounds, signal), this.stop.signal), signal)
  }

  private first (
    leaders: readonly number[], bounds: PollBounds, signal: AbortSignal | undefined,
  ): Promise<Lease<K, V>[]> {
    return new Promise((resolve, reject) => {
      let pending = leaders.length
      let isDone = false
      let failure: unknown = null
      const land = (leases: Lease<K, V>[], error: unknown): void => {
        pending--
        failure = error ?? failure
        if (leases.length > 0) {
          if (signal?.aborted === true || this.stop.signal.aborted) release(leases)
          else if (isDone) this.keepLeftovers(leases)
          else {
            isDone = true
            resolve(leases)
          }
        }
        if (pending > 0 || isDone) return
        if (failure !== null) reject(failure)
        else resolve([])
      }
      for (const leader of leaders) {
        this.pollsTo(leader).ask(bounds).then(leases => land(leases, null), error => land([], error))
      }
    })
  }

  private pollsTo (leader: number): SharedPolls<K, V> {
    let polls = this.polls.get(leader)
    if (polls === undefined) {
      polls = new SharedPolls(bounds => this.receiver.poll(leader, bounds), leases => this.onUnclaimed(leases))
      this.polls.set(leader, polls)
    }
    return polls
  }

  private onUnclaimed (leases: readonly Lease<K, V>[]): void {
    if (this.stop.signal.aborted) release(leases)
    else this.keepLeftovers(leases)
  }

  private keepLeftovers (leases: readonly Lease<K, V>[]): void {
    this.leftovers.push(...leases)
    this.timer ??= setTimeout(() => this.dropLeftovers(), LEFTOVER_MS).unref()
  }

  private takeLeftovers (maxRecords: number): Lease<K, V>[] {
    if (this.leftovers.length === 0) return []
    return this.leftovers.splice(0, maxRecords).filter(({ lostBy }) => lostBy === null)
  }

  private dropLeftovers (): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    release(this.leftovers.splice(0))
  }
}

function release (leases: readonly Lease<unknown, unknown>[]): void {
  for (const lease of leases) if (lease.lostBy === null) lease.release().catch(() => {})
}
