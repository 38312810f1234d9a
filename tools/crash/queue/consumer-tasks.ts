// The two ways in which a process consumes a queue through the client, each with a journal of all it does.

import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError, string, type Client, type LeasedRecord, type Queue } from '@sluice/client'
import { lanesOf, meetFate, meetInOrder, type Manner } from './fate.js'
import type { Journal } from './journal.js'
import { JournaledRecord } from './journaled-record.js'

/** What one process does with one queue. */
export interface ConsumerTask {
  readonly queue: string
  /** `work`: handlers, leases kept by a session. `receive`: batches, leases by time. */
  readonly way: 'work' | 'receive'
  readonly isOrdered: boolean
  readonly concurrency: number
}

const RETRY_MS = 30
const WAIT_MS = 400

/** Consumes until the client is closed. */
export async function consume (
  client: Client, task: ConsumerTask, journal: Journal, manner: Manner, stopping: AbortSignal,
): Promise<void> {
  const { random } = manner
  const queue = client.queue(task.queue, { key: string(), value: string() })
  if (task.way === 'work') return await work(queue, task, journal, manner, stopping)
  for (let call = 0; !stopping.aborted; call++) {
    try {
      journal.write({ step: 'receiving', queue: task.queue, call })
      const maxRecords = random.between(1, task.concurrency + 1)
      const records = await queue.receive({ maxRecords, waitMs: WAIT_MS, signal: stopping })
      const leased = records.map(record => new JournaledRecord(journal, record, call))
      await Promise.all(lanesOf(leased, task.isOrdered).map(lane => meetInOrder(lane, manner)))
    } catch (error) {
      if (stopping.aborted) return
      if (!BrokerError.is(error) || !error.retriable) throw error
      await delay(RETRY_MS)
    }
  }
}

async function work (
  queue: Queue<string, string>, task: ConsumerTask, journal: Journal, manner: Manner, stopping: AbortSignal,
): Promise<void> {
  const handler = async (record: LeasedRecord<string, string>): Promise<void> => {
    const leased = new JournaledRecord(journal, record, null)
    // The client's own words at times: a return is an ack, a throw a nack.
    const drawn = manner.random.next()
    if (drawn < 0.05) {
      leased.leaveToClient('nack')
      throw new Error('drawn')
    }
    if (drawn < 0.3) return leased.leaveToClient('ack')
    if (await meetFate(leased, manner) !== 'left') return
    leased.leaveToClient('nack')
    throw new Error('drawn: it hung')
  }
  stopping.addEventListener('abort', () => { queue.close().catch(() => {}) }, { once: true })
  while (!stopping.aborted) {
    try {
      await queue.work(handler, { concurrency: task.concurrency })
    } catch (error) {
      if (stopping.aborted) return
      if (!BrokerError.is(error) || !error.retriable) throw error
      await delay(RETRY_MS)
    }
  }
}
