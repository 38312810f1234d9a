// The queue groups of one partition, and how what they change reaches its state log.
//
//   groups ─ deltas of a turn ─▶ one batch ─▶ state log ─ durable ─▶ the groups: answers, grants, dead letters
//                 └ held, in order, while the log takes nothing, or nobody waits for them (a grant): then the next
//                   delta that somebody waits for takes them along, and one sync does for both
//
// A delta is never lost or overtaken: what the log does not take for now is held, and nothing new is begun meanwhile
// (`blockedBy`). A log that has failed ends the groups; a restart brings them back to what is durable.

import { BATCH_FLAG, RecordBatchBuilder } from '@sluice/protocol'
import type { LedLog } from '../log/led-log.js'
import type { QueueConfig } from '../queue/queue-settings.js'
import type { Deadline } from '../runtime/deadline-queue.js'
import { HostedQueueGroup } from './hosted-queue-group.js'
import { QueueCheckpoints } from './queue-checkpoints.js'
import { QueueDedup } from './queue-dedup.js'
import { groupKey } from './queue-keys.js'
import { findImage, replayDeltas, restoreImage } from './queue-restore.js'
import type { QueuePartition, QueueSurroundings } from './queue-surroundings.js'
import { STATE_KEY } from './state-records.js'
import { StoredLaneIndex } from './stored-lane-index.js'

/** A delta on its way: `sequence` is the group's. */
interface Delta { readonly group: HostedQueueGroup, readonly sequence: number, readonly bytes: Uint8Array }

interface Sent { readonly endOffset: number, readonly deltas: readonly Delta[] }

/** What a batch begins with in memory: there may be very many idle queues. */
const BUILDER_BYTES = 256
/** Bytes of deltas in one batch, about. */
const BATCH_BYTES = 1024 * 1024
/** Bytes of deltas that the log has not taken, above which nothing new is begun. */
const HELD_BYTES_MAX = 4 * 1024 * 1024
/** How long a delta that nobody waits for is held for company, in milliseconds, and up to how many bytes. */
const COMPANY_MS = 10
const COMPANY_BYTES = 64 * 1024

export class PartitionQueues {
  readonly partition: QueuePartition
  private readonly surroundings: QueueSurroundings
  /** Of a queue; a stream has none. */
  dedup: QueueDedup | null = null
  private readonly groups = new Map<string, HostedQueueGroup>()
  private readonly checkpoints: QueueCheckpoints
  private readonly builder = new RecordBatchBuilder(BUILDER_BYTES)
  private led: LedLog | null = null
  private dirty: HostedQueueGroup[] = []
  private turnScheduled = false
  private held: Delta[] = []
  private heldBytes = 0
  /** When what is held for company is written at the latest; null where nothing is. */
  private companyDeadline: Deadline | null = null
  private sent: Sent[] = []
  /** Appended since the last checkpoint. */
  private loggedBytes = 0
  private isClosed = false
  /** Called when deltas were appended to the state log. */
  onAppended: ((bytes: number) => void) | null = null

  constructor (partition: QueuePartition, surroundings: QueueSurroundings) {
    this.partition = partition
    this.surroundings = surroundings
    this.checkpoints = new QueueCheckpoints(surroundings.meta, partition)
    this.checkpoints.onCommitted = () => this.onCheckpointCommitted()
  }

  find (name: string): HostedQueueGroup | undefined { return this.groups.get(name) }

  all (): IterableIterator<HostedQueueGroup> { return this.groups.values() }

  /** Adds a group, before `restore` or while the broker runs. */
  add (name: string, config: QueueConfig, deadLetterQueue: string): HostedQueueGroup {
    const group = new HostedQueueGroup({
      name,
      config,
      deadLetterQueue,
      partition: this.partition,
      surroundings: this.surroundings,
      delayed: this.checkpoints.delayStoreOf(name),
      laneIndex: new StoredLaneIndex(this.surroundings.meta, groupKey(this.partition.metaKey, name)),
      onTurn: dirty => this.onTurn(dirty),
    })
    this.groups.set(name, group)
    if (name === '') this.dedup = new QueueDedup(this.partition, group, this.surroundings.meta)
    return group
  }

