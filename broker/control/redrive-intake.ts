// What redrives look for in, and append to, the partitions that this broker leads, from whoever runs them.
//
//   find   ─▶ in its turn? ─▶ led here? ─▶ keep what comes from there on ─▶ read ─▶ all of it committed ─▶ answer
//   append ─▶ in its turn? ─▶ led in the epoch that it names? ─▶ append ─▶ committed ─▶ answer

import { ERROR, REDRIVE_HEADER, RecordReader, checkNewBatch, decodeRedriveNote } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { Partition } from '../partition/partition.js'
import type { PartitionTable } from '../partition/partition-table.js'
import { AskOrder } from './ask-order.js'
import type { RedriveMark, RedrivePlace, RedriveStand } from './redrive-targets.js'
import { RefusedAsk } from './refused-ask.js'

/** See RedriveRun. */
export interface RedriveAsk extends RedrivePlace {
  readonly redriveId: string
  readonly term: number
  readonly ask: number
}

export class RedriveIntake {
  private readonly partitions: PartitionTable
  private readonly order = new AskOrder(LIMITS.askOwners)

  constructor (partitions: PartitionTable) {
    this.partitions = partitions
  }

  /**
   * See RedriveTargets. Asks must come here in the order in which they arrive.
   *
   * @throws RefusedAsk as a rejection; others where the disk failed.
   */
  async find (ask: RedriveAsk, fromOffset: number): Promise<RedriveStand> {
    const partition = this.led(ask)
    const { leaderEpoch, highWatermark, log } = partition
    partition.hold(ask.redriveId, fromOffset < 0 ? highWatermark : fromOffset, LIMITS.earlierLeaderHoldMs)
    if (fromOffset < 0) return { leaderEpoch, endOffset: highWatermark, sequences: [] }
    const sequences: number[] = []
    const endOffset = log.nextOffset
    const reader = new RecordReader()
    await log.replay(Math.max(fromOffset, log.logStartOffset), batch => {
      addSequences(reader, batch, ask.redriveId, sequences)
    })
    await committed(partition, endOffset)
    return { leaderEpoch, endOffset: highWatermark, sequences }
  }

  /** See RedriveTargets, and `find`. @returns the offset of the first record. */
  async append (ask: RedriveAsk, leaderEpoch: number, batch: Buffer): Promise<number> {
    const partition = this.led(ask)
    if (leaderEpoch !== partition.leaderEpoch) {
      throw new RefusedAsk(ERROR.NOT_LEADER, `${partition.label} is led in epoch ${partition.leaderEpoch}, not ${leaderEpoch}; look again`)
    }
    if (checkNewBatch(batch, 0, batch.length) !== null) {
      throw new RefusedAsk(ERROR.INVALID_BATCH, `what redrive ${ask.redriveId} appends is no valid batch`)
    }
    const outcome = partition.appendOwn(batch)
    if (!outcome.ok) throw new RefusedAsk(outcome.error, outcome.message)
    await committed(partition, outcome.endOffset)
    return outcome.baseOffset
  }

  /** Keeps what lies at or above the marks, as far as it is led here. */
  hold (redriveId: string, marks: readonly RedriveMark[]): void {
    for (const { topicId, partition, offset } of marks) {
      this.partitions.find(topicId, partition)?.hold(redriveId, offset, LIMITS.earlierLeaderHoldMs)
    }
  }

  letGo (redriveId: string, marks: readonly RedriveMark[]): void {
    for (const { topicId, partition } of marks) this.partitions.find(topicId, partition)?.letGo(redriveId)
  }

  private led ({ redriveId, term, ask, topicId, partition: index }: RedriveAsk): Partition {
    if (!this.order.takes(redriveId, term, ask)) {
      throw new RefusedAsk(ERROR.NOT_LEADER, `redrive ${redriveId} has asked for something else since, or another broker runs it`)
    }
    const partition = this.partitions.find(topicId, index)
    if (partition === undefined) {
      throw new RefusedAsk(ERROR.NOT_LEADER, `partition ${topicId}/${index} is led by another broker; ask again`)
    }
    if (partition.closedBy !== null) throw new RefusedAsk(partition.closedBy.error, partition.closedBy.message)
    return partition
  }
}

function addSequences (reader: RecordReader, batch: Buffer, redriveId: string, sequences: number[]): void {
  try {
    reader.open(batch)
    while (reader.next()) {
      const value = reader.headers().findLast(({ name }) => name === REDRIVE_HEADER)?.value ?? null
      const note = decodeRedriveNote(value)
      if (note?.redriveId === redriveId) sequences.push(note.sequence)
    }
  } catch {
    // Not one of ours: users send to this topic, too.
  }
}

function committed (partition: Partition, endOffset: number): Promise<void> {
  return new Promise((resolve, reject) => {
    partition.whenCommitted(endOffset, (error, message) =>
      error === 0 ? resolve() : reject(new RefusedAsk(error, message)))
  })
}
