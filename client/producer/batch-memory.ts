// The memory that batches are built in, used again and again: buffers that come and go by the megabyte have the
// collector walk the whole heap.
//
//   builder() ──▶ batch ── sealed: giveBuilder() ──▶ acknowledged: giveBytes() ──▶ the memory of another batch
//
// Invariant: memory comes back only when the broker has acknowledged what it was sent, once: then no socket holds it.

import { RecordBatchBuilder } from '@sluice/protocol'
import type { OutgoingBatch } from './outgoing-batch.js'

const BUILDERS_MAX = 32
/** Memory of a builder begins so small: most batches of a quiet producer are. */
const BUILDER_BYTES_MIN = 4 * 1024
/** Room for the last record's string guess on top, so that a full batch needs no larger buffer. */
const BUILDER_SLACK_BYTES = 1024
/** Buffers that an idle producer keeps. */
const SPARES_IDLE_MAX = 2

/** See the head of this file. */
export class BatchMemory {
  private readonly spareBytesMax: number
  private readonly builders: RecordBatchBuilder[] = []
  private readonly spares: Buffer[] = []

  /** @param spareBytesMax most memory that lies ready, in bytes. */
  constructor (spareBytesMax: number) {
    this.spareBytesMax = spareBytesMax
  }

  /** A builder for a batch of up to `batchBytes`. */
  builder (batchBytes: number): RecordBatchBuilder {
    const targetBytes = batchBytes + BUILDER_SLACK_BYTES
    const builder = this.builders.pop() ?? new RecordBatchBuilder(Math.min(BUILDER_BYTES_MIN, targetBytes), targetBytes)
    const spare = this.spares.pop()
    if (spare !== undefined) builder.useMemory(spare)
    return builder
  }

  /** Takes back the builder that made `bytes`. */
  giveBuilder (builder: RecordBatchBuilder, bytes: Buffer): void {
    // A builder makes room for a batch like its last one: not worth keeping where that was mostly unused.
    const isUseful = bytes.length * 8 >= bytes.buffer.byteLength
    if (isUseful && this.builders.length < BUILDERS_MAX) this.builders.push(builder)
  }

  /** Takes back the memory of an acknowledged batch, where it is of the size that a full one has. */
  giveBytes ({ attempts, bytes }: OutgoingBatch, batchBytes: number): void {
    const memory = bytes!.buffer as ArrayBuffer
    // Of a batch that was sent again the socket of the first time may hold the bytes still.
    if (attempts > 1) return
    if (memory.byteLength < batchBytes || memory.byteLength > batchBytes + BUILDER_SLACK_BYTES) return
    if ((this.spares.length + 1) * memory.byteLength <= this.spareBytesMax) this.spares.push(Buffer.from(memory))
  }

  /** Lets go of what is not worth keeping while nothing is on its way. */
  rest (): void {
    if (this.spares.length > SPARES_IDLE_MAX) this.spares.length = SPARES_IDLE_MAX
  }
}
