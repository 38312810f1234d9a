// What a running broker tidies up by itself, seen through the protocol.

import { BATCH_POSITION, RecordBatchBuilder, RecordReader, readInt64 } from '@sluice/protocol'
import t from 'tap'
import { TestClient } from '../test-client.js'
import { startTestBroker } from '../testing.js'

const OFTEN = { 'retention-interval': '100ms', 'compaction-interval': '100ms', 'checkpoint-interval': '100ms' }

/** Asks again until it is so; a test that asks in vain ends by tap's timeout. */
async function until (condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise(resolve => setTimeout(resolve, 20))
}

t.test('Housekeeping: old segments go by size, the newest records stay', async t => {
  await using broker = await startTestBroker({ options: OFTEN })
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 1, { 'segment.bytes': '64KiB', 'retention.bytes': '128KiB' })
  for (let count = 0; count < 40; count++) await client.produce(topicId, 0, [String(count).padEnd(10_000, '.')])
  const describe = async (): Promise<{ logStartOffset: number, nextOffset: number }> =>
    (await client.call('describeTopics', { names: ['orders'] })).topics[0]!.partitions[0]!
  await until(async () => (await describe()).logStartOffset >= 20)
  const { logStartOffset, nextOffset } = await describe()
  t.equal(nextOffset, 40)
  t.ok(logStartOffset <= 28, 'no more than need be')
  const { records } = await client.fetch(topicId, 0, logStartOffset)
  t.same(records.map(({ offset }) => offset), Array.from({ length: 40 - logStartOffset }, (_, i) => logStartOffset + i))
})

t.test('Housekeeping: old segments go by age, to the last record; offsets go on', async t => {
  await using broker = await startTestBroker({ options: OFTEN })
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 1, { 'retention.ms': '1' })
  await client.produce(topicId, 0, ['a', 'b'])
  await until(async () =>
    (await client.call('describeTopics', { names: ['orders'] })).topics[0]!.partitions[0]!.logStartOffset === 2)
  t.match(await client.produce(topicId, 0, ['c']), { error: 0, baseOffset: 2 })
})

t.test('Housekeeping: compaction keeps the newest record of each key, at its offset', async t => {
  await using broker = await startTestBroker({ options: OFTEN })
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('state', 1, { 'segment.bytes': '64KiB', cleanup: 'compact' })
  const newest = new Map<string, { offset: number, value: string }>()
  for (let offset = 0; offset < 60; offset++) {
    const [key, value] = [`key ${offset % 5}`, String(offset).padEnd(5_000, '.')]
    const batch = new RecordBatchBuilder()
    batch.append(key, value, 1_700_000_000_000)
    await client.produceBatch(topicId, 0, batch.build())
    newest.set(key, { offset, value })
  }
  const read = async (): Promise<Map<number, { key: string, value: string }>> => {
    const found = new Map<number, { key: string, value: string }>()
    const reader = new RecordReader()
    for (let offset = 0; offset < 60;) {
      const before = offset
      const partitions = [{ topicId, partition: 0, offset, lastEpoch: -1, maxBytes: 1 << 20 }]
      const { payload } = await client.exchange('fetch', { maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, partitions })
      for (let position = 0; position < payload.length; position += payload.readUInt32BE(position + 8)) {
        reader.open(payload, position)
        while (reader.next()) found.set(reader.offset, { key: reader.key!.toString(), value: reader.value!.toString() })
        offset = readInt64(payload, position) + payload.readUInt32BE(position + BATCH_POSITION.lastOffsetDelta) + 1
      }
      if (offset === before) break
    }
    return found
  }
  const full = await read()
  t.equal(full.size > 5 ? [...full.keys()].at(-1) : -1, 59, 'the log is read to its end')
  await until(async () => (await read()).size <= 20)
  const left = await read()
  for (const [key, { offset, value }] of newest) t.same(left.get(offset), { key, value })
})

t.test('Housekeeping: stops while rounds run, and topics come and go meanwhile', async t => {
  await using broker = await startTestBroker({ options: OFTEN })
  using client = await TestClient.connect(broker.port)
  for (let round = 0; round < 5; round++) {
    const topicId = await client.createTopic(`topic-${round}`, 50, { 'retention.ms': '1' })
    for (let partition = 0; partition < 50; partition += 10) await client.produce(topicId, partition, ['a'])
    await new Promise(resolve => setTimeout(resolve, 60))
    if (round % 2 === 0) await client.call('deleteTopics', { timeoutMs: 1000, names: [`topic-${round}`] })
  }
  await broker.restart()
  using again = await TestClient.connect(broker.port)
  t.same((await again.call('listTopics', {})).topics.map(({ name }) => name), ['topic-1', 'topic-3'])
})
