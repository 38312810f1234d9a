// The records of stream groups: what has to outlive a restart besides committed offsets.
//
//   /groups/<group> → GroupRecord
//
// All of them are in memory, so that a group can be loaded at once. Writes of one group run in the order of the calls;
// those of different groups do not wait for each other.

import type { GroupRecord } from '../group/generation-reserve.js'
import type { ControlStore } from './control-store.js'

export const GROUP_PREFIX = '/groups/'

export class GroupRecords {
  private readonly store: ControlStore
  /** What is durable. */
  private readonly records = new Map<string, GroupRecord>()
  /** Per group with writes under way: the newest one, and the end of the last. */
  private readonly writes = new Map<string, { newest: GroupRecord | null, done: Promise<unknown> }>()

  constructor (store: ControlStore) {
    this.store = store
  }

  async load (): Promise<void> {
    const { entries } = await this.store.list(GROUP_PREFIX)
    for (const { key, value } of entries) {
      if (isGroupRecord(value)) this.records.set(key.slice(GROUP_PREFIX.length), value)
    }
  }

  /** The durable record of a group; undefined where there is none, or it is being removed. */
  get (group: string): GroupRecord | undefined { return this.records.get(group) }

  groups (): IterableIterator<string> { return this.records.keys() }

  /** Resolves when the record is durable. */
  save (group: string, record: GroupRecord): Promise<void> {
    return this.write(group, record)
  }

  /** Removes a record: from memory now, from the store soon. */
  remove (group: string): Promise<void> {
    if (!this.records.delete(group) && !this.writes.has(group)) return Promise.resolve()
    return this.write(group, null)
  }

  /** Resolves when no write is under way any more. */
  async atRest (): Promise<void> {
    while (this.writes.size > 0) await Promise.allSettled([...this.writes.values()].map(({ done }) => done))
  }

  private write (group: string, record: GroupRecord | null): Promise<void> {
    const before = this.writes.get(group)?.done ?? Promise.resolve()
    const changes = [{ key: GROUP_PREFIX + group, value: record }]
    const done = before.catch(() => {}).then(() => this.store.commit(changes)).then(() => {
      // A removal that was asked for meanwhile counts from when it was asked for.
      if (record !== null && this.writes.get(group)!.newest !== null) this.records.set(group, record)
    })
    const entry = { newest: record, done }
    this.writes.set(group, entry)
    const forget = (): void => { if (this.writes.get(group) === entry) this.writes.delete(group) }
    return done.finally(forget)
  }
}

/** What comes from a file is not trusted. */
export function isGroupRecord (value: unknown): value is GroupRecord {
  if (typeof value !== 'object' || value === null) return false
  const { generationCeiling, sessionTimeoutMs } = value as Record<string, unknown>
  return Number.isSafeInteger(generationCeiling) && (generationCeiling as number) >= 0 &&
    Number.isSafeInteger(sessionTimeoutMs) && (sessionTimeoutMs as number) >= 0
}
