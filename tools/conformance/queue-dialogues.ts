// Dialogues about queues: sessions, leases, settling.

import { laneOf, RecordBatchBuilder, RecordExtrasBuilder, type RecordExtras, type SettleAnswer } from '@sluice/protocol'
import { batchOf, FIRST_TIMESTAMP } from './batches.js'
import { expectEqual, expectItem, expectRefused, expectThat } from './deviation.js'
import type { Dialogue, Stage, TestTopic } from './dialogue.js'
import { produce } from './exchanges.js'
import { settleLeases, TestConsumer, type TestLease } from './test-consumer.js'

/** Failed records come again at once. */
const NO_BACKOFF = { 'backoff.min.ms': '0', 'backoff.max.ms': '0' }

/** A queue with records of the values `value-0`, `value-1`, … and a consumer of it. */
async function workedQueue (
  stage: Stage, records: number, config: Record<string, string> = {},
): Promise<{ consumer: TestConsumer, topic: TestTopic }> {
  const connection = await stage.greeted()
  const topic = await stage.queue(connection, 1, config)
  if (records > 0) await produce(connection, [{ batch: batchOf(records), topicId: topic.topicId }])
  return { consumer: await new TestConsumer(connection, topic).open(), topic }
}

/** A batch of records with these keys, values and options. */
function optionedBatch (records: readonly { key: string, value: string, extras: RecordExtras }[]): Buffer {
  const builder = new RecordBatchBuilder()
  const extras = new RecordExtrasBuilder()
  for (const record of records) {
    builder.append(record.key, record.value, FIRST_TIMESTAMP)
    extras.append(record.extras)
  }
  return builder.build({ extras: extras.build() })
}

function expectValues (leases: readonly TestLease[], ...values: string[]): void {
  expectEqual(leases.map(({ value }) => value).join(), values.join(), 'values')
}

function expectAnswers (answers: readonly SettleAnswer[], ...expected: SettleAnswer[]): void {
  expectEqual(answers.join(), expected.join(), 'answers')
}

const SESSION_DIALOGUES: Dialogue[] = [
  {
    name: 'Queue: is created with its settings, which have ranges, and metadata calls it a queue',
    async run (stage) {
      const connection = await stage.greeted()
      const { name } = await stage.queue(connection, 2, { 'visibility.ms': '5000' })
      const { topics } = await connection.tell('metadata', { topics: [name] })
      expectEqual(topics[0]?.kind, 'queue', 'kind')
      const refused = await connection.tell('createTopics', {
        timeoutMs: 30_000,
        validateOnly: true,
        topics: [{ name: stage.newName(), kind: 'queue', partitions: 1, replicationFactor: 0, config: { 'visibility.ms': '1' } }],
      })
      expectItem(refused.topics[0], 'INVALID_CONFIG')
    },
  },
  {
    name: 'Session: is taken up again on another connection, with its leases, by its token alone',
    async run (stage) {
      const { consumer, topic } = await workedQueue(stage, 1)
      const leases = await consumer.receiveSome()
      const other = new TestConsumer(await stage.greeted(), topic)
      const forged = { sessionId: consumer.sessionId, token: 'forged', clientName: '', leases: 'session' } as const
      expectRefused(await other.connection.ask('openSession', forged), 'UNKNOWN_SESSION')
      await other.open('session', consumer)
      expectValues(await other.receive())
      expectRefused(await consumer.connection.ask('receive', consumer.receiveFields(1, 0)), 'UNKNOWN_SESSION')
      expectAnswers(await other.settle('ack', leases), 'ok')
    },
  },
  {
    name: 'Session: keeps the kind of its leases',
    async run (stage) {
      const { consumer, topic } = await workedQueue(stage, 1)
      await consumer.receiveSome()
      const { sessionId, token } = consumer
      const other = new TestConsumer(await stage.greeted(), topic)
      const changed = { sessionId, token, clientName: '', leases: 'visibility' } as const
      expectRefused(await other.connection.ask('openSession', changed), 'INVALID_REQUEST')
    },
  },
  {
    name: 'Session: an id that was not opened on the connection is answered with UNKNOWN_SESSION',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 0)
      const stranger = await stage.greeted()
      const { sessionId } = consumer
      expectRefused(await stranger.ask('heartbeatSession', { sessionId }), 'UNKNOWN_SESSION')
      expectRefused(await stranger.ask('closeSession', { sessionId }), 'UNKNOWN_SESSION')
      expectRefused(await stranger.ask('receive', consumer.receiveFields(1, 0)), 'UNKNOWN_SESSION')
    },
  },
  {
    name: 'Session: a heartbeat says when the next is due; one that is closed gives its records back, uncounted',
    async run (stage) {
      const { consumer, topic } = await workedQueue(stage, 2)
      expectEqual((await consumer.receiveSome()).length, 2, 'leases')
      const { heartbeatMs, notices, more } = await consumer.connection.tell('heartbeatSession', { sessionId: consumer.sessionId })
      expectThat(heartbeatMs > 0, 'heartbeatMs above 0', String(heartbeatMs))
      expectEqual(notices.length, 0, 'notices')
      expectEqual(more, false, 'more')
      await consumer.connection.tell('closeSession', { sessionId: consumer.sessionId })
      const next = await new TestConsumer(await stage.greeted(), topic).open()
      const leases = await next.receiveSome()
      expectValues(leases, 'value-0', 'value-1')
      expectEqual(leases[0]!.deliveries, 2, 'deliveries')
      expectEqual((await next.explain(0)).failures, 0, 'failures')
    },
  },
  {
    name: 'Session: leases of the kind `visibility` stay when it is closed, and are settled by their handles',
    async run (stage) {
      const { consumer, topic } = await workedQueue(stage, 1)
      const script = await new TestConsumer(await stage.greeted(), topic).open('visibility')
      const leases = await script.receiveSome()
      await script.connection.tell('closeSession', { sessionId: script.sessionId })
      expectValues(await consumer.receive())
      expectAnswers(await settleLeases(await stage.greeted(), topic, 'ack', leases), 'ok')
    },
  },
]

