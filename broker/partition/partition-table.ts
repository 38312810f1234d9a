// All partitions that this broker holds: opens them with what they know, looks them up, closes and deletes them.
//
//   prepare ── opened, known to nobody ──▶ install ── found by topic id and number ──▶ deleteTopic
//      └─────────────────────────────────▶ abandon
//
// In a cluster a partition is here while this broker leads it, and no longer; its logs belong to its replica:
//
//   openLed ── opened, known to nobody ──▶ installLed ── found ──▶ closeLed

import type { LogConfig, LogId, LogStore, MetaStore, PartitionLog } from '@sluice/storage'
import { ERROR } from '@sluice/protocol'
import { logConfigOf, type TopicSettings } from '../control/topic-config.js'
import { queueSettingsOf, settingsOf, type TopicRecord } from '../control/topic-record.js'
import type { LedLog } from '../log/led-log.js'
import { StandaloneLog } from '../log/standalone-log.js'
import { LIMITS } from '../limits.js'
import { queueConfigOf, type QueueSettings } from '../queue/queue-settings.js'
import { ORDER } from '../queue/queue-types.js'
import { QUEUE_META_TABLES } from '../queue-host/queue-keys.js'
import type { DeadLetterSink } from '../queue-host/dead-letter-sink.js'
import type { QueueSurroundings } from '../queue-host/queue-surroundings.js'
import type { Logger } from '../runtime/logger.js'
import { forEachAtOnce } from '../runtime/for-each-at-once.js'
import { newProducerState, Partition, replayOffsets, type PartitionHost } from './partition.js'
import { PartitionCheckpoints } from './partition-checkpoints.js'
import { PARTITION_META_TABLES, keysBelow, partitionKey } from './partition-keys.js'
import type { ProducerState } from './producer-state.js'

export interface PartitionTableOptions {
  store: LogStore
  meta: MetaStore
  leaderEpoch: number
  /** True where replicas hold the logs, on several brokers: see `openLed`. */
  isReplicated?: boolean
  /** Settings of topics that do not set them, in canonical text. */
  topicDefaults: Readonly<Record<string, string>>
  /** No batch larger than this is taken, whatever its topic allows: it has to fit into a response. Default: any. */
  batchBytesMax?: number
  wallMs: () => number
  endOfTurn: (run: () => void) => void
  logger: Logger
  /** What queue groups need of the broker; without it there are none. */
  queues?: QueueSurroundings
}

/** Producers as of an offset of a data log. */
export interface KnownProducers { readonly producers: ProducerState, readonly offset: number }

/** A state log is short, and cut off below often: small segments let it shrink. */
const STATE_SEGMENT_BYTES = 1024 * 1024
const OPEN_AT_ONCE = 64
const DELETE_AT_ONCE = 256

/** Until the broker has said where dead letters go: they wait. */
const NO_DEAD_LETTERS: DeadLetterSink = {
  append () {},
  forget () {},
}

export class PartitionTable implements PartitionHost {
  /** Where dead letters go. */
  deadLetters: DeadLetterSink = NO_DEAD_LETTERS
  private readonly options: PartitionTableOptions
  private readonly topics = new Map<string, { record: TopicRecord, partitions: Partition[] }>()
  private readonly withStateLog = new Set<string>()
  /** What was on disk at the start. */
  private found: LogId[] = []
  private readonly checkpoints: PartitionCheckpoints
  private partitionCount = 0

