// Readers over changes of leaders: who has read what a forced recovery, or a power cut, took back is told so and where
// to go on; nobody else is ever told, wherever it stands and whether it takes the epoch of the brokers' own batches.

import { randomUUID } from 'node:crypto'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BATCH_FLAG, ERROR, type FetchedPartition } from '@sluice/protocol'
import t from 'tap'
import { ClusterWorld, until } from './cluster-world.test.double.js'
import { forceRecover } from './replica/partition-record.js'
import { TestClient } from './test-client.js'
import { startTestBroker } from './testing.js'

t.setTimeout(120_000)

/** What one fetch is answered for its partition; undefined where there is nothing to say. */
async function fetched (
  client: TestClient, topicId: string, offset: number, lastEpoch: number,
): Promise<FetchedPartition | undefined> {
  return (await client.fetch(topicId, 0, offset, { lastEpoch })).response.partitions[0]
}

t.test('fetch: who has read what a forced recovery took back is told where to go on (OFFSET_TRUNCATED)', async t => {
  const world = await ClusterWorld.start(3)
  t.teardown(() => world.stop())
  const topicId = await world.createTopic()
  const first = await world.broker(1).connect()
  await first.produce(topicId, 0, ['a', 'b'])
  await until(() => world.broker(3).replica(topicId).log.durableOffset === 2)
  world.isolate(3)
  for (const value of ['c', 'd', 'e']) t.equal((await first.produce(topicId, 0, [value])).error, 0)
  t.same((await first.fetch(topicId, 0, 0)).records.map(({ value }) => value), ['a', 'b', 'c', 'd', 'e'])
  first.close()
  await world.broker(1).stop()
  await world.broker(2).stop()
  world.heal()
  const { member, incarnation } = world.broker(3).member.self!
  world.put(topicId, 0, forceRecover(world.record(topicId), [member], member, incarnation, randomUUID()))
  await world.opened(topicId, 3)
  using client = await world.broker(3).connect()
  const isTold = async (offset: number, lastEpoch: number): Promise<void> => {
    t.match(await fetched(client, topicId, offset, lastEpoch), {
      error: ERROR.OFFSET_TRUNCATED, resumeOffset: 2, leader: 3, leaderEpoch: 2, message: /from offset 2 on/,
    }, `${lastEpoch} at ${offset}`)
  }
  await isTold(5, 1)
  // The word of the loss, of two records, is all that has come since.
  t.equal(world.broker(3).led(topicId)!.log.nextOffset, 4)
  await isTold(3, 1)
  for (const value of ['f', 'g', 'h']) t.equal((await client.produce(topicId, 0, [value])).error, 0)
  for (const offset of [3, 4, 5, 6, 7, 100]) await isTold(offset, 1)
  const isNotTold = async (offset: number, lastEpoch: number, values: string[]): Promise<void> => {
    const { response, records } = await client.fetch(topicId, 0, offset, { lastEpoch })
    t.equal(response.partitions[0]?.error ?? 0, 0, `${lastEpoch} at ${offset}`)
    t.same(records.map(({ value }) => value), values)
  }
  await isNotTold(2, 1, ['f', 'g', 'h'])
  await isNotTold(5, 2, ['g', 'h'])
  await isNotTold(5, -1, ['g', 'h'])
  t.match(await fetched(client, topicId, 100, -1), { error: ERROR.OFFSET_OUT_OF_RANGE, resumeOffset: 7 })
})

t.test('fetch: an epoch that the survivors of a forced recovery know nothing of is lost as a whole', async t => {
  const world = await ClusterWorld.start(3)
  t.teardown(() => world.stop())
  const topicId = await world.createTopic()
  const first = await world.broker(1).connect()
  await first.produce(topicId, 0, ['a'])
  await until(() => world.broker(2).replica(topicId).log.durableOffset === 1)
  // What the first leader took last is nowhere else; the others go on without it, and are lost.
  world.isolate(1)
  await first.produce(topicId, 0, ['b', 'c', 'd', 'e', 'f', 'g'], { timeoutMs: 1 })
  await world.failOver(topicId, 2)
  using second = await world.broker(2).connect()
  t.equal((await second.produce(topicId, 0, ['x', 'y'])).error, 0)
  t.match((await second.fetch(topicId, 0, 1)).nextOffset, 4)
  first.close()
  await world.broker(2).stop()
  await world.broker(3).stop()
  world.heal()
  const { member, incarnation } = world.broker(1).member.self!
  world.put(topicId, 0, forceRecover(world.record(topicId), [member], member, incarnation, randomUUID()))
  await until(() => world.broker(1).led(topicId)?.leaderEpoch === 3)
  using client = await world.broker(1).connect()
  t.match(await fetched(client, topicId, 4, 2), { error: ERROR.OFFSET_TRUNCATED, resumeOffset: 4, message: /below offset 4/ })
  t.equal((await fetched(client, topicId, 4, 1))!.error, 0)
})

