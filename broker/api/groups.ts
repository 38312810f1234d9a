// The stream groups of a broker, joined to the rest of it: topics, time, the control store, committed offsets.

import { randomUUID } from 'node:crypto'
import { GroupTakenError, SharedGroupRecords } from '../control/shared-group-records.js'
import type { ControlStore } from '../control/control-store.js'
import { GroupRecords } from '../control/group-records.js'
import type { Topics } from '../control/topics.js'
import type { GroupRecord } from '../group/generation-reserve.js'
import type { GroupLimits } from '../group/group-limits.js'
import { GroupTable } from '../group/group-table.js'
import type { GroupHost, GroupTopic } from '../group/group-types.js'
import type { PartitionTable } from '../partition/partition-table.js'
import type { Clock } from '../runtime/clock.js'
import type { DeadlineQueue } from '../runtime/deadline-queue.js'
import type { Logger } from '../runtime/logger.js'
import type { EndOfTurn } from '../runtime/turn.js'

export interface GroupsOptions {
  control: ControlStore
  topics: Topics
  /** Other brokers of a cluster have offsets of groups too: nobody can say here that a record is not used any more. */
  shared?: { makeNonce (): string }
  partitions: PartitionTable
  clock: Clock
  deadlines: DeadlineQueue
  endOfTurn: EndOfTurn
  logger: Logger
  limits: GroupLimits
}

/** How often groups look at their deadlines, in milliseconds. */
const TICK_MS = 50

export class Groups implements GroupHost {
  readonly table: GroupTable
  private readonly options: GroupsOptions
  private readonly records: GroupRecords | SharedGroupRecords
  private settling = false
  private stopped = false

  private constructor (options: GroupsOptions) {
    this.options = options
    const { control, shared, clock, limits } = options
    this.records = shared === undefined ? new GroupRecords(control) : new SharedGroupRecords(control, shared.makeNonce)
    this.table = new GroupTable(this, clock.monotonicMs(), limits, shared !== undefined)
  }

  /** To be called when all topics are open, since committed offsets say which groups there are. */
  static async start (options: GroupsOptions): Promise<Groups> {
    const groups = new Groups(options)
    await groups.records.load()
    if (options.shared === undefined) groups.dropUnusedRecords()
    options.topics.onChanged(() => groups.table.onTopicsChanged())
    groups.tick()
    return groups
  }

  /** Refuses all that wait; resolves when nothing is being stored any more. */
  async stop (message: string): Promise<void> {
    this.stopped = true
    this.table.stop(message)
    await this.records.atRest()
  }

  /** Lets go of groups that other brokers coordinate now. */
  keep (isOurs: (group: string) => boolean): void {
    for (const { group } of this.table.list()) {
      if (!isOurs(group)) this.table.release(group, `group ${group} is coordinated by another broker now; join again`)
    }
  }

  /** Groups that have committed an offset somewhere. Looks at every partition. */
  groupsWithOffsets (): Set<string> {
    const groups = new Set<string>()
    for (const { offsets } of this.options.partitions.all()) for (const group of offsets.groups()) groups.add(group)
    return groups
  }

  topicByName = (name: string): GroupTopic | undefined => {
    const topic = this.options.topics.byName(name)
    return topic?.kind === 'stream' ? topic : undefined
  }

  newMemberId (): string { return randomUUID() }

  wake (): void {
    if (this.settling) return
    this.settling = true
    this.options.endOfTurn(() => {
      this.settling = false
      if (!this.stopped) this.table.settle(this.options.clock.monotonicMs())
    })
  }

  loadRecord (group: string): GroupRecord | undefined {
    const record = this.records.get(group)
    // The control store may have been lost and the offsets not: a generation below theirs could never commit.
    let generationCeiling = record?.generationCeiling ?? 0
    for (const { offsets } of this.options.partitions.all()) {
      generationCeiling = Math.max(generationCeiling, offsets.get(group)?.generation ?? 0)
    }
    return generationCeiling === 0 ? record : { generationCeiling, sessionTimeoutMs: record?.sessionTimeoutMs ?? 0 }
  }

  committedGeneration (group: string, topicId: string, partition: number): number {
    return this.options.partitions.find(topicId, partition)?.offsets.get(group)?.generation ?? -1
  }

  saveRecord (group: string, record: GroupRecord): void {
    this.records.save(group, record).then(
      () => this.table.onRecordSaved(group, record),
      (cause: Error) => {
        if (cause instanceof GroupTakenError) return this.table.release(group, cause.message)
        this.options.logger.error({ group, err: cause }, 'the record of a group could not be stored; its next assignment waits for that')
        this.table.onRecordNotSaved(group, record, cause.message, this.options.clock.monotonicMs())
      })
  }

  removeRecord (group: string): void {
    this.records.remove(group).catch((cause: Error) => {
      // Harmless: the next start finds that nobody needs it.
      this.options.logger.warn({ group, err: cause }, 'the record of a deleted group could not be removed')
    })
  }

  groupRetired (group: string): void {
    if (this.options.shared !== undefined) return
    for (const partition of this.options.partitions.all()) if (partition.offsets.get(group) !== undefined) return
    this.removeRecord(group)
  }

  private dropUnusedRecords (): void {
    const used = this.groupsWithOffsets()
    for (const group of [...this.records.groups()]) {
      if (this.records.get(group)!.sessionTimeoutMs === 0 && !used.has(group)) this.removeRecord(group)
    }
  }

  private tick (): void {
    if (this.stopped) return
    const { clock, deadlines } = this.options
    const nowMs = clock.monotonicMs()
    this.table.tick(nowMs)
    deadlines.add(nowMs + TICK_MS, () => this.tick())
  }
}
