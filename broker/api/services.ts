// What the request handlers work with. broker.ts puts it together.

import type { ClusterAdministration } from '../cluster/cluster-administration.js'
import type { BrokerConfig } from '../config.js'
import type { Topics } from '../control/topics.js'
import type { ClusterView } from '../control/cluster-view.js'
import type { LetterIntake } from '../control/letter-intake.js'
import type { OtherBrokers } from '../control/other-brokers.js'
import type { ProducerIds } from '../control/producer-ids.js'
import type { RedriveIntake } from '../control/redrive-intake.js'
import type { Redrives } from '../control/redrives.js'
import type { ByteBudget } from '../net/byte-budget.js'
import type { Groups } from './groups.js'
import type { QueueSessions } from './queue-sessions.js'
import type { PartitionTable } from '../partition/partition-table.js'
import type { Peers } from '../peer/peers.js'
import type { ReplicaTable } from '../replica-host/replica-table.js'
import type { Clock } from '../runtime/clock.js'
import type { DeadlineQueue } from '../runtime/deadline-queue.js'
import type { Logger } from '../runtime/logger.js'
import type { SlicedQueue } from '../runtime/sliced-queue.js'
import type { EndOfTurn } from '../runtime/turn.js'

export interface BrokerServices {
  readonly config: BrokerConfig
  readonly version: string
  readonly clusterId: string
  readonly brokerId: number
  /** Where clients reach this broker. */
  readonly advertised: { readonly host: string, readonly port: number }
  readonly clock: Clock
  readonly endOfTurn: EndOfTurn
  readonly deadlines: DeadlineQueue
  /** Fetches that were woken and are to look again. */
  readonly wakeUps: SlicedQueue
  readonly logger: Logger
  readonly topics: Topics
  /** What this broker leads: all that there is where it is alone. */
  readonly partitions: PartitionTable
  /** Who the brokers are, and who leads what. */
  readonly view: ClusterView
  /** What it holds of a cluster's partitions; null where it is alone. */
  readonly replicas: ReplicaTable | null
  /** Its connections with the other brokers; null where it is alone. */
  readonly peers: Peers | null
  /** What they are asked for what this one does not lead; null where it is alone. */
  readonly others: OtherBrokers | null
  /** Null where it is alone. */
  readonly administration: ClusterAdministration | null
  readonly groups: Groups
  readonly sessions: QueueSessions
  /** Takes dead letters for what is led here. */
  readonly letters: LetterIntake
  readonly redrives: Redrives
  /** Takes what redrives move to what is led here. */
  readonly redriven: RedriveIntake
  readonly producerIds: ProducerIds
  /** Bytes of fetch responses that are being read or not taken yet, over all connections. */
  readonly unsent: ByteBudget
}
