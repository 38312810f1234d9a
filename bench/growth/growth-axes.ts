// Along what the cost of a record is measured. Each axis has some lines, each a workload that has the axis as its size.

import type { QueueWorkload } from '../queue-workload.js'
import { PLAIN_PRODUCE, type MessagingWorkload, type Workload } from '../workload.js'

/** A line of a plot. */
export interface GrowthLine { readonly label: string, workloadAt (level: number): Workload }

/** An axis: one plot. */
export interface GrowthAxis {
  readonly title: string
  /** Whole numbers, rising. */
  readonly levels: readonly number[]
  readonly lines: readonly GrowthLine[]
}

const RECORD_BYTES = 100
/** Records of one receive at most; more in flight are more receives. */
const RECEIVE_RECORDS = 100

const QUEUE: QueueWorkload = {
  name: 'queue',
  size: RECORD_BYTES,
  partitions: 1,
  order: 'none',
  keys: 0,
  receiveRecords: RECEIVE_RECORDS,
  receivers: 16,
  concurrency: null,
  backlog: 200_000,
  hangEvery: null,
  visibilityMs: 30_000,
  rate: null,
}

const MESSAGING: MessagingWorkload = {
  name: 'messaging',
  topics: 1,
  partitionsPerTopic: 1,
  size: RECORD_BYTES,
  keys: 'none',
  producersPerTopic: 1,
  subscriptionsPerTopic: 1,
  consumersPerSubscription: 1,
  rate: 1_000,
  flush: 'sync',
}

export const GROWTH_AXES = {
  records: {
    title: 'records in the log',
    levels: [10_000, 100_000, 1_000_000, 10_000_000],
    lines: [
      {
        label: 'fetch',
        workloadAt: backlog => ({ name: 'fetch', size: RECORD_BYTES, batch: 1_000, backlog, partitions: 1, depth: 'batches' }),
      },
      { label: 'receive, ack', workloadAt: backlog => ({ ...QUEUE, backlog }) },
    ],
  },
  partitions: {
    title: 'partitions',
    levels: [1, 10, 100, 1_000],
    lines: [{ label: 'produce', workloadAt: partitions => ({ ...PLAIN_PRODUCE, partitions }) }],
  },
  connections: {
    title: 'connections',
    levels: [1, 10, 100],
    lines: [{ label: 'produce', workloadAt: connections => ({ ...PLAIN_PRODUCE, connections }) }],
  },
  groups: {
    title: 'groups that each read all of 1,000 records a second',
    levels: [1, 4, 16, 64],
    lines: [{ label: 'deliver', workloadAt: subscriptionsPerTopic => ({ ...MESSAGING, subscriptionsPerTopic }) }],
  },
  'in-flight': {
    title: 'records in flight',
    levels: [1, 16, 256, 4_096],
    lines: [
      {
        label: 'await send',
        workloadAt: concurrency => ({ name: 'await-send', size: RECORD_BYTES, concurrency, flush: 'sync' }),
      },
      {
        label: 'receive, ack',
        workloadAt: level => ({
          ...QUEUE, receiveRecords: Math.min(level, RECEIVE_RECORDS), receivers: Math.ceil(level / RECEIVE_RECORDS),
        }),
      },
    ],
  },
} as const satisfies Record<string, GrowthAxis>

export type GrowthAxisName = keyof typeof GROWTH_AXES
export const GROWTH_AXIS_NAMES = Object.keys(GROWTH_AXES) as GrowthAxisName[]

/** How often each record of a workload is handed out or taken in: what is counted as a record here. */
export function deliveriesPerRecord (workload: Workload): number {
  return workload.name === 'messaging' ? workload.subscriptionsPerTopic : 1
}
