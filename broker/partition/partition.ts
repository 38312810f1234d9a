// One partition on the broker that leads it: a data log that users write and read, a state log beside it for how far
// its readers are, and what must be known to append safely.
//
//   produce ─ check ─ producer state ─▶ data log ─ written, synced ─▶ high watermark ─▶ answers, waiting fetches
//   commit ─────────────────────────▶ state log ─ written, synced ─▶ committed offsets ─▶ answers
//
// The core is synchronous: calls come from the API, `onAdvance` from the log; nothing here waits.
//
// How the two logs are made safe is behind `LedLog`: on this broker alone, or on several. A partition of which several
// brokers hold copies is made anew for each leadership, so that nothing of an earlier one is left in it.
//
// Invariants: a record is served only below the high watermark; a produce is answered only at or below it, a duplicate
// as well as the original; the committed offsets are what the durable part of the state log adds up to.

import {
  CODEC_NAMES, ERROR, RecordBatchBuilder, RecordReader, checkNewBatch, nextOffsetOf, readBatchHeader, recordExtrasFault,
  type BatchFault,
} from '@sluice/protocol'
import type { PartitionLog } from '@sluice/storage'
import { unavailable, type LedLog, type LogRefusal } from '../log/led-log.js'
import type { TopicRecord } from '../control/topic-record.js'
import { LIMITS } from '../limits.js'
import { AckQueue, type Acknowledge } from './ack-queue.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import type { DeadLetterSink } from '../queue-host/dead-letter-sink.js'
import { Evacuation } from '../queue-host/evacuation.js'
import { PartitionQueues } from '../queue-host/partition-queues.js'
import type { DuplicateRecord } from '../queue-host/queue-dedup.js'
import { recordOptionsFault } from '../queue-host/record-options.js'
import type { QueuePartition, QueueSurroundings } from '../queue-host/queue-surroundings.js'
import { CommittedOffsets, offsetBatch, type GroupOffset } from './committed-offsets.js'
import { DeadLetterIndex } from '../queue-host/dead-letter-index.js'
import { partitionKey } from './partition-keys.js'
import { ProducerState } from './producer-state.js'
import { StateImageWriter, type StateImageSource } from './state-image-writer.js'

/** What became of a batch for now; `endOffset` is what to wait for. */
export type AppendOutcome =
  | { ok: true, baseOffset: number, endOffset: number, duplicate: boolean, duplicates: readonly DuplicateRecord[] }
  | { ok: false, error: number, message: string }

/** What a partition needs from its broker. */
export interface PartitionHost {
  wallMs (): number
  endOfTurn (run: () => void): void
  readonly deadLetters: DeadLetterSink
  /** Opens the state log, which most partitions never need. */
  openStateLog (partition: Partition): Promise<LedLog>
}

interface OffsetCommit { group: string, offset: GroupOffset | null, done: Acknowledge }

const NO_DUPLICATES: readonly DuplicateRecord[] = []

const FAULT_TEXT: Readonly<Record<BatchFault, string>> = {
  short: 'it is shorter than its size field says',
  size: 'its size field does not match the size given in the request',
  crc: 'its checksum does not match: the bytes were damaged on the way, or the client computes it wrongly',
  magic: 'its layout version is not known here',
  fields: 'its header fields contradict each other, or are not allowed in a new batch',
  'header-crc': 'its stamp is damaged',
}

export class Partition implements QueuePartition, StateImageSource {
  readonly topicId: string
  readonly topicName: string
  readonly index: number
  /** Leader epoch under which this broker appends. */
  readonly leaderEpoch: number
  readonly log: PartitionLog
  readonly data: LedLog
  readonly producers: ProducerState
  readonly offsets = new CommittedOffsets()
  /** The state log; null while there is none. */
  state: LedLog | null = null
  /** Null where the topic is a stream. */
  readonly queues: PartitionQueues | null
  /** Null while no dead letter has come here. */
  deadLetters: DeadLetterIndex | null = null
  readonly metaKey: Buffer
  /** Its records are removed once they are settled. */
  readonly isQueue: boolean
  /** Largest batch that is taken, in bytes. */
  maxBatchBytes: number
  /** Records without a key are refused. */
  needsKeys = false
  /** Who waits for a quorum is answered when this broker has it: a topic with `replication` `async`. */
  isAsync = false
  /** Why nothing is taken any more: the partition is being closed or deleted. Null while it is open. */
  closedBy: { readonly error: number, readonly message: string } | null = null

