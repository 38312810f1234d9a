// produce: appends record batches, and answers when they are as safe as the client asked.

import {
  ERROR, type DuplicateRecord as DuplicateItem, type Frame, type ProduceRequest, type ProduceResponse,
  type ProduceResult,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler, Call } from '../net/call.js'
import type { AppendOutcome, Partition } from '../partition/partition.js'
import type { DuplicateRecord } from '../queue-host/queue-dedup.js'
import { stateName } from './explanations.js'
import { findPartition } from './find-partition.js'
import type { BrokerServices } from './services.js'

export function produceHandler (services: BrokerServices): ApiHandler<ProduceRequest, ProduceResponse> {
  return {
    api: 'produce',
    handle (request, call, frame) {
      const fault = produceFault(request, frame)
      if (fault !== null) return call.fail(ERROR.INVALID_REQUEST, fault)
      const produce = new Produce(services, request, call)
      let position = frame.bodyEnd
      for (const { topicId, partition, size } of request.batches) {
        produce.append(topicId, partition, frame.bytes.subarray(position, position + size))
        position += size
      }
      produce.appended()
    },
  }
}

/** What is wrong with the request as a whole; null where nothing is. */
export function produceFault (request: ProduceRequest, frame: Frame): string | null {
  if (request.batches.length === 0) return 'batches is empty; send at least one'
  if (request.timeoutMs < 1 || request.timeoutMs > LIMITS.requestTimeoutMs) {
    return `timeoutMs is ${request.timeoutMs}; it must be 1 to ${LIMITS.requestTimeoutMs}`
  }
  let bytes = 0
  for (const { size } of request.batches) {
    if (size < 0) return `size is ${size}; it must be the number of bytes of the batch`
    bytes += size
  }
  const payloadBytes = frame.payloadEnd - frame.bodyEnd
  return bytes === payloadBytes ? null : `the sizes of the batches add up to ${bytes} bytes, the payload has ${payloadBytes}`
}

/** One request while its batches are on their way to the disk. */
class Produce {
  private readonly services: BrokerServices
  private readonly request: ProduceRequest
  private readonly call: Call<ProduceResponse>
  private readonly results: ProduceResult[] = []
  /** Batches not committed yet, and one for the request while it is being taken in. */
  private waiting = 1
  private cancelDeadline: () => void = () => {}

  constructor (services: BrokerServices, request: ProduceRequest, call: Call<ProduceResponse>) {
    this.services = services
    this.request = request
    this.call = call
  }

  append (topicId: string, index: number, batch: Buffer): void {
    const found = findPartition(this.services, topicId, index)
    const { partition } = found
    const outcome: AppendOutcome = partition === null
      ? { ok: false, error: found.error, message: found.message }
      : partition.append(batch)
    const result: ProduceResult = {
      partition: index,
      error: outcome.ok ? ERROR.REQUEST_TIMED_OUT : outcome.error,
      message: outcome.ok ? '' : outcome.message,
      baseOffset: outcome.ok ? outcome.baseOffset : -1,
      logStartOffset: partition?.log.logStartOffset ?? -1,
      duplicate: outcome.ok && outcome.duplicate,
      leader: found.partition === null ? found.leader : this.services.brokerId,
      leaderEpoch: found.partition === null ? found.leaderEpoch : found.partition.leaderEpoch,
      duplicateRecords: outcome.ok && outcome.duplicates.length > 0 ? duplicatesOf(partition!, outcome.duplicates) : [],
    }
    this.results.push(result)
    const { acks } = this.request
    if (!outcome.ok || acks === 'none') return
    if (outcome.duplicates.length > 0) this.awaitDuplicates(partition!, outcome, result)
    this.waiting++
    partition!.whenAcknowledged(outcome.endOffset, acks, (error, message) => {
      if (result.error === ERROR.REQUEST_TIMED_OUT) {
        result.error = error
        result.message = message
      }
      if (error !== 0) result.baseOffset = -1
      this.settle()
    })
  }

  /** What is a duplicate must be terminal before anybody is told so. */
  private awaitDuplicates (
    partition: Partition, { baseOffset, duplicates }: AppendOutcome & { ok: true }, result: ProduceResult,
  ): void {
    this.waiting++
    partition.queues!.dedup!.whenEnded(baseOffset, duplicates, isDurable => {
      if (!isDurable) {
        result.error = ERROR.STORAGE_UNAVAILABLE
        result.message = `nobody can tell whether the duplicates for ${partition.label} are known as such; send the batch again`
        result.baseOffset = -1
      }
      this.settle()
    })
  }

  /** All batches are appended: from here on the answer may leave. */
  appended (): void {
    if (this.request.acks === 'none') return this.call.finishSilently()
    this.settle()
    if (this.call.answered) return
    const { deadlines, clock } = this.services
    const deadline = deadlines.add(clock.monotonicMs() + this.request.timeoutMs, () => this.timeOut())
    this.cancelDeadline = () => deadlines.cancel(deadline)
  }

  private settle (): void {
    if (--this.waiting > 0 || this.call.answered) return
    this.cancelDeadline()
    this.call.respond({ throttleMs: 0, results: this.results })
  }

  private timeOut (): void {
    for (const result of this.results) {
      if (result.error !== ERROR.REQUEST_TIMED_OUT) continue
      result.baseOffset = -1
      result.message = `not stored safely within ${this.request.timeoutMs} ms; it may still be: retry with the same producer and sequence`
    }
    this.call.respond({ throttleMs: 0, results: this.results })
  }
}

function duplicatesOf (partition: Partition, duplicates: readonly DuplicateRecord[]): DuplicateItem[] {
  const queue = partition.queues!.find('')!.turn()
  return duplicates.map(({ index, offset }) => ({ index, offset, state: stateName(queue.explain(offset)) }))
}
