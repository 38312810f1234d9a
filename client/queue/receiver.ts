// Receives leased records: one session, the leases that it holds, and one long poll at a time to each leader.
//
//   poll ──▶ LeaseSession.at(leader) ──▶ receive ──▶ runs of leases + whole batches ──▶ Lease, Lease, …
//                                                                                         │
//   LeaseKeeper ◀── held until it is settled or lost ─────────────────────────────────────┘
//
// The batches hold other records too; a reader goes over them once and takes what was leased.

import {
  ERROR, type LeaseMode, type LeaseNotice, type ReceivedPartition, type ReceiveResponse, type SettleKind,
} from '@sluice/protocol'
import { asBrokerError, BrokerError, serverError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import type { Connection } from '../connection/connection.js'
import { queueDeleted } from '../consumer/topic-gone.js'
import { CHANNEL } from '../diagnostics.js'
import type { Serde } from '../serdes.js'
import { readGranted } from './granted-records.js'
import { Lease, type LeaseOrigin } from './lease.js'
import { LeaseKeeper } from './lease-keeper.js'
import { LeaseSession } from './lease-session.js'
import { REASON_LENGTH_MAX } from './queue-options.js'
import type { SettleOutcome } from './queue-records.js'
import type { Settler } from './settler.js'

/** The parts of a queue that reading it needs. */
export interface QueueSource<K, V> {
  readonly name: string
  readonly group: string
  readonly key: Serde<K>
  readonly value: Serde<V>
}

/** Bounds of one poll. */
export interface PollBounds { readonly maxRecords: number, readonly maxBytes: number, readonly maxWaitMs: number }

const NEVER = new AbortController().signal

/** See the head of this file. */
export class Receiver<K, V> {
  readonly keeper: LeaseKeeper
  readonly session: LeaseSession
  /** Called when the connection to a broker is gone: what came over it and was not begun is void. */
  onDisconnected: (broker: number) => void = () => {}
  /** Called when the session was taken up again on a connection, before anything else is sent there. */
  onResumed: (connection: Connection) => void = () => {}
  private readonly cluster: Cluster
  private readonly source: QueueSource<K, V>
  private readonly mode: LeaseMode
  private readonly settler: Settler
  private readonly origins = new Map<number, LeaseOrigin<K, V>>()
  private rotation = 0
  /** By partition: the leadership that knows of its leases by this session. */
  private readonly epochs = new Map<number, number>()

  constructor (cluster: Cluster, source: QueueSource<K, V>, mode: LeaseMode, settler: Settler) {
    this.cluster = cluster
    this.source = source
    this.mode = mode
    this.settler = settler
    this.keeper = new LeaseKeeper(cluster, source.name)
    this.session = new LeaseSession(cluster, source.name, mode, {
      hasLeases: () => this.keeper.size > 0,
      onNotice: (notice: LeaseNotice) => this.keeper.onNotice(notice),
      onLost: why => { if (mode !== 'visibility') this.keeper.loseAll(why) },
      onDisconnected: broker => this.onDisconnected(broker),
      onResumed: connection => this.onResumed(connection),
      follow: broker => this.follow(broker),
    })
    if (mode !== 'visibility') settler.onUnheard.add(this.onUnheard)
  }

  /** Leaders of the queue now. @throws BrokerError as a rejection. */
  async leaders (): Promise<number[]> {
    const { partitions } = await this.cluster.metadata.topic(this.source.name)
    return [...new Set(partitions.map(({ leader }) => leader))].filter(leader => leader >= 0)
  }

  /**
   * Asks one leader once; empty where nothing came within maxWaitMs.
   *
   * @throws BrokerError as a rejection: one attempt has failed.
   */
  async poll (leader: number, bounds: PollBounds): Promise<Lease<K, V>[]> {
    const connection = await this.session.at(leader)
    try {
      return await this.pollOn(connection, leader, bounds)
    } catch (cause) {
      const error = asBrokerError(cause)
      if (error.serverCode !== ERROR.UNKNOWN_SESSION) throw error
      await this.session.renew(leader)
      throw new BrokerError('LEASE', error.reason, { retriable: true, cause: error })
    }
  }

  /** Ends the session. Leases that no session keeps stay until their time is over. */
  async close (): Promise<void> {
    this.settler.onUnheard.delete(this.onUnheard)
    await this.session.close()
    this.keeper.close()
  }

  /** True where the partition of a lease has another leadership by now than the one that has granted it. */
  isMoved ({ partition, origin }: Lease<K, V>): boolean {
    const { leaderEpoch } = this.cluster.metadata.peek(this.source.name)?.partitions[partition] ?? NO_LEADER
    return leaderEpoch > origin.leaderEpoch
  }

  /** See SessionListener. */
  private async follow (broker: number): Promise<boolean> {
    if (this.mode === 'visibility') return false
    const { partitions } = await this.cluster.metadata.refresh(this.source.name)
    const moved = new Map<number, number[]>()
    let isLeft = true
    for (const partition of this.keeper.partitionsHeld()) {
      const { leader, leaderEpoch } = partitions[partition] ?? NO_LEADER
      if (leader < 0 || leader === broker) {
        isLeft = false
      } else if (leaderEpoch > (this.epochs.get(partition) ?? -1)) {
        const led = moved.get(leader)
        if (led === undefined) moved.set(leader, [partition])
        else led.push(partition)
      }
    }
    await Promise.all([...moved].map(async ([leader, led]) => {
      await this.session.reopen(leader)
      for (const partition of led) this.epochs.set(partition, partitions[partition]!.leaderEpoch)
    }))
    return isLeft
  }

  private readonly onUnheard = (saidAtMs: number): void => this.session.onUnheard(saidAtMs)

  private async pollOn (connection: Connection, leader: number, bounds: PollBounds): Promise<Lease<K, V>[]> {
    const info = await this.cluster.metadata.topic(this.source.name)
    const { group } = this.source
    const led: number[] = []
    info.partitions.forEach((partition, number) => { if (partition.leader === leader) led.push(number) })
    const partitionsMax = connection.hello.maxItemsPerRequest
    const first = led.length > partitionsMax ? this.rotation++ * partitionsMax : 0
    const asked = led.length > partitionsMax
      ? Array.from({ length: partitionsMax }, (_, index) => led[(first + index) % led.length]!)
      : led
    if (asked.length === 0) throw new BrokerError('NOT_LEADER', `broker ${leader} leads nothing of ${info.name}`, { retriable: true })
    const { id: sessionId } = this.session
    const { message, payload } = await connection.request('receive', {
      sessionId,
      maxRecords: Math.min(bounds.maxRecords, connection.hello.maxRecordsPerReceive),
      maxBytes: bounds.maxBytes,
      maxWaitMs: Math.ceil(bounds.maxWaitMs),
      partitions: asked.map(partition => ({ topicId: info.id, partition, group })),
    }, { timeoutMs: bounds.maxWaitMs + this.cluster.settings.requestTimeoutMs, unordered: true })
    const leases = this.leasesOf(message, payload, connection)
    const grants = message.partitions.filter(({ error }) => error === 0)
    const graceMs = grants.length === 0 ? -1 : Math.min(...grants.map(({ disconnectGraceMs }) => disconnectGraceMs))
    this.session.learn(leader, message.heartbeatMs, graceMs)
    if (this.session.id !== sessionId && this.mode !== 'visibility') return this.giveBack(leases)
    if (leases.length === 0) this.checkErrors(message)
    return leases
  }

  /** They came for a session that was lost meanwhile: no heartbeat would keep them. */
  private giveBack (leases: readonly Lease<K, V>[]): [] {
    for (const lease of leases) {
      this.keeper.remove(lease)
      this.settler.tell(lease, 'release')
    }
    return []
  }

  private checkErrors (message: ReceiveResponse): void {
    for (const result of message.partitions) {
      if (result.error === 0) continue
      const { name } = this.source
      this.cluster.metadata.learnLeader(name, result.partition, result.leader, result.leaderEpoch)
      const error = serverError(result.error, result.message, { topic: name, partition: result.partition })
      throw error.code === 'UNKNOWN_TOPIC' ? queueDeleted(name, error) : error
    }
  }

  private leasesOf (message: ReceiveResponse, payload: Buffer, connection: Connection): Lease<K, V>[] {
    const all: Lease<K, V>[] = []
    let position = 0
    for (const part of message.partitions) {
      const end = position + part.size
      if (end > payload.length) {
        throw new BrokerError('PROTOCOL', 'the answer to a receive is cut off', { retriable: true, maybeApplied: true })
      }
      if (part.error === 0) this.take(part, payload.subarray(position, end), connection, all)
      position = end
    }
    return all
  }

  private take (part: ReceivedPartition, batches: Buffer, connection: Connection, all: Lease<K, V>[]): void {
    const origin = this.originOf(part)
    this.epochs.set(part.partition, part.leaderEpoch)
    const deadlineMs = this.mode === 'visibility' ? performance.now() + part.visibilityMs : Infinity
    if (CHANNEL.fetch.hasSubscribers && part.leases.length > 0) {
      const { partition, leases } = part
      CHANNEL.fetch.publish({ topic: this.source.name, partition, offset: leases[0]!.offset, bytes: batches.length })
    }
    const base = all.length
    let count = 0
    const runs = part.leases.map(({ offset, count: length, leaseSequence, deliveries }) => {
      const terms = { leaseEpoch: part.leaseEpoch, deliveries, deadlineMs, connection }
      const run = { offset, count: length, leaseSequence, terms, at: base + count }
      count += length
      return run
    })
    all.length = base + count
    const fault = readGranted(batches, runs, (reader, run) => {
      const index = reader.offset - run.offset
      const lease = new Lease(origin, reader, run.terms, run.leaseSequence + index)
      all[run.at + index] = lease
      this.keeper.add(lease)
    })
    for (const run of runs) {
      for (let index = 0; index < run.count; index++) {
        if (all[run.at + index] !== undefined) continue
        this.onMissing(part, run.offset + index, run.leaseSequence + index, fault)
      }
    }
    if (all.length > base) squeeze(all, base)
  }

  /** A record was leased and cannot be read: it has failed, and is given up after as many attempts as any other. */
  private onMissing (part: ReceivedPartition, offset: number, leaseSequence: number, fault: string | null): void {
    const { topicId, partition, leaseEpoch } = part
    const why = fault === null ? 'the broker sent a lease without its record' : `its batch cannot be read: ${fault}`
    const { settler, source: { name: queue } } = this
    this.cluster.settings.logger.error({ queue, partition, offset, why }, 'a leased record cannot be read')
    const lease = { topicId, partition, offset, leaseEpoch, leaseSequence }
    settler.tell(lease, 'nack', -1, why.slice(0, REASON_LENGTH_MAX))
  }

  private originOf ({ topicId, partition, leaderEpoch }: ReceivedPartition): LeaseOrigin<K, V> {
    const known = this.origins.get(partition)
    if (known !== undefined && known.topicId === topicId && known.leaderEpoch === leaderEpoch) return known
    const { name, group, key, value } = this.source
    const origin: LeaseOrigin<K, V> = {
      topic: name,
      topicId,
      partition,
      leaderEpoch,
      group,
      key,
      value,
      signal: NEVER,
      ack: () => {},
      nack: () => {},
      settle: (lease, kind, delayMs, reason) => this.settle(lease, kind, delayMs, reason),
    }
    this.origins.set(partition, origin)
    return origin
  }

  private settle (lease: Lease<K, V>, kind: SettleKind, delayMs: number, reason: string): Promise<SettleOutcome> {
    const outcome = this.settler.settle(lease, kind, delayMs, reason)
    if (kind !== 'extend') this.keeper.remove(lease)
    else outcome.then(() => this.keeper.extend(lease, delayMs), () => {})
    return outcome
  }
}

const NO_LEADER = { leader: -1, leaderEpoch: -1 } as const

/** Takes the holes out from `base` on. */
function squeeze (list: unknown[], base: number): void {
  let end = base
  for (let index = base; index < list.length; index++) {
    if (list[index] !== undefined) list[end++] = list[index]
  }
  list.length = end
}
