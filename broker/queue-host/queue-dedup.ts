// The dedup ids of a queue on one partition: which are taken, asked before a batch is appended.
//
//   batch ─ ask: taken ids ─▶ append ─▶ note: new ids ─▶ committed ─▶ duplicates end in the queue's group
//
// A record whose id is taken is stored all the same, and is terminal before the group can come by: a batch of an
// idempotent producer has to stay as it is. It ends only when it is committed: until then a crash may give its offset
// to another record.
//
// The log has the ids; a snapshot in the meta store saves reading it. One that says more than the log holds is dropped,
// since it would pass a new record off as a duplicate.

import { RecordExtrasReader, readBatchHeader } from '@sluice/protocol'
import type { MetaStore, PartitionLog } from '@sluice/storage'
import { QueueStateFault } from '../queue/byte-reader.js'
import { DedupWindow } from '../queue/dedup-window.js'
import { QUEUE_LIMITS, RECORD_STATE, type DedupId } from '../queue/queue-types.js'
import { NO_SLOT } from '../queue/record-ledger.js'
import type { HostedQueueGroup } from './hosted-queue-group.js'
import { DEDUP_ORDER_TABLE, DEDUP_TABLE, DEDUP_WINDOW_TABLE } from './queue-keys.js'
import type { QueuePartition } from './queue-surroundings.js'
import { StoredDedupStore } from './stored-dedup-store.js'

/** A record of a batch whose id is taken. */
export interface DuplicateRecord {
  /** Its place in the batch. */
  readonly index: number
  /** The record that has the id. */
  readonly offset: number
}

/** Duplicates that are to end, up to `endOffset`. */
interface Ending {
  readonly offsets: readonly number[]
  readonly endOffset: number
  done: ((isDurable: boolean) => void) | null
}

/** Snapshots so small are written with every round; larger ones once in so many rounds. */
const SMALL_IDS = 1_000
const ROUNDS_PER_SNAPSHOT = 15
/** Bytes of a row's key behind the partition's, at most. */
const KEY_REST_BYTES_MAX = 32

export class QueueDedup {
  private readonly log: PartitionLog
  private readonly group: HostedQueueGroup
  private readonly meta: MetaStore
  private readonly key: Buffer
  private readonly window: DedupWindow
  private readonly extras = new RecordExtrasReader()
  private endings: Ending[] = []
  private pendingCount = 0
  private storedEnd = -1
  private rounds = 0

  constructor ({ log, metaKey }: QueuePartition, group: HostedQueueGroup, meta: MetaStore) {
    this.log = log
    this.group = group
    this.meta = meta
    this.key = metaKey
    this.window = new DedupWindow({
      get windowMs () { return group.config.dedupWindowMs },
      get untilSettled () { return group.config.dedupUntilSettled },
      idsInMemory: QUEUE_LIMITS.dedupIdsInMemory,
      store: new StoredDedupStore(meta, metaKey, log),
      isSettled: offset => group.idle.isSettledDurably(offset),
    })
  }

  /** Reads what the log holds beyond the snapshot. The group is restored already. */
  async restore (nowMs: number): Promise<void> {
    const { log, window } = this
    if (!this.restoreSnapshot()) {
      window.clear()
      this.meta.write([{ table: DEDUP_WINDOW_TABLE, key: this.key, value: null }])
      const to = Buffer.concat([this.key, Buffer.alloc(KEY_REST_BYTES_MAX, 0xff)])
      for (const table of [DEDUP_TABLE, DEDUP_ORDER_TABLE]) await this.meta.deleteRange(table, { from: this.key, to })
    }
    await log.replay(window.appendedEnd, batch => this.replay(batch, nowMs))
    window.advanceTo(log.nextOffset)
  }

  /** The records of a batch whose ids are taken, also by earlier ones of the same batch at `baseOffset`. */
  duplicatesIn (batch: Buffer, baseOffset: number): readonly DuplicateRecord[] {
    const { extras, window } = this
    if (!extras.open(batch) || extras.columns === 0) return NONE
    const { queueTimeMs } = this.group.turn()
    const duplicates: DuplicateRecord[] = []
    const own = new Map<string, number>()
    for (let index = 0; index < extras.rows; index++) {
      if (!extras.hasDedup(index)) continue
      const id = this.idOf(index)
      const key = id.join()
      const offset = own.get(key) ?? window.find(id, queueTimeMs)
      if (offset >= 0 && offset !== baseOffset + index) duplicates.push({ index, offset })
      else own.set(key, baseOffset + index)
    }
    return duplicates
  }