const RECEIVE_DIALOGUES: Dialogue[] = [
  {
    name: 'Receive: hands every record out once, as many as are asked for',
    async run (stage) {
      const { consumer, topic } = await workedQueue(stage, 5)
      const first = await consumer.receive(2)
      expectValues(first, 'value-0', 'value-1')
      for (const { deliveries } of first) expectEqual(deliveries, 1, 'deliveries')
      const other = await new TestConsumer(await stage.greeted(), topic).open()
      expectValues(await other.receive(), 'value-2', 'value-3', 'value-4')
      expectValues(await other.receive())
    },
  },
  {
    name: 'Receive: reads compressed batches',
    async run (stage) {
      const { consumer, topic } = await workedQueue(stage, 0)
      await produce(consumer.connection, [{ batch: batchOf(50, 'packed', { codec: 'gzip' }), topicId: topic.topicId }])
      const one = await consumer.receive(1)
      expectValues(one, 'packed-0')
      expectEqual((await consumer.receive(100)).length, 49, 'leases')
    },
  },
  {
    name: 'Receive: waits for a record, over several partitions, and holds up nothing',
    async run (stage) {
      const connection = await stage.greeted()
      const topic = await stage.queue(connection, 3)
      const consumer = await new TestConsumer(connection, topic, 3).open()
      const waiting = connection.send('receive', consumer.receiveFields(10, 5_000), { unordered: true })
      await connection.tell('listTopics', {})
      const producer = await stage.greeted()
      await produce(producer, [{ batch: batchOf(1), topicId: topic.topicId, partition: 2 }])
      const { frame, fields } = await connection.answer('receive')
      expectEqual(frame.correlation, waiting, 'correlation')
      expectEqual(fields.partitions.length, 1, 'partitions')
      expectEqual(fields.partitions[0]!.partition, 2, 'partition')
    },
  },
  {
    name: 'Receive: answers without records when its time is over',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 0)
      expectValues(await consumer.receive(10, 20))
    },
  },
  {
    name: 'Receive: a stream is NOT_A_QUEUE, an unknown topic UNKNOWN_TOPIC; numbers out of range are INVALID_REQUEST',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 0)
      const { connection } = consumer
      const stream = await stage.topic(connection)
      const fields = consumer.receiveFields(1, 0)
      const of = async (topicId: string): Promise<{ error: number, message: string } | undefined> => (
        await connection.tell('receive', { ...fields, partitions: [{ topicId, partition: 0, group: '' }] })).partitions[0]
      expectItem(await of(stream.topicId), 'NOT_A_QUEUE')
      expectItem(await of('00000000-0000-4000-8000-000000000000'), 'UNKNOWN_TOPIC')
      const hello = await (await stage.connect()).hello()
      for (const wrong of [
        { maxRecords: 0 }, { maxRecords: hello.maxRecordsPerReceive + 1 }, { maxBytes: 0 }, { maxWaitMs: -1 },
        { partitions: [] },
      ]) expectRefused(await connection.ask('receive', { ...fields, ...wrong }), 'INVALID_REQUEST')
    },
  },
]

