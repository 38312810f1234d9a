// A slab is a run of memory that appended batches are copied into, once. It serves three: the write to the disk,
// readers at the tail, and whoever still holds a slice of it after the cache let it go.
//
// - Bytes below `end` never change while anybody may look at them: slices of them can be handed out.
// - `unwritten` counts the runs in it that are not written yet: such a slab is never let go of.
// - When the cache lets go of a slab that nobody reads any more, its memory is used for another one: memory outside of
//   the heap that comes and goes by the megabyte has the collector walk the whole heap every few dozen of them. What
//   was handed out and not given back (`readers`) lives on as long as somebody holds a slice.

import type { TailRing } from './tail-ring.js'

export class AppendSlab {
  /** Null once the cache has let go of it. */
  bytes: Buffer | null
  readonly sizeBytes: number
  end = 0
  unwritten = 0
  /** Slices that were handed out and not given back. */
  readers = 0
  /** A write from it may be under way that nobody waits for. */
  lent = false
  /** The logs with runs in here, to be told when it goes. */
  readonly rings: TailRing[] = []

  /** @param bytes memory that nobody else uses. */
  constructor (bytes: Buffer) {
    this.bytes = bytes
    this.sizeBytes = bytes.length
  }

  get roomBytes (): number {
    return this.sizeBytes - this.end
  }
}
