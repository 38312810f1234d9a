// The memory that all logs of a store append into: slabs in the order of their first byte, the oldest let go first.
//
//    [slab][slab][slab] … [slab: filling up]       bounded by maxBytes, but for slabs with unwritten batches
//
// A batch larger than a quarter of a slab gets a slab of its own.

import { AppendSlab } from './append-slab.js'

const SLAB_BYTES_MAX = 1024 * 1024
const SLAB_BYTES_MIN = 16 * 1024

export class TailCache {
  readonly #maxBytes: number
  readonly #slabBytes: number
  #slabs: AppendSlab[] = []
  #current: AppendSlab | null = null
  #totalBytes = 0
  /** Bytes appended to any log and not written yet. */
  unwrittenBytes = 0

  constructor (maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#slabBytes = Math.max(SLAB_BYTES_MIN, Math.min(SLAB_BYTES_MAX, Math.floor(maxBytes / 8)))
  }

  get totalBytes (): number {
    return this.#totalBytes
  }

  /** A slab with room for `size` bytes at its `end`. The caller moves `end`. */
  slabFor (size: number): AppendSlab {
    if (size > this.#slabBytes / 4) return this.#add(size)
    if (this.#current === null || this.#current.bytes === null || this.#current.roomBytes < size) {
      this.#current = this.#add(this.#slabBytes)
    }
    return this.#current
  }

  #add (size: number): AppendSlab {
    const slab = new AppendSlab(size)
    this.#slabs.push(slab)
    this.#totalBytes += size
    this.trim()
    return slab
  }

  /** Lets go of the oldest slabs until the bound holds or only unwritten ones are left. */
  trim (): void {
    if (this.#totalBytes <= this.#maxBytes) return
    let kept = 0
    let index = 0
    const slabs = this.#slabs
    for (; index < slabs.length - 1 && this.#totalBytes > this.#maxBytes; index++) {
      const slab = slabs[index]!
      if (slab.unwritten > 0 || slab === this.#current) slabs[kept++] = slab
      else this.#letGo(slab)
    }
    if (kept === index) return
    slabs.copyWithin(kept, index)
    slabs.length -= index - kept
  }

  /** Lets go of everything. */
  clear (): void {
    for (const slab of this.#slabs) this.#letGo(slab)
    this.#slabs = []
    this.#current = null
  }

  #letGo (slab: AppendSlab): void {
    this.#totalBytes -= slab.sizeBytes
    slab.bytes = null
    for (const ring of slab.rings) ring.onSlabGone()
    slab.rings.length = 0
  }
}
