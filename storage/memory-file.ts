// A file of the file system in memory: what the page cache holds, what the medium holds, and the changes between them.
//
//   durable  [.......old.......]            what a power cut is sure to leave
//   dirty        {write} {write} {resize}   in the order they were made; a power cut leaves any of them, or parts
//   written  [.......new...........]        what a reader sees, and what kill -9 leaves
//
// Invariant: durable with all of dirty applied = written, unless a failed sync was told to forget.

import { MemoryImage } from './memory-image.js'

/** The unit a disk writes whole or not at all. */
export const SECTOR_BYTES = 512

/** A change that was written and not synced: `bytes` at `position`, or a resize to `position` where `bytes` is null. */
interface DirtyChange { readonly sequence: number, readonly position: number, readonly bytes: Buffer | null }

/** What a power cut leaves of the changes of one file. */
export interface Survival {
  /** Counted along the changes in their order, or drawn piece by piece; see PowerCutOptions. */
  readonly keep: 'none' | 'all' | 'prefix' | 'subset' | number
  readonly tear: 'sector' | 'byte'
}

export class MemoryFile {
  readonly isDirectory = false
  modifiedMs: number
  /** Handles that are open; an unlinked file goes when the last one does. */
  openCount = 0
  /** False when no directory names it any more. */
  linked = true
  private written = new MemoryImage()
  private durable = new MemoryImage()
  private dirty: DirtyChange[] = []

  constructor (modifiedMs: number) {
    this.modifiedMs = modifiedMs
  }

  get size (): number {
    return this.written.size
  }

  /** Bytes written and not synced, a resize counting as one: the whole of which `Survival.keep` can be a part. */
  get dirtyBytes (): number {
    return this.dirty.reduce((sum, change) => sum + weightOf(change), 0)
  }

  read (target: Buffer, position: number): number {
    return this.written.read(target, position)
  }

  write (bytes: Buffer, position: number, sequence: number): void {
    if (bytes.length === 0) return
    this.written.write(bytes, position)
    this.dirty.push({ sequence, position, bytes })
  }

  resize (size: number, sequence: number): void {
    this.written.resize(size)
    this.dirty.push({ sequence, position: size, bytes: null })
  }

  /** Makes the changes below `sequenceEnd` durable. */
  sync (sequenceEnd: number): void {
    const later: DirtyChange[] = []
    for (const change of this.dirty) {
      if (change.sequence < sequenceEnd) applyChange(this.durable, change)
      else later.push(change)
    }
    this.dirty = later
  }

  /** What a failed sync does to the changes: see MemoryDiskFault.dirty. */
  failSync (fate: 'kept' | 'reverted' | 'forgotten'): void {
    if (fate === 'kept') return
    this.dirty = []
    if (fate === 'reverted') this.written = this.durable.clone()
  }

  /** Changes bytes on the medium and in the cache alike, behind the back of whoever wrote them. */
  corrupt (bytes: Buffer, position: number): void {
    this.written.write(bytes, position)
    const durableBytes = Math.max(0, Math.min(bytes.length, this.durable.size - position))
    this.durable.write(bytes.subarray(0, durableBytes), position)
    this.dirty = this.dirty.map(change => corruptChange(change, bytes, position))
  }

  /** Loses the cache: the file is what was durable and what `survival` leaves of the rest. */
  powerCut (survival: Survival, random: () => number): void {
    const { keep, tear } = survival
    if (keep === 'subset') this.keepSubset(tear, random)
    else if (keep === 'all') this.keepPrefix(Infinity, 'byte')
    else if (typeof keep === 'number') this.keepPrefix(keep, 'byte')
    else if (keep === 'prefix') this.keepPrefix(Math.floor(random() * (this.dirtyBytes + 1)), tear)
    this.dirty = []
    this.written = this.durable.clone()
    this.openCount = 0
  }

  durableContents (): Buffer {
    const contents = Buffer.alloc(this.durable.size)
    this.durable.read(contents, 0)
    return contents
  }

  clone (): MemoryFile {
    const copy = new MemoryFile(this.modifiedMs)
    copy.written = this.written.clone()
    copy.durable = this.durable.clone()
    copy.dirty = this.dirty.slice()
    copy.linked = this.linked
    return copy
  }

  private keepPrefix (bytes: number, tear: 'sector' | 'byte'): void {
    let left = bytes
    for (const change of this.dirty) {
      if (left <= 0) return
      const weight = weightOf(change)
      if (weight <= left) {
        applyChange(this.durable, change)
      } else {
        let end = change.position + left
        if (tear === 'sector') end -= end % SECTOR_BYTES
        const kept = Math.max(0, end - change.position)
        this.durable.write(change.bytes!.subarray(0, kept), change.position)
      }
      left -= weight
    }
  }

  private keepSubset (tear: 'sector' | 'byte', random: () => number): void {
    const fullSize = this.written.size
    for (const { bytes, position } of this.dirty) {
      if (bytes === null) {
        if (random() < 0.5) this.durable.resize(position)
        continue
      }
      for (let start = 0; start < bytes.length;) {
        const end = Math.min(bytes.length, start + SECTOR_BYTES - (position + start) % SECTOR_BYTES)
        if (random() < 0.5) {
          const keptEnd = tear === 'byte' ? start + Math.ceil(random() * (end - start)) : end
          this.durable.write(bytes.subarray(start, keptEnd), position + start)
        }
        start = end
      }
    }
    // The length of a file is written apart from its contents: it may be there when they are not.
    if (this.durable.size < fullSize && random() < 0.25) this.durable.resize(fullSize)
  }
}

function weightOf (change: DirtyChange): number {
  return change.bytes === null ? 1 : change.bytes.length
}

function applyChange (image: MemoryImage, change: DirtyChange): void {
  if (change.bytes === null) image.resize(change.position)
  else image.write(change.bytes, change.position)
}

function corruptChange (change: DirtyChange, bytes: Buffer, position: number): DirtyChange {
  if (change.bytes === null) return change
  const start = Math.max(position, change.position)
  const end = Math.min(position + bytes.length, change.position + change.bytes.length)
  if (start >= end) return change
  const copy = Buffer.from(change.bytes)
  bytes.copy(copy, start - change.position, start - position, end - position)
  return { ...change, bytes: copy }
}
