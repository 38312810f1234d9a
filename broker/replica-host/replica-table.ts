// All replicas that this broker holds: opened as the cluster's metadata names this broker, fed with its records and
// with what other brokers' replicas say, and deleted when nobody may need them any more.
//
//   placement names this store ──▶ open logs, load the promise ──▶ HostedReplica ◀── records, messages, ticks
//   named nowhere in an active epoch ──▶ close, remove the files
//   topic deleted ──▶ close, remove the files, then the promise
//
// - The promise outlives the files: records without a promise are taken for what a store lost its memory of. It stays
//   for as long as the topic lives, since it proves which epochs the control store has known.
// - Files of a topic that the metadata does not know are left alone: the metadata may be what was lost.

import { isDeepStrictEqual } from 'node:util'
import type { LogStore, PartitionLog } from '@sluice/storage'
import type { PartitionTable } from '../partition/partition-table.js'
import { forEachAtOnce } from '../runtime/for-each-at-once.js'
import { memberName, sameMember, type Member } from '../replica/member.js'
import { mayDelete } from '../replica/partition-record.js'
import type { Replica, ReplicaTrouble } from '../replica/replica.js'
import type { StoredPromise } from '../replica/replica-host.js'
import type { ReplicaMessage } from '../replica/replica-message.js'
import { CatchUpMarks } from './catch-up-marks.js'
import { HostedReplica } from './hosted-replica.js'
import type { PartitionPlacement } from './partition-placements.js'
import type { ReplicaSurroundings } from './replica-surroundings.js'
import { StorageWatch, worseOf, type StorageTrouble } from './storage-watch.js'

/** How the disk below the replicas is. */
export interface StorageState {
  /** The worst of all replicas; null where nothing is wrong. */
  readonly worst: StorageTrouble | null
  /** What this process is to lead and whose disk is in trouble, by name as `topicId/partition`. */
  readonly led: ReadonlyMap<string, StorageTrouble>
}

/** What is wrong with a partition, as one of its replicas has it. */
export interface HeldTrouble extends ReplicaTrouble { readonly topicId: string, readonly partition: number }

export const REPLICA_LOG_KINDS = ['data', 'state'] as const
const OPEN_AT_ONCE = 64
/**
 * So many replicas, or a share of them, look at the time in one tick: that of thousands takes milliseconds, and what
 * they wait for is no shorter than a round of all.
 */
const TICKED_MIN = 200
const TICKED_SHARE = 1 / 4
/** What has failed is tried again so often, in milliseconds. */
const RETRY_MS = 1_000

/** A replica as the table handles it: a HostedReplica, or what a simulator has in its place. */
export interface TableReplica {
  readonly topicId: string
  readonly index: number
  /** For messages: which partition this is. */
  readonly label: string
  readonly replica: Pick<Replica, 'promised' | 'roleName' | 'leading' | 'logs' | 'trouble'>
  readonly placement: PartitionPlacement
  onPlacement (placement: PartitionPlacement): void
  onMessage (from: number, message: ReplicaMessage): void
  tick (nowMs: number): void
  removeBelowStart (): Promise<void>
  close (): Promise<void>
}

/** Where the logs are. */
export type TableLogs = Pick<LogStore, 'openLog' | 'listLogs' | 'deleteLog'>

export type MakeReplica<Hosted> =
  (placement: PartitionPlacement, logs: readonly PartitionLog[], stored: StoredPromise | null) => Hosted

/** What the table itself needs of the broker around it. */
export interface TableSurroundings
  extends Pick<ReplicaSurroundings, 'self' | 'incarnation' | 'clock' | 'promises' | 'placements' | 'logger'> {
  readonly partitions: Pick<PartitionTable, 'logConfigsOf' | 'forgetPartition'>
}

export class ReplicaTable<Hosted extends TableReplica = HostedReplica> {
  private readonly surroundings: TableSurroundings
  private readonly store: TableLogs
  private readonly makeReplica: MakeReplica<Hosted>
  private readonly topics = new Map<string, Hosted[]>()
  /** Partitions that are being opened or deleted, by name: one thing after the other. */
  private readonly working = new Map<string, Promise<void>>()
  /** Partitions whose opening or removal has failed, to be tried again. */
  private readonly failed = new Map<string, { readonly topicId: string, readonly partition: number }>()
  private readonly marks = new CatchUpMarks()
  private readonly storage = new WeakMap<Hosted, StorageWatch>()
  private retryAtMs = 0
  /** Those whose turn to look at the time is still to come. */
  private ticking: IterableIterator<Hosted> = this.all()
  private unsubscribe = (): void => {}
  private closed = false
  private replicaCount = 0

  constructor (surroundings: TableSurroundings, store: TableLogs, makeReplica: MakeReplica<Hosted>) {
    this.surroundings = surroundings
    this.store = store
    this.makeReplica = makeReplica
  }

  /** Replicas held. */
  get size (): number { return this.replicaCount }

  find (topicId: string, partition: number): Hosted | undefined {
    return this.topics.get(topicId)?.[partition]
  }

