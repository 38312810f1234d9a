// Redrives in a cluster: any broker starts, describes and cancels them, the leaders of the dead-letter queue run them,
// and each letter is moved once, whoever fails meanwhile.

import { setTimeout as sleep } from 'node:timers/promises'
import { ERROR, type RedriveDescription, type StartRedriveRequest } from '@sluice/protocol'
import t from 'tap'
import {
  createQueue, fill, movedTo, numbered, rejectAll, settled, type MovedRecord, type Queue,
} from './cluster-queues.test.double.js'
import { redriveRequest } from './redrive-request.test.double.js'
import type { TestClient } from './test-client.js'
import { TestCluster } from './test-cluster.test.double.js'

t.setTimeout(120_000)

async function start (client: TestClient, source: Queue, more: Partial<StartRedriveRequest> = {}): Promise<string> {
  const { redriveId } = await client.call('startRedrive', redriveRequest(source.topicId, more))
  return redriveId
}

async function described (client: TestClient, redriveId: string): Promise<RedriveDescription> {
  return (await client.call('describeRedrives', { redriveIds: [redriveId] })).redrives[0]!
}

async function ended (client: TestClient, redriveId: string): Promise<RedriveDescription> {
  for (;;) {
    const description = await described(client, redriveId)
    if (description.error !== 0) throw new Error(description.message)
    if (description.state !== 'running') return description
    await sleep(10)
  }
}

interface Setting { readonly dead: Queue, readonly jobs: Queue }

/** A queue whose records have all died: `count` of each partition. */
async function withLetters (
  cluster: TestCluster, partitions: { jobs: number, dead: number }, replicas: number, count: number,
): Promise<Setting> {
  const client = await cluster.client(1)
  const dead = await createQueue(client, 'dead', partitions.dead, replicas)
  const jobs = await createQueue(client, 'jobs', partitions.jobs, replicas, { 'dead.letter': 'dead' })
  await fill(cluster, jobs, count)
  await rejectAll(cluster, jobs, count * partitions.jobs)
  await settled(cluster, jobs, dead, count * partitions.jobs)
  return { dead, jobs }
}

async function allMoved (cluster: TestCluster, { topicId, partitions }: Queue): Promise<MovedRecord[][]> {
  const moved: MovedRecord[][] = []
  for (let partition = 0; partition < partitions; partition++) moved.push(await movedTo(cluster, topicId, partition))
  return moved
}

const valuesOf = (records: readonly MovedRecord[]): string[] => records.map(({ value }) => value)

/** How many records of a queue are not settled, as its leaders know. */
async function leftIn (cluster: TestCluster, { topicId, partitions }: Queue): Promise<number> {
  let count = 0
  for (let index = 0; index < partitions; index++) {
    const id = await cluster.leader(topicId, () => true, index)
    const partition = cluster.broker(id).services.partitions.find(topicId, index)!
    const queue = partition.queues!.find('')!.turn()
    for (let offset = 0; offset < partition.highWatermark; offset++) {
      if (queue.explain(offset).state !== 'terminal') count++
    }
  }
  return count
}

t.test('Redrive in a cluster: letters go back to the leaders of their queue, in order, whoever is asked', async t => {
  const cluster = await TestCluster.start(t, 3)
  const { dead, jobs } = await withLetters(cluster, { jobs: 6, dead: 5 }, 1, 120)
  const [one, two, three] = [await cluster.client(1), await cluster.client(2), await cluster.client(3)]
  const redriveId = await start(two, dead)
  t.match(await ended(three, redriveId), { state: 'done', examined: 720, matched: 720, moved: 720, message: '' })
  const moved = await allMoved(cluster, jobs)
  t.same(moved.map(valuesOf), Array.from({ length: 6 }, (_, partition) => numbered(partition, 120)))
  t.ok(moved.flat().every(record => record.redriveId === redriveId))
  t.equal(await leftIn(cluster, dead), 0)
  t.match((await one.call('describeRedrives', { redriveIds: [] })).redrives, [{ redriveId, state: 'done', moved: 720 }])
})

t.test('Redrive in a cluster: a dry run, a limit and another target over the leaders of several partitions', async t => {
  const cluster = await TestCluster.start(t, 3)
  const { dead, jobs } = await withLetters(cluster, { jobs: 3, dead: 3 }, 1, 20)
  const client = await cluster.client(2)
  const target = await client.createTopic('elsewhere', 4)
  t.match(await ended(client, await start(client, dead, { dryRun: true })), { state: 'done', matched: 60, moved: 0 })
  t.match(await ended(client, await start(client, dead, { limit: 45, targetTopicId: target })), { state: 'done', moved: 45 })
  const moved = (await allMoved(cluster, { topicId: target, partitions: 4 })).flatMap(valuesOf)
  t.equal(moved.length, 45)
  t.equal(new Set(moved).size, 45)
  t.equal(await leftIn(cluster, dead), 15)
  t.match(await ended(client, await start(client, dead, { partitions: [2] })), { state: 'done', moved: 15, partitions: [2] })
  t.same(valuesOf((await allMoved(cluster, jobs))[2]!).length, 15)
})

