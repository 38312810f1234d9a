// What is known of one partition from outside: what was acknowledged where, and what was seen where.
//
//   offset        0     1     2     3     4     5
//   acknowledged  A0    A1    -     B0    -
//   observed      A0    A1    C7    B0          ← must agree wherever both are known, for ever
//
// A hole is a range that the broker has said to be damaged, after a test had damaged it.

import { describeRecord, type RecordId } from './test-record.js'

export interface Hole { readonly from: number, readonly to: number }

export class PartitionHistory {
  readonly topic: string
  readonly partition: number
  readonly acknowledged: (RecordId | undefined)[] = []
  readonly observed: (RecordId | undefined)[] = []
  /** Offset after the last one that anybody outside has been told of: nothing below may be lost. */
  promisedEnd = 0
  /** Offset up to which `read` has been called. */
  readEnd = 0
  holes: Hole[] = []
  /**
   * Where a test has damaged the end of the log when nobody had been told of it. By the time that a hole is seen there,
   * what came after it may have been acknowledged.
   */
  readonly damagedTails: Hole[] = []
  /** By producer: the sequence that was read last. */
  readonly lastSequence = new Map<number, number>()
  /** Leaders put records of their own between those of producers, and readers do not see them. */
  private readonly hasControlRecords: boolean

  constructor (topic: string, partition: number, hasControlRecords: boolean) {
    this.topic = topic
    this.partition = partition
    this.hasControlRecords = hasControlRecords
  }

  get label (): string { return `${this.topic}/${this.partition}` }

  /** Notes what the acknowledgement says; the answer is what is wrong with it, or null. */
  acknowledge (offset: number, id: RecordId): string | null {
    this.promisedEnd = Math.max(this.promisedEnd, offset + 1)
    const before = this.acknowledged[offset]
    this.acknowledged[offset] = id
    if (before !== undefined && before !== id) {
      return `${this.label}@${offset} was acknowledged twice: for ${describeRecord(before)} and for ${describeRecord(id)}`
    }
    return this.conflictAt(offset)
  }

  /** Notes what somebody has read; the answer is what is wrong with it, or null. */
  observe (offset: number, id: RecordId): string | null {
    this.promisedEnd = Math.max(this.promisedEnd, offset + 1)
    const before = this.observed[offset]
    this.observed[offset] = id
    if (before !== undefined && before !== id) {
      return `${this.label}@${offset} has changed: it was ${describeRecord(before)} and is ${describeRecord(id)}`
    }
    return this.conflictAt(offset)
  }

  inHole (offset: number): boolean {
    return this.holes.some(({ from, to }) => offset >= from && offset < to)
  }

  /** A reader may pass over this offset: it is damaged, or nobody has ever been told of a record there. */
  mayPassOver (offset: number): boolean {
    if (this.inHole(offset)) return true
    return this.hasControlRecords && this.acknowledged[offset] === undefined && this.observed[offset] === undefined
  }

  /** Acknowledged records that were not seen where they should be. */
  * missing (): IterableIterator<string> {
    for (let offset = 0; offset < this.acknowledged.length; offset++) {
      const id = this.acknowledged[offset]
      if (id === undefined || this.observed[offset] !== undefined) continue
      yield `${this.label}@${offset}: ${describeRecord(id)} was acknowledged and is lost`
    }
  }

  private conflictAt (offset: number): string | null {
    const acknowledged = this.acknowledged[offset]
    const observed = this.observed[offset]
    if (acknowledged === undefined || observed === undefined || acknowledged === observed) return null
    return `${this.label}@${offset}: ${describeRecord(acknowledged)} was acknowledged there and ${describeRecord(observed)} is there`
  }
}
