// Which dedup ids are taken, and by which record: for a time, or until the record is terminal.
//
// The ids are hoisted into the batches, so the data log is the truth: `onAppended` is told of every record with an id,
// when it is appended and again after a restart, from where the last snapshot ended. An id whose time began anew over
// a restart is held longer than promised, never shorter.
//
//   oldest ── ring in memory, in order of arrival ── newest         overflow ─▶ DedupStore
//
// Invariants: an id is in the ring or in the store; what the ring holds is at most `idsInMemory`.

import { ByteReader, QueueStateFault } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'
import type { DedupId, DedupStore } from './queue-types.js'

export interface DedupOptions {
  /** Milliseconds of queue time; ignored where ids are held until settled. */
  windowMs: number
  untilSettled: boolean
  idsInMemory: number
  store: DedupStore
  /** True where a record is terminal, and durably so. */
  isSettled: (offset: number) => boolean
}

const SNAPSHOT_VERSION = 2
const LENGTH_MIN = 64
const NEVER = Number.MAX_SAFE_INTEGER

export class DedupWindow {
  private readonly options: DedupOptions
  /** Ring: four words, an offset and an expiry for each id. */
  private words = new Uint32Array(LENGTH_MIN * 4)
  private offsets = new Float64Array(LENGTH_MIN)
  private expires = new Float64Array(LENGTH_MIN)
  /** Places of the ring by hash: index + 1, 0 where free. */
  private places = new Int32Array(LENGTH_MIN * 2)
  private first = 0
  private count = 0
  private end = 0
  private timeMs = -Infinity

  constructor (options: DedupOptions) {
    this.options = options
  }

  /** Ids held in memory. */
  get size (): number { return this.count }

  /** The record of the oldest id in memory; Infinity where there is none. */
  get oldestOffset (): number {
    for (let step = 0; step < this.count; step++) {
      const offset = this.offsets[(this.first + step) % this.offsets.length]!
      if (offset >= 0) return offset
    }
    return Infinity
  }

  /** Forgets everything in memory. */
  clear (): void {
    this.words = new Uint32Array(LENGTH_MIN * 4)
    this.offsets = new Float64Array(LENGTH_MIN)
    this.expires = new Float64Array(LENGTH_MIN)
    this.places = new Int32Array(LENGTH_MIN * 2)
    this.first = this.count = this.end = 0
    this.timeMs = -Infinity
  }

  /** Queue time of the snapshot that was restored; -Infinity where none was. */
  get restoredMs (): number { return this.timeMs }

  /** Every record below was told of. */
  get appendedEnd (): number { return this.end }

  /** The record that has taken the id, or -1 where it is free. */
  find (id: DedupId, nowMs: number): number {
    const index = this.indexOf(id)
    if (index >= 0) return this.isFree(this.offsets[index]!, this.expires[index]!, nowMs) ? -1 : this.offsets[index]!
    const stored = this.options.store.get(id)
    if (stored === null) return -1
    if (!this.isFree(stored.offset, stored.expiresMs, nowMs)) return stored.offset
    this.options.store.remove(id)
    return -1
  }

  /** A record with a dedup id is in the log. What was told before is ignored. */
  onAppended (id: DedupId, offset: number, nowMs: number): void {
    if (offset < this.end) return
    this.end = offset + 1
    const expiresMs = this.options.untilSettled ? NEVER : nowMs + this.options.windowMs
    const index = this.indexOf(id)
    // Free again, or a second one that came through before this was known: the newest counts.
    if (index >= 0) this.forgetAt(index)
    else this.options.store.remove(id)
    this.push(id[0], id[1], id[2], id[3], offset, expiresMs)
  }

  /** Every record below `offset` was told of, also those without an id. */
  advanceTo (offset: number): void { this.end = Math.max(this.end, offset) }

  /** Drops what is free again, from the oldest on. */
  tick (nowMs: number, floor: number): void {
    while (this.count > 0) {
      const offset = this.offsets[this.first]!
      if (offset >= 0 && !this.isFree(offset, this.expires[this.first]!, nowMs)) break
      this.shift()
    }
    this.options.store.drop(nowMs, this.options.untilSettled ? floor : 0)
  }

