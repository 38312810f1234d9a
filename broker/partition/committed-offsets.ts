// How far each stream group has read a partition: the state that the partition's state log adds up to.
//
// A commit is a record in the state log, key `offset/<group>`, value JSON; a null value removes the offset. The newest
// record of a key counts, so the state log is a compacted log.

import { BATCH_FLAG, RecordBatchBuilder, RecordReader } from '@sluice/protocol'

/** A committed offset. */
export interface GroupOffset {
  /** Offset of the next record to read. */
  offset: number
  /** Leader epoch of the record before it; -1 where unknown. */
  leaderEpoch: number
  /** Free text of the client. */
  metadata: string | null
  /** Generation of the group at the commit; -1 for a commit from outside. */
  generation: number
  /** Wall-clock milliseconds. */
  committedAt: number
}

const KEY_PREFIX = 'offset/'

export class CommittedOffsets {
  private readonly offsets = new Map<string, GroupOffset>()
  /** Groups that changed since they were last taken by `takeChanged`. */
  private changed = new Set<string>()

  get (group: string): GroupOffset | undefined {
    return this.offsets.get(group)
  }

  groups (): IterableIterator<string> {
    return this.offsets.keys()
  }

  set (group: string, offset: GroupOffset | null): void {
    if (offset === null) this.offsets.delete(group)
    else this.offsets.set(group, offset)
    this.changed.add(group)
  }

  /** Takes in a batch of the state log. */
  apply (batch: Buffer, reader: RecordReader): void {
    reader.open(batch)
    while (reader.next()) {
      const key = reader.key?.toString() ?? ''
      if (!key.startsWith(KEY_PREFIX)) continue
      const value = reader.value
      this.set(key.slice(KEY_PREFIX.length), value === null ? null : JSON.parse(value.toString()) as GroupOffset)
    }
  }

  clear (): void {
    this.offsets.clear()
    this.changed.clear()
  }

  get hasChanged (): boolean { return this.changed.size > 0 }

  /** Groups that changed since the last call. */
  takeChanged (): Set<string> {
    const { changed } = this
    this.changed = new Set()
    return changed
  }
}

/** The batch for the state log that stores (or, with null, removes) offsets. */
export function offsetBatch (
  builder: RecordBatchBuilder, commits: readonly { group: string, offset: GroupOffset | null }[], nowMs: number,
): Buffer {
  for (const { group, offset } of commits) {
    builder.append(KEY_PREFIX + group, offset === null ? null : JSON.stringify(offset), nowMs)
  }
  return builder.build({ flags: BATCH_FLAG.control })
}
