// All topics of a single broker, and the operations on them: create, alter, delete.
//
// The control store is the truth; the catalog holds its whole contents in memory. Operations run one after the other,
// each a compare-and-swap of one record:
//
//   create   topic.json ─ open partitions ─ COMMIT ─ tell          undone where a step before the commit fails
//   alter    topic.json ─ open new ones ─── COMMIT ─ tell          likewise
//   delete   mark `deleted` ─────────────── COMMIT ─ tell ─ close, remove files
//
// A crash leaves of a creation a topic or nothing, and of a change all of it or nothing; a deletion that was marked is
// finished at the next start.

import { ERROR } from '@sluice/protocol'
import PQueue from 'p-queue'
import { LIMITS } from '../limits.js'
import type { Partition } from '../partition/partition.js'
import type { PartitionTable } from '../partition/partition-table.js'
import type { Logger } from '../runtime/logger.js'
import type { ControlStore } from './control-store.js'
import type { TopicFiles } from './topic-files.js'
import { TOPIC_PREFIX, isTopicRecord, topicKey, type TopicRecord } from './topic-record.js'
import {
  changedTopicRecord, newTopicRecord, topicChangedMeanwhile, topicExists, unknownTopic, type TopicBounds,
} from './topic-rules.js'
import type { AlteredTopic, NewTopic, Refusal, TopicChange, Topics } from './topics.js'

export interface TopicCatalogOptions {
  control: ControlStore
  partitions: PartitionTable
  files: TopicFiles
  defaultPartitions: number
  wallMs: () => number
  logger: Logger
}

export class TopicCatalog implements Topics {
  private readonly options: TopicCatalogOptions
  private readonly names = new Map<string, { record: TopicRecord, revision: number }>()
  private readonly ids = new Map<string, TopicRecord>()
  private readonly listeners = new Set<() => void>()
  private readonly operations = new PQueue({ concurrency: 1 })

  constructor (options: TopicCatalogOptions) {
    this.options = options
  }

  byName (name: string): TopicRecord | undefined { return this.names.get(name)?.record }

  byId (topicId: string): TopicRecord | undefined { return this.ids.get(topicId) }

  /** All topics by name. */
  all (): TopicRecord[] {
    return [...this.ids.values()].sort((a, b) => a.name < b.name ? -1 : 1)
  }

  /** Calls `listener` after topics or their partitions have changed. */
  onChanged (listener: () => void): void { this.listeners.add(listener) }

  /** Nobody else changes anything. */
  async refresh (): Promise<void> {}

  /** Reads the control store, brings back what only the disk knows, finishes deletions, and opens all partitions. */
  async load (): Promise<void> {
    const { control, partitions, files, logger } = this.options
    const { entries } = await control.list(TOPIC_PREFIX)
    for (const { key, value, revision } of entries) {
      if (isTopicRecord(value)) this.put(value, revision)
      else logger.error({ key }, 'the control store holds something that is no topic; it is passed over')
    }
    const known = await partitions.scan()
    for (const folder of await files.scan()) {
      known.delete(folder.topicId)
      if (folder.deleted) await this.finishDeletion(folder.topicId)
      else if (!this.ids.has(folder.topicId)) await this.restore(folder.topicId, folder.record)
      else await this.reconcile(this.ids.get(folder.topicId)!, folder.record)
    }
    // A crash at the very end of a deletion leaves entries in the meta store and no folder.
    for (const topicId of known) if (!this.ids.has(topicId)) await partitions.deleteLeftOver(topicId)
    logger.debug({ topics: this.ids.size }, 'opening partitions')
    for (const record of this.ids.values()) await partitions.openTopic(record)
  }

  create (topic: NewTopic, validateOnly: boolean): Promise<TopicRecord | Refusal> {
    return this.inTurn(async () => {
      const record = this.validate(topic)
      if ('error' in record || validateOnly) return record
      const { files, partitions } = this.options
      const prepared: Partition[] = []
      try {
        await files.write(record)
        prepared.push(...await partitions.prepare(record))
        const revision = await this.commit(record.name, record, 0)
        if (revision === null) {
          await this.undoCreation(record, prepared)
          return topicExists(record.name)
        }
        this.put(record, revision)
      } catch (cause) {
        await this.undoCreation(record, prepared)
        throw cause
      }
      partitions.install(record, prepared)
      this.changed()
      return record
    })
  }

  alter (change: TopicChange, validateOnly: boolean): Promise<AlteredTopic | Refusal> {
    return this.inTurn(async () => {
      const known = this.names.get(change.name)
      if (known === undefined) return unknownTopic(change.name)
      const record = this.applyChange(known.record, change)
      if ('error' in record) return record
      if (validateOnly) return { record, moves: [] }
      const { files, partitions } = this.options
      const prepared: Partition[] = []
      try {
        await files.write(record)
        prepared.push(...await partitions.prepare(record))
        const revision = await this.commit(record.name, record, known.revision)
        if (revision === null) {
          await this.undoChange(known.record, prepared)
          return topicChangedMeanwhile(record.name)
        }
        this.put(record, revision)
      } catch (cause) {
        await this.undoChange(known.record, prepared)
        throw cause
      }
      partitions.install(record, prepared)
      partitions.configureTopic(record)
      this.changed()
      return { record, moves: [] }
    })
  }

