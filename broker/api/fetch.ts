// fetch: reads record batches; where there are none, waits for some.
//
//   gather ── enough, an error, or no time left ──▶ respond
//     ▲  └── too little ──▶ park on the partitions ── new data ──┐
//     └─────────────────────────────────────────────────────────┘ (deadline: respond with what there is)
//
// Whoever waits stays parked on all of its partitions until it is answered. Those that were woken read in turn, a few
// milliseconds a turn of the event loop.
//
// A client that does not take its responses is served no further: a fetch begins to read only when its answer could
// leave at once (an ordered one has come in turn, the connection is not congested) and all connections together are
// below the broker's bound for bytes not taken. Where others have used that up, a client that takes its own is still
// served, a little at a time.

import { ERROR, type FetchedPartition, type FetchPartition, type FetchRequest, type FetchResponse } from '@sluice/protocol'
import type { LogReadError, LogSlice } from '@sluice/storage'
import { LIMITS } from '../limits.js'
import type { ApiHandler, Call } from '../net/call.js'
import type { Deadline } from '../runtime/deadline-queue.js'
import { findReadable, type MissingPartition, type ReadablePartition } from './find-partition.js'
import { findLoss, suspectedCut } from './lost-records.js'
import type { BrokerServices } from './services.js'
import { whenLeading, type ConfirmablePartition } from './when-leading.js'

export function fetchHandler (services: BrokerServices): ApiHandler<FetchRequest, FetchResponse> {
  return {
    api: 'fetch',
    handle (request, call) {
      const fault = requestFault(request)
      if (fault !== null) return call.fail(ERROR.INVALID_REQUEST, fault)
      new Fetch(services, request, call).start()
    },
  }
}

function requestFault (request: FetchRequest): string | null {
  if (request.maxWaitMs < 0 || request.maxWaitMs > LIMITS.fetchWaitMs) {
    return `maxWaitMs is ${request.maxWaitMs}; it must be 0 to ${LIMITS.fetchWaitMs}`
  }
  if (request.maxBytes < 1) return `maxBytes is ${request.maxBytes}; it must be at least 1`
  if (request.minBytes < 0 || request.minBytes > request.maxBytes) {
    return `minBytes is ${request.minBytes}; it must be 0 to maxBytes, which is ${request.maxBytes}`
  }
  if (request.partitions.length > LIMITS.partitionsPerRequest) {
    return `the request names ${request.partitions.length} partitions; at most ${LIMITS.partitionsPerRequest} go into one`
  }
  return null
}

/** One fetch until it is answered. */
class Fetch {
  private readonly services: BrokerServices
  private readonly request: FetchRequest
  private readonly call: Call<FetchResponse>
  private readonly maxBytesAsked: number
  /** Most bytes of the running round, and what is reserved for it. */
  private maxBytes = 0
  private readonly minBytes: number
  private readonly deadlineMs: number
  private results: FetchedPartition[] = []
  private payload: Buffer[] = []
  /** Gives the payload's memory back, where it may be used again. */
  private releases: (() => void)[] = []
  private bytes = 0
  private errorCount = 0
  /** True when the response takes no more, whatever the next partitions hold. */
  private full = false
  /** The next partition to read in the running round. */
  private index = 0
  private reserved = false
  private deadline: Deadline | null = null
  /** Where it waits, by the place in the request; empty while it does not. */
  private parkedOn: (ReadablePartition | undefined)[] = []
  /** Something has moved since the running round began, or the last one. */
  private woken = false
  /** A round is running, or waits for its turn. */
  private busy = true
  private readonly wake = (): void => this.onWake()
  private readonly startAgain = (): void => this.start()
  private readonly startAtEndOfTurn = (): void => this.services.endOfTurn(this.startAgain)
  private readonly onConnectionClosed = (): void => this.onGone()

  constructor (services: BrokerServices, request: FetchRequest, call: Call<FetchResponse>) {
    this.services = services
    this.request = request
    this.call = call
    this.maxBytesAsked = Math.min(request.maxBytes, LIMITS.fetchResponseBytes, services.config.maxFrameBytes >> 1)
    this.minBytes = Math.min(request.minBytes, this.maxBytesAsked)
    this.deadlineMs = services.clock.monotonicMs() + request.maxWaitMs
    call.connection.onClosed.add(this.onConnectionClosed)
  }

  /** Begins a round of reading as soon as the client and the broker have room for its result. */
  start (): void {
    const { call } = this
    const { connection } = call
    if (connection.isClosed || call.answered) return this.onGone()
    if (!call.isInTurn) return call.whenInTurn(this.startAtEndOfTurn)
    if (connection.isCongested) return connection.whenDrained(this.startAgain)
    const { unsent } = this.services
    if (unsent.exhausted) {
      if (!connection.isDrained) return unsent.whenRoom(this.startAgain)
      this.maxBytes = Math.min(this.maxBytesAsked, LIMITS.fetchResponseBytesScarce)
    } else {
      this.maxBytes = this.maxBytesAsked
    }
    unsent.add(this.maxBytes)
    connection.reserve(this.maxBytes)
    this.reserved = true
    this.results = []
    this.payload = []
    this.releases = []
    this.bytes = 0
    this.index = 0
    this.errorCount = 0
    this.full = false
    this.woken = false
    this.gather()
  }

