// A consumer of one queue for dialogues: one session on one connection, every answer checked on the way.

import {
  checkBatch, readBatchHeader, RecordReader, type LeaseMode, type ReceivedPartition, type RecordExplanation,
  type SettleAnswer, type SettleItem,
} from '@sluice/protocol'
import { Deviation, expectEqual, expectItem, expectThat } from './deviation.js'
import type { TestTopic } from './dialogue.js'
import type { RawConnection } from './raw-connection.js'

/** A leased record and its handle. */
export interface TestLease {
  readonly partition: number
  readonly offset: number
  readonly leaseEpoch: number
  readonly leaseSequence: number
  readonly deliveries: number
  readonly value: string
}

export class TestConsumer {
  readonly connection: RawConnection
  readonly topic: TestTopic
  sessionId = 0
  token = ''
  private readonly partitions: number

  constructor (connection: RawConnection, topic: TestTopic, partitions = 1) {
    this.connection = connection
    this.topic = topic
    this.partitions = partitions
  }

  /** Begins the session, or takes that of another consumer up. */
  async open (leases: LeaseMode = 'session', other?: TestConsumer): Promise<this> {
    const { sessionId = 0, token = '' } = other ?? {}
    const opened = await this.connection.tell('openSession', { sessionId, token, clientName: 'conformance', leases })
    expectThat(opened.sessionId > 0, 'a sessionId above 0', String(opened.sessionId))
    expectThat(opened.token !== '', 'a token', 'an empty one')
    if (other !== undefined) expectEqual(opened.sessionId, sessionId, 'id of the session that is taken up again')
    this.sessionId = opened.sessionId
    this.token = opened.token
    return this
  }

  /** How a request names the queue's own group on a partition. */
  place (partition = 0): { topicId: string, partition: number, group: string } {
    return { topicId: this.topic.topicId, partition, group: '' }
  }

  receiveFields (maxRecords: number, maxWaitMs: number) {
    const partitions = Array.from({ length: this.partitions }, (_, partition) => this.place(partition))
    return { sessionId: this.sessionId, maxRecords, maxBytes: 1_048_576, maxWaitMs, partitions }
  }

  /** Receives; every lease must have its record in the payload, once. */
  async receive (maxRecords = 100, maxWaitMs = 0): Promise<TestLease[]> {
    const response = await this.connection.tell('receive', this.receiveFields(maxRecords, maxWaitMs), { unordered: true })
    const leases = leasesOf(response.partitions, response.payload)
    expectThat(leases.length <= maxRecords, `at most ${maxRecords} leases`, String(leases.length))
    return leases
  }

  /** Receives records that must be there within 5 s. */
  async receiveSome (maxRecords = 100): Promise<TestLease[]> {
    const leases = await this.receive(maxRecords, 5_000)
    if (leases.length === 0) throw new Deviation('a record within 5 s', 'none')
    return leases
  }

  /** Receives one record, which must have this value. */
  async receiveOne (value: string): Promise<TestLease> {
    const [lease] = await this.receiveSome(1)
    expectEqual(lease!.value, value, 'value')
    return lease!
  }

  /** Settles leases in one request; the answers in their order. */
  async settle (
    kind: SettleItem['kind'], leases: readonly TestLease[], more: { delayMs?: number, reason?: string } = {},
  ): Promise<SettleAnswer[]> {
    return await settleLeases(this.connection, this.topic, kind, leases, more)
  }

  async explain (offset: number): Promise<RecordExplanation> {
    const target = { ...this.place(), offset, lane: -1, dedupId: null }
    const { results } = await this.connection.tell('explainRecords', { targets: [target] })
    expectItem(results[0], 'NONE')
    return results[0]!
  }
}

/** Settles leases of partition 0, item by item, over any connection. */
export async function settleLeases (
  connection: RawConnection, topic: TestTopic, kind: SettleItem['kind'], leases: readonly TestLease[],
  { delayMs = -1, reason = '' }: { delayMs?: number, reason?: string } = {},
): Promise<SettleAnswer[]> {
  const items = leases.map(({ offset, leaseEpoch, leaseSequence }) =>
    ({ kind, offset, count: 1, leaseEpoch, leaseSequence, delayMs, reason }))
  const { results } = await connection.tell('settle', {
    acks: 'quorum', timeoutMs: 30_000, partitions: [{ topicId: topic.topicId, partition: 0, group: '', items }],
  })
  expectItem(results[0], 'NONE')
  const answers = results[0]!.answers.flatMap(({ count, answer }) => new Array<SettleAnswer>(count).fill(answer))
  expectEqual(answers.length, leases.length, 'number of answers')
  return answers
}

function leasesOf (partitions: readonly ReceivedPartition[], payload: Buffer): TestLease[] {
  const leases: TestLease[] = []
  let position = 0
  for (const item of partitions) {
    expectItem(item, 'NONE')
    const values = valuesOf(payload, position, position + item.size)
    position += item.size
    for (const { offset, count, leaseSequence, deliveries } of item.leases) {
      for (let index = 0; index < count; index++) {
        const value = values.get(offset + index)
        if (value === undefined) throw new Deviation(`the leased record ${offset + index} in the payload`, 'it is not there')
        const { partition, leaseEpoch } = item
        leases.push({
          partition, offset: offset + index, leaseEpoch, leaseSequence: leaseSequence + index, deliveries, value,
        })
      }
    }
  }
  expectEqual(payload.length, position, 'bytes of the payload')
  return leases
}

/** Values by offset of the batches in a part of the payload. */
function valuesOf (payload: Buffer, start: number, end: number): Map<number, string> {
  const values = new Map<number, string>()
  for (let position = start; position < end;) {
    const fault = checkBatch(payload, position)
    if (fault !== null) throw new Deviation('whole, sound batches in the payload', `a batch with the fault "${fault}"`)
    const reader = new RecordReader().open(payload, position)
    while (reader.next()) {
      if (values.has(reader.offset)) throw new Deviation('every record once', `record ${reader.offset} twice`)
      values.set(reader.offset, String(reader.value))
    }
    position += readBatchHeader(payload, position).size
  }
  return values
}
