// Two members of one group that read a topic to its end and commit.

import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Client, type Consumer } from '@sluice/client'
import type { LineAudit } from './line-audit.js'

/** What one member did. */
export interface ReaderResult { readonly partitions: readonly number[], readonly records: number }

const MEMBERS = 2
const JOIN_TIMEOUT_MS = 30_000
/** So long may nothing come before the demo gives up. */
const SILENCE_MS = 60_000

/**
 * Reads until the audit has everything, commits, and leaves the group.
 *
 * @throws Error where nothing comes for a minute; BrokerError.
 */
export async function readThroughGroup (
  address: string, topic: string, group: string, partitions: number, audit: LineAudit, progress: () => void,
): Promise<ReaderResult[]> {
  const clients = Array.from({ length: MEMBERS }, (_, index): Client =>
    connect({ brokers: [address], clientId: `sluice-demo-${index + 1}` }))
  try {
    const consumers = clients.map(client => client.topic(topic).consumer({ group, from: 'earliest', ack: 'explicit' }))
    await join(consumers, partitions)
    const results = await Promise.all(consumers.map(consumer => readToEnd(consumer, audit, progress)))
    // Only now: a member that leaves early would hand its partitions to the other one.
    for (const consumer of consumers) await consumer.close()
    return results
  } finally {
    for (const client of clients) await client.close({ drainTimeoutMs: 0 }).catch(() => {})
  }
}

/** Waits until every member has its share, so that both have something to do. */
async function join (consumers: readonly Consumer[], partitions: number): Promise<void> {
  const deadlineMs = performance.now() + JOIN_TIMEOUT_MS
  await Promise.all(consumers.map(consumer => consumer.lag()))
  const share = Math.floor(partitions / consumers.length)
  while (consumers.some(consumer => consumer.assignment.length < share)) {
    if (performance.now() > deadlineMs) throw new Error('the partitions were not shared out in time')
    await delay(20)
  }
}

async function readToEnd (consumer: Consumer, audit: LineAudit, progress: () => void): Promise<ReaderResult> {
  const partitions = consumer.assignment
  let records = 0
  let lastAtMs = performance.now()
  while (!audit.isComplete) {
    const pulled = await consumer.pull({ maxRecords: 5_000, maxWaitMs: 100 })
    for (const record of pulled) {
      audit.add(record)
      record.ack()
    }
    records += pulled.length
    progress()
    if (pulled.length > 0) lastAtMs = performance.now()
    else if (performance.now() - lastAtMs > SILENCE_MS) {
      throw new Error(`nothing came for ${SILENCE_MS / 1000} s with ${audit.records} records read`)
    }
  }
  await consumer.commit()
  return { partitions, records }
}