  /** Reads partition after partition; goes on by itself where one has to come from the disk. */
  private gather (): void {
    const { partitions } = this.request
    while (this.index < partitions.length && this.bytes < this.maxBytes && !this.full) {
      const closedBy = this.parkedOn[this.index]?.closedBy ?? null
      const asked = partitions[this.index++]!
      const found = findReadable(this.services, asked.topicId, asked.partition)
      if (found.partition === null) {
        this.addError(asked, found, found.error, found.message, -1)
      } else if (closedBy !== null) {
        // It waited at the leader, and should wait at the next one.
        this.addError(asked, found.partition, closedBy.error, closedBy.message, -1)
      } else if (!this.read(found.partition, asked)) {
        return
      }
    }
    this.onGathered()
  }

  /** False where the read goes on in the background. */
  private read (partition: ReadablePartition, asked: FetchPartition): boolean {
    const { log } = partition
    const { offset, lastEpoch } = asked
    if (offset > log.nextOffset && partition.leaderId !== undefined) {
      this.addError(asked, partition, ERROR.OFFSET_NOT_AVAILABLE,
        `the replica of ${partition.label} on this broker has not got to offset ${offset} yet; read from the leader, or retry`, -1)
      return true
    }
    if (offset < log.logStartOffset) {
      this.addOutOfRange(asked, partition)
      return true
    }
    if (isLeaders(partition)) {
      const cut = suspectedCut(log, offset, lastEpoch)
      if (cut !== -1 || offset > log.nextOffset) {
        this.checkPosition(partition, asked, cut)
        return false
      }
    }
    return this.readRecords(partition, asked)
  }

  /** As `read`, from an offset that is in the log. */
  private readRecords (partition: ReadablePartition, asked: FetchPartition): boolean {
    const { log, highWatermark } = partition
    const { offset } = asked
    // Up to the log end there may be records soon; the high watermark has not got there yet.
    if (offset >= highWatermark) return true
    const maxBytes = Math.max(1, Math.min(asked.maxBytes, this.maxBytes - this.bytes))
    const cached = log.readCached(offset, maxBytes, highWatermark)
    if (cached !== null) {
      this.addSlice(asked, partition, cached)
      return true
    }
    log.read(offset, maxBytes, highWatermark, (error, slice) => {
      if (!this.isWanted(partition, asked)) return
      if (error !== null) this.addReadError(asked, partition, error)
      else this.addSlice(asked, partition, slice!)
      this.gather()
    })
    return false
  }

  /**
   * The reader stands above the end of the log, or has read what is not in it (from `cut` on; else -1). Both is said
   * only by who certainly leads: one that was deposed and does not know it yet would take for lost what others have.
   */
  private checkPosition (partition: LedPartition, asked: FetchPartition, cut: number): void {
    const { log } = partition
    whenLeading(this.services, partition, LIMITS.confirmMs, refusal => {
      if (!this.isWanted(partition, asked)) return
      if (refusal !== null) {
        const error = refusal.error === ERROR.NOT_LEADER ? ERROR.NOT_LEADER : ERROR.OFFSET_NOT_AVAILABLE
        this.addError(asked, null, error, refusal.message, -1)
        return this.gather()
      }
      if (cut === -1) {
        this.addOutOfRange(asked, partition)
        return this.gather()
      }
      findLoss(log, cut, asked.offset, isLost => {
        if (!this.isWanted(partition, asked)) return
        if (isLost) this.addTruncated(asked, partition, cut)
        else if (!this.readRecords(partition, asked)) return
        this.gather()
      })
    })
  }

  /** After a wait: false where nobody wants the answer, or where it is that the partition was closed meanwhile. */
  private isWanted ({ closedBy }: ReadablePartition, asked: FetchPartition): boolean {
    if (this.call.answered || this.call.connection.isClosed) {
      this.onGone()
      return false
    }
    if (closedBy === null) return true
    this.addError(asked, null, closedBy.error, closedBy.message, -1)
    this.gather()
    return false
  }

  private onGathered (): void {
    const enough = this.full || (this.bytes >= Math.min(this.minBytes, this.maxBytes) && this.bytes > 0)
    if (enough || this.errorCount > 0 || this.services.clock.monotonicMs() >= this.deadlineMs) this.respond()
    else this.park()
  }

  /** Stays parked until it is answered: where a thousand wait, only what has to move moves. */
  private park (): void {
    this.releaseReservation()
    for (const release of this.releases) release()
    this.releases = []
    this.results = []
    this.payload = []
    this.busy = false
    if (this.woken) return this.onWake()
    if (this.parkedOn.length > 0) return
    this.parkedOn = this.request.partitions.map(({ topicId, partition: index }) => {
      const { partition } = findReadable(this.services, topicId, index)
      partition?.addWaiter(this.wake)
      return partition ?? undefined
    })
    this.deadline ??= this.services.deadlines.add(this.deadlineMs, this.wake)
  }