t.test('Redrive in a cluster: any broker shows how far it is, and cancels it', async t => {
  const cluster = await TestCluster.start(t, 3)
  const { dead, jobs } = await withLetters(cluster, { jobs: 2, dead: 2 }, 3, 60)
  const clients = [await cluster.client(1), await cluster.client(2), await cluster.client(3)]
  const redriveId = await start(clients[0]!, dead, { recordsPerSecond: 50 })
  for (const client of clients) while ((await described(client, redriveId)).moved < 5) await sleep(10)
  const cancelled = await Promise.all(clients.map(client => client.call('cancelRedrive', { redriveId })))
  const [{ moved }] = cancelled as [typeof cancelled[number]]
  t.ok(moved >= 5 && moved < 120, `${moved}`)
  t.same(cancelled, clients.map(() => ({ state: 'cancelled', moved })))
  t.equal((await allMoved(cluster, jobs)).flat().length, moved, 'it stands still')
  for (const client of clients) t.match(await described(client, redriveId), { state: 'cancelled', moved })
  while (await leftIn(cluster, dead) < 120 - moved) await sleep(20)
  t.match(await ended(clients[1]!, await start(clients[1]!, dead)), { state: 'done', moved: 120 - moved })
  await t.rejects(clients[2]!.call('cancelRedrive', { redriveId: 'none' }), { code: ERROR.UNKNOWN_REDRIVE })
})

t.test('Redrive in a cluster: leaders of both queues move meanwhile, and each letter is moved once and in order', async t => {
  const cluster = await TestCluster.start(t, 3)
  const { dead, jobs } = await withLetters(cluster, { jobs: 3, dead: 2 }, 3, 200)
  const clients = [await cluster.client(1), await cluster.client(2), await cluster.client(3)]
  const redriveId = await start(clients[0]!, dead, { recordsPerSecond: 150 })
  for (const round of [0, 1, 2, 3]) {
    while ((await described(clients[round % 3]!, redriveId)).moved < 100 * round) await sleep(10)
    const queue = round % 2 === 0 ? dead : jobs
    await cluster.depose(queue.topicId, round % queue.partitions)
  }
  const outcome = await ended(clients[0]!, redriveId)
  const moved = await allMoved(cluster, jobs)
  t.same(moved.map(records => valuesOf(records).length), [200, 200, 200])
  t.same(moved.map(valuesOf), [0, 1, 2].map(partition => numbered(partition, 200)))
  t.match(outcome, { state: 'done', moved: 600, matched: 600 })
  t.equal(await leftIn(cluster, dead), 0)
})

t.test('Redrive in a cluster: brokers stop and come back one after the other while it runs', async t => {
  const cluster = await TestCluster.start(t, 3)
  const { dead, jobs } = await withLetters(cluster, { jobs: 3, dead: 3 }, 3, 60)
  const redriveId = await start(await cluster.client(2), dead, { recordsPerSecond: 60 })
  for (const id of [1, 2, 3]) {
    await cluster.stopBroker(id)
    const other = await cluster.client(id % 3 + 1)
    t.match(await described(other, redriveId), { error: 0 }, 'the others know of it')
    await cluster.startBroker(id)
  }
  t.match(await ended(await cluster.client(1), redriveId), { state: 'done', moved: 180 })
  t.same((await allMoved(cluster, jobs)).map(valuesOf), [0, 1, 2].map(partition => numbered(partition, 60)))
})

t.test('Redrive in a cluster: three at once over one queue, whose leaders move, move each letter once', async t => {
  const cluster = await TestCluster.start(t, 3)
  const { dead, jobs } = await withLetters(cluster, { jobs: 2, dead: 2 }, 3, 200)
  const clients = [await cluster.client(1), await cluster.client(2), await cluster.client(3)]
  const ids = await Promise.all(clients.map(client => start(client, dead, { recordsPerSecond: 80 })))
  for (let round = 0; round < 3; round++) {
    await cluster.depose(dead.topicId, round % 2)
  }
  const outcomes = await Promise.all(ids.map((redriveId, index) => ended(clients[index]!, redriveId)))
  t.equal(outcomes.reduce((sum, { moved }) => sum + moved, 0), 400)
  const moved = await allMoved(cluster, jobs)
  t.same(moved.map(records => valuesOf(records).sort()), [0, 1].map(partition => numbered(partition, 200).sort()))
})

t.test('Redrive in a cluster: it waits for a partition without a leader, says so, and ends with its queue', async t => {
  const cluster = await TestCluster.start(t, 3)
  const { dead } = await withLetters(cluster, { jobs: 3, dead: 3 }, 1, 30)
  const client = await cluster.client(1)
  const leaders = await Promise.all([0, 1, 2].map(partition => cluster.leader(dead.topicId, () => true, partition)))
  const waiting = leaders.findIndex(id => id !== 1)
  const partitions = [waiting, ...[0, 1, 2].filter(partition => leaders[partition] !== leaders[waiting])]
  const redriveId = await start(client, dead, { partitions, recordsPerSecond: 20 })
  await cluster.stopBroker(leaders[waiting]!)
  while ((await described(client, redriveId)).message === '') await sleep(10)
  t.match(await described(client, redriveId), { state: 'running', message: /partition dead\/\d of the dead-letter queue has no leader/ })
  await t.rejects(start(client, dead), { code: ERROR.LEADER_NOT_AVAILABLE }, 'what lies there cannot be told')
  await cluster.startBroker(leaders[waiting]!)
  const before = (await described(client, redriveId)).moved
  while ((await described(client, redriveId)).moved <= before) await sleep(10)
  await client.call('deleteTopics', { timeoutMs: 10_000, names: ['dead'] })
  t.match(await ended(client, redriveId), { state: 'failed', message: 'the dead-letter queue was deleted' })
})
