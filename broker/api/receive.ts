// receive: leases records from queue groups; where there are none, waits for some.
//
//   lease ── nothing ──▶ park on the groups ── woken ─┐
//     ▲                                               │       (deadline: an empty answer)
//     └───────────────────────────────────────────────┘
//     └─ something ─▶ where the order is by key, until the leases are durable ─▶ read the batches ─▶ respond
//
// Leased records that are damaged on disk are failed here, in the consumer's place: they are tried again later and
// become dead letters in the end. What lies behind them is delivered.
//
// Records are leased only when their answer could leave at once: a client that takes nothing must not hold leases. The
// partitions have turns: a receive begins where the last one of the session left off, so that a full one starves none.

import { ERROR, type ReceivedPartition, type ReceivePartition, type ReceiveRequest, type ReceiveResponse } from '@sluice/protocol'
import type { OffsetRange } from '@sluice/storage'
import { LIMITS } from '../limits.js'
import type { ApiHandler, Call } from '../net/call.js'
import type { Partition } from '../partition/partition.js'
import { SETTLE_KIND, type Grants } from '../queue/queue-types.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import type { QueueWaiter } from '../queue-host/queue-waiter.js'
import type { Deadline } from '../runtime/deadline-queue.js'
import { findQueueGroup } from './find-queue-group.js'
import { GrantedBatches } from './granted-batches.js'
import { HeldGrants, leaseRunsOf, settleItemsOf } from './lease-runs.js'
import type { OpenReceive, QueueSession } from './queue-session.js'
import type { BrokerServices } from './services.js'
import { unknownSession } from './sessions.js'

export function receiveHandler (services: BrokerServices): ApiHandler<ReceiveRequest, ReceiveResponse> {
  return {
    api: 'receive',
    handle (request, call) {
      const fault = receiveFault(request)
      if (fault !== null) return call.fail(ERROR.INVALID_REQUEST, fault)
      const session = services.sessions.find(request.sessionId, call.connection)
      if (session === null) return call.fail(ERROR.UNKNOWN_SESSION, unknownSession(request.sessionId))
      session.giveBackUnstarted()
      new Receive(services, request, call, session).start()
    },
  }
}

/** What is wrong with the request as a whole; null where nothing is. */
export function receiveFault ({ maxRecords, maxBytes, maxWaitMs, partitions }: ReceiveRequest): string | null {
  if (maxRecords < 1 || maxRecords > LIMITS.recordsPerReceive) {
    return `maxRecords is ${maxRecords}; it must be 1 to ${LIMITS.recordsPerReceive}`
  }
  if (maxBytes < 1) return `maxBytes is ${maxBytes}; it must be at least 1`
  if (maxWaitMs < 0 || maxWaitMs > LIMITS.receiveWaitMs) return `maxWaitMs is ${maxWaitMs}; it must be 0 to ${LIMITS.receiveWaitMs}`
  if (partitions.length === 0) return 'partitions is empty; name at least one'
  if (partitions.length > LIMITS.itemsPerQueueRequest) {
    return `the request names ${partitions.length} partitions; at most ${LIMITS.itemsPerQueueRequest} go into one`
  }
  return null
}

/** Said of an attempt at a record that cannot be read. */
const DAMAGED = 'damaged on disk'
/** Bytes of one lease in a response, at most. */
const LEASE_BYTES_MAX = 32

/** Leases of one group, on their way into the response. */
interface Leased {
  readonly item: ReceivedPartition
  readonly partition: Partition
  readonly group: HostedQueueGroup
  readonly grants: HeldGrants
}

/** One receive until it is answered. */
class Receive implements QueueWaiter, OpenReceive {
  private readonly services: BrokerServices
  private readonly request: ReceiveRequest
  private readonly call: Call<ReceiveResponse>
  private readonly session: QueueSession
  private readonly deadlineMs: number
  private readonly maxBytes: number
  private recordsLeft: number
  private bytesLeft: number
  private results: ReceivedPartition[] = []
  private readonly leased: Leased[] = []
  /** Grants that are not durable yet. */
  private pending = 0
  private payload: Buffer[] = []
  private payloadBytes = 0
  private parkedOn: HostedQueueGroup[] = []
  private deadline: Deadline | null = null
  private reserved = false
  private isSessionClosed = false
  /** Records were leased that turned out to be damaged, or gone, or to be leased no more. */
  private hasPassed = false
  private finished = false
  private readonly startAgain = (): void => this.start()
  private readonly startAtEndOfTurn = (): void => this.services.endOfTurn(this.startAgain)
  private readonly onConnectionClosed = (): void => this.onGone()

  constructor (
    services: BrokerServices, request: ReceiveRequest, call: Call<ReceiveResponse>, session: QueueSession,
  ) {
    this.services = services
    this.request = request
    this.call = call
    this.session = session
    this.deadlineMs = services.clock.monotonicMs() + request.maxWaitMs
    this.maxBytes = Math.min(request.maxBytes, LIMITS.fetchResponseBytes, services.config.maxFrameBytes >> 1)
    this.recordsLeft = request.maxRecords
    this.bytesLeft = this.maxBytes
    call.connection.onClosed.add(this.onConnectionClosed)
    session.receives.add(this)
  }

