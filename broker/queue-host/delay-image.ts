// The content of a delay store as of one moment, given out piece by piece while the store goes on: what the state log
// keeps so that the meta store may be lost.
//
//   begin ─ what is in memory, at once ─ stored rows, a page at a time ──────▶ end
//             └ a stored row that changes meanwhile is copied first, if the walk has not come by yet
//
//   piece: entry …       entry: offset │ clock u8 │ due │ size │ record         varints, unless said otherwise

import type { MetaStore } from '@sluice/storage'
import { ByteReader } from '../queue/byte-reader.js'
import { ByteWriter } from '../queue/byte-writer.js'
import type { DelayClock } from '../queue/queue-types.js'
import { DELAYED_TABLE, keyAfter, offsetKey, offsetOfKey } from './queue-keys.js'
import { heldOfRow, type HeldRecord } from './held-record.js'

const ROWS_PER_PAGE = 1_000

export class DelayImage {
  private readonly meta: MetaStore
  private readonly prefix: Buffer
  private readonly endOffset: number
  private readonly writer = new ByteWriter()
  /** Offsets whose content as of the beginning is written, or that did not exist then. */
  private readonly done = new Set<number>()
  private nextKey: Buffer
  private walkedTo = -1
  private ended = false
  private isSealed = false

  /**
   * @param prefix what the stored rows begin with
   * @param endOffset every record of the beginning lies below
   * @param hidesRows no stored row counts: the image is what is noted
   */
  constructor (meta: MetaStore, prefix: Buffer, endOffset: number, hidesRows: boolean) {
    this.meta = meta
    this.prefix = prefix
    this.endOffset = endOffset
    this.nextKey = hidesRows ? offsetKey(prefix, endOffset) : prefix
  }

  /** An entry as of the beginning, or null where it did not exist then. Once per offset; later calls change nothing. */
  note (offset: number, held: HeldRecord | null): void {
    const isToCome = offset > this.walkedTo && offset < this.endOffset && !this.done.has(offset)
    if (this.ended || this.isSealed || !isToCome) return
    this.done.add(offset)
    if (held !== null) this.write(offset, held)
  }

  /** The stored rows do not change any more: there is nothing to note from now on. */
  seal (): void { this.isSealed = true }

  /** The next piece, or null after the last. */
  next (): Uint8Array | null {
    if (this.ended) return null
    const to = offsetKey(this.prefix, this.endOffset)
    const rows = this.meta.range(DELAYED_TABLE, { from: this.nextKey, to, limit: ROWS_PER_PAGE })
    for (const { key, value } of rows) {
      const offset = offsetOfKey(key)
      if (!this.done.has(offset)) this.write(offset, heldOfRow(value))
      this.walkedTo = offset
    }
    if (rows.length > 0) this.nextKey = keyAfter(rows.at(-1)!.key)
    if (rows.length < ROWS_PER_PAGE) {
      this.ended = true
      this.done.clear()
      return this.writer.size === 0 ? null : this.writer.take()
    }
    return this.writer.take()
  }

  private write (offset: number, { clock, dueMs, record }: HeldRecord): void {
    this.writer.count(offset)
    this.writer.byte(clock)
    this.writer.count(dueMs)
    this.writer.count(record.length)
    this.writer.raw(record)
  }
}

/** Reads a piece. @throws QueueStateFault where it is none. */
export function readDelayPiece (bytes: Uint8Array, each: (offset: number, held: HeldRecord) => void): void {
  const reader = new ByteReader(bytes)
  while (!reader.atEnd) {
    const offset = reader.count()
    const clock = reader.byte() as DelayClock
    const dueMs = reader.count()
    each(offset, { clock, dueMs, record: reader.raw(reader.count()).slice() })
  }
}
