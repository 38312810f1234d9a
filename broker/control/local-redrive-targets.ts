// Targets of redrives on this broker.

import { REDRIVE_HEADER, RecordReader, decodeRedriveNote, partitionForKey } from '@sluice/protocol'
import type { Partition } from '../partition/partition.js'
import type { PartitionTable } from '../partition/partition-table.js'
import type { StoredLetter } from './redrive-letters.js'
import type { RedriveMark, RedrivePlace, RedriveTargets } from './redrive-targets.js'
import type { Topics } from './topics.js'

export class LocalRedriveTargets implements RedriveTargets {
  private readonly topics: Topics
  private readonly partitions: PartitionTable

  constructor (topics: Topics, partitions: PartitionTable) {
    this.topics = topics
    this.partitions = partitions
  }

  placeOf (targetTopicId: string, { key, offset, note }: StoredLetter): RedrivePlace | { readonly fault: string } {
    const topicId = targetTopicId === '' ? note.topicId : targetTopicId
    const count = this.topics.byId(topicId) === undefined ? 0 : this.partitions.partitionsOf(topicId).length
    if (count === 0) {
      return targetTopicId === '' ? this.originFault(offset, note.topic) : { fault: 'the target topic was deleted' }
    }
    // What goes back goes to its own place; what goes elsewhere to where a client would send it.
    const isBack = topicId === note.topicId && note.partition >= 0 && note.partition < count
    if (isBack) return { topicId, partition: note.partition }
    return { topicId, partition: key === null ? Math.abs(note.partition) % count : partitionForKey(key, count) }
  }

  async mark (place: RedrivePlace): Promise<RedriveMark> {
    const { log } = this.find(place)
    return { ...place, offset: log.durableOffset }
  }

  async sequencesAbove (redriveId: string, marks: readonly RedriveMark[]): Promise<Set<number>> {
    const sequences = new Set<number>()
    for (const mark of marks) {
      const partition = this.partitions.find(mark.topicId, mark.partition)
      if (partition === undefined) continue
      const endOffset = partition.log.nextOffset
      const reader = new RecordReader()
      await partition.log.replay(mark.offset, batch => { addSequences(reader, batch, redriveId, sequences) })
      await committed(partition, endOffset)
    }
    return sequences
  }

  hold (redriveId: string, marks: readonly RedriveMark[]): void {
    for (const { topicId, partition, offset } of marks) {
      this.partitions.find(topicId, partition)?.hold(redriveId, offset)
    }
  }

  letGo (redriveId: string, marks: readonly RedriveMark[]): void {
    for (const { topicId, partition } of marks) this.partitions.find(topicId, partition)?.letGo(redriveId)
  }

  async append (place: RedrivePlace, batch: Buffer): Promise<void> {
    const partition = this.find(place)
    const outcome = partition.appendOwn(batch)
    if (!outcome.ok) throw new Error(outcome.message)
    await committed(partition, outcome.endOffset)
  }

  private find ({ topicId, partition }: RedrivePlace): Partition {
    const found = this.partitions.find(topicId, partition)
    if (found === undefined) throw new Error(`partition ${partition} of topic ${topicId} is not here`)
    return found
  }

  private originFault (offset: number, name: string): { readonly fault: string } {
    const what = this.topics.byName(name) === undefined ? 'was deleted' : 'was deleted and created anew'
    return { fault: `dead letter ${offset} came from topic ${name}, which ${what}; name a target to move it there` }
  }
}

function addSequences (reader: RecordReader, batch: Buffer, redriveId: string, sequences: Set<number>): void {
  try {
    reader.open(batch)
    while (reader.next()) {
      const value = reader.headers().findLast(({ name }) => name === REDRIVE_HEADER)?.value ?? null
      const note = decodeRedriveNote(value)
      if (note?.redriveId === redriveId) sequences.add(note.sequence)
    }
  } catch {
    // Not one of ours: users send to this topic, too.
  }
}

function committed (partition: Partition, endOffset: number): Promise<void> {
  return new Promise((resolve, reject) => {
    partition.whenCommitted(endOffset, (error, message) => error === 0 ? resolve() : reject(new Error(message)))
  })
}
