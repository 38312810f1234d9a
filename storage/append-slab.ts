// A slab is a run of memory that appended batches are copied into, once. It serves three: the write to the disk,
// readers at the tail, and whoever still holds a slice of it after the cache let it go.
//
// - Bytes below `end` never change: slices of them can be handed out. A slab is never used again for other bytes; when
//   the cache lets go of it, it lives on as long as somebody holds a slice.
// - `unwritten` counts the runs in it that are not written yet: such a slab is never let go of.

import type { TailRing } from './tail-ring.js'

export class AppendSlab {
  /** Null once the cache has let go of it. */
  bytes: Buffer | null
  readonly sizeBytes: number
  end = 0
  unwritten = 0
  /** The logs with runs in here, to be told when it goes. */
  readonly rings: TailRing[] = []

  constructor (sizeBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(sizeBytes)
    this.sizeBytes = sizeBytes
  }

  get roomBytes (): number {
    return this.sizeBytes - this.end
  }
}
