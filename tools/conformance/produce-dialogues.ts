// Dialogues about producing, with and without idempotence.

import {
  BATCH_CRC_START, BATCH_FLAG, BATCH_POSITION, ERROR, type ProduceResult, type ProducerStamp,
} from '@sluice/protocol'
import { batchesOf, batchOf, changedBatch } from './batches.js'
import { expectEqual, expectItem, expectRefused, expectThat } from './deviation.js'
import type { Dialogue, Stage, TestTopic } from './dialogue.js'
import { fetchFrom, produce, produceFields } from './exchanges.js'
import type { RawConnection } from './raw-connection.js'

async function produceOne (connection: RawConnection, { topicId }: TestTopic, batch: Buffer): Promise<ProduceResult> {
  return (await produce(connection, [{ batch, topicId }]))[0]!
}

/** A connection, a topic and a producer identity. */
async function idempotent (
  stage: Stage,
): Promise<{ connection: RawConnection, topic: TestTopic, producer: ProducerStamp }> {
  const connection = await stage.greeted()
  const topic = await stage.topic(connection)
  const { producerId, producerEpoch } = await connection.tell('initProducer', { producerId: -1, producerEpoch: -1 })
  return { connection, topic, producer: { producerId, producerEpoch, baseSequence: 0 } }
}

/** A batch that must be refused while a good one in the same request is stored. */
function refusedBatch (what: string, error: 'INVALID_BATCH' | 'UNSUPPORTED_CODEC', make: (good: Buffer) => Buffer): Dialogue {
  return {
    name: `Produce: ${what} is answered with ${error}; the other batch of the request is stored`,
    async run (stage) {
      const connection = await stage.greeted()
      const { topicId } = await stage.topic(connection)
      const [bad, good] = await produce(connection, [
        { batch: make(batchOf(3, 'bad')), topicId }, { batch: batchOf(3, 'good'), topicId },
      ])
      expectItem(bad, error)
      expectItem(good, 'NONE')
      expectEqual(good!.baseOffset, 0, 'offset of the good batch')
    },
  }
}

