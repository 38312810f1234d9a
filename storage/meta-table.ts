// A table in memory: entries in one array, sorted by key.

import type { MetaEntry, MetaRange } from './meta-store.js'
import { lowerBound } from './sorted-keys.js'

export class MetaTable {
  readonly #keys: Buffer[]
  readonly #values: Buffer[]

  constructor (keys: Buffer[] = [], values: Buffer[] = []) {
    this.#keys = keys
    this.#values = values
  }

  /** A copy of the value, or null. */
  get (key: Buffer): Buffer | null {
    const index = lowerBound(this.#keys, key)
    return this.#has(index, key) ? Buffer.from(this.#values[index]!) : null
  }

  /** Copies of the entries. */
  range (range: MetaRange): MetaEntry[] {
    const start = range.from === undefined ? 0 : lowerBound(this.#keys, range.from)
    const end = range.to === undefined ? this.#keys.length : lowerBound(this.#keys, range.to)
    const limit = range.limit ?? Infinity
    const entries: MetaEntry[] = []
    if (range.reverse === true) {
      for (let i = end - 1; i >= start && entries.length < limit; i--) entries.push(this.#entry(i))
    } else {
      for (let i = start; i < end && entries.length < limit; i++) entries.push(this.#entry(i))
    }
    return entries
  }

  /** Keeps `key` and `value` themselves: the caller must not change them. */
  set (key: Buffer, value: Buffer): void {
    const index = lowerBound(this.#keys, key)
    if (this.#has(index, key)) {
      this.#values[index] = value
    } else {
      this.#keys.splice(index, 0, key)
      this.#values.splice(index, 0, value)
    }
  }

  delete (key: Buffer): void {
    const index = lowerBound(this.#keys, key)
    if (!this.#has(index, key)) return
    this.#keys.splice(index, 1)
    this.#values.splice(index, 1)
  }

  clone (): MetaTable {
    return new MetaTable(this.#keys.slice(), this.#values.slice())
  }

  #entry (index: number): MetaEntry {
    return { key: Buffer.from(this.#keys[index]!), value: Buffer.from(this.#values[index]!) }
  }

  #has (index: number, key: Buffer): boolean {
    return index < this.#keys.length && this.#keys[index]!.equals(key)
  }
}
