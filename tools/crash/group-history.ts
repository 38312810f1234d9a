// What a group was given and what it has committed, and the rules for both.
//
//   delivered  ├──────────────────────┤ deliveredEnd      no offset is skipped: the next one is at most deliveredEnd
//   committed  ├───────────────┤ committedEnd             never goes back, never beyond what was delivered, nor the end
//
// Records may be delivered more than once: a member that dies leaves what it had not committed to the next one.

import { ERROR } from '@sluice/protocol'
import type { History, ReadRecord } from './history.js'
import type { Hole } from './partition-history.js'
import { highWatermarkOf } from './read-partition.js'
import { WireError, type WirePeer } from './wire-peer.js'

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
        if (known.inHole(skipped)) continue
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
    for (const { partition, error, message: text, offset } of message.offsets) {
      if (error !== ERROR.NONE) throw new WireError('fetchOffsets', { code: error, message: text, retryAfterMs: 0 })
      const end = await highWatermarkOf(peer, { topicId, partition })
      const place = this.partitions[partition]!
      if (Math.max(offset, 0) < before[partition]!) this.report(partition, `the committed offset went back from ${before[partition]} to ${offset}`)
      if (offset > end) this.report(partition, `the committed offset ${offset} is beyond the end of the log, ${end}`)
      if (offset > place.deliveredEnd) this.report(partition, `the committed offset ${offset} is beyond what was delivered, ${place.deliveredEnd}`)
      place.committedEnd = Math.max(place.committedEnd, offset)
    }
  }

  /** To be called when the group has caught up: everything was delivered. */
  checkComplete (): void {
    this.partitions.forEach(({ deliveredEnd }, partition) => {
      const { readEnd } = this.history.partition(this.topic, partition)
      if (deliveredEnd < readEnd) this.report(partition, `${readEnd - deliveredEnd} records from offset ${deliveredEnd} on were never delivered`)
    })
  }

  private report (partition: number, text: string): void {
    this.history.report(`group ${this.group} on ${this.topic}/${partition}: ${text}`)
  }
}
