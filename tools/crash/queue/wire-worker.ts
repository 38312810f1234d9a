// A worker of queues written from the protocol alone: several queues in one receive, handles as ranges, its session
// taken up again after a lost connection. It shares no code with the client SDK, so that a fault of the broker cannot
// hide behind one of the SDK.
//
//   open session ─▶ receive ─▶ [start] ─▶ fate ─▶ settle          one connection; heartbeats beside it
//        ▲                         │ lost: again, with the token; in the mode `session` as somebody new, since nobody
//        └─────────────────────────┘ knows what the receive under way has leased. UNKNOWN_SESSION: as somebody new

import { setTimeout as delay } from 'node:timers/promises'
import {
  ERROR, REDRIVE_HEADER, RecordReader, checkBatch, decodeRedriveNote, errorRow, readBatchHeader,
  type LeaseMode, type MessageOf, type SettleKind,
} from '@sluice/protocol'
import { ConnectionLostError, WireError, WirePeer } from '../wire-peer.js'
import { isPassing } from '../wire-producer-load.js'
import { lanesOf, meetFate, type Manner } from './fate.js'
import type { Journal } from './journal.js'
import { WireRecord, type WireLease } from './wire-record.js'
import { WireSettler, type WireAnswer, type WireHandle } from './wire-settler.js'

export interface WireTask {
  readonly port: number
  readonly clientName: string
  readonly leases: LeaseMode
  readonly queues: readonly { readonly queue: string, readonly isOrdered: boolean }[]
}

interface Topic {
  readonly queue: string
  readonly isOrdered: boolean
  readonly topicId: string
  readonly partitions: number
}

type Received = MessageOf<'receive', 'response'>

const CONCURRENCY = 24
/** On average. */
const QUEUES_PER_RECEIVE = 4
const WAIT_MS = 300
const BYTES_MAX = 1024 * 1024
const RECONNECT_DELAY_MS = 20
const HEARTBEAT_MS_MAX = 400
const PAUSE_MS = 10

export class WireWorker {
  private readonly task: WireTask
  private readonly journal: Journal
  private readonly manner: Manner
  private readonly held = new Map<string, WireRecord>()
  private readonly handling = new Set<Promise<void>>()
  private session: { sessionId: number, token: string } | null = null
  private settler: WireSettler | null = null
  private topics: Topic[] = []
  private heartbeatMs = -1
  private call = 0

  constructor (task: WireTask, journal: Journal, manner: Manner) {
    this.task = task
    this.journal = journal
    this.manner = manner
  }