  private readonly host: PartitionHost
  private readonly acks = new AckQueue()
  /** Who waits for this broker's own copy only. */
  private readonly ownAcks = new AckQueue()
  private readonly waiters = new Set<() => void>()
  private readonly stateAnswers = new AckQueue()
  private readonly stateToApply = new AckQueue()
  private queuedCommits: OffsetCommit[] = []
  /** The latest generation of each group that a commit was let in for, be it stored or not; -1 for a group deleted. */
  private readonly generations = new Map<string, number>()
  private openingStateLog = false
  /** What is in the state log already and not durable yet, by group. */
  private readonly commitsUnderWay = new Map<string, GroupOffset | null>()
  private images: StateImageWriter | null = null
  /** Offsets at and above which nothing is to be removed, by whoever needs that. */
  private readonly holds = new Map<string, { readonly offset: number, readonly untilMs: number }>()
  private evacuation: Evacuation | null = null

  constructor (
    host: PartitionHost, topic: Pick<TopicRecord, 'topicId' | 'name' | 'kind'>, index: number, leaderEpoch: number,
    data: LedLog, maxBatchBytes: number, queues: QueueSurroundings | null = null, producers = newProducerState(),
  ) {
    this.host = host
    this.topicId = topic.topicId
    this.topicName = topic.name
    this.index = index
    this.leaderEpoch = leaderEpoch
    this.data = data
    this.log = data.log
    this.maxBatchBytes = maxBatchBytes
    this.producers = producers
    this.isQueue = topic.kind === 'queue'
    this.metaKey = partitionKey(topic.topicId, index)
    this.queues = queues === null || !this.isQueue ? null : new PartitionQueues(this, queues)
    data.onAdvance = () => this.onAdvance()
    data.onStateChange = () => this.onStateChange(data.log, this.acks)
    data.onQuorumLost = () => {
      const { error, message } = this.undecided
      this.acks.failAll(error, message)
    }
    data.onStartOffsetChange = () => {
      this.queues?.onStartOffset(this.log.logStartOffset)
      this.wake()
    }
  }

  /** Offset after the last committed record: what readers may see. */
  get highWatermark (): number { return this.data.highWatermark }

  /** Everything below is committed, and durable here: see LedLog. */
  get settledOffset (): number { return this.data.settledOffset }

  get stateLog (): PartitionLog | null { return this.state === null ? null : this.state.log }

  /** Appends a batch, or finds that it is stored already. The batch may be a view: it is copied. */
  append (batch: Buffer): AppendOutcome {
    const refusal = this.refusalOf(batch)
    if (refusal !== null) return refusal
    const header = readBatchHeader(batch)
    const verdict = this.producers.check(header)
    if (verdict.kind === 'refuse') return { ok: false, error: verdict.error, message: `${this.label}: ${verdict.message}` }
    const dedup = this.queues?.dedup ?? null
    if (verdict.kind === 'duplicate') {
      const { baseOffset, endOffset } = verdict
      const duplicates = dedup?.duplicatesIn(batch, baseOffset, true) ?? NO_DUPLICATES
      return { ok: true, baseOffset, endOffset, duplicate: true, duplicates }
    }
    const blocked = this.data.refusalOf(batch.length, this.label)
    if (blocked !== null) return { ok: false, ...blocked }
    const duplicates = dedup?.duplicatesIn(batch, this.log.nextOffset) ?? NO_DUPLICATES
    if (duplicates.length > 0 && !dedup!.hasRoom(duplicates.length)) {
      return refuse(ERROR.BUSY, `${this.label} holds too many duplicates that no consumer has come by; retry when records were received`)
    }
    header.baseOffset = this.data.append(batch)
    this.producers.apply(header, this.host.wallMs())
    dedup?.onAppended(batch, header.baseOffset, duplicates)
    return { ok: true, baseOffset: header.baseOffset, endOffset: nextOffsetOf(header), duplicate: false, duplicates }
  }

  /** Appends a batch of the broker's own, which no client's limits apply to. */
  appendOwn (batch: Buffer): AppendOutcome {
    if (this.closedBy !== null) return { ok: false, ...this.closedBy }
    const blocked = this.data.refusalOf(batch.length, this.label)
    if (blocked !== null) return { ok: false, ...blocked }
    const baseOffset = this.data.append(batch)
    return { ok: true, baseOffset, endOffset: this.log.nextOffset, duplicate: false, duplicates: NO_DUPLICATES }
  }