  /**
   * Brings the groups back to what the state log says.
   *
   * @returns false where the log has a hole that lost changes: what is known was restored, and an image of it has to be
   *   written before anything else
   */
  async restore (): Promise<boolean> {
    const { log } = this.led!
    const { logger } = this.surroundings
    const groupOf = (name: string): HostedQueueGroup | null => this.groups.get(name) ?? null
    let from = -1
    try {
      from = await this.checkpoints.restore(log, this.groups)
    } catch (cause) {
      logger.warn({ partition: this.partition.label, err: cause },
        'what the meta store knows of a queue is damaged; reading its state log instead')
      await this.checkpoints.forget(this.groups)
      for (const { name, config, deadLetterQueue } of this.groups.values()) this.add(name, config, deadLetterQueue)
    }
    let between: (() => Promise<void>) | undefined
    if (from < 0) {
      between = () => this.checkpoints.spill(this.groups)
      const image = await findImage(log)
      if (image !== null) await restoreImage(log, image, groupOf, between)
      from = image?.begin ?? log.logStartOffset
    }
    const faults = await replayDeltas(log, from, groupOf, between)
    for (const [group, cause] of faults) {
      logger.error({ partition: this.partition.label, group, err: cause },
        'the state log of a queue has a hole: settles behind it are lost, and their records will be delivered again')
    }
    await this.restoreDedup()
    return faults.size === 0
  }

  private async restoreDedup (): Promise<void> {
    const group = this.groups.get('')
    if (group !== undefined) await this.dedup!.restore(this.queueTimeMs(group))
  }

  /** Queue time now, whether the group leads or not. */
  private queueTimeMs (group: HostedQueueGroup): number {
    const { skewMs, timeMs } = group.idle.state
    return Math.max(timeMs, Math.ceil(this.surroundings.clock.wallMs()) + skewMs)
  }

  /** Takes over the state log, when it is open. */
  attach (led: LedLog): void { this.led = led }

  /** Groups with records on their way go on at once; the others when they are needed. */
  begin (): void {
    this.dedup?.begin(this.partition.highWatermark)
    for (const group of this.groups.values()) if (group.hasOutstanding) group.turn()
  }

  /** Why nothing can be begun for now; null where it can. */
  get blockedBy (): 'busy' | 'unavailable' | 'no-quorum' | null {
    const { led } = this
    if (led === null || led.log.state !== 'online') return 'unavailable'
    if (!led.hasQuorum) return 'no-quorum'
    return this.heldBytes > HELD_BYTES_MAX ? 'busy' : null
  }

  /** Every group's changes are in the state log. */
  get isQuiet (): boolean { return this.dirty.length === 0 && this.held.length === 0 }

  /** Nothing is on its way to the state log. */
  get atRest (): boolean { return this.isQuiet && this.sent.length === 0 }

  /** Every queue group is done with all records below; Infinity where there is no group. */
  get releasedOffset (): number {
    // Dedup ids must be found in the log while they are taken: the meta store may be lost.
    let lowest = this.dedup?.oldestOffset ?? Infinity
    for (const group of this.groups.values()) lowest = Math.min(lowest, group.releasedOffset)
    return lowest
  }

  onHighWatermark (offset: number): void {
    this.dedup?.onHighWatermark(offset)
    for (const group of this.groups.values()) group.onHighWatermark(offset)
  }

  onStartOffset (offset: number): void {
    for (const group of this.groups.values()) group.onStartOffset(offset)
  }

  /** More of the state log is durable. */
  onStateAdvance (): void {
    const { sent } = this
    const acknowledged = this.led!.highWatermark
    let count = 0
    while (count < sent.length && sent[count]!.endOffset <= acknowledged) {
      for (const { group, sequence } of sent[count++]!.deltas) group.onDeltaDurable(sequence)
    }
    if (count > 0) this.sent = this.sent.slice(count)
    if (this.held.length > 0 && this.companyDeadline === null) this.write()
    this.checkpointDelays()
  }

