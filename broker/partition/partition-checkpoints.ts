// Writes down, and reads back, what partitions know beyond their logs: producers and committed offsets. It only saves
// reading the logs again, and says less than they do, never more:
//
//   producers   snapshot of the state at an offset, written once the log is committed, and durable here, up to there
//   offsets     rows of the groups that changed, with how far the state log is taken in; both in one write
//
// What is missing, damaged or ahead of the log is dropped, and the log is read instead.

import { readInt64, writeInt64 } from '@sluice/protocol'
import type { MetaStore, MetaWrite, PartitionLog } from '@sluice/storage'
import { CHECKPOINT_TABLE } from '../queue-host/queue-keys.js'
import type { Logger } from '../runtime/logger.js'
import type { Partition } from './partition.js'
import {
  GROUP_OFFSETS_TABLE, PRODUCERS_TABLE, STATE_APPLIED_TABLE, groupOfKey, groupOffsetKey, keysBelow, partitionKey,
} from './partition-keys.js'
import type { ProducerState } from './producer-state.js'

interface Snapshot { offset: number, version: number, bytes: Buffer }

/** Of one partition: what the newest snapshot in the meta store covers, and one that waits for its log. */
interface SnapshotProgress { offset: number, version: number, taken: Snapshot | null }

/** A snapshot costs as much as batches are remembered, so it waits for a change for every so many of them. */
const BATCHES_PER_CHANGE = 64

export class PartitionCheckpoints {
  private readonly meta: MetaStore
  private readonly logger: Logger
  private readonly snapshots = new Map<Partition, SnapshotProgress>()

  constructor (meta: MetaStore, logger: Logger) {
    this.meta = meta
    this.logger = logger
  }

  /** Brings back the producers of a partition that is being opened. @returns from where on its log has to be read. */
  restoreProducers (partition: Partition): number {
    const { log, producers } = partition
    const from = this.readProducers(partition.metaKey, partition.label, log, producers)
    this.snapshots.set(partition, { offset: from, version: producers.version, taken: null })
    return from
  }

  /** Fills producers in from what is stored. @returns from where on the log has to be read. */
  readProducers (key: Buffer, label: string, log: PartitionLog, producers: ProducerState): number {
    const snapshot = this.meta.get(PRODUCERS_TABLE, key)
    let from = log.logStartOffset
    if (snapshot !== null) {
      try {
        const offset = readInt64(snapshot, 0)
        // A snapshot of more than the log holds now says things about batches that a crash has cut off.
        if (offset <= log.nextOffset) {
          producers.restore(snapshot.subarray(8))
          from = Math.max(from, offset)
        }
      } catch (cause) {
        producers.clear()
        this.logger.warn({ partition: label, err: cause }, 'producer snapshot is damaged; reading the log instead')
      }
    }
    return from
  }

  /** Notes what is known at `offset`, which is committed and durable. */
  storeProducers (key: Buffer, producers: ProducerState, offset: number): void {
    this.meta.write([{ table: PRODUCERS_TABLE, key, value: snapshotBytes(producers, offset) }])
  }

  /** Begins to look after a partition whose producers are known up to `offset` already. */
  adopt (partition: Partition, offset: number): void {
    this.snapshots.set(partition, { offset, version: partition.producers.version, taken: null })
  }

  /** Brings back the committed offsets likewise. @returns from where on the state log has to be read. */
  restoreOffsets (partition: Partition, log: PartitionLog): number {
    let from = log.logStartOffset
    try {
      from = Math.max(from, this.readOffsets(partition, log))
    } catch (cause) {
      partition.offsets.clear()
      this.logger.warn({ partition: partition.label, err: cause }, 'committed offsets in the meta store are damaged; reading the state log instead')
      this.forgetOffsets(partition)
    }
    partition.offsets.takeChanged()
    return from
  }