const SETTLE_DIALOGUES: Dialogue[] = [
  {
    name: 'Settle: what is acknowledged never comes again, and may be acknowledged twice',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 3, NO_BACKOFF)
      const leases = await consumer.receiveSome()
      expectAnswers(await consumer.settle('ack', leases.slice(0, 2)), 'ok', 'ok')
      expectAnswers(await consumer.settle('ack', leases), 'alreadySettled', 'alreadySettled', 'ok')
      expectValues(await consumer.receive(10, 50))
      expectEqual((await consumer.explain(0)).state, 'terminal', 'state')
    },
  },
  {
    name: 'Settle: a nack counts and a release does not; both are handed out again',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 1, NO_BACKOFF)
      expectAnswers(await consumer.settle('nack', [await consumer.receiveOne('value-0')], { delayMs: 0, reason: 'no' }), 'ok')
      const second = await consumer.receiveOne('value-0')
      expectEqual(second.deliveries, 2, 'deliveries')
      expectAnswers(await consumer.settle('release', [second]), 'ok')
      const third = await consumer.receiveOne('value-0')
      expectEqual(third.deliveries, 3, 'deliveries')
      expectEqual((await consumer.explain(0)).failures, 1, 'failures')
    },
  },
  {
    name: 'Settle: a delayed nack keeps the record until its time',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 1)
      await consumer.settle('nack', await consumer.receiveSome(), { delayMs: 3_600_000 })
      expectValues(await consumer.receive(10, 20))
      const { state, timeLeftMs } = await consumer.explain(0)
      expectEqual(state, 'delayed', 'state')
      expectThat(timeLeftMs > 3_000_000 && timeLeftMs <= 3_600_000, 'up to an hour left', `${timeLeftMs} ms`)
    },
  },
  {
    name: 'Settle: a handle of a lease that is over is staleLease, a forged one unknown, and neither has an effect',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 1, NO_BACKOFF)
      const first = await consumer.receiveOne('value-0')
      await consumer.settle('release', [first])
      const second = await consumer.receiveOne('value-0')
      const forged = { ...second, leaseSequence: second.leaseSequence + 1_000_000 }
      expectAnswers(await consumer.settle('ack', [first, forged]), 'staleLease', 'unknown')
      expectEqual((await consumer.explain(0)).state, 'leased', 'state')
      expectAnswers(await consumer.settle('ack', [second]), 'ok')
    },
  },
  {
    name: 'Settle: a run of records has one item and an answer for each',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 4)
      const [first] = await consumer.receiveSome()
      const { offset, leaseEpoch, leaseSequence } = first!
      const item = { kind: 'ack', offset, count: 6, leaseEpoch, leaseSequence, delayMs: -1, reason: '' } as const
      const { results } = await consumer.connection.tell('settle', {
        acks: 'quorum', timeoutMs: 30_000, partitions: [{ ...consumer.place(), items: [item] }],
      })
      expectItem(results[0], 'NONE')
      expectEqual(JSON.stringify(results[0]!.answers), '[{"count":4,"answer":"ok"},{"count":2,"answer":"unknown"}]', 'answers')
    },
  },
  {
    name: 'Settle: nothing, too much, and times out of range are INVALID_REQUEST',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 1)
      const { connection } = consumer
      const [{ offset, leaseEpoch, leaseSequence }] = await consumer.receiveSome() as [TestLease]
      const hello = await (await stage.connect()).hello()
      const ack = { kind: 'ack', offset, count: 1, leaseEpoch, leaseSequence, delayMs: -1, reason: '' } as const
      const ask = async (...items: object[]): Promise<void> => {
        const partitions = items.length === 0 ? [] : [{ ...consumer.place(), items: items as never }]
        expectRefused(await connection.ask('settle', { acks: 'quorum', timeoutMs: 30_000, partitions }), 'INVALID_REQUEST')
      }
      await ask()
      await ask({ ...ack, count: 0 })
      await ask({ ...ack, count: hello.maxRecordsPerSettle + 1 })
      await ask({ ...ack, kind: 'nack', delayMs: 366 * 24 * 3_600_000 })
      await ask({ ...ack, kind: 'extend', delayMs: -2 })
      expectAnswers(await consumer.settle('ack', [{ ...ack, partition: 0, deliveries: 1, value: '' }]), 'ok')
    },
  },
  {
    name: 'Settle: acks none is not answered, and carried out',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 1)
      const [{ offset, leaseEpoch, leaseSequence }] = await consumer.receiveSome() as [TestLease]
      const item = { kind: 'ack', offset, count: 1, leaseEpoch, leaseSequence, delayMs: -1, reason: '' } as const
      consumer.connection.send('settle', {
        acks: 'none', timeoutMs: 30_000, partitions: [{ ...consumer.place(), items: [item] }],
      })
      expectEqual((await consumer.explain(0)).state, 'terminal', 'state')
    },
  },
]

