// peekRecords: records and where they stand, without leasing them.
//
// Records that are damaged on disk are listed, and said to be: their batches are not in the answer.
//
// Only so many offsets are looked at for one answer; facts that have to be read from disk first are waited for.

import {
  ERROR, type PeekedRecord, type PeekRecordsRequest, type PeekRecordsResponse, type QueueRecordState,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler, Call } from '../net/call.js'
import type { Partition } from '../partition/partition.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import { explanationOf } from './explanations.js'
import { findQueueGroup } from './find-queue-group.js'
import { GrantedBatches } from './granted-batches.js'
import type { BrokerServices } from './services.js'

const OFFSETS_PER_ANSWER = 10_000
const TRIES_MAX = 50

export function peekRecordsHandler (services: BrokerServices): ApiHandler<PeekRecordsRequest, PeekRecordsResponse> {
  return {
    api: 'peekRecords',
    handle (request, call) {
      const { maxRecords, maxBytes, fromOffset } = request
      if (maxRecords < 1 || maxRecords > LIMITS.itemsPerQueueRequest) {
        return call.fail(ERROR.INVALID_REQUEST, `maxRecords is ${maxRecords}; it must be 1 to ${LIMITS.itemsPerQueueRequest}`)
      }
      if (maxBytes < 1) return call.fail(ERROR.INVALID_REQUEST, `maxBytes is ${maxBytes}; it must be at least 1`)
      if (fromOffset < -1) return call.fail(ERROR.INVALID_REQUEST, `fromOffset is ${fromOffset}; it must be -1 or an offset`)
      const found = findQueueGroup(services, request)
      if (found.group === null) return call.fail(found.error, found.message)
      new Peek(services, request, call, found.group, found.partition).look(TRIES_MAX)
    },
  }
}

class Peek {
  private readonly services: BrokerServices
  private readonly request: PeekRecordsRequest
  private readonly call: Call<PeekRecordsResponse>
  private readonly group: HostedQueueGroup
  private readonly partition: Partition
  private readonly states: ReadonlySet<QueueRecordState>
  private readonly records: PeekedRecord[] = []
  private offset: number
  private looked = 0
  private bytes = 0

  constructor (
    services: BrokerServices, request: PeekRecordsRequest, call: Call<PeekRecordsResponse>, group: HostedQueueGroup,
    partition: Partition,
  ) {
    this.services = services
    this.request = request
    this.call = call
    this.group = group
    this.partition = partition
    this.states = new Set(request.states)
    this.offset = Math.max(request.fromOffset, partition.log.logStartOffset)
    if (request.fromOffset < 0) this.offset = Math.max(this.offset, group.turn().state.floor)
  }

  look (triesLeft: number): void {
    const { group, partition, services: { deadlines, clock } } = this
    if (group.isStopped) return this.call.fail(ERROR.SHUTTING_DOWN, `${partition.label} is being closed`)
    const queue = group.turn()
    while (this.offset < partition.highWatermark && !this.isFull) {
      const explanation = queue.explain(this.offset)
      if (explanation.state === 'unknown' && group.isLoading && triesLeft > 0) {
        deadlines.add(clock.monotonicMs() + LIMITS.tickMs, () => this.look(triesLeft - 1))
        return
      }
      const { state, failures, deliveries, timeLeftMs, sessionId } = explanationOf(this.offset, explanation)
      const isWanted = this.states.size === 0 ? state !== 'terminal' : this.states.has(state)
      if (isWanted) {
        this.records.push({ offset: this.offset, state, failures, deliveries, timeLeftMs, sessionId, damaged: false })
        this.bytes += group.sizeOf(this.offset)
      }
      this.looked++
      this.offset++
    }
    this.readBatches()
  }

  private get isFull (): boolean {
    const { maxRecords, maxBytes } = this.request
    return this.records.length >= maxRecords || this.bytes >= maxBytes || this.looked >= OFFSETS_PER_ANSWER
  }

  private readBatches (): void {
    const { records, partition, call, services: { config } } = this
    const offsets = Float64Array.from(records, ({ offset }) => offset)
    const maxBytes = config.maxFrameBytes - LIMITS.frameOverheadBytes - records.length * PEEKED_BYTES_MAX
    new GrantedBatches(partition, null, offsets, maxBytes).read(read => {
      const { error, buffers, sizeBytes, count, damaged, startOffset } = read
      if (error !== null) return call.fail(ERROR.STORAGE_UNAVAILABLE, error)
      const next = count < offsets.length ? offsets[count]! : this.offset
      const nextOffset = next < partition.highWatermark ? next : -1
      const shown = records.slice(0, count).filter(({ offset }) => offset >= startOffset)
      for (const record of shown) {
        record.damaged = damaged.some(({ from, to }) => record.offset >= from && record.offset < to)
      }
      call.respond({ records: shown, nextOffset, size: sizeBytes }, buffers, sizeBytes)
    })
  }
}

/** Bytes of one record in the body of the answer, at most. */
const PEEKED_BYTES_MAX = 64
