// A table in memory, for MemoryMetaStore.

import type { MetaEntry, MetaRange } from './meta-store.js'
import { SortedEntries } from './sorted-entries.js'

export class MetaTable {
  private readonly entries: SortedEntries<MetaEntry>

  constructor (entries = new SortedEntries<MetaEntry>()) {
    this.entries = entries
  }

  /** A copy of the value, or null. */
  get (key: Buffer): Buffer | null {
    const entry = this.entries.get(key)
    return entry === null ? null : Buffer.from(entry.value)
  }

  /** Copies of the entries. */
  range ({ from, to, reverse = false, limit = Infinity }: MetaRange): MetaEntry[] {
    const next = this.entries.walk(from, to, reverse)
    const found: MetaEntry[] = []
    while (found.length < limit) {
      const entry = next()
      if (entry === null) break
      found.push({ key: Buffer.from(entry.key), value: Buffer.from(entry.value) })
    }
    return found
  }

  /** Keeps `key` and `value` themselves: the caller must not change them. */
  set (key: Buffer, value: Buffer): void {
    this.entries.set({ key, value })
  }

  delete (key: Buffer): void {
    this.entries.delete(key)
  }

  clone (): MetaTable {
    return new MetaTable(this.entries.clone())
  }
}
