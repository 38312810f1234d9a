// The leases that one receiver or worker holds: who is told when one of them is over.
//
//   granted ──▶ held ──▶ settled here
//                 ├────▶ its time is over (leases that no session renews)
//                 ├────▶ a heartbeat says that it is lost or cancelled
//                 └────▶ the session is lost, with all of them
//
// Invariants: a lease is held here from its grant until the first of these; of one record the latest is held, whichever
// answer came first: two may be on their way over different connections.

import type { LeaseNotice } from '@sluice/protocol'
import { BrokerError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import type { Lease } from './lease.js'
import { OffsetPages } from './offset-pages.js'
import type { LeaseName } from './settle-lane.js'

type AnyLease = Lease<any, any>

/** Shortest time between two looks at what is over, in milliseconds. */
const LOOK_MS_MIN = 20
/** A notice does not say which. */
const ENDED_BY_BROKER = 'its time was over, or the record was purged or has expired'

/** See the head of this file. */
export class LeaseKeeper {
  /** Called for each lease that is lost, after its signal. */
  onLost: (lease: AnyLease, error: BrokerError) => void = () => {}
  private readonly cluster: Cluster
  private readonly queue: string
  /** By partition, then by offset. */
  private readonly partitions = new Map<number, OffsetPages<AnyLease>>()
  private count = 0
  private timer: NodeJS.Timeout | null = null
  private timerAtMs = Infinity

  constructor (cluster: Cluster, queue: string) {
    this.cluster = cluster
    this.queue = queue
  }

  /** Leases held. */
  get size (): number { return this.count }

  /** Partitions of leases that are held. */
  partitionsHeld (): number[] {
    return [...this.partitions].filter(([, leases]) => !leases.isEmpty).map(([partition]) => partition)
  }

  add (lease: AnyLease): void {
    let leases = this.partitions.get(lease.partition)
    if (leases === undefined) this.partitions.set(lease.partition, leases = new OffsetPages())
    const before = leases.get(lease.offset)
    // The broker does not give out a record twice unless the first lease is over, whatever is known of that here.
    if (before !== undefined && isLater(before, lease)) {
      lease.lose(leaseOver(lease, 'it was handed out again before it came'))
      return
    }
    if (before !== undefined && before !== lease) this.drop(before, leaseOver(before, 'it was handed out again'))
    leases.set(lease.offset, lease)
    this.count++
    if (lease.deadlineMs !== Infinity) this.arm(lease.deadlineMs)
  }

  /** The lease is settled, or of no interest any more. */
  remove (lease: AnyLease): void {
    const leases = this.partitions.get(lease.partition)
    if (leases === undefined || leases.get(lease.offset) !== lease) return
    leases.delete(lease.offset)
    this.count--
  }

  /** A lease was settled by its handle. */
  forget ({ topicId, partition, offset, leaseEpoch, leaseSequence }: LeaseName): void {
    const lease = this.partitions.get(partition)?.get(offset)
    const isMeant = lease !== undefined && lease.topicId === topicId && lease.leaseEpoch === leaseEpoch &&
      lease.leaseSequence === leaseSequence
    if (isMeant) this.remove(lease)
  }

  /** The broker has prolonged a lease: it ends `ms` milliseconds from now. */
  extend (lease: AnyLease, ms: number): void {
    if (lease.deadlineMs === Infinity) return
    lease.deadlineMs = performance.now() + ms
    this.arm(lease.deadlineMs)
  }

  /** What a heartbeat has told. */
  onNotice (notice: LeaseNotice): void {
    const leases = this.partitions.get(notice.partition)
    if (leases === undefined) return
    if (notice.kind === 'sessionLost') {
      for (const lease of leases.all()) {
        if (lease.topicId === notice.topicId) this.drop(lease, leaseOver(lease, 'the broker has given up the session'))
      }
      return
    }
    const lease = leases.get(notice.offset)
    const isMeant = lease !== undefined && lease.topicId === notice.topicId &&
      lease.leaseEpoch === notice.leaseEpoch && lease.leaseSequence === notice.leaseSequence
    if (!isMeant) return
    this.drop(lease, notice.kind === 'lost' ? leaseOver(lease, ENDED_BY_BROKER) : cancelled(lease))
  }

  /** All are lost. */
  loseAll (why: string): void {
    for (const lease of this.all()) this.drop(lease, leaseOver(lease, why))
  }

  all (): AnyLease[] {
    return [...this.partitions.values()].flatMap(leases => leases.all())
  }

  close (): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.timerAtMs = -Infinity
  }

  private drop (lease: AnyLease, error: BrokerError): void {
    this.remove(lease)
    const { topic, partition, offset } = lease
    this.cluster.settings.logger.warn({ queue: this.queue, partition, offset, why: error.reason }, 'a lease is lost')
    this.cluster.events.emit('leaseLost', { topic, partition, offset, error })
    lease.lose(error)
    this.onLost(lease, error)
  }

  private arm (deadlineMs: number): void {
    if (deadlineMs >= this.timerAtMs) return
    if (this.timer !== null) clearTimeout(this.timer)
    this.timerAtMs = deadlineMs
    const waitMs = Math.min(Math.max(LOOK_MS_MIN, deadlineMs - performance.now()), 2 ** 31 - 1)
    this.timer = setTimeout(() => this.expire(), waitMs).unref()
  }

  private expire (): void {
    this.timer = null
    this.timerAtMs = Infinity
    const nowMs = performance.now()
    let nextMs = Infinity
    for (const lease of this.all()) {
      if (lease.deadlineMs <= nowMs) this.drop(lease, leaseOver(lease, 'its time is over'))
      else nextMs = Math.min(nextMs, lease.deadlineMs)
    }
    if (nextMs !== Infinity) this.arm(nextMs)
  }
}

/** Of the same record: `one` was granted after `other`. */
function isLater (one: AnyLease, other: AnyLease): boolean {
  if (one.topicId !== other.topicId) return false
  return one.leaseEpoch === other.leaseEpoch
    ? one.leaseSequence > other.leaseSequence
    : one.leaseEpoch > other.leaseEpoch
}

function leaseOver (lease: AnyLease, why: string): BrokerError {
  const { topic, partition, offset } = lease
  return new BrokerError('LEASE', `the lease of record ${lease.id} of queue ${topic} is over: ${why}; others may have the record`,
    { topic, partition, offset })
}

function cancelled (lease: AnyLease): BrokerError {
  const { topic, partition, offset } = lease
  return new BrokerError('CANCELLED', `record ${lease.id} of queue ${topic} was cancelled: stop working on it`,
    { topic, partition, offset })
}
