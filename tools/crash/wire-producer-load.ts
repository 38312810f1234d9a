// An idempotent producer written from the protocol alone: numbers its batches, keeps several on the way, and after a
// lost connection sends what was not answered again, byte for byte. It shares no code with the client SDK, so that a
// fault of the broker cannot hide behind one of the SDK.

import { setTimeout as delay } from 'node:timers/promises'
import { ERROR, RecordBatchBuilder, errorName, errorRow, type CodecName, type ProduceResult } from '@sluice/protocol'
import type { History, ProducerHistory } from './history.js'
import { topicIds } from './read-partition.js'
import type { SeededRandom } from './seeded-random.js'
import { recordKey, recordValue } from './test-record.js'
import { ConnectionLostError, WireError, WirePeer } from './wire-peer.js'

export interface WireProducerSetup {
  readonly topic: string
  readonly partitions: number
  readonly keyed: boolean
  readonly recordsPerBatchMax: number
  readonly codecs: readonly CodecName[]
  readonly port: number
}

/** A batch without an answer. */
interface WireBatch { readonly firstRecord: number, readonly count: number, readonly bytes: Buffer }

/** The batches of one partition, in order. */
interface Lane { readonly partition: number, nextSequence: number, readonly unanswered: WireBatch[] }

/** The batch was refused for now; it is sent again over a new connection. */
class RefusedForNowError extends Error {}

/** Below the 64 batches that the broker remembers: each retry is answered with its offset. */
const IN_FLIGHT_MAX = 32
const RECONNECT_DELAY_MS = 20
const PRODUCE_TIMEOUT_MS = 10_000
const PAUSE_MS_MAX = 8

export class WireProducerLoad {
  private readonly history: History
  private readonly setup: WireProducerSetup
  private readonly random: SeededRandom
  private readonly record: ProducerHistory
  private readonly lanes: Lane[]
  private readonly builder = new RecordBatchBuilder()
  private readonly running: Promise<void>
  private identity: { producerId: number, producerEpoch: number } | null = null
  private topicId = ''
  private stopping = false

  constructor (history: History, random: SeededRandom, setup: WireProducerSetup) {
    this.history = history
    this.setup = setup
    this.random = random
    this.record = history.addProducer({ topic: setup.topic, keyed: setup.keyed, idempotent: true })
    this.lanes = Array.from({ length: setup.partitions }, (_, partition) =>
      ({ partition, nextSequence: 0, unanswered: [] }))
    this.running = this.run()
  }

  /** Ends the load; resolves when every batch has its answer. */
  async stop (): Promise<void> {
    this.stopping = true
    await this.running
  }

  private async run (): Promise<void> {
    while (!this.stopping || this.lanes.some(lane => lane.unanswered.length > 0)) {
      try {
        await this.connectAndServe()
      } catch (error) {
        if (!isPassing(error)) {
          this.history.report(`wire producer ${this.record.index} gave up: ${(error as Error).stack}`)
          return
        }
        await delay(RECONNECT_DELAY_MS)
      }
    }
  }

  private async connectAndServe (): Promise<void> {
    const peer = await WirePeer.connect(this.setup.port)
    try {
      if (this.topicId === '') this.topicId = (await topicIds(peer, [this.setup.topic])).get(this.setup.topic)!
      if (this.identity === null) {
        const { message } = await peer.request('initProducer', { producerId: -1, producerEpoch: -1 })
        this.identity = { producerId: message.producerId, producerEpoch: message.producerEpoch }
      }
      const lanes = this.lanes.map(lane => this.serve(peer, lane))
      try {
        await Promise.all(lanes)
      } finally {
        await peer.close()
        await Promise.allSettled(lanes)
      }
    } finally {
      await peer.close()
    }
  }

  /** Sends what has no answer yet and then new batches, a few ahead of the answers. */
  private async serve (peer: WirePeer, lane: Lane): Promise<void> {
    const answers = lane.unanswered.map(batch => this.send(peer, lane, batch))
    for (;;) {
      while (!this.stopping && lane.unanswered.length < IN_FLIGHT_MAX) {
        const batch = this.makeBatch(lane)
        lane.unanswered.push(batch)
        answers.push(this.send(peer, lane, batch))
      }
      const answer = answers.shift()
      if (answer === undefined) return
      this.settle(lane, lane.unanswered[0]!, await answer)
      lane.unanswered.shift()
      await delay(this.random.between(0, PAUSE_MS_MAX))
    }
  }

  private makeBatch (lane: Lane): WireBatch {
    const { record, random, builder } = this
    const count = random.chance(0.3) ? 1 : random.between(1, this.setup.recordsPerBatchMax + 1)
    const firstRecord = record.sent
    for (let index = 0; index < count; index++) {
      const sequence = record.sent++
      builder.append(recordKey(record.index, sequence, record.keyed), recordValue(record.index, sequence), Date.now())
    }
    const bytes = builder.build({
      codec: random.pick(this.setup.codecs),
      producer: { ...this.identity!, baseSequence: lane.nextSequence },
    })
    lane.nextSequence += count
    return { firstRecord, count, bytes }
  }

  private send (peer: WirePeer, lane: Lane, batch: WireBatch): Promise<ProduceResult> {
    const answer = peer.request('produce', {
      acks: 'quorum',
      timeoutMs: PRODUCE_TIMEOUT_MS,
      batches: [{ topicId: this.topicId, partition: lane.partition, size: batch.bytes.length }],
    }, { payload: batch.bytes }).then(({ message }) => message.results[0]!)
    answer.catch(() => {})
    return answer
  }

  private settle (lane: Lane, batch: WireBatch, result: ProduceResult): void {
    const { history, record } = this
    const { error, message, baseOffset } = result
    if (error === ERROR.NONE || error === ERROR.DUPLICATE_SEQUENCE) {
      const placed = error === ERROR.NONE
      for (let index = 0; index < batch.count; index++) {
        history.onAcknowledged(record, batch.firstRecord + index, lane.partition, placed ? baseOffset + index : -1)
      }
    } else if (errorRow(error).retriable) {
      throw new RefusedForNowError(message)
    } else {
      throw new Error(`${this.setup.topic}/${lane.partition} answered ${errorName(error)}: ${message}`)
    }
  }
}

/** What ends when the broker is back. */
export function isPassing (error: unknown): boolean {
  if (error instanceof ConnectionLostError || error instanceof RefusedForNowError) return true
  if (error instanceof WireError) return errorRow(error.code).retriable
  const { code } = error as NodeJS.ErrnoException
  return code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'EPIPE'
}
