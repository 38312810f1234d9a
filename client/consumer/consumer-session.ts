// What runs behind a consumer: membership, fetching, progress and commits, tied together.
//
//   GroupMember ──assigned, revoked, lost──▶ assignments ──▶ Fetcher ──▶ take() ──▶ the user's loop or handler
//                                                │                                      │
//   OffsetCommitter ◀────── committable ─────────┴──────────── ack(), nack() ◀──────────┘
//
// Invariants: a record is handed out only while its partition is assigned and not being given up; what is committed is
// what is done without a gap.

import { ERROR } from '@sluice/protocol'
import { asBrokerError, BrokerError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import type { TopicInfo } from '../connection/metadata.js'
import { committedPositions, resolveStart, type Start } from '../start.js'
import { deferred, delay, retryDelayMs, settledWithin } from '../waiting.js'
import { Assignment } from './assignment.js'
import type { ConsumerSettings } from './consumer-options.js'
import { DeadLetters } from './dead-letters.js'
import { Fetcher } from './fetcher.js'
import { GroupMember, type MemberListener } from './group-member.js'
import { LoopWatch } from './loop-watch.js'
import { OffsetCommitter } from './offset-committer.js'
import { PartitionCursor } from './partition-cursor.js'
import { isOneRun, runEnd } from './record-run.js'
import type { NackOptions, StoredRecord } from './stored-record.js'
import { topicDeleted, topicReplaced } from './topic-gone.js'
import type { ProducerTopic } from '../producer/producer.js'

/** Share of the rebalance timeout that work in hand gets; the rest is for the commit. */
const REVOKE_SHARE = 0.75

/** See the head of this file. */
export class ConsumerSession<K, V> implements MemberListener {
  readonly settings: ConsumerSettings
  readonly cluster: Cluster
  readonly topic: ProducerTopic<K, V>
  /** By partition. */
  readonly assignments = new Map<number, Assignment<K, V>>()
  readonly committer: OffsetCommitter<K, V>
  private readonly fetcher: Fetcher<K, V>
  private readonly member: GroupMember
  private readonly watch: LoopWatch
  private readonly deadLetters: DeadLetters
  private readonly paused = new Set<number>()
  private allPaused = false
  /** Where to go once partitions are assigned. */
  private pendingSeek: Start | null = null
  private firstAssignment = deferred()
  private started = false
  private stopped = false
  private failure: BrokerError | null = null
  /** Records handed out and not done. */
  private inHand = 0
  /** A place for one record. */
  private readonly taken: StoredRecord<K, V>[] = []

  constructor (cluster: Cluster, topic: ProducerTopic<K, V>, settings: ConsumerSettings) {
    this.cluster = cluster
    this.topic = topic
    this.settings = settings
    this.fetcher = new Fetcher<K, V>(cluster, topic.name, {
      prefetchBytes: settings.prefetchBytes,
      maxWaitMs: settings.maxWaitMs,
      onOutOfRange: (cursor, error) => this.onOutOfRange(cursor, error),
      onFailed: error => this.onFailed(error),
    })
    this.member = new GroupMember(cluster, topic.name, settings, this)
    this.committer = new OffsetCommitter(
      cluster, topic.name, settings.group, settings.commitIntervalMs, this.member, this.assignments)
    this.watch = new LoopWatch(cluster, settings.group, settings.sessionTimeoutMs)
    this.deadLetters = new DeadLetters(cluster, settings)
  }

  /** True once nothing more is handed out. */
  get isStopped (): boolean { return this.stopped }

  /** Joins the group, the first time that it is called. */
  start (): void {
    if (this.started || this.stopped) return
    this.started = true
    this.watch.start()
    // The topic is asked for first: that it does not exist should be said here and not by silence.
    this.untilDone(() => this.cluster.metadata.topic(this.topic.name)).then(
      () => { if (!this.stopped) this.member.start() },
      error => this.onFailed(asBrokerError(error)))
  }

  /**
   * The next record that `isBlocked` lets through, or null where there is none now.
   *
   * @throws BrokerError why it cannot go on.
   */
  take (isBlocked?: (cursor: { readonly partition: number }) => boolean): StoredRecord<K, V> | null {
    return this.takeInto(this.taken, 1, isBlocked) === 1 ? this.taken.pop()! : null
  }

  /**
   * Adds to `records` what comes next of one batch, at most until there are `countMax` of them; returns how many.
   *
   * @throws BrokerError why it cannot go on.
   */
  takeInto (
    records: StoredRecord<K, V>[], countMax: number, isBlocked?: (cursor: { readonly partition: number }) => boolean,
  ): number {
    if (this.stopped) return 0
    this.start()
    const start = records.length
    const room = Math.min(countMax - start, this.settings.prefetchRecords - this.inHand)
    if (room <= 0) return 0
    const count = this.fetcher.take(records, room, isBlocked)
    if (count === 0) return 0
    const { tracker, attempts } = this.assignments.get(records[start]!.partition)!
    const end = start + count
    for (let from = start; from < end;) {
      const to = isOneRun(records, from, end) ? end : runEnd(records, from, end)
      tracker.deliver(records[from]!.offset, records[to - 1]!.offset + 1)
      from = to
    }
    if (attempts.size > 0) {
      for (let index = start; index < end; index++) {
        const record = records[index]!
        record.attempt = attempts.get(record.offset) ?? 1
      }
    }
    this.inHand += count
    this.watch.current = records[end - 1]!
    return count
  }

  /** See Fetcher. */
  get breatherIsDue (): boolean { return this.fetcher.breatherIsDue }

  /** See Fetcher. */
  breather (): Promise<void> | null {
    return this.fetcher.breather()
  }

  /** Resolves when `take` may have more to give. */
  changed (): Promise<void> {
    return this.fetcher.changed()
  }

  /** Wakes whoever waits in `changed`. */
  notify (): void {
    this.fetcher.notify()
  }

  ack (record: StoredRecord<K, V>): void {
    const assignment = this.assignmentOf(record)
    if (assignment === undefined || assignment.tracker.ack(record.offset, record.offset + 1) === 0) return
    if (assignment.attempts.size > 0) assignment.attempts.delete(record.offset)
    this.onDone(assignment, 1)
  }

  /** `ack` for each of them, which are all records of one partition that were handed out from the first to the last. */
  ackBatch (records: readonly StoredRecord<K, V>[]): void {
    if (!isOneRun(records, 0, records.length)) return this.ackAll(records)
    this.ackRun(records, 0, records.length)
  }

  /** `ack` for each of them. */
  ackAll (records: readonly StoredRecord<K, V>[]): void {
    for (let from = 0; from < records.length;) {
      const to = runEnd(records, from, records.length)
      this.ackRun(records, from, to)
      from = to
    }
  }

  nack (record: StoredRecord<K, V>, options: NackOptions = {}): void {
    const assignment = this.assignmentOf(record)
    if (assignment === undefined || !assignment.tracker.isOutstanding(record.offset)) return
    if (options.deadLetter === true) {
      this.bury(record, options.reason ?? 'given back').catch((error: unknown) => this.onFailed(asBrokerError(error)))
      return
    }
    assignment.attempts.set(record.offset, record.attempt + 1)
    this.giveBack(record, options.delayMs ?? 0)
  }

  /** The record, and what was handed out of its partition after it, will be handed out again, here or elsewhere. */
  giveBack (record: StoredRecord<K, V>, delayMs = 0): void {
    const assignment = this.assignmentOf(record)
    if (assignment === undefined || !assignment.tracker.isOutstanding(record.offset)) return
    const before = assignment.tracker.outstanding
    assignment.tracker.rewind(record.offset)
    const cursor = assignment.cursor!
    cursor.seek(record.offset)
    cursor.retryAtMs = performance.now() + delayMs
    this.onHandEmptied(before - assignment.tracker.outstanding)
    assignment.onProgress()
    this.fetcher.wake()
  }

  /** Puts a record into the dead letter topic and marks it as done. */
  async bury (record: StoredRecord<K, V>, reason: string): Promise<void> {
    await this.deadLetters.send(record, reason)
    this.ack(record)
  }

  /**
   * Aborted when work that is begun on the record's partition should come to an end; undefined where that is so
   * already.
   */
  stoppingSignal (record: StoredRecord<K, V>): AbortSignal | undefined {
    return this.assignmentOf(record)?.stopping.signal
  }

  setPaused (partitions: readonly number[] | undefined, isPaused: boolean): void {
    if (partitions === undefined) {
      this.allPaused = isPaused
      this.paused.clear()
    } else {
      for (const partition of partitions) {
        if (isPaused) this.paused.add(partition)
        else this.paused.delete(partition)
      }
    }
    for (const { cursor, partition } of this.assignments.values()) {
      if (cursor !== null) cursor.paused = this.allPaused || this.paused.has(partition)
    }
    this.fetcher.wake()
    this.fetcher.notify()
  }

  /** Goes on elsewhere; before the first assignment it is remembered for it. */
  async seek (to: Start, signal?: AbortSignal): Promise<void> {
    const active = [...this.assignments.values()].filter(assignment => assignment.cursor !== null)
    if (active.length === 0) {
      this.pendingSeek = to
      return
    }
    const partitions = active.map(assignment => assignment.partition)
    const info = await this.cluster.metadata.topic(this.topic.name)
    const offsets = await resolveStart(this.cluster, info, partitions, to, { group: this.settings.group, signal })
    for (const assignment of active) {
      const offset = offsets.get(assignment.partition)
      if (offset === undefined || assignment.isGone) continue
      this.onHandEmptied(assignment.tracker.outstanding)
      assignment.tracker.seek(offset)
      assignment.cursor!.seek(offset)
      assignment.onProgress()
    }
    this.committer.onProgress()
    this.fetcher.wake()
    this.fetcher.notify()
  }

  /** Resolves when partitions have been assigned for the first time. */
  whenAssigned (): Promise<void> {
    this.start()
    return this.firstAssignment.promise
  }

  /** Why it cannot go on, or null. */
  get error (): BrokerError | null { return this.failure }

  /** Lets work in hand finish for at most `drainTimeoutMs`, commits and leaves. */
  async close (drainTimeoutMs: number): Promise<void> {
    this.stopped = true
    this.fetcher.notify()
    const all = [...this.assignments.values()]
    for (const assignment of all) assignment.stopping.abort()
    if (drainTimeoutMs > 0) {
      const soon = setTimeout(() => {
        this.cluster.settings.logger.warn({ group: this.settings.group, topic: this.topic.name },
          'close waits for records in hand; where it is called from a loop over the consumer, leave the loop first')
      }, CLOSE_WARNING_MS).unref()
      await settledWithin(Promise.all(all.map(assignment => assignment.atRest())), drainTimeoutMs)
      clearTimeout(soon)
    }
    this.committer.close()
    let failure: unknown = null
    if (this.started && this.failure === null && drainTimeoutMs > 0) {
      const commit = this.committer.commit(all).catch((error: unknown) => { failure = error })
      await settledWithin(commit, drainTimeoutMs)
    }
    for (const assignment of all) assignment.abort.abort(new BrokerError('CLOSED', 'the consumer is closed'))
    this.assignments.clear()
    this.watch.stop()
    await this.member.close()
    this.fetcher.close()
    await this.deadLetters.close(drainTimeoutMs)
    this.firstAssignment.resolve()
    if (all.length > 0) this.emit('revoked', all.map(assignment => assignment.partition), false)
    if (failure !== null) throw failure
  }

  onAssigned (topicId: string, partitions: readonly number[]): void {
    const assignments = partitions.map(partition => {
      const assignment = new Assignment<K, V>(topicId, partition)
      this.assignments.set(partition, assignment)
      return assignment
    })
    this.begin(assignments).catch((error: unknown) => {
      if (assignments.some(assignment => !assignment.isGone)) this.onFailed(asBrokerError(error))
    })
  }

  async onRevoked (partitions: readonly number[]): Promise<void> {
    const leaving = this.pick(partitions)
    for (const assignment of leaving) {
      assignment.stopping.abort()
      if (assignment.cursor !== null) {
        // What is handed out stays to be done; what is buffered is not handed out any more.
        assignment.tracker.passTo(assignment.tracker.outstanding === 0 ? assignment.cursor.position : 0)
        this.fetcher.remove(assignment.cursor)
      }
    }
    this.fetcher.notify()
    const rest = Promise.all(leaving.map(assignment => assignment.atRest()))
    const inTime = await settledWithin(rest, this.settings.rebalanceTimeoutMs * REVOKE_SHARE)
    if (!inTime) {
      this.cluster.settings.logger.warn({ group: this.settings.group, topic: this.topic.name, partitions },
        'records in hand were not done in time: they come again at the next owner')
    }
    await this.committer.commit(leaving).catch((error: unknown) => {
      this.cluster.settings.logger.warn({ partitions, error: asBrokerError(error).message }, 'the last commit failed')
    })
    this.end(leaving, 'the partition was given to another member', false)
    if (this.assignments.size === 0 && leaving.length > 0) this.checkTopic(leaving[0]!.topicId)
  }

  onLost (partitions: readonly number[]): void {
    this.end(this.pick(partitions), 'the partition was taken by another member', true)
  }

  onFailed (error: BrokerError): void {
    if (this.stopped || this.failure !== null) return
    this.failure = error
    this.fetcher.fail(error)
    this.firstAssignment.resolve()
    // It will do nothing more, whether it is closed soon or not: others should have its partitions.
    this.committer.commit([...this.assignments.values()]).catch(() => {}).then(() => this.member.close())
  }

  /** Partitions are taken away also because their topic is gone, and nothing else would ever say so. */
  private checkTopic (topicId: string): void {
    const { name } = this.topic
    this.untilDone(() => this.cluster.metadata.refresh(name)).then(({ id }) => {
      if (id !== topicId) this.onFailed(topicReplaced(name))
    }, (cause: unknown) => {
      const error = asBrokerError(cause)
      if (error.code === 'UNKNOWN_TOPIC') this.onFailed(topicDeleted(name, error))
    })
  }

  /** Finds out where to begin, and begins. */
  private async begin (assignments: readonly Assignment<K, V>[]): Promise<void> {
    const { group, from } = this.settings
    const partitions = assignments.map(assignment => assignment.partition)
    const { committed, starts } = await this.untilDone(async () => {
      const info = await this.topicOf(assignments[0]!.topicId)
      const committed = await committedPositions(this.cluster, info, partitions, group)
      const starts = new Map<number, number>()
      for (const [partition, { offset }] of committed) starts.set(partition, offset)
      await this.fillIn(starts, partitions, from)
      await this.fillIn(starts, partitions, 'earliest')
      if (this.pendingSeek !== null) {
        const sought = await resolveStart(this.cluster, info, partitions, this.pendingSeek, { group })
        for (const [partition, offset] of sought) starts.set(partition, offset)
      }
      return { committed, starts }
    })
    this.pendingSeek = null
    const begun: number[] = []
    for (const assignment of assignments) {
      const { partition } = assignment
      if (assignment.isGone || assignment.stopping.signal.aborted || this.stopped) continue
      const offset = starts.get(partition)!
      const stored = committed.get(partition)
      assignment.committed = stored?.offset ?? -1
      assignment.tracker.seek(offset)
      assignment.origin = this.originOf(assignment)
      const epoch = stored?.offset === offset ? stored.leaderEpoch : -1
      assignment.cursor = new PartitionCursor(assignment.topicId, offset, assignment.origin, epoch)
      assignment.cursor.paused = this.allPaused || this.paused.has(partition)
      this.fetcher.add(assignment.cursor)
      begun.push(partition)
    }
    if (begun.length === 0) return
    // A start that was worked out from `from` is committed soon: 'latest' must not mean something else after a crash.
    this.committer.onProgress()
    this.emit('assigned', begun, false)
    this.firstAssignment.resolve()
    this.fetcher.notify()
  }

  /** The topic with this id. The metadata may be older than the assignment, and know another of its name. */
  private async topicOf (topicId: string): Promise<TopicInfo> {
    const known = await this.cluster.metadata.topic(this.topic.name)
    const info = known.id === topicId ? known : await this.cluster.metadata.refresh(this.topic.name)
    if (info.id !== topicId) throw topicReplaced(this.topic.name)
    return info
  }

  private async fillIn (starts: Map<number, number>, partitions: readonly number[], start: Start): Promise<void> {
    const missing = partitions.filter(partition => !starts.has(partition))
    if (missing.length === 0) return
    const info = await this.cluster.metadata.topic(this.topic.name)
    const found = await resolveStart(this.cluster, info, missing, start)
    for (const [partition, offset] of found) starts.set(partition, offset)
  }

  private originOf (assignment: Assignment<K, V>): NonNullable<Assignment<K, V>['origin']> {
    return {
      topic: this.topic.name,
      partition: assignment.partition,
      key: this.topic.key,
      value: this.topic.value,
      signal: assignment.abort.signal,
      ack: record => this.ack(record),
      nack: (record, options) => this.nack(record, options),
    }
  }

  private async onOutOfRange (cursor: PartitionCursor, error: BrokerError): Promise<number> {
    const to = await this.resetOffset(cursor, error)
    const assignment = this.assignments.get(cursor.partition)
    if (assignment?.cursor !== cursor) return to // nobody's any more
    const { topic, partition } = cursor
    const reset = { topic, partition, from: error.offset ?? cursor.position, to, reason: error.message }
    this.cluster.settings.logger.warn(reset, 'the offset is outside of the log; going on elsewhere')
    if (to < cursor.position) {
      this.onHandEmptied(assignment.onLost(to, this.originOf(assignment)))
      assignment.onProgress()
      this.committer.onProgress()
    }
    this.cluster.events.emit('offsetReset', reset)
    return to
  }

  /** Where the log was cut, whatever `from` says: what is there now was read by nobody. Else as `from` says. */
  private async resetOffset (
    { partition, position }: PartitionCursor, { serverCode, resumeOffset }: BrokerError,
  ): Promise<number> {
    if (serverCode === ERROR.OFFSET_TRUNCATED && resumeOffset !== undefined) return Math.min(resumeOffset, position)
    const info = await this.cluster.metadata.topic(this.topic.name)
    const { from } = this.settings
    const offsetAt = async (start: Start): Promise<number> =>
      (await resolveStart(this.cluster, info, [partition], start)).get(partition)!
    return from === 'earliest' || from === 'latest' ? await offsetAt(from) : resumeOffset ?? await offsetAt('earliest')
  }

  private end (assignments: readonly Assignment<K, V>[], why: string, isLost: boolean): void {
    const ended: number[] = []
    for (const assignment of assignments) {
      if (assignment.isGone) continue
      this.onHandEmptied(assignment.tracker.outstanding)
      assignment.abort.abort(new BrokerError('REBALANCE', why, { topic: this.topic.name, partition: assignment.partition }))
      assignment.stopping.abort()
      if (assignment.cursor !== null) this.fetcher.remove(assignment.cursor)
      if (this.assignments.get(assignment.partition) === assignment) this.assignments.delete(assignment.partition)
      assignment.tracker.seek(0)
      assignment.onProgress()
      ended.push(assignment.partition)
    }
    if (ended.length > 0) this.emit('revoked', ended, isLost)
    this.fetcher.notify()
  }

  private emit (event: 'assigned' | 'revoked', partitions: number[], lost: boolean): void {
    const what = { group: this.settings.group, topic: this.topic.name, partitions: partitions.sort((a, b) => a - b) }
    this.cluster.settings.logger.info({ ...what, lost }, event)
    if (event === 'assigned') this.cluster.events.emit('assigned', what)
    else this.cluster.events.emit('revoked', { ...what, lost })
  }

  private pick (partitions: readonly number[]): Assignment<K, V>[] {
    return partitions.flatMap(partition => this.assignments.get(partition) ?? [])
  }

  private assignmentOf (record: StoredRecord<K, V>): Assignment<K, V> | undefined {
    const assignment = this.assignments.get(record.partition)
    // A record of an earlier time with the partition says nothing about this one.
    return assignment?.holds(record) === true ? assignment : undefined
  }

  private ackRun (records: readonly StoredRecord<K, V>[], from: number, to: number): void {
    const { partition, origin, offset } = records[from]!
    const assignment = this.assignments.get(partition)
    if (assignment === undefined) return
    const end = Math.min(records[to - 1]!.offset + 1, assignment.endOf(origin))
    if (end <= offset) return
    const count = assignment.tracker.ack(offset, end)
    if (assignment.attempts.size > 0) for (let done = offset; done < end; done++) assignment.attempts.delete(done)
    if (count > 0) this.onDone(assignment, count)
  }

  private onDone (assignment: Assignment<K, V>, records: number): void {
    this.onHandEmptied(records)
    assignment.onProgress()
    this.committer.onProgress()
  }

  private onHandEmptied (records: number): void {
    if (records === 0) return
    const wasFull = this.inHand >= this.settings.prefetchRecords
    this.inHand -= records
    if (wasFull) this.fetcher.notify()
  }

  /** Tries until it succeeds or cannot: a consumer gives up only by its signal. */
  private async untilDone<T> (work: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await work()
      } catch (cause) {
        const error = asBrokerError(cause)
        if (!error.retriable || this.stopped) throw error
        await delay(retryDelayMs(this.cluster.settings, error, failures), this.cluster.closing)
      }
    }
  }
}

const CLOSE_WARNING_MS = 1_000
