// The workload of queues: records that wait, are handed out and acknowledged.

/** What keeps its order in the queue. */
export const QUEUE_ORDERS = ['none', 'key'] as const
export type QueueOrder = typeof QUEUE_ORDERS[number]

export interface QueueWorkload {
  readonly name: 'queue'
  /** Bytes of a value, 8 or more: with a rate, the number of the record is in it. */
  readonly size: number
  readonly partitions: number
  readonly order: QueueOrder
  /** Keys that records have, in turn; 0 for none. */
  readonly keys: number
  /** Records of one `receive`. The bare loop acknowledges after so many. */
  readonly receiveRecords: number
  /** Callers of `receive` at once; each waits for its acknowledgements before it asks again. */
  readonly receivers: number
  /** Handlers of `work` at once, in place of `receive`; null for `receive`. */
  readonly concurrency: number | null
  /** Records that wait at the start; while fewer than half of them wait, more are sent by the same process. */
  readonly backlog: number
  /** Handlers hang with every so many records, for the whole visibility time; null for none. */
  readonly hangEvery: number | null
  /** Visibility time of the queue, in milliseconds. */
  readonly visibilityMs: number
  /** Records a second sent to a queue that is empty, for the latency up to the handler; null to empty a backlog. */
  readonly rate: number | null
}

/** Receives at once that the bare loop does in place of `work`. */
const BARE_RECEIVERS = 4

export function bareReceivers ({ concurrency, receivers }: QueueWorkload): number {
  return concurrency === null ? receivers : BARE_RECEIVERS
}