const PLAIN: Dialogue[] = [
  {
    name: 'Produce: what is stored comes back byte for byte, with consecutive offsets and a chain of checksums',
    async run (stage) {
      const connection = await stage.greeted()
      const { topicId } = await stage.topic(connection)
      const sent = [batchOf(3, 'a'), batchOf(100, 'b', { codec: 'gzip' }), batchOf(1, 'c')]
      const results = await produce(connection, sent.map(batch => ({ batch, topicId })))
      for (const [index, offset] of [0, 3, 103].entries()) {
        expectItem(results[index], 'NONE')
        expectEqual(results[index]!.baseOffset, offset, `offset of batch ${index}`)
      }
      const { batches } = await fetchFrom(connection, topicId, 0, { enough: 104 })
      expectEqual(batches.length, 3, 'number of batches')
      for (const [index, { header, bytes }] of batches.entries()) {
        expectThat(bytes.subarray(BATCH_CRC_START).equals(sent[index]!.subarray(BATCH_CRC_START)),
          `batch ${index} as it was sent`, 'other bytes')
        if (index > 0) expectEqual(header.prevCrc, batches[index - 1]!.header.crc, `prevCrc of batch ${index}`)
        expectThat(header.committedOffset <= header.baseOffset, 'a committedOffset up to the base offset', String(header.committedOffset))
      }
    },
  },
  refusedBatch('a batch with a wrong CRC', 'INVALID_BATCH', good => {
    const bad = Buffer.from(good)
    bad[bad.length - 1]! ^= 1
    return bad
  }),
  refusedBatch('a batch whose size field is another than in the request', 'INVALID_BATCH', good =>
    changedBatch(good, bad => { bad.writeUInt32BE(good.length - 1, BATCH_POSITION.size) })),
  refusedBatch('a batch without records', 'INVALID_BATCH', good =>
    changedBatch(good, bad => { bad.writeUInt32BE(0, BATCH_POSITION.recordCount) })),
  refusedBatch('a batch that takes up more offsets than it has records', 'INVALID_BATCH', good =>
    changedBatch(good, bad => { bad.writeUInt32BE(0xfffffff0, BATCH_POSITION.lastOffsetDelta) })),
  refusedBatch('a control batch', 'INVALID_BATCH', good =>
    changedBatch(good, bad => { bad.writeUInt16BE(BATCH_FLAG.control, BATCH_POSITION.flags) })),
  refusedBatch('a batch of an unknown layout', 'INVALID_BATCH', good =>
    changedBatch(good, bad => { bad[BATCH_POSITION.magic] = 9 })),
  refusedBatch('a batch packed by an unknown codec', 'UNSUPPORTED_CODEC', good =>
    changedBatch(good, bad => { bad[BATCH_POSITION.codec] = 99 })),
  {
    name: 'Produce: an unknown topic and an unknown partition fail alone',
    async run (stage) {
      const connection = await stage.greeted()
      const { topicId } = await stage.topic(connection)
      const batch = batchOf(1)
      const results = await produce(connection, [
        { batch, topicId: '00000000-0000-4000-8000-000000000000' }, { batch, topicId: 'no uuid' },
        { batch, topicId, partition: 1 }, { batch, topicId, partition: -1 }, { batch, topicId },
      ])
      expectItem(results[0], 'UNKNOWN_TOPIC')
      expectItem(results[1], 'UNKNOWN_TOPIC')
      expectItem(results[2], 'UNKNOWN_PARTITION')
      expectItem(results[3], 'UNKNOWN_PARTITION')
      expectItem(results[4], 'NONE')
    },
  },
  {
    name: 'Produce: sizes that do not add up to the payload are answered with INVALID_REQUEST, and nothing is stored',
    async run (stage) {
      const connection = await stage.greeted()
      const topic = await stage.topic(connection)
      const post = { batch: batchOf(1), topicId: topic.topicId }
      const payload = Buffer.concat([post.batch, Buffer.from('x')])
      expectRefused(await connection.ask('produce', produceFields([post]), { payload }), 'INVALID_REQUEST')
      expectRefused(await connection.ask('produce', produceFields([post])), 'INVALID_REQUEST')
      expectEqual((await produceOne(connection, topic, batchOf(1))).baseOffset, 0, 'offset of the first batch')
    },
  },
  {
    name: 'Produce: a batch above max.batch.bytes of its topic is answered with RECORD_TOO_LARGE',
    async run (stage) {
      const connection = await stage.greeted()
      const topic = await stage.topic(connection, 1, { 'max.batch.bytes': '2048' })
      expectItem(await produceOne(connection, topic, batchOf(1, 'x'.repeat(2048))), 'RECORD_TOO_LARGE')
      expectItem(await produceOne(connection, topic, batchOf(1)), 'NONE')
    },
  },
  {
    name: 'Produce: acks none is not answered, and stored all the same',
    async run (stage) {
      const connection = await stage.greeted()
      const { topicId } = await stage.topic(connection)
      const batch = batchOf(2)
      const fields = { acks: 'none' as const, timeoutMs: 30_000, batches: [{ topicId, partition: 0, size: batch.length }] }
      connection.send('produce', fields, { payload: batch })
      // `tell` takes the next frame for the answer: that of the produce request would be out of place.
      await connection.tell('listTopics', {})
      await fetchFrom(connection, topicId, 0, { enough: 2 })
    },
  },
]

