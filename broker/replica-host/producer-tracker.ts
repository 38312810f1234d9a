// What a replica that does not lead knows of the partition's producers, so that it can lead at once when it has to:
// whoever begins to lead must know which batches are stored, and reading a whole log for that takes minutes.
//
//   snapshot in the meta store ── batches behind it, as they are committed ──▶ ProducerState ──▶ taken by the partition
//
// Only what is committed is taken in: it is never cut off, so nothing has to be rolled back.

import { nextOffsetOf } from '@sluice/protocol'
import type { PartitionLog } from '@sluice/storage'
import type { KnownProducers, PartitionTable } from '../partition/partition-table.js'

/** A snapshot is written when so many milliseconds have gone by, and something has changed. */
const SNAPSHOT_MS = 30_000

export class ProducerTracker {
  private readonly partitions: PartitionTable
  private readonly topicId: string
  private readonly index: number
  private readonly log: PartitionLog
  private known: KnownProducers | null = null
  private running: Promise<void> | null = null
  /** Where the log was cut while it was being read. */
  private cutOffset = Infinity
  private storedVersion = 0
  /** Up to where a start finds the producers without the log. */
  private storedOffset = 0
  /** Up to where the log is to be removed. */
  private wantedOffset = 0
  private storedMs = 0

  constructor (partitions: PartitionTable, topicId: string, index: number, log: PartitionLog) {
    this.partitions = partitions
    this.topicId = topicId
    this.index = index
    this.log = log
  }

  /** Up to where the log is taken in; -1 where nothing is known. */
  get offset (): number { return this.known?.offset ?? -1 }

  /** Takes in what is committed below `limitOffset`, in the background. */
  follow (limitOffset: number, nowMs: number): void {
    if (this.running !== null) return
    if (this.known !== null) {
      this.store(nowMs)
      if (this.known.offset >= limitOffset) return
    }
    this.running = this.takeIn(limitOffset).catch(() => { this.known = null }).then(() => { this.running = null })
  }

  /** Hands over what is known, and begins anew. Null where that is nothing. */
  async take (): Promise<KnownProducers | null> {
    if (this.running !== null) await this.running
    const { known } = this
    this.known = null
    return known
  }

  /**
   * Up to where the log may be removed, at most `offset`: what it says of producers must be stored before. Where it is
   * not, that is done as soon as can be.
   */
  removableOffset (offset: number): number {
    this.wantedOffset = Math.max(this.wantedOffset, offset)
    return Math.min(offset, this.storedOffset)
  }

  /** The log was cut at `offset`. */
  onTruncate (offset: number): void {
    this.cutOffset = Math.min(this.cutOffset, offset)
    this.storedOffset = Math.min(this.storedOffset, offset)
    if (this.known !== null && this.known.offset > offset) this.known = null
  }

  private async takeIn (limitOffset: number): Promise<void> {
    if (this.known === null) {
      const { producers, offset } = this.partitions.restoreProducers(this.topicId, this.index, this.log)
      // It may be of a leadership of this process, up to what is committed; it never is ahead of that for long.
      if (offset > limitOffset) return
      this.known = { producers, offset }
      this.storedVersion = producers.version
      this.storedOffset = offset
    }
    const { producers, offset } = this.known
    this.cutOffset = Infinity
    const nowMs = this.partitions.wallMs()
    let end = offset
    await this.log.replayHeaders(offset, header => {
      const nextOffset = nextOffsetOf(header)
      if (header.baseOffset < end || nextOffset > limitOffset) return
      producers.apply(header, nowMs)
      end = nextOffset
    })
    this.known = end > this.cutOffset ? null : { producers, offset: end }
  }

  private store (nowMs: number): void {
    const { producers, offset } = this.known!
    const isWanted = this.wantedOffset > this.storedOffset && offset > this.storedOffset
    const isDue = producers.version !== this.storedVersion && nowMs - this.storedMs >= SNAPSHOT_MS
    if (!isWanted && !isDue) return
    this.storedVersion = producers.version
    this.storedMs = nowMs
    if (offset > this.log.durableOffset) return
    this.partitions.storeProducers(this.topicId, this.index, producers, offset)
    this.storedOffset = offset
  }
}
