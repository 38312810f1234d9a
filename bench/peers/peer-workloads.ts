// The work that Sluice and every peer do: the loads of the other subcommands, in the settings that suit each best.

import type { QueueWorkload } from '../queue-workload.js'
import { PLAIN_PRODUCE, type BareWorkload, type EndToEndWorkload, type FetchWorkload } from '../workload.js'

/** Records that wait to be fetched, or to be received. */
const FETCH_BACKLOG = 200_000
const QUEUE_BACKLOG = 100_000
/** Handlers of `work` at once. */
const HANDLERS = 1_000

export const PEER_WORKLOADS = {
  'produce-100': PLAIN_PRODUCE,
  'produce-1024': { ...PLAIN_PRODUCE, size: 1_024 },
  'fetch-100': fetch(100),
  'fetch-1024': fetch(1_024),
  'queue-100': queue(100),
  'queue-1024': queue(1_024),
  'e2e-1000': endToEnd(1_000),
  'e2e-10000': endToEnd(10_000),
} as const satisfies Readonly<Record<string, BareWorkload>>

export type PeerWorkloadName = keyof typeof PEER_WORKLOADS
export const PEER_WORKLOAD_NAMES = Object.keys(PEER_WORKLOADS) as PeerWorkloadName[]

/** The same queue, emptied by handlers in place of callers of `receive`. */
export function withHandlers (workload: QueueWorkload): QueueWorkload {
  return { ...workload, concurrency: HANDLERS }
}

/** A workload in a few words. */
export function peerWorkloadTitle (name: PeerWorkloadName): string {
  const workload: BareWorkload = PEER_WORKLOADS[name]
  const size = `${workload.size.toLocaleString('en-US')} B`
  switch (workload.name) {
    case 'produce': return `produce ${size}`
    case 'fetch': return `fetch a backlog ${size}`
    case 'queue': return `receive and acknowledge ${size}`
    default: return `end to end ${size} at ${(workload as EndToEndWorkload).rate.toLocaleString('en-US')}/s`
  }
}

function fetch (size: number): FetchWorkload {
  return { name: 'fetch', size, batch: 1_000, backlog: FETCH_BACKLOG, partitions: 1, depth: 'batches' }
}

function queue (size: number): QueueWorkload {
  return {
    name: 'queue',
    size,
    partitions: 1,
    order: 'none',
    keys: 0,
    receiveRecords: 100,
    receivers: 16,
    concurrency: null,
    backlog: QUEUE_BACKLOG,
    hangEvery: null,
    visibilityMs: 30_000,
    rate: null,
  }
}

function endToEnd (rate: number): EndToEndWorkload {
  return { name: 'e2e', size: 1_024, rate, flush: 'sync' }
}
