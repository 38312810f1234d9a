// The way out, checked: every record that comes back is held against what went in.
//
//   by partition   offsets without a gap or a repetition; a digest over all keys and values in order
//   as a whole     the lines, put back in the order of their numbers, give the file again (its SHA-256)

import { createHash } from 'node:crypto'
import type { InRecord } from '@sluice/client'
import type { FedLines } from './line-feed.js'
import { PartitionDigests } from './partition-digests.js'

/** Above this size the file is not put together in memory; the partition digests still cover every byte. */
const REBUILD_BYTES_MAX = 1024 * 1024 * 1024

export class LineAudit {
  /** Records that came back. */
  records = 0
  bytes = 0
  /** What is not as it should be, in words. */
  readonly faults: string[] = []
  private readonly fed: FedLines
  private readonly digests: PartitionDigests
  private readonly nextOffsets: number[]
  private readonly lines: (Buffer | undefined)[] | null

  constructor (fed: FedLines, partitions: number) {
    this.fed = fed
    this.digests = new PartitionDigests(partitions)
    this.nextOffsets = new Array<number>(partitions).fill(0)
    this.lines = fed.bytes <= REBUILD_BYTES_MAX ? new Array<Buffer | undefined>(fed.lines) : null
  }

  /** True when as many records came back as went in. */
  get isComplete (): boolean { return this.records >= this.fed.lines }

  /** The whole file was put together again, not only checked by partition. */
  get isRebuilt (): boolean { return this.lines !== null }

  add (record: InRecord<Uint8Array, Uint8Array>): void {
    const { partition, offset, key, value } = record
    if (key === null || value === null) {
      this.faults.push(`partition ${partition}, offset ${offset}: key or value is missing`)
      return
    }
    const expected = this.nextOffsets[partition]!
    if (offset !== expected) {
      this.faults.push(`partition ${partition}: offset ${offset} came where ${expected} was due`)
    }
    this.nextOffsets[partition] = offset + 1
    this.records++
    this.bytes += value.length
    this.digests.add(partition, key, value)
    // A record is a view of its batch: what is kept is copied.
    if (this.lines !== null) this.lines[Number(Buffer.from(key).toString('latin1'))] = Buffer.from(value)
  }

  /** Compares the digests; `faults` is empty where everything is the same. */
  finish (): void {
    const { fed, digests } = this
    if (this.records !== fed.lines) this.faults.push(`${fed.lines} lines went in, ${this.records} records came out`)
    const expected = fed.digests.finish()
    for (const [partition, digest] of digests.finish().entries()) {
      if (digest !== expected[partition]) this.faults.push(`partition ${partition}: the bytes or their order differ from what went in`)
    }
    if (this.lines !== null && this.rebuiltDigest(this.lines) !== fed.fileDigest) {
      this.faults.push('the file put together again is not the file that went in')
    }
  }

  private rebuiltDigest (lines: readonly (Buffer | undefined)[]): string {
    const hash = createHash('sha256')
    for (let line = 0; line < this.fed.lines; line++) {
      hash.update(lines[line] ?? '')
      if (line < this.fed.lines - 1 || this.fed.endsWithNewline) hash.update('\n')
    }
    return hash.digest('hex')
  }
}
