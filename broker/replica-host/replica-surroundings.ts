// What replicas need of the broker around them.

import type { PartitionTable } from '../partition/partition-table.js'
import type { Member } from '../replica/member.js'
import type { PromiseStore } from '../replica/promise-store.js'
import type { ReplicaMessage } from '../replica/replica-message.js'
import type { Clock } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'
import type { EndOfTurn } from '../runtime/turn.js'
import type { PartitionPlacements } from './partition-placements.js'

export interface ReplicaSurroundings {
  readonly self: Member
  /** Made at the start of the process. */
  readonly incarnation: string
  /** The start of the operating system. */
  readonly bootId: string
  readonly clock: Clock
  readonly endOfTurn: EndOfTurn
  readonly promises: PromiseStore
  readonly placements: PartitionPlacements
  /** The partitions that this broker leads. */
  readonly partitions: PartitionTable
  readonly logger: Logger
  /** Sends to another broker; may lose it. */
  send (brokerId: number, topicId: string, partition: number, message: ReplicaMessage): void
}