  /**
   * True where a learner of a partition that this broker leads has all but the last of it, so that it would hold up
   * nobody as a replica. To be asked again and again.
   */
  hasCaughtUp (topicId: string, partition: number, member: Member): boolean {
    const replica = this.find(topicId, partition)?.replica
    const leading = replica?.leading
    const name = nameOf(topicId, partition)
    const learner = memberName(member)
    const progress = leading?.progress().find(each => memberName(each.member) === learner)
    if (replica === undefined || leading?.open !== true || progress === undefined) {
      this.marks.forget(name)
      return false
    }
    const highWatermarks = replica.logs.map(log => log.highWatermark)
    const endOffsets = replica.logs.map(({ log }) => log.nextOffset)
    const nowMs = this.surroundings.clock.monotonicMs()
    return this.marks.hasCaughtUp(name, nowMs, progress.matchOffsets, highWatermarks, endOffsets)
  }

  /** Names, as `topicId/partition`, of what the control store has this process lead and what it has given up. */
  givenUp (): string[] {
    const names: string[] = []
    for (const replica of this.all()) if (this.hasGivenUp(replica)) names.push(nameOf(replica.topicId, replica.index))
    return names
  }

  /** What replicas of this broker wait for, or have to repair. */
  * troubles (): IterableIterator<HeldTrouble> {
    for (const { topicId, index: partition, replica: { trouble } } of this.all()) {
      if (trouble !== null) yield { topicId, partition, ...trouble }
    }
  }

  /** See StorageWatch. */
  lookAtStorage (nowMs: number, hasStalled: boolean): StorageState {
    let worst: StorageTrouble | null = null
    const led = new Map<string, StorageTrouble>()
    for (const replica of this.all()) {
      const trouble = this.storageOf(replica).look(nowMs, hasStalled)
      if (trouble === null) continue
      worst = worseOf(worst, trouble)
      if (this.isToLead(replica)) led.set(nameOf(replica.topicId, replica.index), trouble)
    }
    return { worst, led }
  }

  /** Who leads and holds a partition, whether this broker is among them or not. */
  placementOf (topicId: string, partition: number): PartitionPlacement | undefined {
    return this.surroundings.placements.get(topicId, partition)
  }

  * all (): IterableIterator<Hosted> {
    for (const replicas of this.topics.values()) {
      for (const replica of replicas) if (replica !== undefined) yield replica
    }
  }

  /** Opens the replicas that this broker holds, and removes what is left of others. */
  async start (): Promise<void> {
    const { placements, promises, logger } = this.surroundings
    const unknown = new Set<string>()
    for (const { topicId, partition } of await this.store.listLogs()) {
      if (placements.get(topicId, partition) !== undefined) continue
      if (placements.wasDeleted(topicId)) await this.removeFiles(topicId, partition)
      else unknown.add(topicId)
    }
    for (const { topicId, partition } of [...promises.promisedEpochs()]) {
      if (placements.wasDeleted(topicId)) await this.forgetPromise(topicId, partition)
    }
    for (const topicId of unknown) logger.warn({ topicId }, 'a topic on disk is not known to the cluster; it is left alone')
    this.unsubscribe = placements.subscribe((topicId, partition) => this.onChange(topicId, partition))
    const all = [...placements.all()]
    await forEachAtOnce(all.length, OPEN_AT_ONCE, async index => {
      const { topic: { topicId }, partition } = all[index]!
      this.onChange(topicId, partition)
      await this.working.get(nameOf(topicId, partition))
    })
  }

  /** Removes what lies below the start of the logs of partitions that others lead. */
  async removeBelowStart (signal: AbortSignal): Promise<void> {
    for (const replica of this.all()) {
      if (signal.aborted) return
      await replica.removeBelowStart().catch((cause: Error) => {
        this.surroundings.logger.warn({ partition: replica.label, err: cause }, 'old segments of a replica could not be removed; it is tried again')
      })
    }
  }

  /** What a replica on another broker says. */
  onMessage (from: number, topicId: string, partition: number, message: ReplicaMessage): void {
    this.find(topicId, partition)?.onMessage(from, message)
  }

  /** To be called every few tens of milliseconds: each replica has its turn within a few calls. */
  tick (): void {
    const nowMs = this.surroundings.clock.monotonicMs()
    for (let left = Math.max(TICKED_MIN, this.replicaCount * TICKED_SHARE); left > 0; left--) {
      const next = this.ticking.next()
      if (next.done === true) {
        this.ticking = this.all()
        break
      }
      next.value.tick(nowMs)
    }
    if (this.failed.size === 0 || nowMs < this.retryAtMs) return
    this.retryAtMs = nowMs + RETRY_MS
    const failed = [...this.failed.values()]
    this.failed.clear()
    for (const { topicId, partition } of failed) this.onChange(topicId, partition)
  }

  /** Gives up every role, so that what is led has a new leader soon; resolves when all promises are durable. */
  async close (): Promise<void> {
    this.closed = true
    this.unsubscribe()
    await Promise.all(this.working.values())
    await Promise.all([...this.all()].map(replica => replica.close()))
  }

