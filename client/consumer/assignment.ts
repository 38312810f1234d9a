// One partition that a consumer works on: its cursor, what is done, and who waits for it to come to rest.
//
//   starting ── offset known ──▶ active ──┬─ revoked ──▶ stopping ── all done, or time up ──▶ gone
//                                         └─ lost ───────────────────────────────────────────▶ gone

import type { Deferred } from '../waiting.js'
import { deferred } from '../waiting.js'
import { OffsetTracker } from './offset-tracker.js'
import type { PartitionCursor } from './partition-cursor.js'
import type { RecordOrigin } from './stored-record.js'

/** See the head of this file. */
export class Assignment<K, V> {
  readonly topicId: string
  readonly partition: number
  /** Aborted when work on the partition has to be dropped at once. */
  readonly abort = new AbortController()
  /** Aborted when no new work should begin, but what is begun may be finished. */
  readonly stopping = new AbortController()
  /** Made with the first record. */
  origin: RecordOrigin<K, V> | null = null
  /** null while the offset to start at is not known. */
  cursor: PartitionCursor<K, V> | null = null
  readonly tracker = new OffsetTracker(0)
  /** What the group has stored; -1 for nothing. */
  committed = -1
  /** Deliveries of records that were given back, by offset. */
  readonly attempts = new Map<number, number>()
  private rest: Deferred<void> | null = null

  constructor (topicId: string, partition: number) {
    this.topicId = topicId
    this.partition = partition
  }

  get isGone (): boolean { return this.abort.signal.aborted }

  /** The offset to commit, or -1 where the group has it already. */
  get dirtyOffset (): number {
    if (this.cursor === null) return -1
    if (this.tracker.outstanding === 0) this.tracker.passTo(this.cursor.position)
    const offset = this.tracker.committable
    return offset === this.committed ? -1 : offset
  }

  /** Resolves when nothing handed out is left undone. */
  atRest (): Promise<void> {
    if (this.tracker.outstanding === 0) return Promise.resolve()
    this.rest ??= deferred()
    return this.rest.promise
  }

  /** Something was done or given back. */
  onProgress (): void {
    if (this.rest === null || this.tracker.outstanding > 0) return
    this.rest.resolve()
    this.rest = null
  }
}