  /**
   * Writes what has changed since the last call.
   *
   * @param all also what is not worth its cost while the broker runs.
   */
  write (partition: Partition, all = false): void {
    this.writeProducers(partition, all)
    this.writeOffsets(partition)
  }

  /** Up to where what is stored of a partition covers its data log (0) or its state log (1); 0 where nothing is. */
  storedOffset (key: Buffer, log: number): number {
    const tables = log === 0 ? [PRODUCERS_TABLE] : [STATE_APPLIED_TABLE, CHECKPOINT_TABLE]
    let offset = 0
    for (const table of tables) {
      const row = this.meta.get(table, key)
      if (row !== null && row.length >= 8) offset = Math.max(offset, readInt64(row, 0))
    }
    return offset
  }

  /** Stops looking after a partition that is closed. */
  drop (partition: Partition): void { this.snapshots.delete(partition) }

  private writeProducers (partition: Partition, all: boolean): void {
    const progress = this.snapshots.get(partition)
    if (progress === undefined) return
    const { log, producers } = partition
    for (;;) {
      if (progress.taken === null) {
        const changes = producers.version - progress.version
        if (changes === 0 && progress.offset === log.nextOffset) return
        if (!all && changes * BATCHES_PER_CHANGE < producers.rememberedCount) return
        progress.taken = snapshotOf(partition)
      }
      const { offset, version, bytes } = progress.taken
      // Only what nothing takes back may be called known.
      if (partition.settledOffset < offset) return
      const key = partitionKey(partition.topicId, partition.index)
      this.meta.write([{ table: PRODUCERS_TABLE, key, value: bytes }])
      progress.offset = offset
      progress.version = version
      progress.taken = null
    }
  }

  private writeOffsets (partition: Partition): void {
    const { state } = partition
    if (state === null || state.log.state !== 'online' || !partition.offsets.hasChanged) return
    const key = partitionKey(partition.topicId, partition.index)
    const writes: MetaWrite[] = []
    for (const group of partition.offsets.takeChanged()) {
      const offset = partition.offsets.get(group)
      const value = offset === undefined ? null : Buffer.from(JSON.stringify(offset))
      writes.push({ table: GROUP_OFFSETS_TABLE, key: groupOffsetKey(key, group), value })
    }
    const applied = Buffer.alloc(8)
    writeInt64(applied, Math.min(state.highWatermark, state.settledOffset), 0)
    writes.push({ table: STATE_APPLIED_TABLE, key, value: applied })
    this.meta.write(writes)
  }

  /** @returns up to where the rows cover the state log. @throws where they make no sense. */
  private readOffsets (partition: Partition, log: PartitionLog): number {
    const key = partitionKey(partition.topicId, partition.index)
    const applied = this.meta.get(STATE_APPLIED_TABLE, key)
    if (applied === null) return 0
    const offset = readInt64(applied, 0)
    if (offset > log.nextOffset) throw new Error(`they cover ${offset} records, the state log has ${log.nextOffset}`)
    for (const row of this.meta.range(GROUP_OFFSETS_TABLE, keysBelow(key))) {
      partition.offsets.set(groupOfKey(row.key), JSON.parse(row.value.toString()))
    }
    return offset
  }

  private forgetOffsets (partition: Partition): void {
    const key = partitionKey(partition.topicId, partition.index)
    const gone: MetaWrite[] = [{ table: STATE_APPLIED_TABLE, key, value: null }]
    for (const row of this.meta.range(GROUP_OFFSETS_TABLE, keysBelow(key))) {
      gone.push({ table: GROUP_OFFSETS_TABLE, key: row.key, value: null })
    }
    this.meta.write(gone)
  }
}

function snapshotOf (partition: Partition): Snapshot {
  const { producers, log } = partition
  return { offset: log.nextOffset, version: producers.version, bytes: snapshotBytes(producers, log.nextOffset) }
}

function snapshotBytes (producers: ProducerState, offset: number): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(8), producers.snapshot()])
  writeInt64(bytes, offset, 0)
  return bytes
}