  private onChange (topicId: string, partition: number): void {
    const name = nameOf(topicId, partition)
    if (this.closed || this.working.has(name)) return // looked at again when that is done
    const { placements, self } = this.surroundings
    const placement = placements.get(topicId, partition)
    const replica = this.find(topicId, partition)
    if (replica !== undefined) {
      if (placement !== undefined) replica.onPlacement(placement)
      const isOver = placement === undefined ? placements.wasDeleted(topicId) : this.isDispensable(replica)
      if (isOver) this.work(name, topicId, partition, () => this.remove(replica))
    } else if (placement !== undefined && HostedReplica.concerns(placement.record, self)) {
      this.work(name, topicId, partition, () => this.open(placement))
    } else if (placement !== undefined && mayDelete(placement.record, self)) {
      this.work(name, topicId, partition, () => this.removeUnnamed(placement))
    }
  }

  /** True where the control store has this process lead, and it has given that up: its disk has failed, say. */
  private hasGivenUp (hosted: Hosted): boolean { return this.isToLead(hosted) && hosted.replica.roleName === 'idle' }

  /** True where the control store has this process lead. */
  private isToLead ({ placement: { record } }: Hosted): boolean {
    const { self, incarnation } = this.surroundings
    return record.leaderIncarnation === incarnation && sameMember(record.leader, self)
  }

  private storageOf (hosted: Hosted): StorageWatch {
    let watch = this.storage.get(hosted)
    if (watch === undefined) {
      watch = new StorageWatch(hosted.replica.logs.map(({ log }) => log))
      this.storage.set(hosted, watch)
    }
    return watch
  }

  /**
   * True where the files may go, by what the control store says. A leader may be heard of before the record that names
   * it: what was promised in a newer epoch than that of the record at hand may have been counted since.
   */
  private isDispensable ({ placement: { record }, replica }: Hosted): boolean {
    return record.epoch >= replica.promised && mayDelete(record, this.surroundings.self)
  }

  private work (name: string, topicId: string, partition: number, run: () => Promise<void>): void {
    const before = this.surroundings.placements.get(topicId, partition)
    const done = run().catch((cause: Error) => {
      this.surroundings.logger.error({ partition: name, err: cause }, 'a replica could not be opened or removed; it is tried again')
      this.failed.set(name, { topicId, partition })
    }).then(() => {
      this.working.delete(name)
      const after = this.surroundings.placements.get(topicId, partition)
      if (after !== before) this.onChange(topicId, partition)
    })
    this.working.set(name, done)
  }

  private async open (placement: PartitionPlacement): Promise<void> {
    const { topic, partition } = placement
    const { promises, partitions } = this.surroundings
    const configs = partitions.logConfigsOf(topic)
    const logs = await Promise.all(REPLICA_LOG_KINDS.map((kind, index) =>
      this.store.openLog({ topicId: topic.topicId, partition, kind }, configs[index]!)))
    const replica = this.makeReplica(placement, logs, promises.load(topic.topicId, partition))
    let replicas = this.topics.get(topic.topicId)
    if (replicas === undefined) this.topics.set(topic.topicId, replicas = [])
    replicas[partition] = replica
    this.replicaCount++
    if (!this.closed) replica.onPlacement(placement)
  }

  private async remove (replica: Hosted): Promise<void> {
    const { topicId, index } = replica
    await replica.close()
    const replicas = this.topics.get(topicId)!
    delete replicas[index]
    if (replicas.every(each => each === undefined)) this.topics.delete(topicId)
    this.replicaCount--
    await this.removeFiles(topicId, index)
    this.surroundings.logger.info({ partition: replica.label }, 'a replica that is not needed here any more was removed')
  }

  /** What is of a newer epoch than the control store knows of stays: that may have been put back to an older state. */
  private async removeUnnamed ({ topic: { topicId }, partition, record }: PartitionPlacement): Promise<void> {
    const promised = this.surroundings.promises.load(topicId, partition)?.promised ?? 0
    if (promised <= record.epoch) await this.removeFiles(topicId, partition)
  }

  private forgetPromise (topicId: string, partition: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.surroundings.promises.forget(topicId, partition, error => error === null ? resolve() : reject(error))
    })
  }

  private async removeFiles (topicId: string, partition: number): Promise<void> {
    const { partitions, placements, promises } = this.surroundings
    for (const kind of REPLICA_LOG_KINDS) await this.store.deleteLog({ topicId, partition, kind })
    await partitions.forgetPartition(topicId, partition)
    if (placements.wasDeleted(topicId)) return await this.forgetPromise(topicId, partition)
    const stored = promises.load(topicId, partition)
    if (stored === null) return
    // All but the epoch was about what is gone.
    const bare = { promised: stored.promised, trusted: true, owed: [], suspectFrom: [], bootId: '' }
    if (isDeepStrictEqual(stored, bare)) return
    await new Promise<void>((resolve, reject) => {
      promises.save(topicId, partition, bare, error => error === null ? resolve() : reject(error))
    })
  }
}

function nameOf (topicId: string, partition: number): string { return `${topicId}/${partition}` }
