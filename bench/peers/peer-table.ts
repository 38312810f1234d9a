// What a user would pick in place of Sluice: servers, how they are set, how they are driven, and what their word that a
// record is stored is worth.
//
// Each is driven by the Node.js library that its documentation names, with the calls that are meant for speed, and with
// as much under way as it gains from. Where a setting trades durability for speed, both are in the table.

import type { Workload } from '../workload.js'

/** What an acknowledgement is worth, in a few words, and whether it is given after a sync. */
export interface Durability { readonly means: string, readonly isSynced: boolean }

/** What is known of a setting of a server. */
export interface Peer {
  /** As it stands in the tables. */
  readonly title: string
  /** Which server is started, and how it is set. */
  readonly server: PeerServerSettings
  /** Which client works on it. */
  readonly client: PeerClientName
  /** What the acknowledgement of a record that was sent means. */
  readonly stored: Durability
  /** What that of a record means that was taken from a queue. */
  readonly settled?: Durability
  /** It can be a cluster that acknowledges a record when a majority has it. */
  readonly isReplicated?: boolean
  /** Workloads that it has no use for are left out. */
  readonly workloads: readonly Workload['name'][]
  /** Records of one call of the driver, and calls under way, where records are sent as fast as they go. */
  readonly send: { readonly records: number, readonly calls: number }
}

export type PeerServerSettings =
  | { readonly kind: 'nats', readonly syncAlways: boolean }
  | { readonly kind: 'redis', readonly appendFsync: 'everysec' | 'always' }
  | { readonly kind: 'rabbitmq' }
  | { readonly kind: 'beanstalkd', readonly fsyncMs: number }

export type PeerClientName =
  'jetstream' | 'redis-stream' | 'rabbitmq-stream' | 'rabbitmq-sub-batches' | 'rabbitmq-quorum' | 'bullmq' | 'beanstalkd'

const LOG_AND_QUEUE = ['produce', 'fetch', 'queue', 'e2e'] as const
const LOG = ['produce', 'fetch', 'e2e'] as const
const QUEUE = ['produce', 'queue', 'e2e'] as const

export const PEERS = {
  jetstream: {
    title: 'NATS JetStream',
    server: { kind: 'nats', syncAlways: false },
    client: 'jetstream',
    stored: { means: 'page cache, synced every 2 min', isSynced: false },
    settled: { means: 'acks are not confirmed', isSynced: false },
    isReplicated: true,
    workloads: LOG_AND_QUEUE,
    send: { records: 500, calls: 8 },
  },
  'jetstream-always': {
    title: 'NATS JetStream, sync always',
    server: { kind: 'nats', syncAlways: true },
    client: 'jetstream',
    stored: { means: 'synced before the ack', isSynced: true },
    settled: { means: 'acks are not confirmed', isSynced: false },
    isReplicated: true,
    workloads: LOG_AND_QUEUE,
    send: { records: 500, calls: 8 },
  },
  'rabbitmq-stream': {
    title: 'RabbitMQ stream',
    server: { kind: 'rabbitmq' },
    client: 'rabbitmq-stream',
    stored: { means: 'page cache, never synced', isSynced: false },
    workloads: LOG,
    send: { records: 1_000, calls: 8 },
  },
  'rabbitmq-sub-batches': {
    title: 'RabbitMQ stream, sub-batches of 100',
    server: { kind: 'rabbitmq' },
    client: 'rabbitmq-sub-batches',
    stored: { means: 'page cache, never synced', isSynced: false },
    workloads: ['produce', 'fetch'],
    send: { records: 1_000, calls: 8 },
  },
  'rabbitmq-quorum': {
    title: 'RabbitMQ quorum queue',
    server: { kind: 'rabbitmq' },
    client: 'rabbitmq-quorum',
    stored: { means: 'synced before the confirm', isSynced: true },
    settled: { means: 'acks are not confirmed', isSynced: false },
    isReplicated: true,
    workloads: QUEUE,
    send: { records: 500, calls: 4 },
  },
  'redis-everysec': {
    title: 'Redis stream, everysec',
    server: { kind: 'redis', appendFsync: 'everysec' },
    client: 'redis-stream',
    stored: { means: 'page cache, synced every second', isSynced: false },
    settled: { means: 'acks synced every second', isSynced: false },
    workloads: LOG_AND_QUEUE,
    send: { records: 500, calls: 4 },
  },
  'redis-always': {
    title: 'Redis stream, always',
    server: { kind: 'redis', appendFsync: 'always' },
    client: 'redis-stream',
    stored: { means: 'synced before the reply', isSynced: true },
    settled: { means: 'acks synced before the reply', isSynced: true },
    workloads: LOG_AND_QUEUE,
    send: { records: 500, calls: 4 },
  },
  bullmq: {
    title: 'BullMQ on Redis everysec',
    server: { kind: 'redis', appendFsync: 'everysec' },
    client: 'bullmq',
    stored: { means: 'page cache, synced every second', isSynced: false },
    settled: { means: 'acks synced every second', isSynced: false },
    workloads: QUEUE,
    send: { records: 200, calls: 4 },
  },
  beanstalkd: {
    title: 'beanstalkd',
    server: { kind: 'beanstalkd', fsyncMs: 50 },
    client: 'beanstalkd',
    stored: { means: 'page cache, synced every 50 ms', isSynced: false },
    settled: { means: 'deletes synced every 50 ms', isSynced: false },
    workloads: QUEUE,
    send: { records: 100, calls: 8 },
  },
  'beanstalkd-always': {
    title: 'beanstalkd -f 0',
    server: { kind: 'beanstalkd', fsyncMs: 0 },
    client: 'beanstalkd',
    stored: { means: 'synced before the reply', isSynced: true },
    settled: { means: 'deletes synced before the reply', isSynced: true },
    workloads: QUEUE,
    send: { records: 100, calls: 8 },
  },
} as const satisfies Readonly<Record<string, Peer>>

export type PeerName = keyof typeof PEERS
export const PEER_NAMES = Object.keys(PEERS) as PeerName[]

/** A server that runs, as the driver finds it. */
export interface PeerTarget {
  readonly kind: 'peer'
  readonly peer: PeerName
  /** On 127.0.0.1. */
  readonly port: number
  /** Servers of a cluster, each of which has a replica; 1: a server by itself. */
  readonly replicas: number
  /** Folder with the libraries. */
  readonly libraries: string
}

export function peerOf (name: PeerName): Peer { return PEERS[name] }