  private onWake (): void {
    this.woken = true
    if (this.busy) return
    this.busy = true
    // Many partitions may move in one turn: read once, at its end, and let others have theirs where many were woken.
    this.services.wakeUps.add(this.startAgain)
  }

  private unpark (): void {
    for (const partition of this.parkedOn) partition?.removeWaiter(this.wake)
    this.parkedOn = []
  }

  private respond (): void {
    const { releases } = this
    const onSent = releases.length === 0 ? null : () => { for (const release of releases) release() }
    this.call.respond({ throttleMs: 0, partitions: this.results }, this.payload, this.bytes, onSent)
    this.finish()
  }

  private onGone (): void {
    if (!this.call.answered) this.call.finishSilently()
    this.finish()
  }

  private finish (): void {
    this.releaseReservation()
    this.unpark()
    this.call.connection.onClosed.delete(this.onConnectionClosed)
    this.services.unsent.forget(this.startAgain)
    if (this.deadline !== null) this.services.deadlines.cancel(this.deadline)
  }

  private releaseReservation (): void {
    if (!this.reserved) return
    this.reserved = false
    this.services.unsent.release(this.maxBytes)
    this.call.connection.unreserve(this.maxBytes)
  }

  private addSlice (asked: FetchPartition, partition: ReadablePartition, slice: LogSlice): void {
    if (slice.sizeBytes === 0) return
    // A log gives one batch at least. Only the first of a response may be larger than what was asked for. Where the
    // next does not fit the response ends: looking for one that does could read from every partition in vain.
    if (this.bytes > 0 && this.bytes + slice.sizeBytes > this.maxBytes) {
      this.full = true
      return slice.release?.()
    }
    if (slice.release !== undefined) this.releases.push(slice.release)
    for (const buffer of slice.buffers) this.payload.push(buffer)
    this.bytes += slice.sizeBytes
    this.results.push(this.item(asked, partition, slice.sizeBytes))
  }

  private addReadError (asked: FetchPartition, partition: ReadablePartition, error: LogReadError): void {
    switch (error.kind) {
      case 'out-of-range': return this.addOutOfRange(asked, partition)
      case 'corrupt':
        return this.addError(asked, partition, ERROR.CORRUPT_DATA,
          `offsets ${error.from} to ${error.to - 1} of ${partition.label} are damaged on disk; go on from ${error.to}, and run sluice segment verify on the data folder`,
          error.to)
      case 'io':
        return this.addError(asked, partition, ERROR.STORAGE_UNAVAILABLE, `reading ${partition.label} failed: ${error.message}`, -1)
      case 'truncated':
        return this.addError(asked, partition, ERROR.OFFSET_NOT_AVAILABLE, `${partition.label} was cut while it was read; retry`, -1)
    }
  }

  private addOutOfRange (asked: FetchPartition, partition: ReadablePartition): void {
    const { logStartOffset } = partition.log
    const resume = asked.offset < logStartOffset ? logStartOffset : partition.highWatermark
    this.addError(asked, partition, ERROR.OFFSET_OUT_OF_RANGE,
      `offset ${asked.offset} is not in ${partition.label}, which holds ${logStartOffset} to ${partition.highWatermark}`, resume)
  }

  private addTruncated (asked: FetchPartition, partition: ReadablePartition, cut: number): void {
    const { offset } = asked
    const from = cut < offset ? `from offset ${cut} on` : `below offset ${offset}`
    this.addError(asked, partition, ERROR.OFFSET_TRUNCATED,
      `records of ${partition.label} ${from} that were read are lost, by a forced recovery or a power cut; go on with what is there now`,
      Math.min(cut, offset))
  }

  private addError (
    asked: FetchPartition, partition: ReadablePartition | MissingPartition | null, error: number, message: string,
    resumeOffset: number,
  ): void {
    this.full = ++this.errorCount >= LIMITS.fetchErrorsPerResponse
    this.results.push({ ...this.item(asked, partition, 0), error, message, resumeOffset })
  }

  private item (
    asked: FetchPartition, found: ReadablePartition | MissingPartition | null, size: number,
  ): FetchedPartition {
    const partition = found !== null && 'log' in found ? found : null
    const leader = found !== null && 'log' in found ? found.leaderId ?? this.services.brokerId : found?.leader ?? -1
    return {
      topicId: asked.topicId,
      partition: asked.partition,
      error: 0,
      message: '',
      highWatermark: partition?.highWatermark ?? -1,
      logStartOffset: partition?.log.logStartOffset ?? -1,
      leader,
      leaderEpoch: found?.leaderEpoch ?? -1,
      resumeOffset: -1,
      size,
    }
  }
}

type LedPartition = ReadablePartition & ConfirmablePartition

function isLeaders (partition: ReadablePartition): partition is LedPartition {
  return partition.confirmLeadership !== undefined
}