const OPTION_DIALOGUES: Dialogue[] = [
  {
    name: 'Extras: a record is not handed out before its time by the clock of the broker, unless it is brought forward',
    async run (stage) {
      const { consumer, topic } = await workedQueue(stage, 0)
      const { timeMs } = await (await stage.connect()).hello()
      await produce(consumer.connection, [{
        topicId: topic.topicId,
        batch: optionedBatch([
          { key: 'k', value: 'later', extras: { notBefore: timeMs + 3_600_000 } },
          { key: 'k', value: 'at once', extras: { notBefore: timeMs - 1_000 } },
          { key: 'k', value: 'too late', extras: { expires: timeMs - 1_000 } },
        ]),
      }])
      expectValues(await consumer.receiveSome(), 'at once')
      expectEqual((await consumer.explain(0)).state, 'delayed', 'state')
      const { results } = await consumer.connection.tell('rescheduleRecords', {
        timeoutMs: 30_000, targets: [{ ...consumer.place(), offset: 0, dedupId: null, delayMs: 0, notBefore: -1 }],
      })
      expectItem(results[0], 'NONE')
      expectEqual(results[0]!.answer, 'ok', 'answer')
      await consumer.receiveOne('later')
    },
  },
  {
    name: 'Extras: high priorities come first in a queue of that order',
    async run (stage) {
      const { consumer, topic } = await workedQueue(stage, 0, { order: 'priority' })
      const batch = optionedBatch([
        { key: 'k', value: 'low', extras: {} },
        { key: 'k', value: 'high', extras: { priority: 9 } },
        { key: 'k', value: 'middle', extras: { priority: 5 } },
      ])
      await produce(consumer.connection, [{ batch, topicId: topic.topicId }])
      for (const value of ['high', 'middle', 'low']) await consumer.receiveOne(value)
    },
  },
  {
    name: 'Order: records of a key come one after the other, others do not wait for them',
    async run (stage) {
      const { consumer, topic } = await workedQueue(stage, 0, { order: 'key', 'run.max': '1', ...NO_BACKOFF })
      const of = (key: string, value: string): { key: string, value: string, extras: RecordExtras } =>
        ({ key, value, extras: { lane: laneOf(Buffer.from(key)) } })
      const batch = optionedBatch([of('a', 'a1'), of('a', 'a2'), of('b', 'b1')])
      await produce(consumer.connection, [{ batch, topicId: topic.topicId }])
      const [a1, b1] = await consumer.receiveSome()
      expectValues([a1!, b1!], 'a1', 'b1')
      const { state, behindOffset, lane } = await consumer.explain(1)
      expectEqual(state, 'blocked', 'state')
      expectEqual(behindOffset, 0, 'behindOffset')
      expectEqual(lane, laneOf(Buffer.from('a')), 'lane')
      await consumer.settle('nack', [a1!], { delayMs: 0 })
      await consumer.settle('ack', [await consumer.receiveOne('a1')])
      await consumer.receiveOne('a2')
    },
  },
]