  /** Calls back when everything below `endOffset` is committed, at once where it is. */
  whenCommitted (endOffset: number, acknowledge: Acknowledge): void {
    this.whenSafe(this.acks, this.highWatermark, endOffset, acknowledge)
  }

  /** Calls back with what speaks against it that this broker leads the partition now, by a majority; null: nothing. */
  confirmLeadership (done: (refusal: LogRefusal | null) => void): void { this.data.confirm(this.label, done) }

  /** Calls back when everything below `endOffset` is as safe as `acks` of the producer and the topic ask for. */
  whenAcknowledged (endOffset: number, acks: 'leader' | 'quorum', acknowledge: Acknowledge): void {
    const isOwn = this.data.isReplicated && (this.isAsync || acks === 'leader')
    if (!isOwn) return this.whenCommitted(endOffset, acknowledge)
    this.whenSafe(this.ownAcks, this.log.acknowledgedOffset, endOffset, acknowledge)
  }

  /** Once it is closed its log may hold other records at the same offsets: those of the next leader. */
  private whenSafe (queue: AckQueue, safeOffset: number, endOffset: number, acknowledge: Acknowledge): void {
    if (this.closedBy !== null) return acknowledge(this.closedBy.error, this.closedBy.message)
    if (endOffset <= safeOffset) return acknowledge(0, '')
    if (this.log.state === 'online') return queue.push(endOffset, acknowledge)
    const { error, message } = unavailable(this.log, this.label)
    acknowledge(error, message)
  }

  /** How many wait for something to read. */
  get waiterCount (): number { return this.waiters.size }

  /** Calls `wake` whenever there may be more to read, until `removeWaiter`. */
  addWaiter (wake: () => void): void { this.waiters.add(wake) }

  removeWaiter (wake: () => void): void { this.waiters.delete(wake) }

  /** Stores (or, with null, removes) the offset of a group. `done` runs when that is durable. */
  commitOffset (group: string, offset: GroupOffset | null, done: Acknowledge): void {
    const fault = this.commitFault(group, offset)
    if (fault !== null) return done(fault.error, fault.message)
    this.noteGeneration(group, offset)
    this.queuedCommits.push({ group, offset, done })
    if (this.queuedCommits.length > 1) return
    if (this.state !== null) this.host.endOfTurn(() => this.writeCommits())
    else this.openStateLog()
  }

  committedOffset (group: string): GroupOffset | undefined {
    return this.offsets.get(group)
  }

  /** Takes over a state log that was opened, from its start or for the first commit. */
  attachStateLog (state: LedLog): void {
    this.state = state
    const images = this.images = new StateImageWriter(state, this)
    if (this.queues !== null) {
      this.queues.attach(state)
      this.queues.onAppended = bytes => images.onAppended(bytes)
    }
    state.onAdvance = () => this.onStateAdvance(state)
    state.onQuorumLost = () => {
      const { error, message } = this.undecided
      this.stateAnswers.failAll(error, message)
    }
    state.onStateChange = () => {
      this.onStateChange(state.log, this.stateAnswers)
      this.queues?.onStateLogChange()
      images.onAdvance()
    }
  }

  /** Takes over a state log with what the queue groups left there, before anything else happens to them. */
  async restoreQueues (state: LedLog): Promise<void> {
    this.attachStateLog(state)
    if (this.queues === null) return
    const isWhole = await this.queues.restore()
    // What follows must not be read as the continuation of what was lost.
    if (!isWhole) await this.images!.writeNow()
    this.queues.begin()
  }

  /** Takes nothing any more and answers all that wait, since it will not hear of them again. */
  close (error: number, message: string): void {
    this.closedBy = { error, message }
    // What they wait for is appended: unless all of it is deleted now, the next leader may have it.
    const isKnown = error !== ERROR.NOT_LEADER && error !== ERROR.SHUTTING_DOWN
    const waiting = isKnown ? error : ERROR.OUTCOME_UNKNOWN
    const text = isKnown ? message : `${message}; what was sent may be stored: retry`
    for (const queue of [this.acks, this.ownAcks, this.stateAnswers]) queue.failAll(waiting, text)
    this.failQueuedCommits(error, message)
    this.queues?.close()
    this.wake()
  }

  /** Everything appended is acknowledged, as far as the logs take anything. */
  get atRest (): boolean {
    const { log, state, queues } = this
    if (log.state === 'online' && this.highWatermark < log.nextOffset) return false
    if (state === null || state.log.state !== 'online') return true
    return state.highWatermark >= state.log.nextOffset && (queues?.atRest ?? true)
  }

