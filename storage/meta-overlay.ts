// The writes of one table that are not in the store yet, laid over what is: reads see them at once.
//
//   overlay   b=2          d=(deleted)   f=6         sorted by key; each with the number of the write it came from
//   store     a=1  b=1  c=3  d=4                     what LMDB answers
//   visible   a=1  b=2  c=3             f=6
//
// While a commit is under way LMDB may answer with or without it; the overlay says the same in either case.

import type { MetaEntry, MetaRange } from './meta-store.js'
import { SortedEntries } from './sorted-entries.js'

/** `value: null` where the key is deleted. */
interface OverlayEntry { readonly key: Buffer, readonly value: Buffer | null, readonly sequence: number }

export class MetaOverlay {
  private readonly entries = new SortedEntries<OverlayEntry>()

  /** Keeps the buffers: the caller must not change them. */
  set (key: Buffer, value: Buffer | null, sequence: number): void {
    this.entries.set({ key, value, sequence })
  }

  /** A copy of the value, null where it is deleted, undefined where the store is to be asked. */
  get (key: Buffer): Buffer | null | undefined {
    const entry = this.entries.get(key)
    if (entry === null) return undefined
    return entry.value === null ? null : Buffer.from(entry.value)
  }

  /** Drops what the store now has: writes numbered up to and including `sequence`. */
  dropUpTo (sequence: number): void {
    this.entries.filter(entry => entry.sequence > sequence)
  }

  /** Merges the store's entries, read one after the other from `nextStored` in the range's direction, with its own. */
  merge ({ from, to, reverse = false, limit = Infinity }: MetaRange, nextStored: () => MetaEntry | null): MetaEntry[] {
    const merged: MetaEntry[] = []
    if (limit <= 0) return merged
    const nextOwn = this.entries.walk(from, to, reverse)
    let own = nextOwn()
    let stored = nextStored()
    while (merged.length < limit && (own !== null || stored !== null)) {
      let order = own === null ? 1 : -1
      if (own !== null && stored !== null) order = Buffer.compare(own.key, stored.key) * (reverse ? -1 : 1)
      if (order > 0) {
        merged.push(stored!)
        stored = nextStored()
        continue
      }
      const { key, value } = own!
      if (value !== null) merged.push({ key: Buffer.from(key), value: Buffer.from(value) })
      own = nextOwn()
      if (order === 0) stored = nextStored()
    }
    return merged
  }
}
