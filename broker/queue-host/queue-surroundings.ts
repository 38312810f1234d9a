// What queue groups need of the broker around them.

import type { MetaStore, PartitionLog } from '@sluice/storage'
import type { DeadLetter, Random } from '../queue/queue-types.js'
import type { Clock } from '../runtime/clock.js'
import type { DeadlineQueue } from '../runtime/deadline-queue.js'
import type { Logger } from '../runtime/logger.js'
import type { EndOfTurn } from '../runtime/turn.js'

/** Of the broker. */
export interface QueueSurroundings {
  readonly clock: Clock
  readonly endOfTurn: EndOfTurn
  readonly deadlines: DeadlineQueue
  readonly random: Random
  readonly meta: MetaStore
  readonly logger: Logger
}

/** Of the partition whose records are handed out. */
export interface QueuePartition {
  /** For messages: which partition this is. */
  readonly label: string
  readonly topicId: string
  readonly topicName: string
  readonly index: number
  /** What its rows in the meta store begin with. */
  readonly metaKey: Buffer
  readonly leaderEpoch: number
  readonly log: PartitionLog
  readonly highWatermark: number
  /** Asks for a dead letter; `done` runs once, with true when it is committed. Never before the call has returned. */
  appendDeadLetter (group: string, letter: DeadLetter, done: (isCommitted: boolean) => void): void
}
