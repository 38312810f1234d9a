// Tells what is wrong with the disk below a replica's logs, so that somebody else may lead.
//
//   failed   a sync has failed: the log takes nothing until the broker restarts
//   full     a log waits for space, or for file handles, and tries again by itself
//   slow     what was appended SLOW_MS ago is not safe here yet
//
//   mark:  end of the log ── SLOW_MS ──▶ still above what is safe: slow
//            └ reached: the next mark
//
// It never decides about safety: a healthy disk that is taken for a slow one costs a change of leader.

import type { PartitionLog } from '@sluice/storage'

export const STORAGE_TROUBLES = ['slow', 'full', 'failed'] as const
/** From the least to the worst. */
export type StorageTrouble = typeof STORAGE_TROUBLES[number]

/** 0 where there is none. */
export function severityOf (trouble: StorageTrouble | null | undefined): number {
  return trouble == null ? 0 : STORAGE_TROUBLES.indexOf(trouble) + 1
}

export function worseOf (a: StorageTrouble | null, b: StorageTrouble | null): StorageTrouble | null {
  return severityOf(a) >= severityOf(b) ? a : b
}

/** What the watch needs of a log. */
export type WatchedLog = Pick<PartitionLog, 'state' | 'acknowledgedOffset' | 'nextOffset'>

interface Mark { atMs: number, endOffset: number }

export const SLOW_MS = 3_000

export class StorageWatch {
  private readonly logs: readonly WatchedLog[]
  private readonly marks: readonly Mark[]

  constructor (logs: readonly WatchedLog[]) {
    this.logs = logs
    this.marks = logs.map(() => ({ atMs: 0, endOffset: 0 }))
  }

  /**
   * To be asked a few times a second.
   *
   * @param hasStalled this process has stood still: that the disk had time meanwhile proves nothing.
   */
  look (nowMs: number, hasStalled: boolean): StorageTrouble | null {
    let worst: StorageTrouble | null = null
    for (const [index, log] of this.logs.entries()) worst = worseOf(worst, this.lookAt(log, index, nowMs, hasStalled))
    return worst
  }

  private lookAt (log: WatchedLog, index: number, nowMs: number, hasStalled: boolean): StorageTrouble | null {
    if (log.state === 'failed') return 'failed'
    const mark = this.marks[index]!
    // The log may have been cut since.
    const isSafe = log.acknowledgedOffset >= Math.min(mark.endOffset, log.nextOffset)
    if (isSafe || hasStalled) {
      mark.atMs = nowMs
      mark.endOffset = log.nextOffset
    }
    if (log.state !== 'online') return 'full'
    return nowMs - mark.atMs >= SLOW_MS ? 'slow' : null
  }
}
