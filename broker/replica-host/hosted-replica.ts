// A replica in its broker: between the core, which knows epochs and logs, and everything around it: the other brokers,
// the promises on disk, the control store, and the partition that users talk to while this broker leads it.
//
//   follow ─ recover ─ lead ── onOpen ──▶ read what the logs say of producers, offsets, queues ──▶ Partition ── led
//     ▲                 │                                                                           │
//     └─────────────────┴── not the leader any more: closed, all that wait are told NOT_LEADER ◀────┘
//
// A Partition lives for one leadership, so nothing of an earlier one is left in it. While another broker leads, records
// below the high watermark can still be read here.

import { ERROR } from '@sluice/protocol'
import type { PartitionLog } from '@sluice/storage'
import type { Partition } from '../partition/partition.js'
import { sameMember, type Member } from '../replica/member.js'
import type { PartitionRecord } from '../replica/partition-record.js'
import { Replica } from '../replica/replica.js'
import type { ReplicaHost, ReplicaReport, ReplicaRole, StoredPromise } from '../replica/replica-host.js'
import type { ReplicaMessage } from '../replica/replica-message.js'
import { Leadership } from './leadership.js'
import type { PartitionPlacement } from './partition-placements.js'
import { ProducerTracker } from './producer-tracker.js'
import type { ReplicaSurroundings } from './replica-surroundings.js'

/** How often what is committed is looked at for producers, in milliseconds. */
const TRACK_MS = 500

export class HostedReplica implements ReplicaHost {
  readonly topicId: string
  readonly index: number
  readonly self: Member
  readonly incarnation: string
  placement: PartitionPlacement
  readonly replica: Replica
  /** What is known of producers while another broker leads. */
  readonly tracker: ProducerTracker
  private readonly surroundings: ReplicaSurroundings
  private readonly logs: readonly PartitionLog[]
  private readonly waiters = new Set<() => void>()
  private readonly leadership: Leadership
  private trackAtMs = 0
  private closed = false

  constructor (
    surroundings: ReplicaSurroundings, placement: PartitionPlacement, logs: readonly PartitionLog[],
    stored: StoredPromise | null,
  ) {
    this.surroundings = surroundings
    this.self = surroundings.self
    this.incarnation = surroundings.incarnation
    this.topicId = placement.topic.topicId
    this.index = placement.partition
    this.placement = placement
    this.logs = logs
    const { partitions, logger } = surroundings
    this.tracker = new ProducerTracker(partitions, this.topicId, this.index, logs[0]!)
    this.leadership = new Leadership({
      partitions,
      tracker: this.tracker,
      logger,
      label: () => this.label,
      monotonicMs: () => this.monotonicMs(),
      onInstalled: () => {
        // The topic may have changed while its partition was being opened.
        this.configure()
        this.wake()
      },
    })
    this.replica = new Replica({ host: this, logs, stored, bootId: surroundings.bootId })
    for (const [index, log] of logs.entries()) {
      log.onStartOffsetChange = () => {
        this.leadership.onStartOffsetChange(index)
        if (index === 0) this.wake()
      }
    }
  }

  /** For messages: which partition this is. */
  get label (): string { return `partition ${this.placement.topic.name}/${this.index}` }

  get log (): PartitionLog { return this.logs[0]! }

  /** What users talk to, while this broker leads and is ready. */
  get partition (): Partition | null { return this.leadership.partition }

  /** Offset after the last record that may be read here. */
  get highWatermark (): number { return this.replica.logs[0]!.readableOffset }

  /** Nothing ends a reader here but the deletion of the replica. */
  get closedBy (): { error: number, message: string } | null {
    return this.closed ? { error: ERROR.NOT_LEADER, message: `${this.label} is not held here any more; refresh the metadata` } : null
  }

  get leaderEpoch (): number { return Math.max(this.placement.record.epoch, this.replica.promised) }

  /** Id of the broker that leads, as far as it is known. */
  get leaderId (): number { return this.replica.leaderId }

  /** How many wait for something to read. */
  get waiterCount (): number { return this.waiters.size }

  /** Calls `wake` whenever there may be more to read, or another leader, until `removeWaiter`. */
  addWaiter (wake: () => void): void { this.waiters.add(wake) }

  removeWaiter (wake: () => void): void { this.waiters.delete(wake) }

  /** The record, or the topic's settings, have changed. */
  onPlacement (placement: PartitionPlacement): void {
    if (this.closed) return
    this.placement = placement
    this.configure()
    this.replica.onRecord(placement.record)
  }

