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
//
// A crash between the two makes a duplicate a record like any other. A restart ends it where it is certain that the id
// was taken when it came: by a record that is not settled now, or within the window by the time of the snapshot. Nobody
// was told what it is, so that otherwise it may as well count as new.

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

/** Duplicates of a batch, which ends at `endOffset`, that are not durably terminal. */
interface Ending {
  readonly offsets: readonly number[]
  readonly endOffset: number
  readonly waiting: ((isDurable: boolean) => void)[]
}

/** Snapshots so small are written with every round; larger ones once in so many rounds. */
const SMALL_IDS = 1_000
const ROUNDS_PER_SNAPSHOT = 15
/** Records that a snapshot leaves out may have come so long before it, in milliseconds. */
const OPEN_MS_MAX = 10_000
/** Bytes of a row's key behind the partition's, at most. */
const KEY_REST_BYTES_MAX = 32

export class QueueDedup {
  private readonly partition: QueuePartition
  private readonly log: PartitionLog
  private readonly group: HostedQueueGroup
  private readonly meta: MetaStore
  private readonly key: Buffer
  private readonly window: DedupWindow
  private readonly extras = new RecordExtrasReader()
  /** Those that wait for their batch to be committed, in order. */
  private endings: Ending[] = []
  /** A duplicate that is not durably terminal: the record that had its id, and its batch's ending. */
  private readonly dying = new Map<number, { readonly holder: number, readonly ending: Ending }>()
  /** The first duplicate of each batch in which not all are durably terminal. */
  private readonly open = new Set<number>()
  private pendingCount = 0
  private isRestored = false
  /** Some record had an id. */
  private hasIds = false
  private storedEnd = -1
  private storedMs = -Infinity
  private rounds = 0

