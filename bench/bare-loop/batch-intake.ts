// Takes in a stream of record batches without copying it: the socket reads straight into slabs, whole batches are
// checked where they lie and handed on as runs.
//
//   slab:  [batch][batch][batch][bat·····]
//          start ^              ^ taken  ^ end      only the torn batch at the end of a full slab is ever copied
//
// Invariants: start <= taken <= end; every byte is handed on exactly once, in order; a slab is used again only when all
// runs of it have been released.

import { BATCH_HEADER_BYTES, BATCH_POSITION, checkBatchBody } from '@sluice/protocol'

/** Memory that runs lie in. */
export interface Slab { readonly bytes: Buffer, runs: number }

/** Whole batches, one after the other. */
export interface BatchRun { readonly bytes: Buffer, readonly slab: Slab }

const SLAB_BYTES = 1024 * 1024
/** A read is offered at least so much room. */
const READ_BYTES_MIN = 64 * 1024
/** Slabs kept for reuse. */
const FREE_SLABS_MAX = 16

export class BatchIntake {
  private readonly onRun: (run: BatchRun) => void
  private readonly free: Slab[] = []
  private slab: Slab = { bytes: Buffer.allocUnsafeSlow(SLAB_BYTES), runs: 0 }
  private start = 0
  private end = 0

  /** @param onRun called with batches whose checksums hold; it calls `release` when it is done with them. */
  constructor (onRun: (run: BatchRun) => void) {
    this.onRun = onRun
  }

  /** Where the next bytes of the stream have to be put. */
  target (): Buffer {
    if (this.slab.bytes.length - this.end < READ_BYTES_MIN) this.turnOver()
    return this.slab.bytes.subarray(this.end)
  }

  /** `size` more bytes are in the target. @throws Error where a batch is damaged. */
  took (size: number): void {
    this.end += size
    const { bytes } = this.slab
    let taken = this.start
    while (this.end - taken >= BATCH_HEADER_BYTES) {
      const batchSize = bytes.readUInt32BE(taken + BATCH_POSITION.size)
      if (batchSize > this.end - taken) break
      const fault = checkBatchBody(bytes, taken)
      if (fault !== null) throw new Error(`a batch arrived damaged: ${fault}`)
      taken += batchSize
    }
    if (taken === this.start) return
    const run = { bytes: bytes.subarray(this.start, taken), slab: this.slab }
    this.slab.runs++
    this.start = taken
    this.onRun(run)
  }

  /** The receiver of a run is done with its bytes. */
  release (run: BatchRun): void {
    const { slab } = run
    slab.runs--
    if (slab.runs === 0 && slab !== this.slab && this.free.length < FREE_SLABS_MAX) this.free.push(slab)
  }

  /** Goes on in another slab, taking along the bytes that are no whole batch yet. */
  private turnOver (): void {
    const held = this.end - this.start
    const needed = Math.max(SLAB_BYTES, (held + READ_BYTES_MIN) * 2)
    const reused = needed > SLAB_BYTES ? undefined : this.free.pop()
    const next = reused?.bytes.length === SLAB_BYTES ? reused : { bytes: Buffer.allocUnsafeSlow(needed), runs: 0 }
    this.slab.bytes.copy(next.bytes, 0, this.start, this.end)
    const last = this.slab
    this.slab = next
    if (last.runs === 0 && this.free.length < FREE_SLABS_MAX) this.free.push(last)
    this.start = 0
    this.end = held
  }
}

/** `onread` of a socket that reads into `intake`. */
export function intakeOnRead (intake: BatchIntake): { buffer: () => Buffer, callback: (size: number) => boolean } {
  return {
    buffer: () => intake.target(),
    callback (size) {
      intake.took(size)
      return true
    },
  }
}
