// A broker in memory that speaks the real protocol over real sockets, for tests of the client. It does what a broker
// does when all is well, on one partition log per partition, and what the test tells it to do otherwise.
//
//   await using broker = await ScriptedBroker.start()
//   broker.intercept = request => request.api === 'produce' ? { action: 'close' } : undefined

import net from 'node:net'
import {
  API_KEY, API_VERSIONS, apiName, checkBatchBody, decodeBody, ERROR, FRAME_FLAG, FrameIntake, messageCodec,
  readBatchHeader, stampBatch, type ApiName, type Frame, type HelloResponse,
} from '@sluice/protocol'
import { FakeGroups } from './fake-groups.js'

/** A request as the test sees it. */
export interface SeenRequest {
  readonly api: ApiName
  readonly message: any
  readonly payload: Buffer
  /** Number of the connection, from 0. */
  readonly connection: number
}

/** What to do with a request instead of answering it. */
export type Interception =
  | { action: 'error', code: number, message?: string, retryAfterMs?: number }
  | { action: 'close' } // hang up before anything is done
  | { action: 'apply-and-close' } // do it, and hang up instead of answering
  | { action: 'ignore' } // never answer
  | { action: 'hold', until: Promise<unknown> } // do it when the promise is settled
  | { action: 'answer', message: object, payload?: Buffer, after?: Promise<unknown> } // answer this, when the promise is settled
  | { action: 'bytes', bytes: Buffer } // send these bytes instead of an answer

/** A batch in a log. */
interface StoredBatch {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly bytes: Buffer
  readonly maxTimestamp: number
  readonly leaderEpoch: number
}

/** What the log knows of a producer. */
interface ProducerEntry { epoch: number, nextSequence: number, recent: { sequence: number, baseOffset: number }[] }

/** The log of one partition. */
export class FakeLog {
  batches: StoredBatch[] = []
  readonly producers = new Map<number, ProducerEntry>()
  logStartOffset = 0
  nextOffset = 0
  /** Under which the next batch is stored. */
  leaderEpoch = 0
  /** Batches that are remembered of each producer; the hello answer has to say the same. */
  rememberedBatches = 5

  append (bytes: Buffer): { error: number, baseOffset: number, duplicate: boolean } {
    if (checkBatchBody(bytes) !== null) return { error: ERROR.INVALID_BATCH, baseOffset: -1, duplicate: false }
    const header = readBatchHeader(bytes)
    if (header.producerId >= 0) {
      const entry = this.producers.get(header.producerId)
      if (entry !== undefined && header.producerEpoch < entry.epoch) {
        return { error: ERROR.PRODUCER_FENCED, baseOffset: -1, duplicate: false }
      }
      const known = entry !== undefined && entry.epoch === header.producerEpoch ? entry : undefined
      const recent = known?.recent.find(batch => batch.sequence === header.baseSequence)
      if (recent !== undefined) return { error: 0, baseOffset: recent.baseOffset, duplicate: true }
      if (known === undefined && header.baseSequence !== 0) {
        const error = entry === undefined ? ERROR.UNKNOWN_PRODUCER : ERROR.OUT_OF_ORDER_SEQUENCE
        return { error, baseOffset: -1, duplicate: false }
      }
      if (known !== undefined && header.baseSequence !== known.nextSequence) {
        const error = header.baseSequence < known.nextSequence ? ERROR.DUPLICATE_SEQUENCE : ERROR.OUT_OF_ORDER_SEQUENCE
        return { error, baseOffset: -1, duplicate: false }
      }
      const latest = { sequence: header.baseSequence, baseOffset: this.nextOffset }
      const recentBatches = [...known?.recent ?? [], latest].slice(-this.rememberedBatches)
      this.producers.set(header.producerId, {
        epoch: header.producerEpoch, nextSequence: header.baseSequence + header.recordCount, recent: recentBatches,
      })
    }
    return { error: 0, baseOffset: this.store(bytes), duplicate: false }
  }

  /** Puts a batch at the end, whatever it is. */
  store (bytes: Buffer): number {
    const copy = Buffer.from(bytes)
    const baseOffset = this.nextOffset
    const { leaderEpoch } = this
    stampBatch(copy, { baseOffset, leaderEpoch, committedOffset: baseOffset, prevCrc: 0 })
    const header = readBatchHeader(copy)
    this.nextOffset = baseOffset + header.lastOffsetDelta + 1
    const { maxTimestamp } = header
    this.batches.push({ baseOffset, nextOffset: this.nextOffset, bytes: copy, maxTimestamp, leaderEpoch })
    return baseOffset
  }