  get closed (): boolean { return this.closedBy !== null }

  wallMs (): number { return this.host.wallMs() }

  endOfTurn (run: () => void): void { this.host.endOfTurn(run) }

  get isQuiet (): boolean { return this.queues?.isQuiet ?? true }

  groups (): Iterable<HostedQueueGroup> { return this.queues?.all() ?? [] }

  * committedOffsets (): Iterable<readonly [string, GroupOffset]> {
    for (const group of this.offsets.groups()) {
      if (!this.commitsUnderWay.has(group)) yield [group, this.offsets.get(group)!]
    }
    for (const [group, offset] of this.commitsUnderWay) if (offset !== null) yield [group, offset]
  }

  get deadLetterSink (): DeadLetterSink { return this.host.deadLetters }

  /** Says everything in the state log anew, and cuts it off below. Nothing else may be going on. */
  async writeStateImage (): Promise<void> { await this.images?.writeNow() }

  /** Lets the data log remove what the queue groups are done with: to be called before its retention. */
  releaseSettled (): void {
    this.limitRemoval()
    if (this.isQueue && this.queues !== null) this.log.releasedOffset = this.queues.releasedOffset
  }

  /** Takes what is settled out of old segments that a few records hold. */
  async evacuate (signal: AbortSignal): Promise<void> {
    const { queues } = this
    if (!this.isQueue || queues === null) return
    this.evacuation ??= new Evacuation({
      log: this.log,
      groups: () => [...queues.all()].map(({ idle }) => idle),
      sizeOf: offset => queues.find('')!.sizeOf(offset),
    })
    await this.evacuation.run(this.host.wallMs(), signal)
  }

  /**
   * Keeps all records at or above `offset` in the log until `letGo`, or for a while: somebody has to find them there.
   *
   * @param forMs by the wall clock.
   */
  hold (owner: string, offset: number, forMs = Infinity): void {
    this.holds.set(owner, { offset, untilMs: this.host.wallMs() + forMs })
    this.limitRemoval()
  }

  letGo (owner: string): void {
    if (this.holds.delete(owner)) this.limitRemoval()
  }

  private limitRemoval (): void {
    // A dead letter that may be asked for again must be found.
    let limitOffset = Math.min(this.highWatermark, this.deadLetters?.minOffset ?? Infinity)
    for (const [owner, { offset, untilMs }] of this.holds) {
      if (untilMs !== Infinity && untilMs < this.host.wallMs()) this.holds.delete(owner)
      else limitOffset = Math.min(limitOffset, offset)
    }
    this.log.retentionLimitOffset = limitOffset
  }

  /** Made when the first dead letter is on its way here. */
  get deadLetterIndex (): DeadLetterIndex {
    this.deadLetters ??= new DeadLetterIndex(this)
    return this.deadLetters
  }

  /** For messages: which partition this is. */
  get label (): string { return `partition ${this.topicName}/${this.index}` }

  private refusalOf (batch: Buffer): AppendOutcome | null {
    if (this.closedBy !== null) return { ok: false, ...this.closedBy }
    if (batch.length > this.maxBatchBytes) {
      return refuse(ERROR.RECORD_TOO_LARGE,
        `record batch of ${batch.length} bytes for ${this.label} is above its max.batch.bytes of ${this.maxBatchBytes}; send less at once or raise it`)
    }
    const fault = checkNewBatch(batch, 0, batch.length)
    if (fault === 'codec') {
      return refuse(ERROR.UNSUPPORTED_CODEC, `the compression of a record batch is not known here; use ${CODEC_NAMES.join(', ')}`)
    }
    if (fault !== null) {
      const text = fault === 'extras' ? recordExtrasFault(batch) : FAULT_TEXT[fault]
      return refuse(ERROR.INVALID_BATCH, `record batch for ${this.label} is not valid: ${text}`)
    }
    const { isQueue, needsKeys } = this
    const options = recordOptionsFault(batch, { isQueue, needsKeys, wallMs: this.host.wallMs() })
    return options === null ? null : refuse(options.error, `${this.label}: ${options.message}`)
  }

  private onAdvance (): void {
    this.acks.completeUpTo(this.highWatermark)
    this.ownAcks.completeUpTo(this.log.acknowledgedOffset)
    this.limitRemoval()
    this.queues?.onHighWatermark(this.highWatermark)
    this.wake()
  }

