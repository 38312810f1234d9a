// Dead letters for partitions that this broker leads, from whoever leads the queues in which they died: each is stored
// once, however often it is asked for.
//
//   ask ─▶ in its turn? ─▶ led here? ─▶ might an earlier leader have it? ─ yes ─▶ read the log from the death on
//                                                │ no                                   │
//                                                ▼                                      ▼
//                                              known? ─ yes ─▶ wait until it is committed ─▶ its offset
//                                                └ no ─▶ append, remember ───▲
//
// **Once.** What was stored in this leadership is remembered (DeadLetterIndex) until the source asks for it no more;
// what was stored before is found in the log. An ask that was given up, or comes from a leader that was deposed, could
// come after that: it is out of its turn (AskOrder), or its epoch is below the one that the metadata knows, or, at a
// process that has just begun to lead, the log has the letter.

import { ERROR, checkNewBatch } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { DeathName } from '../queue-host/dead-letter-index.js'
import type { Partition } from '../partition/partition.js'
import type { PartitionTable } from '../partition/partition-table.js'
import { AskOrder } from './ask-order.js'
import { RefusedAsk } from './refused-ask.js'
import type { Topics } from './topics.js'

export interface LetterAsk {
  /** The partition that is to take it. */
  readonly topicId: string
  readonly partition: number
  /** Which record died. */
  readonly name: DeathName
  /** Epoch and count of who asks: see AskOrder. */
  readonly sourceEpoch: number
  readonly ask: number
  /** The taker's epoch as the source knows it, where nobody can have asked for this letter before; else -1. */
  readonly firstEpoch: number
  readonly diedMs: number
  /** Offsets of the same source whose letters are asked for no more. */
  readonly forget: readonly number[]
  /** Null to look for the letter only. It is used after the call has returned. */
  readonly batch: Buffer | null
}

export class LetterIntake {
  private readonly topics: Topics
  private readonly partitions: PartitionTable
  private readonly leaderEpochOf: (topicId: string, partition: number) => number
  private readonly order = new AskOrder(LIMITS.askOwners)

  /** @param leaderEpochOf under which epoch a partition is led as far as the metadata says; -1 where it does not. */
  constructor (
    topics: Topics, partitions: PartitionTable, leaderEpochOf: (topicId: string, partition: number) => number,
  ) {
    this.topics = topics
    this.partitions = partitions
    this.leaderEpochOf = leaderEpochOf
  }

  /**
   * Stores a letter. Resolves with its offset, when it is committed; with -1 where it was only looked for, and is not
   * there. Asks must come here in the order in which they arrive.
   *
   * @throws RefusedAsk as a rejection; others where the disk failed.
   */
  async store (ask: LetterAsk): Promise<number> {
    const { name, sourceEpoch, firstEpoch, batch } = ask
    const owner = `${name.topicId}/${name.partition}/${name.group}`
    const isCurrent = sourceEpoch >= this.leaderEpochOf(name.topicId, name.partition)
    if (!this.order.takes(owner, sourceEpoch, ask.ask) || !isCurrent) {
      throw new RefusedAsk(ERROR.NOT_LEADER, `a dead letter of ${owner} was asked for by a leader that is none any more, or too late`)
    }
    if (batch !== null && checkNewBatch(batch, 0, batch.length) !== null) {
      throw new RefusedAsk(ERROR.INVALID_BATCH, `a dead letter of ${owner} is no valid batch`)
    }
    const partition = this.led(ask)
    const index = partition.deadLetterIndex
    for (const offset of ask.forget) index.forget({ ...name, offset })
    if (firstEpoch > partition.leaderEpoch) throw notLeading(partition.label)
    if (firstEpoch < partition.leaderEpoch) {
      await index.readFrom(ask.diedMs, ({ topicId }) => this.topics.byId(topicId) !== undefined)
      if (!this.order.isCurrent(owner, sourceEpoch)) throw notLeading(owner)
    }
    const known = index.offsetOf(name)
    if (known < 0 && batch === null) return -1
    return await committed(partition, known < 0 ? this.append(partition, name, batch!) : index.ask(name))
  }

  /** The source asks for it no more; it has this from a partition of this broker itself. */
  forget (topicId: string, partition: number, name: DeathName): boolean {
    const found = this.partitions.find(topicId, partition)
    found?.deadLetters?.forget(name)
    return found !== undefined
  }

  private append (partition: Partition, name: DeathName, batch: Buffer): number {
    const outcome = partition.appendOwn(batch)
    if (!outcome.ok) throw new RefusedAsk(outcome.error, outcome.message)
    partition.deadLetterIndex.add(name, outcome.baseOffset)
    return outcome.baseOffset
  }

  private led ({ topicId, partition }: LetterAsk): Partition {
    const found = this.partitions.find(topicId, partition)
    if (found === undefined) throw notLeading(`partition ${topicId}/${partition}`)
    if (found.closedBy !== null) throw new RefusedAsk(found.closedBy.error, found.closedBy.message)
    return found
  }
}

function notLeading (what: string): RefusedAsk {
  return new RefusedAsk(ERROR.NOT_LEADER, `${what} is led by another broker, or in another epoch; ask again`)
}

/** The offset, when what lies there is committed. */
function committed (partition: Partition, offset: number): Promise<number> {
  return new Promise((resolve, reject) => partition.whenCommitted(offset + 1, (error, message) => {
    if (error === 0) resolve(offset)
    else reject(new RefusedAsk(error, message))
  }))
}
