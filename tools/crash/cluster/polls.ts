// What readers were given: the right records, without a gap, and for groups from where they had left off.

import { CONTROL, type StoredLog } from './stored-partition.js'
import { describe } from './lanes.js'
import type { RisingOffsets } from './rising-offsets.js'
import type { Report, StreamEntry } from './stream-checker.js'

type Began = Extract<StreamEntry, { step: 'began' }>
type Polled = Extract<StreamEntry, { step: 'polled' }>

/** A reader in a partition, since it began there. */
interface Reading {
  readonly group: string | null
  readonly beganUs: number
  /** Offset behind what it has read; null for a member that has read nothing yet. */
  next: number | null
}

export class Polls {
  private readonly stored: ReadonlyMap<string, StoredLog>
  private readonly commits: RisingOffsets
  private readonly report: Report
  /** By reader and partition. */
  private readonly readings = new Map<string, Reading>()
  /** Offset behind all that a group has read, by group and partition. */
  private readonly groupEnds = new Map<string, number>()

  /** @param commits of groups, as far as they are known. */
  constructor (stored: ReadonlyMap<string, StoredLog>, commits: RisingOffsets, report: Report) {
    this.stored = stored
    this.commits = commits
    this.report = report
  }

  onBegan ({ reader, topic, partition, group, atUs }: Began): void {
    this.readings.set(`${reader} of ${topic}/${partition}`, { group, beganUs: atUs, next: group === null ? 0 : null })
  }

  onPolled ({ reader, topic, partition, runs }: Polled): void {
    const label = `${topic}/${partition}`
    const log = this.stored.get(label)
    const reading = this.readings.get(`${reader} of ${label}`)
    if (reading === undefined) return this.report(`wrong: ${reader} was given records of ${label}, which it does not read`)
    for (const [index, [offset, producer, sequence, count]] of runs.entries()) {
      this.checkNext(reading, reader, label, offset, index > 0)
      for (let at = 0; at < count; at++) {
        if (log?.producers[offset + at] === producer && log.sequences[offset + at] === sequence + at) continue
        this.report(`inconsistent: ${reader} read record ${sequence + at} of producer ${producer} at ${label}@${offset + at}, ` +
          `where there is ${describe(log, offset + at)}`)
        break
      }
      reading.next = offset + count
    }
    if (reading.group === null || reading.next === null) return
    const place = `${reading.group} on ${label}`
    this.groupEnds.set(place, Math.max(this.groupEnds.get(place) ?? 0, reading.next))
  }

  /** To be called at last: a group has read a topic to its end. */
  checkSeen (group: string, topic: string): void {
    for (const [label, log] of this.stored) {
      if (!label.startsWith(`${topic}/`)) continue
      const end = this.groupEnds.get(`${group} on ${label}`) ?? 0
      const unseen = this.recordIn(log, end, log.end)
      if (unseen !== -1) this.report(`unseen: group ${group} has never read ${label}@${unseen}, and all up to ${log.end}`)
    }
  }

  private checkNext (reading: Reading, reader: string, label: string, offset: number, isInternal: boolean): void {
    const { group, next, beganUs } = reading
    const kind = isInternal ? ' within one answer' : ''
    if (next === null) return this.checkFirst(group!, beganUs, reader, label, offset)
    if (offset < next) this.report(`poll back${kind}: ${reader} read ${label}@${offset} after @${next - 1}`)
    const skipped = this.recordIn(this.stored.get(label), next, offset)
    if (skipped === -1) return
    this.report(`poll skip${kind}: ${reader} read ${label}@${offset} after @${next - 1}, and not @${skipped}`)
  }

  /** A member begins where the group has committed, and all before it was read by somebody. */
  private checkFirst (group: string, beganUs: number, reader: string, label: string, offset: number): void {
    const place = `${group} on ${label}`
    const committed = this.commits.leastAt(place, beganUs)
    if (offset < committed) this.report(`commit back: ${reader} began ${label} at ${offset}; group ${group} had committed ${committed}`)
    const skipped = this.recordIn(this.stored.get(label), this.groupEnds.get(place) ?? 0, offset)
    if (skipped !== -1) this.report(`poll skip: ${reader} began ${label} at ${offset}, and nobody of group ${group} has read @${skipped}`)
  }

  /** The first offset of [from, to) that holds a record of a client; -1 where none does. */
  private recordIn (log: StoredLog | undefined, from: number, to: number): number {
    if (log === undefined) return -1
    for (let offset = from; offset < Math.min(to, log.end); offset++) {
      if (log.producers[offset] !== CONTROL) return offset
    }
    return -1
  }
}