  /** Leases what there is, as soon as the client and the broker have room for it. */
  start (): void {
    const { call, services: { unsent } } = this
    const { connection } = call
    if (this.finished || this.reserved) return
    if (connection.isClosed || call.answered) return this.onGone()
    if (!call.isInTurn) return call.whenInTurn(this.startAtEndOfTurn)
    if (connection.isCongested) return connection.whenDrained(this.startAgain)
    if (unsent.exhausted && !connection.isDrained) return unsent.whenRoom(this.startAgain)
    this.results = []
    this.lease()
    const isLate = this.services.clock.monotonicMs() >= this.deadlineMs
    if (this.leased.length > 0 || this.pending > 0) this.onLeased()
    else if (this.results.length > 0 || (isLate && !this.isLoading)) this.respond()
    else this.park(isLate ? this.services.clock.monotonicMs() + LIMITS.tickMs : this.deadlineMs)
  }

  /** Woken by a group that may have something: takes it, and waits no more. */
  offer (group: HostedQueueGroup): boolean {
    if (this.finished) return true
    const { connection } = this.call
    const canSend = !connection.isClosed && this.call.isInTurn && !connection.isCongested
    if (group.isStopped || !canSend || this.services.unsent.exhausted) {
      this.unpark()
      this.services.endOfTurn(this.startAgain)
      return true
    }
    this.leaseFrom(group, this.services.partitions.find(group.partition.topicId, group.partition.index)!)
    if (this.leased.length === 0 && this.pending === 0) return false
    this.unpark()
    this.onLeased()
    return true
  }

  /** Ends the wait. What is leased already goes back with the session. */
  onSessionClosed (): void {
    this.isSessionClosed = true
    if (this.finished || this.reserved) return
    this.results = []
    this.respond()
  }

  private lease (): void {
    const { partitions } = this.request
    const { session } = this
    const first = session.rotation % partitions.length
    for (let step = 0; step < partitions.length && this.recordsLeft > 0 && this.bytesLeft > 0; step++) {
      const index = (first + step) % partitions.length
      const asked = partitions[index]!
      const found = findQueueGroup(this.services, asked)
      if (found.group === null) this.addError(asked, found.partition, found.error, found.message)
      else if (this.leaseFrom(found.group, found.partition)) session.rotation = index + 1
    }
  }

  /** True where there was something. */
  private leaseFrom (group: HostedQueueGroup, partition: Partition): boolean {
    const { session } = this
    const request = { sessionId: session.sessionId, maxRecords: this.recordsLeft, maxBytes: this.bytesLeft }
    session.join(group)
    // Durable grants come later; soft ones before `receive` returns.
    this.pending++
    const count = group.turn().receive(request, grants => this.onGrants(group, partition, grants))
    if (count > 0) {
      this.recordsLeft -= count
      return true
    }
    this.pending--
    return false
  }

  private onGrants (group: HostedQueueGroup, partition: Partition, grants: Grants | null): void {
    this.pending--
    // Leased, and lost again before that was durable.
    if (grants?.count === 0) this.hasPassed = true
    else if (grants !== null) {
      const { leaseEpoch, sizeBytes } = grants
      const { index, topicId } = partition
      const item: ReceivedPartition = {
        topicId,
        partition: index,
        group: group.name,
        error: 0,
        message: '',
        leader: this.services.brokerId,
        leaderEpoch: partition.leaderEpoch,
        leaseEpoch,
        visibilityMs: group.config.visibilityMs,
        disconnectGraceMs: group.config.disconnectGraceMs,
        leases: [],
        size: 0,
      }
      this.bytesLeft -= sizeBytes
      this.leased.push({ item, partition, group, grants: new HeldGrants(grants) })
    }
    if (this.pending === 0 && this.reserved) this.readBatches(0)
  }

  /** There are leases; some may have to become durable first. */
  private onLeased (): void {
    this.services.unsent.add(this.maxBytes)
    this.call.connection.reserve(this.maxBytes)
    this.reserved = true
    if (this.pending === 0) this.readBatches(0)
  }