  private onStateChange (log: PartitionLog, waiting: AckQueue): void {
    if (log.state === 'online') return
    waiting.completeUpTo(log.acknowledgedOffset)
    const { error, message } = unavailable(log, this.label)
    waiting.failAll(error, message)
  }

  /** What is told to who waits for a majority that cannot be reached. */
  private get undecided (): LogRefusal {
    const message = `a majority of the replicas of ${this.label} cannot be reached; it may still be stored: retry`
    return { error: ERROR.NOT_ENOUGH_REPLICAS, message }
  }

  private wake (): void {
    for (const wake of this.waiters) wake()
  }

  private commitFault (group: string, offset: GroupOffset | null): { error: number, message: string } | null {
    if (this.closedBy !== null) return this.closedBy
    if (offset === null) return null
    if (offset.offset > this.highWatermark) {
      return refuse(ERROR.OFFSET_OUT_OF_RANGE,
        `offset ${offset.offset} of group ${group} is above the high watermark ${this.highWatermark} of ${this.label}`)
    }
    const latest = this.generations.get(group) ?? this.offsets.get(group)?.generation ?? -1
    if (offset.generation >= 0 && latest > offset.generation) {
      return refuse(ERROR.STALE_GENERATION,
        `group ${group} has committed in generation ${latest} already; generation ${offset.generation} is an old one`)
    }
    return null
  }

  private noteGeneration (group: string, offset: GroupOffset | null): void {
    // One that is deleted may be made anew, and counts from the beginning then.
    if (offset === null) this.generations.set(group, -1)
    else if (offset.generation >= 0) this.generations.set(group, offset.generation)
  }

  private openStateLog (): void {
    if (this.openingStateLog) return
    this.openingStateLog = true
    this.host.openStateLog(this).then(state => {
      this.openingStateLog = false
      this.attachStateLog(state)
      this.writeCommits()
    }, (cause: Error) => {
      this.openingStateLog = false
      this.failQueuedCommits(ERROR.STORAGE_UNAVAILABLE,
        `the state log of ${this.label} cannot be opened: ${cause.message}; free space or mend the disk, then retry`)
    })
  }

  private writeCommits (): void {
    const commits = this.queuedCommits
    this.queuedCommits = []
    for (let first = 0; first < commits.length; first += LIMITS.commitsPerBatch) {
      this.writeCommitBatch(this.state!, commits.slice(first, first + LIMITS.commitsPerBatch))
    }
  }

  private writeCommitBatch (state: LedLog, commits: readonly OffsetCommit[]): void {
    const nowMs = this.host.wallMs()
    const batch = offsetBatch(new RecordBatchBuilder(), commits, nowMs)
    const blocked = state.refusalOf(batch.length, this.label)
    if (blocked !== null) {
      for (const commit of commits) commit.done(blocked.error, blocked.message)
      return
    }
    const endOffset = state.append(batch) + commits.length
    for (const { group, offset } of commits) this.commitsUnderWay.set(group, offset)
    // Applying never fails, unlike answering: what the disk refused for now may be stored later.
    this.stateToApply.push(endOffset, () => {
      for (const { group, offset } of commits) {
        this.offsets.set(group, offset)
        if (this.commitsUnderWay.get(group) === offset) this.commitsUnderWay.delete(group)
      }
    })
    this.stateAnswers.push(endOffset, (error, message) => {
      for (const commit of commits) commit.done(error, message)
    })
    this.images!.onAppended(batch.length)
  }

  private onStateAdvance ({ highWatermark }: LedLog): void {
    this.stateToApply.completeUpTo(highWatermark)
    this.stateAnswers.completeUpTo(highWatermark)
    this.queues?.onStateAdvance()
    this.images!.onAdvance()
  }

  private failQueuedCommits (error: number, message: string): void {
    const commits = this.queuedCommits
    this.queuedCommits = []
    for (const commit of commits) commit.done(error, message)
  }
}

/** Knows no producer. */
export function newProducerState (): ProducerState {
  return new ProducerState(LIMITS.producersPerPartition, LIMITS.batchesPerProducer)
}

/** Takes in what the state log holds from `fromOffset` on. */
export async function replayOffsets (log: PartitionLog, offsets: CommittedOffsets, fromOffset: number): Promise<void> {
  const reader = new RecordReader()
  await log.replay(fromOffset, batch => offsets.apply(batch, reader))
}

function refuse (error: number, message: string): { ok: false, error: number, message: string } {
  return { ok: false, error, message }
}