const LOOK_DIALOGUES: Dialogue[] = [
  {
    name: 'Cancel: ends what is not leased, and tells the holder of what is',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 3)
      const { connection } = consumer
      const [lease] = await consumer.receive(1)
      const cancel = async (...offsets: number[]): Promise<string> => {
        const targets = offsets.map(offset => ({ ...consumer.place(), offset, dedupId: null }))
        const { results } = await connection.tell('cancelRecords', { timeoutMs: 30_000, targets })
        for (const result of results) expectItem(result, 'NONE')
        return results.map(({ answer }) => answer).join()
      }
      expectEqual(await cancel(0, 1, 1_000), 'requested,ok,unknown', 'answers')
      expectEqual(await cancel(1), 'alreadyTerminal', 'answer')
      const { notices } = await connection.tell('heartbeatSession', { sessionId: consumer.sessionId })
      const { offset, leaseEpoch, leaseSequence } = lease!
      expectEqual(JSON.stringify(notices),
        JSON.stringify([{ ...consumer.place(), kind: 'cancelRequested', offset, leaseEpoch, leaseSequence }]), 'notices')
      await consumer.settle('release', [lease!])
      expectValues(await consumer.receiveSome(), 'value-2')
    },
  },
  {
    name: 'Look: figures, explanations and records agree, and leave everything as it is',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 4)
      const { connection } = consumer
      const leases = await consumer.receive(2)
      await consumer.settle('ack', leases.slice(0, 1))
      const { partitions } = await connection.tell('queueStats', { partitions: [consumer.place()] })
      expectItem(partitions[0], 'NONE')
      const { floor, nextOffset, highWatermark, leased, fresh, acknowledged, paused } = partitions[0]!
      expectEqual([floor, nextOffset, highWatermark, leased, fresh, acknowledged, paused].join(), '1,2,4,1,2,1,false', 'figures')
      const { state, sessionId, clientName } = await consumer.explain(1)
      expectEqual([state, sessionId, clientName].join(), `leased,${consumer.sessionId},conformance`, 'explanation')
      const fields = { ...consumer.place(), fromOffset: -1, maxRecords: 10, maxBytes: 1_048_576, states: [] }
      const peeked = await connection.tell('peekRecords', fields)
      expectEqual(peeked.records.map(record => `${record.offset} ${record.state}`).join(), '1 leased,2 fresh,3 fresh', 'records')
      expectEqual(peeked.nextOffset, -1, 'nextOffset')
      expectEqual(peeked.payload.length, peeked.size, 'bytes of the payload')
      expectValues(await consumer.receive(), 'value-2', 'value-3')
    },
  },
  {
    name: 'Control: a paused queue hands out nothing until it is resumed, a purged one nothing any more',
    async run (stage) {
      const { consumer } = await workedQueue(stage, 3)
      const control = async (action: 'pause' | 'resume' | 'purge'): Promise<{ changed: boolean, records: number }> => {
        const { results } = await consumer.connection.tell('controlQueue', {
          timeoutMs: 30_000, action, lane: -1, partitions: [consumer.place()],
        })
        expectItem(results[0], 'NONE')
        return results[0]!
      }
      expectEqual((await control('pause')).changed, true, 'changed')
      expectEqual((await control('pause')).changed, false, 'changed, the second time')
      expectValues(await consumer.receive(10, 20))
      await control('resume')
      const leases = await consumer.receive(1)
      expectValues(leases, 'value-0')
      expectEqual((await control('purge')).records, 3, 'records')
      expectValues(await consumer.receive(10, 20))
      expectAnswers(await consumer.settle('ack', leases), 'alreadySettled')
    },
  },
]

export const QUEUE_DIALOGUE_LIST: readonly Dialogue[] = [
  ...SESSION_DIALOGUES, ...RECEIVE_DIALOGUES, ...SETTLE_DIALOGUES, ...OPTION_DIALOGUES, ...LOOK_DIALOGUES,
]