  constructor (options: PartitionTableOptions) {
    this.options = options
    this.checkpoints = new PartitionCheckpoints(options.meta, options.logger)
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

  /** The partition, or undefined where this broker does not hold it, or does not lead it. */
  find (topicId: string, index: number): Partition | undefined {
    return this.topics.get(topicId)?.partitions[index]
  }

  /** Those that are here; in a cluster some may be missing. */
  partitionsOf (topicId: string): readonly Partition[] {
    const partitions = this.topics.get(topicId)?.partitions ?? []
    return this.options.isReplicated === true ? partitions.filter(partition => partition !== undefined) : partitions
  }

  * all (): IterableIterator<Partition> {
    for (const { partitions } of this.topics.values()) {
      for (const partition of partitions) if (partition !== undefined) yield partition
    }
  }

  /** Opens the partitions of a topic that are not held yet: all at first, the new ones after it has grown. */
  async openTopic (record: TopicRecord): Promise<void> {
    this.install(record, await this.prepare(record))
  }

  /** Opens the partitions that are missing without telling anybody. Where one fails the new ones are abandoned. */
  async prepare (record: TopicRecord): Promise<Partition[]> {
    if (this.options.isReplicated === true) return []
    const held = this.partitionsOf(record.topicId).length
    const opened: Partition[] = []
    try {
      await forEachAtOnce(record.partitions - held, OPEN_AT_ONCE, async index => {
        opened[index] = await this.openPartition(record, held + index)
      })
    } catch (cause) {
      await this.abandon(opened)
      throw cause
    }
    return opened
  }

  /** Lets partitions that were prepared be found. */
  install (record: TopicRecord, prepared: readonly Partition[]): void {
    this.topics.set(record.topicId, { record, partitions: [...this.partitionsOf(record.topicId), ...prepared] })
    this.partitionCount += prepared.length
  }

  /** Lets go of partitions that were prepared for nothing. One that holds records is left alone. */
  async abandon (prepared: readonly (Partition | undefined)[]): Promise<void> {
    for (const partition of prepared) {
      if (partition === undefined || partition.log.segmentCount > 0) continue
      partition.close(ERROR.UNKNOWN_TOPIC, `${partition.label} was not created`)
      await this.deletePartition(partition)
    }
  }

  /** Puts changed settings into force. */
  configureTopic (record: TopicRecord): void {
    const topic = this.topics.get(record.topicId)
    if (topic === undefined) return
    topic.record = record
    for (const partition of topic.partitions) {
      if (partition === undefined) continue
      const [data, state] = this.logConfigsOf(record)
      partition.log.configure(data)
      partition.stateLog?.configure(state)
      this.configureLed(partition, record)
    }
  }

  /** Puts changed settings of the topic into force, but for those of the logs. */
  configureLed (partition: Partition, record: TopicRecord): void {
    const settings = this.settingsOf(record)
    partition.maxBatchBytes = this.batchBytesMax(settings)
    partition.isAsync = settings.replication === 'async'
    if (record.kind !== 'queue') return
    const queueSettings = queueSettingsOf(record)
    partition.queues?.find('')?.configure(queueConfigOf(queueSettings), queueSettings['dead.letter'])
    partition.needsKeys = needsKeys(queueSettings)
  }

  /** What the data log and the state log of a topic's partitions are to be opened with. */
  logConfigsOf (record: TopicRecord): [LogConfig, LogConfig] {
    return [logConfigOf(this.settingsOf(record)), this.stateLogConfig(record)]
  }

  /**
   * Opens a partition that this broker has begun to lead: with what its logs say, all of which is committed.
   *
   * @param known what is known of producers already, up to an offset of the data log.
   */
  async openLed (
    record: TopicRecord, index: number, epoch: number, data: LedLog, state: LedLog, known: KnownProducers | null = null,
  ): Promise<Partition> {
    const settings = this.settingsOf(record)
    const { queues = null } = this.options
    const bytesMax = this.batchBytesMax(settings)
    const partition = new Partition(this, record, index, epoch, data, bytesMax, queues, known?.producers)
    partition.isAsync = settings.replication === 'async'
    await this.loadProducers(partition, known?.offset)
    if (record.kind === 'queue') this.addQueue(partition, record)
    await this.loadStateFrom(partition, state)
    // Nobody here knows what the leader before has stored for others that have no answer yet: they will look for it.
    const { logStartOffset, nextOffset } = partition.log
    if (nextOffset > logStartOffset) partition.hold('the leader before', logStartOffset, LIMITS.earlierLeaderHoldMs)
    return partition
  }

  /** Lets a partition that was opened with `openLed` be found. */
  installLed (record: TopicRecord, partition: Partition): void {
    let topic = this.topics.get(record.topicId)
    if (topic === undefined) this.topics.set(record.topicId, topic = { record, partitions: [] })
    topic.partitions[partition.index] = partition
    this.partitionCount++
  }

  /** Ends a partition whose leadership is over; all that wait are told. */
  closeLed (partition: Partition, error: number, message: string): void {
    this.checkpoints.drop(partition)
    const topic = this.topics.get(partition.topicId)
    if (topic?.partitions[partition.index] === partition) {
      delete topic.partitions[partition.index]
      this.partitionCount--
    }
    partition.close(error, message)
  }

  /**
   * A log was cut at `offset`. What is stored of the partition stands for what was committed, so only a forced recovery
   * or a damaged disk cuts below it: then all of it is read from the logs again.
   */
  forgetAbove (topicId: string, index: number, log: number, offset: number): void {
    const key = partitionKey(topicId, index)
    if (this.checkpoints.storedOffset(key, log) <= offset) return
    this.forgetPartition(topicId, index).catch((cause: Error) => {
      this.options.logger.error({ topicId, partition: index, err: cause }, 'what the meta store holds of a partition could not be removed')
    })
  }

  /** Removes all that the meta store holds about a partition. */
  async forgetPartition (topicId: string, index: number): Promise<void> {
    const from = partitionKey(topicId, index)
    const range = { from, to: partitionKey(topicId, index + 1) }
    const tables = [...PARTITION_META_TABLES, ...QUEUE_META_TABLES]
    for (const table of tables) await this.options.meta.deleteRange(table, range)
  }

  /** Closes the partitions of a topic and deletes all that they hold. */
  async deleteTopic (topicId: string): Promise<void> {
    const topic = this.topics.get(topicId)
    if (topic === undefined) return
    this.topics.delete(topicId)
    const { record: { name } } = topic
    const partitions = topic.partitions.filter(partition => partition !== undefined)
    this.partitionCount -= partitions.length
    // All of them first: who waits for one must not wait for the deletion of others.
    for (const partition of partitions) partition.close(ERROR.UNKNOWN_TOPIC, `topic ${name} was deleted`)
    if (this.options.isReplicated === true) {
      for (const partition of partitions) this.checkpoints.drop(partition)
      return // the replicas remove the files
    }
    await forEachAtOnce(partitions.length, DELETE_AT_ONCE, index => this.deletePartition(partitions[index]!))
    await this.forget(topicId)
  }

  private async deletePartition (partition: Partition): Promise<void> {
    const { store } = this.options
    const { topicId, index } = partition
    this.checkpoints.drop(partition)
    await store.deleteLog({ topicId, partition: index, kind: 'data' })
    if (this.withStateLog.delete(stateLogName(topicId, index))) {
      await store.deleteLog({ topicId, partition: index, kind: 'state' })
    }
  }

  /** True where everything appended to logs that take writes is acknowledged. */
  get atRest (): boolean {
    for (const partition of this.all()) if (!partition.atRest) return false
    return true
  }

  /** Answers everything that waits, since the broker stops. */
  closeAll (error: number, message: string): void {
    for (const partition of this.all()) partition.close(error, message)
  }

  async openStateLog (partition: Partition): Promise<LedLog> {
    const { record } = this.topics.get(partition.topicId)!
    const id: LogId = { topicId: partition.topicId, partition: partition.index, kind: 'state' }
    const log = await this.options.store.openLog(id, this.stateLogConfig(record))
    if (partition.closed) {
      // Deleted meanwhile, and nobody knew of this log.
      await this.options.store.deleteLog(id)
      throw new Error('the partition was closed')
    }
    this.withStateLog.add(stateLogName(partition.topicId, partition.index))
    return new StandaloneLog(log, partition.leaderEpoch)
  }

  /** Makes everything appended durable, also where the topic's flush policy leaves that for later. */
  async flush (): Promise<void> {
    const behind: PartitionLog[] = []
    for (const { log, stateLog } of this.all()) {
      if (log.durableOffset < log.nextOffset) behind.push(log)
      if (stateLog !== null && stateLog.durableOffset < stateLog.nextOffset) behind.push(stateLog)
    }
    await forEachAtOnce(behind.length, OPEN_AT_ONCE, index => behind[index]!.flush())
  }

  /** Writes what a partition knows to the meta store, as far as it has changed. See PartitionCheckpoints. */
  checkpoint (partition: Partition): void {
    if (partition.closed) return
    this.checkpoints.write(partition)
    partition.queues?.checkpoint(false)
  }

  /** Writes all that has changed, for a start that reads no log. */
  checkpointAll (): void {
    for (const partition of this.all()) {
      this.checkpoints.write(partition, true)
      partition.queues?.checkpoint(true)
    }
  }

  private async openPartition (record: TopicRecord, index: number): Promise<Partition> {
    const settings = this.settingsOf(record)
    const { store, leaderEpoch } = this.options
    const log = await store.openLog({ topicId: record.topicId, partition: index, kind: 'data' }, logConfigOf(settings))
    // Above what the log has seen, also where the control store was lost and counts anew.
    const epoch = Math.max(leaderEpoch, log.lastEpoch + 1)
    const { queues = null } = this.options
    const data = new StandaloneLog(log, epoch)
    const partition = new Partition(this, record, index, epoch, data, this.batchBytesMax(settings), queues)
    await this.loadProducers(partition)
    if (record.kind === 'queue') this.addQueue(partition, record)
    const hasQueues = record.kind === 'queue' && queues !== null
    const hasState = hasQueues || this.withStateLog.has(stateLogName(record.topicId, index))
    if (hasState) await this.loadState(partition, record)
    return partition
  }

  /** Gives a partition of a queue its group, before anything of it is restored. */
  protected addQueue (partition: Partition, record: TopicRecord): void {
    const settings = queueSettingsOf(record)
    partition.queues?.add('', queueConfigOf(settings), settings['dead.letter'])
    partition.needsKeys = needsKeys(settings)
  }

  private async loadState (partition: Partition, record: TopicRecord): Promise<void> {
    const { topicId, index } = partition
    const id: LogId = { topicId, partition: index, kind: 'state' }
    const stateLog = await this.options.store.openLog(id, this.stateLogConfig(record))
    this.withStateLog.add(stateLogName(topicId, index))
    await this.loadStateFrom(partition, new StandaloneLog(stateLog, partition.leaderEpoch))
  }

  private async loadStateFrom (partition: Partition, state: LedLog): Promise<void> {
    const { log } = state
    const from = this.checkpoints.restoreOffsets(partition, log)
    if (from < log.nextOffset) await replayOffsets(log, partition.offsets, from)
    await partition.restoreQueues(state)
  }

  /** What the meta store knows of a partition's producers, and up to where. */
  restoreProducers (topicId: string, index: number, log: PartitionLog): KnownProducers {
    const producers = newProducerState()
    const label = `${topicId}/${index}`
    return { producers, offset: this.checkpoints.readProducers(partitionKey(topicId, index), label, log, producers) }
  }

  storeProducers (topicId: string, index: number, producers: ProducerState, offset: number): void {
    this.checkpoints.storeProducers(partitionKey(topicId, index), producers, offset)
  }

  private async loadProducers (partition: Partition, knownOffset = -1): Promise<void> {
    const { log, producers } = partition
    if (knownOffset >= 0) this.checkpoints.adopt(partition, knownOffset)
    const from = knownOffset >= 0 ? knownOffset : this.checkpoints.restoreProducers(partition)
    if (from >= log.nextOffset) return
    // Seen now: the timestamps of records say when something happened to users, not when the producer lived.
    const nowMs = this.options.wallMs()
    await log.replayHeaders(from, header => producers.apply(header, nowMs))
  }

  /** Removes all that the meta store holds about a topic. */
  private async forget (topicId: string): Promise<void> {
    const range = keysBelow(partitionKey(topicId, 0).subarray(0, 16))
    const tables = [...PARTITION_META_TABLES, ...QUEUE_META_TABLES]
    for (const table of tables) await this.options.meta.deleteRange(table, range)
  }

  private batchBytesMax (settings: TopicSettings): number {
    return Math.min(Number(settings['max.batch.bytes']), this.options.batchBytesMax ?? Infinity)
  }

  private settingsOf (record: TopicRecord): TopicSettings {
    return settingsOf(record, this.options.topicDefaults)
  }

  /** State is as durable as the records it is about. It is cut off below its images; see StateImageWriter. */
  private stateLogConfig (record: TopicRecord): LogConfig {
    return {
      ...logConfigOf(this.settingsOf(record)),
      segmentBytes: STATE_SEGMENT_BYTES,
      retentionMs: -1,
      retentionBytes: -1,
      cleanup: { delete: false, compact: false },
    }
  }
}

/** Keys are kept in order, and there is no other place for records without one. */
function needsKeys (settings: QueueSettings): boolean {
  return settings.order === ORDER.key && settings.keyless === 'refuse'
}

function stateLogName (topicId: string, partition: number): string {
  return `${topicId}/${partition}`
}
