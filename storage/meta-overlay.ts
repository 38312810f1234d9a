// The writes of one table that are not in the store yet, laid over what is: reads see them at once.
//
//   overlay   b=2          d=(deleted)   f=6         sorted by key; each with the number of the write it came from
//   store     a=1  b=1  c=3  d=4                     what LMDB answers
//   visible   a=1  b=2  c=3             f=6
//
// While a commit is under way LMDB may answer with or without it; the overlay says the same in either case.

import { lowerBound } from './sorted-keys.js'
import type { MetaEntry, MetaRange } from './meta-store.js'

export class MetaOverlay {
  #keys: Buffer[] = []
  /** null where the key is deleted. */
  #values: (Buffer | null)[] = []
  #sequences: number[] = []

  get count (): number {
    return this.#keys.length
  }

  /** Keeps the buffers: the caller must not change them. */
  set (key: Buffer, value: Buffer | null, sequence: number): void {
    const index = lowerBound(this.#keys, key)
    if (index < this.#keys.length && this.#keys[index]!.equals(key)) {
      this.#values[index] = value
      this.#sequences[index] = sequence
    } else {
      this.#keys.splice(index, 0, key)
      this.#values.splice(index, 0, value)
      this.#sequences.splice(index, 0, sequence)
    }
  }

  /** A copy of the value, null where it is deleted, undefined where the store is to be asked. */
  get (key: Buffer): Buffer | null | undefined {
    const index = lowerBound(this.#keys, key)
    if (index >= this.#keys.length || !this.#keys[index]!.equals(key)) return undefined
    const value = this.#values[index]!
    return value === null ? null : Buffer.from(value)
  }

  /** Drops what the store now has: writes numbered up to and including `sequence`. */
  dropUpTo (sequence: number): void {
    let kept = 0
    for (let i = 0; i < this.#keys.length; i++) {
      if (this.#sequences[i]! <= sequence) continue
      this.#keys[kept] = this.#keys[i]!
      this.#values[kept] = this.#values[i]!
      this.#sequences[kept] = this.#sequences[i]!
      kept++
    }
    this.#keys.length = this.#values.length = this.#sequences.length = kept
  }

  /** Merges the store's entries, read one after the other from `next` in the range's direction, with the overlay's. */
  merge (range: MetaRange, next: () => MetaEntry | null): MetaEntry[] {
    const start = range.from === undefined ? 0 : lowerBound(this.#keys, range.from)
    const end = range.to === undefined ? this.#keys.length : lowerBound(this.#keys, range.to)
    const step = range.reverse === true ? -1 : 1
    const limit = range.limit ?? Infinity
    const entries: MetaEntry[] = []
    let index = range.reverse === true ? end - 1 : start
    let stored = limit > 0 ? next() : null
    while (entries.length < limit) {
      const inRange = index >= start && index < end
      if (!inRange && stored === null) break
      const order = !inRange ? 1 : stored === null ? -1 : Buffer.compare(this.#keys[index]!, stored.key) * step
      if (order > 0) {
        entries.push(stored!)
        stored = next()
        continue
      }
      const value = this.#values[index]!
      if (value !== null) entries.push({ key: Buffer.from(this.#keys[index]!), value: Buffer.from(value) })
      index += step
      if (order === 0) stored = next()
    }
    return entries
  }
}