  constructor (partition: QueuePartition, group: HostedQueueGroup, meta: MetaStore) {
    const { log, metaKey } = partition
    this.partition = partition
    this.log = log
    this.group = group
    this.meta = meta
    this.key = metaKey
    this.window = new DedupWindow({
      get windowMs () { return group.config.dedupWindowMs },
      get untilSettled () { return group.config.dedupUntilSettled },
      idsInMemory: QUEUE_LIMITS.dedupIdsInMemory,
      store: new StoredDedupStore(meta, metaKey, partition),
      isSettled: offset => this.isRestored ? group.idle.isSettledDurably(offset) : this.wasSettled(offset),
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
    const snapshotEnd = window.appendedEnd
    await log.replay(snapshotEnd, batch => this.replay(batch, nowMs, snapshotEnd))
    window.advanceTo(log.nextOffset)
    this.hasIds = window.size > 0
    this.isRestored = true
  }

  /** Ends the duplicates that a crash has left: before anybody can receive them. */
  begin (highWatermark: number): void { this.onHighWatermark(highWatermark) }

  /**
   * The records of a batch whose ids are taken, also by earlier ones of the same batch at `baseOffset`. Of a batch that
   * is stored already, also those that were duplicates when they came, whoever has their ids by now; and those that
   * have ended since: whether they were duplicates nobody knows any more, and they are no news.
   */
  duplicatesIn (batch: Buffer, baseOffset: number, isStored = false): readonly DuplicateRecord[] {
    const { extras, window, group } = this
    if (!extras.open(batch) || extras.columns === 0) return NONE
    const { queueTimeMs } = this.group.turn()
    const duplicates: DuplicateRecord[] = []
    const own = new Map<string, number>()
    for (let index = 0; index < extras.rows; index++) {
      if (!extras.hasDedup(index)) continue
      const id = this.idOf(index)
      const key = id.join()
      const place = baseOffset + index
      const dying = isStored ? this.dying.get(place) : undefined
      const offset = dying?.holder ?? own.get(key) ?? window.find(id, queueTimeMs)
      // What is stored, and still to be handed out, is a record like any other, whoever has its id.
      const isOver = !isStored || dying !== undefined || group.idle.isSettledDurably(place)
      if (isOver && offset >= 0 && offset < place) duplicates.push({ index, offset })
      else if (isOver && isStored) duplicates.push({ index, offset: place })
      else own.set(key, place)
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
      this.hasIds = true
      const { queueTimeMs } = this.group.turn()
      let next = 0
      for (let index = 0; index < extras.rows; index++) {
        if (duplicates[next]?.index === index) next++
        else if (extras.hasDedup(index)) window.onAppended(this.idOf(index), baseOffset + index, queueTimeMs)
      }
    }
    window.advanceTo(endOffset)
    if (duplicates.length === 0) return
    const offsets = duplicates.map(({ index }) => baseOffset + index)
    this.endLater(offsets, duplicates.map(({ offset }) => offset), endOffset)
  }

  /** Ends duplicates, of the records `holders`, when the batch that they are in is committed. */
  private endLater (offsets: readonly number[], holders: readonly number[], endOffset: number): void {
    const ending: Ending = { offsets, endOffset, waiting: [] }
    this.pendingCount += offsets.length
    this.open.add(offsets[0]!)
    offsets.forEach((offset, index) => { this.dying.set(offset, { holder: holders[index]!, ending }) })
    this.endings.push(ending)
  }

  /** Calls back when the duplicates of the batch at `baseOffset` are terminal, and durably so. */
  whenEnded (baseOffset: number, duplicates: readonly DuplicateRecord[], done: (isDurable: boolean) => void): void {
    for (const { index } of duplicates) {
      const dying = this.dying.get(baseOffset + index)
      if (dying !== undefined) {
        dying.ending.waiting.push(done)
        return
      }
    }
    done(true)
  }

  /** Records below are committed, and the group does not know it yet. */
  onHighWatermark (offset: number): void {
    while (this.endings.length > 0 && this.endings[0]!.endOffset <= offset) {
      const ending = this.endings.shift()!
      this.pendingCount -= ending.offsets.length
      this.group.turn().endDuplicates(ending.offsets, isDurable => {
        if (isDurable) this.open.delete(ending.offsets[0]!)
        this.tell(ending, isDurable)
      })
    }
  }

  /** Nobody will hear whether the duplicates on their way are terminal. */
  close (): void {
    const { endings } = this
    this.endings = []
    for (const ending of endings) this.tell(ending, false)
  }

  private tell ({ offsets, waiting }: Ending, isDurable: boolean): void {
    for (const offset of offsets) this.dying.delete(offset)
    for (const done of waiting) done(isDurable)
  }

  /** The record that has the id, or -1. */
  offsetOf (key: Buffer): number {
    const id: DedupId = [key.readUInt32BE(0), key.readUInt32BE(4), key.readUInt32BE(8), key.readUInt32BE(12)]
    return this.window.find(id, this.group.turn().queueTimeMs)
  }

  /** Drops ids that are free again, and writes a snapshot where that is due. */
  checkpoint (all: boolean, nowMs: number): void {
    const { window, partition, group } = this
    if (group.isLeading) window.tick(group.idle.queueTimeMs, group.idle.durableFloor)
    const isDue = all || window.size <= SMALL_IDS || ++this.rounds >= ROUNDS_PER_SNAPSHOT
    // A restart looks at the records behind it: among them all that may have to be ended.
    const end = Math.min(window.appendedEnd, partition.settledOffset, ...this.open)
    // Of one that is old a restart could not tell what was taken when.
    const { dedupUntilSettled, dedupWindowMs } = group.config
    const isAged = this.hasIds && !dedupUntilSettled && nowMs - this.storedMs >= dedupWindowMs / 4
    if (!isDue || (end === this.storedEnd && !isAged)) return
    this.rounds = 0
    this.storedEnd = end
    this.storedMs = nowMs
    const value = Buffer.from(window.snapshot(end, nowMs))
    this.meta.write([{ table: DEDUP_WINDOW_TABLE, key: this.key, value }])
  }

  /** The lowest offset whose id is held in memory: a start without the meta store must find it. Infinity for none. */
  get oldestOffset (): number { return this.group.config.dedupUntilSettled ? Infinity : this.window.oldestOffset }

  /** False where there is no snapshot that fits the log. */
  private restoreSnapshot (): boolean {
    const snapshot = this.meta.get(DEDUP_WINDOW_TABLE, this.key)
    if (snapshot === null) return false
    try {
      this.window.restore(snapshot)
      this.storedMs = this.window.restoredMs
      return this.window.appendedEnd <= this.log.nextOffset
    } catch (fault) {
      if (fault instanceof QueueStateFault) return false
      throw fault
    }
  }

  private replay (batch: Buffer, nowMs: number, snapshotEnd: number): void {
    const { extras, window } = this
    if (!extras.open(batch) || extras.columns === 0) return
    const { baseOffset } = readBatchHeader(batch)
    const left: number[] = []
    const holders: number[] = []
    for (let index = 0; index < extras.rows; index++) {
      const offset = baseOffset + index
      if (!extras.hasDedup(index) || offset < snapshotEnd) continue
      const id = this.idOf(index)
      const holder = window.find(id, nowMs)
      const seen = this.seenAs(offset)
      if (seen === 'none' && holder >= 0 && this.wasTaken(holder, nowMs, snapshotEnd)) {
        left.push(offset)
        holders.push(holder)
      } else if (seen === 'none' || seen === 'outstanding' || holder < 0) {
        // What was handed out is no duplicate; of what has ended nobody knows, and the record that has the id keeps it.
        window.onAppended(id, offset, nowMs)
      }
    }
    if (left.length > 0) this.endLater(left, holders, baseOffset + extras.rows)
  }

  /** What the state log says of a record: nothing, that it is not settled, or that it has ended or waits in a lane. */
  private seenAs (offset: number): 'none' | 'outstanding' | 'unknown' {
    const { state } = this.group.idle
    const slot = state.ledger.find(offset)
    if (slot !== NO_SLOT) return state.ledger.states[slot] === RECORD_STATE.ENDED ? 'unknown' : 'outstanding'
    if (state.delayed.get(offset) !== null) return 'outstanding'
    return offset >= state.nextOffset ? 'none' : 'unknown'
  }

  /** False where a record is not settled for certain, as far as the state log says. */
  private wasSettled (offset: number): boolean { return this.seenAs(offset) === 'unknown' }

  /** The id that `holder` has was certainly taken when the records behind the snapshot came. */
  private wasTaken (holder: number, nowMs: number, snapshotEnd: number): boolean {
    const { dedupUntilSettled, dedupWindowMs } = this.group.config
    // Time that was counted from the restart says nothing, unless all that came since the snapshot is young enough.
    const marginMs = Math.min(dedupWindowMs / 2, OPEN_MS_MAX)
    return dedupUntilSettled || holder < snapshotEnd || nowMs < this.storedMs + dedupWindowMs - marginMs
  }

  private idOf (row: number): DedupId {
    const { extras } = this
    return [
      extras.dedupWordOf(row, 0), extras.dedupWordOf(row, 1), extras.dedupWordOf(row, 2), extras.dedupWordOf(row, 3),
    ]
  }
}

const NONE: readonly DuplicateRecord[] = []