  /** Works until it is told to stop, and finishes what it has begun. @throws where trying again is of no use. */
  async run (stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted || this.handling.size > 0) {
      try {
        await using peer = await WirePeer.connect(this.task.port)
        await this.serve(peer, stopping)
      } catch (error) {
        if (error instanceof WireError && error.code === ERROR.UNKNOWN_SESSION) this.session = null
        else if (!isPassing(error)) throw error
        await delay(RECONNECT_DELAY_MS)
      } finally {
        this.settler = null
        if (this.task.leases === 'session') this.session = null
      }
    }
  }

  private async serve (peer: WirePeer, stopping: AbortSignal): Promise<void> {
    const { leases, clientName } = this.task
    if (this.topics.length === 0) this.topics = await this.findTopics(peer)
    const { message } = await peer.request('openSession', {
      sessionId: this.session?.sessionId ?? 0, token: this.session?.token ?? '', clientName, leases,
    })
    this.session = { sessionId: message.sessionId, token: message.token }
    this.heartbeatMs = message.heartbeatMs
    this.settler = new WireSettler(peer)
    const beating = this.beat(peer)
    try {
      // A loss of either ends the connection, and so the other.
      await Promise.all([this.receiveAll(peer, stopping), beating])
    } finally {
      await peer.close()
      await beating.catch(() => {})
    }
  }

  private async findTopics (peer: WirePeer): Promise<Topic[]> {
    const { message } = await peer.request('metadata', { topics: this.task.queues.map(({ queue }) => queue) })
    return this.task.queues.map(({ queue, isOrdered }) => {
      const { topicId, partitions } = message.topics.find(({ name }) => name === queue)!
      return { queue, isOrdered, topicId, partitions: partitions.length }
    })
  }

  private async receiveAll (peer: WirePeer, stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      if (this.held.size < CONCURRENCY) await this.receive(peer)
      else await Promise.race([delay(PAUSE_MS), failWith(peer)])
    }
    // What is handled waits for a new connection where this one is lost.
    await Promise.race([Promise.all(this.handling), failWith(peer)])
    await peer.request('closeSession', { sessionId: this.session!.sessionId })
    await peer.close()
  }

  private async receive (peer: WirePeer): Promise<void> {
    const { random } = this.manner
    const chosen = this.topics.filter(() => random.chance(QUEUES_PER_RECEIVE / this.topics.length))
    if (chosen.length === 0) return
    const call = this.call++
    for (const { queue } of chosen) this.journal.write({ step: 'receiving', queue, call })
    const { message: response, payload } = await peer.request('receive', {
      sessionId: this.session!.sessionId,
      maxRecords: CONCURRENCY - this.held.size,
      maxBytes: BYTES_MAX,
      maxWaitMs: WAIT_MS,
      partitions: chosen.flatMap(({ topicId, partitions }) =>
        Array.from({ length: partitions }, (_, partition) => ({ topicId, partition, group: '' }))),
    }, { unordered: true })
    this.heartbeatMs = response.heartbeatMs
    let position = 0
    for (const item of response.partitions) {
      const { error: code, message } = item
      if (code !== 0 && !errorRow(code).retriable) throw new WireError('receive', { code, message, retryAfterMs: 0 })
      const topic = this.topics.find(({ topicId }) => topicId === item.topicId)!
      const leased = leasesOf(topic, item, payload.subarray(position, position + item.size))
      position += item.size
      this.take(topic, leased, call)
    }
  }

  private take ({ isOrdered }: Topic, leased: readonly WireLease[], call: number): void {
    const leases = this.task.leases === 'visibility' ? 'visibility' : 'session'
    const records = leased.map(lease => new WireRecord(this.journal, lease, call, leases, this.ask))
    for (const record of records) this.held.set(nameOf(record.lease), record)
    for (const lane of lanesOf(records, isOrdered)) {
      const handled = this.handle(lane).finally(() => {
        for (const { lease } of lane) this.held.delete(nameOf(lease))
        this.handling.delete(handled)
      })
      this.handling.add(handled)
    }
  }

  private async handle (lane: readonly WireRecord[]): Promise<void> {
    for (const [index, record] of lane.entries()) {
      if (await this.workOn(record)) continue
      // A session would keep for ever what nobody settles; after a reject the key goes on with the next one.
      if (this.task.leases !== 'visibility') for (const later of lane.slice(index + 1)) await later.settle('release')
      return
    }
  }

  /** True where the next of its key may be begun. */
  private async workOn (record: WireRecord): Promise<boolean> {
    const { leases } = this.task
    if (leases === 'started' && !await record.start()) return false
    const outcome = await meetFate(record, this.manner)
    if (outcome === 'left' && leases !== 'visibility') await record.settle('nack')
    return outcome === 'done'
  }

  private readonly ask = async (handle: WireHandle, kind: SettleKind, delayMs: number): Promise<WireAnswer> => {
    while (this.settler === null) await delay(RECONNECT_DELAY_MS)
    return await this.settler.settle(handle, kind, delayMs)
  }

  /** Heartbeats until the connection is gone. */
  private async beat (peer: WirePeer): Promise<void> {
    while (!peer.isClosed) {
      await delay(this.heartbeatMs < 0 ? HEARTBEAT_MS_MAX : Math.min(this.heartbeatMs, HEARTBEAT_MS_MAX))
      if (peer.isClosed || this.task.leases === 'visibility') continue
      const { message } = await peer.request('heartbeatSession', { sessionId: this.session!.sessionId }, { unordered: true })
      this.heartbeatMs = message.heartbeatMs
      for (const { topicId, partition, kind, offset, leaseEpoch: epoch, leaseSequence: sequence } of message.notices) {
        if (kind !== 'sessionLost') this.held.get(nameOf({ topicId, partition, offset, epoch, sequence }))?.lose()
        else {
          for (const record of this.held.values()) {
            if (record.lease.topicId === topicId && record.partition === partition) record.lose()
          }
        }
      }
    }
  }
}

/** Rejects when the connection is gone. */
async function failWith (peer: WirePeer): Promise<never> {
  await peer.closed
  throw new ConnectionLostError('connection lost while nothing was asked')
}

function nameOf ({ topicId, partition, offset, epoch, sequence }: WireHandle): string {
  return `${topicId}/${partition}/${offset}/${epoch}/${sequence}`
}

/** What was leased, in the order in which it is to be handled. @throws Error where something is not in the payload. */
function leasesOf (
  { queue, topicId }: Topic, { partition, leaseEpoch: epoch, leases }: Received['partitions'][number], batches: Buffer,
): WireLease[] {
  const contents = new Map<number, Pick<WireLease, 'key' | 'value' | 'move'>>()
  const reader = new RecordReader()
  for (let position = 0; position < batches.length;) {
    const damage = checkBatch(batches, position)
    if (damage !== null) throw new Error(`a receive from ${queue} ${partition} brought a batch that is not sound: ${damage}`)
    reader.open(batches, position)
    while (reader.next()) {
      const note = reader.headers().findLast(({ name }) => name === REDRIVE_HEADER)?.value ?? null
      const [key, value] = [reader.key?.toString() ?? null, reader.value?.toString() ?? null]
      contents.set(reader.offset, { key, value, move: decodeRedriveNote(note) })
    }
    position += readBatchHeader(batches, position).size
  }
  const leased: WireLease[] = []
  for (const { offset: first, count, leaseSequence, deliveries } of leases) {
    for (let index = 0; index < count; index++) {
      const offset = first + index
      const content = contents.get(offset)
      if (content === undefined) throw new Error(`record ${offset} of ${queue} ${partition} was leased, and is not there`)
      leased.push({ queue, topicId, partition, offset, epoch, sequence: leaseSequence + index, deliveries, ...content })
    }
  }
  return leased
}
