// A bare client for tests: one connection, one promise per request, no retries, nothing hidden. Speaks through the
// codecs of the protocol package, so that broker tests need no SDK.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  API_KEY, BATCH_FLAG, BATCH_POSITION, FRAME_FLAG, FrameReader, RecordBatchBuilder, RecordReader, messageCodec,
  nextOffsetOf, readBatchHeader, type Acks, type ApiName, type FetchResponse, type Frame, type MessageOf,
  type ProducerStamp, type ProduceResult,
} from '@sluice/protocol'

/** The broker answered with the ERROR flag. */
export class RefusedError extends Error {
  readonly code: number

  constructor (code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** What to send otherwise than a good client would: a payload, flags, another api key or version. */
export interface CallOptions { payload?: Buffer, flags?: number, version?: number, api?: number }

interface Waiting { api: ApiName, resolve (answer: Answer): void, reject (error: Error): void }
interface Answer { body: unknown, payload: Buffer }

export class TestClient {
  readonly socket: Socket
  /** Correlation ids in the order in which their responses came. */
  readonly answered: number[] = []
  /** Errors that answer no request, and notices. */
  readonly unasked: { code: number, message: string }[] = []
  goneAway = false
  private readonly waiting = new Map<number, Waiting>()
  private nextCorrelation = 1

  private constructor (socket: Socket) {
    this.socket = socket
    const reader = new FrameReader(frame => this.onFrame(frame), { maxFrameBytes: 2 ** 31 })
    socket.on('data', chunk => reader.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('connection closed'))
      this.waiting.clear()
    })
  }

  /** Connects and, unless told otherwise, says hello. */
  static async connect (port: number, options: { hello?: boolean } = {}): Promise<TestClient> {
    const socket = connect({ host: '127.0.0.1', port })
    await once(socket, 'connect')
    const client = new TestClient(socket)
    if (options.hello !== false) {
      await client.call('hello', { clientName: 'test', clientVersion: '0', apis: [], features: 0, mechanism: null })
    }
    return client
  }

  async call<A extends ApiName> (
    api: A, body: MessageOf<A, 'request'>, options: CallOptions = {},
  ): Promise<MessageOf<A, 'response'>> {
    return (await this.exchange(api, body, options)).body as MessageOf<A, 'response'>
  }

  exchange<A extends ApiName> (
    api: A, body: MessageOf<A, 'request'>, options: CallOptions = {},
  ): Promise<Answer> {
    const { payload = Buffer.alloc(0), flags = 0, version = 1 } = options
    const correlation = this.nextCorrelation++
    const head = { api: options.api ?? API_KEY[api], version, flags, correlation }
    const frame = messageCodec(api, 'request').encodeFrame(head, body, payload.length)
    return new Promise((resolve, reject) => {
      this.waiting.set(correlation, { api, resolve, reject })
      this.socket.write(Buffer.concat([frame, payload]))
    })
  }

  /** Creates a topic and resolves with its id. */
  async createTopic (
    name: string, partitions = 1, config: Record<string, string> = {}, kind: 'stream' | 'queue' = 'stream',
  ): Promise<string> {
    const topics = [{ name, kind, partitions, replicationFactor: 0, config }]
    const answer = await this.call('createTopics', { timeoutMs: 10_000, validateOnly: false, topics })
    const [topic] = answer.topics
    if (topic!.error !== 0) throw new RefusedError(topic!.error, topic!.message)
    return topic!.topicId
  }

  /** Appends values as one batch. */
  async produce (
    topicId: string, partition: number, values: readonly string[],
    options: { producer?: ProducerStamp, timeoutMs?: number, acks?: Acks } = {},
  ): Promise<ProduceResult> {
    const { producer, timeoutMs, acks } = options
    return await this.produceBatch(topicId, partition, batchOf(values, producer), timeoutMs, acks)
  }

  async produceBatch (
    topicId: string, partition: number, batch: Buffer, timeoutMs = 10_000, acks: Acks = 'quorum',
  ): Promise<ProduceResult> {
    const batches = [{ topicId, partition, size: batch.length }]
    const answer = await this.call('produce', { acks, timeoutMs, batches }, { payload: batch })
    return answer.results[0]!
  }

  /** One fetch from one partition: the response and its records. */
  async fetch (
    topicId: string, partition: number, offset: number,
    options: { maxWaitMs?: number, minBytes?: number, maxBytes?: number, lastEpoch?: number } = {},
  ): Promise<{ response: FetchResponse, records: { offset: number, value: string | null }[], nextOffset: number }> {
    const { maxWaitMs = 0, minBytes = 1, maxBytes = 1 << 20, lastEpoch = -1 } = options
    const partitions = [{ topicId, partition, offset, lastEpoch, maxBytes }]
    const { body, payload } =
      await this.exchange('fetch', { maxWaitMs, minBytes, maxBytes, partitions }, { flags: FRAME_FLAG.unordered })
    return {
      response: body as FetchResponse, records: recordsOf(payload, offset), nextOffset: endOf(payload, offset),
    }
  }

  close (): void { this.socket.destroy() }

  [Symbol.dispose] (): void { this.close() }

  private onFrame (frame: Frame): void {
    const { correlation, flags } = frame
    const waiting = this.waiting.get(correlation)
    if ((flags & FRAME_FLAG.notice) !== 0) {
      this.goneAway = true
      return
    }
    if ((flags & FRAME_FLAG.error) !== 0) {
      const error = messageCodec('error', 'response').decode(frame.bytes, frame.bodyStart, frame.bodyEnd)
      if (waiting === undefined) this.unasked.push(error)
      else waiting.reject(new RefusedError(error.code, error.message))
    } else {
      const body = messageCodec(waiting!.api, 'response').decode(frame.bytes, frame.bodyStart, frame.bodyEnd)
      waiting!.resolve({ body, payload: Buffer.from(frame.bytes.subarray(frame.bodyEnd, frame.payloadEnd)) })
    }
    this.waiting.delete(correlation)
    this.answered.push(correlation)
  }
}

/** A batch of values without keys. */
export function batchOf (values: readonly string[], producer?: ProducerStamp): Buffer {
  const builder = new RecordBatchBuilder()
  for (const value of values) builder.append(null, value, 1_700_000_000_000)
  return builder.build(producer === undefined ? {} : { producer })
}

/** Where to go on behind a run of batches; `offset` where there is none. */
function endOf (batches: Buffer, offset: number): number {
  let end = offset
  for (let position = 0; position < batches.length; position += batches.readUInt32BE(position + 8)) {
    end = nextOffsetOf(readBatchHeader(batches, position))
  }
  return end
}

/** The records in a run of batches from `offset` on; those that brokers write for each other are left out. */
export function recordsOf (batches: Buffer, offset: number): { offset: number, value: string | null }[] {
  const records: { offset: number, value: string | null }[] = []
  const reader = new RecordReader()
  for (let position = 0; position < batches.length; position += batches.readUInt32BE(position + 8)) {
    if ((batches.readUInt16BE(position + BATCH_POSITION.flags) & BATCH_FLAG.control) !== 0) continue
    reader.open(batches, position)
    while (reader.next()) {
      if (reader.offset >= offset) records.push({ offset: reader.offset, value: reader.value?.toString() ?? null })
    }
  }
  return records
}
