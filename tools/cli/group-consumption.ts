// Printing as a member of a group.
//
//   pull ─▶ print ─▶ write out ─▶ acknowledge ─▶ pull …        committed: in intervals, when idle, at the end
//
// With `exit` it stops when the *group* has passed what was the end of the topic at the start, whoever of its members
// did it. So a member that finds all partitions taken does not end early: if the one that has them dies, it gets them.
//
// Invariant: an offset is committed only after everything below it was written out.

import type { Client, Consumer } from '@sluice/client'
import type { RecordPrinting } from './record-printing.js'
import type { StartPosition } from './start-position.js'

export interface GroupOptions {
  readonly group: string
  readonly instance?: string
  /** Where to begin in partitions in which the group has no offset; the first record held where left out. */
  readonly offset?: StartPosition
  /** Stop when the group has passed what is the end now. */
  readonly exit?: boolean
}

/** Records in one pull: few enough that a stop is quick. */
const PULL_RECORDS_MAX = 10_000
/** How long a pull waits for records before the end is looked for. */
const PULL_WAIT_MS = 200

/** Prints until the end, the count, an abort, or until nobody reads any more; then commits and leaves the group. */
export async function consumeGroup (
  client: Client, topic: string, options: GroupOptions, printing: RecordPrinting, signal: AbortSignal,
): Promise<void> {
  const from = options.offset ?? 'earliest'
  const goal = options.exit === true ? await goalOf(client, topic, from) : null
  const consumer = client.topic(topic).consumer({
    group: options.group, instanceId: options.instance, from, ack: 'explicit',
  })
  printing.start()
  try {
    await printRecords(consumer, printing, signal, async () => {
      if (goal === null) return false
      await commitAll(consumer, signal)
      return await isReached(client, topic, options.group, goal)
    })
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await printing.end()
    await consumer.close()
  }
}

async function printRecords (
  consumer: Consumer, printing: RecordPrinting, signal: AbortSignal, isAtEnd: () => Promise<boolean>,
): Promise<void> {
  while (!printing.done && !signal.aborted) {
    const maxRecords = Math.min(PULL_RECORDS_MAX, printing.left)
    const records = await consumer.pull({ maxRecords, maxWaitMs: PULL_WAIT_MS, signal })
    for (const record of records) {
      printing.print(record)
      if (printing.isFull && !await printing.flush()) return
    }
    if (!await printing.flush()) return
    for (const record of records) record.ack()
    if (records.length < maxRecords && await isAtEnd()) return
  }
}

/** Commits what was printed, and past offsets without records: those of compacted ones, at the end of a partition. */
async function commitAll (consumer: Consumer, signal: AbortSignal): Promise<void> {
  await consumer.lag({ signal })
  await consumer.commit()
}

/** Offsets that the group has to reach, by partition. Partitions where there is nothing to read are left out. */
async function goalOf (client: Client, topic: string, from: StartPosition): Promise<Map<number, number>> {
  const { partitions } = await client.admin.describeTopic(topic)
  const starts = new Map<number, number>()
  if (typeof from === 'string' || from instanceof Date || typeof from === 'object') {
    for (const { partition, offset } of await client.admin.listOffsets(topic, from)) starts.set(partition, offset)
  } else {
    for (const { partition, highWatermark } of partitions) starts.set(partition, from < 0 ? highWatermark + from : from)
  }
  const goal = new Map<number, number>()
  for (const { partition, logStartOffset, highWatermark } of partitions) {
    if (Math.max(starts.get(partition)!, logStartOffset) < highWatermark) goal.set(partition, highWatermark)
  }
  return goal
}

async function isReached (
  client: Client, topic: string, group: string, goal: ReadonlyMap<number, number>,
): Promise<boolean> {
  if (goal.size === 0) return true
  const offsets = await client.admin.offsets(group, topic)
  const committed = new Map(offsets.map(({ partition, offset }) => [partition, offset]))
  for (const [partition, end] of goal) if ((committed.get(partition) ?? 0) < end) return false
  return true
}