  /** Loses what was stored from `offset` on, the first of a batch. What comes next is stored under `leaderEpoch`. */
  loseFrom (offset: number, leaderEpoch: number): void {
    this.batches = this.batches.filter(batch => batch.nextOffset <= offset)
    this.nextOffset = offset
    this.leaderEpoch = leaderEpoch
  }

  /** Where `epoch` ends. */
  epochEnd (epoch: number): number {
    return this.batches.find(({ leaderEpoch }) => leaderEpoch > epoch)?.baseOffset ?? this.nextOffset
  }
}

/** A topic of a scripted broker. */
export interface FakeTopic { readonly name: string, readonly topicId: string, readonly logs: FakeLog[] }

interface ParkedFetch { readonly topics: ReadonlySet<string>, readonly wake: () => void }

/** See the head of this file. */
export class ScriptedBroker implements AsyncDisposable {
  /** Called for each request; what it returns happens instead of the usual. */
  intercept: (request: SeenRequest) => Interception | undefined = () => undefined
  /** Overrides fields of the hello answer. */
  hello: Partial<HelloResponse> = {}
  readonly brokerId: number
  readonly topics = new Map<string, FakeTopic>()
  readonly groups = new FakeGroups(this)
  /** All requests but hello, in the order of arrival. */
  readonly seen: SeenRequest[] = []
  /** Bootstrap connections and others, ever. */
  connectionCount = 0
  /** Brokers that the metadata names; this one alone where it is empty. */
  peers: ScriptedBroker[] = []
  /** Leader by partition: an index into `peers`; this broker where it is left out. */
  leaderOf: (topic: string, partition: number) => number = () => this.brokerId
  private readonly server: net.Server
  private readonly sockets = new Set<net.Socket>()
  private parked: ParkedFetch[] = []
  private topicCount = 0
  private producerCount = 0
  private port = 0

