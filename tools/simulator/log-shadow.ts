// What one store holds of one log, batch by batch, as a checker knows it: it outlives the process.

import { readBatchHeader } from '@sluice/protocol'

/** A batch, as far as anybody compares them. `crc` covers all that the producer made. */
export interface ShadowBatch {
  readonly baseOffset: number
  readonly endOffset: number
  readonly epoch: number
  readonly crc: number
  readonly producerId: number
  readonly baseSequence: number
}

export class LogShadow {
  batches: ShadowBatch[] = []
  /** What was safe when the process died; -1 while it lives. */
  deadOffset = -1

  get endOffset (): number {
    return this.batches[this.batches.length - 1]?.endOffset ?? 0
  }

  push (batch: ShadowBatch): void {
    this.batches.push(batch)
  }

  /** Forgets all from `offset` on. */
  truncateTo (offset: number): void {
    while (this.batches.length > 0 && this.endOffset > offset) this.batches.pop()
  }

  /** The index of the batch that begins at `offset`; -1 where none does. */
  find (offset: number): number {
    let low = 0
    let high = this.batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.batches[middle]!.baseOffset < offset) low = middle + 1
      else high = middle
    }
    return this.batches[low]?.baseOffset === offset ? low : -1
  }

  /** The batch that holds `offset`; null where none does. */
  at (offset: number): ShadowBatch | null {
    let low = 0
    let high = this.batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.batches[middle]!.endOffset <= offset) low = middle + 1
      else high = middle
    }
    const batch = this.batches[low]
    return batch !== undefined && batch.baseOffset <= offset ? batch : null
  }
}

export function sameBatch (a: ShadowBatch, b: ShadowBatch): boolean {
  return a.baseOffset === b.baseOffset && a.endOffset === b.endOffset && a.epoch === b.epoch && a.crc === b.crc
}

export function describeBatch ({ baseOffset, endOffset, epoch, crc, producerId, baseSequence }: ShadowBatch): string {
  return `[${baseOffset}, ${endOffset}) epoch ${epoch} crc ${crc.toString(16)} producer ${producerId}/${baseSequence}`
}

/** The batch at `at`. */
export function shadowOf (bytes: Buffer, at = 0): ShadowBatch {
  const header = readBatchHeader(bytes, at)
  return {
    baseOffset: header.baseOffset,
    endOffset: header.baseOffset + header.lastOffsetDelta + 1,
    epoch: header.leaderEpoch,
    crc: header.crc,
    producerId: header.producerId,
    baseSequence: header.baseSequence,
  }
}
