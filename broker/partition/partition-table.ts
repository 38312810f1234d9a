// All partitions that this broker holds: opens them with what they know, looks them up, closes and deletes them, and
// writes the checkpoints that make the next start quick.

import type { LogConfig, LogId, LogStore, MetaStore, MetaWrite, PartitionLog } from '@sluice/storage'
import { ERROR, readInt64, writeInt64 } from '@sluice/protocol'
import PQueue from 'p-queue'
import { logConfigOf, type TopicSettings } from '../control/topic-config.js'
import { settingsOf, type TopicRecord } from '../control/topic-record.js'
import type { Logger } from '../runtime/logger.js'
import { Partition, replayOffsets, type PartitionHost } from './partition.js'
import {
  GROUP_OFFSETS_TABLE, PRODUCERS_TABLE, STATE_APPLIED_TABLE, groupOfKey, groupOffsetKey, keysBelow, partitionKey,
} from './partition-keys.js'

export interface PartitionTableOptions {
  store: LogStore
  meta: MetaStore
  leaderEpoch: number
  /** Settings of topics that do not set them, in canonical text. */
  topicDefaults: Readonly<Record<string, string>>
  wallMs: () => number
  endOfTurn: (run: () => void) => void
  logger: Logger
}

/** A state log is small and rewritten often: small segments let compaction get at it. */
const STATE_SEGMENT_BYTES = 1024 * 1024
const OPEN_AT_ONCE = 64

export class PartitionTable implements PartitionHost {
  private readonly options: PartitionTableOptions
  private readonly topics = new Map<string, { record: TopicRecord, partitions: Partition[] }>()
  private readonly withStateLog = new Set<string>()
  /** What was on disk at the start. */
  private found: LogId[] = []
  /** Per partition, what its newest producer snapshot in the meta store covers. */
  private readonly snapshots = new Map<Partition, { offset: number, version: number }>()
  private partitionCount = 0

  constructor (options: PartitionTableOptions) {
    this.options = options
  }

  /** Partitions held. */
  get size (): number { return this.partitionCount }

  /** The highest producer id that any partition remembers; -1 where none does. */
  highestProducerId (): number {
    let highest = -1
    for (const { producers } of this.all()) highest = Math.max(highest, producers.highestId)
    return highest
  }

  wallMs (): number { return this.options.wallMs() }

  endOfTurn (run: () => void): void { this.options.endOfTurn(run) }

  /** Must run before the first `openTopic`: finds out which logs there are. Resolves with the topics they belong to. */
  async scan (): Promise<Set<string>> {
    this.found = await this.options.store.listLogs()
    for (const id of this.found) if (id.kind === 'state') this.withStateLog.add(stateLogName(id.topicId, id.partition))
    return new Set(this.found.map(id => id.topicId))
  }

  /** Deletes what is left of a topic that is not open: files, and what the meta store knows of them. */
  async deleteLeftOver (topicId: string): Promise<void> {
    for (const id of this.found) if (id.topicId === topicId) await this.options.store.deleteLog(id)
    await this.forget(topicId)
  }

  /** The partition, or undefined where this broker does not hold it. */
  find (topicId: string, index: number): Partition | undefined {
    return this.topics.get(topicId)?.partitions[index]
  }

  partitionsOf (topicId: string): readonly Partition[] {
    return this.topics.get(topicId)?.partitions ?? []
  }

  * all (): IterableIterator<Partition> {
    for (const { partitions } of this.topics.values()) yield * partitions
  }

  /** Opens the partitions of a topic that are not open yet: all at first, the new ones after it has grown. */
  async openTopic (record: TopicRecord): Promise<void> {
    const held = this.topics.get(record.topicId)?.partitions ?? []
    const queue = new PQueue({ concurrency: OPEN_AT_ONCE })
    const opened = await Promise.all(
      Array.from({ length: record.partitions - held.length }, (_, index) =>
        queue.add(() => this.openPartition(record, held.length + index))))
    this.topics.set(record.topicId, { record, partitions: [...held, ...opened] })
    this.partitionCount += opened.length
  }