  static async start (brokerId = 1, port = 0): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(brokerId)
    await broker.listen(port)
    return broker
  }

  private constructor (brokerId: number) {
    this.brokerId = brokerId
    this.server = net.createServer(socket => this.onSocket(socket))
  }

  get address (): string { return `127.0.0.1:${this.port}` }

  /** Adds a topic without a request. */
  addTopic (name: string, partitions = 1): FakeTopic {
    const topicId = `00000000-0000-4000-8000-${String(++this.topicCount).padStart(12, '0')}`
    const topic = { name, topicId, logs: Array.from({ length: partitions }, () => new FakeLog()) }
    this.topics.set(name, topic)
    return topic
  }

  topicById (topicId: string): FakeTopic | undefined {
    return [...this.topics.values()].find(topic => topic.topicId === topicId)
  }

  /** How many fetches wait for records. */
  get parkedCount (): number { return this.parked.length }

  /** Requests of one api that have come. */
  requests (api: ApiName): SeenRequest[] {
    return this.seen.filter(request => request.api === api)
  }

  /** Hangs up on everybody. */
  dropConnections (): void {
    for (const socket of this.sockets) socket.destroy()
  }

  /** Sends a frame to everybody. */
  broadcast (frame: Buffer): void {
    for (const socket of this.sockets) socket.write(frame)
  }

  /** Tells everybody that this broker is about to stop. */
  goAway (): void {
    const head = { api: API_KEY.goAway, version: 1, flags: FRAME_FLAG.notice, correlation: 0 }
    this.broadcast(messageCodec('goAway', 'notice').encodeFrame(head, { reason: 'test', closesInMs: 1000 }))
  }

  /** Stops listening and hangs up; what is stored stays. */
  async stop (): Promise<void> {
    this.dropConnections()
    if (this.server.listening) await new Promise(resolve => this.server.close(resolve))
  }

  /** Listens again, on the same port. */
  async resume (): Promise<void> {
    await this.listen(this.port)
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    for (const { wake } of this.parked.splice(0)) wake()
    this.groups.close()
    await this.stop()
  }

  private async listen (port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(port, '127.0.0.1', () => { this.server.off('error', reject); resolve() })
    })
    this.port = (this.server.address() as net.AddressInfo).port
  }

  private onSocket (socket: net.Socket): void {
    const connection = this.connectionCount++
    this.sockets.add(socket)
    socket.setNoDelay(true)
    const reader = new FrameIntake(frame => this.onFrame(socket, frame, connection))
    socket.on('data', chunk => {
      try {
        reader.push(chunk as Buffer)
      } catch {
        socket.destroy()
      }
    })
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
  }

  private onFrame (socket: net.Socket, frame: Frame, connection: number): void {
    const api = apiName(frame.api)!
    const { correlation, flags } = frame
    const message = decodeBody(messageCodec(api, 'request') as any, frame)
    const payload = frame.bytes.subarray(frame.bodyEnd, frame.payloadEnd)
    const request: SeenRequest = { api, message, payload, connection }
    if (api !== 'hello') this.seen.push(request)
    const send = (answer: object, payload?: Buffer): void => {
      const answerFlags = FRAME_FLAG.response | (flags & FRAME_FLAG.unordered)
      const head = { api: API_KEY[api], version: 1, flags: answerFlags, correlation }
      const bytes = (messageCodec(api, 'response') as any).encodeFrame(head, answer, payload?.length ?? 0)
      socket.write(payload === undefined ? bytes : Buffer.concat([bytes, payload]))
    }
    const fail = (code: number, text = '', retryAfterMs = 0): void => {
      const head = { api: API_KEY[api], version: 1, flags: FRAME_FLAG.response | FRAME_FLAG.error, correlation }
      socket.write(messageCodec('error', 'response').encodeFrame(head, { code, message: text, retryAfterMs }))
    }
    const usual = (): void => {
      Promise.resolve(this.answer(request)).then(result => {
        if (result === null || socket.destroyed) return
        if ('code' in result) fail(result.code as number)
        else send(result.message, result.payload)
      }, error => { console.error(error); socket.destroy() })
    }
    const interception = this.intercept(request)
    switch (interception?.action) {
      case undefined: return usual()
      case 'error': return fail(interception.code, interception.message, interception.retryAfterMs)
      case 'close': socket.destroy(); return
      case 'apply-and-close': Promise.resolve(this.answer(request)).finally(() => socket.destroy()); return
      case 'ignore': return
      case 'hold': interception.until.then(usual, usual); return
      case 'answer': {
        const { message, payload, after } = interception
        const answer = (): void => { if (!socket.destroyed) send(message, payload) }
        if (after === undefined) return answer()
        after.then(answer, answer)
        return
      }
      case 'bytes': socket.write(interception.bytes)
    }
  }

  private answer (request: SeenRequest): any {
    switch (request.api) {
      case 'hello': return { message: this.helloAnswer() }
      case 'metadata': return { message: this.metadata(request.message.topics) }
      case 'createTopics': return { message: { topics: request.message.topics.map((topic: any) => this.create(topic)) } }
      case 'initProducer': return { message: this.initProducer(request.message) }
      case 'produce': return this.produce(request)
      case 'fetch': return this.fetch(request.message)
      case 'listOffsets': return { message: { partitions: request.message.partitions.map((query: any) => this.findOffset(query)) } }
      default: return this.groups.answer(request)
    }
  }

  private helloAnswer (): HelloResponse {
    return {
      clusterId: '11111111-1111-4111-8111-111111111111',
      brokerId: this.brokerId,
      brokerVersion: '0.1.0',
      apis: (Object.keys(API_KEY) as ApiName[]).map(name => ({
        api: API_KEY[name], name, minVersion: API_VERSIONS[name].min, maxVersion: API_VERSIONS[name].max,
      })),
      features: 0,
      mechanisms: [],
      maxFrameBytes: 16 * 1024 * 1024,
      maxRecordBatchBytes: 8 * 1024 * 1024,
      maxInFlightRequests: 1000,
      maxInFlightBytes: 64 * 1024 * 1024,
      rememberedBatches: 5,
      maxRecordsPerReceive: 10_000,
      maxRecordsPerSettle: 10_000,
      maxItemsPerRequest: 1_000,
      timeMs: Date.now(),
      ...this.hello,
    }
  }

  private metadata (names: string[] | null): object {
    const all = this.peers.length === 0 ? [this as ScriptedBroker] : this.peers
    return {
      clusterId: '11111111-1111-4111-8111-111111111111',
      controllerId: this.brokerId,
      timeMs: Date.now(),
      brokers: all.map(({ brokerId, port }) => ({ brokerId, host: '127.0.0.1', port, rack: null })),
      topics: (names ?? [...this.topics.keys()]).map(name => {
        const topic = this.topics.get(name)
        return {
          error: topic === undefined ? ERROR.UNKNOWN_TOPIC : 0,
          message: topic === undefined ? `there is no topic ${name}; create it` : '',
          name,
          topicId: topic?.topicId ?? '',
          kind: 'stream',
          partitions: (topic?.logs ?? []).map((_log, partition) => ({
            partition, leader: this.leaderOf(name, partition), leaderEpoch: 0, replicas: [this.brokerId],
          })),
        }
      }),
    }
  }

  private create (wanted: { name: string, partitions: number }): object {
    const exists = this.topics.has(wanted.name)
    const topic = exists ? null : this.addTopic(wanted.name, wanted.partitions || 1)
    return {
      name: wanted.name,
      error: exists ? ERROR.TOPIC_EXISTS : 0,
      message: exists ? `topic ${wanted.name} exists` : '',
      topicId: topic?.topicId ?? '',
      partitions: topic?.logs.length ?? 0,
      replicationFactor: 1,
    }
  }

  private initProducer ({ producerId, producerEpoch }: { producerId: number, producerEpoch: number }): object {
    return producerId < 0
      ? { producerId: ++this.producerCount, producerEpoch: 0 }
      : { producerId, producerEpoch: producerEpoch + 1 }
  }

  private produce ({ message, payload }: SeenRequest): object | null {
    let position = 0
    const results = message.batches.map((batch: { topicId: string, partition: number, size: number }) => {
      const bytes = payload.subarray(position, position += batch.size)
      const log = this.topicById(batch.topicId)?.logs[batch.partition]
      const refused = { error: ERROR.UNKNOWN_TOPIC, baseOffset: -1, duplicate: false }
      const { error, baseOffset, duplicate } = log?.append(bytes) ?? refused
      return {
        partition: batch.partition,
        error,
        message: '',
        baseOffset,
        logStartOffset: log?.logStartOffset ?? -1,
        duplicate,
        leader: this.brokerId,
        leaderEpoch: 0,
        duplicateRecords: [],
      }
    })
    const topicIds = new Set<string>(message.batches.map((batch: { topicId: string }) => batch.topicId))
    for (const parked of [...this.parked]) if ([...topicIds].some(id => parked.topics.has(id))) parked.wake()
    return message.acks === 'none' ? null : { message: { throttleMs: 0, results } }
  }

  private async fetch (request: any): Promise<object> {
    const deadline = Date.now() + request.maxWaitMs
    for (;;) {
      const { partitions, parts } = this.readAll(request)
      const leftMs = deadline - Date.now()
      if (partitions.length > 0 || leftMs <= 0) {
        return { message: { throttleMs: 0, partitions }, payload: Buffer.concat(parts) }
      }
      await this.park(new Set(request.partitions.map((partition: any) => partition.topicId)), leftMs)
    }
  }

  private readAll (request: any): { partitions: object[], parts: Buffer[] } {
    const partitions: object[] = []
    const parts: Buffer[] = []
    let leftBytes = request.maxBytes
    for (const { topicId, partition, offset, lastEpoch, maxBytes } of request.partitions) {
      const log = this.topicById(topicId)?.logs[partition]
      const row = { topicId, partition, error: 0, message: '', leader: this.brokerId, leaderEpoch: 0, resumeOffset: -1, size: 0 }
      const ends = { highWatermark: log?.nextOffset ?? -1, logStartOffset: log?.logStartOffset ?? -1 }
      if (log === undefined) {
        partitions.push({ ...row, ...ends, error: ERROR.UNKNOWN_TOPIC })
      } else if (offset >= log.logStartOffset && lastEpoch >= 0 && log.epochEnd(lastEpoch) < offset) {
        const message = `epoch ${lastEpoch} ends before ${offset}`
        const resumeOffset = log.epochEnd(lastEpoch)
        partitions.push({ ...row, ...ends, error: ERROR.OFFSET_TRUNCATED, message, resumeOffset })
      } else if (offset < log.logStartOffset || offset > log.nextOffset) {
        const resumeOffset = Math.min(Math.max(offset, log.logStartOffset), log.nextOffset)
        partitions.push({ ...row, ...ends, error: ERROR.OFFSET_OUT_OF_RANGE, resumeOffset })
      } else {
        let size = 0
        for (const batch of log.batches) {
          if (batch.nextOffset <= offset || batch.nextOffset <= log.logStartOffset) continue
          const room = Math.min(maxBytes - size, leftBytes)
          if (batch.bytes.length > room && (parts.length > 0 || size > 0)) break
          parts.push(batch.bytes)
          size += batch.bytes.length
          leftBytes -= batch.bytes.length
        }
        if (size > 0) partitions.push({ ...row, ...ends, size })
      }
    }
    return { partitions, parts }
  }

  private park (topics: ReadonlySet<string>, ms: number): Promise<void> {
    return new Promise(resolve => {
      const parked = {
        topics,
        wake: () => {
          clearTimeout(timer)
          this.parked = this.parked.filter(other => other !== parked)
          resolve()
        },
      }
      const timer = setTimeout(parked.wake, ms)
      this.parked.push(parked)
    })
  }

  private findOffset ({ topicId, partition, position, timestamp }: any): object {
    const log = this.topicById(topicId)?.logs[partition]
    const found = position === 'earliest'
      ? log?.logStartOffset
      : position === 'latest'
        ? log?.nextOffset
        : log?.batches.find(batch => batch.maxTimestamp >= timestamp)?.baseOffset ?? log?.nextOffset
    return {
      topicId,
      partition,
      error: log === undefined ? ERROR.UNKNOWN_TOPIC : 0,
      message: '',
      offset: found ?? -1,
      timestamp: -1,
      leaderEpoch: 0,
    }
  }
}
