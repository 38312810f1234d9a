// A queue group in its surroundings: turns, time, records from the log, receives that wait.
//
//   request, timer, high watermark ─▶ turn() ─▶ QueueGroup … ─▶ end of turn ─▶ delta ─▶ state log
//                                                                    └▶ wake ─▶ waiting receives, in the next turn
//
// A group begins to lead when it is first needed, since that writes to its state log: ten thousand idle queues must
// start for nothing. One that has records on their way needs it at once.

import type { Deadline } from '../runtime/deadline-queue.js'
import { QueueGroup } from '../queue/queue-group.js'
import type { QueueConfig } from '../queue/queue-settings.js'
import { ORDER, RECORD_STATE, type DeadLetter, type QueueHost } from '../queue/queue-types.js'
import { LogRecordFeed } from './log-record-feed.js'
import type { QueuePartition, QueueSurroundings } from './queue-surroundings.js'
import type { QueueWaiter } from './queue-waiter.js'
import type { RecentReads } from './recent-reads.js'
import type { StoredDelayStore } from './stored-delay-store.js'
import type { StoredLaneIndex } from './stored-lane-index.js'

export interface HostedGroupOptions {
  readonly name: string
  readonly config: QueueConfig
  readonly deadLetterQueue: string
  readonly partition: QueuePartition
  readonly surroundings: QueueSurroundings
  readonly delayed: StoredDelayStore
  readonly laneIndex: StoredLaneIndex
  /** The group has something to write at the end of this turn, or its timer may have to be set. */
  onTurn (group: HostedQueueGroup): void
}

/** A disk that failed is asked again after so long, in milliseconds. */
const READ_RETRY_MS = 500

export class HostedQueueGroup implements QueueHost {
  readonly name: string
  readonly partition: QueuePartition
  readonly delayed: StoredDelayStore
  config: QueueConfig
  /** Name of the queue for its dead letters; empty where there is none. */
  deadLetterQueue: string
  /** The latest delta that is in the state log, be it durable or not. */
  loggedSequence = 0
  private readonly queue: QueueGroup
  private readonly options: HostedGroupOptions
  private readonly feed: LogRecordFeed
  private readonly waiters = new Set<QueueWaiter>()
  /** Records that were given up before this broker began to lead, and wait for their letters. */
  private readonly oldDeaths = new Set<number>()
  /** Where the log starts, as far as the group was told. */
  private startOffset = 0
  private inTurn = false
  private leads = false
  private stopped = false
  private wakeAsked = false
  private wakeScheduled = false
  private deadline: Deadline | null = null

  constructor (options: HostedGroupOptions) {
    this.options = options
    this.name = options.name
    this.partition = options.partition
    this.config = options.config
    this.deadLetterQueue = options.deadLetterQueue
    this.delayed = options.delayed
    const { partition, surroundings, config } = options
    this.feed = new LogRecordFeed({
      log: partition.log,
      highWatermark: () => partition.highWatermark,
      startOffset: () => this.startOffset,
      withLanes: config.order === ORDER.key || config.order === ORDER.fair,
      budget: surroundings.readBudget,
      onLoaded: () => this.onFactsLoaded(),
      later: run => this.later(READ_RETRY_MS, run),
      onDamaged: ({ from, to }) => surroundings.logger.error({ partition: partition.label, from, to },
        'records of a queue are damaged on disk: those that were not handed out yet are passed over; run sluice segment verify'),
    })
    this.queue = new QueueGroup({
      config,
      host: this,
      feed: this.feed,
      laneIndex: options.laneIndex,
      delayed: options.delayed,
      random: surroundings.random,
    })
  }

  /** The group, in a turn: whatever is called on it is written at the end of this turn. */
  turn (): QueueGroup {
    if (!this.leads) this.lead()
    if (!this.inTurn) {
      this.inTurn = true
      const { clock } = this.options.surroundings
      this.queue.tick(clock.monotonicMs(), clock.wallMs())
      this.options.onTurn(this)
    }
    return this.queue
  }

  /** For a look at it, outside of any turn. */
  get idle (): QueueGroup { return this.queue }

  /** About how many bytes a record has. */
  sizeOf (offset: number): number { return this.feed.sizeOf(offset) }

  /** What was read from the disk to look at records: it is sent when they are leased. */
  get recentReads (): RecentReads { return this.feed.recent }

  /** Records are being read from disk, or put off to it: there may be something to receive soon. */
  get isLoading (): boolean { return this.feed.isLoading || this.delayed.isFull }

  get isLeading (): boolean { return this.leads }

  /** True where the group must lead now, without being asked: it has something that time or a restart moves. */
  get hasOutstanding (): boolean { return this.queue.state.ledger.size > 0 || this.delayed.size > 0 }

  /** Everything below is terminal for good; -1 where that is not known yet. */
  get releasedOffset (): number { return this.leads ? this.queue.durableFloor : -1 }

