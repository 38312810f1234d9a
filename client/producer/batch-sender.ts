// Sends the batches of one producer: which may go, in which frames, and what the answers mean.
//
//   append ──▶ PartitionQueue ──(end of turn)──▶ one frame per leader ──▶ answer ──▶ settled
//                   ▲                                                       │
//                   └──────────── back-off, again, byte for byte ◀──────────┘ retriable
//
// Everything here is synchronous between two answers; the only things awaited are connections, identities, metadata and
// replies. One timer serves linger, back-off and delivery deadlines together.
//
// Invariant: what is outstanding of a partition is at most what its leader remembers of a producer; see PartitionQueue
// for the order, BatchLedger for the outcomes.

import {
  ERROR, EXTRAS_ROW_BYTES_MAX, recordBytesMax, type DuplicateRecord, type ProduceResponse, type RecordBytes,
  type RecordExtras, type RecordHeader,
} from '@sluice/protocol'
import { asBrokerError, BrokerError, serverError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import type { Connection } from '../connection/connection.js'
import type { TopicInfo } from '../connection/metadata.js'
import { backoffDelayMs, retryDelayMs } from '../waiting.js'
import { BatchLedger, tooLarge, type LedgerListener } from './batch-ledger.js'
import { BatchMemory } from './batch-memory.js'
import { nextSequence, OutgoingBatch, type FlushTicket, type SendWaiter } from './outgoing-batch.js'
import { PartitionQueue } from './partition-queue.js'
import { ProducerIdentity } from './producer-identity.js'
import type { ProducerSettings } from './producer-options.js'

interface Sending { queue: PartitionQueue, batch: OutgoingBatch }

/** Room in a frame for what is not batches: header, body; a batch takes some 50 bytes of body. */
const FRAME_RESERVE_BYTES = 16 * 1024
const BATCHES_PER_FRAME_MAX = 200
/** Small batches of a partition share a frame up to so many bytes; larger ones have one each. */
const SHARED_FRAME_BYTES = 64 * 1024
/** Reading the clock costs as much as all else that is done for a small record: so many of one turn share a reading. */
const RECORDS_PER_CLOCK_READING = 16

/** See the head of this file. */
export class BatchSender {
  /** By partition number; empty until the topic is known. */
  readonly queues: PartitionQueue[] = []
  topic: TopicInfo | null = null
  private readonly cluster: Cluster
  private readonly settings: ProducerSettings
  private readonly identity: ProducerIdentity
  private readonly ledger: BatchLedger
  /** Queues with batches. */
  private readonly active: Set<PartitionQueue>
  private readonly memory: BatchMemory
  private readonly connecting = new Set<number>()
  private dirty: PartitionQueue[] = []
  private scheduled = false
  /** Records of this turn that may still have `clockMs` as their time. */
  private clockUses = 0
  private clockMs = 0
  private timer: NodeJS.Timeout | null = null
  private timerAtMs = Infinity
  private batchBytes: number
  private batchBytesMax = Infinity
  private refreshing = false
  private identifying = false
  /** In a row, of what sending needs: connections, identities. */
  private supplyFailures = 0
  private stopped = false

  constructor (cluster: Cluster, settings: ProducerSettings, listener: LedgerListener) {
    this.cluster = cluster
    this.settings = settings
    this.ledger = new BatchLedger({
      topic: listener.topic,
      onSettled: () => {
        if (this.active.size === 0) this.rest()
        listener.onSettled()
      },
      onUnwatchedFailure: (error, records) => listener.onUnwatchedFailure(error, records),
    })
    this.active = this.ledger.active
    this.identity = new ProducerIdentity(cluster)
    // Half of the buffer comes free before writers go on.
    this.memory = new BatchMemory(settings.bufferBytes / 2)
    this.batchBytes = settings.batchBytes
  }

  /** Bytes and records that are not settled. */
  get pendingBytes (): number { return this.ledger.pendingBytes }

  get pendingRecords (): number { return this.ledger.pendingRecords }

  /** Takes over what is known of the topic; its partitions may have become more. */
  setTopic (topic: TopicInfo): void {
    for (const [partition, { leaderEpoch }] of topic.partitions.entries()) {
      const before = this.topic?.partitions[partition]
      if (before === undefined || leaderEpoch <= before.leaderEpoch) continue
      this.queues[partition]!.onNewLeader()
    }
    this.topic = topic
    for (let partition = this.queues.length; partition < topic.partitions.length; partition++) {
      this.queues.push(new PartitionQueue(partition))
    }
  }

  /** True where somebody leads the partition. */
  readonly isAvailable = (partition: number): boolean => this.topic!.partitions[partition]!.leader >= 0

  /** Puts a record into the open batch of its partition. `givenTimestamp` in milliseconds; undefined for now. */
  append (
    partition: number, key: RecordBytes, value: RecordBytes, givenTimestamp: number | undefined,
    headers: readonly RecordHeader[] | undefined, waiter: SendWaiter | null, extras?: RecordExtras,
  ): void {
    const queue = this.queues[partition]!
    if (!queue.dirty) this.markDirty(queue)
    const timestamp = givenTimestamp ?? this.recordTimeMs()
    let batch = queue.open
    const extrasBytesMax = extras === undefined ? 0 : EXTRAS_ROW_BYTES_MAX
    if (batch !== null && batch.size + recordBytesMax(key, value, headers) + extrasBytesMax > this.batchBytes) {
      queue.closeOpen()
      this.sendFull(queue)
      batch = null
    }
    batch ??= this.beginBatch(queue)
    const builder = batch.builder!
    const sizeBefore = builder.size
    builder.append(key, value, timestamp, headers)
    batch.addExtras(extras)
    this.ledger.add(queue, batch, builder.size - sizeBefore)
    if (waiter !== null) {
      waiter.index = batch.recordCount - 1
      waiter.timestamp = timestamp
      if (batch.waiters === null) batch.waiters = [waiter]
      else batch.waiters.push(waiter)
    }
  }

  /** The wall clock, read once for several records of a turn. The end of the turn, which is scheduled, resets it. */
  private recordTimeMs (): number {
    if (this.clockUses === 0) {
      this.clockUses = RECORDS_PER_CLOCK_READING
      this.clockMs = Date.now()
    }
    this.clockUses--
    return this.clockMs
  }

  /** Closes the open batch of a partition, so that what is appended next begins a batch of its own. */
  closeOpen (partition: number): void {
    this.queues[partition]!.closeOpen()
  }

  /** No more records will come for the open batch of a partition: it is sent as soon as it may. */
  completeOpen (partition: number): void {
    const queue = this.queues[partition]
    if (queue === undefined || queue.open === null) return
    queue.closeOpen()
    this.sendFull(queue)
  }

  /** Sends all that waits as soon as it may; `done` of the ticket is called when all of it is settled. */
  flush (ticket: FlushTicket): void {
    for (const queue of this.active) {
      for (const batch of queue.batches) {
        batch.urgent = true
        ticket.remaining++
        if (batch.tickets === null) batch.tickets = [ticket]
        else batch.tickets.push(ticket)
      }
      // A batch that kept growing would keep the flush waiting.
      queue.closeOpen()
      this.markDirty(queue)
    }
    if (ticket.remaining === 0) ticket.done()
  }

  /** Fails everything that is unsettled. */
  failAll (error: BrokerError): void {
    for (const queue of [...this.active]) {
      for (const batch of [...queue.batches]) this.fail(queue, batch, error)
    }
  }

  /** Fails everything and takes no part in anything any more. */
  stop (error: BrokerError): void {
    this.stopped = true
    this.failAll(error)
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  /** Nothing is on its way: the process may end, and memory go. */
  private rest (): void {
    this.timer?.unref()
    this.memory.rest()
  }

  private beginBatch (queue: PartitionQueue): OutgoingBatch {
    const batch = new OutgoingBatch(this.memory.builder(this.batchBytes), performance.now())
    queue.add(batch)
    if (queue.batches.length === 1) this.active.add(queue)
    // Pending records keep the process alive, and nothing else of this does.
    this.timer?.ref()
    this.wakeAt(batch.createdAtMs + this.settings.deliveryTimeoutMs)
    return batch
  }

  private markDirty (queue: PartitionQueue): void {
    if (queue.dirty || this.stopped) return
    queue.dirty = true
    this.dirty.push(queue)
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(this.onTurnEnd)
  }

  private readonly onTurnEnd = (): void => {
    this.scheduled = false
    this.clockUses = 0
    const queues = this.dirty
    this.dirty = []
    for (const queue of queues) queue.dirty = false
    this.dispatch(queues)
  }

  /** A batch is full: where nothing stands in the way, and a frame is worth it, it need not wait for the turn's end. */
  private sendFull (queue: PartitionQueue): void {
    if (queue.outstanding >= queue.outstandingMax || queue.recovering) return
    const fullBytes = (queue.batches.length - queue.sendIndex) * this.batchBytes
    if (queue.outstanding === 0 || fullBytes >= SHARED_FRAME_BYTES) this.dispatch([queue])
    else this.markDirty(queue)
  }

  private dispatch (queues: readonly PartitionQueue[]): void {
    if (this.stopped || this.topic === null) return
    if (this.settings.idempotent && this.identity.current === null) return this.identify(queues)
    const known = this.cluster.metadata.peek(this.topic.name)
    if (known !== undefined && known !== this.topic) this.setTopic(known)
    const nowMs = performance.now()
    const byLeader = new Map<number, Sending[]>()
    for (const queue of queues) {
      const leader = this.topic.partitions[queue.partition]?.leader
      if (leader === undefined) {
        this.failQueue(queue, new BrokerError('UNKNOWN_TOPIC', `topic ${this.topic.name} has no partition ` +
          `${queue.partition} any more: send the record again to another one`, { topic: this.topic.name }))
        continue
      }
      this.collect(queue, leader, nowMs, byLeader)
    }
    for (const [leader, sendings] of byLeader) this.sendTo(leader, sendings)
  }

  /** Adds the batches of a queue that may go now to those for its leader. */
  private collect (queue: PartitionQueue, leader: number, nowMs: number, byLeader: Map<number, Sending[]>): void {
    const connection = leader < 0 ? null : this.cluster.currentConnection(leader)
    if (connection !== null) queue.outstandingMax = Math.max(1, connection.hello.rememberedBatches)
    for (;;) {
      if (queue.rebase && queue.outstanding === 0) return this.rebase(queue)
      const readyAtMs = queue.readyAtMs(nowMs, this.settings.lingerMs)
      if (readyAtMs > 0) {
        if (readyAtMs !== Infinity) this.wakeAt(readyAtMs)
        return
      }
      if (leader < 0) return this.waitForLeader(queue)
      if (connection === null) return this.connect(leader)
      const batch = queue.batches[queue.sendIndex]!
      if (batch === queue.open) queue.closeOpen()
      batch.outstanding = true
      queue.outstanding++
      queue.sendIndex++
      let sendings = byLeader.get(leader)
      if (sendings === undefined) byLeader.set(leader, sendings = [])
      sendings.push({ queue, batch })
    }
  }

  private sendTo (leader: number, sendings: readonly Sending[]): void {
    const connection = this.cluster.currentConnection(leader)!
    this.learnLimits(connection)
    const frameBytesMax = connection.hello.maxFrameBytes - FRAME_RESERVE_BYTES
    let frame: Sending[] = []
    let frameBytes = 0
    /** Of the batches at the end of the frame that are of one partition. */
    let sharedBytes = 0
    for (const sending of sendings) {
      this.seal(sending)
      const { size } = sending.batch
      const sizeMax = Math.min(this.batchBytesMax, frameBytesMax)
      if (size > sizeMax) {
        this.notOutstanding(sending)
        this.fail(sending.queue, sending.batch, tooLarge(this.topic!.name, size, sizeMax))
        continue
      }
      if (frame.length === 0 || frame[frame.length - 1]!.queue !== sending.queue) sharedBytes = 0
      // Not all of a partition in one frame: the next one is under way while the broker syncs this one.
      const isShareFull = sharedBytes > 0 && sharedBytes + size > SHARED_FRAME_BYTES
      const isFull = frame.length === BATCHES_PER_FRAME_MAX || (frame.length > 0 && frameBytes + size > frameBytesMax)
      if (isShareFull || isFull) {
        this.sendFrame(connection, frame)
        frame = []
        frameBytes = sharedBytes = 0
      }
      frame.push(sending)
      frameBytes += size
      sharedBytes += size
    }
    if (frame.length > 0) this.sendFrame(connection, frame)
  }

  private seal ({ queue, batch }: Sending): void {
    batch.attempts++
    if (batch.bytes !== null) return
    let stamp
    if (this.settings.idempotent) {
      queue.identity ??= this.identity.current!
      stamp = { ...queue.identity, baseSequence: queue.nextSequence }
      queue.nextSequence = nextSequence(queue.nextSequence, batch.recordCount)
    }
    const builder = batch.seal(this.settings.codec, stamp)
    this.memory.giveBuilder(builder, batch.bytes!)
  }

  private sendFrame (connection: Connection, frame: readonly Sending[]): void {
    const topicId = this.topic!.id
    const { acks } = this.settings
    const timeoutMs = this.cluster.settings.requestTimeoutMs
    const payload = frame.map(({ batch }) => batch.bytes!)
    const batches = frame.map(({ queue: { partition }, batch: { size } }) => ({ topicId, partition, size }))
    connection.request('produce', { acks, timeoutMs, batches }, {
      payload, timeoutMs, oneWay: acks === 'none',
    }).then(
      reply => this.onReply(connection, frame, acks === 'none' ? null : reply.message),
      error => this.onFailure(frame, asBrokerError(error)),
    )
  }

  private onReply (connection: Connection, frame: readonly Sending[], response: ProduceResponse | null): void {
    if (response !== null && response.results.length !== frame.length) {
      return this.onFailure(frame, new BrokerError('PROTOCOL',
        `the broker answered ${response.results.length} of ${frame.length} batches`, { maybeApplied: true }))
    }
    if (response !== null && response.throttleMs > 0) this.cluster.events.emit('throttle', { ms: response.throttleMs })
    for (let index = 0; index < frame.length; index++) {
      const sending = frame[index]!
      const result = response?.results[index]
      this.notOutstanding(sending)
      if (result === undefined || result.error === ERROR.NONE) {
        this.succeed(sending, result?.baseOffset ?? -1, result?.duplicateRecords)
        if (result !== undefined) this.memory.giveBytes(sending.batch, this.batchBytes)
      } else if (result.error === ERROR.DUPLICATE_SEQUENCE) {
        this.succeed(sending, -1)
      } else {
        this.cluster.metadata.learnLeader(this.topic!.name, sending.queue.partition, result.leader, result.leaderEpoch)
        this.onBatchError(sending, serverError(result.error, result.message, {
          topic: this.topic!.name, partition: sending.queue.partition, broker: connection.hello.brokerId,
        }))
      }
      this.markDirty(sending.queue)
    }
  }

  private onFailure (frame: readonly Sending[], error: BrokerError): void {
    // Who led may be gone, and somebody else lead by now.
    if (error.code === 'CONNECTION' || error.code === 'TIMEOUT') this.refreshTopic()
    for (const sending of frame) {
      this.notOutstanding(sending)
      this.onBatchError(sending, error)
      this.markDirty(sending.queue)
    }
  }

  private notOutstanding ({ queue, batch }: Sending): void {
    batch.outstanding = false
    queue.outstanding--
  }

  private onBatchError (sending: Sending, error: BrokerError): void {
    const { queue, batch } = sending
    if (batch.abandoned) {
      this.ledger.drop(queue, batch)
      queue.recoverAt(0)
      return
    }
    batch.lastError = error
    // A deposed leader says so of batches that it has appended as well: the next one may have them.
    batch.maybeApplied ||= error.maybeApplied || error.code === 'NOT_LEADER'
    const isGap = error.serverCode === ERROR.OUT_OF_ORDER_SEQUENCE || error.serverCode === ERROR.UNKNOWN_PRODUCER
    if (isGap && this.settings.idempotent) {
      // Behind a batch that is still to come it is only too early; as the first one it is behind a gap for good.
      if (queue.batches[0] === batch) queue.rebase = true
      queue.recoverAt(0)
    } else if (error.serverCode === ERROR.PRODUCER_FENCED) {
      this.failAll(error)
      this.identity.current = null
      for (const other of this.queues) this.forgetIdentity(other)
    } else if (!this.isWorthRetrying(error) || batch.attempts >= this.cluster.settings.maxAttempts) {
      this.fail(queue, batch, error)
      queue.recoverAt(0)
    } else {
      const waitMs = retryDelayMs(this.cluster.settings, error, batch.attempts)
      queue.recoverAt(performance.now() + waitMs)
      if (error.code === 'NOT_LEADER' || error.code === 'UNKNOWN_TOPIC' || error.code === 'FENCED') this.refreshTopic()
    }
  }

  private isWorthRetrying (error: BrokerError): boolean {
    // A topic may have been made anew under another id: the metadata will tell.
    return error.retriable || error.code === 'UNKNOWN_TOPIC'
  }

  private succeed ({ queue, batch }: Sending, baseOffset: number, duplicates?: readonly DuplicateRecord[]): void {
    this.supplyFailures = 0
    if (batch.abandoned) this.ledger.drop(queue, batch)
    else this.ledger.succeed(queue, batch, baseOffset, duplicates)
  }

  private fail (queue: PartitionQueue, batch: OutgoingBatch, error: BrokerError): void {
    this.ledger.fail(queue, batch, error)
  }

  private failQueue (queue: PartitionQueue, error: BrokerError): void {
    for (const batch of [...queue.batches]) this.fail(queue, batch, error)
  }

  /**
   * Starts the partition again at sequence 0 of a new identity. Nothing of it is in the log that is not known to be.
   */
  private rebase (queue: PartitionQueue): void {
    if (queue.rebasing) return
    queue.rebasing = true
    this.identity.newerThan(queue.identity).then(identity => {
      queue.rebasing = queue.rebase = false
      queue.identity = identity
      queue.nextSequence = 0
      for (const batch of queue.batches) {
        if (batch.bytes === null) break
        batch.restamp({ ...identity, baseSequence: queue.nextSequence })
        queue.nextSequence = nextSequence(queue.nextSequence, batch.recordCount)
      }
      this.cluster.settings.logger.warn({ topic: this.topic?.name, partition: queue.partition },
        'a batch before this one is missing in the log; going on under a new producer epoch')
      this.markDirty(queue)
    }, (error: unknown) => {
      queue.rebasing = false
      this.retryLater([queue], asBrokerError(error))
    })
  }

  private forgetIdentity (queue: PartitionQueue): void {
    queue.identity = null
    queue.nextSequence = 0
    queue.rebase = false
  }

  private identify (queues: readonly PartitionQueue[]): void {
    for (const queue of queues) queue.recoverAt(0)
    if (this.identifying) return
    this.identifying = true
    this.identity.newerThan(null).then(() => {
      this.identifying = false
      for (const queue of this.active) this.markDirty(queue)
    }, (error: unknown) => {
      this.identifying = false
      this.retryLater([...this.active], asBrokerError(error))
    })
  }

  private connect (leader: number): void {
    if (this.connecting.has(leader)) return
    this.connecting.add(leader)
    this.cluster.connectionTo(leader).then(connection => {
      this.connecting.delete(leader)
      this.learnLimits(connection)
      if (this.cluster.currentConnection(leader) === null) {
        const text = `broker ${leader}, which leads partitions of ${this.topic!.name}, is not among the known brokers`
        return this.onUnreachable(leader, new BrokerError('NOT_LEADER', text, { retriable: true }))
      }
      for (const queue of this.active) this.markDirty(queue)
    }, (error: unknown) => {
      this.connecting.delete(leader)
      this.onUnreachable(leader, asBrokerError(error))
    })
  }

  private onUnreachable (leader: number, error: BrokerError): void {
    this.refreshTopic()
    this.retryLater([...this.active].filter(queue => this.topic?.partitions[queue.partition]?.leader === leader), error)
  }

  /** Something that sending needs could not be had. */
  private retryLater (queues: readonly PartitionQueue[], error: BrokerError): void {
    if (this.stopped) return
    this.supplyFailures++
    const isFinal = !error.retriable || this.supplyFailures >= this.cluster.settings.maxAttempts
    const atMs = performance.now() + retryDelayMs(this.cluster.settings, error, this.supplyFailures)
    for (const queue of queues) {
      if (isFinal) {
        this.failQueue(queue, error)
        continue
      }
      for (const batch of queue.batches) batch.lastError = error
      queue.recoverAt(atMs)
      this.markDirty(queue)
    }
  }

  private waitForLeader (queue: PartitionQueue): void {
    queue.recoverAt(performance.now() + backoffDelayMs(this.cluster.settings, 3))
    this.wakeAt(queue.resumeAtMs)
    this.refreshTopic()
  }

  private refreshTopic (): void {
    if (this.refreshing || this.stopped) return
    this.refreshing = true
    this.cluster.metadata.refresh(this.topic!.name).then(topic => {
      this.refreshing = false
      this.setTopic(topic)
      for (const queue of this.active) this.markDirty(queue)
    }, (cause: unknown) => {
      this.refreshing = false
      const error = asBrokerError(cause)
      if (!error.retriable) this.failAll(error)
    })
  }

  private learnLimits (connection: Connection): void {
    this.batchBytesMax = connection.hello.maxRecordBatchBytes
    this.batchBytes = Math.min(this.settings.batchBytes, this.batchBytesMax)
  }

  private wakeAt (atMs: number): void {
    if (atMs >= this.timerAtMs || this.stopped) return
    if (this.timer !== null) clearTimeout(this.timer)
    this.timerAtMs = atMs
    this.timer = setTimeout(this.onTimer, Math.max(1, atMs - performance.now()))
  }

  private readonly onTimer = (): void => {
    this.timer = null
    this.timerAtMs = Infinity
    const nowMs = performance.now()
    for (const queue of [...this.active]) {
      this.expire(queue, nowMs)
      this.markDirty(queue)
    }
  }

  private expire (queue: PartitionQueue, nowMs: number): void {
    for (const batch of [...queue.batches]) {
      const expiresAtMs = batch.createdAtMs + this.settings.deliveryTimeoutMs
      if (expiresAtMs > nowMs) return this.wakeAt(expiresAtMs)
      if (batch.abandoned) continue
      const why = batch.lastError === null ? '' : `; last: ${batch.lastError.reason}`
      this.fail(queue, batch, new BrokerError('TIMEOUT',
        `not delivered within deliveryTimeoutMs (${this.settings.deliveryTimeoutMs} ms)${why}`,
        { retriable: true, cause: batch.lastError ?? undefined }))
      queue.recoverAt(0)
    }
  }
}
