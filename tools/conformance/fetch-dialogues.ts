// Dialogues about fetching and looking for offsets.

import { ERROR } from '@sluice/protocol'
import { batchesOf, batchOf, FIRST_TIMESTAMP, offsetAfter } from './batches.js'
import { expectEqual, expectItem, expectThat } from './deviation.js'
import type { Dialogue, TestTopic } from './dialogue.js'
import { fetchFields, fetchFrom, produce } from './exchanges.js'
import type { RawConnection } from './raw-connection.js'

async function filled (connection: RawConnection, topic: TestTopic, batches: number): Promise<void> {
  const posts = Array.from({ length: batches }, (_, index) => ({ batch: batchOf(10, `b${index}`), topicId: topic.topicId }))
  for (const result of await produce(connection, posts)) expectItem(result, 'NONE')
}

async function listOffset (
  connection: RawConnection, { topicId }: TestTopic, position: 'earliest' | 'latest' | 'timestamp', timestamp = -1,
): Promise<number> {
  const { partitions } = await connection.tell('listOffsets', {
    timeoutMs: 30_000, partitions: [{ topicId, partition: 0, position, timestamp }],
  })
  expectItem(partitions[0], 'NONE')
  return partitions[0]!.offset
}

const WAITING: Dialogue[] = [
  {
    name: 'Fetch: at the end of a partition it is answered without records when its time is up',
    async run (stage) {
      const connection = await stage.greeted()
      const { topicId } = await stage.topic(connection)
      for (const maxWaitMs of [0, 100]) {
        const { payload, partitions } = await connection.tell('fetch', fetchFields(topicId, 0, { maxWaitMs }), { unordered: true })
        expectEqual(payload.length, 0, 'bytes of batches')
        for (const item of partitions) expectItem(item, 'NONE')
      }
    },
  },
  {
    name: 'Fetch: one that waits (UNORDERED) holds up no produce on its connection, and is answered by its records',
    async run (stage) {
      const connection = await stage.greeted()
      const { topicId } = await stage.topic(connection)
      const waiting = connection.send('fetch', fetchFields(topicId, 0, { maxWaitMs: 30_000 }), { unordered: true })
      await connection.tell('listTopics', {})
      const batch = batchOf(3)
      const produced = connection.send('produce',
        { acks: 'quorum', timeoutMs: 30_000, batches: [{ topicId, partition: 0, size: batch.length }] }, { payload: batch })
      // Both are due now, in either order.
      const frames = [await connection.next(), await connection.next()]
      for (const correlation of [waiting, produced]) {
        expectThat(frames.some(frame => frame.correlation === correlation), `an answer to request ${correlation}`, 'none')
      }
      const fetched = frames.find(frame => frame.correlation === waiting)!
      expectThat(fetched.payload.length > 0, 'the records in the fetch response', 'an empty one')
      expectEqual(fetched.flags & 2, 2, 'UNORDERED flag of the fetch response')
    },
  },
  {
    name: 'Fetch: a hundred that wait at once on one connection are all answered',
    async run (stage) {
      const connection = await stage.greeted()
      const { topicId } = await stage.topic(connection)
      const open = new Set<number>()
      for (let index = 0; index < 100; index++) {
        open.add(connection.send('fetch', fetchFields(topicId, 0, { maxWaitMs: 30_000 }), { unordered: true }))
      }
      const [result] = await produce(await stage.greeted(), [{ batch: batchOf(1), topicId }])
      expectItem(result, 'NONE')
      while (open.size > 0) {
        const { correlation, payload } = await connection.next()
        expectThat(open.delete(correlation), 'one answer to each request', `another one to ${correlation}`)
        expectThat(payload.length > 0, 'the record', 'an empty response')
      }
    },
  },
  {
    name: 'Fetch: without UNORDERED it keeps its place in the order of responses',
    async run (stage) {
      const connection = await stage.greeted()
      const { topicId } = await stage.topic(connection)
      const fetched = connection.send('fetch', fetchFields(topicId, 0, { maxWaitMs: 200 }))
      const listed = connection.send('listTopics', {})
      expectEqual((await connection.next()).correlation, fetched, 'correlation of the first response')
      expectEqual((await connection.next()).correlation, listed, 'correlation of the second response')
    },
  },
]

