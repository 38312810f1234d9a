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
  /** Of the records handed out from now on; null while it has no cursor. */
  origin: RecordOrigin<K, V> | null = null
  /** Of records handed out before some were lost: of each, the offset below which they count still. */
  private readonly earlierOrigins = new Map<RecordOrigin<K, V>, number>()
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

  /** True for a record that was handed out in this time with the partition, and is in its log as far as is known. */
  holds ({ origin, offset }: { readonly origin: RecordOrigin<K, V>, readonly offset: number }): boolean {
    return origin === this.origin || offset < this.endOf(origin)
  }

  /** Records of this origin count below this offset; 0 for those of an earlier time with the partition. */
  endOf (origin: RecordOrigin<K, V>): number {
    return origin === this.origin ? Infinity : this.earlierOrigins.get(origin) ?? 0
  }

  /**
   * What was handed out from `offset` on is lost: others will come in its place, with another `origin`, and what is
   * said of the lost ones does not count for them.
   *
   * @returns how many of them were not done.
   */
  onLost (offset: number, origin: RecordOrigin<K, V>): number {
    const { tracker, cursor, earlierOrigins } = this
    const before = tracker.outstanding
    tracker.rewind(offset)
    for (const [earlier, end] of earlierOrigins) earlierOrigins.set(earlier, Math.min(end, offset))
    if (tracker.outstanding === 0) earlierOrigins.clear()
    else earlierOrigins.set(this.origin!, offset)
    this.attempts.clear()
    this.origin = cursor!.origin = origin
    return before - tracker.outstanding
  }

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
