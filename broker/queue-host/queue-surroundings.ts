// What queue groups need of the broker around them.

import type { MetaStore, PartitionLog } from '@sluice/storage'
import type { Random } from '../queue/queue-types.js'
import type { Clock } from '../runtime/clock.js'
import type { DeadlineQueue } from '../runtime/deadline-queue.js'
import type { Logger } from '../runtime/logger.js'
import type { EndOfTurn } from '../runtime/turn.js'
import type { DeadLetterSink } from './dead-letter-sink.js'
import type { ReadBudget } from './read-budget.js'

/** Of the broker. */
export interface QueueSurroundings {
  readonly clock: Clock
  readonly endOfTurn: EndOfTurn
  readonly deadlines: DeadlineQueue
  readonly random: Random
  readonly meta: MetaStore
  readonly logger: Logger
  readonly readBudget: ReadBudget
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
  /** Everything below is committed, and durable here. */
  readonly settledOffset: number
  readonly deadLetterSink: DeadLetterSink
}