const READING: Dialogue[] = [
  {
    name: 'Fetch: an offset inside a batch brings the whole batch',
    async run (stage) {
      const connection = await stage.greeted()
      const topic = await stage.topic(connection)
      await filled(connection, topic, 3)
      const { batches } = await fetchFrom(connection, topic.topicId, 15, { enough: 30 })
      expectEqual(batches[0]!.header.baseOffset, 10, 'base offset of the first batch')
    },
  },
  {
    name: 'Fetch: the first batch comes even above maxBytes, and reading in small steps reaches the end',
    async run (stage) {
      const connection = await stage.greeted()
      const topic = await stage.topic(connection)
      await filled(connection, topic, 5)
      let offset = 0
      for (let round = 0; offset < 50; round++) {
        expectThat(round < 50, 'the end of the partition within 50 fetches', `offset ${offset}`)
        const { batches } = await fetchFrom(connection, topic.topicId, offset, { maxBytes: 1, enough: offset + 1 })
        expectEqual(batches.length, 1, 'number of batches')
        offset = offsetAfter(batches, offset)
      }
    },
  },
  {
    name: 'Fetch: several partitions come in the order asked, those without news are left out',
    async run (stage) {
      const connection = await stage.greeted()
      const { topicId } = await stage.topic(connection, 3)
      await produce(connection, [{ batch: batchOf(1, 'zero'), topicId }, { batch: batchOf(1, 'two'), topicId, partition: 2 }])
      const wanted = { topicId, offset: 0, lastEpoch: -1, maxBytes: 1_048_576 }
      const partitions = [2, 1, 0].map(partition => ({ ...wanted, partition }))
      const response = await connection.tell('fetch', { maxWaitMs: 5_000, minBytes: 1, maxBytes: 1_048_576, partitions }, { unordered: true })
      const withData = response.partitions.filter(({ size }) => size > 0).map(({ partition }) => partition)
      expectEqual(withData.join(), '2,0', 'partitions with records')
      const values = batchesOf(response.partitions, response.payload).flatMap(batch => batch.values)
      expectEqual(values.join(), 'two-0,zero-0', 'values')
    },
  },
  {
    name: 'Fetch: an offset beyond the end, below the start, or in no partition is answered at once with its error',
    async run (stage) {
      const connection = await stage.greeted()
      const topic = await stage.topic(connection)
      await filled(connection, topic, 2)
      const { partitions: deleted } = await connection.tell('deleteRecords', {
        timeoutMs: 30_000, partitions: [{ topicId: topic.topicId, partition: 0, beforeOffset: 10 }],
      })
      expectItem(deleted[0], 'NONE')
      expectEqual(deleted[0]!.logStartOffset, 10, 'logStartOffset')
      const fetched = async (offset: number, partition = 0) =>
        (await connection.tell('fetch', fetchFields(topic.topicId, offset, { maxWaitMs: 30_000, partition }), { unordered: true })).partitions[0]
      const beyond = await fetched(1_000)
      expectItem(beyond, 'OFFSET_OUT_OF_RANGE')
      expectEqual(beyond!.resumeOffset, 20, 'resumeOffset beyond the end')
      const below = await fetched(3)
      expectItem(below, 'OFFSET_OUT_OF_RANGE')
      expectEqual(below!.resumeOffset, 10, 'resumeOffset below the start')
      expectItem(await fetched(0, 7), 'UNKNOWN_PARTITION')
    },
  },
  {
    name: 'Fetch: a deleted topic ends a fetch that waits, with UNKNOWN_TOPIC or without records',
    async run (stage) {
      const connection = await stage.greeted()
      const { name, topicId } = await stage.topic(connection)
      connection.send('fetch', fetchFields(topicId, 0, { maxWaitMs: 1_000 }), { unordered: true })
      await (await stage.greeted()).tell('deleteTopics', { timeoutMs: 30_000, names: [name] })
      const { fields, error } = await connection.answer('fetch')
      if (error !== null) return expectEqual(error.code, ERROR.UNKNOWN_TOPIC, 'error')
      for (const item of fields.partitions) expectItem(item, 'UNKNOWN_TOPIC')
    },
  },
  {
    name: 'Offsets: earliest, latest and by time',
    async run (stage) {
      const connection = await stage.greeted()
      const topic = await stage.topic(connection)
      expectEqual(await listOffset(connection, topic, 'latest'), 0, 'latest of an empty partition')
      const builtAt = [batchOf(5, 'a'), batchOf(5, 'b')]
      for (const batch of builtAt) await produce(connection, [{ batch, topicId: topic.topicId }])
      expectEqual(await listOffset(connection, topic, 'earliest'), 0, 'earliest')
      expectEqual(await listOffset(connection, topic, 'latest'), 10, 'latest')
      const found = await listOffset(connection, topic, 'timestamp', FIRST_TIMESTAMP + 2)
      expectThat(found <= 2, 'an offset at or before the first record of that time, 2', String(found))
      expectEqual(await listOffset(connection, topic, 'timestamp', FIRST_TIMESTAMP + 1_000_000), 10, 'offset for a time to come')
      expectEqual(await listOffset(connection, topic, 'timestamp', 0), 0, 'offset for 1970')
    },
  },
  {
    name: 'Records: deletion moves the start, up to the high watermark and no further',
    async run (stage) {
      const connection = await stage.greeted()
      const topic = await stage.topic(connection)
      await filled(connection, topic, 2)
      const remove = async (beforeOffset: number) => (await connection.tell('deleteRecords', {
        timeoutMs: 30_000, partitions: [{ topicId: topic.topicId, partition: 0, beforeOffset }],
      })).partitions[0]
      expectItem(await remove(21), 'OFFSET_OUT_OF_RANGE')
      expectItem(await remove(-1), 'NONE')
      expectEqual(await listOffset(connection, topic, 'earliest'), 20, 'earliest after deleting all')
      await filled(connection, topic, 1)
      await fetchFrom(connection, topic.topicId, 20, { enough: 30 })
    },
  },
]

export const FETCH_DIALOGUE_LIST: readonly Dialogue[] = [...WAITING, ...READING]