  /** Reads the batches of one group after the other; goes on by itself where they have to come from the disk. */
  private readBatches (index: number): void {
    const leased = this.leased[index]
    if (leased === undefined) return this.onRead()
    const { item, partition, group, grants } = leased
    const offsets = grants.offsets.slice().sort()
    const roomBytes = this.services.config.maxFrameBytes - LIMITS.frameOverheadBytes * (1 + this.leased.length) -
      grants.count * LEASE_BYTES_MAX - this.payloadBytes
    new GrantedBatches(partition, group.recentReads, offsets, roomBytes).read(read => {
      const { error, buffers, sizeBytes, count, damaged, startOffset } = read
      // The lowest offsets are dealt with; what did not fit, or could not be looked at, is given back.
      const endOffset = count === 0 ? 0 : offsets[count - 1]! + 1
      if (count < offsets.length) this.giveBack(leased, endOffset)
      if (damaged.length > 0) this.failDamaged(leased, damaged)
      this.hasPassed ||= count > 0
      const isThere = damaged.length > 0
        ? (row: number) => grants.offsets[row]! < endOffset && this.isHeld(leased, row)
        : (row: number) => grants.offsets[row]! < endOffset && grants.offsets[row]! >= startOffset
      const leases = leaseRunsOf(grants, isThere)
      if (leases.length > 0) {
        for (const buffer of buffers) this.payload.push(buffer)
        this.payloadBytes += sizeBytes
        this.results.push({ ...item, leases, size: sizeBytes })
      } else if (error !== null) this.addError(item, partition, ERROR.STORAGE_UNAVAILABLE, error)
      this.readBatches(index + 1)
    })
  }

  /** All that is leased was read. Where none of it is there any more, it goes on as if nothing had been leased. */
  private onRead (): void {
    const isOver = this.services.clock.monotonicMs() >= this.deadlineMs || this.isSessionClosed
    if (this.results.length > 0 || !this.hasPassed || isOver) return this.respond()
    this.leased.length = 0
    this.recordsLeft = this.request.maxRecords
    this.bytesLeft = this.maxBytes
    this.hasPassed = false
    this.unreserve()
    this.start()
  }

  /** What is damaged fails like a record that a consumer cannot handle: tried again, and given up in the end. */
  private failDamaged ({ group, partition, grants }: Leased, damaged: readonly OffsetRange[]): void {
    if (group.isStopped) return
    const isDamaged = (row: number): boolean =>
      damaged.some(({ from, to }) => grants.offsets[row]! >= from && grants.offsets[row]! < to)
    const items = settleItemsOf(grants, SETTLE_KIND.nack, isDamaged, DAMAGED)
    const records = items.map(({ offset, count }) => ({ offset, count }))
    this.services.logger.error({ partition: partition.label, records },
      'records of a queue are damaged on disk: they count as failed; run sluice segment verify')
    group.turn().settle(items, null)
  }

  /** False where the lease is over: with order by key it goes when an earlier record of its key fails. */
  private isHeld ({ group, grants }: Leased, row: number): boolean {
    const { leaseEpoch, offsets, leaseSequences } = grants
    return !group.isStopped && group.turn().isLeased(offsets[row]!, leaseEpoch, leaseSequences[row]!)
  }

  /** Others, or the same client, may try again. */
  private giveBack ({ group, grants }: Leased, fromOffset: number): void {
    if (group.isStopped) return
    const isLeft = (row: number): boolean => grants.offsets[row]! >= fromOffset
    group.turn().settle(settleItemsOf(grants, SETTLE_KIND.release, isLeft), null)
  }

  /** True while the next records of some partition are being read from disk: they are there, so they are waited for. */
  private get isLoading (): boolean {
    if (this.services.clock.monotonicMs() >= this.deadlineMs + LIMITS.receiveLoadMs) return false
    return this.request.partitions.some(asked => findQueueGroup(this.services, asked).group?.isLoading ?? false)
  }

  private park (untilMs: number): void {
    for (const asked of this.request.partitions) {
      const { group } = findQueueGroup(this.services, asked)
      if (group === null) continue
      group.addWaiter(this)
      this.parkedOn.push(group)
    }
    this.deadline = this.services.deadlines.add(untilMs, () => {
      this.unpark()
      this.start()
    })
  }

  private unpark (): void {
    for (const group of this.parkedOn) group.removeWaiter(this)
    this.parkedOn = []
    if (this.deadline !== null) this.services.deadlines.cancel(this.deadline)
    this.deadline = null
  }

  private respond (): void {
    const { heartbeatMs } = this.session
    this.call.respond({ heartbeatMs, partitions: this.results }, this.payload, this.payloadBytes)
    this.finish()
  }

  /** Leases that were given go with the session: its grace has begun. */
  private onGone (): void {
    if (!this.call.answered) this.call.finishSilently()
    this.finish()
  }

  private finish (): void {
    this.finished = true
    this.unpark()
    this.unreserve()
    this.call.connection.onClosed.delete(this.onConnectionClosed)
    this.session.receives.delete(this)
    this.services.unsent.forget(this.startAgain)
  }

  private unreserve (): void {
    if (!this.reserved) return
    this.reserved = false
    this.services.unsent.release(this.maxBytes)
    this.call.connection.unreserve(this.maxBytes)
  }

  private addError (asked: ReceivePartition, partition: Partition | null, error: number, message: string): void {
    const { topicId, partition: index, group } = asked
    this.results.push({
      topicId,
      partition: index,
      group,
      error,
      message,
      leader: this.services.brokerId,
      leaderEpoch: partition?.leaderEpoch ?? -1,
      leaseEpoch: -1,
      visibilityMs: 0,
      disconnectGraceMs: 0,
      leases: [],
      size: 0,
    })
  }
}
