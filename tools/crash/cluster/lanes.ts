// What was sent into each partition by each producer, and what became of it.

import { CONTROL, type StoredLog } from './stored-partition.js'
import type { Report } from './stream-checker.js'
import type { LaneRun, SentRun } from './stream-journal.js'

/** One producer in one partition. */
interface Lane {
  /** Sequences below it were sent. */
  end: number
  readonly acknowledged: { sequence: number, offset: number, count: number }[]
  /** Acknowledged without an offset: somewhere in the log. */
  readonly placeless: { sequence: number, count: number }[]
  readonly refused: { sequence: number, count: number }[]
}

export class Lanes {
  private readonly stored: ReadonlyMap<string, StoredLog>
  private readonly report: Report
  /** By `topic/partition`, then by producer. */
  private readonly lanes = new Map<string, Map<number, Lane>>()

  constructor (stored: ReadonlyMap<string, StoredLog>, report: Report) {
    this.stored = stored
    this.report = report
  }

  onSending (topic: string, producer: number, runs: readonly LaneRun[]): void {
    for (const [partition, sequence, count] of runs) {
      const lane = this.laneOf(`${topic}/${partition}`, producer)
      lane.end = Math.max(lane.end, sequence + count)
    }
  }

  /** Acknowledged on a topic that keeps what it acknowledges. */
  onSent (topic: string, producer: number, runs: readonly SentRun[]): void {
    for (const [partition, offset, sequence, count] of runs) {
      const label = `${topic}/${partition}`
      const lane = this.laneOf(label, producer)
      if (offset < 0) {
        lane.placeless.push({ sequence, count })
        continue
      }
      lane.acknowledged.push({ sequence, offset, count })
      const log = this.stored.get(label)
      for (let index = 0; index < count; index++) {
        if (log?.producers[offset + index] === producer && log.sequences[offset + index] === sequence + index) continue
        this.report(`lost: record ${sequence + index} of producer ${producer} was acknowledged at ${label}@${offset + index}, ` +
          `where there is ${describe(log, offset + index)}`)
        break
      }
    }
  }

  onRefused (topic: string, producer: number, runs: readonly LaneRun[]): void {
    for (const [partition, sequence, count] of runs) this.laneOf(`${topic}/${partition}`, producer).refused.push({ sequence, count })
  }

  /** Offset behind the last record that is stored. */
  endOf (label: string): number { return this.stored.get(label)?.end ?? 0 }

  /** Each record that is stored was sent, once and in order, and was not refused. */
  checkStored (): void {
    for (const [label, log] of this.stored) {
      const places = this.placesIn(label, log)
      for (const [producer, lane] of this.lanes.get(label) ?? []) {
        const offsets = places.get(producer) ?? new Int32Array(lane.end).fill(-1)
        this.checkRefused(label, producer, lane, offsets)
        this.checkPlaceless(label, producer, lane, offsets)
        this.checkRising(label, producer, lane)
      }
    }
  }

  /** Where each record of each producer is, by sequence. */
  private placesIn (label: string, { end, producers, sequences }: StoredLog): Map<number, Int32Array> {
    const places = new Map<number, Int32Array>()
    const last = new Map<number, number>()
    for (let offset = 0; offset < end; offset++) {
      const producer = producers[offset]!
      if (producer === CONTROL) continue
      const sequence = sequences[offset]!
      const lane = this.lanes.get(label)?.get(producer)
      if (lane === undefined || sequence >= lane.end) {
        this.report(`inconsistent: ${label}@${offset} holds record ${sequence} of producer ${producer}, which was never sent`)
        continue
      }
      let offsets = places.get(producer)
      if (offsets === undefined) places.set(producer, offsets = new Int32Array(lane.end).fill(-1))
      if (offsets[sequence] !== -1) {
        this.report(`duplicate: record ${sequence} of producer ${producer} is at ${label}@${offsets[sequence]} and @${offset}`)
        continue
      }
      offsets[sequence] = offset
      const before = last.get(producer) ?? -1
      if (sequence < before) this.report(`reordered: ${label}@${offset} holds record ${sequence} of producer ${producer}, behind its record ${before}`)
      last.set(producer, Math.max(before, sequence))
    }
    return places
  }

  private checkRefused (label: string, producer: number, { refused }: Lane, offsets: Int32Array): void {
    for (const { sequence, count } of refused) {
      for (let index = sequence; index < sequence + count; index++) {
        if (offsets[index] === -1) continue
        this.report(`refused: record ${index} of producer ${producer} was refused for certain, and is at ${label}@${offsets[index]}`)
      }
    }
  }

  private checkPlaceless (label: string, producer: number, { placeless }: Lane, offsets: Int32Array): void {
    for (const { sequence, count } of placeless) {
      for (let index = sequence; index < sequence + count; index++) {
        if (offsets[index] !== -1) continue
        this.report(`lost: record ${index} of producer ${producer} was acknowledged as a duplicate, and is not in ${label}`)
      }
    }
  }

  private checkRising (label: string, producer: number, { acknowledged }: Lane): void {
    acknowledged.sort((a, b) => a.sequence - b.sequence)
    for (let index = 1; index < acknowledged.length; index++) {
      const [before, next] = [acknowledged[index - 1]!, acknowledged[index]!]
      if (next.offset >= before.offset + before.count) continue
      this.report(`reordered: record ${before.sequence + before.count - 1} of producer ${producer} was acknowledged at ` +
        `${label}@${before.offset + before.count - 1}, and record ${next.sequence} at @${next.offset}`)
    }
  }

  private laneOf (label: string, producer: number): Lane {
    let lanes = this.lanes.get(label)
    if (lanes === undefined) this.lanes.set(label, lanes = new Map())
    let lane = lanes.get(producer)
    if (lane === undefined) lanes.set(producer, lane = { end: 0, acknowledged: [], placeless: [], refused: [] })
    return lane
  }
}

/** What is stored at an offset, for people. */
export function describe (log: StoredLog | undefined, offset: number): string {
  if (log === undefined || offset >= log.end) return 'nothing'
  const producer = log.producers[offset]!
  return producer === CONTROL ? 'a control record' : `record ${log.sequences[offset]} of producer ${producer}`
}
