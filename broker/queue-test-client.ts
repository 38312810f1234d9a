// A bare consumer of queues for tests: one session on one connection, handles as plain objects.

import {
  FRAME_FLAG, RecordReader, type ChangeAnswer, type ControlResult, type LeaseMode, type PeekedRecord,
  type PeekRecordsResponse, type QueueAction, type QueueStats, type ReceiveResponse, type RecordExplanation,
  type SettleAnswer, type SettleKind,
} from '@sluice/protocol'
import { TestClient } from './test-client.js'

/** A lease, with the record's value. */
export interface TestLease {
  readonly partition: number
  readonly offset: number
  readonly leaseEpoch: number
  readonly leaseSequence: number
  readonly deliveries: number
  readonly key: string | null
  readonly value: string | null
}

export class QueueTestClient implements Disposable {
  readonly client: TestClient
  readonly topicId: string
  readonly partitions: number
  sessionId = 0
  token = ''
  private readonly leases: LeaseMode

  private constructor (client: TestClient, topicId: string, partitions: number, leases: LeaseMode) {
    this.client = client
    this.topicId = topicId
    this.partitions = partitions
    this.leases = leases
  }

  static async connect (
    port: number, topicId: string, options: { partitions?: number, leases?: LeaseMode, resume?: QueueTestClient } = {},
  ): Promise<QueueTestClient> {
    const { partitions = 1, leases = 'session', resume } = options
    const consumer = new QueueTestClient(await TestClient.connect(port), topicId, partitions, leases)
    await consumer.open(resume?.sessionId ?? 0, resume?.token ?? '')
    return consumer
  }

  async open (sessionId = 0, token = ''): Promise<void> {
    const opened = await this.client.call('openSession', { sessionId, token, clientName: 'worker', leases: this.leases })
    this.sessionId = opened.sessionId
    this.token = opened.token
  }

  async receive (maxRecords = 100, maxWaitMs = 0): Promise<TestLease[]> {
    return (await this.exchange(maxRecords, maxWaitMs)).leases
  }

  async exchange (
    maxRecords: number, maxWaitMs: number, maxBytes = 1 << 20,
  ): Promise<{ response: ReceiveResponse, leases: TestLease[] }> {
    const partitions = Array.from({ length: this.partitions }, (_, partition) =>
      ({ topicId: this.topicId, partition, group: '' }))
    const { body, payload } = await this.client.exchange('receive',
      { sessionId: this.sessionId, maxRecords, maxBytes, maxWaitMs, partitions }, { flags: FRAME_FLAG.unordered })
    const response = body as ReceiveResponse
    return { response, leases: leasesOf(response, payload) }
  }

  /** Settles many leases of one partition, all with `ok`. */
  async settleRuns (kind: SettleKind, leases: readonly TestLease[]): Promise<void> {
    const items = leases.map(({ offset, leaseEpoch, leaseSequence }) =>
      ({ kind, offset, count: 1, leaseEpoch, leaseSequence, delayMs: -1, reason: '' }))
    if (items.length === 0) return
    const partitions = [{ topicId: this.topicId, partition: leases[0]!.partition, group: '', items }]
    const { results: [result] } = await this.client.call('settle', { acks: 'quorum', timeoutMs: 10_000, partitions })
    const bad = result!.error === 0 ? result!.answers.find(({ answer }) => answer !== 'ok') : result
    if (bad !== undefined) throw new Error(`a settle was answered ${JSON.stringify(bad)}`)
  }

  /** Settles leases one by one in one request; the answers in their order. */
  async settle (
    kind: SettleKind, leases: readonly TestLease[],
    options: { delayMs?: number, reason?: string, timeoutMs?: number } = {},
  ): Promise<SettleAnswer[]> {
    const { delayMs = -1, reason = '', timeoutMs = 10_000 } = options
    const partitions = leases.map(({ partition, offset, leaseEpoch, leaseSequence }) => ({
      topicId: this.topicId,
      partition,
      group: '',
      items: [{ kind, offset, count: 1, leaseEpoch, leaseSequence, delayMs, reason }],
    }))
    const { results } = await this.client.call('settle', { acks: 'quorum', timeoutMs, partitions })
    return results.map(result => {
      if (result.error !== 0) throw new Error(result.message)
      return result.answers[0]!.answer
    })
  }

  /** How one record is explained. */
  async explain (offset: number): Promise<RecordExplanation> {
    const target = { topicId: this.topicId, partition: 0, group: '', offset, lane: -1, dedupId: null }
    return (await this.client.call('explainRecords', { targets: [target] })).results[0]!
  }

  async stats (): Promise<QueueStats> {
    const partitions = [{ topicId: this.topicId, partition: 0, group: '' }]
    return (await this.client.call('queueStats', { partitions })).partitions[0]!
  }

  async control (action: QueueAction, lane = -1): Promise<ControlResult> {
    const partitions = [{ topicId: this.topicId, partition: 0, group: '' }]
    return (await this.client.call('controlQueue', { timeoutMs: 10_000, action, lane, partitions })).results[0]!
  }

  async cancel (offset: number): Promise<ChangeAnswer> {
    const target = { topicId: this.topicId, partition: 0, group: '', offset, dedupId: null }
    return (await this.client.call('cancelRecords', { timeoutMs: 10_000, targets: [target] })).results[0]!.answer
  }

  async reschedule (offset: number, delayMs: number): Promise<ChangeAnswer> {
    const target = { topicId: this.topicId, partition: 0, group: '', offset, dedupId: null, delayMs, notBefore: -1 }
    return (await this.client.call('rescheduleRecords', { timeoutMs: 10_000, targets: [target] })).results[0]!.answer
  }

  /** Offsets and states from `fromOffset` on. */
  async peek (
    fromOffset = -1, maxRecords = 100,
  ): Promise<{ records: PeekedRecord[], nextOffset: number, bytes: number }> {
    const request = {
      topicId: this.topicId, partition: 0, group: '', fromOffset, maxRecords, maxBytes: 1 << 20, states: [],
    }
    const { body, payload } = await this.client.exchange('peekRecords', request)
    const { records, nextOffset } = body as PeekRecordsResponse
    return { records, nextOffset, bytes: payload.length }
  }

  close (): void { this.client.close() }

  [Symbol.dispose] (): void { this.close() }
}

function leasesOf (response: ReceiveResponse, payload: Buffer): TestLease[] {
  const leases: TestLease[] = []
  let at = 0
  for (const { partition, leaseEpoch, leases: runs, size } of response.partitions) {
    const records = new Map<number, { key: string | null, value: string | null }>()
    const reader = new RecordReader()
    const end = at + size
    for (; at < end; at += payload.readUInt32BE(at + 8)) {
      reader.open(payload, at)
      while (reader.next()) {
        if (records.has(reader.offset)) throw new Error(`record ${reader.offset} comes twice in the payload`)
        records.set(reader.offset, { key: reader.key?.toString() ?? null, value: reader.value?.toString() ?? null })
      }
    }
    for (const { offset, count, leaseSequence, deliveries } of runs) {
      for (let index = 0; index < count; index++) {
        const record = records.get(offset + index)
        if (record === undefined) throw new Error(`record ${offset + index} is leased and not in the payload`)
        leases.push({
          partition, offset: offset + index, leaseEpoch, leaseSequence: leaseSequence + index, deliveries, ...record,
        })
      }
    }
  }
  return leases
}
