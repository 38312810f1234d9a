// Queues of a cluster under test: filled, given up, and looked at where they are led.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  DEAD_LETTER_HEADER, REDRIVE_HEADER, RecordReader, decodeDeadLetterNote, decodeRedriveNote, type DeadLetterNote,
} from '@sluice/protocol'
import { QueueTestClient } from './queue-test-client.js'
import type { TestClient } from './test-client.js'
import type { TestCluster } from './test-cluster.test.double.js'

export interface Queue { readonly topicId: string, readonly partitions: number }

export async function createQueue (
  client: TestClient, name: string, partitions: number, replicationFactor: number, config: Record<string, string> = {},
): Promise<Queue> {
  const topics = [{ name, kind: 'queue' as const, partitions, replicationFactor, config }]
  const { topics: [made] } = await client.call('createTopics', { timeoutMs: 10_000, validateOnly: false, topics })
  if (made!.error !== 0) throw new Error(made!.message)
  return { topicId: made!.topicId, partitions }
}

export async function idOf (client: TestClient, name: string): Promise<string> {
  return (await client.call('metadata', { topics: [name] })).topics[0]!.topicId
}

/** Sends `count` records to each partition, as often as it takes. */
export async function fill (cluster: TestCluster, { topicId, partitions }: Queue, count: number): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    const client = await cluster.client(await cluster.leader(topicId, () => true, partition))
    const { error, message } = await client.produce(topicId, partition, numbered(partition, count))
    if (error !== 0) throw new Error(message)
  }
}

export const numbered = (partition: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${partition}-${index}`)

/** Rejects everything, by way of one broker; resolves when that many were. */
export async function rejectAll (cluster: TestCluster, queue: Queue, count: number, by = 1): Promise<void> {
  using worker = await QueueTestClient.connect(cluster.broker(by).address.port, queue.topicId, queue)
  for (let rejected = 0; rejected < count;) {
    const leases = await worker.receive(100, 500).catch(() => [])
    if (leases.length === 0) continue
    const answers = await worker.settle('reject', leases, { reason: 'broken' }).catch(() => [])
    rejected += answers.filter(answer => answer === 'ok').length
  }
}

/** A letter, with the partition that holds it. */
export interface FoundLetter { readonly note: DeadLetterNote, readonly value: string, readonly at: number }

/** All letters of a queue, as their leaders have them. */
export async function lettersIn (cluster: TestCluster, queue: Queue): Promise<FoundLetter[]> {
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

/**
 * Rejects everything while leaders move, so that answers get lost and leases too: `visibility.ms` has to be short.
 * Resolves when so many letters are there and none waits any more.
 */
export async function killAll (cluster: TestCluster, source: Queue, dead: Queue, count: number): Promise<void> {
  for (;;) {
    try {
      using worker = await QueueTestClient.connect(cluster.broker(1).address.port, source.topicId,
        { ...source, leases: 'visibility' })
      for (;;) {
        const leases = await worker.receive(100, 200)
        if (leases.length > 0) await worker.settle('reject', leases, { reason: 'broken', timeoutMs: 1_000 })
        else if (await pendingOf(cluster, source) === 0 && (await lettersIn(cluster, dead)).length >= count) return
      }
    } catch {
      await sleep(20) // a leader has gone
    }
  }
}

/** Resolves when so many letters are there and none waits any more. */
export async function settled (cluster: TestCluster, source: Queue, dead: Queue, count: number): Promise<void> {
  for (;;) {
    const pending = await pendingOf(cluster, source)
    if (pending === 0 && (await lettersIn(cluster, dead)).length >= count) return
    await sleep(20)
  }
}

export async function pendingOf (cluster: TestCluster, { topicId, partitions }: Queue): Promise<number> {
  const places = Array.from({ length: partitions }, (_, partition) => ({ topicId, partition, group: '' }))
  const id = cluster.brokers.findIndex(broker => broker !== null) + 1
  const { partitions: stats } = await (await cluster.client(id)).call('queueStats', { partitions: places })
  return stats.reduce((sum, { error, deadLetterPending }) => sum + (error === 0 ? deadLetterPending : 1_000), 0)
}

export const namesOf = (letters: readonly { note: DeadLetterNote }[]): string[] =>
  letters.map(({ note: { partition, offset } }) => `${partition}/${offset}`).sort()

/** A record that was moved. */
export interface MovedRecord { readonly value: string, readonly redriveId: string }

/** What redrives have moved to a partition, in order, as its leader has it. */
export async function movedTo (cluster: TestCluster, topicId: string, partition: number): Promise<MovedRecord[]> {
  const moved: MovedRecord[] = []
  const reader = new RecordReader()
  const id = await cluster.leader(topicId, () => true, partition)
  await cluster.broker(id).services.partitions.find(topicId, partition)?.log.replay(0, batch => {
    reader.open(batch)
    while (reader.next()) {
      const header = reader.headers().find(({ name }) => name === REDRIVE_HEADER)
      const note = decodeRedriveNote(header?.value ?? null)
      if (note !== null) moved.push({ value: reader.value!.toString(), redriveId: note.redriveId })
    }
  })
  return moved
}