  /**
   * What is in memory of records below `endOffset`; the store is a checkpoint's own.
   *
   * @param endOffset from where on records are to be told of again after a restart
   * @param nowMs queue time
   */
  snapshot (endOffset = this.end, nowMs = 0): Uint8Array {
    const writer = new ByteWriter()
    writer.byte(SNAPSHOT_VERSION)
    writer.count(endOffset)
    writer.count(Math.max(0, Math.floor(nowMs)))
    for (let step = 0; step < this.count; step++) {
      const index = (this.first + step) % this.offsets.length
      if (this.offsets[index]! < 0 || this.offsets[index]! >= endOffset) continue
      for (let word = 0; word < 4; word++) writer.count(this.words[index * 4 + word]!)
      writer.count(this.offsets[index]!)
      writer.count(this.expires[index]!)
    }
    return writer.take()
  }

  /** @throws QueueStateFault where the bytes are no snapshot of a known version */
  restore (bytes: Uint8Array): void {
    const reader = new ByteReader(bytes)
    const version = reader.byte()
    if (version !== SNAPSHOT_VERSION) throw new QueueStateFault(`a dedup snapshot of version ${version}, which is not known here`)
    const end = reader.count()
    this.timeMs = reader.count()
    while (!reader.atEnd) {
      this.push(reader.count(), reader.count(), reader.count(), reader.count(), reader.count(), reader.count())
    }
    this.end = end
  }

  private isFree (offset: number, expiresMs: number, nowMs: number): boolean {
    return this.options.untilSettled ? this.options.isSettled(offset) : expiresMs <= nowMs
  }

  private push (w0: number, w1: number, w2: number, w3: number, offset: number, expiresMs: number): void {
    if (this.count >= this.options.idsInMemory) this.spillFirst()
    if (this.count === this.offsets.length) this.grow()
    const index = (this.first + this.count) % this.offsets.length
    this.words[index * 4] = w0
    this.words[index * 4 + 1] = w1
    this.words[index * 4 + 2] = w2
    this.words[index * 4 + 3] = w3
    this.offsets[index] = offset
    this.expires[index] = expiresMs
    this.count++
    this.insertPlace(index)
  }

  private spillFirst (): void {
    const { words, first } = this
    const offset = this.offsets[first]!
    if (offset >= 0) {
      const at = first * 4
      const id: DedupId = [words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!]
      this.options.store.put(id, offset, this.expires[first]!)
    }
    this.shift()
  }

  private shift (): void {
    if (this.offsets[this.first]! >= 0) this.removePlace(this.first)
    this.first = (this.first + 1) % this.offsets.length
    this.count--
  }

  /** Takes an id out of the middle: its place in the ring stays, empty, until it is the oldest. */
  private forgetAt (index: number): void {
    this.removePlace(index)
    this.offsets[index] = -1
  }

  private indexOf (id: DedupId): number {
    const { places, words } = this
    const mask = places.length - 1
    for (let place = id[0] & mask; places[place] !== 0; place = (place + 1) & mask) {
      const at = (places[place]! - 1) * 4
      if (words[at] === id[0] && words[at + 1] === id[1] && words[at + 2] === id[2] && words[at + 3] === id[3]) {
        return places[place]! - 1
      }
    }
    return -1
  }

  private insertPlace (index: number): void {
    const { places } = this
    const mask = places.length - 1
    let place = this.words[index * 4]! & mask
    while (places[place] !== 0) place = (place + 1) & mask
    places[place] = index + 1
  }

  private removePlace (index: number): void {
    const { places } = this
    const mask = places.length - 1
    let hole = this.words[index * 4]! & mask
    while (places[hole] !== index + 1) hole = (hole + 1) & mask
    for (let place = (hole + 1) & mask; places[place] !== 0; place = (place + 1) & mask) {
      const home = this.words[(places[place]! - 1) * 4]! & mask
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      places[hole] = places[place]!
      hole = place
    }
    places[hole] = 0
  }

  private grow (): void {
    const { words, offsets, expires, first, count } = this
    const length = offsets.length * 2
    this.words = new Uint32Array(length * 4)
    this.offsets = new Float64Array(length)
    this.expires = new Float64Array(length)
    this.places = new Int32Array(length * 2)
    for (let step = 0; step < count; step++) {
      const from = (first + step) % offsets.length
      this.words.set(words.subarray(from * 4, from * 4 + 4), step * 4)
      this.offsets[step] = offsets[from]!
      this.expires[step] = expires[from]!
      if (this.offsets[step]! >= 0) this.insertPlace(step)
    }
    this.first = 0
  }
}