  /** Ends the turn. What is answered is to be appended to the state log. */
  endTurn (): Uint8Array | null {
    if (!this.inTurn) return null
    this.inTurn = false
    const delta = this.queue.endTurn()
    this.schedule()
    if (this.wakeAsked) {
      this.wakeAsked = false
      this.wakeWaiters()
    }
    return delta
  }

  onDeltaDurable (sequence: number): void {
    this.queue.onDeltaDurable(sequence)
  }

  onHighWatermark (offset: number): void {
    if (!this.leads) return
    this.queue.onHighWatermark(offset)
    this.wakeWaiters()
  }

  onStartOffset (offset: number): void {
    if (!this.leads) return
    const queue = this.turn()
    queue.onStartOffsetMoved(offset)
    this.startOffset = offset
    this.onFactsLoaded()
  }

  /** The delay store has taken to the disk what it had: the group may put off more, or bring back what is due. */
  onDelayRoom (): void {
    if (!this.leads || this.stopped) return
    this.turn()
    this.wakeWaiters()
  }

  /** `waiter` hears when there may be something to receive, until it says it waits no more. */
  addWaiter (waiter: QueueWaiter): void { this.waiters.add(waiter) }

  removeWaiter (waiter: QueueWaiter): void { this.waiters.delete(waiter) }

  configure (config: QueueConfig, deadLetterQueue: string): void {
    this.config = config
    this.deadLetterQueue = deadLetterQueue
    this.queue.configure(config)
  }

  /** Everybody who waits is told that nobody will know; nothing happens any more. */
  stop (): void {
    if (this.stopped) return
    this.stopped = true
    this.feed.close()
    if (this.deadline !== null) this.options.surroundings.deadlines.cancel(this.deadline)
    this.queue.stop()
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter.offer(this)
  }

  get isStopped (): boolean { return this.stopped }

  wake (): void { this.wakeAsked = true }

  appendDeadLetter (letter: DeadLetter): void {
    const { partition: source, name: group, deadLetterQueue: target } = this
    const { offset } = letter
    const isOld = this.oldDeaths.has(offset)
    source.deadLetterSink.append({ source, group, target, letter, isOld }, (place, waitsFor) => {
      if (this.stopped) return
      const queue = this.turn()
      if (place === null) return queue.onDeadLetterFailed(offset, waitsFor)
      queue.onDeadLetterAppended(offset, place)
      this.oldDeaths.delete(offset)
      queue.settle([], answers => { if (answers !== null) source.deadLetterSink.forget(source, group, offset) })
    })
  }

  private lead (): void {
    const { partition, surroundings: { clock } } = this.options
    const { queue } = this
    this.leads = this.inTurn = true
    this.noteOldDeaths()
    this.options.laneIndex.restore(queue.state.floor, partition.log.nextOffset)
    queue.onHighWatermark(partition.highWatermark)
    this.startOffset = partition.log.logStartOffset
    queue.onStartOffsetMoved(this.startOffset)
    queue.lead(Math.max(partition.leaderEpoch, queue.state.epoch + 1), clock.monotonicMs(), clock.wallMs())
    this.options.onTurn(this)
  }

  private noteOldDeaths (): void {
    const { ledger, counts } = this.queue.state
    if (counts[RECORD_STATE.DEAD_LETTER_PENDING] === 0) return
    ledger.visit((slot, offset) => {
      if (ledger.states[slot] === RECORD_STATE.DEAD_LETTER_PENDING) this.oldDeaths.add(offset)
    })
  }

  private onFactsLoaded (): void {
    if (this.stopped || !this.leads) return
    this.turn().onFactsLoaded()
    this.wakeWaiters()
  }

  private wakeWaiters (): void {
    if (this.wakeScheduled || this.waiters.size === 0) return
    this.wakeScheduled = true
    this.options.surroundings.endOfTurn(() => {
      this.wakeScheduled = false
      if (this.stopped || this.waiters.size === 0) return
      const queue = this.turn()
      for (const waiter of [...this.waiters]) {
        if (!queue.canReceive) break
        if (this.waiters.has(waiter) && waiter.offer(this)) this.waiters.delete(waiter)
      }
    })
  }

  private schedule (): void {
    const { deadlines } = this.options.surroundings
    const dueMs = this.queue.nextDueMs
    if (this.deadline !== null) {
      if (this.deadline.run !== null && this.deadline.dueMs === dueMs) return
      deadlines.cancel(this.deadline)
      this.deadline = null
    }
    if (dueMs !== Infinity && !this.stopped) this.deadline = deadlines.add(dueMs, () => this.onDue())
  }

  private onDue (): void {
    this.deadline = null
    if (!this.stopped) this.turn()
  }

  private later (delayMs: number, run: () => void): void {
    const { clock, deadlines } = this.options.surroundings
    deadlines.add(clock.monotonicMs() + delayMs, run)
  }
}
