// The records of partitions in the control store, and the one way to change them: read, decide, compare and swap.
//
//   /partitions/<topicId>/<partition> → PartitionRecord
//
// An answer may be lost after the change was made. The nonce that each change carries tells: where the record holds
// ours, it was made.

import type { PartitionRecord } from '../replica/partition-record.js'
import type { ControlStore } from './control-store.js'
import { swap } from './swap.js'

const PREFIX = '/partitions/'

/** What to make of a record; null to leave it as it is. `nonce` goes into what comes out. */
export type RecordChange = (record: PartitionRecord, nonce: string) => PartitionRecord | null

export class PartitionRecords {
  private readonly control: ControlStore
  private readonly makeNonce: () => string

  /** @param makeNonce a text that nobody else makes. */
  constructor (control: ControlStore, makeNonce: () => string) {
    this.control = control
    this.makeNonce = makeNonce
  }

  /** The record as it is now; null where there is none. Rejects where the control store cannot be reached. */
  async read (topicId: string, partition: number): Promise<PartitionRecord | null> {
    const entry = await this.control.get(keyOf(topicId, partition))
    return entry === null ? null : entry.value as PartitionRecord
  }

  /** All records of a topic, by partition. */
  async list (topicId: string): Promise<Map<number, PartitionRecord>> {
    const prefix = `${PREFIX}${topicId}/`
    const { entries } = await this.control.list(prefix)
    return new Map(entries.map(({ key, value }) => [Number(key.slice(prefix.length)), value as PartitionRecord]))
  }

  /** Puts down the record of a partition that has none. @returns false where there is one. */
  async create (
    topicId: string, partition: number, make: (nonce: string) => PartitionRecord
  ): Promise<boolean> {
    const key = keyOf(topicId, partition)
    const record = make(this.makeNonce())
    return await this.commit(key, record, 0)
  }

  /**
   * Changes a record once. @returns the record as it then is: that of `change` where the swap was made, the one that
   * was there where `change` left it, null where there is none or somebody else was faster.
   */
  async change (topicId: string, partition: number, change: RecordChange): Promise<PartitionRecord | null> {
    const key = keyOf(topicId, partition)
    const entry = await this.control.get(key)
    if (entry === null) return null
    const before = entry.value as PartitionRecord
    const after = change(before, this.makeNonce())
    if (after === null) return before
    return await this.commit(key, after, entry.revision) ? after : null
  }

  /**
   * Calls back with the partition whenever a record of the topic may have changed: a hint to read it.
   *
   * @param onListAgain see `ControlStore.watch`.
   */
  watch (topicId: string, onHint: (partition: number) => void, onListAgain?: () => void): () => void {
    const prefix = `${PREFIX}${topicId}/`
    return this.control.watch(prefix, ({ key }) => onHint(Number(key.slice(prefix.length))), onListAgain)
  }

  private async commit (key: string, record: PartitionRecord, revision: number): Promise<boolean> {
    const isOurs = (value: unknown): boolean => (value as PartitionRecord).nonce === record.nonce
    return await swap(this.control, key, record, revision, isOurs) !== null
  }
}

function keyOf (topicId: string, partition: number): string {
  return `${PREFIX}${topicId}/${partition}`
}