  onStateLogChange (): void {
    const { state } = this.led!.log
    if (state === 'failed') this.close()
    else if (state === 'online' && this.held.length > 0) this.write()
  }

  /** Writes what has changed since the last checkpoint, as far as it is durable. See QueueCheckpoints. */
  checkpoint (all: boolean): void {
    this.dedup?.checkpoint(all, this.queueTimeMs(this.groups.get('')!))
    if (this.led !== null && this.held.length > 0) this.write()
    this.writeCheckpoint(all)
  }

  /** Does not wait for the next round where delay stores fill up. */
  private checkpointDelays (): void {
    if (this.isClosed) return
    for (const { delayed } of this.groups.values()) if (delayed.isDue) return this.writeCheckpoint(false)
  }

  private writeCheckpoint (all: boolean): void {
    const { led } = this
    if (led === null || led.log.state === 'failed' || !this.isQuiet) return
    if (this.checkpoints.write(led, this.groups, this.loggedBytes, all)) this.loggedBytes = 0
  }

  private onCheckpointCommitted (): void {
    if (this.isClosed) return
    for (const group of this.groups.values()) group.onDelayRoom()
    this.checkpointDelays()
  }

  /** Ends the groups: what they have changed is on its way to the state log, and nothing more comes. */
  close (): void {
    if (this.isClosed) return
    this.endTurn()
    if (this.led !== null && this.held.length > 0) this.write()
    this.isClosed = true
    this.dedup?.close()
    for (const group of this.groups.values()) group.stop()
  }

  get closed (): boolean { return this.isClosed }

  private onTurn (group: HostedQueueGroup): void {
    this.dirty.push(group)
    if (this.turnScheduled) return
    this.turnScheduled = true
    this.surroundings.endOfTurn(() => this.endTurn())
  }

  private endTurn (): void {
    this.turnScheduled = false
    const { dirty } = this
    this.dirty = []
    if (this.isClosed) return
    let isAwaited = false
    for (const group of dirty) {
      const bytes = group.endTurn()
      if (bytes !== null) {
        this.held.push({ group, sequence: group.idle.sequence, bytes })
        this.heldBytes += bytes.length
      }
      isAwaited ||= group.idle.awaitedSequence > group.loggedSequence
    }
    if (this.held.length === 0) return this.checkpointDelays()
    if (isAwaited || this.heldBytes > COMPANY_BYTES) this.write()
    else this.writeLater()
  }

  private writeLater (): void {
    if (this.companyDeadline !== null) return
    const { clock, deadlines } = this.surroundings
    this.companyDeadline = deadlines.add(clock.monotonicMs() + COMPANY_MS, () => {
      this.companyDeadline = null
      if (!this.isClosed && this.held.length > 0) this.write()
    })
  }

  private write (): void {
    const led = this.led!
    if (this.companyDeadline !== null) this.surroundings.deadlines.cancel(this.companyDeadline)
    this.companyDeadline = null
    let written = 0
    while (this.held.length > 0) {
      const { batch, count } = this.nextBatch()
      if (!led.hasRoom(batch.length)) break
      const endOffset = led.append(batch) + count
      const deltas = count === this.held.length ? this.held : this.held.slice(0, count)
      this.held = count === this.held.length ? [] : this.held.slice(count)
      for (const { group, sequence, bytes } of deltas) {
        this.heldBytes -= bytes.length
        group.loggedSequence = sequence
      }
      this.sent.push({ endOffset, deltas })
      written += batch.length
    }
    this.loggedBytes += written
    if (written > 0) this.onAppended?.(written)
    this.checkpointDelays()
  }

  private nextBatch (): { batch: Buffer, count: number } {
    const { builder, held } = this
    const nowMs = Math.max(0, this.surroundings.clock.wallMs())
    let count = 0
    while (count < held.length && (count === 0 || builder.size + held[count]!.bytes.length < BATCH_BYTES)) {
      const { group, bytes } = held[count++]!
      builder.append(STATE_KEY.delta + group.name, bytes, nowMs)
    }
    return { batch: builder.build({ flags: BATCH_FLAG.control }), count }
  }
}
