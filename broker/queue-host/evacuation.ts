// When and what to evacuate: a record that is old and still needed must not keep a whole segment of records on the disk
// that nobody needs. The log does the work (`PartitionLog.evacuate`); here it is decided.
//
//   segment:  sealed, last append 10 min ago or more, not wholly below the floor (retention takes that as a whole)
//     └▶ ask every queue group of the partition for the offsets it still needs: durably so, at most 5 % of the offsets
//         └▶ together they take less than 5 % of the bytes, and at least 1 MiB is gained ─▶ evacuate
//
// A segment that was evacuated before, and whose batches could not be taken apart, would be read again in every round:
// so it is left alone until half of what was needed then is no longer.
//
// To be used for queues only: whoever reads the topic as a stream must not miss what the queue has done with.

import type { LogSegment, PartitionLog } from '@sluice/storage'
import type { QueueGroup } from '../queue/queue-group.js'

export const EVACUATION = {
  /** Of offsets, and of bytes. */
  liveShareMax: 0.05,
  /** Since the last append, in milliseconds. */
  ageMsMin: 10 * 60_000,
  gainBytesMin: 1024 * 1024,
} as const

/** The log as evacuation sees it. */
export type EvacuationLog = Pick<PartitionLog, 'listSegments' | 'evacuate'>

export interface EvacuationOptions {
  readonly log: EvacuationLog
  /** All queue groups of the partition. Where there is none nothing is evacuated. */
  readonly groups: () => readonly Pick<QueueGroup, 'durableFloor' | 'liveOffsets'>[]
  /** About how many bytes a record has. */
  readonly sizeOf: (offset: number) => number
}

export class Evacuation {
  private readonly options: EvacuationOptions
  /** How many records of a segment were needed when it was last evacuated, by base offset. */
  private readonly evacuated = new Map<number, number>()

  constructor (options: EvacuationOptions) {
    this.options = options
  }

  /** One round over the partition's segments. Resolves with how many were evacuated. */
  async run (wallMs: number, signal?: AbortSignal): Promise<number> {
    const { log, groups } = this.options
    const segments = log.listSegments()
    this.forgetBelow(segments[0]?.baseOffset ?? Infinity)
    let count = 0
    for (const segment of segments) {
      if (signal?.aborted === true || groups().length === 0) break
      const floor = Math.min(...groups().map(({ durableFloor }) => durableFloor))
      if (!isCandidate(segment, floor, wallMs)) continue
      const live = await this.liveIn(segment)
      if (live === null || !this.isWorth(segment, live)) continue
      await log.evacuate({ from: segment.baseOffset, to: segment.endOffset }, live, signal)
      this.evacuated.set(segment.baseOffset, live.length)
      count++
    }
    return count
  }

  /** What any group needs of a segment; null where that is too much, or not known for now. */
  private async liveIn ({ baseOffset, endOffset }: LogSegment): Promise<Float64Array | null> {
    const max = Math.floor((endOffset - baseOffset) * EVACUATION.liveShareMax)
    const live = new Set<number>()
    for (const group of this.options.groups()) {
      const offsets = await new Promise<Float64Array | null>(resolve => {
        group.liveOffsets(baseOffset, endOffset, max, resolve)
      })
      if (offsets === null) return null
      for (const offset of offsets) live.add(offset)
    }
    return Float64Array.from(live).sort()
  }

  private isWorth ({ baseOffset, sizeBytes }: LogSegment, live: Float64Array): boolean {
    const before = this.evacuated.get(baseOffset)
    if (before !== undefined && live.length > before / 2) return false
    let liveBytes = 0
    for (const offset of live) liveBytes += this.options.sizeOf(offset)
    const isSmall = liveBytes < sizeBytes * EVACUATION.liveShareMax
    return isSmall && sizeBytes - liveBytes >= EVACUATION.gainBytesMin
  }

  private forgetBelow (offset: number): void {
    for (const baseOffset of this.evacuated.keys()) if (baseOffset < offset) this.evacuated.delete(baseOffset)
  }
}

function isCandidate (segment: LogSegment, floor: number, wallMs: number): boolean {
  return segment.sealed && segment.endOffset > floor && wallMs - segment.lastAppendMs >= EVACUATION.ageMsMin
}