  /** False while so many duplicates wait for the group to come by that no more are taken. */
  hasRoom (count: number): boolean {
    const ended = this.group.idle.state.counts[RECORD_STATE.ENDED]!
    return ended + this.pendingCount + count <= QUEUE_LIMITS.endedAheadMax
  }

  /** A batch is in the log, with these duplicates. */
  onAppended (batch: Buffer, baseOffset: number, duplicates: readonly DuplicateRecord[]): void {
    const { extras, window } = this
    extras.open(batch)
    const endOffset = baseOffset + extras.rows
    if (extras.columns !== 0) {
      const { queueTimeMs } = this.group.turn()
      let next = 0
      for (let index = 0; index < extras.rows; index++) {
        if (duplicates[next]?.index === index) next++
        else if (extras.hasDedup(index)) window.onAppended(this.idOf(index), baseOffset + index, queueTimeMs)
      }
    }
    window.advanceTo(endOffset)
    if (duplicates.length === 0) return
    this.pendingCount += duplicates.length
    this.endings.push({ offsets: duplicates.map(({ index }) => baseOffset + index), endOffset, done: null })
  }

  /** Calls back when the duplicates of the batch that was appended last are terminal, and durably so. */
  whenEnded (done: (isDurable: boolean) => void): void { this.endings.at(-1)!.done = done }

  /** Records below are committed, and the group does not know it yet. */
  onHighWatermark (offset: number): void {
    while (this.endings.length > 0 && this.endings[0]!.endOffset <= offset) {
      const { offsets, done } = this.endings.shift()!
      this.pendingCount -= offsets.length
      this.group.turn().endDuplicates(offsets, isDurable => done?.(isDurable))
    }
  }

  /** Nobody will hear whether the duplicates on their way are terminal. */
  close (): void {
    const { endings } = this
    this.endings = []
    for (const { done } of endings) done?.(false)
  }

  /** The record that has the id, or -1. */
  offsetOf (key: Buffer): number {
    const id: DedupId = [key.readUInt32BE(0), key.readUInt32BE(4), key.readUInt32BE(8), key.readUInt32BE(12)]
    return this.window.find(id, this.group.turn().queueTimeMs)
  }

  /** Drops ids that are free again, and writes a snapshot where that is due. */
  checkpoint (all: boolean): void {
    const { window, log } = this
    if (this.group.isLeading) window.tick(this.group.idle.queueTimeMs, this.group.idle.durableFloor)
    const isDue = all || window.size <= SMALL_IDS || ++this.rounds >= ROUNDS_PER_SNAPSHOT
    if (!isDue || window.appendedEnd === this.storedEnd || log.durableOffset < window.appendedEnd) return
    this.rounds = 0
    this.storedEnd = window.appendedEnd
    this.meta.write([{ table: DEDUP_WINDOW_TABLE, key: this.key, value: Buffer.from(window.snapshot()) }])
  }

  /** The lowest offset whose id is held in memory: a start without the meta store must find it. Infinity for none. */
  get oldestOffset (): number { return this.group.config.dedupUntilSettled ? Infinity : this.window.oldestOffset }

  /** False where there is no snapshot that fits the log. */
  private restoreSnapshot (): boolean {
    const snapshot = this.meta.get(DEDUP_WINDOW_TABLE, this.key)
    if (snapshot === null) return false
    try {
      this.window.restore(snapshot)
      return this.window.appendedEnd <= this.log.nextOffset
    } catch (fault) {
      if (fault instanceof QueueStateFault) return false
      throw fault
    }
  }

  private replay (batch: Buffer, nowMs: number): void {
    const { extras, window } = this
    if (!extras.open(batch) || extras.columns === 0) return
    const { baseOffset } = readBatchHeader(batch)
    for (let index = 0; index < extras.rows; index++) {
      if (!extras.hasDedup(index)) continue
      const id = this.idOf(index)
      const offset = baseOffset + index
      // A duplicate never took the id: the record that has it came before.
      const isDuplicate = this.group.config.dedupUntilSettled ? this.hasEnded(offset) : window.find(id, nowMs) >= 0
      if (!isDuplicate) window.onAppended(id, offset, nowMs)
    }
  }

  private hasEnded (offset: number): boolean {
    const { state } = this.group.idle
    const slot = state.find(offset)
    return slot === NO_SLOT ? offset < state.floor : state.ledger.states[slot] === RECORD_STATE.ENDED
  }

  private idOf (row: number): DedupId {
    const { extras } = this
    return [
      extras.dedupWordOf(row, 0), extras.dedupWordOf(row, 1), extras.dedupWordOf(row, 2), extras.dedupWordOf(row, 3),
    ]
  }
}

const NONE: readonly DuplicateRecord[] = []
