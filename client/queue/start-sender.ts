// Tells the brokers which records are being started, and lets each handler begin once that is on its way.
//
//   send, send, send ──(end of turn)──▶ one `settle` per connection, unanswered ──▶ written ──▶ ready, ready, ready
//
// It goes before anything that a handler may do to the process, and over the connection that the record came over, so
// that it arrives before any later word about it. Nobody waits for the broker.

import type { SettlePartition } from '@sluice/protocol'
import type { Connection } from '../connection/connection.js'
import type { Lease } from './lease.js'

type AnyLease = Lease<any, any>

/** Time that handlers may hold the event loop before timers and sockets have their turn, in milliseconds. */
const TURN_MS_MAX = 20
/** Handlers between two looks at the clock: so many at most, and one where they take their time. */
const STRIDE_MAX = 16
/** The next stride is longer where this one took less, in milliseconds. */
const SHORT_MS = 0.5
const TIMEOUT_MS = 30_000

/** See the head of this file. */
export class StartSender {
  /** Called for each record whose start is on its way, with the time that it is, or was a moment ago. */
  onReady: (lease: AnyLease, nowMs: number) => void = () => {}
  /** Called where the connection of a lease is gone, and the lease with it. */
  onVoid: (lease: AnyLease) => void = () => {}
  private readonly group: string
  private starts: AnyLease[] = []
  private ready: AnyLease[] = []
  private readyHead = 0
  private isRunning = false

  constructor (group: string) {
    this.group = group
  }

  /** Sends the start of a record: `onReady` or `onVoid` tells how that went. */
  send (lease: AnyLease): void {
    if (this.starts.length === 0) queueMicrotask(() => this.flush())
    this.starts.push(lease)
  }

  /**
   * Says once more, over a new connection, what was started over the one before: the first word may be lost.
   *
   * @param leases those that are not started are passed over.
   */
  repeat (leases: readonly AnyLease[], connection: Connection): void {
    const started = leases.filter(({ isStarted }) => isStarted)
    const size = connection.hello.maxRecordsPerSettle
    for (let from = 0; from < started.length; from += size) {
      // Where this connection is lost too, the next one has its turn.
      this.settle(connection, started.slice(from, from + size)).catch(() => {})
    }
  }

  private flush (): void {
    const byConnection = new Map<Connection, AnyLease[]>()
    for (const lease of this.starts) {
      const list = byConnection.get(lease.connection)
      if (list === undefined) byConnection.set(lease.connection, [lease])
      else list.push(lease)
    }
    this.starts = []
    for (const [connection, starts] of byConnection) {
      const size = connection.hello.maxRecordsPerSettle
      for (let from = 0; from < starts.length; from += size) this.request(connection, starts.slice(from, from + size))
    }
  }

  private request (connection: Connection, leases: readonly AnyLease[]): void {
    this.settle(connection, leases).then(() => {
      for (const lease of leases) this.ready.push(lease)
      // By then it has left for the socket, which is uncorked at the end of the turn.
      if (!this.isRunning) {
        this.isRunning = true
        setImmediate(this.run)
      }
    }, () => {
      for (const lease of leases) this.onVoid(lease)
    })
  }

  private settle (connection: Connection, leases: readonly AnyLease[]): Promise<unknown> {
    return connection.request('settle', {
      acks: 'none', timeoutMs: TIMEOUT_MS, partitions: partitionsOf(leases, this.group),
    }, { oneWay: true, timeoutMs: TIMEOUT_MS })
  }

  private readonly run = (): void => {
    let nowMs = performance.now()
    const endMs = nowMs + TURN_MS_MAX
    // To look at the clock costs as much as a small part of a handler.
    for (let stride = 1; this.readyHead < this.ready.length && nowMs < endMs;) {
      const end = Math.min(this.readyHead + stride, this.ready.length)
      while (this.readyHead < end) this.onReady(this.ready[this.readyHead++]!, nowMs)
      const startMs = nowMs
      nowMs = performance.now()
      stride = nowMs - startMs < SHORT_MS ? Math.min(stride * 2, STRIDE_MAX) : 1
    }
    if (this.readyHead < this.ready.length) {
      setImmediate(this.run)
      return
    }
    this.ready = []
    this.readyHead = 0
    this.isRunning = false
  }
}

function partitionsOf (leases: readonly AnyLease[], group: string): SettlePartition[] {
  const partitions: SettlePartition[] = []
  for (const lease of leases) {
    let last = partitions[partitions.length - 1]
    if (last === undefined || last.partition !== lease.partition || last.topicId !== lease.topicId) {
      last = { topicId: lease.topicId, partition: lease.partition, group, items: [] }
      partitions.push(last)
    }
    const run = last.items[last.items.length - 1]
    const continues = run !== undefined && run.leaseEpoch === lease.leaseEpoch &&
      run.offset + run.count === lease.offset && run.leaseSequence + run.count === lease.leaseSequence
    if (continues) {
      run.count++
    } else {
      const { offset, leaseEpoch, leaseSequence } = lease
      last.items.push({ kind: 'start', offset, count: 1, leaseEpoch, leaseSequence, delayMs: -1, reason: '' })
    }
  }
  return partitions
}
