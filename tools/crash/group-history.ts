// What a group was given and what it has committed, and the rules for both.
//
//   delivered  ├──────────────────────┤ deliveredEnd      no offset is skipped: the next one is at most deliveredEnd
//   committed  ├───────────────┤ committedEnd             never goes back, never beyond what was delivered, nor the end
//
// Records may be delivered more than once: a member that dies leaves what it had not committed to the next one.

import type { History, ReadRecord } from './history.js'
import type { Hole } from './partition-history.js'
import { highWatermarkOf } from './read-partition.js'
import { throwOnError, type WirePeer } from './wire-peer.js'

interface GroupPartition { deliveredEnd: number, committedEnd: number }

export class GroupHistory {
  readonly group: string
  readonly topic: string
  readonly partitions: GroupPartition[]
  delivered = 0
  commits = 0
  private readonly history: History

  constructor (history: History, group: string, topic: string, partitions: number) {
    this.history = history
    this.group = group
    this.topic = topic
    this.partitions = Array.from({ length: partitions }, () => ({ deliveredEnd: 0, committedEnd: 0 }))
  }

  onDelivered (partition: number, record: ReadRecord): void {
    this.delivered++
    this.history.onObserved(this.topic, partition, record)
    const place = this.partitions[partition]!
    const { offset } = record
    if (offset > place.deliveredEnd) {
      const known = this.history.partition(this.topic, partition)
      for (let skipped = place.deliveredEnd; skipped < offset; skipped++) {
        if (known.mayPassOver(skipped)) continue
        this.report(partition, `offset ${skipped} was skipped: ${offset} came after ${place.deliveredEnd - 1}`)
        break
      }
    }
    place.deliveredEnd = Math.max(place.deliveredEnd, offset + 1)
  }

  /** A member was told that a range is damaged and goes on behind it. */
  onHole (partition: number, hole: Hole): void {
    this.history.onHole(this.topic, partition, hole)
    const place = this.partitions[partition]!
    place.deliveredEnd = Math.max(place.deliveredEnd, hole.to)
  }

  /** A commit was acknowledged. */
  onCommitted (partition: number, offset: number): void {
    this.commits++
    const place = this.partitions[partition]!
    place.committedEnd = Math.max(place.committedEnd, offset)
  }

  /** Asks the broker for the committed offsets and compares. */
  async checkCommitted (peer: WirePeer, topicId: string): Promise<void> {
    const before = this.partitions.map(({ committedEnd }) => committedEnd)
    const { message } = await peer.request('fetchOffsets', {
      group: this.group, partitions: this.partitions.map((_, partition) => ({ topicId, partition })),
    })
    for (const answer of message.offsets) {
      throwOnError('fetchOffsets', answer)
      const { partition, offset } = answer
      const end = await highWatermarkOf(peer, { topicId, partition })
      const place = this.partitions[partition]!
      const { deliveredEnd } = place
      const text = `the committed offset ${offset} is`
      if (Math.max(offset, 0) < before[partition]!) this.report(partition, `${text} one of before: it was ${before[partition]}`)
      if (offset > end) this.report(partition, `${text} beyond the end of the log, ${end}`)
      if (!this.mayBeDone(partition, offset)) this.report(partition, `${text} beyond what was delivered, ${deliveredEnd}`)
      place.committedEnd = Math.max(place.committedEnd, offset)
    }
  }

  /** Committed up to here: all below was delivered, but for offsets where there is nothing to deliver. */
  private mayBeDone (partition: number, offset: number): boolean {
    const known = this.history.partition(this.topic, partition)
    for (let passed = this.partitions[partition]!.deliveredEnd; passed < offset; passed++) {
      if (!known.mayPassOver(passed)) return false
    }
    return true
  }

  /** True where everything that the checker has read was delivered. */
  get isCaughtUp (): boolean {
    return this.partitions.every(({ deliveredEnd }, partition) =>
      deliveredEnd >= this.history.partition(this.topic, partition).readEnd)
  }

  /** To be called when the members have caught up, stopped, and `checkCommitted` has run: nothing was left out. */
  checkComplete (): void {
    this.partitions.forEach(({ deliveredEnd, committedEnd }, partition) => {
      const { readEnd } = this.history.partition(this.topic, partition)
      if (deliveredEnd < readEnd) this.report(partition, `of ${readEnd} offsets only ${deliveredEnd} were delivered`)
      if (committedEnd < deliveredEnd) this.report(partition, `members that stopped left ${committedEnd} committed, ${deliveredEnd} were done`)
    })
  }

  private report (partition: number, text: string): void {
    this.history.report(`group ${this.group} on ${this.topic}/${partition}: ${text}`)
  }
}