  delete (name: string): Promise<TopicRecord | Refusal> {
    return this.inTurn(async () => {
      const known = this.names.get(name)
      if (known === undefined) return unknownTopic(name)
      const { topicId } = known.record
      const { files, logger } = this.options
      // From here on the deletion will be finished, after a crash too.
      await files.markDeleted(topicId)
      let revision: number | null = null
      try {
        revision = await this.commit(name, null, known.revision)
      } finally {
        // Refused, so the topic lives on: what it takes from now on must not go with the next start.
        if (revision === null) await files.unmarkDeleted(topicId)
      }
      if (revision === null) return topicChangedMeanwhile(name)
      this.names.delete(name)
      this.ids.delete(topicId)
      try {
        await this.discard(topicId)
      } catch (cause) {
        logger.warn({ topicId, topic: name, err: cause }, 'the files of a deleted topic could not all be removed; the next start does')
      }
      this.changed()
      return known.record
    })
  }

  /** Resolves when no operation is under way. */
  async atRest (): Promise<void> { await this.operations.onIdle() }

  private commit (name: string, record: TopicRecord | null, revision: number): Promise<number | null> {
    const key = topicKey(name)
    return this.options.control.commit([{ key, value: record }], [{ key, revision }])
  }

  /** Leaves nothing of a topic that was not created, or the next start would take it for one that was. */
  private async undoCreation ({ topicId, name }: TopicRecord, prepared: readonly Partition[]): Promise<void> {
    const { files, partitions, logger } = this.options
    try {
      await partitions.abandon(prepared)
      await files.remove(topicId)
    } catch (cause) {
      logger.error({ topicId, topic: name, err: cause }, 'a topic that could not be created has left a folder; remove it, or the next start brings the topic back')
    }
  }

  private async undoChange (before: TopicRecord, prepared: readonly Partition[]): Promise<void> {
    const { files, partitions, logger } = this.options
    try {
      await partitions.abandon(prepared)
      await files.write(before)
    } catch (cause) {
      logger.error({ topicId: before.topicId, topic: before.name, err: cause }, 'topic.json still has a change that was refused; alter the topic again, or the next start makes the change')
    }
  }

  private async inTurn<T> (operation: () => Promise<T>): Promise<T | Refusal> {
    try {
      return await this.operations.add(operation)
    } catch (cause) {
      this.options.logger.error({ err: cause }, 'a topic operation failed')
      return { error: ERROR.STORAGE_UNAVAILABLE, message: `the operation failed: ${(cause as Error).message}; mend the cause and retry` }
    }
  }

  private validate (topic: NewTopic): TopicRecord | Refusal {
    if (this.names.has(topic.name)) return topicExists(topic.name)
    const { wallMs } = this.options
    return aloneFault(topic) ?? newTopicRecord(topic, { ...this.bounds, replicationFactor: 1, wallMs: wallMs() })
  }

  private applyChange (record: TopicRecord, change: TopicChange): TopicRecord | Refusal {
    return aloneFault(change) ?? changedTopicRecord(record, change, this.bounds)
  }

  private get bounds (): TopicBounds {
    const { defaultPartitions, partitions } = this.options
    return { defaultPartitions, partitionsHeld: partitions.size, partitionsMax: LIMITS.partitionsPerBroker }
  }

  private put (record: TopicRecord, revision: number): void {
    this.names.set(record.name, { record, revision })
    this.ids.set(record.topicId, record)
  }

  private changed (): void {
    for (const listener of this.listeners) listener()
  }

  private async discard (topicId: string): Promise<void> {
    await this.options.partitions.deleteTopic(topicId)
    await this.options.files.remove(topicId)
  }

  private async finishDeletion (topicId: string): Promise<void> {
    const record = this.ids.get(topicId)
    if (record !== undefined) {
      await this.options.control.commit([{ key: topicKey(record.name), value: null }])
      this.names.delete(record.name)
      this.ids.delete(topicId)
    }
    await this.options.partitions.deleteLeftOver(topicId)
    await this.options.files.remove(topicId)
    this.options.logger.info({ topicId, topic: record?.name }, 'finished the deletion of a topic')
  }

  /** Both the control store and the folder know the topic: the newer copy counts, and the older one follows it. */
  private async reconcile (stored: TopicRecord, written: TopicRecord | null): Promise<void> {
    const { control, files, logger } = this.options
    if (written === null || written.version < stored.version) return await files.write(stored)
    if (written.version === stored.version) return
    const key = topicKey(stored.name)
    const record = { ...written, name: stored.name }
    const known = this.names.get(stored.name)!
    const revision = await control.commit([{ key, value: record }], [{ key, revision: known.revision }])
    if (revision !== null) this.put(record, revision)
    logger.warn({ topicId: record.topicId, topic: record.name }, 'the control store knew an older state of a topic than its folder; the newer one counts')
  }

  /** A topic folder that the control store does not know: its data is worth more than its absence there. */
  private async restore (topicId: string, record: TopicRecord | null): Promise<void> {
    const { control, logger } = this.options
    if (record === null) {
      return logger.warn({ topicId }, 'a topic folder has no readable topic.json; it is left alone')
    }
    const clash = this.names.has(record.name)
    const name = clash ? `${record.name}.restored-${topicId.slice(0, 8)}` : record.name
    const restored = { ...record, name }
    const key = topicKey(name)
    const revision = await control.commit([{ key, value: restored }], [{ key, revision: 0 }])
    if (revision === null) {
      return logger.error({ topicId, topic: name }, 'a topic on disk is not known and its name is taken; it is left alone')
    }
    this.put(restored, revision)
    logger.warn({ topicId, topic: name }, 'the control store did not know a topic that is on disk; it is back')
  }
}

function aloneFault ({ replicationFactor }: { replicationFactor: number }): Refusal | null {
  if (replicationFactor === 0 || replicationFactor === 1) return null
  return {
    error: ERROR.INVALID_REPLICATION,
    message: `replication factor ${replicationFactor} is not possible: this broker is alone; use 1, or start brokers with ` +
      '--control to make a cluster',
  }
}
