// The memory that all logs of a store append into: slabs in the order of their first byte, the oldest let go first.
//
//    [slab][slab][slab] … [slab: filling up]       bounded by maxBytes, but for slabs with unwritten batches
//
// A batch larger than half a slab gets a slab of its own. The memory of slabs that were let go and that nobody reads is
// kept for the next ones.

import { AppendSlab } from './append-slab.js'

const SLAB_BYTES_MAX = 4 * 1024 * 1024
const SLAB_BYTES_MIN = 16 * 1024
/** Slabs' worth of memory that may lie ready. */
const SPARES_MAX = 2

export class TailCache {
  private readonly maxBytes: number
  private readonly slabBytes: number
  private slabs: AppendSlab[] = []
  private current: AppendSlab | null = null
  private heldBytes = 0
  private readonly spares: Buffer[] = []
  /** Bytes appended to any log and not written yet. */
  unwrittenBytes = 0

  constructor (maxBytes: number) {
    this.maxBytes = maxBytes
    this.slabBytes = Math.max(SLAB_BYTES_MIN, Math.min(SLAB_BYTES_MAX, Math.floor(maxBytes / 8)))
  }

  get totalBytes (): number {
    return this.heldBytes
  }

  /** A slab with room for `size` bytes at its `end`. The caller moves `end`. */
  slabFor (size: number): AppendSlab {
    if (size > this.slabBytes / 2) return this.add(size)
    if (this.current === null || this.current.bytes === null || this.current.roomBytes < size) {
      this.current = this.add(this.slabBytes)
    }
    return this.current
  }

  private add (size: number): AppendSlab {
    const spare = size === this.slabBytes ? this.spares.pop() : undefined
    const slab = new AppendSlab(spare ?? Buffer.allocUnsafeSlow(size))
    this.slabs.push(slab)
    this.heldBytes += size
    this.trim()
    return slab
  }

  /** Lets go of the oldest slabs until the bound holds or only unwritten ones are left. */
  trim (): void {
    if (this.heldBytes <= this.maxBytes) return
    let kept = 0
    let index = 0
    const slabs = this.slabs
    for (; index < slabs.length - 1 && this.heldBytes > this.maxBytes; index++) {
      const slab = slabs[index]!
      if (slab.unwritten > 0 || slab === this.current) slabs[kept++] = slab
      else this.letGo(slab)
    }
    if (kept === index) return
    slabs.copyWithin(kept, index)
    slabs.length -= index - kept
  }

  /** Lets go of everything. */
  clear (): void {
    for (const slab of this.slabs) this.letGo(slab)
    this.slabs = []
    this.spares.length = 0
    this.current = null
  }

  private letGo (slab: AppendSlab): void {
    this.heldBytes -= slab.sizeBytes
    const isFree = !slab.lent && slab.readers === 0
    const reusable = isFree && slab.sizeBytes === this.slabBytes && this.spares.length < SPARES_MAX
    if (reusable) this.spares.push(slab.bytes!)
    slab.bytes = null
    for (const ring of slab.rings) ring.onSlabGone()
    slab.rings.length = 0
  }
}