t.test('fetch: nobody is told of a loss where there is none, whoever leads (failovers)', async t => {
  const world = await ClusterWorld.start(3)
  t.teardown(() => world.stop())
  const topicId = await world.createTopic()
  // Some epochs have records, some nothing but their start.
  for (const [leader, count] of [[1, 2], [2, 3], [3, 0], [1, 0], [2, 1], [3, 0]] as const) {
    if (leader !== 1 || world.record(topicId).epoch > 1) await world.failOver(topicId, leader)
    using client = await world.broker(leader).connect()
    for (let n = 0; n < count; n++) t.equal((await client.produce(topicId, 0, [`${leader}.${n}`])).error, 0)
  }
  const { log } = world.broker(3).led(topicId)!
  const end = log.nextOffset
  await until(() => world.brokers.every(({ id }) => world.broker(id).replica(topicId).highWatermark === end))
  /** By offset: the epoch of the last batch below it, and of the last one with records. */
  const epochs: [number, number][] = [[-1, -1]]
  await log.replayHeaders(0, ({ baseOffset, lastOffsetDelta, leaderEpoch, flags }) => {
    const [, earlier] = epochs[baseOffset]!
    for (let index = 0; index <= lastOffsetDelta; index++) {
      epochs.push([leaderEpoch, (flags & BATCH_FLAG.control) === 0 ? leaderEpoch : earlier])
    }
  })
  t.equal(epochs.length, end + 1)
  t.same(epochs.at(-1), [6, 5])
  for (const { id } of world.brokers) {
    using client = await world.broker(id).connect()
    for (const [offset, each] of epochs.entries()) {
      for (const lastEpoch of new Set(each)) {
        t.equal((await fetched(client, topicId, offset, lastEpoch))?.error ?? 0, 0, `epoch ${lastEpoch} at ${offset}, broker ${id}`)
      }
    }
  }
  using leader = await world.broker(3).connect()
  await leader.call('deleteRecords', { timeoutMs: 10_000, partitions: [{ topicId, partition: 0, beforeOffset: 6 }] })
  t.equal(log.logStartOffset, 6)
  for (let offset = 6; offset <= end; offset++) {
    t.equal((await fetched(leader, topicId, offset, 1))?.error ?? 0, 0, 'of an epoch that retention has removed nothing is said')
  }
})

t.test('fetch: a leader that was deposed and does not know it takes nothing for lost', async t => {
  const world = await ClusterWorld.start(3)
  t.teardown(() => world.stop())
  const topicId = await world.createTopic()
  using deposed = await world.broker(1).connect()
  await deposed.produce(topicId, 0, ['a', 'b'])
  world.isolate(1)
  await world.failOver(topicId, 2)
  using leader = await world.broker(2).connect()
  await leader.produce(topicId, 0, ['c', 'd'])
  t.equal((await leader.fetch(topicId, 0, 2)).nextOffset, 5)
  const asked = [[5, 2], [3, 1], [5, -1]].map(([offset, lastEpoch]) => fetched(deposed, topicId, offset!, lastEpoch!))
  const refusal = { error: ERROR.OFFSET_NOT_AVAILABLE, resumeOffset: -1 }
  for (const answer of await Promise.all(asked)) t.match(answer, refusal)
  const late = fetched(deposed, topicId, 5, 2)
  world.heal()
  const { error, resumeOffset } = (await late)!
  t.ok(error === ERROR.NOT_LEADER || error === ERROR.OFFSET_NOT_AVAILABLE, 'it follows again')
  t.equal(resumeOffset, -1)
})

t.test('fetch: who has read what a power cut took back is told where to go on (broker alone)', async t => {
  const data = await mkdtemp(join(tmpdir(), 'sluice-lost-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  await using broker = await startTestBroker({ data: join(data, 'broker') })
  let topicId = ''
  const produce = async (values: string[]): Promise<number> => {
    using client = await TestClient.connect(broker.port)
    topicId ||= await client.createTopic('orders')
    await client.produce(topicId, 0, values)
    return (await fetched(client, topicId, 0, -1))!.leaderEpoch
  }
  await produce(['a', 'b'])
  await broker.stop()
  await cp(join(data, 'broker'), join(data, 'copy'), { recursive: true })
  await broker.restart()
  const lastEpoch = await produce(['c', 'd', 'e'])
  await broker.stop()
  await rm(join(data, 'broker'), { recursive: true })
  await cp(join(data, 'copy'), join(data, 'broker'), { recursive: true })
  // The first start has the number of the leadership whose records are gone.
  await broker.restart()
  await broker.restart()
  {
    using client = await TestClient.connect(broker.port)
    t.match(await fetched(client, topicId, 5, lastEpoch), { error: ERROR.OFFSET_TRUNCATED, resumeOffset: 2 })
  }
  const newEpoch = await produce(['f', 'g', 'h', 'i'])
  t.ok(newEpoch > lastEpoch)
  using client = await TestClient.connect(broker.port)
  for (const offset of [3, 5, 6, 100]) {
    t.match(await fetched(client, topicId, offset, lastEpoch), { error: ERROR.OFFSET_TRUNCATED, resumeOffset: 2 })
  }
  for (const [offset, epoch] of [[2, lastEpoch], [3, newEpoch], [3, -1], [3, newEpoch + 5], [6, newEpoch]] as const) {
    t.equal((await fetched(client, topicId, offset, epoch))?.error ?? 0, 0, `${epoch} at ${offset}`)
  }
})
