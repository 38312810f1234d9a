// Dead letters in a cluster: they go to whoever leads their queue, and each is there once, whoever fails meanwhile.

import { setTimeout as sleep } from 'node:timers/promises'
import { DEAD_LETTER_HEADER, RecordReader, decodeDeadLetterNote, type DeadLetterNote } from '@sluice/protocol'
import t from 'tap'
import { QueueTestClient } from './queue-test-client.js'
import type { TestClient } from './test-client.js'
import { TestCluster } from './test-cluster.test.double.js'

t.setTimeout(120_000)

interface Queue { readonly topicId: string, readonly partitions: number }

async function createQueue (
  client: TestClient, name: string, partitions: number, replicationFactor: number, config: Record<string, string> = {},
): Promise<Queue> {
  const topics = [{ name, kind: 'queue' as const, partitions, replicationFactor, config }]
  const { topics: [made] } = await client.call('createTopics', { timeoutMs: 10_000, validateOnly: false, topics })
  if (made!.error !== 0) throw new Error(made!.message)
  return { topicId: made!.topicId, partitions }
}

async function idOf (client: TestClient, name: string): Promise<string> {
  return (await client.call('metadata', { topics: [name] })).topics[0]!.topicId
}

/** Sends `count` records to each partition, as often as it takes. */
async function fill (cluster: TestCluster, { topicId, partitions }: Queue, count: number): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    const client = await cluster.client(await cluster.leader(topicId, () => true, partition))
    const { error, message } = await client.produce(topicId, partition, numbered(partition, count))
    if (error !== 0) throw new Error(message)
  }
}

const numbered = (partition: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${partition}-${index}`)

/** Rejects everything, by way of one broker; resolves when that many were. */
async function rejectAll (cluster: TestCluster, queue: Queue, count: number, by = 1): Promise<void> {
  using worker = await QueueTestClient.connect(cluster.broker(by).address.port, queue.topicId, queue)
  for (let rejected = 0; rejected < count;) {
    const leases = await worker.receive(100, 500).catch(() => [])
    if (leases.length === 0) continue
    const answers = await worker.settle('reject', leases, { reason: 'broken' }).catch(() => [])
    rejected += answers.filter(answer => answer === 'ok').length
  }
}

/** A letter, with the partition that holds it. */
interface FoundLetter { readonly note: DeadLetterNote, readonly value: string, readonly at: number }

/** All letters of a queue, as their leaders have them. */
async function lettersIn (cluster: TestCluster, queue: Queue): Promise<FoundLetter[]> {
  const letters: FoundLetter[] = []
  const reader = new RecordReader()
  for (let at = 0; at < queue.partitions; at++) {
    const id = await cluster.leader(queue.topicId, () => true, at)
    const partition = cluster.broker(id).services.partitions.find(queue.topicId, at)
    await partition?.log.replay(0, batch => {
      reader.open(batch)
      while (reader.next()) {
        const header = reader.headers().find(({ name }) => name === DEAD_LETTER_HEADER)
        const note = decodeDeadLetterNote(header?.value ?? null)
        if (note !== null) letters.push({ note, value: reader.value?.toString() ?? '', at })
      }
    })
  }
  return letters
}

/** Resolves when so many letters are there and none waits any more. */
async function settled (cluster: TestCluster, source: Queue, dead: Queue, count: number): Promise<void> {
  for (;;) {
    const pending = await pendingOf(cluster, source)
    if (pending === 0 && (await lettersIn(cluster, dead)).length >= count) return
    await sleep(20)
  }
}

async function pendingOf (cluster: TestCluster, { topicId, partitions }: Queue): Promise<number> {
  const places = Array.from({ length: partitions }, (_, partition) => ({ topicId, partition, group: '' }))
  const id = cluster.brokers.findIndex(broker => broker !== null) + 1
  const { partitions: stats } = await (await cluster.client(id)).call('queueStats', { partitions: places })
  return stats.reduce((sum, { error, deadLetterPending }) => sum + (error === 0 ? deadLetterPending : 1_000), 0)
}

const namesOf = (letters: readonly { note: DeadLetterNote }[]): string[] =>
  letters.map(({ note: { partition, offset } }) => `${partition}/${offset}`).sort()

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
  const jobs = await createQueue(client, 'jobs', 3, 3, { 'dead.letter': 'dead' })
  await fill(cluster, jobs, 200)
  const end = new AbortController()
  const moves = (async () => {
    for (let round = 0; !end.signal.aborted; round++) {
      const queue = round % 2 === 0 ? dead : jobs
      const partition = round % queue.partitions
      for (const { services } of cluster.brokers as NonNullable<typeof cluster.brokers[number]>[]) {
        // As when its disk fails: another one takes over, and it follows.
        if (services.partitions.find(queue.topicId, partition) !== undefined) {
          services.replicas!.find(queue.topicId, partition)!.replica.stepDown()
        }
      }
      await sleep(1_500)
    }
  })()
  await rejectAll(cluster, jobs, 600)
  await settled(cluster, jobs, dead, 600)
  end.abort()
  await moves
  const letters = await lettersIn(cluster, dead)
  t.equal(new Set(namesOf(letters)).size, 600)
  t.equal(letters.length, 600)
})
