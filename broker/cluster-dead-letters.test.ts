// Dead letters in a cluster: they go to whoever leads their queue, and each is there once, whoever fails meanwhile.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import {
  createQueue, fill, idOf, killAll, lettersIn, namesOf, pendingOf, rejectAll, settled, type Queue,
} from './cluster-queues.test.double.js'
import { TestCluster } from './test-cluster.test.double.js'

t.setTimeout(120_000)

t.test('Dead letters in a cluster: each goes to the leader of its partition, once', async t => {
  const cluster = await TestCluster.start(t, 3)
  const client = await cluster.client(1)
  // With one replica each, and other numbers of partitions, most letters go to another broker.
  const dead = await createQueue(client, 'dead', 5, 1)
  const jobs = await createQueue(client, 'jobs', 6, 1, { 'dead.letter': 'dead' })
  await fill(cluster, jobs, 40)
  await rejectAll(cluster, jobs, 240)
  await settled(cluster, jobs, dead, 240)
  const letters = await lettersIn(cluster, dead)
  t.equal(letters.length, 240)
  t.equal(new Set(namesOf(letters)).size, 240)
  t.ok(letters.every(({ note, at, value }) => at === note.partition % 5 && value === `${note.partition}-${note.offset}`))
  const leadersOf = ({ topicId }: Queue): Promise<number[]> =>
    Promise.all([0, 1, 2, 3, 4].map(partition => cluster.leader(topicId, () => true, partition)))
  const [leaders, sources] = [await leadersOf(dead), await leadersOf(jobs)]
  t.ok(leaders.some((leader, partition) => leader !== sources[partition]), 'some had to go to another broker')
  const [explanation] = (await client.call('explainRecords', {
    targets: [{ topicId: jobs.topicId, partition: 5, group: '', offset: 7, lane: -1, dedupId: null }],
  })).results
  t.match(explanation, { state: 'terminal', cause: 'dead', deadLetter: { topicId: dead.topicId, partition: 0 } })
})

t.test('Dead letters in a cluster: a queue for them is made where there is none, by one of the brokers', async t => {
  const cluster = await TestCluster.start(t, 3)
  const client = await cluster.client(1)
  const jobs = await createQueue(client, 'jobs', 6, 1, { 'dead.letter': 'made' })
  await fill(cluster, jobs, 5)
  await rejectAll(cluster, jobs, 30)
  while (await pendingOf(cluster, jobs) > 0) await sleep(20)
  const dead = { topicId: await idOf(client, 'made'), partitions: 6 }
  const letters = await lettersIn(cluster, dead)
  t.equal(letters.length, 30)
  t.equal(new Set(namesOf(letters)).size, 30)
})

t.test('Dead letters in a cluster: one whose leader is gone waits, says why, and is stored once when it is back', async t => {
  const cluster = await TestCluster.start(t, 3)
  const client = await cluster.client(1)
  const dead = await createQueue(client, 'dead', 3, 1)
  const leaders = await Promise.all([0, 1, 2].map(partition => cluster.leader(dead.topicId, () => true, partition)))
  const waiting = leaders.findIndex(id => id !== 1)
  const gone = leaders[waiting]!
  const affected = 4 * leaders.filter(id => id === gone).length
  const jobs = await createQueue(client, 'jobs', 3, 3, { 'dead.letter': 'dead' })
  await fill(cluster, jobs, 4)
  await cluster.stopBroker(gone)
  for (let partition = 0; partition < 3; partition++) await cluster.leader(jobs.topicId, id => id !== gone, partition)
  await rejectAll(cluster, jobs, 12)
  while (await pendingOf(cluster, jobs) > affected) await sleep(20)
  const target = { topicId: jobs.topicId, partition: waiting, group: '', offset: 0, lane: -1, dedupId: null }
  const explained = async () => (await client.call('explainRecords', { targets: [target] })).results[0]!
  while ((await explained()).message === '') await sleep(20)
  t.match(await explained(), { error: 0, state: 'deadLetterPending', message: /dead\/\d has no leader|could not be asked/ })
  t.equal(await pendingOf(cluster, jobs), affected, 'the others did not wait for it')
  await cluster.startBroker(gone)
  await settled(cluster, jobs, dead, 12)
  const letters = await lettersIn(cluster, dead)
  t.equal(letters.length, 12)
  t.equal(new Set(namesOf(letters)).size, 12)
})

t.test('Dead letters in a cluster: leaders of both sides move while letters are on their way, and each is there once', async t => {
  const cluster = await TestCluster.start(t, 3)
  const client = await cluster.client(1)
  const dead = await createQueue(client, 'dead', 2, 3)
  const jobs = await createQueue(client, 'jobs', 3, 3, { 'dead.letter': 'dead', 'visibility.ms': '1000' })
  await fill(cluster, jobs, 200)
  const killed = killAll(cluster, jobs, dead, 600)
  for (const round of [0, 1, 2, 3]) {
    const queue = round % 2 === 0 ? dead : jobs
    await cluster.depose(queue.topicId, round % queue.partitions)
    await sleep(100)
  }
  await killed
  const letters = await lettersIn(cluster, dead)
  t.equal(new Set(namesOf(letters)).size, 600)
  t.equal(letters.length, 600)
})
