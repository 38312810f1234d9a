import type { AppendSlab } from './append-slab.js'
import type { Segment } from './segment.js'

/**
 * Consecutive batches of one log, side by side in one slab and in one segment. It grows while it is the newest and not
 * handed to a write; then it is what a write takes and what a reader at the tail finds.
 */
export interface TailRun {
  readonly slab: AppendSlab
  readonly segment: Segment
  /** Where it begins in the slab, and where it ends. */
  readonly start: number
  end: number
  /** Where it begins in the segment's file. */
  readonly position: number
  readonly baseOffset: number
  nextOffset: number
  /** `crc` and leader epoch of its last batch. */
  lastCrc: number
  lastEpoch: number
  /** Handed to a write: it grows no more. */
  closed: boolean
}
