// What the queue groups of a partition keep in the meta store, so that a start need not read the whole state log, and
// delayed records need no memory. The state log is the truth: rows that do not fit it are dropped.
//
//   take:   snapshots of the groups, what their delay stores changed, and the state log's end they stand for
//   write:  all of it at once, when the state log is committed, and durable here, up to there
//
// A snapshot costs as much as there is outstanding, so one is due when the log has grown by a fair part of that.

import { readInt64, writeInt64 } from '@sluice/protocol'
import type { MetaStore, MetaWrite, PartitionLog } from '@sluice/storage'
import type { LedLog } from '../log/led-log.js'
import type { HostedQueueGroup } from './hosted-queue-group.js'
import {
  CHECKPOINT_TABLE, GROUP_TABLE, groupKey, rowsOf,
} from './queue-keys.js'
import type { QueuePartition } from './queue-surroundings.js'
import { StoredDelayStore } from './stored-delay-store.js'

interface Taken { readonly offset: number, readonly writes: MetaWrite[], readonly groups: readonly HostedQueueGroup[] }

/** Snapshots so small are written with every round. */
const SMALL_BYTES = 64 * 1024

export class QueueCheckpoints {
  private readonly meta: MetaStore
  private readonly key: Buffer
  /** Sequence of each group in its row. */
  private readonly sequences = new Map<string, number>()
  private taken: Taken | null = null
  /** Checkpoints that the meta store has not committed. */
  private underWay = 0
  /** Bytes of the snapshots written last. */
  private storedBytes = 0
  /** End of the state log that the rows stand for. */
  private storedOffset = -1
  /** Called when a checkpoint is committed: delay stores have room again. */
  onCommitted: () => void = () => {}

  constructor (meta: MetaStore, { metaKey }: QueuePartition) {
    this.meta = meta
    this.key = metaKey
  }

  delayStoreOf (name: string): StoredDelayStore {
    return new StoredDelayStore(this.meta, groupKey(this.key, name))
  }

  /**
   * Brings groups back that are new.
   *
   * @returns from where on the state log has to be read; -1 where there is no checkpoint that fits it: nothing is
   *   restored then, and no row is left
   */
  async restore (log: PartitionLog, groups: ReadonlyMap<string, HostedQueueGroup>): Promise<number> {
    const offset = this.offsetStored()
    // A checkpoint of more than the log holds says things that a crash has cut off.
    if (offset < log.logStartOffset || offset > log.nextOffset) {
      await this.forget(groups)
      return -1
    }
    for (const group of groups.values()) {
      const row = this.meta.get(GROUP_TABLE, groupKey(this.key, group.name))
      if (row === null) continue
      group.delayed.restore(readInt64(row, 0))
      group.idle.restore(row.subarray(8))
      this.sequences.set(group.name, group.idle.sequence)
    }
    this.storedOffset = offset
    return offset
  }

  /**
   * Writes what has changed, where that is due.
   *
   * @param loggedBytes appended to the state log since the last checkpoint, about
   * @param all whether it is due or not
   * @returns true where the rows now stand for a later offset
   */
  write (
    { log, settledOffset }: LedLog, groups: ReadonlyMap<string, HostedQueueGroup>, loggedBytes: number, all: boolean,
  ): boolean {
    // What is brought back because it is due changes a delay store without a word in the log.
    const isNew = log.nextOffset !== this.storedOffset || [...groups.values()].some(({ delayed }) => delayed.isDue)
    const isPossible = this.taken === null && isNew
    // One at a time, so that what waits for the disk is bounded; the last one of all waits for nothing.
    if (isPossible && (all || (this.underWay === 0 && this.isDue(groups, loggedBytes)))) {
      this.taken = this.take(log, groups)
    }
    // Only what nothing takes back may be called known.
    if (this.taken === null || settledOffset < this.taken.offset) return false
    const { offset, writes, groups: frozen } = this.taken
    for (const group of frozen) for (const change of group.delayed.writesOfFrozen()) writes.push(change)
    const value = Buffer.alloc(8)
    writeInt64(value, offset, 0)
    writes.push({ table: CHECKPOINT_TABLE, key: this.key, value })
    this.underWay++
    this.meta.write(writes, {
      done: error => {
        // What a meta store that has failed did not take stays in memory, and nothing more is tried.
        if (error !== null) return
        this.underWay--
        for (const group of frozen) group.delayed.onCheckpointed()
        this.onCommitted()
      },
    })
    this.taken = null
    this.storedOffset = offset
    return true
  }

  private isDue (groups: ReadonlyMap<string, HostedQueueGroup>, loggedBytes: number): boolean {
    if (this.storedBytes < SMALL_BYTES || loggedBytes * 2 >= this.storedBytes) return true
    for (const { delayed } of groups.values()) if (delayed.isDue) return true
    return false
  }

  private take (log: PartitionLog, groups: ReadonlyMap<string, HostedQueueGroup>): Taken {
    const writes: MetaWrite[] = []
    const changed: HostedQueueGroup[] = []
    this.storedBytes = 0
    for (const group of groups.values()) {
      const { sequence, state } = group.idle
      if (this.sequences.get(group.name) === sequence && !group.delayed.isDue) continue
      this.sequences.set(group.name, sequence)
      changed.push(group)
      group.delayed.freeze()
      const count = Buffer.alloc(8)
      writeInt64(count, group.delayed.size, 0)
      const value = Buffer.concat([count, state.snapshot()])
      this.storedBytes += value.length
      group.delayed.onCheckpointTaken(value.length)
      writes.push({ table: GROUP_TABLE, key: groupKey(this.key, group.name), value })
      // Nobody may come to it for long.
      state.ledger.trim()
    }
    return { offset: log.nextOffset, writes, groups: changed }
  }

  private offsetStored (): number {
    const row = this.meta.get(CHECKPOINT_TABLE, this.key)
    return row === null || row.length !== 8 ? -1 : readInt64(row, 0)
  }

  /** No row counts any more. */
  async forget (groups: ReadonlyMap<string, HostedQueueGroup>): Promise<void> {
    this.meta.write([{ table: CHECKPOINT_TABLE, key: this.key, value: null }])
    await this.meta.deleteRange(GROUP_TABLE, rowsOf(this.key))
    for (const { delayed } of groups.values()) delayed.forget()
  }

  /**
   * While there is no checkpoint: has delayed records that a restart reads from the state log take to the disk, since
   * they may be more than fit into memory. A crash leaves them without a checkpoint, so that they do not count.
   */
  async spill (groups: ReadonlyMap<string, HostedQueueGroup>): Promise<void> {
    for (const { delayed } of groups.values()) {
      if (!delayed.isDue) continue
      delayed.freeze()
      const writes = delayed.writesOfFrozen()
      await new Promise<void>((resolve, reject) => {
        this.meta.write(writes, { done: error => error === null ? resolve() : reject(error) })
      })
      delayed.onCheckpointed()
    }
  }
}
