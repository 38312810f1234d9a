// What a cluster keeps in its control store beside topics and partitions.
//
//   /cluster                   → ClusterRecord     written once
//   /brokers/<id>              → BrokerRecord      on the lease of that broker: there while it lives, and a bit longer
//   /controller                → ControllerRecord  on the lease of the broker that decides
//   /suspicions/<id>/<by>      → Suspicion         on the lease of `by`: cannot reach broker `id`
//   /moves/<topicId>/<number>  → ReplicaMove       what somebody asked for and is not done yet
//   /drains/<id>               → DrainRecord       the broker takes no new replicas
//   /drains/changed            → DrainRecord       written with each drain that begins or ends
//   /deleted-topics/<topicId>  → DeletedTopic      so that brokers delete files because they are told to, never because
//                                                  something is missing: an empty control store deletes nothing

import type { ControlChange } from '../control/control-store.js'
import type { StorageTrouble } from '../replica-host/storage-watch.js'

export interface ClusterRecord {
  /** A UUID. */
  readonly clusterId: string
}

/** A broker that is there. */
export interface BrokerRecord {
  readonly brokerId: number
  /** Drawn at the start of the process. */
  readonly incarnation: string
  /** Names its store: with the id, the member that it is of partitions. */
  readonly storeId: string
  /** Where other brokers reach it. */
  readonly host: string
  readonly port: number
  /** Where clients do; left out where that is the same. */
  readonly clients?: { readonly host: string, readonly port: number }
  /** '' where it has none. */
  readonly rack: string
  /** Its share of replicas, in proportion to that of the others; above 0. */
  readonly capacity: number
  /** Milliseconds since 1970-01-01 UTC. */
  readonly startedAt: number
  readonly version: string
  /** What is wrong with its disk; left out where nothing is. It leads only where nobody else can. */
  readonly impaired?: StorageTrouble
}

/** The broker that decides for all. */
export interface ControllerRecord { readonly brokerId: number, readonly incarnation: string }

/** One broker says of another that it is gone. */
export interface Suspicion {
  /** The process that is meant: it says nothing about the next one. */
  readonly incarnation: string
  /** The process that says so. */
  readonly byIncarnation: string
}

/** Who is to hold a partition. */
export interface ReplicaMove {
  /** Brokers; the first is to lead. */
  readonly replicas: readonly number[]
  /** Milliseconds since 1970-01-01 UTC. */
  readonly askedAt: number
}

export interface DrainRecord {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly since: number
}

export interface DeletedTopic {
  readonly name: string
  readonly partitions: number
  /** Milliseconds since 1970-01-01 UTC. */
  readonly deletedAt: number
}

export const CLUSTER_KEY = '/cluster'
export const BROKER_PREFIX = '/brokers/'
export const CONTROLLER_KEY = '/controller'
export const SUSPICION_PREFIX = '/suspicions/'
export const MOVE_PREFIX = '/moves/'
export const DRAIN_PREFIX = '/drains/'
export const DELETED_TOPIC_PREFIX = '/deleted-topics/'

export function brokerKey (brokerId: number): string { return BROKER_PREFIX + brokerId }

export function suspicionKey (suspect: number, by: number): string { return `${SUSPICION_PREFIX}${suspect}/${by}` }

export function moveKey (topicId: string, partition: number): string { return `${MOVE_PREFIX}${topicId}/${partition}` }

/** Changes with every drain that begins or ends: who places something there guards it with the revision of this. */
export const DRAINS_CHANGED = 'changed'

export const DRAINS_CHANGED_KEY = DRAIN_PREFIX + DRAINS_CHANGED

/** A drain begins, or ends. The mark comes last: who has seen it has seen the drain. */
export function drainChanges (brokerId: number, isDraining: boolean, since: number): ControlChange[] {
  const drain: DrainRecord = { since }
  return [
    { key: DRAIN_PREFIX + brokerId, value: isDraining ? drain : null },
    { key: DRAINS_CHANGED_KEY, value: drain },
  ]
}

export function deletedTopicKey (topicId: string): string { return DELETED_TOPIC_PREFIX + topicId }
