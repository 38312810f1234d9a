// Fetches what a set of cursors wants to read, and hands out what has come.
//
//   cursors with room ──▶ one fetch per leader (long poll) ──▶ batches into the cursors ──▶ take()
//
// Bounds: what is buffered and what is asked for stays within prefetchBytes plus one batch per fetch, divided evenly
// among the partitions, so that a busy one cannot keep the others out. Mostly it is far less, see
// PartitionCursor.fetchBytes. A cursor is in one fetch at a time; cursors that get room while a fetch is parked go out
// in another one, a few at most per leader.
//
// `take` stays with a partition for one batch, then turns to the next that has something.

import {
  BATCH_FLAG, BATCH_POSITION, checkBatch, ERROR, nextOffsetOf, readBatchHeader, type FetchedPartition,
  type FetchResponse,
} from '@sluice/protocol'
import { asBrokerError, BrokerError, serverError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import { CHANNEL } from '../diagnostics.js'
import { deferred, retryDelayMs, type Deferred } from '../waiting.js'
import type { PartitionCursor } from './partition-cursor.js'
import type { StoredRecord } from './stored-record.js'
import { topicDeleted, topicReplaced } from './topic-gone.js'

/** Bounds and choices of a fetcher. */
export interface FetcherSettings {
  readonly prefetchBytes: number
  /** How long a fetch may be parked at the broker, in milliseconds. */
  readonly maxWaitMs: number
  /**
   * A cursor stands outside of its log, or has read what is lost since, and all that it had is handed out: where to go
   * on. Rejects where the reading has to end.
   */
  onOutOfRange (cursor: PartitionCursor, error: BrokerError): Promise<number>
  /** It has come to its end; `poll` throws the error too. */
  onFailed? (error: BrokerError): void
}

/** A fetch under way. */
interface Flight {
  readonly cursors: readonly PartitionCursor[]
  readonly bytes: number
  readonly sentAtMs: number
}

/** Records handed out in one turn of the event loop: a millisecond's work or so. */
const RECORDS_PER_TURN = 2_048
const FLIGHTS_PER_LEADER_MAX = 4
/** An answer of this size is part of a backlog. */
const BULK_BYTES = 64 * 1024
const SHARE_BYTES_MIN = 16 * 1024
const PARTITIONS_PER_FETCH_MAX = 1_000
const FRAME_RESERVE_BYTES = 256 * 1024
/** Fetches of a damaged batch before it is believed to be damaged at the broker and not on the way. */
const DAMAGE_RETRIES = 2

/** See the head of this file. */
export class Fetcher<K = unknown, V = unknown> {
  readonly cursors: PartitionCursor<K, V>[] = []
  private readonly cluster: Cluster
  private readonly topic: string
  private readonly settings: FetcherSettings
  private readonly flightsByLeader = new Map<number, number>()
  private readonly connecting = new Set<number>()
  private reservedBytes = 0
  private turn = 0
  private fetchTurn = 0
  private handedOut = 0
  private scheduled = false
  private refreshing = false
  private timer: NodeJS.Timeout | null = null
  private timerAtMs = Infinity
  private waiter: Deferred<void> | null = null
  private failure: BrokerError | null = null
  private closed = false

  constructor (cluster: Cluster, topic: string, settings: FetcherSettings) {
    this.cluster = cluster
    this.topic = topic
    this.settings = settings
  }

  /** Bytes that have come and were not handed out yet. */
  get bufferedBytes (): number {
    let bytes = 0
    for (const cursor of this.cursors) bytes += cursor.bufferedBytes
    return bytes
  }

  add (cursor: PartitionCursor<K, V>): void {
    this.cursors.push(cursor)
    this.wake()
  }

  remove (cursor: PartitionCursor<K, V>): void {
    cursor.removed = true
    const index = this.cursors.indexOf(cursor)
    if (index >= 0) this.cursors.splice(index, 1)
    cursor.seek(cursor.position)
    this.wake()
  }

  /** Looks at the cursors again: one has room, was moved or set going. */
  wake (): void {
    if (this.scheduled || this.closed) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      this.pump()
    })
  }

  /**
   * Adds records of the next batch in turn to `records`, at most `countMax`; returns how many, 0 where nothing is
   * buffered that `isBlocked` lets through.
   *
   * @throws BrokerError why a partition cannot go on, once all before it was handed out.
   */
  take (
    records: StoredRecord<K, V>[], countMax: number, isBlocked?: (cursor: { readonly partition: number }) => boolean,
  ): number {
    if (this.failure !== null) throw this.failure
    const cursorCount = this.cursors.length
    for (let tried = 0; tried < cursorCount; tried++) {
      if (this.turn >= cursorCount) this.turn = 0
      const cursor = this.cursors[this.turn]!
      if (cursor.paused || (isBlocked !== undefined && isBlocked(cursor))) {
        this.turn++
        continue
      }
      if (cursor.hasBuffered) {
        const bytesBefore = cursor.bufferedBytes
        const count = cursor.take(records, countMax)
        if (cursor.bufferedBytes !== bytesBefore) this.wake()
        if (count > 0) {
          if (cursor.atBatchEnd) this.turn++
          this.handedOut += count
          return count
        }
      }
      if (cursor.error !== null) throw cursor.error
      this.turn++
    }
    return 0
  }

  /**
   * True after many records: whoever takes them in a loop then waits for `breather`. Otherwise a full buffer would be
   * emptied without anything new coming in, timers or heartbeats.
   */
  get breatherIsDue (): boolean { return this.handedOut >= RECORDS_PER_TURN }

  /** A promise for the next turn of the event loop where it is due, or null. */
  breather (): Promise<void> | null {
    if (!this.breatherIsDue) return null
    this.handedOut = 0
    return new Promise(resolve => setImmediate(resolve))
  }

  /** Resolves when something has come that `take` has not seen: records, an error, the end. */
  changed (): Promise<void> {
    this.waiter ??= deferred()
    return this.waiter.promise
  }

  /** Wakes whoever waits for a change. */
  notify (): void {
    const { waiter } = this
    this.waiter = null
    waiter?.resolve()
  }

  /** Ends everything with an error that `take` throws from now on. */
  fail (error: BrokerError): void {
    if (this.failure !== null) return
    this.failure = error
    this.notify()
    this.settings.onFailed?.(error)
  }

  close (): void {
    this.closed = true
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    for (const cursor of [...this.cursors]) this.remove(cursor)
    this.notify()
  }

  private pump (): void {
    if (this.closed || this.cursors.length === 0 || this.failure !== null) return
    const info = this.cluster.metadata.peek(this.topic)
    if (info === undefined) return this.refresh()
    const nowMs = performance.now()
    const share = Math.max(SHARE_BYTES_MIN, Math.floor(this.settings.prefetchBytes / this.cursors.length))
    const byLeader = new Map<number, PartitionCursor[]>()
    // Brokers serve the partitions of a fetch in order until its bytes are used up: each comes first in turn.
    const first = this.fetchTurn++
    for (let index = 0; index < this.cursors.length; index++) {
      const cursor = this.cursors[(first + index) % this.cursors.length]!
      if (cursor.flight !== null || cursor.paused || cursor.error !== null) continue
      if (cursor.recovery !== null) continue
      if (cursor.outOfRange !== null) {
        if (!cursor.hasBuffered) this.recover(cursor)
        continue
      }
      if (cursor.bufferedBytes > Math.min(share / 2, cursor.fetchBytes)) continue
      if (cursor.retryAtMs > nowMs) {
        this.wakeAt(cursor.retryAtMs)
        continue
      }
      const leader = info.partitions[cursor.partition]?.leader ?? -1
      if (info.id !== cursor.topicId || leader < 0) {
        this.retryLater(cursor)
        this.refresh()
        continue
      }
      const list = byLeader.get(leader)
      if (list === undefined) byLeader.set(leader, [cursor])
      else if (list.length < PARTITIONS_PER_FETCH_MAX) list.push(cursor)
    }
    for (const [leader, cursors] of byLeader) this.fetch(leader, cursors, share)
  }

  private fetch (leader: number, cursors: readonly PartitionCursor[], share: number): void {
    const flights = this.flightsByLeader.get(leader) ?? 0
    if (flights >= FLIGHTS_PER_LEADER_MAX) return // the next answer looks again
    const connection = this.cluster.currentConnection(leader)
    if (connection === null) return this.connect(leader, cursors)
    const budget = this.settings.prefetchBytes - this.bufferedBytes - this.reservedBytes
    let wanted = 0
    for (const cursor of cursors) wanted += Math.min(share - cursor.bufferedBytes, cursor.fetchBytes)
    const frameBytesMax = connection.hello.maxFrameBytes - FRAME_RESERVE_BYTES
    const maxBytes = Math.min(wanted, Math.max(budget, SHARE_BYTES_MIN), frameBytesMax)
    if (budget <= 0 && this.reservedBytes > 0) return
    const flight: Flight = { cursors, bytes: maxBytes, sentAtMs: performance.now() }
    for (const cursor of cursors) cursor.flight = flight
    this.flightsByLeader.set(leader, flights + 1)
    this.reservedBytes += maxBytes
    const { maxWaitMs } = this.settings
    connection.request('fetch', {
      maxWaitMs,
      minBytes: 1,
      maxBytes,
      partitions: cursors.map(cursor => ({
        topicId: cursor.topicId,
        partition: cursor.partition,
        offset: cursor.fetchOffset,
        lastEpoch: cursor.fetchedEpoch,
        maxBytes: Math.min(share - cursor.bufferedBytes, cursor.fetchBytes),
      })),
    }, { timeoutMs: maxWaitMs + this.cluster.settings.requestTimeoutMs, unordered: true, urgent: true }).then(
      reply => {
        this.land(leader, flight, () => this.onResponse(flight, reply.message, reply.payload))
        // The next answer should be on its way while these records are handed out.
        if (reply.payload.length >= BULK_BYTES) this.pump()
        this.notify()
      },
      error => this.land(leader, flight, () => this.onFailure(flight, asBrokerError(error))),
    )
  }

  private land (leader: number, flight: Flight, handle: () => void): void {
    this.flightsByLeader.set(leader, this.flightsByLeader.get(leader)! - 1)
    this.reservedBytes -= flight.bytes
    if (!this.closed) handle()
    for (const cursor of flight.cursors) if (cursor.flight === flight) cursor.flight = null
    this.wake()
  }

  private onResponse (flight: Flight, response: FetchResponse, payload: Buffer): void {
    if (response.throttleMs > 0) this.cluster.events.emit('throttle', { ms: response.throttleMs })
    const tookMs = performance.now() - flight.sentAtMs
    let position = 0
    for (const result of response.partitions) {
      const end = position + result.size
      const { topicId, partition } = result
      const index = flight.cursors.findIndex(cursor => cursor.partition === partition && cursor.topicId === topicId)
      if (index < 0 || end > payload.length) {
        const error = new BrokerError('PROTOCOL', 'the answer to a fetch does not fit its question', { retriable: true })
        return this.onFailure(flight, error)
      }
      const cursor = flight.cursors[index]!
      // One that was moved or taken away meanwhile has no use for this answer.
      if (cursor.flight === flight && !cursor.removed) {
        this.onPartition(cursor, result, payload.subarray(position, end), tookMs)
      }
      position = end
    }
  }

  private onPartition (cursor: PartitionCursor, result: FetchedPartition, batches: Buffer, tookMs: number): void {
    if (result.highWatermark >= 0) cursor.highWatermark = result.highWatermark
    if (result.error !== ERROR.NONE) return this.onPartitionError(cursor, result)
    if (batches.length === 0) return
    if (CHANNEL.fetch.hasSubscribers) {
      const { topic, partition, fetchOffset } = cursor
      CHANNEL.fetch.publish({ topic, partition, offset: fetchOffset, bytes: batches.length })
    }
    cursor.adapt(batches.length, tookMs)
    for (let position = 0; position < batches.length;) {
      const fault = checkBatch(batches, position)
      if (fault !== null) return this.onDamage(cursor, fault)
      const size = batches.readUInt32BE(position + BATCH_POSITION.size)
      const header = readBatchHeader(batches, position)
      const nextOffset = nextOffsetOf(header)
      if (nextOffset > cursor.fetchOffset) {
        const { baseOffset, leaderEpoch } = header
        if ((header.flags & BATCH_FLAG.control) !== 0 || header.recordCount === 0) {
          cursor.skipTo(nextOffset, leaderEpoch)
        } else {
          cursor.push({ bytes: batches, position, size, baseOffset, nextOffset, leaderEpoch })
        }
      }
      position += size
    }
    cursor.failures = 0
  }

  private onPartitionError (cursor: PartitionCursor, result: FetchedPartition): void {
    this.cluster.metadata.learnLeader(cursor.topic, cursor.partition, result.leader, result.leaderEpoch)
    const error = serverError(result.error, result.message, {
      topic: cursor.topic,
      partition: cursor.partition,
      offset: cursor.fetchOffset,
      ...(result.resumeOffset >= 0 ? { resumeOffset: result.resumeOffset } : {}),
    })
    if (error.code === 'OFFSET_OUT_OF_RANGE') {
      cursor.outOfRange = error
      if (error.serverCode === ERROR.OFFSET_TRUNCATED && result.resumeOffset >= 0) cursor.cutAt(result.resumeOffset)
    } else if (error.code === 'UNKNOWN_TOPIC' || error.code === 'NOT_LEADER' || error.code === 'FENCED') {
      this.retryLater(cursor)
      this.refresh()
    } else if (error.retriable) {
      this.retryLater(cursor)
    } else {
      cursor.error = error
    }
  }

  /** Asks where to go on. A seek or the loss of the partition meanwhile makes the answer void. */
  private recover (cursor: PartitionCursor): void {
    const error = cursor.outOfRange!
    cursor.outOfRange = null
    const recovery = cursor.recovery = {}
    const isVoid = (): boolean => cursor.recovery !== recovery || cursor.removed || this.closed
    this.settings.onOutOfRange(cursor, error).then(offset => {
      if (isVoid()) return
      cursor.seek(offset)
      this.wake()
    }, (cause: unknown) => {
      if (isVoid()) return
      cursor.recovery = null
      const failure = asBrokerError(cause)
      if (failure.retriable) this.retryLater(cursor)
      else cursor.error = failure
      this.notify()
      this.wake()
    })
  }

  private onDamage (cursor: PartitionCursor, fault: string): void {
    if (cursor.failures < DAMAGE_RETRIES) return this.retryLater(cursor)
    cursor.error = new BrokerError('CORRUPT', `topic ${cursor.topic} partition ${cursor.partition}: the batch at offset ` +
      `${cursor.fetchOffset} is damaged (${fault}): check the broker, or seek behind it`, {
      topic: cursor.topic, partition: cursor.partition, offset: cursor.fetchOffset,
    })
  }

  private onFailure (flight: Flight, error: BrokerError): void {
    for (const cursor of flight.cursors) if (cursor.flight === flight) this.retryLater(cursor, error)
    if (!error.retriable) this.fail(error)
    else if (error.code === 'CONNECTION') this.refresh()
  }

  private connect (leader: number, cursors: readonly PartitionCursor[]): void {
    if (this.connecting.has(leader)) return
    this.connecting.add(leader)
    this.cluster.connectionTo(leader).then(() => {
      this.connecting.delete(leader)
      if (this.cluster.currentConnection(leader) === null) {
        for (const cursor of cursors) this.retryLater(cursor)
        this.refresh()
      }
      this.wake()
    }, (cause: unknown) => {
      this.connecting.delete(leader)
      const error = asBrokerError(cause)
      if (!error.retriable) return this.fail(error)
      for (const cursor of cursors) this.retryLater(cursor, error)
      this.refresh()
      this.wake()
    })
  }

  private retryLater (cursor: PartitionCursor, error: BrokerError | null = null): void {
    cursor.failures++
    cursor.retryAtMs = performance.now() + retryDelayMs(this.cluster.settings, error, cursor.failures)
  }

  private refresh (): void {
    if (this.refreshing || this.closed) return
    this.refreshing = true
    this.cluster.metadata.refresh(this.topic).then(info => {
      this.refreshing = false
      if (this.cursors.some(cursor => cursor.topicId !== info.id)) {
        return this.fail(topicReplaced(this.topic))
      }
      this.wake()
    }, (cause: unknown) => {
      this.refreshing = false
      const error = asBrokerError(cause)
      if (!error.retriable && !this.closed) {
        this.fail(error.code === 'UNKNOWN_TOPIC' ? topicDeleted(this.topic, error) : error)
      }
      this.wake()
    })
  }

  private wakeAt (atMs: number): void {
    if (atMs >= this.timerAtMs) return
    if (this.timer !== null) clearTimeout(this.timer)
    this.timerAtMs = atMs
    this.timer = setTimeout(() => {
      this.timer = null
      this.timerAtMs = Infinity
      this.pump()
    }, Math.max(1, atMs - performance.now()))
  }
}