  /** Puts changed settings into force. */
  configureTopic (record: TopicRecord): void {
    const topic = this.topics.get(record.topicId)
    if (topic === undefined) return
    topic.record = record
    const settings = this.settingsOf(record)
    for (const partition of topic.partitions) {
      partition.log.configure(logConfigOf(settings))
      partition.stateLog?.configure(this.stateLogConfig(record))
      partition.maxBatchBytes = Number(settings['max.batch.bytes'])
    }
  }

  /** Closes the partitions of a topic and deletes all that they hold. */
  async deleteTopic (topicId: string): Promise<void> {
    const topic = this.topics.get(topicId)
    if (topic === undefined) return
    this.topics.delete(topicId)
    this.partitionCount -= topic.partitions.length
    for (const partition of topic.partitions) {
      partition.close(ERROR.UNKNOWN_TOPIC, `topic ${topic.record.name} was deleted`)
      this.snapshots.delete(partition)
      const { store } = this.options
      await store.deleteLog({ topicId, partition: partition.index, kind: 'data' })
      if (this.withStateLog.delete(stateLogName(topicId, partition.index))) {
        await store.deleteLog({ topicId, partition: partition.index, kind: 'state' })
      }
    }
    await this.forget(topicId)
  }

  /** True where everything appended to logs that take writes is acknowledged. */
  get atRest (): boolean {
    for (const { log, stateLog } of this.all()) {
      if (log.state === 'online' && log.acknowledgedOffset < log.nextOffset) return false
      if (stateLog?.state === 'online' && stateLog.acknowledgedOffset < stateLog.nextOffset) return false
    }
    return true
  }

  /** Answers everything that waits, since the broker stops. */
  closeAll (error: number, message: string): void {
    for (const partition of this.all()) partition.close(error, message)
  }

  async openStateLog (partition: Partition): Promise<PartitionLog> {
    const { record } = this.topics.get(partition.topicId)!
    const id: LogId = { topicId: partition.topicId, partition: partition.index, kind: 'state' }
    const log = await this.options.store.openLog(id, this.stateLogConfig(record))
    this.withStateLog.add(stateLogName(partition.topicId, partition.index))
    return log
  }

  /** Writes to the meta store what has changed since the last call. Not more than a start needs: it can be rebuilt. */
  checkpoint (): void {
    for (const partition of this.all()) {
      this.checkpointProducers(partition)
      this.checkpointOffsets(partition)
    }
  }

  private async openPartition (record: TopicRecord, index: number): Promise<Partition> {
    const settings = this.settingsOf(record)
    const { store, leaderEpoch } = this.options
    const log = await store.openLog({ topicId: record.topicId, partition: index, kind: 'data' }, logConfigOf(settings))
    // Above what the log has seen, also where the control store was lost and counts anew.
    const epoch = Math.max(leaderEpoch, log.lastEpoch + 1)
    const partition = new Partition(this, record, index, epoch, log, Number(settings['max.batch.bytes']))
    await this.loadProducers(partition)
    if (this.withStateLog.has(stateLogName(record.topicId, index))) await this.loadOffsets(partition, record)
    return partition
  }

  private async loadProducers (partition: Partition): Promise<void> {
    const { log, producers } = partition
    const snapshot = this.options.meta.get(PRODUCERS_TABLE, partitionKey(partition.topicId, partition.index))
    let from = log.logStartOffset
    if (snapshot !== null) {
      const offset = readInt64(snapshot, 0)
      try {
        // A snapshot of more than the log holds now says things about batches that a crash has cut off.
        if (offset <= log.nextOffset) {
          producers.restore(snapshot.subarray(8))
          from = Math.max(from, offset)
        }
      } catch (cause) {
        producers.clear()
        const { logger } = this.options
        logger.warn({ partition: partition.label, err: cause }, 'producer snapshot is damaged; reading the log instead')
      }
    }
    this.snapshots.set(partition, { offset: from, version: producers.version })
    if (from >= log.nextOffset) return
    const nowMs = this.options.wallMs()
    await log.replayHeaders(from, header => producers.apply(header, Math.min(header.maxTimestamp, nowMs)))
  }