  onMessage (from: number, message: ReplicaMessage): void {
    // Once it is closed it promises nothing and takes nothing: its logs are about to be closed too.
    if (!this.closed) this.replica.onMessage(from, message)
  }

  tick (nowMs: number): void {
    if (this.closed) return
    this.replica.tick()
    if (!this.leadership.isHeld && nowMs >= this.trackAtMs) {
      this.trackAtMs = nowMs + TRACK_MS
      this.tracker.follow(this.highWatermark, nowMs)
    }
    this.leadership.tick(nowMs)
  }

  /** Removes what lies below the start of the logs, where this broker does not lead: its leader decides on that. */
  async removeBelowStart (): Promise<void> {
    for (const log of this.logs) {
      if (this.leadership.isHeld || this.closed || log.state === 'failed') return
      const [first] = log.listSegments()
      if (first !== undefined && first.endOffset <= log.logStartOffset) await log.applyRetention()
    }
  }

  /** Gives up what it does; resolves when what has to be remembered is durable. */
  close (): Promise<void> {
    this.closed = true
    return new Promise((resolve, reject) => {
      this.replica.close(error => {
        this.wake()
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  // What the replica needs.

  monotonicMs (): number { return this.surroundings.clock.monotonicMs() }

  wallMs (): number { return this.surroundings.clock.wallMs() }

  endOfTurn (run: () => void): void { this.surroundings.endOfTurn(run) }

  send (brokerId: number, message: ReplicaMessage): void {
    this.surroundings.send(brokerId, this.topicId, this.index, message)
  }

  savePromise (promise: StoredPromise, done: (error: Error | null) => void): void {
    this.surroundings.promises.save(this.topicId, this.index, promise, done)
  }

  activate ({ epoch }: PartitionRecord, cutOffset: number | null): void {
    const { placements, logger } = this.surroundings
    placements.activate(this.topicId, this.index, epoch, cutOffset).then(record => {
      if (record !== null && !this.closed) this.replica.onRecord(record)
    }, (cause: Error) => {
      // The next leader reads the same sets once more: nothing hangs on it.
      logger.debug({ partition: this.label, err: cause }, 'the control store could not be told that an epoch is active; it is tried again')
    })
  }

  onRole (role: ReplicaRole, epoch: number): void {
    if (role !== 'lead') this.leadership.end()
    this.surroundings.logger.debug({ partition: this.label, role, epoch }, 'the role of a replica has changed')
    this.configure()
    this.wake()
  }

  onOpen (epoch: number): void {
    this.leadership.open(this.replica, epoch, this.placement.topic, this.index)
  }

  onQuorum (hasQuorum: boolean): void {
    const { logger } = this.surroundings
    if (hasQuorum) logger.info({ partition: this.label }, 'a majority of the replicas is back; records are taken again')
    else logger.warn({ partition: this.label }, 'a majority of the replicas cannot be reached; no records are taken')
    this.leadership.onQuorum(hasQuorum)
  }

  /** What is known of producers outlives their records, also over a restart. */
  removableOffset (log: number, offset: number): number {
    return log === 0 ? this.tracker.removableOffset(offset) : offset
  }

  onHighWatermark (log: number): void {
    this.leadership.onAdvance(log)
    if (log === 0) this.wake()
  }

  onLogAdvance (log: number): void { this.leadership.onAdvance(log) }

  onTruncate (log: number, offset: number): void {
    this.surroundings.partitions.forgetAbove(this.topicId, this.index, log, offset)
    if (log === 0) this.tracker.onTruncate(offset)
  }

  report (kind: ReplicaReport, message: string): void {
    this.surroundings.logger.warn({ partition: this.label, event: kind }, message)
  }

  /** Only the leader decides what is old: the others follow the start of its log. */
  private configure (): void {
    const { partitions } = this.surroundings
    const configs = partitions.logConfigsOf(this.placement.topic)
    const leads = this.leadership.isHeld
    for (const [index, log] of this.logs.entries()) {
      const config = configs[index]!
      log.configure(leads ? config : { ...config, retentionMs: -1, retentionBytes: -1 })
    }
    if (this.partition !== null) partitions.configureLed(this.partition, this.placement.topic)
  }

  private wake (): void {
    for (const wake of this.waiters) wake()
  }

  /** True where a record names this broker's store as a member of any kind. */
  static concerns (record: PartitionRecord, self: Member): boolean {
    const isNamed = (set: readonly Member[]): boolean => set.some(member => sameMember(member, self))
    return isNamed(record.replicas) || isNamed(record.learners) || record.prev.some(isNamed)
  }
}
