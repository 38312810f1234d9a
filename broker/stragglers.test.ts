// A queue on a real broker with one record that nobody can settle, in the midst of many that are: what is settled goes
// from the disk, and the straggler comes under its offset, over restarts.

import { setTimeout as sleep } from 'node:timers/promises'
import type { PartitionLog } from '@sluice/storage'
import t from 'tap'
import { QueueTestClient, type TestLease } from './queue-test-client.js'
import { TestClient } from './test-client.js'
import { startTestBroker, type TestBroker } from './testing.js'

// A busy machine is slow; nothing here is about speed.
t.setTimeout(120_000)

const MiB = 1024 * 1024
const HOUR_MS = 3_600_000
const STRAGGLER = 1_234
const RECORDS = 6_000

t.test('Straggler: segments around it shrink, and it comes under its offset, over restarts', async t => {
  let aheadMs = 0
  const clock = { wallMs: () => Date.now() + aheadMs, monotonicMs: () => performance.now() + aheadMs }
  await using broker = await startTestBroker({
    options: { 'retention-interval': '100ms', 'compaction-interval': '100ms' }, parts: { clock },
  })
  const topicId = await queueOf(broker)
  const log = (): PartitionLog => broker.broker.services.partitions.find(topicId, 0)!.log
  const sizeBefore = log().sizeBytes
  t.ok(sizeBefore > 5 * MiB, `${sizeBefore} bytes`)
  const held = await settleAllButOne(broker, topicId)
  t.equal(held?.value?.slice(0, 5), `${STRAGGLER} `)
  await broker.restart()
  // Segments are left alone while they are young.
  aheadMs = 15 * 60_000
  while (log().sizeBytes > 1.5 * MiB) await sleep(20)
  t.ok(log().logStartOffset <= STRAGGLER)
  await broker.restart()
  aheadMs += 2 * HOUR_MS
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const [straggler, ...more] = await worker.receive(100, 10_000) as [TestLease]
  t.same(more, [])
  t.match(straggler, { offset: STRAGGLER, value: held!.value, deliveries: 2 })
  t.same(await worker.settle('ack', [straggler]), ['ok'])
  while (log().logStartOffset <= STRAGGLER) await sleep(20)
  t.same(await worker.receive(100, 50), [])
})

/** A queue with segments of 1.5 MiB, full of records of 1 KiB. */
async function queueOf (broker: TestBroker): Promise<string> {
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, { 'segment.bytes': String(1.5 * MiB) }, 'queue')
  for (let first = 0; first < RECORDS; first += 100) {
    const values = Array.from({ length: 100 }, (_, index) => `${first + index} `.padEnd(1_000, 'x'))
    await client.produce(topicId, 0, values)
  }
  return topicId
}

/** Settles all records but the straggler, which is put off for an hour. */
async function settleAllButOne (broker: TestBroker, topicId: string): Promise<TestLease | undefined> {
  using worker = await QueueTestClient.connect(broker.port, topicId)
  let straggler: TestLease | undefined
  for (let count = 0; count < RECORDS;) {
    const leases = await worker.receive(500, 5_000)
    count += leases.length
    straggler ??= leases.find(({ offset }) => offset === STRAGGLER)
    await worker.settle('ack', leases.filter(({ offset }) => offset !== STRAGGLER))
  }
  if (straggler !== undefined) await worker.settle('nack', [straggler], { delayMs: HOUR_MS })
  return straggler
}