  private async loadOffsets (partition: Partition, record: TopicRecord): Promise<void> {
    const { meta } = this.options
    const id: LogId = { topicId: partition.topicId, partition: partition.index, kind: 'state' }
    const log = await this.options.store.openLog(id, this.stateLogConfig(record))
    const key = partitionKey(partition.topicId, partition.index)
    const applied = meta.get(STATE_APPLIED_TABLE, key)
    let from = log.logStartOffset
    if (applied !== null && readInt64(applied, 0) <= log.nextOffset) {
      for (const row of meta.range(GROUP_OFFSETS_TABLE, keysBelow(key))) {
        partition.offsets.set(groupOfKey(row.key), JSON.parse(row.value.toString()))
      }
      from = Math.max(from, readInt64(applied, 0))
    }
    partition.offsets.takeChanged()
    if (from < log.nextOffset) await replayOffsets(log, partition.offsets, from)
    partition.attachStateLog(log)
  }

  private checkpointProducers (partition: Partition): void {
    const { log, producers } = partition
    const last = this.snapshots.get(partition)
    if (last === undefined || (last.offset === log.nextOffset && last.version === producers.version)) return
    // Only what is durable may be called known: a snapshot waits until the log is at rest or has caught up with it.
    const offset = log.nextOffset
    const bytes = Buffer.concat([Buffer.alloc(8), producers.snapshot()])
    writeInt64(bytes, offset, 0)
    const { version } = producers
    const write = (): void => {
      if (partition.closed && !this.topics.has(partition.topicId)) return
      this.snapshots.set(partition, { offset, version })
      const key = partitionKey(partition.topicId, partition.index)
      this.options.meta.write([{ table: PRODUCERS_TABLE, key, value: bytes }])
    }
    if (log.durableOffset >= offset) write()
    else partition.whenCommitted(offset, error => { if (error === 0 && log.durableOffset >= offset) write() })
  }

  private checkpointOffsets (partition: Partition): void {
    const log = partition.stateLog
    if (log === null || log.state !== 'online') return
    const changed = partition.offsets.takeChanged()
    if (changed.size === 0) return
    const key = partitionKey(partition.topicId, partition.index)
    const writes: MetaWrite[] = []
    for (const group of changed) {
      const offset = partition.offsets.get(group)
      const value = offset === undefined ? null : Buffer.from(JSON.stringify(offset))
      writes.push({ table: GROUP_OFFSETS_TABLE, key: groupOffsetKey(key, group), value })
    }
    const applied = Buffer.alloc(8)
    writeInt64(applied, Math.min(log.acknowledgedOffset, log.durableOffset), 0)
    writes.push({ table: STATE_APPLIED_TABLE, key, value: applied })
    this.options.meta.write(writes)
  }

  private settingsOf (record: TopicRecord): TopicSettings {
    return settingsOf(record, this.options.topicDefaults)
  }

  /** State is as durable as the records it is about, and compacted by its keys. */
  private stateLogConfig (record: TopicRecord): LogConfig {
    return {
      ...logConfigOf(this.settingsOf(record)),
      segmentBytes: STATE_SEGMENT_BYTES,
      retentionMs: -1,
      retentionBytes: -1,
      cleanup: { delete: false, compact: true },
      // Longer than any checkpoint takes: the view in the meta store must have met the removal before it goes.
      tombstoneRetentionMs: 24 * 3_600_000,
      minCompactionLagMs: 0,
    }
  }

  private async forget (topicId: string): Promise<void> {
    const range = keysBelow(partitionKey(topicId, 0).subarray(0, 16))
    for (const table of [PRODUCERS_TABLE, STATE_APPLIED_TABLE, GROUP_OFFSETS_TABLE]) {
      await this.options.meta.deleteRange(table, range)
    }
  }
}

function stateLogName (topicId: string, partition: number): string {
  return `${topicId}/${partition}`
}
