// A digest for each partition over its records in order: the same on both sides only where every byte of every key and
// value is the same, in the same order, none missing and none twice. It takes no memory per record.

import { createHash } from 'node:crypto'

export class PartitionDigests {
  readonly counts: number[]
  private readonly hashes
  private readonly sizes = Buffer.alloc(8)
  private results: string[] | null = null

  constructor (partitions: number) {
    this.counts = new Array<number>(partitions).fill(0)
    this.hashes = this.counts.map(() => createHash('sha256'))
  }

  add (partition: number, key: Uint8Array, value: Uint8Array): void {
    this.sizes.writeUInt32BE(key.length, 0)
    this.sizes.writeUInt32BE(value.length, 4)
    this.counts[partition]!++
    this.hashes[partition]!.update(this.sizes).update(key).update(value)
  }

  /** The digests by partition; nothing can be added after this. */
  finish (): string[] {
    this.results ??= this.hashes.map(hash => hash.digest('hex'))
    return this.results
  }
}