const IDEMPOTENT: Dialogue[] = [
  {
    name: 'Idempotence: a batch that is sent again is stored once, and answered with its first offset',
    async run (stage) {
      const { connection, topic, producer } = await idempotent(stage)
      const batch = batchOf(2, 'once', { producer })
      const first = await produceOne(connection, topic, batch)
      expectItem(first, 'NONE')
      expectEqual(first.duplicate, false, 'duplicate')
      const again = await produceOne(await stage.greeted(), topic, batch)
      expectItem(again, 'NONE')
      expectEqual(again.duplicate, true, 'duplicate')
      expectEqual(again.baseOffset, first.baseOffset, 'offset')
      const { batches } = await fetchFrom(connection, topic.topicId, 0, { enough: 2 })
      expectEqual(batches.length, 1, 'number of batches')
    },
  },
  {
    name: 'Idempotence: each of the last rememberedBatches is known, older ones are answered with DUPLICATE_SEQUENCE',
    async run (stage) {
      const { connection, topic, producer } = await idempotent(stage)
      const { rememberedBatches } = await (await stage.connect()).hello()
      const known = Math.min(rememberedBatches, 1_000)
      const batches = Array.from({ length: rememberedBatches > known ? known : known + 2 },
        (_, index) => batchOf(2, `b${index}`, { producer: { ...producer, baseSequence: index * 2 } }))
      for (const batch of batches) expectItem(await produceOne(connection, topic, batch), 'NONE')
      for (let index = batches.length - known; index < batches.length; index++) {
        const again = await produceOne(connection, topic, batches[index]!)
        expectEqual(again.duplicate, true, `duplicate of batch ${index}`)
        expectEqual(again.baseOffset, index * 2, `offset of batch ${index}`)
      }
      if (batches.length === known) return // it remembers more than are worth sending
      expectItem(await produceOne(connection, topic, batches[0]!), 'DUPLICATE_SEQUENCE')
    },
  },
  {
    name: 'Idempotence: a gap is answered with OUT_OF_ORDER_SEQUENCE, an unknown producer in mid-stream with UNKNOWN_PRODUCER',
    async run (stage) {
      const { connection, topic, producer } = await idempotent(stage)
      expectItem(await produceOne(connection, topic, batchOf(1, 'x', { producer: { ...producer, baseSequence: 5 } })), 'UNKNOWN_PRODUCER')
      expectItem(await produceOne(connection, topic, batchOf(2, 'a', { producer })), 'NONE')
      expectItem(await produceOne(connection, topic, batchOf(1, 'c', { producer: { ...producer, baseSequence: 3 } })), 'OUT_OF_ORDER_SEQUENCE')
      expectItem(await produceOne(connection, topic, batchOf(1, 'b', { producer: { ...producer, baseSequence: 2 } })), 'NONE')
    },
  },
  {
    name: 'Idempotence: the next epoch begins at sequence 0 and fences the one before',
    async run (stage) {
      const { connection, topic, producer } = await idempotent(stage)
      expectItem(await produceOne(connection, topic, batchOf(1, 'a', { producer })), 'NONE')
      const next = await connection.tell('initProducer', producer)
      expectEqual(next.producerId, producer.producerId, 'producer id')
      expectEqual(next.producerEpoch, producer.producerEpoch + 1, 'producer epoch')
      const stamp = { producerId: next.producerId, producerEpoch: next.producerEpoch, baseSequence: 0 }
      expectItem(await produceOne(connection, topic, batchOf(1, 'b', { producer: { ...stamp, baseSequence: 1 } })), 'OUT_OF_ORDER_SEQUENCE')
      expectItem(await produceOne(connection, topic, batchOf(1, 'b', { producer: stamp })), 'NONE')
      expectItem(await produceOne(connection, topic, batchOf(1, 'c', { producer: { ...producer, baseSequence: 1 } })), 'PRODUCER_FENCED')
    },
  },
  {
    name: 'Idempotence: batches sent in several requests at once are stored in order, duplicates among them once',
    async run (stage) {
      const { connection, topic, producer } = await idempotent(stage)
      const order = [0, 1, 1, 2, 0, 3, 4, 4]
      const frames = order.map(index => {
        const post = { batch: batchOf(1, `n${index}`, { producer: { ...producer, baseSequence: index } }), topicId: topic.topicId }
        return connection.frameOf('produce', produceFields([post]), { payload: post.batch })
      })
      connection.sendBytes(Buffer.concat(frames))
      for (const index of order) {
        const { fields, error } = await connection.answer('produce')
        expectThat(error === null, 'a produce response', String(error?.message))
        expectEqual(fields.results[0]!.error, ERROR.NONE, `error of sequence ${index}`)
        expectEqual(fields.results[0]!.baseOffset, index, `offset of sequence ${index}`)
      }
      const { response, payload } = await fetchFrom(connection, topic.topicId, 0, { enough: 5 })
      const values = batchesOf(response.partitions, payload).flatMap(batch => batch.values)
      expectEqual(values.join(), 'n0-0,n1-0,n2-0,n3-0,n4-0', 'values')
    },
  },
]

export const PRODUCE_DIALOGUE_LIST: readonly Dialogue[] = [...PLAIN, ...IDEMPOTENT]
